// @ts-check
/**
 * A sound track of nothing: a source of zeros, to which nothing else is ever connected. A stream whose sound stops
 * altogether makes a video server wait for it; one that is silent flows on.
 */
export class Silence {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {MediaStreamTrack | null} */
  #track = null;

  constructor() {
    // Where a browser wants a tap before anything may sound, silence begins with the first.
    addEventListener('pointerdown', () => void this.#context?.resume());
  }

  /** The track, made when it is first wanted; none where the browser makes no more sound. */
  get track() {
    if (this.#track) return this.#track;
    try {
      this.#context = new AudioContext();
      const zeros = new ConstantSourceNode(this.#context, { offset: 0 });
      const out = new MediaStreamAudioDestinationNode(this.#context, { channelCount: 1 });
      zeros.connect(out);
      zeros.start();
      this.#track = out.stream.getAudioTracks()[0];
    } catch (error) {
      // The stream then goes on without a sound track, which is right above all.
      console.error(error);
    }
    return this.#track;
  }

  close() {
    this.#track?.stop();
    void this.#context?.close();
    this.#track = null;
    this.#context = null;
  }
}

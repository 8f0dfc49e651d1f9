// @ts-check
/** Somebody calls: the tab's title says so, and there is a soft tone where the browser lets the page sound. */

/** From one title, and one ring, to the next, in milliseconds. */
const BEAT = 1500;
/** Every other beat is a pause. Two notes, in hertz, and how far apart they begin, in seconds. */
const NOTES = [659.3, 523.3];
const APART = 0.22;
/** How long a note rings out, in seconds, and how loud it begins, of 1. */
const LENGTH = 0.9;
const LOUDNESS = 0.09;

export class Ring {
  #title = '';
  #call = '';
  #beats = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  /** @type {AudioContext | null} */
  #context = null;

  /**
   * Sets the tab's title, and begins or ends to ring.
   * @param {string} title
   * @param {string | null} call who calls, in words; null while nobody does
   */
  draw(title, call) {
    this.#title = title;
    this.#call = call ?? '';
    if (call === null) this.#stop();
    else if (this.#timer === undefined) this.#start();
    this.#write();
  }

  #start() {
    // Without a tap beforehand there is no sound, and a browser complains of an attempt.
    if (navigator.userActivation?.hasBeenActive) this.#context = new AudioContext();
    this.#beats = 0;
    this.#timer = setInterval(() => this.#beat(), BEAT);
    this.#sound();
  }

  /** At once: an `AudioContext` that is closed does not finish its note. */
  #stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    void this.#context?.close();
    this.#context = null;
  }

  #beat() {
    this.#beats += 1;
    if (this.#beats % 2 === 0) this.#sound();
    this.#write();
  }

  #write() {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const calling = this.#timer !== undefined && (still || this.#beats % 2 === 0);
    const title = calling ? `☎ ${this.#call}` : this.#title;
    if (document.title !== title) document.title = title;
  }

  #sound() {
    const context = this.#context;
    if (!context) return;
    NOTES.forEach((frequency, index) => {
      const at = context.currentTime + index * APART;
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(LOUDNESS, at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, at + LENGTH);
      const note = new OscillatorNode(context, { frequency });
      note.connect(gain).connect(context.destination);
      note.start(at);
      note.stop(at + LENGTH);
    });
  }
}

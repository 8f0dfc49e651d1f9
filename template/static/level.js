// @ts-check
/** How loud the microphone is, on a `<meter>`: whoever goes live sees that they can be heard. */

/** @typedef {import('./devices.js').Devices} Devices */

/** How often the meter moves, in milliseconds. */
const BEAT = 80;
/** The loudness of a voice close by, as a root mean square of samples from -1 to 1; it fills the meter. */
const VOICE = 0.12;

export class Level {
  #meter;
  #devices;
  /** Made with the first sound: a page without a microphone needs none. @type {AudioContext | null} */
  #context = null;
  /** @type {{ track: MediaStreamTrack, node: MediaStreamAudioSourceNode, analyser: AnalyserNode } | null} */
  #tap = null;

  /**
   * @param {HTMLMeterElement} meter
   * @param {Devices} devices
   */
  constructor(meter, devices) {
    this.#meter = meter;
    this.#devices = devices;
    devices.addEventListener('tracks', () => this.#follow());
    // Some browsers run an AudioContext only after a tap; the meter comes with the first one.
    addEventListener('pointerdown', () => void this.#context?.resume());
    setInterval(() => this.#draw(), BEAT);
    meter.hidden = true;
  }

  #follow() {
    const track = this.#devices.audio;
    if (this.#tap?.track === (track ?? undefined)) return;
    this.#tap?.node.disconnect();
    this.#tap = null;
    if (!track) return;
    this.#context ??= new AudioContext();
    const analyser = new AnalyserNode(this.#context, { fftSize: 1024 });
    const node = new MediaStreamAudioSourceNode(this.#context, { mediaStream: new MediaStream([track]) });
    node.connect(analyser);
    this.#tap = { track, node, analyser };
  }

  #draw() {
    this.#meter.hidden = this.#tap === null || this.#context?.state !== 'running';
    if (this.#meter.hidden || !this.#tap || document.hidden) return;
    const samples = new Float32Array(this.#tap.analyser.fftSize);
    this.#tap.analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    this.#meter.value = Math.min(1, Math.sqrt(power) / VOICE);
  }
}

// @ts-check
/** What is sent instead of the camera while the person is away: a title, and how long it has been. */

import { runningTime } from './view.js';

/** @typedef {import('./view.js').CardSource} CardSource */

const WIDTH = 1280;
const HEIGHT = 720;
/** Pictures a second: enough for whoever starts to watch to have one at once, and next to no bits for a still picture. */
const RATE = 10;
/** The dot beside the clock grows and fades once in so long, in milliseconds: the picture is not frozen. */
const BREATH = 4000;
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
/** The title's letters, in pixels, and the most lines that it may take. */
const LETTERS = 76;
const LINES = 3;
/** The height of the clock below them, in pixels. */
const CLOCK = 120;

export class Card extends EventTarget {
  /** What it is called when something is the matter with it. */
  name = 'The card';
  /** @type {MediaStreamTrack} */
  video;
  #audio;
  #now;
  /** Sends what is drawn, whether or not the browser thinks that the page is seen. */
  #send;
  #pen = newPen();
  /** All but the clock, which alone is drawn anew for every picture. */
  #face = newPen();
  /** The middle of the clock, from above. */
  #clock = 0;
  #ticks;
  /** @type {CardSource | null} */
  #source = null;

  /**
   * @param {CardSource} source
   * @param {() => number} now the server's clock, in milliseconds
   * @param {() => MediaStreamTrack | null} audio what is heard meanwhile
   */
  constructor(source, now, audio) {
    super();
    this.#now = now;
    this.#audio = audio;
    // At rate 0 a picture is sent when that is asked for: of the track, or, in Firefox, of its stream.
    const stream = this.#pen.canvas.captureStream(0);
    [this.video] = stream.getVideoTracks();
    const sender = /** @type {CanvasCaptureMediaStreamTrack} */ ('requestFrame' in stream ? stream : this.video);
    this.#send = () => sender.requestFrame();
    this.write(source);
    this.#ticks = new Worker(new URL('./ticks.js', import.meta.url));
    this.#ticks.onmessage = () => this.draw();
    this.#ticks.postMessage(1000 / RATE);
  }

  get audio() {
    return this.#audio();
  }

  /**
   * Changes what stands on it.
   * @param {CardSource} source
   */
  write(source) {
    const { title, since } = source;
    if (this.#source?.title === title && this.#source.since === since) return;
    this.#source = source;
    const pen = this.#face;
    const light = pen.createRadialGradient(WIDTH / 2, -HEIGHT * 0.2, 0, WIDTH / 2, -HEIGHT * 0.2, HEIGHT * 1.35);
    light.addColorStop(0, '#1d3a2e');
    light.addColorStop(0.6, '#0f1b16');
    light.addColorStop(1, '#0b110e');
    pen.fillStyle = light;
    pen.fillRect(0, 0, WIDTH, HEIGHT);

    pen.font = `700 ${LETTERS}px ${FONT}`;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillStyle = '#eef4f0';
    const lines = wrapped(pen, title, WIDTH * 0.8);
    const leading = LETTERS * 1.2;
    const top = (HEIGHT - lines.length * leading - CLOCK) / 2;
    lines.forEach((line, index) => pen.fillText(line, WIDTH / 2, top + (index + 0.5) * leading));
    this.#clock = top + lines.length * leading + CLOCK / 2;
    this.#pen.drawImage(pen.canvas, 0, 0);
    this.draw();
  }

  /** Draws a picture, and sends it to whoever shows this card. */
  draw() {
    const pen = this.#pen;
    const y = this.#clock;
    const strip = /** @type {const} */ ([0, y - CLOCK / 2, WIDTH, CLOCK]);
    pen.drawImage(this.#face.canvas, ...strip, ...strip);
    const text = runningTime(this.#now() - (this.#source?.since ?? 0));
    pen.font = `500 44px ${FONT}`;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillStyle = '#b4c6bc';
    pen.fillText(text, WIDTH / 2 + 18, y);
    const breath = (1 - Math.cos((performance.now() / BREATH) * 2 * Math.PI)) / 2;
    pen.globalAlpha = 0.35 + 0.65 * breath;
    pen.fillStyle = '#3ecf98';
    pen.beginPath();
    pen.arc(WIDTH / 2 - pen.measureText(text).width / 2 - 14, y, 9 + 2 * breath, 0, 2 * Math.PI);
    pen.fill();
    pen.globalAlpha = 1;
    this.#send();
  }

  close() {
    this.#ticks.terminate();
    this.video.stop();
  }
}

/** A canvas of the card's size. It is read for every picture, so it is not kept where only the screen is near. */
function newPen() {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false, willReadFrequently: true }));
}

/**
 * Text in lines, the last one cut off if it does not fit.
 * @param {CanvasRenderingContext2D} pen with its font set
 * @param {string} text
 * @param {number} width
 */
function wrapped(pen, text, width) {
  const fits = (/** @type {string} */ line) => pen.measureText(line).width <= width;
  /** @type {string[]} */
  const lines = [''];
  for (const word of text.trim().split(/\s+/)) {
    const longer = `${lines[lines.length - 1]} ${word}`.trim();
    if (fits(longer) || lines[lines.length - 1] === '') lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  const cut = lines.slice(0, LINES);
  if (lines.length > LINES) cut[LINES - 1] += ' …';
  return cut.map((line) => {
    if (fits(line)) return line;
    const letters = Array.from(line);
    while (letters.length > 1 && !fits(`${letters.join('')}…`)) letters.pop();
    return `${letters.join('')}…`;
  });
}

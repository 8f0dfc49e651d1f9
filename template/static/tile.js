// @ts-check
/** One picture on the stage: a `<video>`, its words, and its own controls. Drawn from `<template id="tile">`. */

/** @typedef {import('./connection.js').Standing} Standing */

/**
 * The first element that matches; the page's own template has it.
 * @template {Element} [E=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {E}
 */
export function find(root, selector) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return /** @type {E} */ (element);
}

/**
 * Writes text only where it changes, so that a screen reader hears it once.
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class Tile {
  element;
  video;
  /** Called when the person asks to try again. @type {() => void} */
  onretry = () => {};
  /** Called when the person wants to hear; the stage then opens every tile's sound. @type {() => void} */
  onsound = () => {};
  /** Whether there has been sound; before, the button for it is a big one. */
  #heard = false;
  #self;

  /**
   * @param {string} slot
   * @param {{ self: boolean }} kind `self`: one's own camera, mirrored and silent
   */
  constructor(slot, { self }) {
    const template = /** @type {HTMLTemplateElement} */ (find(document, 'template#tile'));
    this.element = find(/** @type {DocumentFragment} */ (template.content.cloneNode(true)), '.tile');
    this.video = /** @type {HTMLVideoElement} */ (find(this.element, 'video'));
    this.#self = self;
    this.video.dataset.slot = slot;
    // The attribute of a cloned `<video muted>` does not reach the property in every browser.
    this.video.muted = true;
    this.element.classList.toggle('tile-self', self);
    this.#on('retry', () => this.onretry());
    this.#on('sound', () => this.#sound());
    this.#on('tap-for-sound', () => this.onsound());
    this.#on('fullscreen', () => void this.#fullscreen());
    this.#control('fullscreen').hidden = self || !document.fullscreenEnabled;
    this.video.addEventListener('volumechange', () => this.#drawSound());
    this.video.addEventListener('playing', () => this.#drawSound());
    this.#drawSound();
    this.stand({ state: 'connecting', text: '' });
  }

  /** @param {string} text who or what is to be seen */
  set label(text) {
    write(find(this.element, 'figcaption'), text);
    this.video.setAttribute('aria-label', text);
    find(this.element, '.tile-silent').setAttribute('aria-label', `${text}: microphone off`);
  }

  /**
   * Which of the devices behind the picture are on.
   * @param {import('./view.js').Sending} sending
   */
  set sending({ camera, microphone }) {
    this.element.dataset.camera = camera ? 'on' : 'off';
    this.element.dataset.microphone = microphone ? 'on' : 'off';
  }

  /** @param {Standing} standing */
  stand({ state, text, help = '' }) {
    this.element.dataset.state = state;
    this.video.dataset.state = state;
    find(this.element, '.tile-words').hidden = text === '';
    write(find(this.element, '.tile-text'), text);
    write(find(this.element, '.tile-help'), help);
    this.#control('retry').hidden = state !== 'failed';
  }

  /**
   * Shows a stream; the very same one goes on untouched.
   * @param {MediaStream | null} stream
   * @param {boolean} [withSound] whether to try sound at once, as a browser allows one who is on camera
   */
  async show(stream, withSound = false) {
    if (this.video.srcObject === stream) return;
    this.video.srcObject = stream;
    if (!stream) return;
    if (withSound) this.video.muted = false;
    await this.#play();
  }

  /** Tries whether the browser gives sound without a tap by now, as it does to those who are on camera. */
  async hear() {
    if (this.#self || this.#heard || !this.video.srcObject) return;
    this.video.muted = false;
    await this.#play();
  }

  /** Turns the sound on; called within a tap. */
  unmute() {
    if (this.#self) return;
    this.video.muted = false;
    this.#heard = true;
    this.video.play().catch(() => {});
    this.#drawSound();
  }

  /** Takes it off the page. */
  close() {
    this.video.srcObject = null;
    this.element.remove();
  }

  async #play() {
    try {
      await this.video.play();
      if (!this.video.muted) this.#heard = true;
    } catch {
      // Sound without a tap is refused; a silent picture hardly ever is. A newer stream ends this one's `play()` too.
      this.video.muted = true;
      await this.video.play().catch(() => {});
    }
    this.#drawSound();
  }

  #sound() {
    if (this.video.muted) this.onsound();
    else this.video.muted = true;
  }

  #drawSound() {
    const { muted } = this.video;
    this.#control('tap-for-sound').hidden = this.#self || this.#heard;
    const toggle = this.#control('sound');
    toggle.setAttribute('aria-pressed', String(!muted));
    toggle.setAttribute('aria-label', muted ? 'Turn the sound on' : 'Turn the sound off');
    toggle.hidden = this.#self || !this.#heard;
  }

  async #fullscreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.element.requestFullscreen().catch(() => {});
  }

  /** @param {string} action */
  #control(action) {
    return find(this.element, `[data-action="${action}"]`);
  }

  /**
   * @param {string} action
   * @param {() => void} does
   */
  #on(action, does) {
    this.#control(action).addEventListener('click', does);
  }
}

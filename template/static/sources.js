// @ts-check
/** What can be published, by the View's name for it. One object for each thing that is sent; freed when nothing is. */

import { Card } from './card.js';
import { Silence } from './silence.js';

/** @typedef {import('./view.js').Publish} Publish */
/** @typedef {import('./devices.js').Devices} Devices */
/** @typedef {import('./whip.js').MediaSource} MediaSource */

/** Neither picture nor sound. @type {MediaSource} */
const NOTHING = Object.assign(new EventTarget(), { name: 'The card', video: null, audio: null });

export class Sources {
  #devices;
  #silentCamera;
  #now;
  #silence = new Silence();
  /** By slot. @type {Map<string, Card>} */
  #cards = new Map();

  /**
   * @param {Devices} devices
   * @param {() => number} now the server's clock, in milliseconds
   */
  constructor(devices, now) {
    this.#devices = devices;
    this.#silentCamera = new SilentCamera(devices, () => this.#silence.track);
    this.#now = now;
  }

  /**
   * What is to be sent. The same object as long as the View wants the same: a card is rewritten, not remade.
   * @param {Publish} publish
   * @returns {MediaSource}
   */
  of({ slot, source }) {
    switch (source.type) {
      case 'camera':
        return this.#devices;
      case 'silent-camera':
        return this.#silentCamera;
      case 'card':
        try {
          const card = this.#cards.get(slot) ?? new Card(source, this.#now, () => this.#silence.track);
          this.#cards.set(slot, card);
          card.write(source);
          return card;
        } catch (error) {
          // Whatever a browser has against it: nothing is sent rather than what was sent before.
          console.error(error);
          return NOTHING;
        }
    }
  }

  /**
   * Frees what is not sent any more, once the publishers have let go of it.
   * @param {Publish[]} publishes
   */
  keep(publishes) {
    for (const [slot, card] of this.#cards) {
      if (publishes.some((publish) => publish.slot === slot && publish.source.type === 'card')) continue;
      this.#cards.delete(slot);
      card.close();
    }
    if (publishes.every(({ source }) => source.type === 'camera')) this.#silence.close();
  }
}

/** The camera's picture with silence. It has no way to the microphone. */
class SilentCamera extends EventTarget {
  #devices;
  #audio;

  /**
   * @param {Devices} devices
   * @param {() => MediaStreamTrack | null} audio
   */
  constructor(devices, audio) {
    super();
    this.#devices = devices;
    this.#audio = audio;
    devices.addEventListener('tracks', () => this.dispatchEvent(new Event('tracks')));
  }

  get name() {
    return this.#devices.name;
  }

  get video() {
    return this.#devices.video;
  }

  /** None without a picture: silence alone is nothing to send. */
  get audio() {
    return this.video && this.#audio();
  }
}

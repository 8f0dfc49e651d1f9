// @ts-check
/** The controls of one's own camera and microphone, and how what one publishes is doing. */

import { find, write } from './tile.js';

/** @typedef {import('./devices.js').Devices} Devices */
/** @typedef {import('./devices.js').Kind} Kind */
/** @typedef {import('./view.js').Publish} Publish */
/** @typedef {import('./view.js').Source} Source */
/** @typedef {import('./whip.js').WhipPublisher} WhipPublisher */

/** What each device is called, on its switch and on its list. */
const NAMES = /** @type {const} */ ({ video: 'camera', audio: 'microphone' });
const KINDS = /** @type {const} */ (['audio', 'video']);

export class Panel {
  #element;
  #devices;

  /**
   * @param {HTMLElement} element
   * @param {Devices} devices
   */
  constructor(element, devices) {
    this.#element = element;
    this.#devices = devices;
    for (const kind of KINDS) {
      this.#toggle(kind).addEventListener('click', () => devices.toggle(kind));
      const select = this.#select(kind);
      select.addEventListener('change', () => void devices.choose(kind, select.value));
    }
    devices.addEventListener('change', () => this.#draw());
    devices.addEventListener('tracks', () => this.#draw());
    this.#draw();
  }

  /**
   * How each published stream is doing. Where there is more than the camera, each says which it is.
   * @param {Publish[]} publishes those of the View
   * @param {Map<string, WhipPublisher>} publishers theirs, by slot
   */
  sending(publishes, publishers) {
    const plain = publishes.length === 1 && publishes[0].source.type === 'camera';
    const list = find(this.#element, '#sending');
    for (const item of [...list.children]) {
      if (!publishers.has(/** @type {HTMLElement} */ (item).dataset.publisher ?? '')) item.remove();
    }
    for (const { slot, source } of publishes) {
      const publisher = publishers.get(slot);
      if (!publisher) continue;
      const { standing, digest } = publisher;
      const item = /** @type {HTMLElement} */ (
        list.querySelector(`[data-publisher="${slot}"]`) ?? list.appendChild(document.createElement('li'))
      );
      item.dataset.publisher = slot;
      item.dataset.state = standing.state;
      const words = [standing.text, standing.help].filter(Boolean).join(' ');
      write(item, plain ? words : `${sourceWords(source)} · ${words}`);
      // For the curious: hovering tells the numbers.
      if (digest) item.title = numbers(digest);
    }
    list.hidden = publishers.size === 0;
  }

  #draw() {
    const { state, on, list, silent } = this.#devices;
    this.#element.hidden = state === 'off';
    for (const kind of KINDS) {
      const toggle = this.#toggle(kind);
      toggle.setAttribute('aria-pressed', String(on[kind]));
      toggle.disabled = this.#devices[kind] === null;
      const name = NAMES[kind];
      write(find(toggle, 'span'), on[kind] ? `${capital(name)} on` : `${capital(name)} off`);
      this.#options(kind, list[kind]);
    }
    write(
      find(this.#element, '#silent'),
      silent ? 'No microphone: people will see you but not hear you. Plug one in and it is used.' : '',
    );
  }

  /**
   * @param {Kind} kind
   * @param {MediaDeviceInfo[]} devices
   */
  #options(kind, devices) {
    const select = this.#select(kind);
    const options = devices.map(({ deviceId, label }, index) => ({
      value: deviceId,
      text: label || `${capital(NAMES[kind])} ${index + 1}`,
    }));
    // A list that is open must not change under the person's hand unless it really did.
    const same =
      options.length === select.options.length &&
      options.every(({ value, text }, index) => {
        const option = select.options[index];
        return option?.value === value && option.text === text;
      });
    if (!same) select.replaceChildren(...options.map(({ value, text }) => new Option(text, value)));
    const chosen = this.#devices.chosen(kind);
    if (select.value !== chosen && options.some(({ value }) => value === chosen)) select.value = chosen;
    select.disabled = options.length < 2;
  }

  /** @param {Kind} kind */
  #toggle(kind) {
    return /** @type {HTMLButtonElement} */ (find(this.#element, `[data-action="${NAMES[kind]}"]`));
  }

  /** @param {Kind} kind */
  #select(kind) {
    return /** @type {HTMLSelectElement} */ (find(this.#element, `#pick-${NAMES[kind]}`));
  }
}

/** @param {string} word */
function capital(word) {
  return word[0].toUpperCase() + word.slice(1);
}

/** @param {Source} source */
function sourceWords(source) {
  switch (source.type) {
    case 'camera':
      return 'Camera and microphone';
    case 'silent-camera':
      return 'Camera without sound';
    case 'card':
      return `Card “${source.title}”`;
  }
}

/** @param {import('./stats.js').Digest} digest */
function numbers({ width, height, fps, kbps, roundTripMs }) {
  const trip = roundTripMs === null ? '' : `, ${Math.round(roundTripMs)} ms to the server and back`;
  return `${width} × ${height}, ${Math.round(fps)} pictures and ${Math.round(kbps)} kbit a second${trip}`;
}

// @ts-check
/** The place where the pictures are: what is played, the most important first, and one's own camera. */

import { Tile } from './tile.js';
import { reconcile } from './view.js';

/** @typedef {import('./view.js').Play} Play */
/** @typedef {import('./view.js').View} View */
/** @typedef {import('./devices.js').Devices} Devices */
/** @typedef {import('./whep.js').WhepPlayer} WhepPlayer */

/** The slot of one's own camera, beside those of streams. */
const PREVIEW = 'preview';

export class Stage {
  /** Tiles by slot. @type {Map<string, Tile>} */
  tiles = new Map();
  #element;
  #devices;
  /** Those of the View, by slot. @type {Map<string, Play>} */
  #plays = new Map();

  /**
   * @param {HTMLElement} element
   * @param {Devices} devices
   */
  constructor(element, devices) {
    this.#element = element;
    this.#devices = devices;
    devices.addEventListener('change', () => this.#drawPreview());
    devices.addEventListener('tracks', () => {
      this.#drawPreview();
      // Somebody on camera came to talk, and the browser lets them hear without a tap.
      if (devices.video || devices.audio) for (const tile of this.tiles.values()) void tile.hear();
    });
  }

  /**
   * @param {View} view
   * @param {Map<string, WhepPlayer>} players those of the View
   */
  draw(view, players) {
    const preview = view.preview ? [{ slot: PREVIEW, label: view.publishes.length > 0 ? 'You' : 'You · only you see this' }] : [];
    const wanted = [...view.plays, ...preview];
    reconcile(this.tiles, wanted, ({ slot }) => this.#make(slot, players.get(slot)));
    for (const { slot, label } of wanted) {
      const tile = this.tiles.get(slot);
      if (tile) tile.label = label;
    }
    this.#plays = new Map(view.plays.map((play) => [play.slot, play]));
    for (const player of players.values()) this.#drawPlayer(player);
    // Moving a <video> within the document would interrupt it, so those in place stay in place.
    wanted.forEach(({ slot }, index) => {
      const element = this.tiles.get(slot)?.element;
      if (element && this.#element.children[index] !== element) {
        this.#element.insertBefore(element, this.#element.children[index] ?? null);
      }
    });
    this.#element.dataset.layout = view.layout;
    this.#element.dataset.plays = String(view.plays.length);
    this.#element.dataset.count = String(wanted.length);
    this.#drawPreview();
  }

  /**
   * @param {string} slot
   * @param {WhepPlayer | undefined} player none for the preview
   */
  #make(slot, player) {
    const tile = new Tile(slot, { self: player === undefined });
    tile.onsound = () => {
      for (const each of this.tiles.values()) each.unmute();
    };
    if (!player) {
      tile.onretry = () => void this.#devices.retry();
      return tile;
    }
    tile.onretry = () => player.hurry();
    player.onstream = () => void tile.show(player.stream, this.#devices.state === 'ready');
    player.onchange = () => this.#drawPlayer(player);
    player.onstream();
    return tile;
  }

  /** @param {WhepPlayer} player */
  #drawPlayer({ slot, standing }) {
    const tile = this.tiles.get(slot);
    const play = this.#plays.get(slot);
    if (!tile || !play) return;
    tile.sending = play.sending;
    const off = standing.state === 'playing' && !play.sending.camera;
    tile.stand(off ? { ...standing, text: `${play.label}’s camera is off` } : standing);
  }

  #drawPreview() {
    const tile = this.tiles.get(PREVIEW);
    if (!tile) return;
    const { state, video, on, words } = this.#devices;
    const shown = /** @type {MediaStream | null} */ (tile.video.srcObject);
    if (shown?.getVideoTracks()[0] !== (video ?? undefined)) void tile.show(video && new MediaStream([video]));
    if (state === 'ready' && on.video) tile.stand({ state: 'playing', text: '' });
    else if (state === 'ready') tile.stand({ state: 'playing', text: 'Your camera is off', help: 'Nobody sees you.' });
    else if (state === 'off' || state === 'asking') tile.stand({ state: 'connecting', ...words });
    else tile.stand({ state: 'failed', ...words });
    tile.sending = { camera: on.video, microphone: on.audio };
  }
}

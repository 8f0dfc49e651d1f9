// @ts-check
/**
 * The page of a session. It draws the View that the server sends and nothing else, so that a new architecture needs no
 * code here: words, buttons, what to publish and what to play all stand in the View.
 */

import { Buttons } from './buttons.js';
import { Credentials } from './credentials.js';
import { Devices } from './devices.js';
import { Level } from './level.js';
import { Panel } from './panel.js';
import { ActionRefused, SessionSocket } from './session.js';
import { Stage } from './stage.js';
import { find, write } from './tile.js';
import { PHASE_WORDS, reconcile, runningTime } from './view.js';
import { WhepPlayer } from './whep.js';
import { WhipPublisher } from './whip.js';

/** @typedef {import('./view.js').View} View */
/** @typedef {import('./view.js').Button} Button */

/** How long a notice stays, in milliseconds. */
const NOTICE = 8000;
/** A cut shorter than this is not worth a word, in milliseconds. */
const PATIENCE = 1000;

/** The button of the page itself, offered when another place has taken over. @type {Button} */
const USE_HERE = { action: 'use-here', label: 'Use here', emphasis: 'primary' };

export class Page {
  /** By slot. @type {Map<string, WhipPublisher>} */
  publishers = new Map();
  /** By slot. @type {Map<string, WhepPlayer>} */
  players = new Map();
  /** What is drawn. @type {View | null} */
  view = null;

  devices = new Devices();
  /** What can be published, by the View's name for it. */
  sources = { camera: this.devices };

  #credentials;
  #stage = new Stage(find(document, '#stage'), this.devices);
  #panel = new Panel(find(document, '#panel'), this.devices);
  #buttons = new Buttons(find(document, '#buttons'), (button) => this.#press(button));
  /** The server's clock less ours, in milliseconds. */
  #ahead = 0;
  #title = document.title;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #banner;

  /** @param {{ session: string, seat: string, live: string }} boot */
  constructor({ session, seat, live }) {
    this.#credentials = new Credentials(session, seat);
    new Level(find(document, '#level'), this.devices);
    this.socket = new SessionSocket(live, {
      onView: (view, serverNow) => {
        this.#ahead = serverNow - Date.now();
        this.draw(view);
      },
      onNotice: (text) => notice(text),
      onState: (state, text) => this.#connection(state, text),
      onRestart: () => {
        for (const each of [...this.publishers.values(), ...this.players.values()]) each.doubt();
      },
    });
    // The host's page alone has a link to share.
    document.querySelector('[data-action="copy-link"]')?.addEventListener('click', () => void copyLink());
    setInterval(() => this.#drawClock(), 1000);
    addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#hurry();
    });
    addEventListener('pagehide', () => this.#leave());
    // Back from the browser's memory, where everything was closed on leaving.
    addEventListener('pageshow', ({ persisted }) => {
      if (persisted) location.reload();
    });
    this.socket.open();
  }

  /**
   * Draws a View. Whatever it has in common with the one before goes on untouched.
   * @param {View} view
   */
  draw(view) {
    this.view = view;
    if (view.preview || view.publishes.some(({ source }) => source.type === 'camera')) this.devices.open();
    else this.devices.close();

    reconcile(this.publishers, view.publishes, ({ slot, source }) => {
      const publisher = new WhipPublisher(slot, this.#ask('publish', slot), this.sources[source.type]);
      publisher.onchange = () => this.#panel.sending(this.publishers);
      publisher.start();
      return publisher;
    });
    for (const { slot, source } of view.publishes) this.publishers.get(slot)?.show(this.sources[source.type]);
    this.#panel.sending(this.publishers);

    reconcile(this.players, view.plays, ({ slot }) => {
      const player = new WhepPlayer(slot, this.#ask('play', slot));
      player.start();
      return player;
    });
    for (const player of this.players.values()) player.expect(view.phase !== 'interrupted');

    this.#stage.draw(view, this.players);
    this.#buttons.draw(view.buttons);
    this.#drawWords(view);
  }

  /** @param {View} view */
  #drawWords(view) {
    document.body.dataset.phase = view.phase;
    write(find(document, '#headline'), view.headline);
    write(find(document, '#detail'), view.detail);
    const badge = find(document, '#badge');
    badge.hidden = false;
    badge.dataset.phase = view.phase;
    write(find(badge, 'span'), PHASE_WORDS[view.phase]);
    const audience = find(document, '#audience');
    audience.hidden = view.audience === null;
    write(find(audience, 'span'), view.audience === 0 ? 'Nobody is watching yet' : `${view.audience} watching`);
    document.title = view.phase === 'live' ? `● ${this.#title}` : this.#title;
    this.#drawClock();
  }

  #drawClock() {
    const clock = find(document, '#clock');
    const since = this.view?.since ?? null;
    clock.hidden = since === null;
    if (since !== null) write(clock, runningTime(Date.now() + this.#ahead - since));
  }

  /**
   * @param {'publish' | 'play'} what
   * @param {string} slot
   * @returns {(signal: AbortSignal) => Promise<import('./exchange.js').Credential>}
   */
  #ask(what, slot) {
    return (signal) => this.#credentials.get(what, slot, signal);
  }

  /** @param {Button} button */
  async #press({ action, target }) {
    if (action === USE_HERE.action) {
      this.socket.useHere();
      return;
    }
    try {
      await this.socket.act(action, target ?? null);
    } catch (error) {
      if (!(error instanceof ActionRefused)) throw error;
      notice(error.message);
    }
  }

  /**
   * @param {import('./session.js').SocketState} state
   * @param {string} text
   */
  #connection(state, text) {
    document.body.dataset.connection = state;
    const banner = find(document, '#banner');
    clearTimeout(this.#banner);
    if (state === 'waiting') {
      this.#banner = setTimeout(() => {
        write(banner, text);
        banner.hidden = false;
      }, PATIENCE);
    } else {
      banner.hidden = true;
      write(banner, '');
    }
    if (state === 'taken-over') this.#yield(text);
  }

  /**
   * Somewhere else this person's part goes on: nothing is sent or played here any more.
   * @param {string} text
   */
  #yield(text) {
    this.draw({
      phase: 'ended',
      headline: 'Open somewhere else',
      detail: text,
      since: null,
      preview: false,
      publishes: [],
      plays: [],
      layout: 'single',
      buttons: [USE_HERE],
      audience: null,
    });
    find(document, '#badge').hidden = true;
  }

  #hurry() {
    this.socket.hurry();
    for (const each of [...this.publishers.values(), ...this.players.values()]) each.hurry();
  }

  #leave() {
    for (const each of [...this.publishers.values(), ...this.players.values()]) each.close();
    this.devices.close();
    this.socket.close();
  }
}

/** @param {string} text */
function notice(text) {
  const notices = find(document, '#notices');
  // Said once is enough, however often a reconnecting socket hears it.
  if ([...notices.children].some((shown) => shown.textContent === text)) return;
  const element = document.createElement('p');
  element.className = 'notice';
  element.textContent = text;
  notices.append(element);
  setTimeout(() => element.remove(), NOTICE);
}

async function copyLink() {
  const field = /** @type {HTMLInputElement} */ (find(document, '#link'));
  const button = find(document, '[data-action="copy-link"]');
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    write(button, 'Copied');
    setTimeout(() => write(button, 'Copy link'), 2000);
  } catch {
    // Without the clipboard (plain HTTP) the link stands selected, ready for the keyboard.
    notice('The link is selected: copy it with your keyboard or by a long press.');
  }
}

const { session = '', seat = 'guest', live = '' } = document.body.dataset;
// For the console and for tests: `livepeerStarter.page.players.get('show.1').pc.getStats()`.
Object.assign(window, { livepeerStarter: { page: new Page({ session, seat, live }) } });

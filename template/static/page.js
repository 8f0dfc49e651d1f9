// @ts-check
/**
 * The page of a session. It draws the View that the server sends and nothing else, so that a new architecture needs no
 * code here: words, buttons, what to publish and what to play all stand in the View.
 */

import { Buttons } from './buttons.js';
import { Credentials } from './credentials.js';
import { Devices } from './devices.js';
import { Refused } from './exchange.js';
import { Level } from './level.js';
import { Name } from './name.js';
import { Panel } from './panel.js';
import { People } from './people.js';
import { Ring } from './ring.js';
import { ActionRefused, SessionSocket } from './session.js';
import { Sources } from './sources.js';
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
  sources = new Sources(this.devices, () => this.#now());

  #credentials;
  #name;
  #stage = new Stage(find(document, '#stage'), this.devices);
  #panel = new Panel(find(document, '#panel'), this.devices);
  #buttons = new Buttons(find(document, '#buttons'), (button) => this.#press(button));
  #people = new People(find(document, '#people'), (button) => this.#press(button));
  #ring = new Ring();
  /** What the server knows of our switches; none if that is uncertain. @type {import('./view.js').Sending | null} */
  #told = null;
  /** The server's clock less ours, in milliseconds. */
  #ahead = 0;
  #app;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #banner;

  /** @param {{ session: string, seat: string, name: string, live: string, app: string }} boot */
  constructor({ session, seat, name, live, app }) {
    this.#app = app;
    this.#name = new Name(session, name);
    this.#credentials = new Credentials(session, seat, () => this.socket.line);
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
    for (const what of ['change', 'tracks']) this.devices.addEventListener(what, () => this.#tellSwitches());
    setInterval(() => this.#drawClocks(), 1000);
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
    // Before anything that could fail: from now on, what the camera sees may be for somebody else.
    for (const publish of view.publishes) this.publishers.get(publish.slot)?.show(this.sources.of(publish));
    const onCamera = view.preview || view.publishes.some(({ source }) => source.type !== 'card');
    if (onCamera) this.devices.open();

    reconcile(this.publishers, view.publishes, (publish) => {
      const { slot } = publish;
      const issues = () => this.#credentials.issues(slot, new AbortController().signal);
      const publisher = new WhipPublisher(slot, this.#ask('publish', slot), this.sources.of(publish), issues);
      publisher.onchange = () => this.#drawSending();
      publisher.start();
      return publisher;
    });
    // Only now, so that what was sent goes on until there is something else to send.
    this.sources.keep(view.publishes);
    if (!onCamera) this.devices.close();
    this.#drawSending();

    reconcile(this.players, view.plays, ({ slot }) => {
      const player = new WhepPlayer(slot, this.#ask('play', slot));
      player.start();
      return player;
    });
    // The phase speaks of the session. Of a single stream it tells whether that flows to whoever only watches it, and
    // spares its server a crowd that asks in vain; beyond that, each player judges by what it sees.
    const flowing = view.phase !== 'interrupted' || view.plays.length + view.publishes.length > 1;
    for (const { slot, sending } of view.plays) this.players.get(slot)?.expect({ flowing, camera: sending.camera });

    this.#stage.draw(view, this.players);
    this.#buttons.draw(view.buttons);
    this.#people.draw(view.people, this.#now());
    this.#drawWords(view);
  }

  #drawSending() {
    this.#panel.sending(this.view?.publishes ?? [], this.publishers);
  }

  /** @param {View} view */
  #drawWords(view) {
    document.body.dataset.phase = view.phase;
    write(find(document, '#title'), view.title || this.#app);
    write(find(document, '#byline'), view.byline);
    write(find(document, '#headline'), view.headline);
    write(find(document, '#detail'), view.detail);
    const badge = find(document, '#badge');
    badge.hidden = false;
    badge.dataset.phase = view.phase;
    badge.dataset.private = String(view.private);
    // "Live" would frighten whoever believes that they are among themselves.
    write(find(badge, 'span'), view.private && view.phase === 'live' ? 'Private' : PHASE_WORDS[view.phase]);
    const audience = find(document, '#audience');
    audience.hidden = view.audience === null;
    write(find(audience, 'span'), view.audience === 0 ? 'Nobody is watching' : `${view.audience} watching`);
    const title = view.title || this.#app;
    this.#ring.draw(view.phase === 'live' ? `● ${title}` : title, view.phase === 'ringing' ? view.headline : null);
    this.#drawClocks();
  }

  #drawClocks() {
    const clock = find(document, '#clock');
    const since = this.view?.since ?? null;
    clock.hidden = since === null;
    if (since !== null) write(clock, runningTime(this.#now() - since));
    this.#people.tick(this.#now());
  }

  /** The server's clock, in milliseconds. */
  #now() {
    return Date.now() + this.#ahead;
  }

  /** The others read in words what is switched off here. */
  #tellSwitches() {
    const { sending } = this.devices;
    if (!sending || this.socket.state !== 'open') return;
    if (sending.camera === this.#told?.camera && sending.microphone === this.#told.microphone) return;
    this.socket.switched(sending);
    this.#told = sending;
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
  async #press({ action, target, named = false }) {
    if (action === USE_HERE.action) {
      this.socket.useHere();
      return;
    }
    try {
      if (named && !(await this.#name.have())) return;
      await this.socket.act(action, target ?? null);
    } catch (error) {
      if (error instanceof Refused) notice(error.reason || 'Your name could not be sent. Try again.');
      else if (error instanceof ActionRefused) notice(error.message);
      else throw error;
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
    if (state === 'open') {
      this.#tellSwitches();
      // Without a line they were given nothing to publish to.
      for (const publisher of this.publishers.values()) publisher.hurry();
    } else {
      // It may forget us meanwhile, or miss a change; and it may remember a page before this one.
      this.#told = null;
    }
    if (state === 'taken-over') this.#yield(text);
  }

  /**
   * Somewhere else this person's part goes on: nothing is sent or played here any more.
   * @param {string} text
   */
  #yield(text) {
    this.draw({
      title: this.view?.title ?? '',
      byline: this.view?.byline ?? '',
      phase: 'ended',
      private: false,
      headline: 'Open somewhere else',
      detail: text,
      since: null,
      preview: false,
      publishes: [],
      plays: [],
      layout: 'spotlight',
      buttons: [USE_HERE],
      people: [],
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
    this.sources.keep([]);
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

const { session = '', seat = 'guest', name = '', live = '', app = '' } = document.body.dataset;
// For the console and for tests: `livepeerStarter.page.players.get('show.1').pc.getStats()`.
Object.assign(window, { livepeerStarter: { page: new Page({ session, seat, name, live, app }) } });

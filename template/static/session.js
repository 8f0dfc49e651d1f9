// @ts-check
/**
 * The WebSocket to the server: Views and notices in, actions out, over any number of cuts.
 *
 * The server numbers what it sends. After a cut the socket says how far it had come and gets every message that it
 * missed; an action is sent again under its own id until it is answered or stale, and the server carries it out once.
 */

/** @typedef {import('./view.js').View} View */

/**
 * - `connecting`: the first connection is being made.
 * - `open`: messages flow.
 * - `waiting`: cut off; the next attempt is on its way.
 * - `taken-over`: the same person opened this page elsewhere; nothing happens until `useHere()`.
 * - `closed`: by `close()`.
 * @typedef {'connecting' | 'open' | 'waiting' | 'taken-over' | 'closed'} SocketState
 */

/**
 * @typedef {Object} SocketListener
 * @property {(view: View, serverNow: number) => void} onView
 * @property {(text: string) => void} onNotice something to tell the person once
 * @property {(state: SocketState, text: string) => void} onState
 * @property {() => void} onRestart the server is another one than before the cut: media may have been cut with it
 */

/** What an action was refused for, in words for the person who asked. */
export class ActionRefused extends Error {}

/**
 * @typedef {Object} Act
 * @property {string} id
 * @property {string} action
 * @property {string | null} target
 * @property {number} at when it was asked for, by `performance.now()`
 * @property {() => void} resolve
 * @property {(reason: ActionRefused) => void} reject
 */

/** The wait before the first new attempt, and the longest, in milliseconds. It doubles in between. */
const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;
/** A connection on which nothing arrived for so long (the server pings more often) is dead, whatever the browser says. */
const SILENCE = 45_000;
/**
 * An action that could not be sent for so long, in milliseconds, is not carried out any more: who pressed a button and saw
 * nothing happen goes on as if they had not, and must not be put on air a minute later.
 */
const STALE = 5000;
const STALE_WORDS = 'The connection was gone when you pressed that. Press again if you still want it.';
/** After so many failed attempts in a row, ask over HTTP whether the session still exists. */
const DOUBTS = 4;

export class SessionSocket {
  /** @type {SocketState} */
  state = 'connecting';
  /** Who we are within the session, once the server has said so. @type {string | null} */
  participant = null;
  /** Which line to the server we have, or had last. @type {number | null} */
  line = null;

  /** @type {WebSocket | null} */
  #socket = null;
  /** Which numbering the server uses; a restarted server starts another. @type {string | null} */
  #epoch = null;
  /** The number of the last message taken in. */
  #last = 0;
  /** Sent and unanswered, in the order they were asked. @type {Map<string, Act>} */
  #acts = new Map();
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;
  #url;
  #listener;

  /**
   * @param {string} path where the server listens, as the page was told: a path or an address
   * @param {SocketListener} listener
   */
  constructor(path, listener) {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    this.#url = url;
    this.#listener = listener;
  }

  /** Connects, unless connected or connecting already. */
  open() {
    clearTimeout(this.#retry);
    if (this.#socket) return;
    if (this.state !== 'waiting') this.#become('connecting', 'Connecting…');
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#hear();
    socket.onopen = () => {
      this.#send(this.#epoch === null ? { type: 'join' } : { type: 'resume', epoch: this.#epoch, after: this.#last });
    };
    socket.onmessage = (event) => {
      this.#hear();
      this.#take(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#lost();
    };
  }

  /** Ends the connection; nothing reconnects it but `open()`. */
  close() {
    this.#drop();
    this.#become('closed', '');
  }

  /** Takes the session back from the place that took it over. */
  useHere() {
    this.#epoch = null;
    this.#become('connecting', 'Connecting…');
    this.open();
  }

  /** The network or the page came back: the next attempt is made now. */
  hurry() {
    if (this.state !== 'waiting') return;
    this.#failures = 0;
    this.open();
  }

  /**
   * Asks the server to carry out an action.
   * @param {string} action
   * @param {string | null} target
   * @returns {Promise<void>} settled when the server has answered; rejected with an `ActionRefused`
   */
  act(action, target) {
    // A question that was open when another place took over may be answered long after.
    if (this.state === 'taken-over') return Promise.reject(new ActionRefused('This page is open somewhere else.'));
    return new Promise((resolve, reject) => {
      const act = { id: uniqueId(), action, target, at: performance.now(), resolve, reject };
      this.#acts.set(act.id, act);
      if (this.state === 'open') this.#ask(act);
      // A line may look open and be dead.
      setTimeout(() => this.#acts.has(act.id) && this.state !== 'open' && this.#refuse(act.id), STALE);
    });
  }

  /**
   * Tells the server what the person has switched on, for the others to read. Not answered; only the last word counts,
   * so that what is said while there is no connection need not be kept.
   * @param {import('./view.js').Sending} sending
   */
  switched({ camera, microphone }) {
    if (this.state === 'open') this.#send({ type: 'switched', camera, microphone });
  }

  /** @param {any} message */
  #take(message) {
    if (typeof message.n === 'number') {
      if (message.n <= this.#last) return;
      this.#last = message.n;
    }
    switch (message.type) {
      case 'hello':
        this.#hello(message);
        break;
      case 'view':
        this.#listener.onView(message.view, message.now);
        break;
      case 'notice':
      case 'error':
        this.#listener.onNotice(message.text);
        break;
      case 'done':
        this.#answered(message.id)?.resolve();
        break;
      case 'refused':
        this.#answered(message.id)?.reject(new ActionRefused(message.reason));
        break;
      case 'ping':
        this.#send({ type: 'pong' });
        break;
      case 'taken-over':
        this.#drop();
        // What was asked for here must not be carried out when somebody presses "Use here" much later.
        for (const id of [...this.#acts.keys()]) this.#answered(id)?.reject(new ActionRefused(message.text));
        this.#become('taken-over', message.text);
        break;
    }
  }

  /** @param {{ epoch: string, line: number, participant: string }} hello */
  #hello(hello) {
    const restarted = this.#epoch !== null && this.#epoch !== hello.epoch;
    if (this.#epoch !== hello.epoch) {
      this.#epoch = hello.epoch;
      this.#last = 0;
    }
    this.participant = hello.participant;
    this.line = hello.line;
    this.#failures = 0;
    this.#become('open', '');
    for (const act of [...this.#acts.values()]) {
      if (performance.now() - act.at > STALE) this.#refuse(act.id);
      else this.#ask(act);
    }
    if (restarted) this.#listener.onRestart();
  }

  /** @param {Act} act */
  #ask({ id, action, target }) {
    this.#send({ type: 'act', id, action, target });
  }

  /** @param {string} id */
  #refuse(id) {
    this.#answered(id)?.reject(new ActionRefused(STALE_WORDS));
  }

  /** @param {string} id */
  #answered(id) {
    const act = this.#acts.get(id);
    this.#acts.delete(id);
    return act;
  }

  /** @param {unknown} message */
  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #lost() {
    this.#drop();
    this.#failures += 1;
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.#failures - 1)) * (0.5 + Math.random() / 2);
    this.#retry = setTimeout(() => this.open(), wait);
    this.#become(
      'waiting',
      this.#failures > 2
        ? 'The server does not answer. Trying again by itself…'
        : 'Lost the connection to the server. Trying again…',
    );
    if (this.#failures % DOUBTS === 0) void this.#doubt();
  }

  /** A refused WebSocket does not say why. A page that is gone or forbidden says so when it is loaded again. */
  async #doubt() {
    try {
      const answer = await fetch(location.href, { method: 'HEAD' });
      if (answer.status === 403 || answer.status === 404) location.reload();
    } catch {
      // No answer at all: the attempts go on.
    }
  }

  #drop() {
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #hear() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(), SILENCE);
  }

  /**
   * @param {SocketState} state
   * @param {string} text
   */
  #become(state, text) {
    this.state = state;
    this.#listener.onState(state, text);
  }
}

/** An id that nobody else makes. (`randomUUID` is missing on a page served over plain HTTP from another machine.) */
function uniqueId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// @ts-check
/**
 * One WHIP or WHEP connection kept alive: the part that publishing and playing share. `whip.js` and `whep.js` add what
 * differs. Every connection is an object of its own; nothing that happens to one touches another.
 *
 * The loop in `#run`: (1) open a connection, (2) watch it until it is lost, (3) wait a little longer each time, and
 * again. A connection that looks dead is kept until its successor stands, and taken back should it come to life. One
 * whose token nears its end gets its successor while it goes on, and ends when that one does the same work.
 */

import { Refused, exchange, farewell, gathered } from './exchange.js';
import { Unreachable, connected, hungUp, transports } from './peer.js';
import { Stats } from './stats.js';

/** @typedef {import('./exchange.js').Credential} Credential */
/** @typedef {import('./exchange.js').Session} Session */
/** @typedef {import('./stats.js').Digest} Digest */

/** What `data-state` says. @typedef {'connecting' | 'playing' | 'stalled' | 'failed'} State */

/**
 * Where a connection stands, in words for the person who looks at it.
 * @typedef {Object} Standing
 * @property {State} state
 * @property {string} text what is the matter; empty while all is well
 * @property {string} [help] what to do about it
 */

/**
 * A standing while connected, and whether it means that this connection is of no more use.
 * @typedef {Standing & { dead?: boolean }} Verdict
 */

/** The wait before the first new attempt, and the longest, in milliseconds. It doubles in between. */
const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;
/** The longest wait that a server may ask for, in milliseconds. */
const LONGEST_ASKED = 30_000;
/** The wait after a refusal that will hardly change by itself, in milliseconds. */
const HOPELESS_WAIT = 15_000;
/** ICE may be `disconnected` for so long before the connection is given up, in milliseconds: a lost packet or two heals. */
const DISCONNECTED_LIMIT = 2000;
/** A server that may have been restarted and was not heard for so long is gone. ICE is checked every 2.5 s or more often. */
const SILENCE_LIMIT = 3000;
/** How often to look, before and after the first picture, in milliseconds. */
const FIRST_LOOKS = 100;
const LOOKS = 500;
/** So many attempts in a row must fail before the words turn from "connecting" to what to do about it. */
const ALARM = 3;
/** When a token is renewed: after so much of its life. */
const RENEWAL = 0.8;
/** After a renewal that failed, the next, in milliseconds. */
const RENEW_AGAIN = 5000;

export class Connection {
  /** @type {Standing} */
  standing = { state: 'connecting', text: 'Connecting…' };
  /** The connection in use; a replacement while it is still being made is not here yet. @type {RTCPeerConnection | null} */
  pc = null;
  /** The last look at it. @type {Digest | null} */
  digest = null;
  /** Called after every look and every change of `standing`. @type {() => void} */
  onchange = () => {};
  slot;

  #credential;
  #closed = false;
  #failures = 0;
  /** @type {Session | null} */
  #session = null;
  /** @type {Stats | null} */
  #stats = null;
  /** How many pictures had come when the connection was given up for dead. @type {number | null} */
  #deadAt = null;
  /** From the last 201; for the next attempt. @type {RTCIceServer[]} */
  #iceServers = [];
  /** When to make the next connection, as `performance.now()` tells it: before the token of this one ends. @type {number | null} */
  #renewAt = null;
  #attempt = new AbortController();
  /** The attempt that is being made. @type {Promise<void> | null} */
  #opening = null;
  #hurried = false;
  /** Whether the server may be gone although ICE has not noticed yet. */
  #doubted = false;
  /** Ends the sleep of the moment. @type {() => void} */
  #wake = () => {};

  /**
   * @param {string} slot
   * @param {(signal: AbortSignal) => Promise<Credential>} credential asked anew for every attempt, for it may expire
   */
  constructor(slot, credential) {
    this.slot = slot;
    this.#credential = credential;
  }

  /** For the subclass: waits until there is something to connect for. @returns {Promise<void>} */
  async ready() {}

  /**
   * For the subclass: puts the media into a new connection.
   * @param {RTCPeerConnection} _pc
   */
  prepare(_pc) {}

  /**
   * For the subclass: waits until a connection does what the one that goes on beside it does.
   * @param {RTCPeerConnection} _pc
   * @param {AbortSignal} _signal
   * @returns {Promise<void>}
   * @throws {Unreachable} if it does not
   */
  async proven(_pc, _signal) {}

  /**
   * For the subclass: a connection takes the place of the one before.
   * @param {RTCPeerConnection} _pc
   * @param {boolean} _proven whether it was waited for with `proven`
   * @param {() => void} letGo closes the one before, whose last picture is gone with it
   */
  adopted(_pc, _proven, letGo) {
    letGo();
  }

  /**
   * For the subclass: how a connection is doing.
   * @param {Digest} _digest
   * @returns {Verdict}
   */
  judge(_digest) {
    return { state: 'playing', text: '' };
  }

  /** For the subclass: whether the server bears only one such connection, so that the old one has to go first. */
  get exclusive() {
    return false;
  }

  /** For the subclass: the words while the server says that nothing flows yet. */
  get notYetText() {
    return 'Waiting…';
  }

  /** Begins, and goes on until `close()`. */
  start() {
    void this.#run();
  }

  /** Ends it here and at the server. Also right while the page is being left. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#attempt.abort();
    this.#release();
    this.#wake();
  }

  /** Whether `close()` was called. */
  get closed() {
    return this.#closed;
  }

  /** Something changed for the better (the network, the page, the server): what was waiting is tried now. */
  hurry() {
    this.#failures = 0;
    this.#hurried = true;
    this.#wake();
  }

  /** The app's server was restarted, and the video server perhaps with it. */
  doubt() {
    this.#doubted = true;
    this.hurry();
  }

  async #run() {
    while (!this.#closed) {
      if (!(await this.#usable())) {
        try {
          await this.ready();
          if (this.#closed) return;
          await this.#connect(false); // (1)
        } catch (error) {
          if (this.#closed) break;
          await this.#pause(this.#explain(error)); // (3)
          continue;
        }
      }
      await this.#watch(); // (2)
    }
  }

  /**
   * Makes a connection, or waits for the one that is being made.
   * @param {boolean} renewal
   */
  #connect(renewal) {
    this.#opening ??= this.#open(renewal).finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  /** @param {boolean} renewal whether there is a connection that goes on until this one does the same work */
  async #open(renewal) {
    this.#attempt = new AbortController();
    const { signal } = this.#attempt;
    if (this.exclusive) this.#release();
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: this.#iceServers });
    /** @type {Session | null} */
    let session = null;
    /** @type {number | null} */
    let renewAt = null;
    try {
      this.prepare(pc);
      // The credential and the candidates take about equally long, so they are fetched side by side.
      const offered = pc.setLocalDescription().then(() => gathered(pc));
      const [credential] = await Promise.all([this.#credential(signal), offered]);
      if (credential.lasts !== null) renewAt = performance.now() + credential.lasts * RENEWAL;
      session = await exchange(pc, credential, signal);
      this.#iceServers = session.iceServers;
      await connected(pc, signal);
      if (renewal) await this.proven(pc, signal);
      // Whoever closes this connection does not know of a successor yet.
      if (signal.aborted) throw new DOMException('closed meanwhile', 'AbortError');
    } catch (error) {
      pc.close();
      if (session) farewell(session);
      throw error;
    }
    const before = { pc: this.pc, session: this.#session };
    this.pc = pc;
    this.#session = session;
    this.#renewAt = renewAt;
    this.#stats = new Stats(pc);
    this.#deadAt = null;
    this.#doubted = false;
    pc.addEventListener('connectionstatechange', () => this.#wake());
    // A server that hangs up closes DTLS; the browser does not count that among its connection states.
    for (const transport of transports(pc)) transport.addEventListener('statechange', () => this.#wake());
    this.adopted(pc, renewal, () => before.pc?.close());
    if (before.session) farewell(before.session);
  }

  /** Makes the next connection beside this one. Should that fail, this one stays, and it is tried again. */
  async #renew() {
    try {
      await this.#connect(true);
    } catch (error) {
      this.#renewAt = performance.now() + RENEW_AGAIN;
      if (!this.#closed && !(error instanceof Refused || error instanceof Unreachable)) console.error(error);
    }
  }

  async #watch() {
    /** @type {number | null} */
    let brokenSince = null;
    this.#hurried = false;
    while (!this.#closed && this.pc && this.#stats) {
      const { pc } = this;
      const digest = await this.#stats.read();
      if (this.#closed) return;
      if (pc !== this.pc) continue;
      this.digest = digest;
      if (this.#doubted && digest.silentMs > SILENCE_LIMIT) {
        this.#deadAt = digest.frames;
        return;
      }
      if (digest.silentMs === 0) this.#doubted = false;
      if (pc.connectionState === 'connected' && !hungUp(pc)) {
        brokenSince = null;
        this.#hurried = false;
        const verdict = this.judge(digest);
        if (verdict.state === 'playing') this.#failures = 0;
        this.stand(verdict);
        // Nothing can be proven while nothing flows; what was due is made up for when it does.
        const due = this.#renewAt !== null && performance.now() > this.#renewAt;
        if (due && !this.#opening && verdict.state === 'playing') void this.#renew();
        if (verdict.dead) {
          this.#deadAt = digest.frames;
          return;
        }
      } else {
        brokenSince ??= performance.now();
        this.stand({ state: 'stalled', text: 'The connection dropped. Reconnecting…' });
        const over = pc.connectionState === 'failed' || pc.connectionState === 'closed' || hungUp(pc);
        if (over || this.#hurried || performance.now() - brokenSince > DISCONNECTED_LIMIT) return;
      }
      await this.#sleep(digest.frames === 0 ? FIRST_LOOKS : LOOKS);
    }
  }

  /** Whether the connection at hand carries media, perhaps again. */
  async #usable() {
    const { pc } = this;
    if (!pc || !this.#stats || pc.connectionState !== 'connected' || hungUp(pc)) return false;
    if (this.#deadAt === null) return true;
    if ((await this.#stats.read()).frames === this.#deadAt) return false;
    this.#deadAt = null;
    return true;
  }

  /**
   * Waits for the next attempt, or until the old connection comes back to life.
   * @param {number} milliseconds
   */
  async #pause(milliseconds) {
    const until = performance.now() + milliseconds;
    this.#hurried = false;
    while (!this.#closed && !this.#hurried) {
      const left = until - performance.now();
      if (left <= 0 || (await this.#usable())) return;
      await this.#sleep(Math.min(left, LOOKS));
    }
  }

  /**
   * Tells the person why an attempt failed.
   * @param {unknown} error
   * @returns {number} how long to wait before the next, in milliseconds
   */
  #explain(error) {
    this.#failures += 1;
    const backoff = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.#failures - 1)) * (0.75 + Math.random() / 2);
    const alarm = this.#failures >= ALARM;
    if (error instanceof Refused) {
      if (error.final) {
        this.stand({ state: 'failed', text: 'The video server refused the connection.', help: error.reason });
        return Math.max(error.retryAfter ?? 0, HOPELESS_WAIT);
      }
      if (error.notYet) this.stand({ state: 'connecting', text: this.notYetText });
      else if (!alarm) this.stand({ state: 'connecting', text: 'Livepeer is slow to answer. Trying again…' });
      else {
        this.stand({
          state: 'failed',
          text: 'Livepeer cannot be reached.',
          help: 'Check your internet connection. The page keeps trying by itself.',
        });
      }
      return Math.max(backoff, Math.min(error.retryAfter ?? 0, LONGEST_ASKED));
    }
    if (!(error instanceof Unreachable)) console.error(`connection ${this.slot}:`, error);
    this.stand(
      alarm
        ? {
            state: 'failed',
            text: 'Video cannot get through this network.',
            help: 'A firewall or VPN may be blocking it: try another network. The page keeps trying by itself.',
          }
        : { state: 'connecting', text: 'The connection did not come about. Trying again…' },
    );
    return backoff;
  }

  /**
   * Says where the connection stands. An attempt is not news by itself: the last words stand until it has an outcome.
   * @param {Standing} standing
   */
  stand(standing) {
    this.standing = standing;
    this.onchange();
  }

  #release() {
    this.pc?.close();
    this.pc = null;
    this.#stats = null;
    if (this.#session) farewell(this.#session);
    this.#session = null;
  }

  /** @param {number} milliseconds */
  #sleep(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}

// @ts-check
/** Asks the server where and as whom to publish or play. It answers only for what stands in this person's View. */

import { request } from './exchange.js';

/** @typedef {import('./exchange.js').Credential} Credential */

export class Credentials {
  #session;
  #seat;
  #line;

  /**
   * @param {string} session
   * @param {string} seat `host` or `guest`
   * @param {() => number | null} line the socket's: who does not hear what is to be sent by now must not begin to send
   */
  constructor(session, seat, line) {
    this.#session = session;
    this.#seat = seat;
    this.#line = line;
  }

  /**
   * @param {'publish' | 'play'} what
   * @param {string} slot
   * @param {AbortSignal} signal
   * @returns {Promise<Credential>}
   * @throws {import('./exchange.js').Refused}
   */
  async get(what, slot, signal) {
    const { url, token = null, expiresAt = null, now = null } = await this.#ask(what, slot, signal);
    // Both by the server's clock, which need not be ours.
    return { url, token, lasts: expiresAt === null || now === null ? null : expiresAt - now };
  }

  /**
   * What Livepeer finds wrong with what this page publishes, in words.
   * @param {string} slot
   * @param {AbortSignal} signal
   * @returns {Promise<string[]>}
   * @throws {import('./exchange.js').Refused}
   */
  async issues(slot, signal) {
    return (await this.#ask('issues', slot, signal)).issues;
  }

  /**
   * @param {string} what
   * @param {string} slot
   * @param {AbortSignal} signal
   */
  async #ask(what, slot, signal) {
    const answer = await request(
      `/s/${this.#session}/${what}`,
      {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ slot, seat: this.#seat, line: this.#line() }),
      },
      signal,
    );
    return answer.json();
  }
}

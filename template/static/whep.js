// @ts-check
/** Plays one stream over WHEP. */

import { Connection } from './connection.js';
import { preferCodec } from './peer.js';

/** @typedef {import('./stats.js').Digest} Digest */
/** @typedef {import('./connection.js').Verdict} Verdict */

/** A picture that has not moved for so long has stalled, in milliseconds. */
const STALLED = 3000;
/**
 * A stalled connection that is still connected may be waiting for a publisher who reloads the page: the server resumes
 * it where it was. It gets so long to do so, in milliseconds from the last picture, before another is tried.
 */
const HOPE = 8000;

export class WhepPlayer extends Connection {
  /** What the `<video>` shows. @type {MediaStream | null} */
  stream = null;
  /** Called when `stream` has become another. @type {() => void} */
  onstream = () => {};
  /** Whether pictures should be coming; while not, a silent connection is kept as it is. */
  #expected = true;
  /** Since when a missing picture counts: a hidden page decodes as it pleases. */
  #countsSince = 0;

  /**
   * Tells whether pictures should be coming, as far as the View knows.
   * @param {boolean} expected
   */
  expect(expected) {
    if (expected === this.#expected) return;
    this.#expected = expected;
    if (!expected) return;
    // The publisher is back: what flows already gets its time, and what waits for another attempt need not.
    this.#countsSince = performance.now();
    this.hurry();
  }

  /**
   * @override
   * @param {RTCPeerConnection} pc
   */
  prepare(pc) {
    pc.addTransceiver('audio', { direction: 'recvonly' });
    preferCodec(pc.addTransceiver('video', { direction: 'recvonly' }));
  }

  /**
   * @override
   * @param {RTCPeerConnection} pc
   */
  adopted(pc) {
    this.#countsSince = performance.now();
    this.stream = new MediaStream(pc.getReceivers().map((receiver) => receiver.track));
    this.onstream();
  }

  /**
   * @override
   * @param {Digest} digest
   * @returns {Verdict}
   */
  judge(digest) {
    const now = performance.now();
    if (document.hidden) this.#countsSince = now;
    const counted = now - this.#countsSince;
    const still = Math.min(digest.pictureStillMs, counted);
    if (digest.frames === 0 && still < STALLED) return { state: 'connecting', text: 'Waiting for the first picture…' };
    if (still < STALLED) return { state: 'playing', text: '' };
    // Sound without any video packets: the camera is off at the other end, and the connection is fine.
    if (digest.audioStillMs < STALLED && digest.videoStillMs >= STALLED) {
      return { state: 'stalled', text: 'The picture has stopped. The sound goes on.' };
    }
    const dead = this.#expected && still > HOPE;
    return { state: 'stalled', text: 'The picture has stopped. Waiting for it to come back…', dead };
  }

  /** @override */
  get notYetText() {
    return this.stream ? 'Waiting for the picture to come back…' : 'Waiting for the picture…';
  }
}

// @ts-check
/** Plays one stream over WHEP. */

import { Connection } from './connection.js';
import { Unreachable, preferCodec } from './peer.js';
import { Stats } from './stats.js';

/** @typedef {import('./stats.js').Digest} Digest */
/** @typedef {import('./connection.js').Verdict} Verdict */

/** A picture that has not moved for so long has stalled, in milliseconds. */
const STALLED = 3000;
/**
 * A stalled connection that is still connected may be waiting for a publisher who reloads the page: the server resumes
 * it where it was. It gets so long to do so, in milliseconds from the last picture, before another is tried.
 */
const HOPE = 8000;
/** A connection that is to take over from one that goes on must show a picture within so long, in milliseconds. */
const PROOF = 8000;
/** How often to look whether it does, in milliseconds. */
const PROOF_LOOKS = 50;

export class WhepPlayer extends Connection {
  /**
   * What the `<video>` shows. From one connection to the next it stays the same object: its tracks change, and the
   * picture on the screen stands until there is another.
   * @type {MediaStream | null}
   */
  stream = null;
  /** The tracks of a connection that has not shown a picture yet. @type {MediaStreamTrack[] | null} */
  #next = null;
  /** Closes the connection whose last picture is on the screen. */
  #letGo = () => {};
  /** Called when `stream` has become another. @type {() => void} */
  onstream = () => {};
  /** Whether pictures should be coming; while not, a silent connection is kept as it is. */
  #expected = true;
  /** Whether the publisher's camera is on. */
  #camera = true;
  /** Since when a missing picture counts: a hidden page decodes as it pleases. */
  #countsSince = 0;

  /**
   * Tells what should be coming, as far as the View knows.
   * @param {{ flowing: boolean, camera: boolean }} what whether the stream is published, and its camera on
   */
  expect({ flowing, camera }) {
    this.#camera = camera;
    const expected = flowing && camera;
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
   * @param {AbortSignal} signal
   */
  async proven(pc, signal) {
    const stats = new Stats(pc);
    const limit = performance.now() + PROOF;
    // A camera that is off may send no pictures; then it is enough to be connected.
    while (this.#camera && (await stats.read()).frames === 0) {
      if (performance.now() > limit) throw new Unreachable();
      await new Promise((resolve) => setTimeout(resolve, PROOF_LOOKS));
      if (signal.aborted) throw new DOMException('closed meanwhile', 'AbortError');
    }
  }

  /**
   * @override
   * @param {RTCPeerConnection} pc
   * @param {boolean} proven
   * @param {() => void} letGo
   */
  adopted(pc, proven, letGo) {
    this.#countsSince = performance.now();
    const tracks = pc.getReceivers().map((receiver) => receiver.track);
    // One that never came to show anything has no picture to lose.
    if (this.#next) letGo();
    else this.#letGo = letGo;
    if (proven || !this.stream) this.#show(tracks);
    else this.#next = tracks;
  }

  /** @override */
  close() {
    super.close();
    this.#letGo();
  }

  /**
   * @override
   * @param {Digest} digest
   * @returns {Verdict}
   */
  judge(digest) {
    const now = performance.now();
    if (this.#next && digest.frames > 0) this.#show(this.#next);
    if (document.hidden) this.#countsSince = now;
    const counted = now - this.#countsSince;
    const still = Math.min(digest.pictureStillMs, counted);
    if (digest.frames === 0 && still < STALLED) return { state: 'connecting', text: 'Waiting for the first picture…' };
    // A camera that is off may send black pictures or none; the page has words for that.
    if (still < STALLED || !this.#camera) return { state: 'playing', text: '' };
    // Sound without any video packets: the camera stands still at the other end, and the connection is fine.
    if (digest.audioStillMs < STALLED && digest.videoStillMs >= STALLED) {
      return { state: 'stalled', text: 'The picture has stopped. The sound goes on.' };
    }
    const dead = this.#expected && still > HOPE;
    return { state: 'stalled', text: 'The picture has stopped. Waiting for it to come back…', dead };
  }

  /** @param {MediaStreamTrack[]} tracks */
  #show(tracks) {
    this.#next = null;
    if (this.stream?.active) {
      const before = this.stream.getTracks();
      // The new ones first: at no time is there nothing to show.
      for (const track of tracks) this.stream.addTrack(track);
      for (const track of before) this.stream.removeTrack(track);
    } else {
      this.stream = new MediaStream(tracks);
      this.onstream();
    }
    this.#letGo();
    this.#letGo = () => {};
  }

  /** @override */
  get notYetText() {
    return this.stream ? 'Waiting for the picture to come back…' : 'Waiting for the picture…';
  }
}

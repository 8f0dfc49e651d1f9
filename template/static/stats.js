// @ts-check
/**
 * `getStats` boiled down to what the page says and what the watchdog needs to know.
 */

/**
 * @typedef {Object} Digest
 * @property {number} frames pictures decoded or encoded since the connection was made
 * @property {number} fps of the last interval
 * @property {number} kbps video and sound in the last interval, in the direction of this connection
 * @property {number | null} roundTripMs to the server
 * @property {number} loss part of the packets that did not arrive, 0 to 1
 * @property {string} limited what holds the sender back: `none`, `cpu`, `bandwidth` or `other`
 * @property {number} width of the picture, in pixels
 * @property {number} height of the picture, in pixels
 * @property {number} pictureStillMs how long no new picture has come
 * @property {number} videoStillMs how long no video packet has come
 * @property {number} audioStillMs how long no sound packet has come
 * @property {number} silentMs how long nothing at all has come from the server, not even its answer to a check
 * @property {boolean} frozen whether the picture stands still to the eye
 */

/** A picture that does not change for so long looks frozen, in milliseconds. */
const FROZEN = 1500;

export class Stats {
  #pc;
  /** @type {{ at: number, bytes: number, frames: number } | null} */
  #before = null;
  #lost = { received: 0, lost: 0 };
  /** When each of these counters last moved. @type {Map<string, { value: number, at: number }>} */
  #moved = new Map();

  /** @param {RTCPeerConnection} pc */
  constructor(pc) {
    this.#pc = pc;
  }

  /** @returns {Promise<Digest>} */
  async read() {
    const now = performance.now();
    const sum = { frames: 0, bytes: 0, videoPackets: 0, audioPackets: 0, received: 0, lost: 0, heard: 0 };
    let limited = 'none';
    let width = 0;
    let height = 0;
    /** @type {number | null} */
    let roundTrip = null;
    /** @type {number | null} */
    let fractionLost = null;
    for (const entry of (await this.#pc.getStats()).values()) {
      if (entry.type === 'inbound-rtp' || entry.type === 'outbound-rtp') {
        const packets = entry.packetsReceived ?? entry.packetsSent ?? 0;
        sum.bytes += entry.bytesReceived ?? entry.bytesSent ?? 0;
        if (entry.kind === 'video') {
          sum.frames += entry.framesDecoded ?? entry.framesEncoded ?? 0;
          sum.videoPackets += packets;
          sum.received += entry.packetsReceived ?? 0;
          sum.lost += entry.packetsLost ?? 0;
          width = Math.max(width, entry.frameWidth ?? 0);
          height = Math.max(height, entry.frameHeight ?? 0);
          limited = entry.qualityLimitationReason ?? limited;
        } else {
          sum.audioPackets += packets;
        }
      } else if (entry.type === 'remote-inbound-rtp' && entry.kind === 'video') {
        fractionLost = entry.fractionLost ?? null;
      } else if (entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded') {
        roundTrip = entry.currentRoundTripTime ?? null;
        sum.heard += (entry.bytesReceived ?? 0) + (entry.packetsReceived ?? 0) + (entry.responsesReceived ?? 0);
      }
    }
    const pictureStillMs = this.#still('frames', sum.frames, now);
    const digest = {
      frames: sum.frames,
      fps: this.#rate(sum.frames, this.#before?.frames, now),
      kbps: (this.#rate(sum.bytes, this.#before?.bytes, now) * 8) / 1000,
      roundTripMs: roundTrip === null ? null : roundTrip * 1000,
      loss: fractionLost ?? this.#lossSince(sum.received, sum.lost),
      limited,
      width,
      height,
      pictureStillMs,
      videoStillMs: this.#still('video', sum.videoPackets, now),
      audioStillMs: this.#still('audio', sum.audioPackets, now),
      silentMs: this.#still('heard', sum.heard, now),
      frozen: sum.frames > 0 && pictureStillMs > FROZEN,
    };
    this.#before = { at: now, bytes: sum.bytes, frames: sum.frames };
    return digest;
  }

  /**
   * @param {number} value
   * @param {number | undefined} before
   * @param {number} now
   */
  #rate(value, before, now) {
    const seconds = this.#before ? (now - this.#before.at) / 1000 : 0;
    return before === undefined || seconds <= 0 ? 0 : Math.max(0, (value - before) / seconds);
  }

  /**
   * @param {number} received
   * @param {number} lost
   */
  #lossSince(received, lost) {
    const all = received - this.#lost.received + (lost - this.#lost.lost);
    const part = all > 0 ? (lost - this.#lost.lost) / all : 0;
    this.#lost = { received, lost };
    return Math.min(1, Math.max(0, part));
  }

  /**
   * How long a counter has not moved.
   * @param {string} name
   * @param {number} value
   * @param {number} now
   */
  #still(name, value, now) {
    const known = this.#moved.get(name);
    if (known && known.value === value) return now - known.at;
    this.#moved.set(name, { value, at: now });
    return 0;
  }
}

/**
 * How a publisher's connection is doing, in words.
 * @param {Digest} digest
 * @returns {{ level: 'good' | 'fair' | 'poor', text: string }}
 */
export function quality(digest) {
  const roundTrip = digest.roundTripMs ?? 0;
  if (digest.limited === 'cpu') {
    return { level: 'fair', text: 'This device is busy, so the picture is simpler than it could be' };
  }
  if (digest.loss > 0.08 || roundTrip > 500) {
    return { level: 'poor', text: 'Weak connection: others may see pauses' };
  }
  // In its first seconds every sender feels its way up; it matters only where the picture has been made smaller.
  const small = digest.limited === 'bandwidth' && digest.height > 0 && digest.height < 480;
  if (small || digest.loss > 0.02 || roundTrip > 200) {
    return { level: 'fair', text: 'Fair connection: the picture adapts to it' };
  }
  return { level: 'good', text: 'Good connection' };
}

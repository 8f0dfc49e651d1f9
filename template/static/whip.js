// @ts-check
/** Publishes one stream over WHIP. Any number of publishers live side by side, each on a connection of its own. */

import { Connection } from './connection.js';
import { preferCodec } from './peer.js';
import { quality } from './stats.js';

/** @typedef {import('./exchange.js').Credential} Credential */
/** @typedef {import('./stats.js').Digest} Digest */
/** @typedef {import('./connection.js').Verdict} Verdict */

/**
 * What can be published: a camera with its microphone (`Devices`), a card drawn on a canvas. It announces an exchange
 * of its tracks with the event `tracks`. `name` begins a sentence about it; `draw`, if there is one, makes a picture at
 * once.
 * @typedef {EventTarget & {
 *   readonly name: string,
 *   readonly video: MediaStreamTrack | null,
 *   readonly audio: MediaStreamTrack | null,
 *   draw?: () => void,
 * }} MediaSource
 */

/** The most that the video may take, in bits per second: 720p in good quality. */
const MAX_BITRATE = 2_500_000;
/** Pictures that stand still for so long are worth a word, in milliseconds. */
const STILL = 3000;
/** When Livepeer is asked what it finds wrong with the pictures: after it has seen some, and again, in milliseconds. */
const FIRST_ISSUES = 4000;
const ISSUES = 30_000;

export class WhipPublisher extends Connection {
  #source;
  /** @type {{ video: RTCRtpSender, audio: RTCRtpSender } | null} */
  #senders = null;
  #follow = () => this.#replace();
  /** Ends the wait for a first track. @type {() => void} */
  #arrived = () => {};
  #ask;
  /** What Livepeer finds wrong, in words. */
  #issues = '';

  /**
   * @param {string} slot
   * @param {(signal: AbortSignal) => Promise<Credential>} credential
   * @param {MediaSource} source
   * @param {() => Promise<string[]>} issues what is wrong with what arrives
   */
  constructor(slot, credential, source, issues) {
    super(slot, credential);
    this.#source = source;
    this.#ask = issues;
    source.addEventListener('tracks', this.#follow);
  }

  /**
   * Sends something else from now on, without renegotiation: viewers stay connected and see the new picture.
   * @param {MediaSource} source
   */
  show(source) {
    if (source === this.#source) return;
    this.#source.removeEventListener('tracks', this.#follow);
    this.#source = source;
    source.addEventListener('tracks', this.#follow);
    this.#replace();
  }

  /** @override */
  close() {
    this.#source.removeEventListener('tracks', this.#follow);
    super.close();
    this.#arrived();
  }

  /** @override */
  async ready() {
    while (!this.closed && !this.#source.video && !this.#source.audio) {
      this.stand({ state: 'connecting', text: 'Waiting for your camera…' });
      await new Promise((resolve) => {
        this.#arrived = () => resolve(undefined);
      });
    }
  }

  /**
   * @override
   * @param {RTCPeerConnection} pc
   */
  prepare(pc) {
    const { video, audio } = this.#source;
    // WHIP wants all tracks in one stream. Both kinds are negotiated even if one is missing: it may come yet.
    const streams = [new MediaStream()];
    const sending = /** @type {const} */ ({ direction: 'sendonly', streams });
    const sound = pc.addTransceiver(audio ?? 'audio', sending);
    const picture = pc.addTransceiver(video ?? 'video', { ...sending, sendEncodings: [{ maxBitrate: MAX_BITRATE }] });
    preferCodec(picture);
    if (video) video.contentHint = 'motion';
    this.#senders = { video: picture.sender, audio: sound.sender };
  }

  /**
   * @override
   * @param {RTCPeerConnection} pc
   * @param {boolean} _proven
   * @param {() => void} letGo
   */
  adopted(pc, _proven, letGo) {
    letGo();
    this.#issues = '';
    void this.#listen(pc);
    const sender = this.#senders?.video;
    if (!sender) return;
    // Between a sharp picture and a smooth one, give up a little of each. Not every browser has the choice.
    const parameters = /** @type {RTCRtpSendParameters & { degradationPreference?: string }} */ (sender.getParameters());
    parameters.degradationPreference = 'balanced';
    sender.setParameters(parameters).catch(() => {});
    this.#replace();
  }

  /**
   * @override
   * @param {Digest} digest
   * @returns {Verdict}
   */
  judge(digest) {
    if (!this.#source.video || this.#source.video.readyState === 'ended') {
      return { state: 'stalled', text: `${this.#source.name} sends no picture.` };
    }
    // A new connection would not help: it is the camera that stands still.
    if (digest.pictureStillMs > STILL) {
      return { state: 'stalled', text: `${this.#source.name} has stopped sending pictures.` };
    }
    if (digest.frames === 0) return { state: 'connecting', text: 'Connected. Sending the first picture…' };
    return { state: 'playing', text: quality(digest).text, help: this.#issues };
  }

  /** A stream key has one publisher at a time. @override */
  get exclusive() {
    return true;
  }

  /** @override */
  get notYetText() {
    return 'Livepeer is not ready for your picture yet. Trying again…';
  }

  /**
   * Asks what is wrong, as long as this is the connection.
   * @param {RTCPeerConnection} pc
   */
  async #listen(pc) {
    for (let wait = FIRST_ISSUES; ; wait = ISSUES) {
      await new Promise((resolve) => setTimeout(resolve, wait));
      if (this.closed || this.pc !== pc) return;
      // What cannot be asked now is asked again.
      const issues = await this.#ask().catch(() => null);
      if (issues && this.pc === pc) this.#issues = issues.join(' ');
    }
  }

  #replace() {
    const source = this.#source;
    const { video, audio } = source;
    if (video || audio) this.#arrived();
    if (video) video.contentHint = 'motion';
    if (!this.#senders) return;
    // The sound first: it may be that what is said from now on is for somebody else.
    void put(this.#senders.audio, audio);
    void put(this.#senders.video, video).then(() => source.draw?.());
  }
}

/**
 * Sends another track from now on. Should the browser not exchange the two, none is sent at all; on a connection that has
 * just been closed that fails too, and does not matter.
 * @param {RTCRtpSender} sender
 * @param {MediaStreamTrack | null} track
 */
async function put(sender, track) {
  await sender.replaceTrack(track).catch(() => sender.replaceTrack(null).catch(() => {}));
}

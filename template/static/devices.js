// @ts-check
/**
 * Camera and microphone: asks for them, says what is wrong in words, and gets them back when they return.
 *
 * Fires `change` when anything that the page shows has changed, and `tracks` when what there is to send has.
 */

/**
 * - `off`: not wanted. - `asking`: the browser is asking the person. - `ready`: there is a picture.
 * - `denied`: the person or the browser's settings forbid it. - `missing`: there is no camera. - `busy`: another program
 * has it. - `unplugged`: it was there and is gone. - `unsupported`: this page may not ask at all.
 * @typedef {'off' | 'asking' | 'ready' | 'denied' | 'missing' | 'busy' | 'unplugged' | 'unsupported'} DeviceState
 */

/** @typedef {'video' | 'audio'} Kind */

/** What to say about each state, and what the person can do. @type {Record<DeviceState, { text: string, help: string }>} */
const WORDS = {
  off: { text: '', help: '' },
  asking: { text: 'Your browser asks for your camera', help: 'Allow it, so that you can be seen and heard.' },
  ready: { text: '', help: '' },
  denied: {
    text: 'The camera is blocked',
    help: 'Allow camera and microphone in the address bar or in the settings of the browser. The picture then comes by itself, or press “Try again”.',
  },
  missing: { text: 'No camera found', help: 'Plug one in: it is used as soon as it is there.' },
  busy: {
    text: 'The camera cannot be opened',
    help: 'Another program may be using it. Close that program, then press “Try again”.',
  },
  unplugged: { text: 'The camera is gone', help: 'Plug it in again, or choose another one below.' },
  unsupported: {
    text: 'This page may not use the camera',
    help: 'Browsers give it only to secure pages: open this one by https, or on the same machine by http://localhost.',
  },
};

const CHOICE = 'devices';

/** Wanted of the camera; what it cannot do it does as well as it can. */
const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
/** Wanted of the microphone. One channel: it is a voice. */
const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: { ideal: 1 } };

export class Devices extends EventTarget {
  /** What it is called when something is the matter with it. */
  name = 'Your camera';
  /** @type {DeviceState} */
  state = 'off';
  /** @type {MediaStreamTrack | null} */
  video = null;
  /** @type {MediaStreamTrack | null} */
  audio = null;
  /** Whether the person lets each be seen or heard. @type {Record<Kind, boolean>} */
  on = { video: true, audio: true };
  /** What there is to choose from. @type {Record<Kind, MediaDeviceInfo[]>} */
  list = { video: [], audio: [] };

  #wanted = false;
  /** The devices that the person chose, by their ids. @type {Partial<Record<Kind, string>>} */
  #choice = recall();
  /** Counts the attempts, so that only the last one's outcome matters. */
  #attempt = 0;
  /** Whether one is being made. */
  #looking = false;

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.#changed());
  }

  /** The words for the present state. */
  get words() {
    return WORDS[this.state];
  }

  /** Whether there is no microphone although there is a camera. */
  get silent() {
    return this.state === 'ready' && this.audio === null;
  }

  /**
   * What the others can see and hear: what is there and switched on. None while that is about to be found out.
   * @returns {import('./view.js').Sending | null}
   */
  get sending() {
    if (this.state === 'off' || this.state === 'asking' || this.#looking) return null;
    return { camera: this.on.video && this.video !== null, microphone: this.on.audio && this.audio !== null };
  }

  /** Asks for camera and microphone, unless that has been done. */
  open() {
    if (this.#wanted) return;
    this.#wanted = true;
    void this.#watchPermission();
    void this.retry();
  }

  /** Lets go of them: the light beside the camera goes out. */
  close() {
    if (!this.#wanted) return;
    this.#wanted = false;
    this.#attempt += 1;
    this.state = 'off';
    this.#set('video', null);
    this.#set('audio', null);
    this.#become('off');
  }

  /** Asks once more for whatever is missing. */
  async retry() {
    if (!this.#wanted) return;
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#looking = true;
    if (!navigator.mediaDevices?.getUserMedia) {
      this.#looking = false;
      this.#become('unsupported');
      return;
    }
    if (!this.video) this.#become('asking');
    try {
      const stream = await this.#ask();
      if (attempt !== this.#attempt) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      for (const track of stream.getTracks()) this.#set(track.kind === 'video' ? 'video' : 'audio', track);
      await this.#look();
      if (attempt !== this.#attempt) return;
      this.#looking = false;
      this.#become(this.video ? 'ready' : 'missing');
    } catch (error) {
      await this.#look();
      if (attempt !== this.#attempt) return;
      this.#looking = false;
      this.#become(this.video ? 'ready' : stateOf(error));
    }
  }

  /**
   * Uses another camera or microphone from now on, also on the next visit.
   * @param {Kind} kind
   * @param {string} id
   */
  async choose(kind, id) {
    this.#choice[kind] = id;
    remember(this.#choice);
    // Some devices open only once: the old one is let go first.
    this.#looking = true;
    this.#set(kind, null);
    await this.retry();
  }

  /**
   * Which device is in use.
   * @param {Kind} kind
   */
  chosen(kind) {
    return this[kind]?.getSettings().deviceId ?? this.#choice[kind] ?? '';
  }

  /**
   * Hides the picture or silences the sound, and back, without letting go of the device.
   * @param {Kind} kind
   */
  toggle(kind) {
    this.on[kind] = !this.on[kind];
    const track = this[kind];
    if (track) track.enabled = this.on[kind];
    this.#tell('change');
  }

  /** Asks for what is missing: both at once, or what there is of them. */
  async #ask() {
    const want = {
      video: this.video ? false : this.#constraints('video', PICTURE),
      audio: this.audio ? false : this.#constraints('audio', SOUND),
    };
    try {
      return await navigator.mediaDevices.getUserMedia(want);
    } catch (error) {
      // One of the two may be missing or busy. Half is better than nothing, and the page says which half.
      // Nor is anything opened for somebody who has had it closed meanwhile.
      if (!want.video || !want.audio || stateOf(error) === 'denied' || !this.#wanted) throw error;
      return await navigator.mediaDevices
        .getUserMedia({ video: want.video })
        .catch((cameraError) =>
          navigator.mediaDevices.getUserMedia({ audio: want.audio }).catch(() => Promise.reject(cameraError)),
        );
    }
  }

  /**
   * @param {Kind} kind
   * @param {MediaTrackConstraints} constraints
   */
  #constraints(kind, constraints) {
    const id = this.#choice[kind];
    // `ideal`, for the chosen one may be at home.
    return id ? { ...constraints, deviceId: { ideal: id } } : constraints;
  }

  /**
   * @param {Kind} kind
   * @param {MediaStreamTrack | null} track
   */
  #set(kind, track) {
    const old = this[kind];
    if (old === track) return;
    this[kind] = track;
    if (old) {
      old.onended = null;
      old.stop();
    }
    if (track) {
      track.enabled = this.on[kind];
      // Fired when it is unplugged or the permission is withdrawn; not by our own `stop()`.
      track.onended = () => void this.#gone(kind);
    }
    this.#tell('tracks');
  }

  /** @param {Kind} kind */
  async #gone(kind) {
    this.#set(kind, null);
    if (kind === 'video') this.#become('unplugged');
    await this.#look();
    if (!this.#wanted) return;
    // Another one may be at hand; a microphone is replaced without a word.
    if (this.list[kind].length > 0) await this.retry();
    if (kind === 'video' && !this.video && this.state !== 'denied') this.#become('unplugged');
    this.#tell('change');
  }

  /** Something was plugged in or out. */
  async #changed() {
    await this.#look();
    this.#tell('change');
    if (!this.#wanted || this.state === 'asking' || this.state === 'denied') return;
    const back = (/** @type {Kind} */ kind) => this[kind] === null && this.list[kind].length > 0;
    if (back('video') || back('audio')) await this.retry();
  }

  async #look() {
    const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    this.list = {
      video: all.filter(({ kind }) => kind === 'videoinput'),
      audio: all.filter(({ kind }) => kind === 'audioinput'),
    };
  }

  /** A permission given later, in the browser's settings, works at once. Not every browser tells. */
  async #watchPermission() {
    try {
      const permission = await navigator.permissions.query({ name: /** @type {PermissionName} */ ('camera') });
      permission.onchange = () => {
        if (permission.state === 'granted' && !this.video) void this.retry();
      };
    } catch {
      // The "Try again" button does the same.
    }
  }

  /** @param {DeviceState} state */
  #become(state) {
    this.state = state;
    this.#tell('change');
  }

  /** @param {'change' | 'tracks'} what */
  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}

/**
 * @param {unknown} error from `getUserMedia`
 * @returns {DeviceState}
 */
function stateOf(error) {
  switch (error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    default:
      return 'busy';
  }
}

/** @returns {Partial<Record<Kind, string>>} */
function recall() {
  try {
    return JSON.parse(localStorage.getItem(CHOICE) ?? '{}');
  } catch {
    return {};
  }
}

/** @param {Partial<Record<Kind, string>>} choice */
function remember(choice) {
  try {
    localStorage.setItem(CHOICE, JSON.stringify(choice));
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
}

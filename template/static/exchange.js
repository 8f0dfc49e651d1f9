// @ts-check
/**
 * One offer and one answer over HTTP: what WHIP (RFC 9725) and WHEP have in common, as far as the weakest server goes.
 * That server takes one POST with all candidates in it and nothing afterwards: no trickle, no restart, and a DELETE that
 * it may not know. Redirects are followed by `fetch` itself.
 */

import { eager } from './peer.js';

/**
 * Where and as whom to publish or play.
 * @typedef {Object} Credential
 * @property {string} url WHIP or WHEP address
 * @property {string | null} token playback token, sent in the header `Livepeer-Jwt`
 * @property {number | null} lasts how long the token is good for from now on, in milliseconds; none if it does not end
 */

/**
 * What a server gave with its answer.
 * @typedef {Object} Session
 * @property {string | null} location what to DELETE at the end
 * @property {RTCIceServer[]} iceServers what it recommends for reaching it
 * @property {string | null} token
 */

/** A server said no, or nothing. */
export class Refused extends Error {
  /**
   * @param {number} status HTTP status; 0 when there was no answer
   * @param {string} reason the server's own words, or none
   * @param {number | null} retryAfter milliseconds that the server asked to wait
   */
  constructor(status, reason, retryAfter = null) {
    super(reason || `status ${status}`);
    this.status = status;
    this.reason = reason;
    this.retryAfter = retryAfter;
  }

  /** Nothing flows there yet, or not any more: to be asked again, without alarm. Servers differ in how they say so. */
  get notYet() {
    return [401, 403, 404, 409, 425].includes(this.status);
  }

  /** What was asked for cannot be had, and asking again will hardly help. */
  get final() {
    return this.status >= 400 && this.status < 500 && !this.notYet && this.status !== 408 && this.status !== 429;
  }
}

/** How long one HTTP request may take, redirects included, in milliseconds. */
export const REQUEST_LIMIT = 10_000;
/** With a host candidate in hand, the rest (STUN, TURN) gets so much longer, in milliseconds. */
const REST_OF_GATHERING = 1000;
/** Without any candidate the offer goes out after so long: the server learns our address from the first packet. */
const MOST_GATHERING = 3000;
/** The server's words are shown to people, so no more than this many letters of them. */
const MOST_WORDS = 300;

/**
 * Waits for the candidates that go into the offer.
 * @param {RTCPeerConnection} pc
 * @returns {Promise<void>}
 */
export function gathered(pc) {
  return new Promise((resolve) => {
    const look = () => {
      if (pc.iceGatheringState === 'complete' || pc.signalingState === 'closed') resolve();
    };
    let sawHost = false;
    pc.addEventListener('icegatheringstatechange', look);
    pc.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate?.type !== 'host' || sawHost) return;
      sawHost = true;
      setTimeout(resolve, REST_OF_GATHERING);
    });
    setTimeout(resolve, MOST_GATHERING);
    look();
  });
}

/**
 * Posts the offer and applies the answer.
 * @param {RTCPeerConnection} pc with its local description set and gathered
 * @param {Credential} credential
 * @param {AbortSignal} signal
 * @returns {Promise<Session>}
 * @throws {Refused}
 */
export async function exchange(pc, { url, token }, signal) {
  const answer = await request(
    url,
    {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', ...(token ? { 'Livepeer-Jwt': token } : {}) },
      body: pc.localDescription?.sdp ?? '',
    },
    signal,
  );
  const location = answer.headers.get('Location');
  const session = {
    // Relative to the server that answered, which after redirects is not the one that was asked.
    location: location === null ? null : new URL(location, answer.url).href,
    iceServers: iceServers(answer.headers.get('Link')),
    token,
  };
  try {
    await pc.setRemoteDescription({ type: 'answer', sdp: eager(await answer.text()) });
  } catch (error) {
    farewell(session);
    if (pc.signalingState === 'closed') throw new DOMException('closed meanwhile', 'AbortError');
    throw new Refused(422, `The browser does not accept the server's answer. ${error}`);
  }
  return session;
}

/**
 * Ends a session at its server, as far as the server lets itself be told; it notices by itself otherwise. Works while
 * the page is being left.
 * @param {Session} session
 */
export function farewell({ location, token }) {
  if (location === null) return;
  const headers = token ? { 'Livepeer-Jwt': token } : undefined;
  fetch(location, { method: 'DELETE', keepalive: true, headers }).catch(() => {});
}

/**
 * A request with a time limit whose failures are all `Refused`, save for an abort by the caller.
 * @param {string} url
 * @param {RequestInit} init
 * @param {AbortSignal} signal
 * @returns {Promise<Response>} with a status of 2xx
 * @throws {Refused}
 */
export async function request(url, init, signal) {
  let answer;
  try {
    answer = await fetch(url, { ...init, cache: 'no-store', signal: withLimit(signal) });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Refused(0, '');
  }
  if (answer.ok) return answer;
  throw new Refused(answer.status, await reason(answer), retryAfter(answer.headers.get('Retry-After')));
}

/** @param {AbortSignal} signal */
function withLimit(signal) {
  const controller = new AbortController();
  const stop = () => controller.abort();
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  setTimeout(stop, REQUEST_LIMIT);
  return controller.signal;
}

/**
 * The words of a refusal: `application/problem+json` (RFC 9457), the app's own `{"error": …}`, or the first line of plain
 * text, as Livepeer's nodes have it.
 * @param {Response} answer
 * @returns {Promise<string>}
 */
async function reason(answer) {
  const type = answer.headers.get('Content-Type') ?? '';
  try {
    if (type.startsWith('text/plain')) return (await answer.text()).split('\n')[0].slice(0, MOST_WORDS);
    if (!/\bjson\b/.test(type)) return '';
    const body = await answer.json();
    const words = body.error ?? body.detail ?? body.title ?? '';
    return typeof words === 'string' ? words.slice(0, MOST_WORDS) : '';
  } catch {
    return '';
  }
}

/**
 * `Retry-After` in milliseconds: seconds, or a date (RFC 9110 §10.2.3).
 * @param {string | null} header
 * @returns {number | null}
 */
export function retryAfter(header) {
  if (header === null) return null;
  const wait = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : null;
}

/**
 * The STUN and TURN servers in a `Link` header (RFC 9725 §4.6).
 * @param {string | null} header
 * @returns {RTCIceServer[]}
 */
export function iceServers(header) {
  /** @type {RTCIceServer[]} */
  const servers = [];
  // A link is <target> and its parameters; a comma within quotes is part of the value.
  for (const [, target, tail] of (header ?? '').matchAll(/<([^>]*)>((?:[^,"]|"(?:[^"\\]|\\.)*")*)/g)) {
    /** @type {Record<string, string>} */
    const parameters = {};
    for (const [, name, quoted, bare] of tail.matchAll(/;\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))/g)) {
      parameters[name.toLowerCase()] = quoted === undefined ? bare : quoted.replace(/\\(.)/g, '$1');
    }
    if (parameters.rel !== 'ice-server' || !/^(stun|turn)s?:/.test(target)) continue;
    const { username, credential } = parameters;
    servers.push(username ? { urls: target, username, credential } : { urls: target });
  }
  return servers;
}

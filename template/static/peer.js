// @ts-check
/** What a bare `RTCPeerConnection` leaves one to find out. */

/** From the answer to a connection that carries media, in milliseconds: ICE and DTLS take a few round trips. */
const CONNECT_LIMIT = 10_000;

/** The answer was fine, but no media connection came of it. */
export class Unreachable extends Error {}

/**
 * Waits until media can flow.
 * @param {RTCPeerConnection} pc
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 * @throws {Unreachable}
 */
export function connected(pc, signal) {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Unreachable()), CONNECT_LIMIT);
    const look = () => {
      if (pc.connectionState === 'connected') resolve();
      else if (pc.connectionState === 'failed') reject(new Unreachable());
      else if (signal.aborted) reject(new DOMException('closed meanwhile', 'AbortError'));
      else return;
      clearTimeout(limit);
    };
    pc.addEventListener('connectionstatechange', look);
    signal.addEventListener('abort', look);
    look();
  });
}

/**
 * @param {RTCPeerConnection} pc
 * @returns {RTCDtlsTransport[]} one, for all media is bundled
 */
export function transports(pc) {
  const all = pc.getTransceivers().map(({ sender, receiver }) => sender.transport ?? receiver.transport);
  return [...new Set(all.filter((transport) => transport !== null))];
}

/**
 * Whether the server has ended the connection: it closes DTLS, which `connectionState` does not tell.
 * @param {RTCPeerConnection} pc
 */
export function hungUp(pc) {
  return transports(pc).some(({ state }) => state === 'closed' || state === 'failed');
}

/**
 * A debug switch: `?codec=h264` or `?codec=vp8` in the page's address puts that codec first. Without it the browser's
 * own order stands.
 * @param {RTCRtpTransceiver} transceiver of video
 */
export function preferCodec(transceiver) {
  const wanted = new URLSearchParams(location.search).get('codec');
  if (wanted === null || !('setCodecPreferences' in transceiver)) return;
  const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  const first = codecs.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${wanted.toLowerCase()}`);
  if (first.length > 0) transceiver.setCodecPreferences([...first, ...codecs.filter((codec) => !first.includes(codec))]);
}

/** Chromium and Safari begin with 300 kb/s, hence with small pictures, and feel their way up for many seconds. In kb/s. */
const START_BITRATE = 1500;

/**
 * A server's answer with the wish that those browsers begin faster; on a link that bears less, their congestion control
 * brings them down. It says nothing to other browsers, and nothing about what is received.
 * @param {string} sdp
 * @returns {string}
 */
export function eager(sdp) {
  for (const [line, payload] of sdp.matchAll(/^a=rtpmap:(\d+) (?:VP8|VP9|AV1|H264)\/90000\r?\n/gm)) {
    const parameters = new RegExp(`^a=fmtp:${payload} [^\\r\\n]+`, 'm');
    const wish = `x-google-start-bitrate=${START_BITRATE}`;
    sdp = parameters.test(sdp)
      ? sdp.replace(parameters, (known) => `${known};${wish}`)
      : sdp.replace(line, `${line}a=fmtp:${payload} ${wish}\r\n`);
  }
  return sdp;
}

// @ts-check
// The browser's half of `cargo kit interop`: one page that publishes a moving picture and a tone, or plays them, in any
// browser, and reports to the server what it saw. Nobody drives it: what to do is in its address.

const WIDTH = 640;
const HEIGHT = 360;
const FPS = 30;

const query = new URLSearchParams(location.search);
/** @param {string} name */
const wanted = (name) => {
  const value = query.get(name);
  if (value === null) throw new Error(`the address says no ${name}`);
  return value;
};

/** A picture that never stands still, so that no encoder may skip one. */
function movingPicture() {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  document.body.append(canvas);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const draw = () => {
    const now = performance.now();
    for (let stripe = 0; stripe < 8; stripe++) {
      pen.fillStyle = `hsl(${(stripe * 45 + now / 20) % 360} 70% 45%)`;
      pen.fillRect((stripe * WIDTH) / 8, 0, WIDTH / 8, HEIGHT);
    }
    pen.fillStyle = "white";
    pen.fillRect((now / 5) % WIDTH, 150, 60, 60);
  };
  draw();
  setInterval(draw, 1000 / FPS);
  return canvas.captureStream(FPS).getVideoTracks()[0];
}

async function tone() {
  if (navigator.userAgent.includes("Firefox")) {
    // Where there is nothing to play sound on, its AudioContext makes none. It is started with a microphone that beeps.
    return (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks()[0];
  }
  const context = new AudioContext();
  const oscillator = context.createOscillator();
  const out = context.createMediaStreamDestination();
  oscillator.connect(out);
  oscillator.start();
  await context.resume();
  return out.stream.getAudioTracks()[0];
}

/** @param {RTCPeerConnection} pc */
async function offer(pc) {
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== "complete") {
    await new Promise((resolve) => pc.addEventListener("icegatheringstatechange", resolve, { once: true }));
  }
  return /** @type {RTCSessionDescription} */ (pc.localDescription).sdp;
}

/** A browser that was built without the codec, which the engine has told it in words. */
class NotFor extends Error {}

/**
 * @param {RTCPeerConnection} pc
 * @param {string} url
 * @returns {Promise<number>} when the offer was POSTed
 */
async function negotiate(pc, url) {
  const body = await offer(pc);
  const posted = performance.now();
  const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body });
  const text = await response.text();
  if (response.status === 422) throw new NotFor(text);
  if (response.status !== 201) throw new Error(`${response.status}: ${text}`);
  await pc.setRemoteDescription({ type: "answer", sdp: text });
  return posted;
}

/** @param {RTCPeerConnection} pc */
async function connected(pc) {
  while (pc.connectionState !== "connected") {
    if (pc.connectionState === "failed") throw new Error("the connection failed");
    await new Promise((resolve) => pc.addEventListener("connectionstatechange", resolve, { once: true }));
  }
}

/** @param {number} seconds */
const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/**
 * @param {RTCPeerConnection} pc
 * @param {string} type
 * @param {string} kind
 */
async function statistics(pc, type, kind) {
  const all = [...(await pc.getStats()).values()];
  const found = all.find((each) => each.type === type && each.kind === kind) ?? {};
  const codec = all.find((each) => each.id === found.codecId);
  return { ...found, codec: codec?.mimeType?.split("/")[1] };
}

/**
 * @param {string} url
 * @param {string} codec
 */
async function publish(url, codec) {
  const pc = new RTCPeerConnection();
  const picture = movingPicture();
  const sound = await tone();
  const stream = new MediaStream([picture, sound]);
  pc.addTransceiver(sound, { direction: "sendonly", streams: [stream] });
  const video = pc.addTransceiver(picture, { direction: "sendonly", streams: [stream] });
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
  const chosen = codecs.filter((each) => [`video/${codec}`, "video/rtx"].includes(each.mimeType));
  if (!chosen.some((each) => each.mimeType === `video/${codec}`)) throw new NotFor(`this browser does not encode ${codec}`);
  video.setCodecPreferences(chosen);
  // Firefox counts a codec among its own whose plug-in it has not downloaded, and then offers nothing.
  const offersNothing = /^m=video \d+ \S+ *\r?$/m.test((await pc.createOffer()).sdp ?? "");
  if (offersNothing) throw new NotFor(`this browser lists ${codec}, but offers none`);
  await negotiate(pc, url);
  await connected(pc);
  // A connection that nobody holds is closed some day.
  Object.assign(window, { pc });
  return {};
}

/**
 * @param {string} url
 * @param {number} seconds
 */
async function play(url, seconds) {
  const pc = new RTCPeerConnection();
  const element = document.createElement("video");
  // Sound that is not played is not decoded. The browsers are told to play it into the void.
  element.autoplay = true;
  element.playsInline = true;
  document.body.append(element);
  const stream = new MediaStream();
  pc.addEventListener("track", ({ track }) => {
    stream.addTrack(track);
    element.srcObject = stream;
  });
  pc.addTransceiver("audio", { direction: "recvonly" });
  pc.addTransceiver("video", { direction: "recvonly" });
  const first = new Promise((resolve) => element.requestVideoFrameCallback(() => resolve(performance.now())));
  const posted = await negotiate(pc, url);
  const seen = await Promise.race([first, wait(15).then(() => null)]);
  if (seen === null) {
    const { bytesReceived = 0, framesDecoded = 0 } = await statistics(pc, "inbound-rtp", "video");
    const all = [...(await pc.getStats()).values()];
    const told = all.filter((each) => each.type.endsWith("-candidate"));
    const candidates = told.map((each) => `${each.type[0]} ${each.protocol} ${each.address}:${each.port}`);
    const what = `${bytesReceived} bytes of video, ${framesDecoded} pictures decoded; ${candidates.join(", ")}`;
    throw new Error(`no picture within 15 seconds (${pc.connectionState}, ${what})`);
  }
  await wait(seconds);
  const video = await statistics(pc, "inbound-rtp", "video");
  const audio = await statistics(pc, "inbound-rtp", "audio");
  return {
    codec: video.codec,
    joinMs: Math.round(seen - posted),
    width: element.videoWidth,
    height: element.videoHeight,
    framesDecoded: video.framesDecoded ?? 0,
    framesDropped: video.framesDropped ?? 0,
    freezes: video.freezeCount ?? null,
    packetsLost: (video.packetsLost ?? 0) + (audio.packetsLost ?? 0),
    audioPackets: audio.packetsReceived ?? 0,
    audioEnergy: audio.totalAudioEnergy ?? null,
  };
}

/** @param {Record<string, unknown>} report */
const tell = (report) =>
  fetch(`/report?id=${wanted("id")}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(report),
  });

try {
  const url = wanted("url");
  const seen =
    wanted("role") === "publish"
      ? await publish(url, wanted("codec"))
      : await play(url, Number(wanted("seconds")));
  await tell(seen);
} catch (error) {
  const words = error instanceof Error ? error.message : String(error);
  await tell({ error: words, lacksCodec: error instanceof NotFor });
}

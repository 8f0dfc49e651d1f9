// @ts-check
// The browser's half of `cargo kit bench`: one page that publishes a picture with a time code in it, plays it back, and
// times what it sees. Everything is on one page, so there is one clock: `performance.now()`.

const WIDTH = 640;
const HEIGHT = 360;
const FPS = 30;
/** The time code: a row of black and white blocks, the most significant bit first, with a checksum behind it. */
const TIME_BITS = 32;
const CHECK_BITS = 8;
const BLOCK = WIDTH / (TIME_BITS + CHECK_BITS);

/** @param {number} time in tenths of a millisecond */
function checksum(time) {
  return (time ^ (time >>> 8) ^ (time >>> 16) ^ (time >>> 24) ^ 0xa5) & 0xff;
}

/** A canvas that moves, and carries the time at which each picture was drawn. */
function timedPicture() {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const draw = () => {
    const now = performance.now();
    for (let stripe = 0; stripe < 8; stripe++) {
      pen.fillStyle = `hsl(${(stripe * 45 + now / 20) % 360} 70% 45%)`;
      pen.fillRect((stripe * WIDTH) / 8, 2 * BLOCK, WIDTH / 8, HEIGHT);
    }
    pen.fillStyle = "white";
    pen.fillRect((now / 5) % WIDTH, 150, 60, 60);
    const time = Math.floor(now * 10) >>> 0;
    const check = checksum(time);
    for (let bit = 0; bit < TIME_BITS + CHECK_BITS; bit++) {
      const on = bit < TIME_BITS ? (time >>> (TIME_BITS - 1 - bit)) & 1 : (check >>> (CHECK_BITS - 1 - (bit - TIME_BITS))) & 1;
      pen.fillStyle = on ? "white" : "black";
      pen.fillRect(bit * BLOCK, 0, BLOCK, 2 * BLOCK);
    }
  };
  draw();
  setInterval(draw, 1000 / FPS);
  return canvas;
}

const reader = document.createElement("canvas");
reader.width = WIDTH;
reader.height = 1;
const readerPen = /** @type {CanvasRenderingContext2D} */ (reader.getContext("2d", { willReadFrequently: true }));

/**
 * How old the picture is that a video element shows now.
 * @param {HTMLVideoElement} video
 * @returns {number | null} milliseconds; null if the code is not legible (the encoder smeared it)
 */
function pictureAge(video) {
  const now = performance.now();
  readerPen.drawImage(video, 0, (BLOCK * video.videoHeight) / HEIGHT, video.videoWidth, 1, 0, 0, WIDTH, 1);
  const pixels = readerPen.getImageData(0, 0, WIDTH, 1).data;
  const bit = (/** @type {number} */ index) => (pixels[4 * Math.floor((index + 0.5) * BLOCK)] > 127 ? 1 : 0);
  let time = 0;
  let check = 0;
  for (let index = 0; index < TIME_BITS; index++) time = ((time << 1) | bit(index)) >>> 0;
  for (let index = TIME_BITS; index < TIME_BITS + CHECK_BITS; index++) check = (check << 1) | bit(index);
  return check === checksum(time) ? now - time / 10 : null;
}

function newVideo() {
  const video = document.createElement("video");
  video.muted = true;
  video.autoplay = true;
  video.playsInline = true;
  document.body.append(video);
  return video;
}

/** @param {HTMLVideoElement} video */
function nextPicture(video) {
  return new Promise((resolve) => video.requestVideoFrameCallback(() => resolve(performance.now())));
}

/** @param {RTCPeerConnection} pc */
async function offer(pc) {
  await pc.setLocalDescription();
  if (pc.iceGatheringState !== "complete") {
    await new Promise((resolve) => {
      const check = () => pc.iceGatheringState === "complete" && resolve(undefined);
      pc.addEventListener("icegatheringstatechange", check);
      check();
    });
  }
  return /** @type {RTCSessionDescription} */ (pc.localDescription).sdp;
}

/**
 * @param {RTCPeerConnection} pc
 * @param {string} url
 * @returns {Promise<{resource: string, posted: number}>}
 */
async function negotiate(pc, url) {
  const sdp = await offer(pc);
  const posted = performance.now();
  const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: sdp });
  const body = await response.text();
  if (response.status !== 201) throw new Error(`${response.status} from the engine: ${body}`);
  await pc.setRemoteDescription({ type: "answer", sdp: body });
  return { resource: new URL(response.headers.get("Location") ?? "", response.url).href, posted };
}

/** @type {HTMLCanvasElement | undefined} */
let canvas;

/**
 * @param {RTCPeerConnection} pc
 * @param {string} codec "VP8" or "H264"
 */
function sendPicture(pc, codec) {
  canvas ??= timedPicture();
  const stream = canvas.captureStream(FPS);
  const transceiver = pc.addTransceiver(stream.getVideoTracks()[0], {
    direction: "sendonly",
    streams: [stream],
    sendEncodings: [{ maxBitrate: 2_500_000 }],
  });
  const wanted = RTCRtpReceiver.getCapabilities("video")?.codecs.filter((each) =>
    [`video/${codec}`, "video/rtx"].includes(each.mimeType),
  );
  if (wanted?.length) transceiver.setCodecPreferences(wanted);
}

/**
 * Publishes the picture to a WHIP address; resolves when it is connected, to what ends it.
 * @param {string} url
 * @param {string} codec
 */
async function publish(url, codec) {
  const pc = new RTCPeerConnection();
  sendPicture(pc, codec);
  const { resource } = await negotiate(pc, url);
  await connected(pc);
  return () => leave(pc, resource);
}

/**
 * @param {RTCPeerConnection} pc
 * @param {string} resource
 */
async function leave(pc, resource) {
  pc.close();
  await fetch(resource, { method: "DELETE" });
}

/** @param {RTCPeerConnection} pc */
async function connected(pc) {
  while (pc.connectionState !== "connected") {
    if (pc.connectionState === "failed") throw new Error("the connection failed");
    await new Promise((resolve) => pc.addEventListener("connectionstatechange", resolve, { once: true }));
  }
}

/**
 * Joins as a viewer once and leaves again.
 * @param {string} url a WHEP address
 * @returns {Promise<number>} milliseconds from the POST to the first decoded picture
 */
async function join(url) {
  const pc = new RTCPeerConnection();
  const video = newVideo();
  pc.addTransceiver("video", { direction: "recvonly" });
  pc.addTransceiver("audio", { direction: "recvonly" });
  pc.addEventListener("track", ({ track, streams }) => {
    if (track.kind === "video") video.srcObject = streams[0] ?? new MediaStream([track]);
  });
  const first = nextPicture(video);
  const { resource, posted } = await negotiate(pc, url);
  const seen = await first;
  video.remove();
  await leave(pc, resource);
  return seen - posted;
}

/**
 * Pictures that went through the engine: published to one address and played from the other.
 * @param {string} whip
 * @param {string} whep
 * @param {string} codec
 * @param {(video: HTMLVideoElement) => Promise<number[]>} watch
 */
async function throughTheEngine(whip, whep, codec, watch) {
  const unpublish = await publish(whip, codec);
  const pc = new RTCPeerConnection();
  const video = newVideo();
  pc.addTransceiver("video", { direction: "recvonly" });
  pc.addEventListener("track", ({ track }) => (video.srcObject = new MediaStream([track])));
  const { resource } = await negotiate(pc, whep);
  const seen = await watch(video);
  video.remove();
  await leave(pc, resource);
  await unpublish();
  return seen;
}

/**
 * The same pictures from one connection on this page straight to another.
 * @param {string} codec
 * @param {(video: HTMLVideoElement) => Promise<number[]>} watch
 */
async function directly(codec, watch) {
  const sender = new RTCPeerConnection();
  const receiver = new RTCPeerConnection();
  const video = newVideo();
  sendPicture(sender, codec);
  receiver.addEventListener("track", ({ track }) => (video.srcObject = new MediaStream([track])));
  await receiver.setRemoteDescription({ type: "offer", sdp: await offer(sender) });
  await sender.setRemoteDescription({ type: "answer", sdp: await offer(receiver) });
  const seen = await watch(video);
  video.remove();
  sender.close();
  receiver.close();
  return seen;
}

/**
 * Collects the age of every picture that a video shows.
 * @param {HTMLVideoElement} video
 * @param {number} until on the page's clock, in milliseconds
 * @returns {Promise<number[]>}
 */
async function ages(video, until) {
  const seen = [];
  while (performance.now() < until) {
    await nextPicture(video);
    const age = pictureAge(video);
    if (age !== null) seen.push(age);
  }
  return seen;
}

/** How long a new connection probes for bandwidth and settles its jitter buffer, in milliseconds. */
const SETTLE = 5000;
/** Turns that each way has. They alternate, so that a machine that slows down slows both. */
const TURNS = 2;

/**
 * The ages of pictures that went through the engine, and of those that went directly. One way at a time: two encoders
 * on one page would wait for each other.
 * @param {string} whip
 * @param {string} whep
 * @param {string} codec
 * @param {number} seconds for each way
 */
async function latency(whip, whep, codec, seconds) {
  const watch = async (/** @type {HTMLVideoElement} */ video) => {
    await nextPicture(video);
    await ages(video, performance.now() + SETTLE);
    return ages(video, performance.now() + (1000 * seconds) / TURNS);
  };
  /** @type {number[]} */
  const engine = [];
  /** @type {number[]} */
  const direct = [];
  for (let turn = 0; turn < TURNS; turn++) {
    engine.push(...(await throughTheEngine(whip, whep, codec, watch)));
    direct.push(...(await directly(codec, watch)));
  }
  return { engine, direct };
}

/**
 * Publishes until the page is closed.
 * @param {string} url
 * @param {string} codec
 */
async function publishOn(url, codec) {
  await publish(url, codec);
}

Object.assign(window, { bench: { publish: publishOn, join, latency } });

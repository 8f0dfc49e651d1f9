// The debug page: asks for the counters once a second and shows what has changed. No framework, nothing kept.

/** How often the engine is asked, in milliseconds. */
const EVERY = 1000;
/** Seconds that the small curves show. */
const SPAN = 120;

/**
 * @typedef {Record<string, number>} Counters
 * @typedef {{ totalMs: number, buckets: number[] }} JoinTimes
 * @typedef {{ live: boolean, publisher: boolean, viewers: number, codecs: string[], picture: [number, number] | null, findings: string[], counters: Counters }} StreamStats
 * @typedef {{ playbackId: string, name: string | null, stats: StreamStats }} Stream
 * @typedef {{ upSeconds: number, udp: string, sessions: number, total: Counters, joinTimes: JoinTimes,
 *   joinBoundsMs: number[], streams: Stream[], drops: { reason: string, words: string, count: number }[] }} Stats
 */

/** @type {{ at: number, stats: Stats } | null} */
let before = null;
/** @type {Map<string, number[]>} The curves, by the title of their tile. */
const curves = new Map();

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * A new element with a class and text. Text is never parsed: names come from strangers.
 * @param {string} tag
 * @param {string} [kind]
 * @param {string} [text]
 */
function make(tag, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** @param {number} bits */
function rate(bits) {
  if (bits >= 1e6) return `${(bits / 1e6).toFixed(bits >= 1e7 ? 0 : 1)} Mb/s`;
  return `${Math.round(bits / 1e3)} kb/s`;
}

/** @param {number} count */
const whole = (count) => Math.round(count).toLocaleString("en");

/** @param {number} ms */
const duration = (ms) => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`);

/** @param {number} seconds */
function age(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/**
 * By how much a counter has grown in a second. A stream that went and came begins anew.
 * @param {Counters | undefined} was
 * @param {Counters} is
 * @param {string} name
 * @param {number} seconds
 */
const grown = (was, is, name, seconds) =>
  was && is[name] >= was[name] ? (is[name] - was[name]) / seconds : 0;

/**
 * The limit below which half of all joins were, in words.
 * @param {Stats} stats
 */
function medianJoin({ joinTimes, joinBoundsMs }) {
  const half = joinTimes.buckets.reduce((sum, count) => sum + count, 0) / 2;
  if (half === 0) return "–";
  let sum = 0;
  const at = joinTimes.buckets.findIndex((count) => (sum += count) >= half);
  return at < joinBoundsMs.length ? `≤ ${duration(joinBoundsMs[at])}` : `> ${duration(joinBoundsMs[at - 1])}`;
}

/**
 * A figure with its history.
 * @param {string} title
 * @param {string} text
 * @param {number} [value] what the curve shows; without it there is none
 */
function tile(title, text, value) {
  const made = make("div", "tile");
  made.append(make("b", "", text), make("span", "", title));
  if (value === undefined) return made;
  const curve = curves.get(title) ?? [];
  curve.push(value);
  curves.set(title, curve.slice(-SPAN));
  const top = Math.max(...curve, 1e-9);
  const points = curve.map((y, x) => `${SPAN - curve.length + x + 1} ${(30 - (27 * y) / top).toFixed(1)}`);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${SPAN} 30`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", `M ${SPAN - curve.length + 1} 31 L ${points.join(" L ")} L ${SPAN + 1} 31 Z`);
  svg.append(path);
  made.append(svg);
  return made;
}

/**
 * @param {Stats} stats
 * @param {Stats | undefined} was
 * @param {number} seconds
 */
function showTiles(stats, was, seconds) {
  const per = (/** @type {string} */ name) => grown(was?.total, stats.total, name, seconds);
  const live = stats.streams.filter((stream) => stream.stats.live).length;
  const viewers = stats.streams.reduce((sum, stream) => sum + stream.stats.viewers, 0);
  element("tiles").replaceChildren(
    tile(live === 1 ? "live stream" : "live streams", whole(live)),
    tile("viewers", whole(viewers), viewers),
    tile("in", rate(per("bytes_in") * 8), per("bytes_in")),
    tile("out", rate(per("bytes_out") * 8), per("bytes_out")),
    tile("packets out /s", whole(per("packets_out")), per("packets_out")),
    tile("sent again /s", whole(per("retransmissions")), per("retransmissions")),
    tile("median join", medianJoin(stats)),
  );
}

/**
 * @param {Stream} stream
 * @param {Stream | undefined} was
 * @param {number} seconds
 */
function rows(stream, was, seconds) {
  const { stats } = stream;
  const per = (/** @type {string} */ name) => grown(was?.stats.counters, stats.counters, name, seconds);
  const name = make("td", "name");
  const state = stats.live ? "live" : stats.publisher ? "the publisher connects, or is silent" : "no publisher: viewers wait";
  const dot = make("i", stats.live ? "dot live" : "dot");
  name.append(dot, stream.name ?? "a stream that was deleted", make("small", "", `${stream.playbackId} · ${state}`));
  const row = make("tr");
  const { counters } = stats;
  const picture = stats.picture ? [stats.picture.join(" × ")] : [];
  row.append(name, make("td", "", [...stats.codecs, ...picture].join(", ")));
  for (const text of [
    whole(stats.viewers),
    rate(per("bytesIn") * 8),
    rate(per("bytesOut") * 8),
    whole(per("nacksOut")),
    whole(per("retransmissions")),
    `${whole(counters.plisIn)} → ${whole(counters.plisOut)}`,
    `${whole(counters.joins)} (${whole(counters.replays)} at once)`,
  ]) {
    row.append(make("td", "number", text));
  }
  const findings = stats.findings.map((words) => {
    const finding = make("tr", "finding");
    const cell = /** @type {HTMLTableCellElement} */ (make("td", "", words));
    cell.colSpan = 9;
    finding.append(cell);
    return finding;
  });
  return [row, ...findings];
}

/**
 * @param {Stats} stats
 * @param {Stats | undefined} was
 * @param {number} seconds
 */
function showStreams(stats, was, seconds) {
  element("no-streams").hidden = stats.streams.length > 0;
  const table = element("streams");
  /** @type {HTMLElement} */ (table.parentElement).hidden = stats.streams.length === 0;
  const old = new Map(was?.streams.map((stream) => [stream.playbackId, stream]));
  const all = stats.streams.flatMap((stream) => rows(stream, old.get(stream.playbackId), seconds));
  /** @type {HTMLTableElement} */ (table).tBodies[0].replaceChildren(...all);
}

/** @param {Stats} stats */
function showJoins({ joinTimes, joinBoundsMs }) {
  const most = Math.max(...joinTimes.buckets, 1);
  const bars = joinTimes.buckets.map((count, at) => {
    const last = at === joinBoundsMs.length;
    const bar = make("li");
    const meter = /** @type {HTMLMeterElement} */ (make("meter"));
    meter.max = most;
    meter.value = count;
    const limit = last ? `> ${duration(joinBoundsMs[at - 1])}` : `≤ ${duration(joinBoundsMs[at])}`;
    bar.append(make("span", "number", limit), make("span", count ? "number" : "number none", whole(count)), meter);
    return bar;
  });
  element("joins").replaceChildren(...bars);
}

/** @param {Stats} stats */
function showDrops({ drops }) {
  const all = drops.map(({ words, count }) => {
    const row = make("tr", count ? "" : "none");
    row.append(make("td", "number", whole(count)), make("td", "", words));
    return row;
  });
  /** @type {HTMLTableElement} */ (element("drops")).tBodies[0].replaceChildren(...all);
}

async function look() {
  const state = element("state");
  try {
    const answer = await fetch("debug/stats", { cache: "no-store" });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const stats = /** @type {Stats} */ (await answer.json());
    const now = performance.now();
    const seconds = before ? (now - before.at) / 1000 : 1;
    state.className = "";
    state.textContent = `up ${age(stats.upSeconds)} · media on UDP ${stats.udp} · ${whole(stats.sessions)} sessions`;
    showTiles(stats, before?.stats, seconds);
    showStreams(stats, before?.stats, seconds);
    showJoins(stats);
    showDrops(stats);
    before = { at: now, stats };
  } catch (error) {
    state.className = "gone";
    const why = error instanceof Error ? error.message : String(error);
    state.textContent = `The engine does not answer (${why}). What stands below is old; asking again every second.`;
  }
  setTimeout(look, EVERY);
}

look();

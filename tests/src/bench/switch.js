// @ts-check
// The browser's half of `cargo kit bench switch`, put into the app's own pages: it times what they show. All browsers
// run on one machine, so that there is one clock: `performance.timeOrigin + performance.now()`.

/** A time of this page on the clock that all pages share. @param {number} time */
function shared(time) {
  return performance.timeOrigin + time;
}

/**
 * Presses a button that is there.
 * @param {string} action
 * @returns {number} when, in milliseconds
 */
function press(action) {
  const button = /** @type {HTMLElement} */ (document.querySelector(`[data-action="${action}"]`));
  const now = performance.now();
  button.click();
  return shared(now);
}

/**
 * Notes when each picture of a stream is shown, and how often its connection is lost or exchanged.
 * @param {string} slot
 */
function watch(slot) {
  const video = /** @type {HTMLVideoElement} */ (document.querySelector(`video[data-slot="${slot}"]`));
  const player = /** @type {any} */ (window).livepeerStarter.page.players.get(slot);
  const seen = { pictures: /** @type {number[]} */ ([]), reconnects: 0 };
  /** @type {RTCPeerConnection | null} */
  let pc = null;
  const hold = () => {
    if (player.pc === pc) return;
    if (pc) seen.reconnects += 1;
    pc = player.pc;
    pc?.addEventListener('connectionstatechange', () => {
      if (pc?.connectionState !== 'connected') seen.reconnects += 1;
    });
  };
  const next = () => {
    video.requestVideoFrameCallback((_, { presentationTime }) => {
      seen.pictures.push(shared(presentationTime));
      next();
    });
  };
  hold();
  setInterval(hold, 20);
  next();
  return seen;
}

/**
 * The first picture of a stream that is not on the page yet.
 * @param {string} slot
 * @returns {Promise<number>} when it was shown, in milliseconds
 */
function first(slot) {
  return new Promise((resolve) => {
    const look = () => {
      const video = /** @type {HTMLVideoElement | null} */ (document.querySelector(`video[data-slot="${slot}"]`));
      if (!video) return;
      observer.disconnect();
      video.requestVideoFrameCallback((_, { presentationTime }) => resolve(shared(presentationTime)));
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { childList: true, subtree: true });
    look();
  });
}

Object.assign(window, { bench: { press, watch, first } });

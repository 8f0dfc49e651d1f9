// @ts-check
/**
 * A worker that ticks for `card.js`. A browser slows down the timers of a page that nobody looks at to one tick a second
 * or less, and does not slow down those of a worker.
 */

addEventListener('message', ({ data }) => {
  setInterval(() => postMessage(null), data);
});

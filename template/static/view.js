// @ts-check
/**
 * What the server sends for the page to draw. These types mirror `crates/session/src/view.rs`, field for field; change
 * the two together.
 */

/**
 * Where the session stands for this person.
 * @typedef {'setup' | 'waiting' | 'ringing' | 'starting' | 'live' | 'interrupted' | 'ended'} Phase
 */

/**
 * A card instead of a picture: its words, and since when it has been shown, in milliseconds of the server's clock.
 * @typedef {{ type: 'card', title: string, since: number }} CardSource
 */

/**
 * What a publisher sends: camera and microphone, the camera without any sound, or a card without any sound. A further
 * kind is one entry in the table of `sources.js`.
 * @typedef {{ type: 'camera' } | { type: 'silent-camera' } | CardSource} Source
 */

/**
 * Which of somebody's devices are on.
 * @typedef {Object} Sending
 * @property {boolean} camera
 * @property {boolean} microphone
 */

/**
 * A stream that this person publishes.
 * @typedef {Object} Publish
 * @property {string} slot
 * @property {Source} source
 */

/**
 * A stream that this person plays.
 * @typedef {Object} Play
 * @property {string} slot
 * @property {string} label who or what is to be seen on it
 * @property {Sending} sending what its publisher has switched on
 */

/**
 * A button on the page.
 * @typedef {Object} Button
 * @property {string} action sent back when it is pressed
 * @property {string} [target] the person it is about, sent back with it
 * @property {string} label
 * @property {'primary' | 'plain' | 'danger'} emphasis
 * @property {string} [confirm] what to ask before it is carried out
 * @property {boolean} [named] whether it wants a name first
 */

/**
 * Somebody else, in a list.
 * @typedef {Object} Other
 * @property {string} id
 * @property {string} name
 * @property {string} note what is the matter with them
 * @property {number | null} since in milliseconds of the server's clock
 * @property {Button[]} buttons what may be done about them
 */

/**
 * Everything that one participant sees and may do at this moment.
 * @typedef {Object} View
 * @property {string} title empty for somebody who is not to know
 * @property {string} byline empty for somebody who is not to know
 * @property {Phase} phase
 * @property {boolean} private whether it is between a few people
 * @property {string} headline
 * @property {string} detail
 * @property {number | null} since when this phase began, in milliseconds of the server's clock
 * @property {boolean} preview whether to show this person their own camera
 * @property {Publish[]} publishes
 * @property {Play[]} plays the most important first
 * @property {'spotlight' | 'grid'} layout
 * @property {Button[]} buttons
 * @property {Other[]} people in the order in which they are to be shown
 * @property {number | null} audience how many people watch
 */

/** The short word on the badge for each phase. @type {Record<Phase, string>} */
export const PHASE_WORDS = {
  setup: 'Not started',
  waiting: 'Waiting',
  ringing: 'Ringing',
  starting: 'Starting',
  live: 'Live',
  interrupted: 'Interrupted',
  ended: 'Ended',
};

/**
 * Brings keyed objects into line with what is wanted: closes those that are gone, makes those that are new, and leaves
 * the others alone, so that a new View never disturbs a connection that it still contains.
 *
 * @template {{ slot: string }} Wanted
 * @template {{ close(): void }} Held
 * @param {Map<string, Held>} held
 * @param {Wanted[]} wanted
 * @param {(wanted: Wanted) => Held} make
 * @returns {void}
 */
export function reconcile(held, wanted, make) {
  const slots = new Set(wanted.map((each) => each.slot));
  for (const [slot, object] of held) {
    if (!slots.has(slot)) {
      held.delete(slot);
      object.close();
    }
  }
  for (const each of wanted) {
    if (!held.has(each.slot)) held.set(each.slot, make(each));
  }
}

/**
 * How long something has been going on: `0:07`, `12:40`, `1:02:03`.
 * @param {number} milliseconds
 * @returns {string}
 */
export function runningTime(milliseconds) {
  const total = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}

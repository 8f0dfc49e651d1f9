// @ts-check
/** The others with whom this person has to do: who asks for something, who is on stage. */

import { Buttons } from './buttons.js';
import { find, write } from './tile.js';
import { runningTime } from './view.js';

/** @typedef {import('./view.js').Button} Button */
/** @typedef {import('./view.js').Other} Other */

/** @typedef {{ element: HTMLElement, buttons: Buttons, since: number | null }} Row */

export class People {
  #element;
  #list;
  #press;
  /** By the person's id. @type {Map<string, Row>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} element
   * @param {(button: Button) => Promise<void>} press settled when the server has answered
   */
  constructor(element, press) {
    this.#element = element;
    this.#list = find(element, 'ul');
    this.#press = press;
  }

  /**
   * @param {Other[]} people
   * @param {number} now the server's clock, in milliseconds
   */
  draw(people, now) {
    for (const [id, row] of this.#rows) {
      if (people.some((other) => other.id === id)) continue;
      // Moves the focus, if it was there, to where it is safe.
      row.buttons.draw([]);
      row.element.remove();
      this.#rows.delete(id);
    }
    /** @type {string[]} */
    const news = [];
    people.forEach((other, index) => {
      const { id, name, note, since } = other;
      if (!this.#rows.has(id)) news.push(`${name} ${note}.`);
      const row = this.#rows.get(id) ?? this.#make(id);
      row.since = since;
      write(find(row.element, '.person-name'), name);
      write(find(row.element, '.person-note'), note);
      row.buttons.draw(other.buttons, name);
      // Those in place stay in place, and keep the focus.
      const there = this.#list.children[index] ?? null;
      if (there !== row.element) this.#list.insertBefore(row.element, there);
    });
    this.#element.hidden = people.length === 0;
    // Emptied in between, so that the same words are news again when they are.
    write(find(document, '#news'), news.join(' '));
    this.tick(now);
  }

  /**
   * Moves the clocks.
   * @param {number} now the server's clock, in milliseconds
   */
  tick(now) {
    for (const { element, since } of this.#rows.values()) {
      const clock = find(element, '.person-since');
      clock.hidden = since === null;
      if (since !== null) write(clock, runningTime(now - since));
    }
  }

  /** @param {string} id */
  #make(id) {
    const template = /** @type {HTMLTemplateElement} */ (find(document, 'template#person'));
    const element = find(/** @type {DocumentFragment} */ (template.content.cloneNode(true)), '.person');
    element.dataset.person = id;
    const row = { element, buttons: new Buttons(find(element, '.buttons'), this.#press), since: null };
    this.#rows.set(id, row);
    return row;
  }
}

// @ts-check
/** The buttons that the View offers: drawn as it says, pressed once, confirmed where it asks for that. */

import { find, write } from './tile.js';

/** @typedef {import('./view.js').Button} Button */

export class Buttons {
  #element;
  #press;
  /** By action and target. @type {Map<string, HTMLButtonElement>} */
  #drawn = new Map();

  /**
   * @param {HTMLElement} element
   * @param {(button: Button) => Promise<void>} press settled when the server has answered
   */
  constructor(element, press) {
    this.#element = element;
    this.#press = press;
  }

  /**
   * @param {Button[]} buttons
   * @param {string} [about] whose they are, for whoever hears the button and does not see beside whom it stands
   */
  draw(buttons, about) {
    /** @type {Map<string, HTMLButtonElement>} */
    const next = new Map();
    for (const button of buttons) {
      const key = `${button.action} ${button.target ?? ''}`;
      const element = this.#drawn.get(key) ?? document.createElement('button');
      element.type = 'button';
      element.className = `button button-${button.emphasis}`;
      element.dataset.action = button.action;
      if (button.target) element.dataset.target = button.target;
      write(element, button.label);
      if (about) element.setAttribute('aria-label', `${button.label}: ${about}`);
      element.onclick = () => void this.#pressed(element, button);
      next.set(key, element);
    }
    const focused = document.activeElement;
    const left = [...this.#drawn].some(([key, element]) => element === focused && !next.has(key));
    this.#drawn = next;
    // Elements that are there already keep their place and with it the focus.
    const wanted = [...next.values()];
    for (const child of [...this.#element.children]) if (!wanted.includes(/** @type {any} */ (child))) child.remove();
    wanted.forEach((element, index) => {
      const there = this.#element.children[index] ?? null;
      if (there !== element) this.#element.insertBefore(element, there);
    });
    this.#element.hidden = wanted.length === 0;
    // Not onto the next button, which a second press of Enter would then press.
    if (left) find(document, '#headline').focus();
  }

  /**
   * @param {HTMLButtonElement} element
   * @param {Button} button
   */
  async #pressed(element, button) {
    if (element.getAttribute('aria-busy') === 'true') return;
    if (button.confirm && !(await confirmed(button.confirm, button))) return;
    element.setAttribute('aria-busy', 'true');
    try {
      await this.#press(button);
    } finally {
      element.removeAttribute('aria-busy');
    }
  }
}

/**
 * @param {string} question
 * @param {Button} button whose words the answer repeats
 * @returns {Promise<boolean>}
 */
function confirmed(question, { label, emphasis }) {
  const dialog = /** @type {HTMLDialogElement} */ (find(document, '#confirm'));
  write(find(dialog, 'p'), question);
  const yes = find(dialog, '[value="yes"]');
  yes.className = `button button-${emphasis}`;
  write(yes, label);
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

// @ts-check
/** What this person is called. Who only watches is never asked; who wants something of others is, once. */

import { request } from './exchange.js';
import { find } from './tile.js';

export class Name {
  #session;
  #name;

  /**
   * @param {string} session
   * @param {string} name empty if it was never said
   */
  constructor(session, name) {
    this.#session = session;
    this.#name = name;
  }

  /**
   * Asks for the name, if it was never said, and tells the server.
   * @returns {Promise<boolean>} whether there is one now
   * @throws {import('./exchange.js').Refused}
   */
  async have() {
    if (this.#name !== '') return true;
    const name = await asked();
    if (name === '') return false;
    await request(
      `/s/${this.#session}/name`,
      { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name }) },
      // It has a time limit of its own.
      new AbortController().signal,
    );
    this.#name = name;
    return true;
  }
}

/** @returns {Promise<string>} empty if they would rather not */
function asked() {
  const dialog = /** @type {HTMLDialogElement} */ (find(document, '#name'));
  const field = /** @type {HTMLInputElement} */ (find(dialog, 'input'));
  // Enter in the field presses the first button of a form, and that is Cancel.
  field.onkeydown = (event) => {
    // Enter may also end the writing of a single character.
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault();
    find(dialog, '[value="yes"]').click();
  };
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes' ? field.value.trim() : ''), { once: true });
  });
}

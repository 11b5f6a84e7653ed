/**
 * Joining with a typed code, or with a link that somebody opened. A link never joins by itself: it could come from anybody, and joining
 * shares every note with the group it names.
 */

import { sync } from '@0k-sync/tauri-plugin';

import { sentenceOf } from '../../sync';
import { busyButton, h } from '../dom';
import type { Host, View } from '.';

export class JoinView implements View {
  readonly title = 'Join with a code';
  readonly element: HTMLElement;
  readonly #host: Host;
  readonly #code: HTMLInputElement;
  readonly #relay: HTMLInputElement;
  readonly #relayField: HTMLElement;
  #relayKnown = true;
  readonly #error = h('p', { class: 'error', id: 'join-error', role: 'alert' });

  constructor(host: Host, link?: string) {
    this.#host = host;
    this.#code = h('input', {
      id: 'join-code',
      class: 'code-field',
      placeholder: 'XXXX-XXXX-XXXX-XXXX',
      'aria-label': 'Code',
      autocomplete: 'off',
      autocapitalize: 'characters',
      spellcheck: 'false',
      oninput: () => {
        this.#code.value = grouped(this.#code.value);
        this.#askForRelay();
      },
    });
    this.#code.value = link ?? '';
    this.#relay = h('input', { id: 'join-relay', placeholder: '0k:…', 'aria-label': 'Relay', autocomplete: 'off', spellcheck: 'false' });
    this.#relayField = h('label', { class: 'field', hidden: true }, h('span', {}, 'Relay'), this.#relay, h('small', {}, 'The other device shows it in its settings.'));
    const lead =
      link === undefined
        ? 'On the other device choose “Add a device” and type the code it shows.'
        : 'An invite was opened with this app. Join only if you made it yourself.';
    const join = busyButton('Join', { id: 'join', class: 'primary wide' }, () => this.#join());
    this.element = h(
      'div',
      { class: 'view' },
      h('p', { class: 'lead' }, lead),
      this.#code,
      this.#relayField,
      this.#error,
      join,
      h('p', { class: 'muted' }, 'The notes of this device and of the group become the same everywhere.'),
    );
    this.#code.addEventListener('keydown', (event) => event.key === 'Enter' && join.click());
    const learned = (relay: string | null): void => {
      this.#relayKnown = relay !== null;
      this.#askForRelay();
    };
    sync.info().then((info) => learned(info.relay), () => learned(null));
  }

  /** A link says which relay; a typed code does not, so where none is known it has to be told. */
  #askForRelay(): void {
    this.#relayField.hidden = this.#relayKnown || this.#code.value.includes(':');
  }

  async #join(): Promise<void> {
    this.#error.textContent = '';
    try {
      const relay = this.#relay.value.trim();
      if (!this.#relayField.hidden && relay !== '') await sync.setRelay(relay);
      await sync.joinInvite(this.#code.value.trim());
      this.#host.notice('This device is in the group now.');
      this.#host.go('home');
    } catch (error) {
      this.#error.textContent = sentenceOf(error);
    }
  }
}

/** Groups of four while typing. A pasted link stays as it is. */
function grouped(text: string): string {
  if (text.includes(':')) return text.trim();
  const signs = text.toUpperCase().replace(/[^0-9A-Z]/g, '').slice(0, 16);
  return signs.replace(/(.{4})(?=.)/g, '$1-');
}

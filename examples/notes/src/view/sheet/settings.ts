/** The relay, how the window looks, and what there is to know about this device. */

import { sync, SyncError, type SyncInfo } from '@0k-sync/tauri-plugin';

import { sentenceOf } from '../../sync';
import { APPEARANCES, appearance, setAppearance } from '../appearance';
import { busyButton, fill, h } from '../dom';
import type { Host, View } from '.';

const KEYS = {
  keychain: 'in the keychain of the system',
  file: 'in a file that only this user may read',
  none: 'none yet',
};

export class SettingsView implements View {
  readonly title = 'Settings';
  readonly element: HTMLElement;
  readonly #host: Host;
  readonly #relay: HTMLTextAreaElement;
  readonly #relayError = h('p', { class: 'error', id: 'relay-error', role: 'alert' });
  readonly #facts = h('dl', { class: 'facts' });
  readonly #leaving = h('div', { class: 'leaving' });

  constructor(host: Host) {
    this.#host = host;
    this.#relay = h('textarea', { id: 'relay', rows: 3, placeholder: '0k:…', 'aria-label': 'Relay', spellcheck: 'false' });
    this.element = h(
      'div',
      { class: 'view' },
      h('h3', {}, 'Relay'),
      h('p', { class: 'muted' }, 'It passes sealed notes on and cannot read them. Paste the address that it printed when it started.'),
      this.#relay,
      this.#relayError,
      busyButton('Use this relay', { id: 'save-relay', class: 'secondary' }, () => this.#saveRelay()),
      h('h3', {}, 'Appearance'),
      this.#appearance(),
      h('h3', {}, 'This device'),
      this.#facts,
      this.#leaving,
    );
    this.#askToLeave();
    this.group();
  }

  group(): void {
    sync.info().then(
      (info) => this.#show(info),
      (error: unknown) => (this.#relayError.textContent = sentenceOf(error)),
    );
  }

  #show(info: SyncInfo): void {
    if (document.activeElement !== this.#relay) this.#relay.value = info.relay ?? '';
    const facts = [
      ['Name', info.deviceName],
      ['Id', info.deviceId ?? 'none yet'],
      ['Group', info.groupId?.slice(0, 16) ?? 'none yet'],
      ['Keys', KEYS[info.keyStorage ?? 'none']],
      ['Waiting', String(info.pending)],
    ] as const;
    fill(this.#facts, ...facts.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
  }

  #appearance(): HTMLElement {
    const chosen = appearance();
    const options = APPEARANCES.map((name) => {
      const input = h('input', { type: 'radio', name: 'appearance', value: name, checked: name === chosen, onchange: () => setAppearance(name) });
      return h('label', {}, input, h('span', {}, name));
    });
    return h('div', { class: 'segments', role: 'radiogroup' }, ...options);
  }

  async #saveRelay(): Promise<void> {
    this.#relayError.textContent = '';
    try {
      await sync.setRelay(this.#relay.value.trim());
      this.#host.notice('The relay is set.');
      this.group();
    } catch (error) {
      this.#relayError.textContent = sentenceOf(error);
    }
  }

  #askToLeave(): void {
    fill(this.#leaving, h('button', { type: 'button', class: 'danger', id: 'leave', onclick: () => this.#confirmLeaving() }, 'Leave the group…'));
  }

  #confirmLeaving(force = false): void {
    const leave = busyButton(force ? 'Leave all the same' : 'Leave', { class: 'danger', id: 'leave-confirm' }, async () => {
      try {
        await sync.leave({ force });
        // Alone again, and ready for the next invite.
        await sync.enable();
        this.#host.go('home');
      } catch (error) {
        if (error instanceof SyncError && error.code === 'leavePending') this.#confirmLeaving(true);
        else this.#host.notice(sentenceOf(error));
      }
    });
    const stay = h('button', { type: 'button', class: 'secondary', onclick: () => this.#askToLeave() }, 'Stay');
    const question = force
      ? 'The last changes have not left this device yet, and the others will never get them. Leave all the same?'
      : 'The notes stay on this device and no longer follow the others. Leave?';
    fill(this.#leaving, h('p', {}, question), leave, stay);
  }
}

/** How syncing goes, the button that asks for it now, and the devices of the group. */

import { sync, type ConnectionStatus, type Device, type SyncProgress } from '@0k-sync/tauri-plugin';

import { sentenceOf } from '../../sync';
import { explanation, headline } from '../badge';
import { busyButton, fill, h } from '../dom';
import { icon } from '../icons';
import type { Host, View } from '.';

export class HomeView implements View {
  readonly title = 'Sync';
  readonly element: HTMLElement;
  readonly #hero = h('div', { class: 'hero' });
  readonly #progress = h('p', { class: 'progress', id: 'sync-progress' });
  readonly #devices = h('ul', { class: 'devices', id: 'devices' });

  constructor(host: Host) {
    const now = busyButton('Sync now', { id: 'sync-now', class: 'primary' }, () => this.#syncNow());
    this.element = h(
      'div',
      { class: 'view' },
      this.#hero,
      h('div', { class: 'actions' }, now, this.#progress),
      h('h3', {}, 'Devices'),
      this.#devices,
      h(
        'div',
        { class: 'choices' },
        choice('invite', 'plus', 'Add a device', 'Show a code and a QR image', host),
        choice('join', 'link', 'Join with a code', 'From another device of yours', host),
        choice('settings', 'settings', 'Settings', 'Relay, appearance, this device', host),
      ),
    );
    this.group();
  }

  status(status: ConnectionStatus): void {
    fill(
      this.#hero,
      h('span', { class: `indicator ${status.indicator}` }, icon(status.indicator, 56)),
      h('div', {}, h('strong', {}, headline(status)), h('p', {}, explanation(status))),
    );
  }

  group(): void {
    sync.devices().then(
      (devices) => fill(this.#devices, ...devices.map(row)),
      (error: unknown) => fill(this.#devices, h('li', { class: 'muted' }, sentenceOf(error))),
    );
  }

  async #syncNow(): Promise<void> {
    this.#progress.textContent = '';
    try {
      await sync.syncNow({ onProgress: (progress) => (this.#progress.textContent = progressOf(progress)) });
      this.#progress.textContent = 'Everything is exchanged.';
    } catch (error) {
      this.#progress.textContent = sentenceOf(error);
    }
  }
}

function progressOf({ pushed, toPush, pulled }: SyncProgress): string {
  const out = pushed + toPush > 0 ? `${pushed} of ${pushed + toPush} sent` : '';
  return [out, pulled > 0 ? `${pulled} received` : ''].filter(Boolean).join(', ');
}

function row(device: Device): HTMLElement {
  return h(
    'li',
    { 'data-device': device.id },
    icon('laptop', 22),
    h('span', {}, device.name || 'A device'),
    device.thisDevice ? h('span', { class: 'tag' }, 'This device') : h('code', {}, device.id.slice(0, 8)),
  );
}

function choice(place: 'invite' | 'join' | 'settings', sign: 'plus' | 'link' | 'settings', title: string, text: string, host: Host): HTMLElement {
  return h(
    'button',
    { type: 'button', class: 'choice', id: `go-${place}`, onclick: () => host.go(place) },
    icon(sign),
    h('span', {}, h('strong', {}, title), h('small', {}, text)),
  );
}

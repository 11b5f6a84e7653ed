/** How syncing goes, at a glance: the four indicators in a picture and a few words. */

import type { ConnectionStatus, Indicator } from '@0k-sync/tauri-plugin';

import { fill, h } from './dom';
import { icon } from './icons';
import { ago } from './times';

export class Badge {
  readonly element: HTMLElement;
  readonly #picture = h('span');
  readonly #headline = h('strong');
  readonly #explanation = h('small');

  constructor(open: () => void) {
    const words = h('span', { class: 'badge-words' }, this.#headline, this.#explanation);
    this.element = h('button', { type: 'button', id: 'badge', class: 'badge', 'aria-live': 'polite', onclick: open }, this.#picture, words);
  }

  show(status: ConnectionStatus): void {
    const { indicator } = status;
    if (this.element.dataset['indicator'] !== indicator) {
      this.#picture.className = `indicator ${indicator}`;
      fill(this.#picture, icon(indicator, 24));
    }
    this.element.dataset['indicator'] = indicator;
    this.element.dataset['pending'] = String(status.pending);
    this.#headline.textContent = headline(status);
    this.#explanation.textContent = explanation(status);
  }
}

const HEADLINES: Record<Indicator, string> = {
  synced: 'Synced',
  pending: 'Waiting to sync',
  failed: 'Sync failed',
  offline: 'Offline',
};

export function headline(status: ConnectionStatus): string {
  if (status.state === 'disabled') return 'Sync is off';
  if (status.indicator === 'pending' && status.pending > 0) return `${changes(status.pending)} waiting`;
  return HEADLINES[status.indicator];
}

export function explanation(status: ConnectionStatus): string {
  if (status.state === 'disabled') return 'Notes stay on this device';
  switch (status.indicator) {
    case 'synced':
      return status.lastSyncedAt === null ? 'Everything is at the relay' : `Last synced ${ago(status.lastSyncedAt)}`;
    case 'pending':
      return status.state === 'connected' ? 'On the way' : 'Saved here, leaves by itself';
    case 'failed':
      return status.lastError?.message ?? 'Will try again';
    case 'offline':
      return status.pending > 0 ? `${changes(status.pending)} saved on this device` : 'Changes are saved on this device';
  }
}

function changes(count: number): string {
  return count === 1 ? '1 change' : `${count} changes`;
}

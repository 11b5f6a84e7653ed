/**
 * The sheet about syncing: how it goes, which devices there are, inviting one, joining with a code, settings. One view at a time.
 */

import { sync, type ConnectionStatus } from '@0k-sync/tauri-plugin';

import { fill, h } from '../dom';
import { icon } from '../icons';
import { HomeView } from './home';
import { InviteView } from './invite';
import { JoinView } from './join';
import { SettingsView } from './settings';

export type Place = 'home' | 'invite' | 'join' | 'settings';

/** One view of the sheet. */
export interface View {
  readonly title: string;
  readonly element: HTMLElement;
  status?(status: ConnectionStatus): void;
  /** The group or its devices have changed. */
  group?(): void;
  /** The view is left. */
  leave?(): void;
}

/** What a view may ask of the sheet. */
export interface Host {
  go(place: Place): void;
  notice(sentence: string): void;
}

export class Sheet {
  readonly element: HTMLDialogElement;
  readonly #head = h('header', { class: 'sheet-head' });
  readonly #content = h('div', { class: 'sheet-content', tabindex: -1, autofocus: true });
  readonly #notice: (sentence: string) => void;
  #view: View | undefined;

  constructor(notice: (sentence: string) => void) {
    this.#notice = notice;
    this.element = h('dialog', { class: 'sheet', id: 'sheet', onclose: () => this.#leave() }, this.#head, this.#content);
    // A click beside the sheet lands on the dialog itself.
    this.element.addEventListener('click', (event) => event.target === this.element && this.element.close());
  }

  open(place: Place, invite?: string): void {
    this.#leave();
    const host: Host = { go: (next) => this.open(next), notice: this.#notice };
    const view = make(place, host, invite);
    this.#view = view;
    const home = place === 'home';
    fill(
      this.#head,
      !home && h('button', { type: 'button', class: 'quiet', id: 'sheet-back', 'aria-label': 'Back', onclick: () => this.open('home') }, icon('back')),
      h('h2', {}, view.title),
      h('button', { type: 'button', class: 'quiet', id: 'sheet-close', 'aria-label': 'Close', onclick: () => this.element.close() }, icon('close')),
    );
    fill(this.#content, view.element);
    view.status?.(sync.status());
    if (!this.element.open) this.element.showModal();
  }

  status(status: ConnectionStatus): void {
    this.#view?.status?.(status);
  }

  group(): void {
    this.#view?.group?.();
  }

  #leave(): void {
    this.#view?.leave?.();
    this.#view = undefined;
  }
}

function make(place: Place, host: Host, invite: string | undefined): View {
  switch (place) {
    case 'home':
      return new HomeView(host);
    case 'invite':
      return new InviteView(host);
    case 'join':
      return new JoinView(host, invite);
    case 'settings':
      return new SettingsView(host);
  }
}

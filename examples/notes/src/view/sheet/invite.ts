/** Inviting one device: a QR image, a code to type, and the time that is left. The code lives on this screen and nowhere else. */

import { sync, SyncError, type Invite, type Unlisten } from '@0k-sync/tauri-plugin';

import { sentenceOf } from '../../sync';
import { fill, h } from '../dom';
import { icon } from '../icons';
import { countdown } from '../times';
import type { Host, View } from '.';

/** How long an invite lives; only for the length of the bar. */
const LIFE_SECONDS = 600;

export class InviteView implements View {
  readonly title = 'Add a device';
  readonly element = h('div', { class: 'view invite' });
  readonly #host: Host;
  readonly #offs: Unlisten[];
  #timer: number | undefined;
  #state: 'making' | 'shown' | 'over' = 'making';

  constructor(host: Host) {
    this.#host = host;
    this.#offs = [
      sync.on('invite-used', ({ device }) => void this.#done(device)),
      sync.on('invite-ended', () => this.#state === 'shown' && this.#ended()),
    ];
    void this.#make();
  }

  leave(): void {
    this.#offs.forEach((off) => off());
    clearInterval(this.#timer);
    // Nobody sees the code any more, so nobody should be able to use it.
    if (this.#state === 'shown') sync.cancelInvite().catch((error: unknown) => this.#host.notice(sentenceOf(error)));
    this.#state = 'over';
  }

  async #make(): Promise<void> {
    fill(this.element, h('p', { class: 'muted waiting' }, 'Making a code…'));
    try {
      const invite = await sync.createInvite();
      // Left while the code was being made: then it was shown to nobody.
      if (this.#state === 'over') await sync.cancelInvite();
      else this.#show(invite);
    } catch (error) {
      if (this.#state !== 'over') this.#failed(error);
    }
  }

  #show(invite: Invite): void {
    this.#state = 'shown';
    const left = h('span', { id: 'invite-left' });
    const bar = h('span', { class: 'bar-fill' });
    const copy = h('button', { type: 'button', class: 'quiet', 'aria-label': 'Copy the code', onclick: () => void this.#copy(invite.shortCode) }, icon('copy', 18));
    fill(
      this.element,
      h('p', { class: 'lead' }, 'Scan this with your other device, or choose “Join with a code” there and type:'),
      h('div', { class: 'qr' }, h('img', { src: invite.qrCode, alt: 'QR image of the invite', width: 240, height: 240 })),
      h('div', { class: 'code' }, h('output', { id: 'invite-code' }, invite.shortCode), copy),
      h('div', { class: 'bar' }, bar),
      h('p', { class: 'muted' }, 'Good for one device, for another ', left, '. Whoever uses it reads all your notes.'),
    );
    const tick = (): void => {
      left.textContent = countdown(invite.expiresAt);
      const share = (invite.expiresAt - Date.now() / 1000) / LIFE_SECONDS;
      bar.style.transform = `scaleX(${Math.min(1, Math.max(0, share))})`;
      if (share <= 0) this.#ended();
    };
    tick();
    this.#timer = window.setInterval(tick, 1000);
  }

  #ended(): void {
    this.#end('This code is not valid any more.', 'Make a new one', () => {
      this.#state = 'making';
      void this.#make();
    });
  }

  #failed(error: unknown): void {
    const noRelay = error instanceof SyncError && error.code === 'noRelay';
    this.#end(sentenceOf(error), noRelay ? 'Choose a relay' : 'Try again', () => (noRelay ? this.#host.go('settings') : void this.#make()));
  }

  async #done(id: string): Promise<void> {
    const devices = await sync.devices().catch(() => []);
    const name = devices.find((device) => device.id === id)?.name;
    this.#end(`${name ?? 'Your device'} is in the group now.`, 'Done', () => this.#host.go('home'), true);
  }

  #end(sentence: string, label: string, act: () => void, good = false): void {
    clearInterval(this.#timer);
    this.#state = 'over';
    fill(
      this.element,
      h(
        'div',
        { class: 'outcome' },
        good && h('span', { class: 'indicator synced' }, icon('check', 48)),
        h('p', { class: 'lead', id: 'invite-outcome' }, sentence),
        h('button', { type: 'button', class: 'primary', onclick: act }, label),
      ),
    );
  }

  async #copy(code: string): Promise<void> {
    await navigator.clipboard.writeText(code).then(
      () => this.#host.notice('The code is in the clipboard.'),
      () => this.#host.notice('This system does not let the window copy. Type the code.'),
    );
  }
}

/** Sentences that come and go at the foot of the window, above everything, an open sheet too. */

import { h } from './dom';

const STAY_MS = 6000;

export class Notices {
  readonly element = h('div', { class: 'notices', role: 'status', popover: 'manual' });

  show(sentence: string): void {
    const known = [...this.element.children].find((child) => child.textContent === sentence);
    known?.remove();
    const notice = h('p', { class: 'notice' }, sentence);
    this.element.append(notice);
    // What was opened last lies on top, so it is opened anew for each sentence.
    this.element.hidePopover();
    this.element.showPopover();
    setTimeout(() => {
      notice.remove();
      if (this.element.childElementCount === 0) this.element.hidePopover();
    }, STAY_MS);
  }
}

/** The sidebar: search, the notes by day, and at its foot the badge that says how syncing goes. */

import { bodyOf, titleOf, type Note, type Notebook } from '../notebook';
import { fill, h } from './dom';
import { icon } from './icons';
import { ago, period } from './times';

export interface ListActions {
  open(id: string): void;
  create(): void;
}

export class List {
  readonly element: HTMLElement;
  readonly #notebook: Notebook;
  readonly #actions: ListActions;
  readonly #rows = h('nav', { class: 'rows', 'aria-label': 'Notes' });
  readonly #search: HTMLInputElement;
  /** Kept over redraws: a button that is replaced while it is pressed hears no click. */
  readonly #kept = new Map<string, Row>();
  #open: string | undefined;

  constructor(notebook: Notebook, badge: HTMLElement, actions: ListActions) {
    this.#notebook = notebook;
    this.#actions = actions;
    this.#search = h('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search notes', spellcheck: 'false', oninput: () => this.draw() });
    this.element = h(
      'aside',
      { class: 'sidebar' },
      h(
        'header',
        { class: 'sidebar-head' },
        h('h1', {}, 'Notes'),
        h('button', { type: 'button', id: 'new-note', class: 'round', title: 'New note (Ctrl+N)', 'aria-label': 'New note', onclick: actions.create }, icon('plus')),
      ),
      h('label', { class: 'search' }, icon('search', 16), this.#search),
      this.#rows,
      badge,
    );
  }

  show(id: string | undefined): void {
    this.#open = id;
    this.draw();
  }

  draw(): void {
    const wanted = this.#search.value.trim().toLowerCase();
    const notes = this.#notebook.notes.filter((note) => note.text.toLowerCase().includes(wanted));
    const children: HTMLElement[] = [];
    let heading = '';
    for (const note of notes) {
      if (period(note.updatedAt) !== heading) children.push(h('h2', {}, (heading = period(note.updatedAt))));
      children.push(this.#row(note));
    }
    if (children.length === 0) children.push(h('p', { class: 'none' }, wanted === '' ? 'Nothing written yet.' : 'No note says that.'));
    fill(this.#rows, ...children);
    for (const id of this.#kept.keys()) if (this.#notebook.get(id) === undefined) this.#kept.delete(id);
  }

  #row(note: Note): HTMLElement {
    let row = this.#kept.get(note.id);
    if (row === undefined) this.#kept.set(note.id, (row = new Row(() => this.#actions.open(note.id))));
    row.show(note, note.id === this.#open);
    return row.element;
  }
}

class Row {
  readonly element: HTMLElement;
  readonly #title = h('span', { class: 'row-title' });
  readonly #time = h('span', { class: 'row-time' });
  readonly #snippet = h('span', { class: 'row-snippet' });

  constructor(open: () => void) {
    this.element = h('button', { type: 'button', class: 'row', onclick: open }, this.#title, this.#time, this.#snippet);
  }

  show(note: Note, current: boolean): void {
    this.#title.textContent = titleOf(note).trim() || 'New note';
    this.#time.textContent = ago(note.updatedAt);
    this.#snippet.textContent = snippetOf(note);
    if (current) this.element.setAttribute('aria-current', 'true');
    else this.element.removeAttribute('aria-current');
  }
}

function snippetOf(note: Note): string {
  return bodyOf(note).trim().replace(/\s+/g, ' ').slice(0, 160) || 'No further text';
}

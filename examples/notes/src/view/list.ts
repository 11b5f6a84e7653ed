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
  }

  #row(note: Note): HTMLElement {
    const attributes = { type: 'button', class: 'row', 'data-note': note.id, 'aria-current': note.id === this.#open ? 'true' : undefined };
    return h(
      'button',
      { ...attributes, onclick: () => this.#actions.open(note.id) },
      h('span', { class: 'row-title' }, titleOf(note).trim() || 'New note'),
      h('span', { class: 'row-time' }, ago(note.updatedAt)),
      h('span', { class: 'row-snippet' }, snippetOf(note)),
    );
  }
}

function snippetOf(note: Note): string {
  return bodyOf(note).trim().replace(/\s+/g, ' ').slice(0, 160) || 'No further text';
}

/** The page one writes on. Shows what the notebook says; a change from another device appears under the writer's hands. */

import { bodyOf, titleOf, type Note, type Notebook } from '../notebook';
import { fill, h } from './dom';
import { icon } from './icons';
import { ago } from './times';

/** Letters in a field. A note then fits into one push, 960 KiB, in any script. */
const LONGEST = 120_000;

export interface EditorActions {
  close(): void;
  create(): void;
}

export class Editor {
  readonly element = h('main', { class: 'editor' });
  readonly #notebook: Notebook;
  readonly #title: HTMLInputElement;
  readonly #body: HTMLTextAreaElement;
  readonly #edited = h('span', { class: 'edited' });
  readonly #page: HTMLElement;
  readonly #nothing: HTMLElement;
  #id: string | undefined;

  constructor(notebook: Notebook, actions: EditorActions) {
    this.#notebook = notebook;
    this.#title = h('input', { id: 'title', class: 'title', placeholder: 'Title', 'aria-label': 'Title', autocomplete: 'off', maxlength: LONGEST, oninput: () => this.#typed() });
    this.#body = h('textarea', { id: 'body', class: 'body', placeholder: 'Write…', 'aria-label': 'Text', maxlength: LONGEST, oninput: () => this.#typed() });
    this.#title.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      this.#body.focus();
    });
    const remove = (): void => {
      const id = this.#id;
      if (id === undefined) return;
      actions.close();
      void this.#notebook.remove(id);
    };
    this.#page = h(
      'article',
      { class: 'page' },
      h(
        'div',
        { class: 'page-bar' },
        h('button', { type: 'button', class: 'quiet narrow-only', 'aria-label': 'All notes', onclick: actions.close }, icon('back')),
        this.#edited,
        h('button', { type: 'button', id: 'delete-note', class: 'quiet', title: 'Delete this note', 'aria-label': 'Delete this note', onclick: remove }, icon('trash', 18)),
      ),
      this.#title,
      this.#body,
    );
    this.#nothing = h(
      'div',
      { class: 'nothing' },
      h('p', {}, 'What is on your mind?'),
      h('button', { type: 'button', class: 'primary', onclick: actions.create }, 'New note'),
    );
    this.show(undefined);
  }

  show(id: string | undefined, focus = false): void {
    this.#id = id;
    const note = id === undefined ? undefined : this.#notebook.get(id);
    fill(this.element, note === undefined ? this.#nothing : this.#page);
    if (note === undefined) return;
    this.#fill(note);
    this.element.scrollTop = 0;
    if (focus) this.#title.focus();
  }

  /** The note on screen was changed on another device. */
  refresh(note: Note): void {
    this.#fill(note);
  }

  /** Time passes. */
  tick(): void {
    const note = this.#id === undefined ? undefined : this.#notebook.get(this.#id);
    if (note !== undefined) this.#edited.textContent = `Edited ${ago(note.updatedAt)}`;
  }

  #typed(): void {
    if (this.#id === undefined) return;
    this.#grow();
    this.#notebook.edit(this.#id, `${this.#title.value}\n${this.#body.value}`.trimEnd());
    this.tick();
  }

  #fill(note: Note): void {
    put(this.#title, titleOf(note));
    put(this.#body, bodyOf(note));
    this.tick();
    this.#grow();
  }

  /** The page scrolls, not the field in it. */
  #grow(): void {
    this.#body.style.height = 'auto';
    this.#body.style.height = `${this.#body.scrollHeight}px`;
  }
}

/** Sets a field's text and leaves the caret where it was, counted from the start. */
function put(field: HTMLInputElement | HTMLTextAreaElement, text: string): void {
  // Space at the end is not saved; it must not vanish under the writer's hands.
  if (field.value.trimEnd() === text.trimEnd()) return;
  const { selectionStart, selectionEnd } = field;
  field.value = text;
  if (document.activeElement === field) field.setSelectionRange(selectionStart, selectionEnd);
}

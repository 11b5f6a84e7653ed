/**
 * The notes of this device: what the window shows, and the database behind it.
 *
 * The database is the truth and is written first; syncing comes after and may fail. Every change of a note gets a stamp, its version:
 * a clock that is one higher than the highest this device has seen for the note, and the id of the author. Of two versions of one note
 * the greater stamp wins, by clock, then by author. That is *last writer wins* by a logical clock: every device decides alike, whatever
 * the order of arrival and whatever its wall clock says. When two people change one note at the same time, one of the two texts is
 * lost. For notes that is fair enough; an app whose data must not lose either merges instead.
 *
 * A deleted note stays as a tombstone, or an older version that arrives later would bring it back.
 *
 * Steps that read and write run one after the other in `#turn`, so a version cannot be stamped on top of one that is being replaced.
 */

import { invoke } from '@tauri-apps/api/core';

export interface Note {
  id: string;
  title: string;
  body: string;
  /** Logical: counts the versions of this note that its author knew. */
  clock: number;
  author: string;
  deleted: boolean;
  /** For display only. */
  updatedAt: number;
}

/** Typing pauses this long before a version is stamped: one for each thought, not for each key. */
const PAUSE_MS = 350;

type Listener = (change: { note: Note; from: 'here' | 'elsewhere' }) => void;

export class Notebook {
  #notes = new Map<string, Note>();
  /** Notes on screen that differ from the database. */
  #dirty = new Set<string>();
  #timer: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #author: string;
  readonly #listeners: Listener[] = [];
  readonly #stamped: (() => void)[] = [];

  private constructor(author: string) {
    this.#author = author;
  }

  static async open(): Promise<Notebook> {
    const notebook = new Notebook(author());
    for (const note of await invoke<Note[]>('list_notes')) notebook.#notes.set(note.id, note);
    return notebook;
  }

  /** Newest first, without the deleted ones. */
  get notes(): Note[] {
    return [...this.#notes.values()].filter((note) => !note.deleted).sort((a, b) => b.updatedAt - a.updatedAt);
  }

  /** Everything, tombstones too: what a new device needs. */
  get everything(): Note[] {
    return [...this.#notes.values()];
  }

  get(id: string): Note | undefined {
    const note = this.#notes.get(id);
    return note?.deleted ? undefined : note;
  }

  create(): Note {
    const note = { id: crypto.randomUUID(), title: '', body: '', clock: 0, author: this.#author, deleted: false, updatedAt: Date.now() };
    this.#notes.set(note.id, note);
    return note;
  }

  /** Shows at once; the database follows after a pause. */
  edit(id: string, change: Partial<Pick<Note, 'title' | 'body' | 'deleted'>>): void {
    const note = this.#notes.get(id);
    if (note === undefined) return;
    this.#put({ ...note, ...change, updatedAt: Date.now() }, 'here');
    this.#dirty.add(id);
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.flush(), PAUSE_MS);
  }

  remove(id: string): void {
    this.edit(id, { title: '', body: '', deleted: true });
    void this.flush();
  }

  /** Forgets new notes in which nothing was written. */
  forgetEmpty(): void {
    for (const note of this.#notes.values()) {
      if (note.clock === 0 && note.title === '' && note.body === '' && !this.#dirty.has(note.id)) this.#notes.delete(note.id);
    }
  }

  /** Writes what is on screen to the database. */
  flush(): Promise<void> {
    return this.#next(() => this.#stamp());
  }

  /** A version from another device. Loses against a newer one of ours, also against one that is still being typed. */
  applyRemote(version: Note): Promise<void> {
    return this.#next(async () => {
      await this.#stamp();
      if (await invoke<boolean>('apply_remote', { note: version })) this.#put(version, 'elsewhere');
    });
  }

  /** Versions that the sync queue has not taken yet. */
  unsent(): Promise<Note[]> {
    return this.#next(() => invoke<Note[]>('unsent_notes'));
  }

  async markSent(note: Note): Promise<void> {
    await invoke('mark_sent', { id: note.id, clock: note.clock });
  }

  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Calls when a new version of ours is in the database. */
  onStamped(listener: () => void): void {
    this.#stamped.push(listener);
  }

  async #stamp(): Promise<void> {
    clearTimeout(this.#timer);
    const ids = [...this.#dirty];
    for (const id of ids) {
      const note = this.#notes.get(id);
      this.#dirty.delete(id);
      if (note === undefined) continue;
      const version = { ...note, clock: note.clock + 1, author: this.#author };
      await invoke('save_note', { note: version });
      // Typing may have gone on meanwhile: the text on screen stays, the stamp is that of the saved version.
      const shown = this.#notes.get(id) ?? version;
      this.#notes.set(id, { ...shown, clock: version.clock, author: version.author });
    }
    if (ids.length > 0) this.#stamped.forEach((listener) => listener());
  }

  #put(note: Note, from: 'here' | 'elsewhere'): void {
    this.#notes.set(note.id, note);
    for (const listener of this.#listeners) listener({ note, from });
  }

  #next<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(step, step);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** Who writes on this device. Only breaks ties, so it must be unlike any other and stay the same. */
function author(): string {
  const known = localStorage.getItem('author');
  if (known !== null) return known;
  const fresh = crypto.randomUUID().replaceAll('-', '').slice(0, 16);
  localStorage.setItem('author', fresh);
  return fresh;
}

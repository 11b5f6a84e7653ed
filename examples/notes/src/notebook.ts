/**
 * The notes of this device: what the window shows, and the database behind it.
 *
 * The database is the truth and is written first; syncing comes after and may fail. Every change of a note is a version with a stamp:
 * a time that is later than that of every version of the note this device has seen, by its clock or by one millisecond more, and a
 * random revision. Of two versions the one with the greater stamp wins, time first. So causes stay before effects however wrong a
 * device's clock is, and every device decides alike whatever the order of arrival. That is *last writer wins*: when a note is changed
 * on two devices at the same time, one of the two texts is lost. An app whose data must not lose either merges here instead.
 *
 * A deleted note stays as a tombstone in the database, or an older version that arrives later would bring it back.
 *
 * Steps that read and write run one after the other in `#turn`, so a version cannot be written on top of one that is being replaced.
 */

import { invoke } from '@tauri-apps/api/core';

/** A version of a note as it travels. */
export interface Version {
  id: string;
  text: string;
  deleted: boolean;
  updatedAt: number;
  revision: string;
}

export interface Note extends Version {
  /** `local` saved here only, `queued` the plugin sends it by itself, `synced` the relay has it or it came from there. */
  state: 'local' | 'queued' | 'synced';
}

/** Typing pauses this long before a version is written: one for each thought, not for each key. */
const PAUSE_MS = 350;

type Listener = (change: { note: Note; from: 'here' | 'elsewhere' }) => void;

export class Notebook {
  #notes = new Map<string, Note>();
  /** Notes on screen that differ from the database. */
  #dirty = new Set<string>();
  #timer: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #listeners: Listener[] = [];
  readonly #saved: (() => void)[] = [];

  static async open(): Promise<Notebook> {
    const notebook = new Notebook();
    for (const note of await invoke<Note[]>('list_notes')) notebook.#notes.set(note.id, note);
    return notebook;
  }

  /** Newest first. */
  get notes(): Note[] {
    return [...this.#notes.values()].sort((a, b) => b.updatedAt - a.updatedAt);
  }

  get(id: string): Note | undefined {
    return this.#notes.get(id);
  }

  create(): Note {
    const id = crypto.randomUUID().replaceAll('-', '');
    const note: Note = { id, text: '', deleted: false, updatedAt: Date.now(), revision: '', state: 'local' };
    this.#notes.set(id, note);
    return note;
  }

  /** Shows at once; the database follows after a pause. */
  edit(id: string, text: string): void {
    const note = this.#notes.get(id);
    if (note === undefined) return;
    this.#put({ ...note, text, updatedAt: Date.now() }, 'here');
    this.#dirty.add(id);
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.flush(), PAUSE_MS);
  }

  async remove(id: string): Promise<void> {
    const note = this.#notes.get(id);
    if (note === undefined) return;
    this.#put({ ...note, deleted: true }, 'here');
    await this.#next(async () => {
      this.#dirty.delete(id);
      // One that was never written leaves no trace.
      if (note.revision !== '') await invoke('delete_note', { id });
    });
    this.#saved.forEach((listener) => listener());
  }

  /** Forgets new notes in which nothing was written. */
  forgetEmpty(): void {
    for (const { id, revision, text } of this.#notes.values()) {
      if (revision === '' && text.trim() === '') this.#notes.delete(id);
    }
  }

  /** Writes what is on screen to the database. */
  flush(): Promise<void> {
    return this.#next(() => this.#save());
  }

  /** A version from another device. Loses against a newer one of ours, also against one that is still being typed. */
  applyRemote(version: Version): Promise<void> {
    return this.#next(async () => {
      await this.#save();
      if (await invoke<boolean>('apply_remote', { note: version })) this.#put({ ...version, state: 'synced' }, 'elsewhere');
    });
  }

  /** Everything, tombstones too: what a new device needs. */
  everything(): Promise<Note[]> {
    return this.#next(() => invoke<Note[]>('list_notes', { deleted: true }));
  }

  /** Versions of which the relay is not known to have them. */
  unsent(): Promise<Note[]> {
    return this.#next(() => invoke<Note[]>('unsent_notes'));
  }

  /** The plugin has it on disk and sends it by itself. */
  async markQueued(revision: string, blobId: string): Promise<void> {
    await invoke('mark_queued', { revision, blobId });
  }

  /** The relay has it. Of a blob that was queued before, only the blob's id is known. */
  async markSynced(blobId: string, revision?: string): Promise<void> {
    await invoke('mark_synced', { blobId, revision });
  }

  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Calls when a new version of ours is in the database. */
  onSaved(listener: () => void): void {
    this.#saved.push(listener);
  }

  async #save(): Promise<void> {
    clearTimeout(this.#timer);
    const ids = [...this.#dirty];
    for (const id of ids) {
      const shown = this.#notes.get(id);
      this.#dirty.delete(id);
      if (shown === undefined) continue;
      const saved = await invoke<Note>('save_note', { id, text: shown.text });
      // Typing may have gone on meanwhile: what is on screen stays.
      this.#notes.set(id, { ...saved, text: this.#notes.get(id)?.text ?? saved.text });
    }
    if (ids.length > 0) this.#saved.forEach((listener) => listener());
  }

  #put(note: Note, from: 'here' | 'elsewhere'): void {
    if (note.deleted) this.#notes.delete(note.id);
    else this.#notes.set(note.id, note);
    for (const listener of this.#listeners) listener({ note, from });
  }

  #next<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(step, step);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** The first line. */
export function titleOf(note: Version): string {
  return note.text.split('\n', 1)[0] ?? '';
}

/** What follows the first line. */
export function bodyOf(note: Version): string {
  return note.text.slice(titleOf(note).length + 1);
}

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
  /** Names the push of this version: the same for each attempt, another one once everything was asked for. */
  pushKey: string;
}

/** Typing pauses this long before a version is written: one for each thought, not for each key. */
const PAUSE_MS = 350;
/** What could not be written is tried again this much later. */
const RETRY_MS = 5_000;

type Listener = (change: { note: Note; from: 'here' | 'elsewhere' }) => void;

export class Notebook {
  #notes = new Map<string, Note>();
  /** Notes on screen that differ from the database. */
  #dirty = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #listeners: Listener[] = [];
  readonly #saved: (() => void)[] = [];
  readonly #failed: ((error: unknown) => void)[] = [];

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
    const note: Note = { id, text: '', deleted: false, updatedAt: Date.now(), revision: '', state: 'local', pushKey: '' };
    this.#notes.set(id, note);
    return note;
  }

  /** Shows at once; the database follows after a pause. */
  edit(id: string, text: string): void {
    const note = this.#notes.get(id);
    if (note === undefined) return;
    this.#put({ ...note, text, updatedAt: Date.now() }, 'here');
    this.#dirty.add(id);
    this.#saveIn(PAUSE_MS);
  }

  async remove(id: string): Promise<void> {
    const note = this.#notes.get(id);
    if (note === undefined) return;
    this.#put({ ...note, deleted: true }, 'here');
    try {
      await this.#next(async () => {
        this.#dirty.delete(id);
        // One that was never written leaves no trace.
        if (note.revision !== '') await invoke('delete_note', { id });
      });
    } catch (error) {
      this.#put(note, 'here');
      return this.#failed.forEach((listener) => listener(error));
    }
    this.#saved.forEach((listener) => listener());
  }

  /** Forgets new notes in which nothing was written. */
  forgetEmpty(): void {
    for (const { id, revision, text } of this.#notes.values()) {
      if (revision === '' && text.trim() === '') this.#notes.delete(id);
    }
  }

  /** Writes what is on screen to the database, and rejects if it could not: then it stays on screen and is tried again. */
  flush(): Promise<void> {
    return this.#next(() => this.#save());
  }

  /** The same, where nobody waits for it. Whoever is to know hears of a failure by `onFailed`. */
  flushSoon(): void {
    this.#saveIn(0);
  }

  /** A version from another device. Loses against a newer one of ours, also against one that is still being typed. */
  applyRemote(version: Version): Promise<void> {
    return this.#next(async () => {
      await this.#save();
      if (await invoke<boolean>('apply_remote', { note: version })) {
        this.#put({ ...version, state: 'synced', pushKey: version.revision }, 'elsewhere');
      }
    });
  }

  /** Everything is unsent again, as somebody has nothing of it: tombstones too, and over restarts. */
  markAllUnsent(askedBy: string): Promise<void> {
    return this.#next(() => invoke('mark_all_unsent', { askedBy }));
  }

  /** Versions of which the relay is not known to have them. */
  unsent(): Promise<Note[]> {
    return this.#next(() => invoke<Note[]>('unsent_notes'));
  }

  /** The plugin has it on disk and sends it by itself. */
  async markQueued(revision: string, blobId: string): Promise<void> {
    await invoke('mark_queued', { revision, blobId });
  }

  /** A queued blob has another id now. */
  async markReissued(blobId: string, newBlobId: string): Promise<void> {
    await invoke('mark_reissued', { blobId, newBlobId });
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

  /** Calls when something could not be written. What is on screen stays there. */
  onFailed(listener: (error: unknown) => void): void {
    this.#failed.push(listener);
  }

  #saveIn(pause: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.flush().catch((error: unknown) => {
        this.#failed.forEach((listener) => listener(error));
        this.#saveIn(RETRY_MS);
      });
    }, pause);
  }

  async #save(): Promise<void> {
    clearTimeout(this.#timer);
    const ids = [...this.#dirty];
    for (const id of ids) {
      const shown = this.#notes.get(id);
      this.#dirty.delete(id);
      if (shown === undefined) continue;
      const saved = await invoke<Note>('save_note', { id, text: shown.text }).catch((error: unknown) => {
        // Typing may go on meanwhile, so it is taken off before; but unsaved it stays.
        this.#dirty.add(id);
        throw error;
      });
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

/** What another device pushed, if it is a note. */
export function versionOf(data: Uint8Array): Version | undefined {
  try {
    const version = JSON.parse(new TextDecoder().decode(data)) as Version;
    const texts = [version.id, version.text, version.revision].every((text) => typeof text === 'string');
    return texts && Number.isSafeInteger(version.updatedAt) && typeof version.deleted === 'boolean' ? version : undefined;
  } catch {
    return undefined;
  }
}

/** A version as it travels. */
export function bytesOf({ id, text, deleted, updatedAt, revision }: Version): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ id, text, deleted, updatedAt, revision }));
}

/** The first line. */
export function titleOf(note: Version): string {
  return note.text.split('\n', 1)[0] ?? '';
}

/** What follows the first line. */
export function bodyOf(note: Version): string {
  return note.text.slice(titleOf(note).length + 1);
}

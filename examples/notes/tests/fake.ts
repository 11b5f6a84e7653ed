/** The app's Rust side and the plugin's, as far as a page sees them: a database that outlives pages, and answers to set. */

import { emit } from '@tauri-apps/api/event';
import { clearMocks, mockIPC } from '@tauri-apps/api/mocks';
import type { ConnectionStatus } from '@0k-sync/tauri-plugin';

import type { Note, Version } from '../src/notebook';

type Answer = (args: Record<string, unknown>) => unknown;

export const online: ConnectionStatus = {
  state: 'connected',
  indicator: 'synced',
  pending: 0,
  lastCursor: 0,
  lastSyncedAt: null,
  attempt: 0,
  lastError: null,
};

export const failure = (code: string, details?: object) => ({ code, message: `It is ${code}.`, retryable: false, details });

interface Row extends Version {
  state: Note['state'];
  blobId?: string;
  askedBy?: string;
}

export class Backend {
  readonly rows = new Map<string, Row>();
  /** Commands as they came, without the plugin's prefix. */
  readonly calls: string[] = [];
  /** Keys of pushes, in order. */
  readonly keys: string[] = [];
  readonly #answers = new Map<string, Answer>();
  #revisions = 0;

  constructor() {
    this.answer('sync_status', () => online);
    this.answer('sync_pull', () => page());
    this.answer('sync_push', () => ({ blobId: `b${this.keys.length}`, cursor: this.keys.length }));
    this.answer('save_note', ({ id, text }) => this.#save(id as string, text as string));
    this.answer('list_notes', () => this.#notes((row) => !row.deleted));
    this.answer('unsent_notes', () => this.#notes((row) => row.state !== 'synced'));
    this.answer('mark_all_unsent', ({ askedBy }) => {
      for (const row of this.rows.values()) if (row.askedBy !== askedBy) Object.assign(row, { state: 'local', askedBy });
    });
    this.answer('mark_queued', ({ revision, blobId }) => this.#mark((row) => row.revision === revision, { state: 'queued', blobId }));
    this.answer('mark_reissued', ({ blobId, newBlobId }) => this.#mark((row) => row.blobId === blobId, { blobId: newBlobId }));
    this.answer('mark_synced', ({ revision, blobId }) =>
      this.#mark((row) => row.revision === revision || row.blobId === blobId, { state: 'synced' }),
    );
  }

  /** A page is loaded: nothing of an earlier one is left. */
  load(): void {
    clearMocks();
    mockIPC((command, args) => this.#call(command.replace('plugin:sync|', ''), args as Record<string, unknown>), { shouldMockEvents: true });
    const internals = (window as unknown as { __TAURI_INTERNALS__: { invoke: Invoke } }).__TAURI_INTERNALS__;
    const invoke = internals.invoke;
    internals.invoke = (command, args, options) => {
      const key = options?.headers?.['idempotency-key'];
      if (key !== undefined) this.keys.push(decodeURIComponent(key));
      return invoke(command, args, options);
    };
  }

  answer(command: string, answer: Answer): void {
    this.#answers.set(command, answer);
  }

  refuse(command: string, reason: unknown): void {
    this.answer(command, () => Promise.reject(reason));
  }

  emit(event: string, payload: unknown): Promise<void> {
    return emit(`sync://${event}`, payload);
  }

  synced(...texts: string[]): void {
    for (const text of texts) this.rows.set(text, { id: text, text, deleted: false, updatedAt: 1, revision: `r-${text}`, state: 'synced' });
  }

  #call(command: string, args: Record<string, unknown>): unknown {
    this.calls.push(command);
    return this.#answers.get(command)?.(args) ?? null;
  }

  #save(id: string, text: string): Note {
    const row: Row = { id, text, deleted: false, updatedAt: 2, revision: `v${(this.#revisions += 1)}`, state: 'local' };
    this.rows.set(id, row);
    return { ...row, pushKey: row.revision };
  }

  #notes(wanted: (row: Row) => boolean): Note[] {
    const keyed = (row: Row) => ({ ...row, pushKey: row.askedBy === undefined ? row.revision : `${row.revision}/${row.askedBy}` });
    return [...this.rows.values()].filter(wanted).map(keyed);
  }

  #mark(which: (row: Row) => boolean, change: object): void {
    for (const row of this.rows.values()) if (which(row)) Object.assign(row, change);
  }
}

type Invoke = (command: string, args?: unknown, options?: { headers?: Record<string, string> }) => Promise<unknown>;

/** A page of blobs without any. */
function page(): Uint8Array {
  const header = new TextEncoder().encode(JSON.stringify({ blobs: [], hasMore: false, maxCursor: 0, truncated: false }));
  return new Uint8Array([...new Uint8Array(new Uint32Array([header.length]).buffer), ...header]);
}

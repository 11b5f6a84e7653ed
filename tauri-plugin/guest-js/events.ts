/**
 * Events: one listener in the web view for each kind, for the life of the page; handlers come and go in a list of this page.
 *
 * Why not one listener a handler: taking a listener back is asynchronous, and taken back before its registration has arrived it
 * throws and stays. With a list, `off()` works at once, twice, and before anything was ever registered. All kinds are subscribed
 * together and before the first command leaves, so what a command causes is heard. A reload drops the page's listeners with the page.
 */

import { listen } from '@tauri-apps/api/event';

import { SyncError } from './errors.js';
import type { SyncEvents } from './types.js';

/** Takes a handler off. May be called at any time, any number of times. */
export type Unlisten = () => void;

export type Handler<E extends keyof SyncEvents> = (payload: SyncEvents[E]) => void;

const NAMES = Object.keys({
  connected: 0,
  disconnected: 0,
  'blob-available': 0,
  'blob-synced': 0,
  'blob-reissued': 0,
  'device-joined': 0,
  joined: 0,
  'invite-used': 0,
  'invite-ended': 0,
  progress: 0,
  status: 0,
  error: 0,
} satisfies Record<keyof SyncEvents, 0>) as (keyof SyncEvents)[];

export class EventHub {
  #handlers = new Map<keyof SyncEvents, Set<{ run: (payload: never) => void }>>();
  #listening: Promise<void> | undefined;

  /** Resolves when every event is heard; rejects when the page may not listen. Starts it the first time. */
  listening(): Promise<void> {
    this.#listening ??= Promise.all(NAMES.map((name) => this.#subscribe(name))).then(
      () => undefined,
      (reason: unknown) => {
        throw SyncError.from(reason, 'core:event:allow-listen');
      },
    );
    return this.#listening;
  }

  on<E extends keyof SyncEvents>(event: E, handler: Handler<E>): Unlisten {
    if (!NAMES.includes(event)) {
      throw new SyncError({ code: 'invalidArgs', message: `there is no event \`${event}\``, retryable: false });
    }
    // An entry of its own: the same function given twice is called twice, and each `off` takes back one.
    const entry = { run: handler };
    let entries = this.#handlers.get(event);
    if (entries === undefined) this.#handlers.set(event, (entries = new Set()));
    entries.add(entry);
    return () => {
      entries.delete(entry);
    };
  }

  once<E extends keyof SyncEvents>(event: E, handler: Handler<E>): Unlisten {
    const off = this.on(event, (payload) => {
      off();
      handler(payload);
    });
    return off;
  }

  async #subscribe<E extends keyof SyncEvents>(name: E): Promise<void> {
    await listen<unknown>(`sync://${name}`, ({ payload }) => {
      this.#dispatch(name, name === 'error' ? SyncError.from(payload) : payload);
    });
  }

  #dispatch(name: keyof SyncEvents, payload: unknown): void {
    // A copy: a handler may take itself or others off. One taken off meanwhile is not called any more.
    const entries = this.#handlers.get(name);
    for (const entry of [...(entries ?? [])]) {
      if (!entries?.has(entry)) continue;
      try {
        entry.run(payload as never);
      } catch (error) {
        // One app's faulty handler must not keep the others, or the cache, from hearing.
        console.error(`a handler of the sync event \`${name}\` failed`, error);
      }
    }
  }
}

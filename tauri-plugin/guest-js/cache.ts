/**
 * The last known status, so that `status()` and `lastCursor()` can answer at once although every question to Rust takes a while.
 *
 * Events bring each change as a whole; a snapshot fills what came before the page listened. An event may overtake a snapshot that was
 * taken earlier, and the older answer must not undo the newer one: a snapshot counts only when no event came while it was under way.
 * Dropping it loses nothing, as each change has its event; a few more tries make the end of a call fresh even in a storm of them.
 */

import { safeCursor } from './codec.js';
import type { ConnectionStatus } from './types.js';

const TRIES = 3;

/** Before anything is known: the truth of a fresh start. */
const UNKNOWN: ConnectionStatus = {
  state: 'disabled',
  indicator: 'offline',
  pending: 0,
  lastCursor: 0,
  lastSyncedAt: null,
  attempt: 0,
  lastError: null,
};

export class StatusCache {
  #status: ConnectionStatus = UNKNOWN;
  #changes = 0;
  readonly #ask: () => Promise<ConnectionStatus>;

  /** `ask` fetches a snapshot from the plugin. */
  constructor(ask: () => Promise<ConnectionStatus>) {
    this.#ask = ask;
  }

  /** A copy: nobody can change what the next caller reads. */
  get status(): ConnectionStatus {
    return { ...this.#status };
  }

  /** An event brought the whole status. */
  changed(status: ConnectionStatus): void {
    this.#changes += 1;
    this.#keep(status);
  }

  /** Asks, and answers with what the plugin said even where an event has overtaken it. */
  async refresh(): Promise<ConnectionStatus> {
    for (let tries = 1; ; tries += 1) {
      const before = this.#changes;
      const status = await this.#ask();
      if (this.#changes === before) {
        this.#keep(status);
        return this.status;
      }
      if (tries === TRIES) return status;
    }
  }

  #keep(status: ConnectionStatus): void {
    this.#status = { ...status, lastCursor: safeCursor(status.lastCursor) };
  }
}

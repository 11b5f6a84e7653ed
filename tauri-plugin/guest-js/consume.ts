/**
 * `consume`: hands every blob to the app, in order, and acknowledges it once the app has dealt with it. Then follows live.
 *
 * A blob may come twice after a crash, never not at all. Handlers run one at a time. Acknowledgements trail the handlers by at most
 * one call, so that a backlog of small blobs does not wait for the disk between each two; before the next page they are settled.
 *
 * ```text
 *            nothing there                  event, or a while after a retryable failure
 *   pull ───────────────────► wait ──────────────────────────────────────────► pull
 *    │ blobs                    │ signal
 *    ▼                          ▼
 *   handler, ack ─► pull      resolved            handler rejects: the blob stays unacknowledged, and so do we
 * ```
 */

import { SyncError } from './errors.js';
import type { Blob, PullResult } from './types.js';

/** What the loop needs of the client. */
export interface Feed {
  pull(after: number | undefined): Promise<PullResult>;
  ack(cursor: number): Promise<void>;
  /** Calls back whenever there may be something new. Returns what ends that. */
  watch(news: () => void): () => void;
}

/** After a retryable failure without any news. */
const RETRY_MS = 5_000;

export async function consume(
  feed: Feed,
  handler: (blob: Blob) => void | Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const bell = new Bell();
  const ring = (): void => bell.ring();
  // Watching comes before the first pull: what arrives in between rings the bell for the next one.
  const unwatch = feed.watch(ring);
  signal?.addEventListener('abort', ring);
  const acks = new Acks((cursor) => feed.ack(cursor));
  let after: number | undefined;
  try {
    while (!signal?.aborted) {
      bell.rest();
      const page = await next(feed, after);
      if (page === 'later') {
        await bell.wait(RETRY_MS);
        continue;
      }
      if (page === 'elsewhere') {
        after = undefined;
        continue;
      }
      for (const blob of page.blobs) {
        if (signal?.aborted) break;
        await handler(blob);
        acks.add(blob.cursor);
      }
      if (signal?.aborted) break;
      // The rest of the page were this device's own blobs.
      if (page.blobs.length > 0) acks.add(page.maxCursor);
      await acks.settled();
      after = page.maxCursor;
      if (page.blobs.length === 0 && !page.hasMore) await bell.wait();
    }
  } finally {
    unwatch();
    signal?.removeEventListener('abort', ring);
    // What was handled is handled, also when a later blob failed. Its own failure only means that a blob comes again.
    await acks.settled().catch(() => undefined);
  }
}

async function next(feed: Feed, after: number | undefined): Promise<PullResult | 'later' | 'elsewhere'> {
  try {
    return await feed.pull(after);
  } catch (reason) {
    const error = SyncError.from(reason);
    if (error.retryable) return 'later';
    // The device left its group and is in another one: positions begin anew.
    if (error.code === 'cursorUnknown' && after !== undefined) return 'elsewhere';
    throw error;
  }
}

/** Remembers having rung while nobody waited. */
class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  rest(): void {
    this.#rung = false;
  }

  /** Until it rings, or for `limit` milliseconds. */
  async wait(limit?: number): Promise<void> {
    if (this.#rung) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (limit !== undefined) timer = setTimeout(resolve, limit);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

/** At most one acknowledgement under way; the highest of those that wait goes next. */
class Acks {
  readonly #send: (cursor: number) => Promise<void>;
  #highest: number | undefined;
  #running: Promise<void> = Promise.resolve();
  #idle = true;

  constructor(send: (cursor: number) => Promise<void>) {
    this.#send = send;
  }

  add(cursor: number): void {
    this.#highest = cursor;
    if (!this.#idle) return;
    this.#idle = false;
    this.#running = this.#drain();
    // Heard by `settled`, which may be a few handlers away.
    this.#running.catch(() => undefined);
  }

  /** Rejects when an acknowledgement failed. */
  settled(): Promise<void> {
    return this.#running;
  }

  async #drain(): Promise<void> {
    while (this.#highest !== undefined) {
      const cursor = this.#highest;
      this.#highest = undefined;
      await this.#send(cursor);
    }
    this.#idle = true;
  }
}

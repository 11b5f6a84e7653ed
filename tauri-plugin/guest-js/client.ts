/**
 * The object an app talks to: each command of the plugin as a method, with its bytes, errors and events in order.
 *
 * Does nothing until first used, so a page that merely loads the script asks for nothing. Keeps no secrets and no data: those live in
 * Rust, and a reloaded page loses nothing but its handlers. Every rejection is a {@link SyncError}, save for an aborted wait and for
 * what a `consume` handler threw.
 */

import { Channel, invoke, type InvokeArgs, type InvokeOptions } from '@tauri-apps/api/core';

import { StatusCache } from './cache.js';
import { decodePull, givenBytes, givenCursor, safeCursor } from './codec.js';
import { consume } from './consume.js';
import { SyncError } from './errors.js';
import { EventHub, type Handler, type Unlisten } from './events.js';
import type {
  Blob,
  ConnectionStatus,
  ConsumeOptions,
  Device,
  Invite,
  PullOptions,
  PullResult,
  PushOptions,
  PushResult,
  SyncEvents,
  SyncInfo,
  SyncNowOptions,
  SyncProgress,
} from './types.js';
import { watchVisibility } from './visibility.js';

/** What {@link sync} offers. */
export interface SyncPlugin {
  /** Resolves when events are heard and `status()` is true; rejects where this window may not listen or ask. */
  readonly ready: Promise<void>;

  /**
   * Starts syncing. Call it at every launch; offline too. Without a group it makes one of this device alone. Put your handlers on
   * before: it brings the events again that ask for a full push.
   */
  enable(): Promise<void>;
  /** Stops syncing. Keys and queue stay. */
  disable(): Promise<void>;

  /** Invites one device. Needs `sync:pairing`. */
  createInvite(): Promise<Invite>;
  /** Takes the invite back. */
  cancelInvite(): Promise<void>;
  /** Joins by what a QR image said, its payload or the typed code; resolves when this device is in the group. */
  joinInvite(invite: string): Promise<void>;
  /** Leaves the group and erases this device's keys. With blobs waiting it refuses, unless forced. */
  leave(options?: { force?: boolean }): Promise<void>;
  /** The devices of the group, this one too. */
  devices(): Promise<Device[]>;
  /** Names the relay to use: an address as `zerok-relay` prints it. */
  setRelay(address: string): Promise<void>;

  /**
   * Makes the bytes durable on this device, then on the relay, and resolves with the relay's word.
   *
   * When that takes long or there is no way to the relay it rejects with `pending`: the blob is safe, waits in line and leaves by
   * itself; `blob-synced` tells when. Never push it again. `details.blobId` names it.
   */
  push(data: Uint8Array, options?: PushOptions): Promise<PushResult>;
  /** What is on this device after a position; without one, after what was acknowledged. Acknowledges what lies before it. */
  pull(afterCursor?: number | null, options?: PullOptions): Promise<PullResult>;
  /** Says that everything up to here, as far as it was pulled, is in the app's own database. */
  ack(cursor: number): Promise<void>;
  /**
   * Says that the app has noted in its own database that it pushes its whole state, as `device-joined` with `wantsFullPush` or `joined`
   * with `needsFullPush` asked. Until then they come again at each `enable()`.
   */
  acceptFullPush(): Promise<void>;
  /**
   * Pulls, hands over blob by blob, acknowledges each after the handler resolved, and follows live.
   *
   * Where the handler rejects it stops, leaves that blob unacknowledged, and rejects with the same error. One at a time:
   * a second one gets `alreadyConsuming`. The check is the page's own; with several windows, let one of them consume.
   */
  consume(handler: (blob: Blob) => void | Promise<void>, options?: ConsumeOptions): Promise<void>;
  /** A full sync, for a button with a spinner: everything queued goes out, everything there comes in. */
  syncNow(options?: SyncNowOptions): Promise<void>;

  /** The last known status. Fresh from `ready` on. */
  status(): ConnectionStatus;
  /** Up to here every delivered blob was returned by some pull, as last known. */
  lastCursor(): number;
  /** The status by asking. */
  getStatus(): Promise<ConnectionStatus>;
  getLastCursor(): Promise<number>;
  /** How many blobs wait for the relay. */
  pending(): Promise<number>;
  info(): Promise<SyncInfo>;

  /** Calls the handler at each event, until the returned function is called. */
  on<E extends keyof SyncEvents>(event: E, handler: Handler<E>): Unlisten;
  /** The same, for the next one only. */
  once<E extends keyof SyncEvents>(event: E, handler: Handler<E>): Unlisten;
}

export class Sync implements SyncPlugin {
  readonly #events = new EventHub();
  readonly #cache = new StatusCache(() => this.#call<ConnectionStatus>('sync_status'));
  #started: { listening: Promise<void>; ready: Promise<void> } | undefined;
  #consuming = false;

  get ready(): Promise<void> {
    return this.#start().ready;
  }

  async enable(): Promise<void> {
    await this.#call('sync_enable');
    await this.#freshen();
  }

  async disable(): Promise<void> {
    await this.#call('sync_disable');
    await this.#freshen();
  }

  createInvite(): Promise<Invite> {
    return this.#call<Invite>('sync_create_invite');
  }

  async cancelInvite(): Promise<void> {
    await this.#call('sync_cancel_invite');
  }

  async joinInvite(invite: string): Promise<void> {
    await this.#call('sync_join_invite', { invite });
    await this.#freshen();
  }

  async leave(options: { force?: boolean } = {}): Promise<void> {
    await this.#call('sync_leave', { force: options.force ?? false });
    await this.#freshen();
  }

  devices(): Promise<Device[]> {
    return this.#call<Device[]>('sync_devices');
  }

  async setRelay(address: string): Promise<void> {
    await this.#call('sync_set_relay', { address });
    await this.#freshen();
  }

  async push(data: Uint8Array, options: PushOptions = {}): Promise<PushResult> {
    const bytes = givenBytes(data);
    // Beside a body of bytes there is room only in headers, and those are ASCII.
    const key = options.idempotencyKey;
    const headers = key === undefined ? undefined : { headers: { 'idempotency-key': encodeURIComponent(key) } };
    const result = await this.#call<PushResult>('sync_push', bytes, headers);
    return { ...result, cursor: safeCursor(result.cursor) };
  }

  async pull(afterCursor?: number | null, options: PullOptions = {}): Promise<PullResult> {
    const page = await this.#pull(afterCursor ?? undefined, options);
    await this.#freshen();
    return page;
  }

  async ack(cursor: number): Promise<void> {
    await this.#ack(cursor);
    await this.#freshen();
  }

  async acceptFullPush(): Promise<void> {
    await this.#call('sync_accept_full_push');
  }

  async consume(handler: (blob: Blob) => void | Promise<void>, options: ConsumeOptions = {}): Promise<void> {
    if (this.#consuming) {
      const message = 'This page consumes already; end that one by its signal first.';
      throw new SyncError({ code: 'alreadyConsuming', message, retryable: false });
    }
    this.#consuming = true;
    try {
      const feed = {
        pull: (after: number | undefined) => this.#pull(after, {}),
        ack: (cursor: number) => this.#ack(cursor),
        watch: (news: () => void) => {
          const offs = [this.on('blob-available', news), this.on('joined', news), this.on('connected', news)];
          return () => offs.forEach((off) => off());
        },
      };
      await consume(feed, handler, options.signal);
    } finally {
      this.#consuming = false;
    }
  }

  async syncNow({ signal, onProgress }: SyncNowOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    let over = false;
    const args: { onProgress?: Channel<SyncProgress> } = {};
    if (onProgress !== undefined) {
      args.onProgress = new Channel<SyncProgress>((progress) => {
        if (!over) onProgress(progress);
      });
    }
    try {
      await unlessAborted(this.#call('sync_now', args), signal);
    } finally {
      over = true;
    }
    await this.#freshen();
  }

  status(): ConnectionStatus {
    this.#start();
    return this.#cache.status;
  }

  lastCursor(): number {
    return this.status().lastCursor;
  }

  getStatus(): Promise<ConnectionStatus> {
    return this.#cache.refresh();
  }

  async getLastCursor(): Promise<number> {
    return safeCursor(await this.#call('sync_last_cursor'));
  }

  pending(): Promise<number> {
    return this.#call<number>('sync_pending');
  }

  info(): Promise<SyncInfo> {
    return this.#call<SyncInfo>('sync_info');
  }

  on<E extends keyof SyncEvents>(event: E, handler: Handler<E>): Unlisten {
    this.#start();
    return this.#events.on(event, handler);
  }

  once<E extends keyof SyncEvents>(event: E, handler: Handler<E>): Unlisten {
    this.#start();
    return this.#events.once(event, handler);
  }

  async #pull(after: number | undefined, options: PullOptions): Promise<PullResult> {
    const args: Record<string, unknown> = {};
    if (after !== undefined) args['afterCursor'] = givenCursor(after, 'afterCursor');
    if (options.own !== undefined) args['own'] = options.own;
    if (options.maxBytes !== undefined) args['maxBytes'] = options.maxBytes;
    return decodePull(await this.#call<unknown>('sync_pull', args));
  }

  async #ack(cursor: number): Promise<void> {
    await this.#call('sync_ack', { cursor: givenCursor(cursor, 'cursor') });
  }

  /** First listen, then ask: the other way round, a change in between would be missed. */
  #start(): { listening: Promise<void>; ready: Promise<void> } {
    if (this.#started !== undefined) return this.#started;
    this.#events.on('status', (status) => this.#cache.changed(status));
    const listening = this.#events.listening();
    // `this.#started` is set before anything below runs: commands wait for `listening` and do not start a second time.
    const ready = listening.then(() => this.#cache.refresh()).then(() => undefined);
    // Whoever waits for them hears of a failure; that nobody waits is no fault of its own.
    listening.catch(() => undefined);
    ready.catch(() => undefined);
    watchVisibility((visible) => this.#call('sync_visibility', { visible }));
    return (this.#started = { listening, ready });
  }

  /** Every command goes through here: once events are heard, so that none it causes is missed, and with one kind of error. */
  async #call<T = null>(command: string, args?: InvokeArgs, options?: InvokeOptions): Promise<T> {
    try {
      // A window that may not listen may still have the right to call.
      await this.#start().listening.catch(() => undefined);
      return await invoke<T>(`plugin:sync|${command}`, args, options);
    } catch (reason) {
      throw SyncError.from(reason, `sync:allow-${command.replaceAll('_', '-')}`);
    }
  }

  /** After a call that changes the status: what `status()` says next is not older than that call. */
  async #freshen(): Promise<void> {
    // The call itself has succeeded. A window without the right to ask lives by its events.
    await this.#cache.refresh().catch(() => undefined);
  }
}

async function unlessAborted<T>(call: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return call;
  let leave: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason as Error);
    signal.addEventListener('abort', leave);
  });
  try {
    return await Promise.race([call, aborted]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

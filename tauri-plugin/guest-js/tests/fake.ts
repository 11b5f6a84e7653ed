/**
 * The plugin as a page sees it, without Rust: answers commands, records calls, emits events. Its inbox follows the plugin's rules for
 * positions and acknowledgements, so that a client that breaks them loses or repeats blobs here as it would there.
 */

import { clearMocks, mockIPC } from '@tauri-apps/api/mocks';
import { vi } from 'vitest';

import type { Blob, ConnectionStatus, SyncErrorInfo } from '../types.js';

export interface Call {
  command: string;
  args: unknown;
  headers: Record<string, string>;
}

type Answer = (args: Record<string, unknown>, call: Call) => unknown;
type Invoke = (command: string, args?: unknown, options?: { headers?: Record<string, string> }) => Promise<unknown>;
interface Internals {
  invoke: Invoke;
  runCallback(id: number, data: unknown): void;
}

export const failure = (code: string, retryable = false): SyncErrorInfo => ({ code, message: `it is ${code}`, retryable });

export const idle: ConnectionStatus = {
  state: 'connected',
  indicator: 'synced',
  pending: 0,
  lastCursor: 0,
  lastSyncedAt: 1_790_000_000_000,
  attempt: 0,
  lastError: null,
};

export class FakePlugin {
  readonly calls: Call[] = [];
  status: ConnectionStatus = idle;
  /** Called before a listener is registered; may wait or throw. */
  beforeListen: (event: string) => unknown = () => undefined;
  readonly #answers = new Map<string, Answer>();
  readonly #listeners = new Map<string, number[]>();
  static #watching: EventListener[] = [];
  static #spy: { mockRestore(): void } | undefined;

  constructor() {
    const add = document.addEventListener.bind(document);
    FakePlugin.#spy = vi.spyOn(document, 'addEventListener').mockImplementation((type: string, listener: unknown) => {
      FakePlugin.#watching.push(listener as EventListener);
      add(type, listener as EventListener);
    });
    mockIPC(() => null);
    const internals = this.#internals;
    internals.invoke = async (command, args, options) => {
      if (command === 'plugin:event|listen') return this.#listen(args as { event: string; handler: number });
      const call = { command: command.replace('plugin:sync|', ''), args, headers: options?.headers ?? {} };
      this.calls.push(call);
      // As the real one does: an answer is never there within the same task.
      await Promise.resolve();
      return this.#answers.get(call.command)?.(args as Record<string, unknown>, call) ?? null;
    };
    this.answer('sync_status', () => this.status);
  }

  answer(command: string, answer: Answer): void {
    this.#answers.set(command, answer);
  }

  /** Rejects as Rust does: with a plain value. */
  refuse(command: string, reason: unknown): void {
    this.answer(command, () => Promise.reject(reason));
  }

  made(command: string): Call[] {
    return this.calls.filter((call) => call.command === command);
  }

  /** Which events the page listens to, one entry a listener. */
  get heard(): string[] {
    return [...this.#listeners].flatMap(([event, ids]) => ids.map(() => event));
  }

  emit(name: string, payload: unknown): void {
    const event = `sync://${name}`;
    for (const id of this.#listeners.get(event) ?? []) this.#internals.runCallback(id, { event, id, payload });
  }

  /** A message on a channel that a call brought along. */
  send(channel: { id: number }, index: number, message: unknown): void {
    this.#internals.runCallback(channel.id, { index, message });
  }

  /** The web view drops the page's listeners and callbacks when it loads the page anew. */
  reload(): void {
    this.#listeners.clear();
    (window as unknown as { __TAURI_INTERNALS__: { callbacks: Map<number, unknown> } }).__TAURI_INTERNALS__.callbacks.clear();
  }

  async #listen({ event, handler }: { event: string; handler: number }): Promise<number> {
    await this.beforeListen(event);
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), handler]);
    return handler;
  }

  get #internals(): Internals {
    return (window as unknown as { __TAURI_INTERNALS__: Internals }).__TAURI_INTERNALS__;
  }

  /** The page is gone, with everything it listened to. */
  static remove(): void {
    for (const listener of FakePlugin.#watching.splice(0)) document.removeEventListener('visibilitychange', listener);
    FakePlugin.#spy?.mockRestore();
    clearMocks();
    Reflect.deleteProperty(window, '__TAURI_INTERNALS__');
  }
}

/** What Rust answers to a pull. */
export function frame(blobs: Blob[], rest: { hasMore?: boolean; maxCursor?: number; truncated?: boolean } = {}): Uint8Array {
  const header = new TextEncoder().encode(
    JSON.stringify({
      blobs: blobs.map(({ data, ...blob }) => ({ ...blob, len: data.length })),
      hasMore: rest.hasMore ?? false,
      maxCursor: rest.maxCursor ?? blobs.at(-1)?.cursor ?? 0,
      truncated: rest.truncated ?? false,
    }),
  );
  const parts = [new Uint8Array(new Uint32Array([header.length]).buffer), header, ...blobs.map((blob) => blob.data)];
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

export function blob(cursor: number, text = `blob ${cursor}`): Blob {
  const id = cursor.toString(16).padStart(32, '0');
  return { id, cursor, sender: '00000000000000aa', data: Uint8Array.from(new TextEncoder().encode(text)), timestamp: 1_790_000_000_000 + cursor };
}

/** An inbox by the plugin's rules: pages of `perPage` blobs; acknowledges at most what some pull returned. */
export class FakeInbox {
  acked = 0;
  returned = 0;
  /** Holds a pull's answer back. */
  afterPull: () => unknown = () => undefined;
  readonly #plugin: FakePlugin;
  readonly #perPage: number;
  #blobs: Blob[] = [];

  constructor(plugin: FakePlugin, perPage = 2) {
    this.#plugin = plugin;
    this.#perPage = perPage;
    plugin.answer('sync_pull', async ({ afterCursor }) => {
      const answer = this.#pull(afterCursor as number | undefined);
      await this.afterPull();
      return answer;
    });
    plugin.answer('sync_ack', ({ cursor }) => this.#ack(cursor as number));
  }

  /** A blob arrives, and the page hears of it. */
  arrive(...blobs: Blob[]): void {
    this.#blobs.push(...blobs);
    for (const { data, ...rest } of blobs) this.#plugin.emit('blob-available', { ...rest, size: data.length });
  }

  /** The device is in another group now. */
  renew(...blobs: Blob[]): void {
    this.acked = 0;
    this.returned = 0;
    this.#blobs = blobs;
    this.#plugin.emit('joined', { historyComplete: true });
  }

  #pull(after: number | undefined): Uint8Array | Promise<never> {
    const head = this.#blobs.at(-1)?.cursor ?? 0;
    if (after !== undefined && after > head) return Promise.reject(failure('cursorUnknown'));
    if (after !== undefined) this.#ack(after);
    const from = after ?? this.acked;
    const there = this.#blobs.filter((candidate) => candidate.cursor > from);
    const page = there.slice(0, this.#perPage);
    const maxCursor = page.at(-1)?.cursor ?? from;
    this.returned = Math.max(this.returned, maxCursor);
    return frame(page, { hasMore: there.length > page.length, maxCursor });
  }

  #ack(cursor: number): null {
    this.acked = Math.max(this.acked, Math.min(cursor, this.returned));
    return null;
  }
}

/** A promise to settle from outside. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => (open = resolve));
  return { promise, open };
}

/** Until everything that can go on by itself has gone on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

/**
 * One kind of error for everything that goes wrong, whoever said it.
 *
 * The plugin rejects with an object; Tauri itself, which refuses a call before the plugin sees it, with a bare sentence. Both become
 * a {@link SyncError} with a code to branch on. Messages are for people and may change; codes are final.
 */

import type { SyncErrorInfo } from './types.js';

/** Why a call failed, or what the plugin reported by the event `error`. */
export class SyncError extends Error implements SyncErrorInfo {
  /** Stable, camelCase. Tauri's own refusals are `notAllowed`, `invalidArgs` and `invoke`. */
  readonly code: string;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** What the code is about: the id of a pending blob, a range of cursors, a device, a missing permission. */
  declare readonly details?: unknown;

  constructor(info: SyncErrorInfo, options?: ErrorOptions) {
    super(info.message, options);
    this.name = 'SyncError';
    this.code = info.code;
    this.retryable = info.retryable;
    if (info.details !== undefined) this.details = info.details;
  }

  /** Turns whatever a call was rejected with into a `SyncError`. `permission` is what the call needs a window to have. */
  static from(reason: unknown, permission?: string): SyncError {
    if (reason instanceof SyncError) return reason;
    if (isInfo(reason)) return new SyncError(reason);
    const message = reason instanceof Error ? reason.message : String(reason);
    const code = codeOf(message);
    if (code !== 'notAllowed' || permission === undefined) return new SyncError({ code, message, retryable: false }, { cause: reason });
    // Tauri names it in debug builds only.
    const named = `${message.replace(/\.?$/, '.')} It needs the permission ${permission}.`;
    return new SyncError({ code, message: named, retryable: false, details: { permission } }, { cause: reason });
  }
}

/** For a call that cannot be meant: it never leaves the page. */
export function invalidArgs(message: string): SyncError {
  return new SyncError({ code: 'invalidArgs', message, retryable: false });
}

function isInfo(reason: unknown): reason is SyncErrorInfo {
  if (typeof reason !== 'object' || reason === null) return false;
  const { code, message, retryable } = reason as Record<string, unknown>;
  return typeof code === 'string' && typeof message === 'string' && typeof retryable === 'boolean';
}

/** Tauri's refusals have no code, only a wording, of which release builds have less. */
function codeOf(message: string): string {
  if (/\b(not allowed|explicitly denied)\b/i.test(message)) return 'notAllowed';
  if (/^invalid args\b/i.test(message)) return 'invalidArgs';
  return 'invoke';
}

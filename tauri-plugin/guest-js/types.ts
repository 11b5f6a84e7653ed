/**
 * What the plugin's commands and events carry. Only types: nothing here exists at run time.
 *
 * Units: times in milliseconds since 1970, except `Invite.expiresAt`, which is in seconds. Ids are lower-case hex: 32 digits for a
 * blob, 16 for a device. A cursor is this device's own position: it grows, has holes, and means nothing on another device.
 */

import type { SyncError } from './errors.js';

/** An invitation for one more device. It hands over the whole group: show it, never store or log it. */
export interface Invite {
  /** Data URL of a QR image. It carries the relay's address, which the typed code does not. */
  qrCode: string;
  /** XXXX-XXXX-XXXX-XXXX, for typing. */
  shortCode: string;
  /** Unix time in seconds. */
  expiresAt: number;
  /** What the QR image says: a link that opens the app on the other device. */
  url: string;
}

export interface PushResult {
  blobId: string;
  /** Marks the own blob on this device. It is no position to pull from. */
  cursor: number;
}

export interface PullResult {
  blobs: Blob[];
  /** More lies on this device after `maxCursor`. */
  hasMore: boolean;
  /** The last position this answer covers. */
  maxCursor: number;
  /** What was asked for reaches back to blobs that this device no longer keeps. */
  truncated: boolean;
}

/** One change as some device of the group pushed it. */
export interface Blob {
  id: string;
  cursor: number;
  /** The device that pushed it, as in {@link Device.id}. */
  sender: string;
  data: Uint8Array;
  /** The sender's clock when it pushed. */
  timestamp: number;
}

/** {@link Blob} under a name that does not hide the DOM's. */
export type SyncBlob = Blob;

export type ConnectionState = 'disabled' | 'offline' | 'connecting' | 'connected' | 'reconnecting';

/**
 * What to show people: `synced` ☁️✓ the relay holds everything, `pending` ☁️⏳ changes wait and leave by themselves, `failed` ☁️✗ the
 * relay or the disk refused something (`lastError` says what), `offline` 📴 no way to the relay, changes are kept here.
 */
export type Indicator = 'synced' | 'pending' | 'failed' | 'offline';

export interface ConnectionStatus {
  state: ConnectionState;
  indicator: Indicator;
  /** Blobs waiting for the relay. */
  pending: number;
  /** Up to here every delivered blob was returned by some pull. */
  lastCursor: number;
  lastSyncedAt: number | null;
  /** Failed attempts to connect in a row. */
  attempt: number;
  lastError: SyncErrorInfo | null;
}

/** A failure as it travels: what {@link SyncError} is made of. */
export interface SyncErrorInfo {
  /** Stable, camelCase: `offline`, `pending`, `inviteExpired`, … */
  code: string;
  /** One sentence for a person. */
  message: string;
  /** Whether the same call may succeed later without anybody changing anything. */
  retryable: boolean;
  details?: unknown;
}

export interface ConnectionInfo {
  /** The address of the relay. */
  relay: string | null;
}

/** Says that a blob lies on this device. Never its content. */
export interface BlobInfo {
  id: string;
  cursor: number;
  sender: string;
  size: number;
  timestamp: number;
}

export interface Device {
  id: string;
  name: string;
  thisDevice: boolean;
  /** When a record of its own last came in, by this device's clock; `null` before the first. */
  lastHeard: number | null;
}

export interface SyncInfo {
  enabled: boolean;
  /** `null`, as the other ids, until there is a group. */
  deviceId: string | null;
  deviceName: string;
  groupId: string | null;
  /** The address in use. */
  relay: string | null;
  /** The configuration names another relay than the one in use. */
  relayMismatch: boolean;
  /** Where the key of the store is: in the system's keychain, or in a file that only this user may read. */
  keyStorage: 'keychain' | 'file' | null;
  /** The highest position that is on this device. */
  head: number;
  lastCursor: number;
  /** Up to here the app has acknowledged. */
  acked: number;
  pending: number;
  /** Somebody wants this device's whole state, and `acceptFullPush()` has not been called yet. */
  wantsFullPush: boolean;
  protocolVersion: number;
}

/** How far a full sync has come. What is pulled includes the group's own bookkeeping, so it may exceed the blobs that arrive. */
export interface SyncProgress {
  pushed: number;
  /** Left to push. */
  toPush: number;
  pulled: number;
  /** Left to pull. */
  toPull: number;
}

/** Every event and what it brings. */
export interface SyncEvents {
  connected: ConnectionInfo;
  /** The code of the reason. */
  disconnected: string;
  /** A blob of another device can be pulled. */
  'blob-available': BlobInfo;
  /** An own blob is on the relay; it was pending before. */
  'blob-synced': { blobId: string; cursor: number };
  /** A queued blob has a new id from now on. */
  'blob-reissued': { blobId: string; newBlobId: string };
  /**
   * The group has a new device. `wantsFullPush` asks this one, and no other, to push its whole state; it comes again at each `enable()`
   * until `acceptFullPush()`.
   */
  'device-joined': { device: string; name: string; wantsFullPush: boolean };
  /**
   * This device is in a group now. Without `historyComplete`, older state comes from another device. `needsFullPush` asks the app to
   * push its own whole state, which nobody there has; it comes again at each `enable()` until `acceptFullPush()`.
   */
  joined: { group: string; historyComplete: boolean; needsFullPush: boolean };
  /** Somebody used this device's invite. */
  'invite-used': { device: string };
  /** The invite ended without a new device. The code of the reason. */
  'invite-ended': string;
  progress: SyncProgress;
  status: ConnectionStatus;
  error: SyncError;
}

export interface PushOptions {
  /** Pushing the same key twice stores one blob: makes an app's own retry after a crash safe. */
  idempotencyKey?: string;
}

export interface PullOptions {
  /** Return this device's own blobs too. */
  own?: boolean;
  /** Stop after so many bytes of payload; one blob comes in any case. The plugin's limit is 1 MiB. */
  maxBytes?: number;
}

export interface SyncNowOptions {
  /** Ends the waiting. The sync itself goes on. */
  signal?: AbortSignal;
  onProgress?: (progress: SyncProgress) => void;
}

export interface ConsumeOptions {
  /** Ends the consumption after the blob in hand; the promise then resolves. */
  signal?: AbortSignal;
}

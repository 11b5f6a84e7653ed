// The interface this package was specified with, word for word; only line breaks and the imports of the types it leaves open are ours.
// Never change it to make something compile.

import type { BlobInfo, ConnectionInfo, ConnectionStatus, SyncError } from '@0k-sync/tauri-plugin';

export interface SyncPlugin {
  enable(): Promise<void>;
  disable(): Promise<void>;
  createInvite(): Promise<Invite>;
  joinInvite(invite: string): Promise<void>;
  push(data: Uint8Array): Promise<PushResult>;
  pull(afterCursor?: number): Promise<PullResult>;
  status(): ConnectionStatus;
  lastCursor(): number;

  // Event listeners
  on(event: 'connected', handler: (info: ConnectionInfo) => void): void;
  on(event: 'disconnected', handler: (reason: string) => void): void;
  on(event: 'blob-available', handler: (blob: BlobInfo) => void): void;
  on(event: 'error', handler: (error: SyncError) => void): void;
}

export interface Invite {
  qrCode: string; // Data URL for QR image
  shortCode: string; // XXXX-XXXX-XXXX-XXXX
  expiresAt: number; // Unix timestamp
}

export interface PushResult {
  blobId: string;
  cursor: number;
}

export interface PullResult {
  blobs: Blob[];
  hasMore: boolean;
  maxCursor: number;
}

export interface Blob {
  id: string;
  cursor: number;
  sender: string;
  data: Uint8Array;
  timestamp: number;
}

/**
 * `@0k-sync/tauri-plugin`: zero-knowledge sync for a Tauri app's page.
 *
 * ```ts
 * import { sync } from '@0k-sync/tauri-plugin';
 *
 * await sync.enable();
 * sync.on('status', ({ indicator }) => showBadge(indicator));
 * sync.consume((blob) => mergeIntoLocalDb(blob.data)).catch(showError);
 *
 * await saveInLocalDb(change);                 // first here, at once
 * await sync.push(encode(change)).catch((error) => {
 *   if (error.code !== 'pending') throw error; // it is safe, and leaves by itself
 * });
 * ```
 *
 * # Layout
 * - `client`: the `sync` object. `types`: what goes in and out. `errors`: one class for every failure.
 * - `events`: handlers. `cache`: the status at hand. `codec`: bytes and cursors. `consume`: the loop. `visibility`: front or not.
 */

import { Sync, type SyncPlugin } from './client.js';

/** The plugin, for this page. */
export const sync: SyncPlugin = new Sync();

export { SyncError } from './errors.js';
export type { SyncPlugin } from './client.js';
export type { Handler, Unlisten } from './events.js';
export type * from './types.js';

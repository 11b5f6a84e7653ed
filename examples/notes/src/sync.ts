/**
 * All there is to syncing in this app. Copy it.
 *
 * 1. The app's own database first. A note is saved and on screen before anything here runs, and nothing on screen waits for this.
 * 2. A push that answers `pending` is done: the plugin has the blob on disk and sends it when it can, also after a crash. The key of a
 *    push is the version's revision, so asking again, as each start does for what has no answer yet, stores nothing twice.
 * 3. Blobs of other devices come through `consume`: in each device's order, and acknowledged only after the note is in our database.
 * 4. What two versions of a note mean is our business, not the plugin's: see `notebook.ts`.
 */

import { sync, SyncError, type Blob, type ConnectionStatus } from '@0k-sync/tauri-plugin';
import { getCurrent, onOpenUrl } from '@tauri-apps/plugin-deep-link';

import type { Note, Notebook, Version } from './notebook';

/** What the window wants to hear. */
export interface Listener {
  status(status: ConnectionStatus): void;
  /** Something a person should know, in one sentence. */
  notice(sentence: string): void;
  /** The group has changed: another device, or we are in another group. */
  group(): void;
  /** Somebody opened an invite's link with this app. */
  invited(link: string): void;
}

export async function startSync(notebook: Notebook, listener: Listener): Promise<void> {
  const outgoing = new Outgoing(notebook, listener);

  // Handlers before `enable`, so that nothing is missed.
  sync.on('status', listener.status);
  sync.on('error', (error) => listener.notice(error.message));
  sync.on('blob-synced', ({ blobId }) => void notebook.markSynced(blobId));
  // A new device sees what is pushed from now on. One device is asked to give it everything else.
  sync.on('device-joined', ({ device, name, wantsFullPush }) => {
    listener.group();
    listener.notice(`${name} is in the group now.`);
    if (wantsFullPush) void outgoing.pushAll(device);
  });
  // In a new group nobody has our notes yet.
  sync.on('joined', ({ group, needsFullPush }) => {
    listener.group();
    if (needsFullPush) void outgoing.pushAll(group);
  });
  notebook.onSaved(() => void outgoing.run('local'));

  await sync.ready.catch((error: unknown) => listener.notice(sentenceOf(error)));
  listener.status(sync.status());
  await followLinks(listener);
  try {
    await sync.enable();
  } catch (error) {
    // Notes work without sync. The badge says that there is none.
    listener.notice(sentenceOf(error));
    return;
  }
  listener.group();
  // What an earlier run saved and never heard of again.
  void outgoing.run('queued');
  void follow(notebook, listener);
}

/** Blobs of other devices, for as long as the window lives. */
async function follow(notebook: Notebook, listener: Listener): Promise<void> {
  try {
    await sync.consume(async (blob) => {
      const version = decode(blob);
      // A blob that is no note is some later app's: passing it beats never seeing what comes behind it.
      if (version === undefined) listener.notice('A change from another device could not be read. Update the app.');
      else await notebook.applyRemote(version);
    });
  } catch (error) {
    listener.notice(`New notes no longer arrive: ${sentenceOf(error)} Restart the app.`);
  }
}

/** Takes saved versions to the plugin, one after the other. */
class Outgoing {
  #wanted: 'nothing' | 'local' | 'queued' = 'nothing';
  #running = false;

  constructor(
    private readonly notebook: Notebook,
    private readonly listener: Listener,
  ) {}

  /** Hands over what is `local`, or also what was `queued` and has no answer yet. */
  async run(wanted: 'local' | 'queued'): Promise<void> {
    if (this.#wanted !== 'queued') this.#wanted = wanted;
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#wanted !== 'nothing') {
        const all = this.#wanted === 'queued';
        this.#wanted = 'nothing';
        for (const note of await this.notebook.unsent()) {
          if (all || note.state === 'local') await this.#push(note, note.revision);
        }
      }
    } catch (error) {
      // Saved and not handed over: the next version, or the next start, tries again.
      this.listener.notice(sentenceOf(error));
    } finally {
      this.#running = false;
    }
  }

  /** Everything, for somebody who has nothing. What they have already loses against itself and changes nothing. */
  async pushAll(somebody: string): Promise<void> {
    try {
      for (const note of await this.notebook.everything()) await this.#push(note, `${note.revision}/${somebody}`);
    } catch (error) {
      this.listener.notice(sentenceOf(error));
    }
  }

  async #push({ state: _, ...version }: Note, idempotencyKey: string): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(version));
    try {
      const { blobId } = await sync.push(bytes, { idempotencyKey });
      await this.notebook.markSynced(blobId, version.revision);
    } catch (error) {
      if (!(error instanceof SyncError && error.code === 'pending')) throw error;
      // No failure: it is in the queue, on disk, and leaves by itself. `blob-synced` will tell.
      await this.notebook.markQueued(version.revision, (error.details as { blobId: string }).blobId);
    }
  }
}

/** `zerok-notes://join?i=…`, while the app runs or as what started it. */
async function followLinks(listener: Listener): Promise<void> {
  const open = (links: string[] | null): void => links?.forEach((link) => listener.invited(link));
  await onOpenUrl(open);
  open(await getCurrent());
}

function decode(blob: Blob): Version | undefined {
  try {
    const version = JSON.parse(new TextDecoder().decode(blob.data)) as Version;
    const texts = [version.id, version.text, version.revision].every((text) => typeof text === 'string');
    return texts && Number.isSafeInteger(version.updatedAt) && typeof version.deleted === 'boolean' ? version : undefined;
  } catch {
    return undefined;
  }
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

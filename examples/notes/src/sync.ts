/**
 * All moving of data in this app. Copy it.
 *
 * 1. The app's own database first. A note is saved and on screen before anything here runs, and nothing on screen waits for this.
 * 2. A push that answers `pending` is done: the plugin has the blob on disk and sends it when it can, also after a crash. A push has a
 *    key, so asking again, as each start does for what has no answer yet, stores nothing twice.
 * 3. Blobs of other devices come through `consume`: in each device's order, and acknowledged only after the note is in our database.
 * 4. Whoever needs everything gets it from our database, which remembers how far that went.
 * 5. What two versions of a note mean is our business, not the plugin's: see `notebook.ts`.
 */

import { sync, SyncError, type ConnectionStatus } from '@0k-sync/tauri-plugin';

import { bytesOf, versionOf, type Note, type Notebook } from './notebook';

/** What the window wants to hear. */
export interface Listener {
  status(status: ConnectionStatus): void;
  /** Something a person should know, in one sentence. */
  notice(sentence: string): void;
  /** The group has changed: another device, or we are in another group. */
  group(): void;
}

export async function startSync(notebook: Notebook, listener: Listener): Promise<void> {
  const outgoing = new Outgoing(notebook, listener);
  const told = (error: unknown): void => listener.notice(sentenceOf(error));

  // Handlers before `enable`, so that nothing is missed.
  sync.on('status', (status) => {
    listener.status(status);
    // What was locked or taken at the start is opened by the plugin when the app comes to the front. Then we begin, too.
    if (status.state !== 'disabled') void begin();
    // What found no room in the queue finds it once the queue is empty.
    if (status.indicator === 'synced') void outgoing.run('local');
  });
  sync.on('error', told);
  sync.on('blob-synced', ({ blobId }) => void notebook.markSynced(blobId).catch(told));
  sync.on('blob-reissued', ({ blobId, newBlobId }) => void notebook.markReissued(blobId, newBlobId).catch(told));
  // A new device sees what is pushed from now on. One device is asked to give it everything else.
  sync.on('device-joined', ({ device, name, wantsFullPush }) => {
    listener.group();
    listener.notice(`${name} is in the group now.`);
    if (wantsFullPush) void outgoing.pushAll(device);
  });
  // In a new group nobody has our notes yet, and the relay may no longer have the oldest of theirs.
  sync.on('joined', ({ group, historyComplete, needsFullPush }) => {
    listener.group();
    if (!historyComplete) listener.notice('Older notes come from the device that showed the code. Leave it open for a while.');
    if (needsFullPush) void outgoing.pushAll(group);
  });
  notebook.onSaved(() => void outgoing.run('local'));

  let begun = false;
  async function begin(): Promise<void> {
    if (begun) return;
    begun = true;
    try {
      await sync.enable();
    } catch (error) {
      // Notes work without sync. The badge says that there is none.
      begun = false;
      return told(error);
    }
    listener.group();
    // What an earlier run saved and never heard of again.
    void outgoing.run('queued');
    void follow(notebook, listener);
  }

  await sync.ready.catch(told);
  listener.status(sync.status());
  await begin();
}

/** Blobs of other devices, for as long as the window lives. */
async function follow(notebook: Notebook, listener: Listener): Promise<void> {
  try {
    await sync.consume(async ({ data }) => {
      const version = versionOf(data);
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
          if (all || note.state === 'local') await this.#push(note);
        }
      }
    } catch (error) {
      // Saved and not handed over: the next version, an empty queue, or the next start tries again.
      this.listener.notice(sentenceOf(error));
    } finally {
      this.#running = false;
    }
  }

  /** Everything, for somebody who has nothing. What they have already loses against itself and changes nothing. */
  async pushAll(somebody: string): Promise<void> {
    try {
      // A crash from here on loses nothing: the database knows what has not left. Then the plugin may forget that it asked.
      await this.notebook.markAllUnsent(somebody);
      await sync.acceptFullPush();
    } catch (error) {
      this.listener.notice(sentenceOf(error));
    }
    await this.run('local');
  }

  async #push(note: Note): Promise<void> {
    try {
      const { blobId } = await sync.push(bytesOf(note), { idempotencyKey: note.pushKey });
      await this.notebook.markSynced(blobId, note.revision);
    } catch (error) {
      if (!(error instanceof SyncError && error.code === 'pending')) throw error;
      // No failure: it is in the queue, on disk, and leaves by itself. `blob-synced` will tell.
      await this.notebook.markQueued(note.revision, (error.details as { blobId: string }).blobId);
    }
  }
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

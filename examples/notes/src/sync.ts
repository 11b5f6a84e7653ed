/**
 * All there is to syncing in this app. Copy it.
 *
 * The rules it follows:
 * 1. The app's own database first. A note is saved and on screen before anything here runs, and nothing on screen waits for this.
 * 2. A push that answers `pending` is done: the plugin has the blob on disk and sends it when it can, also after a crash. So a version
 *    counts as sent when the plugin has taken it, and is never pushed twice. Its key makes the one retry after a crash in between safe.
 * 3. Blobs of other devices come through `consume`: in each device's order, and acknowledged only after the note is in our database.
 * 4. What two versions of a note mean is our business, not the plugin's: see `notebook.ts`.
 */

import { sync, SyncError, type Blob, type ConnectionStatus } from '@0k-sync/tauri-plugin';
import { getCurrent, onOpenUrl } from '@tauri-apps/plugin-deep-link';

import type { Note, Notebook } from './notebook';

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
  sync.on('invite-used', () => listener.group());
  // A new device sees what is pushed from now on. One device is asked to give it everything else.
  sync.on('device-joined', ({ device, name, wantsFullPush }) => {
    listener.group();
    listener.notice(`${name} is in the group now.`);
    if (wantsFullPush) void outgoing.pushAll(device);
  });
  // In a new group nobody has our notes yet.
  sync.on('joined', () => {
    listener.group();
    void outgoing.pushAll('joined');
  });
  // Every version saved here goes out; so does what an earlier run saved and could not hand over.
  notebook.onStamped(() => void outgoing.run());

  await sync.ready.catch((error: unknown) => listener.notice(sentenceOf(error)));
  listener.status(sync.status());
  await followLinks(listener);
  try {
    await sync.enable();
  } catch (error) {
    // Notes work without sync. The sheet shows why there is none.
    listener.notice(sentenceOf(error));
    return;
  }
  listener.group();
  void outgoing.run();
  void follow(notebook, listener);
}

/** Blobs of other devices, for as long as the window lives. */
async function follow(notebook: Notebook, listener: Listener): Promise<void> {
  try {
    await sync.consume(async (blob) => {
      const note = decode(blob);
      // A blob that is no note is some other version's: passing it beats never seeing what comes behind it.
      if (note === undefined) listener.notice('A change from another device could not be read. Update the app.');
      else await notebook.applyRemote(note);
    });
  } catch (error) {
    listener.notice(`New notes no longer arrive: ${sentenceOf(error)} Restart the app.`);
  }
}

/** Takes saved versions to the plugin, one after the other. */
class Outgoing {
  #running = false;
  #again = false;

  constructor(
    private readonly notebook: Notebook,
    private readonly listener: Listener,
  ) {}

  /** Hands over every version that was not handed over yet. */
  async run(): Promise<void> {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#again) {
        this.#again = false;
        for (const note of await this.notebook.unsent()) {
          await this.#push(note, `${note.id}/${note.clock}/${note.author}`);
          await this.notebook.markSent(note);
        }
      }
    } catch (error) {
      // Saved and unsent: the next version, or the next start, tries again.
      this.listener.notice(sentenceOf(error));
    } finally {
      this.#running = false;
    }
  }

  /** Everything, for a device that has nothing. Versions it has already lose against themselves and change nothing. */
  async pushAll(reason: string): Promise<void> {
    try {
      for (const note of this.notebook.everything) {
        if (note.clock > 0) await this.#push(note, `${note.id}/${note.clock}/${note.author}/${reason}`);
      }
    } catch (error) {
      this.listener.notice(sentenceOf(error));
    }
  }

  async #push(note: Note, idempotencyKey: string): Promise<void> {
    try {
      await sync.push(new TextEncoder().encode(JSON.stringify(note)), { idempotencyKey });
    } catch (error) {
      // Not a failure: it is in the queue, on disk, and leaves by itself.
      if (!(error instanceof SyncError && error.code === 'pending')) throw error;
    }
  }
}

/** `zerok-notes://join?i=…`, while the app runs or as what started it. */
async function followLinks(listener: Listener): Promise<void> {
  const open = (links: string[] | null): void => links?.forEach((link) => listener.invited(link));
  await onOpenUrl(open);
  open(await getCurrent());
}

function decode(blob: Blob): Note | undefined {
  try {
    const note = JSON.parse(new TextDecoder().decode(blob.data)) as Note;
    const texts = [note.id, note.title, note.body, note.author].every((text) => typeof text === 'string');
    const numbers = [note.clock, note.updatedAt].every(Number.isSafeInteger);
    return texts && numbers && typeof note.deleted === 'boolean' ? note : undefined;
  } catch {
    return undefined;
  }
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

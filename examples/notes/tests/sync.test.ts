import { beforeEach, expect, it, vi } from 'vitest';

import { Backend, failure, online } from './fake';

let backend: Backend;
const notices: string[] = [];

/** A fresh page of the app, over whatever is in the database. */
async function open(): Promise<void> {
  vi.resetModules();
  backend.load();
  const { Notebook } = await import('../src/notebook');
  const { startSync } = await import('../src/sync');
  const notice = (sentence: string): void => void notices.push(sentence);
  await startSync(await Notebook.open(), { status: () => undefined, notice, group: () => undefined });
}

const states = (): string => [...backend.rows.values()].map((row) => row.state).join(' ');
const newcomer = { device: 'phone', name: 'Phone', wantsFullPush: true };

beforeEach(() => {
  backend = new Backend();
  notices.length = 0;
});

it('a full push that was cut short goes on at the next start, with the keys it began with', async () => {
  backend.synced('a', 'b', 'c');
  await open();
  backend.answer('sync_push', () => (backend.keys.length < 2 ? { blobId: 'b', cursor: 1 } : Promise.reject(failure('outboxFull'))));
  await backend.emit('device-joined', newcomer);
  await vi.waitFor(() => expect(notices).toContain('It is outboxFull.'));
  expect(states()).toBe('synced local local');
  // The database knew of it before the plugin was told that it may forget.
  expect(backend.calls.indexOf('mark_all_unsent')).toBeLessThan(backend.calls.indexOf('sync_accept_full_push'));

  // The process dies. Nobody asks again.
  backend.keys.length = 0;
  backend.answer('sync_push', () => ({ blobId: 'b', cursor: 1 }));
  await open();
  await vi.waitFor(() => expect(states()).toBe('synced synced synced'));
  expect(backend.keys).toEqual(['r-b/phone', 'r-c/phone']);
});

it('a request that could not be noted is not accepted, so it comes again', async () => {
  backend.synced('a');
  await open();
  backend.refuse('mark_all_unsent', 'the disk is full');
  await backend.emit('device-joined', newcomer);
  await vi.waitFor(() => expect(notices).toContain('the disk is full'));
  expect(backend.calls).not.toContain('sync_accept_full_push');
});

it('what found no room in the queue leaves when the queue is empty', async () => {
  backend.synced('a');
  await open();
  backend.refuse('sync_push', failure('outboxFull'));
  await backend.emit('joined', { group: 'g', historyComplete: true, needsFullPush: true });
  await vi.waitFor(() => expect(notices).toContain('It is outboxFull.'));
  backend.answer('sync_push', () => ({ blobId: 'b', cursor: 1 }));
  await backend.emit('status', online);
  await vi.waitFor(() => expect(states()).toBe('synced'));
});

it('an app that could not open its sync data begins by itself once the plugin could', async () => {
  backend.synced('a');
  backend.refuse('sync_enable', failure('alreadyRunning'));
  backend.answer('sync_status', () => ({ ...online, state: 'disabled', indicator: 'failed' }));
  await open();
  expect(notices).toContain('It is alreadyRunning.');
  expect(backend.calls).not.toContain('sync_pull');
  await backend.emit('status', { ...online, state: 'disabled', indicator: 'failed' });
  expect(backend.calls.filter((call) => call === 'sync_enable')).toHaveLength(1);

  // It came to the front, and the plugin opened what was locked.
  backend.answer('sync_enable', () => null);
  await backend.emit('status', online);
  await vi.waitFor(() => expect(backend.calls).toContain('sync_pull'));
  await backend.emit('status', online);
  expect(backend.calls.filter((call) => call === 'sync_enable')).toHaveLength(2);
});

it('a queued blob that is named anew is known by its new name', async () => {
  backend.synced('a');
  Object.assign(backend.rows.get('a') ?? {}, { state: 'local' });
  backend.refuse('sync_push', { ...failure('pending'), details: { blobId: 'old' } });
  await open();
  await vi.waitFor(() => expect(states()).toBe('queued'));
  await backend.emit('blob-reissued', { blobId: 'old', newBlobId: 'new' });
  await backend.emit('blob-synced', { blobId: 'new', cursor: 3 });
  await vi.waitFor(() => expect(states()).toBe('synced'));
});

it('a newcomer is told where the oldest notes come from when the relay no longer has them', async () => {
  await open();
  await backend.emit('joined', { group: 'g', historyComplete: false, needsFullPush: false });
  expect(notices.join()).toContain('Older notes come from the device that showed the code.');
  expect(backend.calls).not.toContain('mark_all_unsent');
});

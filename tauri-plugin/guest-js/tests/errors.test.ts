import { afterEach, describe, expect, it } from 'vitest';

import { Sync } from '../client.js';
import { SyncError } from '../errors.js';
import { FakePlugin, failure } from './fake.js';

afterEach(() => FakePlugin.remove());

async function rejection(reason: unknown): Promise<SyncError> {
  const plugin = new FakePlugin();
  plugin.refuse('sync_enable', reason);
  const error = await new Sync().enable().catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(SyncError);
  expect(error).toBeInstanceOf(Error);
  return error as SyncError;
}

describe('a rejected call', () => {
  it('keeps the code, sentence, hope and details of the plugin', async () => {
    const error = await rejection({ ...failure('pending', true), details: { blobId: 'ab' } });
    expect(error).toMatchObject({ name: 'SyncError', code: 'pending', message: 'it is pending', retryable: true, details: { blobId: 'ab' } });
  });

  it('has no details where the plugin gave none', async () => {
    expect('details' in (await rejection(failure('noRelay')))).toBe(false);
  });

  it.each([
    ['sync.sync_create_invite not allowed. Permissions associated with this command: sync:allow-sync-create-invite', 'notAllowed'],
    ['sync.sync_enable not allowed. Plugin not found', 'notAllowed'],
    ['sync.sync_push explicitly denied on origin local', 'notAllowed'],
    ['invalid args `invite` for command `sync_join_invite`: command sync_join_invite missing required key invite', 'invalidArgs'],
    ['plugin sync not found', 'invoke'],
  ])('by Tauri itself gets a code and keeps the sentence: %s', async (sentence, code) => {
    expect(await rejection(sentence)).toMatchObject({ code, message: sentence, retryable: false });
  });

  it.each([[undefined], [null], [7], [{ code: 7, message: 'x', retryable: true }], [{ code: 'x', message: 'y' }], [new TypeError('no')]])(
    'is an error with a code whatever it was: %o',
    async (reason) => {
      expect(await rejection(reason)).toMatchObject({ code: 'invoke', retryable: false, cause: reason });
    },
  );

  it('outside of Tauri is an ordinary rejection too', async () => {
    await expect(new Sync().enable()).rejects.toMatchObject({ name: 'SyncError', code: 'invoke' });
  });
});

import { afterEach, describe, expect, it, vi } from 'vitest';

import readme from '../../README.md?raw';

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
    // As release builds say it, and as debug builds do.
    ['Command plugin:sync|sync_enable not allowed by ACL'],
    ['sync.sync_enable not allowed. Plugin not found'],
    ['sync.sync_enable explicitly denied on origin local'],
  ])('for want of a permission names it: %s', async (sentence) => {
    const error = await rejection(sentence);
    expect(error).toMatchObject({ code: 'notAllowed', retryable: false, details: { permission: 'sync:allow-sync-enable' }, cause: sentence });
    expect(error.message).toBe(`${sentence}. It needs the permission sync:allow-sync-enable.`);
  });

  it('for want of the right to listen names that', async () => {
    const plugin = new FakePlugin();
    plugin.beforeListen = () => Promise.reject('Command plugin:event|listen not allowed by ACL');
    await expect(new Sync().ready).rejects.toMatchObject({ code: 'notAllowed', details: { permission: 'core:event:allow-listen' } });
  });

  const section = readme.slice(readme.indexOf('## Errors'), readme.indexOf('## Keys'));
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  const codes = rows.flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1] ?? ''));

  it('reads its codes from the README, where Rust tests that none is missing', () => {
    expect(codes.length).toBeGreaterThan(35);
    expect(codes).toEqual(expect.arrayContaining(['offline', 'inviteExpired', 'busy', 'restoredTooOften']));
  });

  it.each(codes.flatMap((code) => [true, false].map((retryable) => [code, retryable] as const)))(
    'has the code the plugin gave, over the wire and as an event: %s, retryable %s',
    async (code, retryable) => {
      const info = { ...failure(code, retryable), details: { about: code } };
      const [plugin, sync, heard] = [new FakePlugin(), new Sync(), vi.fn()];
      plugin.refuse('sync_enable', info);
      sync.on('error', heard);
      await expect(sync.enable()).rejects.toMatchObject({ ...info, name: 'SyncError' });
      plugin.emit('error', info);
      expect(heard).toHaveBeenCalledOnce();
      expect(heard.mock.calls[0]?.[0]).toBeInstanceOf(SyncError);
      expect(heard.mock.calls[0]?.[0]).toMatchObject(info);
    },
  );

  it.each([
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

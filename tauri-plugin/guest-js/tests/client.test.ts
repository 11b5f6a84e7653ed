import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Sync } from '../client.js';
import script from '../../api-iife.js?raw';
import { FakePlugin, blob, failure, frame, gate, settle } from './fake.js';

let plugin: FakePlugin;
let sync: Sync;

beforeEach(() => {
  plugin = new FakePlugin();
  sync = new Sync();
});
afterEach(() => FakePlugin.remove());

describe('a page that only loads the package', () => {
  it('asks for nothing', async () => {
    await settle();
    expect(plugin.calls).toEqual([]);
    expect(plugin.heard).toEqual([]);
  });

  it('finds it in the global object where there is no bundler, still without asking', async () => {
    vi.stubGlobal('__TAURI__', {});
    new Function(script)();
    const found = (window as unknown as { __TAURI__: { sync: { sync: Sync } } }).__TAURI__.sync;
    await settle();
    expect(plugin.calls).toEqual([]);
    plugin.answer('sync_pending', () => 4);
    expect(await found.sync.pending()).toBe(4);
  });

  it('does not mind where Tauri puts nothing into the global object', () => {
    expect(() => new Function(script)()).not.toThrow();
  });
});

describe('commands', () => {
  it.each([
    ['sync_enable', {}, (it: Sync) => it.enable()],
    ['sync_disable', {}, (it: Sync) => it.disable()],
    ['sync_create_invite', {}, (it: Sync) => it.createInvite()],
    ['sync_cancel_invite', {}, (it: Sync) => it.cancelInvite()],
    ['sync_join_invite', { invite: 'ABCD' }, (it: Sync) => it.joinInvite('ABCD')],
    ['sync_leave', { force: false }, (it: Sync) => it.leave()],
    ['sync_leave', { force: true }, (it: Sync) => it.leave({ force: true })],
    ['sync_devices', {}, (it: Sync) => it.devices()],
    ['sync_set_relay', { address: '0k:r' }, (it: Sync) => it.setRelay('0k:r')],
    ['sync_ack', { cursor: 12 }, (it: Sync) => it.ack(12)],
    ['sync_accept_full_push', {}, (it: Sync) => it.acceptFullPush()],
    ['sync_now', {}, (it: Sync) => it.syncNow()],
    ['sync_pending', {}, (it: Sync) => it.pending()],
    ['sync_info', {}, (it: Sync) => it.info()],
  ])('carry their arguments: %s %o', async (command, args, act) => {
    await act(sync);
    expect(plugin.made(command).map((call) => call.args)).toEqual([args]);
  });

  it('answer what the plugin answers', async () => {
    const devices = [{ id: 'aa', name: 'laptop', thisDevice: true, lastHeard: 5 }];
    plugin.answer('sync_devices', () => devices);
    plugin.answer('sync_last_cursor', () => 11);
    expect(await sync.devices()).toEqual(devices);
    expect(await sync.getLastCursor()).toBe(11);
  });

  it('refuse a cursor that was rounded on the way', async () => {
    plugin.answer('sync_last_cursor', () => 2 ** 53);
    plugin.answer('sync_push', () => ({ blobId: 'ab', cursor: 2 ** 60 }));
    await expect(sync.getLastCursor()).rejects.toMatchObject({ code: 'invoke' });
    await expect(sync.push(new Uint8Array(1))).rejects.toMatchObject({ code: 'invoke' });
  });
});

describe('push', () => {
  beforeEach(() => plugin.answer('sync_push', () => ({ blobId: 'ab', cursor: 5 })));

  it('sends the bytes as the body, and nothing else', async () => {
    expect(await sync.push(new Uint8Array([1, 2]))).toEqual({ blobId: 'ab', cursor: 5 });
    expect(plugin.made('sync_push')).toEqual([{ command: 'sync_push', args: new Uint8Array([1, 2]), headers: {} }]);
  });

  it('sends the bytes as they were at the call', async () => {
    const data = new Uint8Array([1, 2]);
    const pushed = sync.push(data);
    data.fill(9);
    await pushed;
    expect(plugin.made('sync_push')[0]?.args).toEqual(new Uint8Array([1, 2]));
  });

  it('puts its key into a header, in ASCII whatever it is', async () => {
    await sync.push(new Uint8Array(1), { idempotencyKey: 'Notiz/ß\n1' });
    expect(plugin.made('sync_push')[0]?.headers).toEqual({ 'idempotency-key': 'Notiz%2F%C3%9F%0A1' });
  });

  it('rejects with the id of the blob that waits', async () => {
    plugin.refuse('sync_push', { ...failure('pending', true), details: { blobId: 'ab' } });
    await expect(sync.push(new Uint8Array(1))).rejects.toMatchObject({ code: 'pending', retryable: true, details: { blobId: 'ab' } });
  });
});

describe('pull', () => {
  beforeEach(() => plugin.answer('sync_pull', () => frame([blob(4)])));

  it.each([
    [{}, () => sync.pull()],
    [{}, () => sync.pull(null)],
    [{ afterCursor: 0 }, () => sync.pull(0)],
    [{ afterCursor: 3, own: true, maxBytes: 10 }, () => sync.pull(3, { own: true, maxBytes: 10 })],
  ])('says from where and how: %o', async (args, act) => {
    expect((await act()).blobs).toEqual([blob(4)]);
    expect(plugin.made('sync_pull')[0]?.args).toEqual(args);
  });

  it('from a position that is none never leaves the page', async () => {
    await expect(sync.pull(-1)).rejects.toMatchObject({ code: 'invalidArgs' });
    expect(plugin.made('sync_pull')).toEqual([]);
  });
});

describe('syncNow', () => {
  it('tells how far it has come', async () => {
    const seen: unknown[] = [];
    plugin.answer('sync_now', ({ onProgress }) => {
      plugin.send(onProgress as { id: number }, 0, { pushed: 1, toPush: 2, pulled: 0, toPull: 3 });
      plugin.send(onProgress as { id: number }, 1, { pushed: 2, toPush: 2, pulled: 3, toPull: 0 });
      return null;
    });
    await sync.syncNow({ onProgress: (progress) => seen.push(progress.pushed) });
    expect(seen).toEqual([1, 2]);
  });

  it('ends its waiting by the signal, and says nothing after that', async () => {
    const end = new AbortController();
    const seen = vi.fn();
    const held = gate();
    plugin.answer('sync_now', () => held.promise);
    const synced = sync.syncNow({ signal: end.signal, onProgress: seen });
    await settle();
    end.abort();
    await expect(synced).rejects.toMatchObject({ name: 'AbortError' });
    const { onProgress } = plugin.made('sync_now')[0]?.args as { onProgress: { id: number } };
    plugin.send(onProgress, 0, { pushed: 1, toPush: 1, pulled: 0, toPull: 3 });
    held.open();
    await settle();
    expect(seen).not.toHaveBeenCalled();
  });

  it('with a signal that has been given already asks for nothing', async () => {
    await expect(sync.syncNow({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(plugin.made('sync_now')).toEqual([]);
  });

  it('with a signal that is never given behaves as without, also in failure', async () => {
    plugin.refuse('sync_now', failure('offline', true));
    await expect(sync.syncNow({ signal: new AbortController().signal })).rejects.toMatchObject({ code: 'offline', retryable: true });
  });
});

describe('the page', () => {
  const show = (state: 'visible' | 'hidden'): void => {
    vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state);
    document.dispatchEvent(new Event('visibilitychange'));
  };

  it('tells when it leaves the front and when it comes back', async () => {
    await sync.ready;
    show('hidden');
    show('visible');
    await settle();
    expect(plugin.made('sync_visibility').map((call) => call.args)).toEqual([{ visible: false }, { visible: true }]);
  });

  it('tells when the web view finds a network, and not when it believes that there is none', async () => {
    await sync.ready;
    window.dispatchEvent(new Event('offline'));
    await settle();
    expect(plugin.made('sync_visibility')).toEqual([]);
    window.dispatchEvent(new Event('online'));
    await settle();
    // Pages of earlier tests tell it, too.
    expect(new Set(plugin.made('sync_visibility').map((call) => JSON.stringify(call.args)))).toEqual(new Set(['{"visible":true}']));
  });

  it('that may not tell keeps that to itself', async () => {
    plugin.refuse('sync_visibility', 'sync.sync_visibility not allowed');
    await sync.ready;
    show('hidden');
    // An unhandled rejection fails the whole run.
    await settle();
    expect(plugin.made('sync_visibility')).toHaveLength(1);
  });

  it('loaded anew in the middle of calls knows the truth, hears each event once, and consumes again', async () => {
    const held = gate<unknown>();
    plugin.answer('sync_push', () => held.promise);
    plugin.answer('sync_pull', () => held.promise);
    void sync.push(new Uint8Array(1));
    void sync.consume(() => undefined);
    sync.on('blob-available', () => undefined);
    await settle();

    plugin.reload();
    plugin.status = { ...plugin.status, pending: 1, lastCursor: 40 };
    const page = new Sync();
    const heard = vi.fn();
    page.on('blob-synced', heard);
    await page.ready;
    expect(page.status()).toEqual(plugin.status);
    plugin.emit('blob-synced', { blobId: 'ab', cursor: 41 });
    expect(heard).toHaveBeenCalledOnce();

    plugin.answer('sync_pull', () => frame([blob(50)]));
    const end = new AbortController();
    const got: number[] = [];
    await page.consume(
      ({ cursor }) => {
        got.push(cursor);
        end.abort();
      },
      { signal: end.signal },
    );
    expect(got).toEqual([50]);
  });
});

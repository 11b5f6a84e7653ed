import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Sync } from '../client.js';
import { SyncError } from '../errors.js';
import type { BlobInfo } from '../types.js';
import { FakePlugin, failure, gate, settle } from './fake.js';

let plugin: FakePlugin;
let sync: Sync;
const news: BlobInfo = { id: '0a', cursor: 10, sender: 'aa', size: 1, timestamp: 2 };

beforeEach(() => {
  plugin = new FakePlugin();
  sync = new Sync();
});
afterEach(() => FakePlugin.remove());

describe('handlers', () => {
  it('hear every event with what it brings', async () => {
    const heard: unknown[] = [];
    sync.on('connected', (info) => heard.push(info.relay));
    sync.on('disconnected', (reason) => heard.push(reason));
    sync.on('blob-available', (info) => heard.push(info.cursor));
    sync.on('device-joined', (device) => heard.push(device.wantsFullPush));
    await sync.ready;
    plugin.emit('connected', { relay: '0k:r' });
    plugin.emit('blob-available', news);
    plugin.emit('device-joined', { device: 'aa', name: 'phone', wantsFullPush: true });
    plugin.emit('disconnected', 'closed');
    expect(heard).toEqual(['0k:r', 10, true, 'closed']);
  });

  it('get errors as errors', async () => {
    const heard: SyncError[] = [];
    sync.on('error', (error) => heard.push(error));
    await sync.ready;
    plugin.emit('error', failure('tampered'));
    expect(heard[0]).toBeInstanceOf(SyncError);
    expect(heard[0]).toMatchObject({ code: 'tampered', message: 'it is tampered' });
  });

  it('hear what the first command causes, though they were set just before it', async () => {
    const held = gate();
    plugin.beforeListen = () => held.promise;
    plugin.answer('sync_enable', () => {
      plugin.emit('connected', { relay: '0k:r' });
      return null;
    });
    const connected = vi.fn();
    sync.on('connected', connected);
    const enabled = sync.enable();
    await settle();
    expect(plugin.made('sync_enable')).toEqual([]);
    held.open();
    await enabled;
    expect(connected).toHaveBeenCalledWith({ relay: '0k:r' });
  });

  it('share one listener for each event, however many there are and however often they change', async () => {
    for (let round = 0; round < 20; round += 1) sync.on('status', () => undefined)();
    sync.on('blob-available', () => undefined);
    sync.on('blob-available', () => undefined);
    await sync.ready;
    expect(plugin.heard).toHaveLength(12);
    expect(new Set(plugin.heard).size).toBe(12);
  });

  it('of which one fails do not fail the others', async () => {
    const complaint = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const second = vi.fn();
    sync.on('blob-available', () => {
      throw new Error('mine');
    });
    sync.on('blob-available', second);
    await sync.ready;
    plugin.emit('blob-available', news);
    expect(second).toHaveBeenCalledOnce();
    expect(complaint).toHaveBeenCalledOnce();
  });

  it('for an event that does not exist are refused', () => {
    expect(() => sync.on('blob-avialable' as 'blob-available', () => undefined)).toThrow(/no event/);
  });
});

describe('taking a handler off', () => {
  it('before its registration has arrived works, and nothing is registered twice or thrown', async () => {
    const held = gate();
    plugin.beforeListen = () => held.promise;
    const handler = vi.fn();
    const off = sync.on('blob-available', handler);
    off();
    held.open();
    await sync.ready;
    plugin.emit('blob-available', news);
    expect(handler).not.toHaveBeenCalled();
    expect(plugin.made('plugin:event|unlisten')).toEqual([]);
  });

  it('twice takes off only one of two equal handlers', async () => {
    const handler = vi.fn();
    const off = sync.on('blob-available', handler);
    sync.on('blob-available', handler);
    off();
    off();
    await sync.ready;
    plugin.emit('blob-available', news);
    expect(handler).toHaveBeenCalledOnce();
  });

  it('from within another handler keeps it from this very event', async () => {
    const second = vi.fn();
    let off = (): void => undefined;
    sync.on('blob-available', () => off());
    off = sync.on('blob-available', second);
    await sync.ready;
    plugin.emit('blob-available', news);
    expect(second).not.toHaveBeenCalled();
  });

  it('leaves the status fresh: the cache listens for itself', async () => {
    sync.on('status', () => undefined)();
    await sync.ready;
    plugin.emit('status', { ...plugin.status, pending: 3 });
    expect(sync.status().pending).toBe(3);
  });
});

describe('once', () => {
  it('calls its handler for the next event alone', async () => {
    const handler = vi.fn();
    sync.once('blob-available', handler);
    await sync.ready;
    plugin.emit('blob-available', news);
    plugin.emit('blob-available', news);
    expect(handler).toHaveBeenCalledExactlyOnceWith(news);
  });

  it('can be taken off before', async () => {
    const handler = vi.fn();
    sync.once('blob-available', handler)();
    await sync.ready;
    plugin.emit('blob-available', news);
    expect(handler).not.toHaveBeenCalled();
  });
});

describe('a page that may not listen', () => {
  beforeEach(() => {
    plugin.beforeListen = () => Promise.reject('event.listen not allowed. Permissions associated with this command: core:event:allow-listen');
  });

  it('learns it from `ready`', async () => {
    await expect(sync.ready).rejects.toMatchObject({ code: 'notAllowed' });
  });

  it('may call all the same', async () => {
    plugin.status = { ...plugin.status, pending: 2 };
    await sync.enable();
    expect(sync.status().pending).toBe(2);
  });
});

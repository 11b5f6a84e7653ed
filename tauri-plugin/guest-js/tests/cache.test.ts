import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Sync } from '../client.js';
import type { ConnectionStatus } from '../types.js';
import { FakePlugin, failure, gate, idle, settle } from './fake.js';

let plugin: FakePlugin;
let sync: Sync;

beforeEach(() => {
  plugin = new FakePlugin();
  sync = new Sync();
});
afterEach(() => FakePlugin.remove());

const at = (lastCursor: number): ConnectionStatus => ({ ...idle, lastCursor });

describe('the status at hand', () => {
  it('is that of a fresh start until the plugin has spoken', () => {
    expect(sync.status()).toMatchObject({ state: 'disabled', indicator: 'offline', pending: 0, lastCursor: 0 });
    expect(sync.lastCursor()).toBe(0);
  });

  it('is the snapshot from `ready` on', async () => {
    plugin.status = { ...at(7), pending: 2 };
    await sync.ready;
    expect(sync.status()).toEqual(plugin.status);
    expect(sync.lastCursor()).toBe(7);
  });

  it('follows each event as a whole', async () => {
    await sync.ready;
    plugin.emit('status', { ...at(9), state: 'reconnecting', indicator: 'offline', attempt: 3 });
    expect(sync.status()).toMatchObject({ state: 'reconnecting', attempt: 3, lastCursor: 9 });
    plugin.emit('status', at(9));
    expect(sync.status()).toEqual(at(9));
  });

  it('belongs to whoever asked for it', async () => {
    await sync.ready;
    sync.status().pending = 99;
    expect(sync.status().pending).toBe(0);
  });

  it('asks only after it listens, so that nothing falls in between', async () => {
    const order: string[] = [];
    plugin.beforeListen = (event) => order.push(event);
    plugin.answer('sync_status', () => {
      order.push('ask');
      return idle;
    });
    await sync.ready;
    expect(order.at(-1)).toBe('ask');
    expect(order.indexOf('sync://status')).toBeLessThan(order.indexOf('ask'));
  });

  it('is not set back by a snapshot that an event overtook', async () => {
    await sync.ready;
    const held = gate<ConnectionStatus>();
    const answers = [held.promise, Promise.resolve(at(6))];
    plugin.answer('sync_status', () => answers.shift());
    const asked = sync.getStatus();
    await settle();
    plugin.emit('status', at(5));
    held.open(at(4));
    await settle();
    expect(sync.lastCursor()).not.toBe(4);
    // The overtaken answer is asked for again.
    expect((await asked).lastCursor).toBe(6);
    expect(sync.lastCursor()).toBe(6);
  });

  it('ends its asking although events never stop, and then believes the events', async () => {
    await sync.ready;
    let cursor = 100;
    plugin.answer('sync_status', () => {
      plugin.emit('status', at((cursor += 1)));
      return at(1);
    });
    const before = plugin.made('sync_status').length;
    expect((await sync.getStatus()).lastCursor).toBe(1);
    expect(plugin.made('sync_status').length - before).toBe(3);
    expect(sync.lastCursor()).toBe(103);
  });

  it.each([
    ['enable', 'sync_enable', (it: Sync) => it.enable()],
    ['disable', 'sync_disable', (it: Sync) => it.disable()],
    ['joinInvite', 'sync_join_invite', (it: Sync) => it.joinInvite('x')],
    ['leave', 'sync_leave', (it: Sync) => it.leave()],
    ['setRelay', 'sync_set_relay', (it: Sync) => it.setRelay('0k:r')],
    ['ack', 'sync_ack', (it: Sync) => it.ack(3)],
    ['syncNow', 'sync_now', (it: Sync) => it.syncNow()],
  ])('is not older than a call of %s that has resolved', async (_, command, act) => {
    await sync.ready;
    plugin.answer(command, () => {
      plugin.status = at(33);
      return null;
    });
    await act(sync);
    expect(sync.lastCursor()).toBe(33);
  });

  it('is left to events in a window that may not ask; its calls succeed', async () => {
    plugin.refuse('sync_status', 'sync.sync_status not allowed');
    await sync.enable();
    await expect(sync.ready).rejects.toMatchObject({ code: 'notAllowed' });
    plugin.emit('status', at(8));
    expect(sync.lastCursor()).toBe(8);
  });

  it('keeps what it knew when asking fails', async () => {
    plugin.status = at(7);
    await sync.ready;
    plugin.refuse('sync_status', failure('storageFailed'));
    await expect(sync.getStatus()).rejects.toMatchObject({ code: 'storageFailed' });
    expect(sync.lastCursor()).toBe(7);
  });
});

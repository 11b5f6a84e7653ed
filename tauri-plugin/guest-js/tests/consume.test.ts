import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Sync } from '../client.js';
import { FakeInbox, FakePlugin, blob, failure, gate, settle } from './fake.js';

let plugin: FakePlugin;
let inbox: FakeInbox;
let sync: Sync;
let end: AbortController;
let got: number[];

beforeEach(() => {
  plugin = new FakePlugin();
  inbox = new FakeInbox(plugin);
  sync = new Sync();
  end = new AbortController();
  got = [];
});
afterEach(async () => {
  end.abort();
  await settle();
  vi.useRealTimers();
  FakePlugin.remove();
});

const take = ({ cursor }: { cursor: number }): void => void got.push(cursor);
const start = (handler: (blob: { cursor: number }) => void | Promise<void> = take): Promise<void> =>
  sync.consume(handler, { signal: end.signal });

describe('consume', () => {
  it('hands over what is there, page by page and in order, and acknowledges it', async () => {
    inbox.arrive(blob(2), blob(3), blob(5), blob(8), blob(9));
    void start();
    await vi.waitFor(() => expect(inbox.acked).toBe(9));
    expect(got).toEqual([2, 3, 5, 8, 9]);
  });

  it('follows live', async () => {
    void start();
    await settle();
    inbox.arrive(blob(1));
    await vi.waitFor(() => expect(got).toEqual([1]));
    inbox.arrive(blob(2), blob(3));
    await vi.waitFor(() => expect(inbox.acked).toBe(3));
    expect(got).toEqual([1, 2, 3]);
  });

  it('misses nothing that arrives while a page is on its way', async () => {
    // The answer is taken from the inbox, then a blob arrives, then the answer reaches the page.
    const held = gate();
    inbox.afterPull = () => held.promise;
    void start();
    await settle();
    inbox.arrive(blob(1));
    held.open();
    await vi.waitFor(() => expect(got).toEqual([1]));
  });

  it('runs one handler at a time', async () => {
    inbox.arrive(blob(1), blob(2));
    const held = gate();
    let running = 0;
    let most = 0;
    void start(async (taken) => {
      most = Math.max(most, (running += 1));
      await held.promise;
      take(taken);
      running -= 1;
    });
    await settle();
    held.open();
    await vi.waitFor(() => expect(got).toEqual([1, 2]));
    expect(most).toBe(1);
  });

  it('acknowledges nothing that was not handled', async () => {
    inbox.arrive(blob(1), blob(2));
    const held = gate();
    void start(async (taken) => {
      if (taken.cursor === 2) await held.promise;
      take(taken);
    });
    await vi.waitFor(() => expect(inbox.acked).toBe(1));
    await settle();
    expect(inbox.acked).toBe(1);
    held.open();
    await vi.waitFor(() => expect(inbox.acked).toBe(2));
  });

  it('never has two acknowledgements on their way, and sends the highest next', async () => {
    inbox = new FakeInbox(plugin, 5);
    inbox.arrive(...[1, 2, 3, 4, 5].map((cursor) => blob(cursor)));
    const held = gate();
    const sent: number[] = [];
    plugin.answer('sync_ack', ({ cursor }) => {
      sent.push(cursor as number);
      return held.promise;
    });
    void start();
    await vi.waitFor(() => expect(got).toHaveLength(5));
    expect(sent).toEqual([1]);
    held.open();
    await vi.waitFor(() => expect(sent).toEqual([1, 5]));
  });

  it('stops at a handler that rejects, with its very error, and gives that blob again next time', async () => {
    inbox.arrive(blob(1), blob(2), blob(3));
    const mine = new Error('disk full');
    const consumed = start((taken) => {
      if (taken.cursor === 2) throw mine;
      take(taken);
    });
    await expect(consumed).rejects.toBe(mine);
    expect(inbox.acked).toBe(1);
    void start();
    await vi.waitFor(() => expect(got).toEqual([1, 2, 3]));
  });

  it('at a time there is one', async () => {
    const first = start();
    await expect(sync.consume(take)).rejects.toMatchObject({ code: 'alreadyConsuming', retryable: false });
    end.abort();
    await first;
    end = new AbortController();
    inbox.arrive(blob(1));
    void start();
    await vi.waitFor(() => expect(got).toEqual([1]));
  });

  it('ends by its signal after the blob in hand, which is acknowledged', async () => {
    inbox.arrive(blob(1), blob(2));
    const held = gate();
    const consumed = start(async (taken) => {
      await held.promise;
      take(taken);
    });
    await settle();
    end.abort();
    held.open();
    await consumed;
    expect(got).toEqual([1]);
    expect(inbox.acked).toBe(1);
  });

  it('ends by its signal while it waits, and leaves no handler behind', async () => {
    const consumed = start();
    await settle();
    end.abort();
    await consumed;
    inbox.arrive(blob(1));
    await settle();
    expect(got).toEqual([]);
  });

  it('with a signal given already hands over nothing', async () => {
    inbox.arrive(blob(1));
    end.abort();
    await start();
    expect(plugin.made('sync_pull')).toEqual([]);
  });

  it('tries again after a failure that may pass, by itself', async () => {
    vi.useFakeTimers();
    plugin.refuse('sync_pull', failure('storageFailed', true));
    void start();
    await vi.advanceTimersByTimeAsync(0);
    expect(plugin.made('sync_pull')).toHaveLength(1);
    inbox = new FakeInbox(plugin);
    inbox.arrive(blob(1));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(got).toEqual([1]);
  });

  it('gives up at a failure that will not pass', async () => {
    plugin.refuse('sync_pull', failure('notEnabled'));
    await expect(start()).rejects.toMatchObject({ code: 'notEnabled' });
  });

  it('gives up when it cannot acknowledge', async () => {
    inbox.arrive(blob(1));
    plugin.refuse('sync_ack', failure('storageFailed'));
    await expect(start()).rejects.toMatchObject({ code: 'storageFailed' });
  });

  it('goes on in another group, whose positions begin anew', async () => {
    inbox.arrive(blob(70));
    void start();
    await vi.waitFor(() => expect(inbox.acked).toBe(70));
    inbox.renew(blob(1), blob(2));
    await vi.waitFor(() => expect(inbox.acked).toBe(2));
    expect(got).toEqual([70, 1, 2]);
  });
});

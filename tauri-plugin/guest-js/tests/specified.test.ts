import { afterEach, describe, expect, it, vi } from 'vitest';

import * as ours from '../index.js';
import { FakePlugin, blob, frame } from './fake.js';
import type * as specified from './specified/interface.js';
import text from './specified/interface.ts?raw';

afterEach(() => FakePlugin.remove());

describe('the specified interface', () => {
  it('is what the package offers, type by type', () => {
    // The compiler is the test: `npm run check` compiles this file.
    const sync: specified.SyncPlugin = ours.sync;
    const invite: (invite: ours.Invite) => specified.Invite = (given) => given;
    const pushed: (result: ours.PushResult) => specified.PushResult = (given) => given;
    const pulled: (result: ours.PullResult) => specified.PullResult = (given) => given;
    const single: (blob: ours.Blob) => specified.Blob = (given) => given;
    expect([sync, invite, pushed, pulled, single]).toHaveLength(5);
  });

  it('is written down unchanged: these are its members', () => {
    const members = [...text.matchAll(/^ {2}(\w+)[(:]/gm)].map((match) => match[1]);
    expect(members.join(' ')).toBe(
      'enable disable createInvite joinInvite push pull status lastCursor on on on on qrCode shortCode expiresAt ' +
        'blobId cursor blobs hasMore maxCursor id cursor sender data timestamp',
    );
  });

  it('has a usage example that runs from its first line to its last', async () => {
    const plugin = new FakePlugin();
    plugin.answer('sync_create_invite', () => ({ qrCode: 'data:,qr', shortCode: 'A', expiresAt: 1, url: 'notes://join?i=1' }));
    plugin.answer('sync_push', () => ({ blobId: '00', cursor: 5 }));
    plugin.answer('sync_pull', () => frame([blob(8, '{"milk":2}')]));
    const shown: unknown[] = [];
    const merged: unknown[] = [];
    vi.stubGlobal('showQRCode', (url: string) => shown.push(url));
    vi.stubGlobal('myData', { milk: 1 });
    vi.stubGlobal('lastKnownCursor', 7);
    vi.stubGlobal('mergeIntoLocalDb', async (data: unknown) => merged.push(data));
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);

    await import('./specified/usage.js');
    expect(shown).toEqual(['data:,qr']);
    expect(log).toHaveBeenCalledWith('Synced at cursor 5');
    expect(merged).toEqual([{ milk: 2 }]);
    expect(new TextDecoder().decode(plugin.made('sync_push')[0]?.args as Uint8Array)).toBe('{"milk":1}');

    plugin.emit('blob-available', { id: '08', cursor: 8, sender: 'aa', size: 10, timestamp: 1 });
    await vi.waitFor(() => expect(plugin.made('sync_pull').map((call) => call.args)).toEqual([{ afterCursor: 7 }, { afterCursor: 7 }]));
  });
});

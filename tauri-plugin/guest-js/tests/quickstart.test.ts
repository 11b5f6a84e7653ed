import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import quickstart from '../../../docs/tauri-quickstart.md?raw';
import { FakeInbox, FakePlugin, blob, failure } from './fake.js';
import page from './quickstart/index.html?raw';
import script from './quickstart/main.ts?raw';

let plugin: FakePlugin;
let inbox: FakeInbox;

/** Starts the app of the quick start over what an earlier start left. */
async function start(): Promise<void> {
  vi.resetModules();
  plugin = new FakePlugin();
  inbox = new FakeInbox(plugin);
  plugin.answer('sync_push', () => ({ blobId: 'ab', cursor: 1 }));
  document.body.innerHTML = /<body>(.*)<\/body>/s.exec(page)?.[1] ?? '';
  await import('./quickstart/main.js');
  await vi.waitFor(() => expect(plugin.made('sync_pull')).not.toEqual([]));
}

const text = (id: string): string => document.getElementById(id)?.textContent ?? '';
const keys = (): string[] => plugin.made('sync_push').map((call) => decodeURIComponent(call.headers['idempotency-key'] ?? ''));
function submit(form: string, field: string, value: string): void {
  (document.getElementById(field) as HTMLInputElement).value = value;
  document.getElementById(form)?.dispatchEvent(new Event('submit', { cancelable: true }));
}

beforeEach(() => localStorage.clear());
afterEach(() => FakePlugin.remove());

describe('the quick start', () => {
  it('prints the app that is compiled and run here', () => {
    expect(quickstart).toContain(`All of \`index.html\`:\n\n\`\`\`html\n${page}\`\`\`\n`);
    expect(quickstart).toContain(`All of \`src/main.ts\`:\n\n\`\`\`ts\n${script}\`\`\`\n`);
  });

  it('shows what is typed at once and pushes it, and shows what others push', async () => {
    await start();
    submit('add', 'text', 'milk');
    expect(text('list')).toBe('milk');
    await vi.waitFor(() => expect(keys()).toHaveLength(1));
    inbox.arrive(blob(5, JSON.stringify({ id: 'x', text: 'bread', time: 1 })));
    await vi.waitFor(() => expect(text('list')).toBe('milkbread'));
    plugin.emit('status', { ...plugin.status, indicator: 'pending', pending: 2 });
    expect(text('badge')).toBe('pending (2 waiting)');
  });

  it('takes a push that waits for sent, and one that failed up again at the next start', async () => {
    await start();
    plugin.refuse('sync_push', failure('pending', true));
    submit('add', 'text', 'milk');
    await vi.waitFor(() => expect(localStorage.getItem('rows')).toContain('"sent":true'));
    plugin.refuse('sync_push', failure('outboxFull', true));
    submit('add', 'text', 'bread');
    await vi.waitFor(() => expect(text('message')).toBe('it is outboxFull'));
    FakePlugin.remove();
    await start();
    await vi.waitFor(() => expect(keys()).toHaveLength(1));
    expect(new TextDecoder().decode(plugin.made('sync_push')[0]?.args as Uint8Array)).toContain('bread');
  });

  it('gives everything to a device that asks, and goes on with that after a crash', async () => {
    await start();
    for (const item of ['milk', 'bread']) submit('add', 'text', item);
    await vi.waitFor(() => expect(localStorage.getItem('rows')?.match(/"sent":true/g)).toHaveLength(2));
    plugin.refuse('sync_push', failure('outboxFull', true));
    plugin.emit('device-joined', { device: 'phone', name: 'Phone', wantsFullPush: true });
    await vi.waitFor(() => expect(plugin.made('sync_accept_full_push')).toHaveLength(1));
    await vi.waitFor(() => expect(text('message')).toBe('it is outboxFull'));
    FakePlugin.remove();
    await start();
    await vi.waitFor(() => expect(keys().filter((key) => key.endsWith('/phone'))).toHaveLength(2));
  });

  it('invites, joins, and says why something failed', async () => {
    await start();
    plugin.answer('sync_create_invite', () => ({ qrCode: 'data:,qr', shortCode: 'ABCD', expiresAt: 1, url: 'mylist://join?i=1' }));
    document.getElementById('invite')?.click();
    await vi.waitFor(() => expect(text('message')).toBe('ABCD'));
    submit('join', 'code', ' EFGH ');
    await vi.waitFor(() => expect(text('message')).toBe('Joined.'));
    expect(plugin.made('sync_join_invite')[0]?.args).toEqual({ invite: 'EFGH' });
    plugin.refuse('sync_join_invite', failure('inviteUnknown'));
    submit('join', 'code', 'EFGH');
    await vi.waitFor(() => expect(text('message')).toBe('it is inviteUnknown'));
  });
});

import { sync, SyncError } from '@0k-sync/tauri-plugin';

/** What travels. Of two versions of an item the later one wins. */
interface Item { id: string; text: string; time: number }
/** What this device keeps. `sent` means that the plugin has it; `askedBy` is who asked for everything last. */
interface Row extends Item { sent: boolean; askedBy: string }

const $ = (id: string) => document.getElementById(id) as HTMLElement;
const typed = (id: string) => ($(id) as HTMLInputElement).value.trim();
const show = (what: unknown) => { $('message').textContent = what instanceof Error ? what.message : String(what); };

// 1. The app's own data is the truth: written first, shown at once. Use a real database; this is the shortest one.
const rows = new Map<string, Row>(JSON.parse(localStorage.getItem('rows') ?? '[]') as [string, Row][]);
function store(...changed: Row[]) {
  for (const row of changed) rows.set(row.id, row);
  localStorage.setItem('rows', JSON.stringify([...rows]));
  $('list').innerHTML = '';
  for (const { text } of rows.values()) $('list').appendChild(document.createElement('li')).textContent = text;
}

// 2. What was not sent is sent, now or at the next start. The key makes a second attempt the same push.
async function send() {
  for (const { id, text, time, sent, askedBy } of [...rows.values()]) {
    if (sent) continue;
    try {
      const data = new TextEncoder().encode(JSON.stringify({ id, text, time }));
      await sync.push(data, { idempotencyKey: `${id}/${time}/${askedBy}` });
    } catch (error) {
      // `pending` is no failure: it is queued on disk and leaves by itself. Anything else is tried at the next start.
      if (!(error instanceof SyncError && error.code === 'pending')) return show(error);
    }
    const row = rows.get(id);
    if (row?.time === time) store({ ...row, sent: true });
  }
}

// 3. A new device has seen nothing from before, so one device is asked for everything. It notes that first: a crash loses nothing.
async function sendAll(askedBy: string) {
  store(...[...rows.values()].filter((row) => row.askedBy !== askedBy).map((row) => ({ ...row, sent: false, askedBy })));
  await sync.acceptFullPush();
  await send();
}

// 4. Handlers first, then `enable`, so that nothing is missed.
sync.on('status', ({ indicator, pending }) => { $('badge').textContent = pending > 0 ? `${indicator} (${pending} waiting)` : indicator; });
sync.on('error', show);
sync.on('device-joined', ({ device, wantsFullPush }) => { if (wantsFullPush) sendAll(device).catch(show); });
sync.on('joined', ({ group, needsFullPush }) => { if (needsFullPush) sendAll(group).catch(show); });

async function start() {
  await sync.enable(); // makes this device the first time, offline too
  void send();
  // What other devices push, now and later. Acknowledged once it is stored, so a crash in between repeats it.
  await sync.consume(({ data }) => {
    const item = JSON.parse(new TextDecoder().decode(data)) as Item;
    const known = rows.get(item.id);
    if (known === undefined || item.time > known.time) store({ ...item, sent: true, askedBy: '' });
  });
}

$('add').addEventListener('submit', (event) => {
  event.preventDefault();
  store({ id: crypto.randomUUID(), text: typed('text'), time: Date.now(), sent: false, askedBy: '' });
  void send();
});
$('invite').addEventListener('click', () => {
  sync.createInvite().then(({ qrCode, shortCode }) => {
    ($('qr') as HTMLImageElement).src = qrCode; // for a camera
    show(shortCode); // for typing; good for ten minutes and one device
  }, show);
});
$('join').addEventListener('submit', (event) => {
  event.preventDefault();
  sync.joinInvite(typed('code')).then(() => show('Joined.'), show);
});

store();
start().catch(show);

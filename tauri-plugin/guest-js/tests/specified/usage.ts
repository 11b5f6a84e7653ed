// The usage example this package was specified with, word for word; only line breaks are ours. Never change it to make it compile.

import { sync } from '@0k-sync/tauri-plugin';

// Initialize sync
await sync.enable();

// Create invite for new device
const invite = await sync.createInvite();
showQRCode(invite.qrCode);

// Or join existing sync group
await sync.joinInvite('XXXX-XXXX-XXXX-XXXX');

// Push data
const blob = new TextEncoder().encode(JSON.stringify(myData));
const result = await sync.push(blob);
console.log(`Synced at cursor ${result.cursor}`);

// Pull data
const { blobs, hasMore } = await sync.pull(lastKnownCursor);
for (const blob of blobs) {
  const data = JSON.parse(new TextDecoder().decode(blob.data));
  await mergeIntoLocalDb(data);
}

// Listen for real-time updates
sync.on('blob-available', async (info) => {
  const { blobs } = await sync.pull(info.cursor - 1);
  // Process new blob
});

/**
 * 8 MiB through the page: pushed in parts as large as a push may be, pulled back page by page, and compared. Measured three ways: raw
 * bytes, the same push with its bytes as JSON numbers, and everything in a page whose policy allows nothing but JSON.
 *
 * The figures are printed and not judged: how long it takes is this machine's business.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inWorld } from './scenarios.mjs';
import { Device, Relay } from './world.mjs';

const TOTAL = 8 * 1024 * 1024;
/** The largest payload of a push. */
const PART = 960 * 1024;

const figures = [];

test('8 MiB go through the page unharmed', { timeout: 600_000 }, async (t) => {
  await inWorld(async (world) => {
    const relay = new Relay(world);
    await relay.start();

    await t.test('as raw bytes, and pushed as JSON', async () => {
      const device = new Device(world, 'laptop');
      await device.start();
      await device.useRelay(relay.address);
      await device.indicator('synced');
      await measure(device, 'raw', 'raw bytes');
      await measure(device, 'json', 'push {data: […]}');
      await device.kill();
    });

    await t.test('where the policy leaves only JSON', async () => {
      const device = new Device(world, 'phone', { strict: true });
      await device.start();
      await device.useRelay(relay.address);
      await device.indicator('synced');
      await measure(device, 'raw', 'policy without ipc:');
      await device.kill();
    });
  });
  console.log(`\n8 MiB, a debug build, times in ms\n${'way'.padEnd(22)}${'push'.padStart(8)}${'pull'.padStart(8)}${'pages'.padStart(8)}`);
  for (const { way, push, pull, pages } of figures) {
    console.log(`${way.padEnd(22)}${String(push).padStart(8)}${String(pull).padStart(8)}${String(pages).padStart(8)}`);
  }
});

async function measure(device, how, way) {
  const seen = await device.page.run(roundTrip, how, TOTAL, PART);
  assert.equal(seen.bytes, TOTAL);
  assert.equal(seen.digest, seen.expected);
  figures.push({ way, ...seen });
}

/** In the page. Nothing from outside of it can be used here. */
async function roundTrip(how, total, part) {
  const { sync } = window.__TAURI__.sync;
  const { invoke } = window.__TAURI__.core;
  const digestOf = async (bytes) => [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].join(' ');
  const whole = new Uint8Array(total);
  for (let at = 0; at < total; at += 65_536) crypto.getRandomValues(whole.subarray(at, at + 65_536));
  // The app consumes for itself and acknowledges: its own blobs are in nobody's way.
  const from = (await sync.info()).head;

  const pushed = performance.now();
  for (let at = 0; at < total; at += part) {
    const bytes = whole.subarray(at, at + part);
    if (how === 'raw') await sync.push(bytes);
    else await invoke('plugin:sync|sync_push', { data: Array.from(bytes) });
  }
  const push = Math.round(performance.now() - pushed);

  const back = [];
  let pages = 0;
  const pulled = performance.now();
  for (let after = from, more = true; more; ) {
    const page = await sync.pull(after, { own: true });
    pages += 1;
    back.push(...page.blobs.map((blob) => blob.data));
    after = page.maxCursor;
    more = page.hasMore;
  }
  const pull = Math.round(performance.now() - pulled);

  const joined = new Uint8Array(await new Blob(back).arrayBuffer());
  return { push, pull, pages, bytes: joined.length, digest: await digestOf(joined), expected: await digestOf(whole) };
}

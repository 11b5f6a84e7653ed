/**
 * The same with a content security policy that keeps the page from the binary channel: every payload then travels as an array of
 * numbers, as it does on Android. Slower, and nothing else may change.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { exchange, inWorld, pair } from './scenarios.mjs';

test('a page without the binary channel syncs the same notes', { timeout: 300_000 }, async () => {
  await inWorld(async (world) => {
    const group = await pair(world, { strict: true });
    await exchange(group);

    // Or the test above would prove nothing.
    const kind = await group.laptop.page.run(async () => {
      const answer = await window.__TAURI_INTERNALS__.invoke('plugin:sync|sync_pull', {});
      return Array.isArray(answer) ? 'numbers' : Object.prototype.toString.call(answer);
    });
    assert.equal(kind, 'numbers');
  });
});

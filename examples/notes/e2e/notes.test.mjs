/**
 * Two whole apps and a relay, as people use them: paired by a typed code, writing, losing the relay, losing an app, coming back.
 *
 * With `NOTES_E2E_SCREENSHOTS=folder` it keeps pictures of what it sees on the way.
 */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { BREAD, exchange, inWorld, pair } from './scenarios.mjs';
import { sleep } from './webdriver.mjs';
import { Device } from './world.mjs';

const pictures = process.env.NOTES_E2E_SCREENSHOTS;

/** Sentences and movements are over by then. Only a picture waits for them. */
const QUIET_MS = 7_000;

async function picture(page, name, quiet = QUIET_MS) {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await sleep(quiet);
  await page.screenshot(join(pictures, `${name}.png`));
}

test('two apps and a relay', { timeout: 600_000 }, async (t) => {
  await inWorld(async (world) => {
    let group;

    await t.test('a typed code brings the second device into the group', async () => {
      group = await pair(world, { alone: true }, async (laptop, code) => {
        assert.match(code, /^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$/);
        assert.match(await laptop.page.attribute('.qr img', 'src'), /^data:image\//);
        assert.match(await laptop.page.text('#invite-left'), /^(10:00|9:\d\d)$/);
        await picture(laptop.page, 'pairing');
      });
    });
    const { relay, laptop, phone } = group;

    await t.test('notes go both ways, also what was written before', async () => {
      await exchange(group);
      // Synced before the phone was in this group, so the phone alone can bring it.
      await laptop.has('Birthday, 14 May', 'A kite for Mira');
      await laptop.write('Return the library books', 'Ask about the second volume.');
      await phone.has('Return the library books');
      await laptop.open('Sunday bread');
      await laptop.indicator('synced');
      await picture(laptop.page, 'synced');
    });

    await t.test('the window can be dark, and stays so', async () => {
      const brightness = () => laptop.page.run(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).map(Number));
      const choose = async (which) => {
        await laptop.page.click('#badge');
        await laptop.page.click('#go-settings');
        await laptop.page.click(`.segments label:nth-child(${which})`);
        await laptop.page.click('#sheet-close');
      };
      assert.ok((await brightness()).every((part) => part > 200));
      await choose(3);
      await laptop.page.reload();
      await laptop.indicator('synced');
      assert.ok((await brightness()).every((part) => part < 60));
      await laptop.open('Sunday bread');
      await picture(laptop.page, 'dark');
      await choose(1);
    });

    await t.test('Sync now spins while it works and says when everything is exchanged', async () => {
      await laptop.page.click('#badge');
      const pressed = await laptop.page.run(() => {
        const button = document.querySelector('#sync-now');
        button.click();
        return { disabled: button.disabled, busy: button.classList.contains('busy') };
      });
      assert.deepEqual(pressed, { disabled: true, busy: true });
      await laptop.page.until('its end', async (page) => (await page.text('#sync-progress')) === 'Everything is exchanged.');
      assert.equal(await laptop.page.attribute('#sync-now', 'disabled'), null);
      assert.equal(await laptop.page.attribute('#sync-now', 'class'), 'primary');
      await picture(laptop.page, 'devices');
      await laptop.page.click('#go-settings');
      await picture(laptop.page, 'settings');
      await laptop.page.click('#sheet-close');
    });

    await t.test('when the relay is killed changes wait, writing goes on, and the badge says so', async () => {
      await laptop.open('Sunday bread');
      if (pictures !== undefined) await sleep(QUIET_MS);
      await laptop.watchBadge();
      await relay.kill();
      await laptop.paste('In winter: twice as much starter.\n\n');
      await laptop.indicator('pending');
      assert.match(await laptop.page.text('#badge strong'), /^[12] changes? waiting$/);
      await picture(laptop.page, 'pending', 500);
      await laptop.has('Sunday bread', 'In winter: twice');
    });

    await t.test('left dead, it is out of reach, and the badge says how much is kept here', async () => {
      await laptop.indicator('offline');
      await laptop.write('Songs for Friday', 'The slow one first.');
      await laptop.page.until('a second change that waits', async (page) => Number(await page.attribute('#badge', 'data-pending')) >= 2);
      assert.match(await laptop.page.text('#badge small'), /changes saved on this device$/);
      await picture(laptop.page, 'offline');
    });

    await t.test('when the relay is back they arrive by themselves', async () => {
      await relay.start();
      await laptop.indicator('synced');
      await phone.has('Sunday bread', 'In winter: twice');
      await phone.has('Songs for Friday');
      const badges = await laptop.page.run(() => window.badges);
      assert.deepEqual(badges, ['synced', 'pending', 'offline', 'pending', 'synced']);
    });

    await t.test('three changes outlive the app that was killed before they could leave', async () => {
      await relay.kill();
      await laptop.write('First', 'unsent');
      await laptop.write('Second', 'unsent');
      await laptop.open('Trip to the coast');
      await laptop.page.type('#body', 'The 8:14 it is.');
      await laptop.page.until('three that wait', async (page) => Number(await page.attribute('#badge', 'data-pending')) >= 3);
      await laptop.kill();
      await relay.start();
      await laptop.start();
      for (const [title, text] of [['First', 'unsent'], ['Second', 'unsent'], ['Trip to the coast', 'The 8:14']]) await phone.has(title, text);
      await laptop.indicator('synced');
    });

    await t.test('a page loaded anew in the middle of a call knows the truth and hears each change once', async () => {
      // As large as a note can be, so that the call is still under way when its page goes.
      await laptop.page.start(() => void window.__TAURI__.sync.sync.push(new Uint8Array(960 * 1024)).catch(() => undefined));
      await laptop.page.reload();
      await laptop.indicator('synced');
      const own = await laptop.page.run(async () => {
        const { sync } = window.__TAURI__.sync;
        await sync.ready;
        return { cached: sync.status(), asked: await sync.getStatus() };
      });
      assert.equal(own.cached.state, 'connected');
      assert.equal(own.cached.lastCursor, own.asked.lastCursor);
      await laptop.page.run(() => {
        window.heard = [];
        window.__TAURI__.sync.sync.on('blob-available', ({ id }) => window.heard.push(id));
        return window.__TAURI__.sync.sync.ready;
      });
      await phone.write('After the reload', 'Is this heard once?');
      await laptop.has('After the reload', 'Is this heard');
      await phone.indicator('synced');
      const heard = await laptop.page.run(() => window.heard);
      assert.ok(heard.length > 0);
      assert.deepEqual([...new Set(heard)], heard);
    });

    await t.test('a link opened while the app runs reaches its window, and no second one stays', async () => {
      const link = 'zerok-notes://join?i=opened-by-the-system';
      assert.equal(await laptop.openLink(link), 0);
      await laptop.page.until('the link', async (page) => (await page.value('#join-code')) === link);
      await laptop.page.click('#sheet-close');
    });

    await t.test('a link opens the app at the question whether to join, and joins only when told to', async () => {
      const { url } = await laptop.page.run(() => window.__TAURI__.sync.sync.createInvite());
      const tablet = new Device(world, 'tablet');
      await tablet.start(url);
      await tablet.page.until('the link', async (page) => (await page.value('#join-code')) === url);
      const info = await tablet.page.run(() => window.__TAURI__.sync.sync.info());
      assert.equal(info.relay, null);
      await tablet.page.click('#join');
      await tablet.page.until('three devices', (page) => page.run(() => document.querySelectorAll('#devices li').length === 3));
      await tablet.page.click('#sheet-close');
      await tablet.has('Sunday bread', 'In winter: twice');
      await tablet.kill();
    });

    await t.test('a window closed in the middle of a push loses nothing', async () => {
      await laptop.write('Last words', 'Closing now.');
      await laptop.has('Last words', 'Closing now.');
      await phone.page.run(() => {
        window.large = new Set();
        window.__TAURI__.sync.sync.on('blob-available', ({ id, size }) => size === 960 * 1024 && window.large.add(id));
      });
      // Nothing is answered, so four pushes are under way when the window goes.
      relay.freeze();
      await laptop.page.start(() => {
        for (let part = 0; part < 4; part += 1) void window.__TAURI__.sync.sync.push(new Uint8Array(960 * 1024)).catch(() => undefined);
      });
      await laptop.page.until('four on their way', (page) => page.run(async () => (await window.__TAURI__.sync.sync.pending()) >= 4));
      await laptop.page.run(() => void window.__TAURI__.window.getCurrentWindow().close()).catch(() => undefined);
      await laptop.gone();
      relay.thaw();
      await laptop.start();
      await laptop.has('Last words', 'Closing now.');
      await phone.has('Last words', 'Closing now.');
      await laptop.indicator('synced');
      await phone.page.until('all four', (page) => page.run(() => window.large.size === 4));
    });
  });
});

/** Steps that more than one test takes. */

import { Device, Relay, World } from './world.mjs';

/**
 * A relay and two devices of one group, paired by a typed code. `meanwhile` may look at the pairing screen. With `alone` the second
 * device has synced notes of its own before; else it knows no relay until it joins.
 */
export async function pair(world, { alone = false, ...options } = {}, meanwhile = async () => undefined) {
  const relay = new Relay(world);
  await relay.start();
  const [laptop, phone] = [new Device(world, 'laptop', options), new Device(world, 'phone', options)];
  await laptop.start();
  await laptop.useRelay(relay.address);
  // The relay has none of these: only the laptop can give them to the phone.
  await laptop.remember(EARLIER);
  await laptop.write('Sunday bread', BREAD);
  await laptop.indicator('synced');

  await laptop.page.click('#badge');
  await laptop.page.click('#go-invite');
  const code = await laptop.page.until('a code', (page) => page.text('#invite-code'));
  await meanwhile(laptop, code);

  await phone.start();
  if (alone) {
    await phone.useRelay(relay.address);
    await phone.write('Birthday, 14 May', 'A kite for Mira. Not the red one.');
    await phone.page.until('word that the relay has it', (page) =>
      page.run(async () => {
        const status = await window.__TAURI__.sync.sync.getStatus();
        return status.state === 'connected' && status.pending === 0 && status.lastSyncedAt !== null;
      }),
    );
  }
  await phone.page.click('#badge');
  await phone.page.click('#go-join');
  await phone.page.type('#join-code', code);
  if (!alone) {
    await phone.page.until('a field for the relay', (page) => page.run(() => !document.querySelector('#join-relay').closest('label').hidden));
    await phone.page.type('#join-relay', relay.address);
  }
  await phone.page.click('#join');
  await phone.page.until('two devices', async (page) => {
    const error = await page.text('#join-error');
    if (error !== '') throw new Error(error);
    return page.run(() => document.querySelectorAll('#devices li').length === 2);
  });
  await laptop.page.until('word of the other device', (page) => page.text('#invite-outcome'));
  await laptop.page.click('#sheet-close');
  await phone.page.click('#sheet-close');
  return { relay, laptop, phone };
}

/** Notes go both ways, each shown where it was written before it is anywhere else. */
export async function exchange({ laptop, phone }) {
  // Written before the phone was there, on this relay and before there was one.
  await phone.has('Sunday bread', 'Feed the starter');
  for (const [text] of EARLIER) await phone.has(...text.split('\n', 2));
  await phone.write('Trip to the coast', 'Trains leave at 8:14 and 9:14. Tickets for the ferry are cheaper on the boat.\nBring the blue tent.');
  await laptop.has('Trip to the coast', 'Trains leave');
  await phone.open('Sunday bread');
  await phone.page.type('#body', `${BREAD}\n\n${RYE}`);
  await laptop.open('Sunday bread');
  await laptop.page.until('the change under the writer’s eyes', async (page) => (await page.value('#body')).endsWith(RYE));
  await laptop.indicator('synced');
  await phone.indicator('synced');
}

/** A world for the length of a test. */
export async function inWorld(work) {
  const world = await World.open();
  try {
    await work(world);
  } catch (error) {
    for (const name of ['laptop', 'phone', 'relay']) {
      try {
        console.error(`--- ${name}\n${world.log(name)}`);
      } catch {
        // It was never started.
      }
    }
    throw error;
  } finally {
    await world.close();
  }
}

/** Text and how many days ago. */
const EARLIER = [
  ['Names for the boat\nHalcyon\nPerhaps\nOld Thing', 0.2],
  ['Ideas for the garden\nBeans along the fence, and something that flowers in October.', 1.1],
  ['Books to give back\nThe one about rivers, and both of Hanna’s.', 6],
  ['Paint for the kitchen\nNot white. Two coats, the second on a dry day.', 24],
];
export const BREAD =
  'Feed the starter the evening before.\n\n500 g strong flour, 350 g water, 100 g starter, 10 g salt.\n\n' +
  'Fold every half hour, four times. Shape, then a night in the fridge. Bake in the pot at 250°, lid off after twenty-five minutes.';
const RYE = 'Jonas says: a little rye makes it smell like grandmother’s kitchen.';

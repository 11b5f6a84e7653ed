/** Steps that more than one test takes. */

import { Device, Relay, World } from './world.mjs';

/** A relay and two devices of one group, paired by a typed code. `meanwhile` may look at the pairing screen. */
export async function pair(world, options, meanwhile = async () => undefined) {
  const relay = new Relay(world);
  await relay.start();
  const [laptop, phone] = [new Device(world, 'laptop', options), new Device(world, 'phone', options)];
  await laptop.start();
  await laptop.useRelay(relay.address);
  await laptop.write('Names for the boat', 'Halcyon\nPerhaps\nOld Thing');
  await laptop.write('Ideas for the garden', 'Beans along the fence, and something that flowers in October.');
  await laptop.write('Sunday bread', BREAD);
  await laptop.indicator('synced');

  await laptop.page.click('#badge');
  await laptop.page.click('#go-invite');
  const code = await laptop.page.until('a code', (page) => page.text('#invite-code'));
  await meanwhile(laptop, code);

  await phone.start();
  await phone.page.click('#badge');
  await phone.page.click('#go-join');
  await phone.page.type('#join-code', code);
  await phone.page.until('a field for the relay', (page) => page.run(() => !document.querySelector('#join-relay').closest('label').hidden));
  await phone.page.type('#join-relay', relay.address);
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
  // Written before the phone was there.
  await phone.has('Sunday bread', 'Feed the starter');
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

export const BREAD =
  'Feed the starter the evening before.\n\n500 g strong flour, 350 g water, 100 g starter, 10 g salt.\n\n' +
  'Fold every half hour, four times. Shape, then a night in the fridge. Bake in the pot at 250°, lid off after twenty-five minutes.';
const RYE = 'Jonas says: a little rye makes it smell like grandmother’s kitchen.';

/**
 * The processes of a test: a screen, a relay, and devices, each a whole app behind a driver of its own.
 *
 * Everything started here is ended here, by its process id, also when a test fails: drivers do not die with their parent, and what
 * they leave behind holds ports and screens. Each device has a home of its own, so two of them are as far apart as two machines.
 */

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Session, sleep } from './webdriver.mjs';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const BUILT = process.env.NOTES_E2E_BUILT ?? join(REPOSITORY, 'target', 'e2e');

export class World {
  #folder = mkdtempSync(join(tmpdir(), 'notes-e2e-'));
  #running = [];
  #display;
  #bus;

  /** A screen of a fixed size that nobody looks at, whatever else this machine shows, and a bus on which apps find each other. */
  static async open() {
    const world = new World();
    const bus = world.start('bus', 'dbus-daemon', ['--session', '--nofork', '--nopidfile', '--print-address=3'], { extra: 'pipe' });
    world.#bus = (await firstLine(bus.stdio[3], 'the bus')).trim();
    const args = ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'];
    const screen = world.start('screen', 'Xvfb', args, { extra: 'pipe' });
    const number = await firstLine(screen.stdio[3], 'the screen');
    world.#display = `:${number.trim()}`;
    return world;
  }

  /** Ends everything, the latest first. What was written is kept only when asked for, to look into a failure. */
  async close() {
    for (const child of this.#running.reverse()) await end(child);
    if (process.env.NOTES_E2E_KEEP === undefined) rmSync(this.#folder, { recursive: true, force: true });
    else console.log(`kept: ${this.#folder}`);
  }

  path(name) {
    return join(this.#folder, name);
  }

  start(name, program, args, { env = {}, stdout = 'log', extra } = {}) {
    const log = openSync(this.path(`${name}.log`), 'a');
    const stdio = ['ignore', stdout === 'log' ? log : stdout, log, ...(extra === undefined ? [] : [extra])];
    const child = spawn(program, args, { stdio, env: { ...process.env, ...env } });
    child.on('error', (error) => console.error(`cannot start ${program}: ${error.message}`));
    closeSync(log);
    this.#running.push(child);
    return child;
  }

  /** What a program of this world has to know of it. */
  get env() {
    return { DISPLAY: this.#display, DBUS_SESSION_BUS_ADDRESS: this.#bus };
  }

  /** What a process wrote last, for a failure's message. */
  log(name) {
    return readFileSync(this.path(`${name}.log`), 'utf8').split('\n').slice(-30).join('\n');
  }
}

/** A relay as a process. Its address stays the same over restarts. */
export class Relay {
  #world;
  #port;
  #child;

  constructor(world) {
    this.#world = world;
  }

  async start() {
    this.#port ??= await freePort();
    const args = ['serve', '--data', this.#world.path('relay'), '--tcp', `127.0.0.1:${this.#port}`, '--no-iroh', '--no-http'];
    this.#child = this.#world.start('relay', join(BUILT, 'zerok-relay'), args, { stdout: 'pipe' });
    const line = await firstLine(this.#child.stdout, 'the relay', (text) => text.startsWith('address: '));
    this.address = line.slice('address: '.length).trim();
  }

  /** It keeps its links and answers nothing, until it thaws. */
  freeze() {
    this.#child.kill('SIGSTOP');
  }

  thaw() {
    this.#child.kill('SIGCONT');
  }

  kill() {
    return end(this.#child, 'SIGKILL');
  }
}

/** One device: the app with a home of its own. */
export class Device {
  #world;
  #name;
  #program;
  #driver;
  #env;

  constructor(world, name, { strict = false } = {}) {
    this.#world = world;
    this.#name = name;
    this.#program = join(BUILT, strict ? 'zerok-notes-strict' : 'zerok-notes');
  }

  /** Opens the app's window and waits until it has a page that knows how syncing goes. Arguments are what it is opened with, as a link. */
  async start(...args) {
    const [port, native] = [await freePort(), await freePort()];
    const home = this.#world.path(this.#name);
    const folders = { XDG_DATA_HOME: 'data', XDG_CONFIG_HOME: 'config', XDG_CACHE_HOME: 'cache', XDG_RUNTIME_DIR: 'run' };
    const shown = this.#name[0].toUpperCase() + this.#name.slice(1);
    const env = { ...this.#world.env, HOME: home, GTK_THEME: 'Adwaita', LANG: 'C.UTF-8', ZEROK_NOTES_NAME: shown };
    this.#env = env;
    for (const [variable, folder] of Object.entries(folders)) {
      env[variable] = join(home, folder);
      mkdirSync(env[variable], { recursive: true, mode: 0o700 });
    }
    this.#driver = this.#world.start(this.#name, tauriDriver(), ['--port', `${port}`, '--native-port', `${native}`], { env });
    const driver = `http://127.0.0.1:${port}`;
    await listening(port);
    await listening(native);
    const capabilities = { browserName: 'wry', 'tauri:options': { application: this.#program, args } };
    this.page = await Session.open(driver, capabilities);
    await this.indicator();
    return this.page;
  }

  /** As the system opens a link: the app is started once more, with the link. Answers how that second process ended. */
  async openLink(link) {
    const second = this.#world.start(`${this.#name}-link`, this.#program, [link], { env: this.#env });
    const ended = new Promise((resolve) => second.once('exit', (code, signal) => resolve(code ?? signal)));
    return Promise.race([ended, sleep(30_000).then(() => 'still running')]);
  }

  /** As a crash does it: the app has no chance to write anything. */
  async kill() {
    for (const pid of descendants(this.#driver.pid).filter((pid) => programOf(pid) === this.#program)) process.kill(pid, 'SIGKILL');
    await end(this.#driver, 'SIGKILL');
  }

  /** Ends the driver of an app that has ended by itself. */
  async gone() {
    const deadline = Date.now() + 20_000;
    while (descendants(this.#driver.pid).some((pid) => programOf(pid) === this.#program)) {
      if (Date.now() > deadline) throw new Error(`${this.#name} does not close`);
      await sleep(50);
    }
    await end(this.#driver);
  }

  /** The badge's state, once there is one; or waits until it is the wanted one. */
  indicator(wanted, patience = 60_000) {
    const look = async () => {
      const seen = await this.page.attribute('#badge', 'data-indicator');
      return wanted === undefined || seen === wanted ? seen : Promise.reject(new Error(`${this.#name} is ${seen}`));
    };
    return this.page.until(`${this.#name}'s badge ${wanted ?? ''}`, look, patience);
  }

  async useRelay(address) {
    await this.page.click('#badge');
    await this.page.click('#go-settings');
    await this.page.type('#relay', address);
    await this.page.click('#save-relay');
    await this.page.until('the relay is taken', (page) => page.run(() => document.querySelector('.notice')?.textContent === 'The relay is set.'));
    await this.page.click('#sheet-close');
  }

  /** Makes a note by typing. */
  async write(title, body) {
    const before = await this.page.run(() => document.querySelectorAll('.row').length);
    await this.page.click('#new-note');
    await this.page.until('a new row', (page) => page.run((count) => document.querySelectorAll('.row').length > count, before));
    await this.page.type('#title', title);
    await this.page.type('#body', body);
  }

  /** Puts text before what the open note says, as pasting does: at once. */
  async paste(text) {
    await this.page.run((given) => {
      const body = document.querySelector('#body');
      body.setRangeText(given, 0, 0, 'end');
      body.dispatchEvent(new Event('input', { bubbles: true }));
    }, text);
  }

  /** Notes of earlier days, as if they had come from a device that is gone: nothing of them is at the relay. */
  async remember(notes) {
    await this.page.run(async (given) => {
      for (const [index, [text, days]] of given.entries()) {
        const id = String(index).repeat(32);
        const note = { id, text, deleted: false, updatedAt: Date.now() - Math.round(days * 86_400_000), revision: id };
        await window.__TAURI_INTERNALS__.invoke('apply_remote', { note });
      }
    }, notes);
    await this.page.reload();
    await this.indicator();
  }

  /** Every state of the badge from now on, in order: a look now and then may miss one. */
  watchBadge() {
    return this.page.run(() => {
      const badge = document.querySelector('#badge');
      window.badges = [badge.dataset.indicator];
      new MutationObserver(() => {
        if (badge.dataset.indicator !== window.badges.at(-1)) window.badges.push(badge.dataset.indicator);
      }).observe(badge, { attributes: true, attributeFilter: ['data-indicator'] });
    });
  }

  async open(title) {
    await this.page.until(`the note ${title}`, (page) =>
      page.run((wanted) => {
        const row = [...document.querySelectorAll('.row')].find((each) => each.querySelector('.row-title').textContent === wanted);
        row?.click();
        return row !== undefined;
      }, title),
    );
  }

  /** Waits for a note in the list, and what its text begins with. */
  async has(title, text = '', patience = 60_000) {
    await this.page.until(
      `the note ${title}`,
      async (page) => {
        const rows = await page.run(() => [...document.querySelectorAll('.row')].map((row) => [...row.children].map((part) => part.textContent)));
        return rows.some(([first, , snippet]) => first === title && snippet.startsWith(text)) || Promise.reject(new Error(JSON.stringify(rows)));
      },
      patience,
    );
  }
}

async function end(child, signal = 'SIGTERM') {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const pids = descendants(child.pid);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(late);
  // A driver leaves its browser behind.
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It went with its parent.
    }
  }
}

/** Every process below this one. */
function descendants(root) {
  const children = new Map();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      // The program's name stands in parentheses and may contain anything; what follows it does not.
      const parent = Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [];
  for (let next = [root]; next.length > 0; ) {
    next = next.flatMap((pid) => children.get(pid) ?? []);
    found.push(...next);
  }
  return found;
}

function programOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0];
  } catch {
    return undefined;
  }
}

function tauriDriver() {
  return process.env.TAURI_DRIVER ?? join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin', 'tauri-driver');
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listening(port) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      // Any answer will do.
      await fetch(`http://127.0.0.1:${port}/status`, { signal: AbortSignal.timeout(2_000) });
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`nobody listens at port ${port}: ${error}`);
      await sleep(50);
    }
  }
}

/** The first line a process says that is wanted. */
function firstLine(stream, what, wanted = () => true) {
  return new Promise((resolve, reject) => {
    let text = '';
    const late = setTimeout(() => reject(new Error(`${what} stays silent`)), 20_000);
    stream.setEncoding('utf8');
    stream.on('data', (part) => {
      text += part;
      const line = text.split('\n').slice(0, -1).find(wanted);
      if (line === undefined) return;
      clearTimeout(late);
      resolve(line);
    });
    stream.on('end', () => reject(new Error(`${what} ended too early: ${text}`)));
  });
}

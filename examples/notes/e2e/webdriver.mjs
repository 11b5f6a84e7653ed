/**
 * A WebDriver client of the size this needs: elements, text, scripts, screenshots, and waiting for something to become true.
 *
 * Every request has a time limit, because a driver that has lost its browser answers nobody. Waiting asks again until a deadline and
 * says what it saw last; nothing here sleeps and hopes.
 */

import { writeFile } from 'node:fs/promises';

const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
const ENTER = '\uE007';
const PATIENCE_MS = 20_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Session {
  #base;

  constructor(base) {
    this.#base = base;
  }

  /** Opens a window. `driver` is the address of a WebDriver. */
  static async open(driver, capabilities) {
    const { sessionId } = await request('POST', `${driver}/session`, { capabilities: { alwaysMatch: capabilities } }, 60_000);
    const session = new Session(`${driver}/session/${sessionId}`);
    // A script of ours may take as long as a push of 8 MiB as JSON.
    await session.#post('timeouts', { script: 120_000, pageLoad: 60_000, implicit: 0 });
    return session;
  }

  close() {
    return request('DELETE', this.#base);
  }

  async go(url) {
    await this.#post('url', { url });
  }

  reload() {
    return this.#post('refresh', {});
  }

  /** Runs a function in the page. What it returns, also by a promise, must be JSON. */
  async run(work, ...args) {
    const body = `const done = arguments[arguments.length - 1];
      Promise.resolve((${work})(...[...arguments].slice(0, -1))).then(
        (value) => done({ value: value ?? null }),
        (error) => done({ error: String(error?.code ?? '') + ' ' + String(error?.message ?? error) }),
      );`;
    const answer = await this.#post('execute/async', { script: body, args }, 130_000);
    if (answer.error !== undefined) throw new Error(`in the page: ${answer.error}`);
    return answer.value;
  }

  /** Starts a function in the page and does not wait for its end. */
  start(work, ...args) {
    return this.#post('execute/sync', { script: `void (${work})(...arguments);`, args });
  }

  async click(selector) {
    await this.#post(`element/${await this.#find(selector)}/click`, {});
  }

  /** Replaces what a field contains, key by key. */
  async type(selector, text) {
    const element = await this.#find(selector);
    await this.#post(`element/${element}/clear`, {});
    // A line's end is a key, and the drivers drop the character.
    await this.#post(`element/${element}/value`, { text: text.replaceAll('\n', ENTER) });
  }

  async text(selector) {
    return this.run((css) => document.querySelector(css)?.textContent ?? '', selector);
  }

  async value(selector) {
    return this.run((css) => document.querySelector(css)?.value ?? '', selector);
  }

  attribute(selector, name) {
    return this.run((css, key) => document.querySelector(css)?.getAttribute(key) ?? null, selector, name);
  }

  /** Waits until `look` answers with something true, and answers with that. */
  async until(what, look, patience = PATIENCE_MS) {
    const deadline = Date.now() + patience;
    let seen;
    for (;;) {
      try {
        seen = await look(this);
      } catch (error) {
        seen = error;
      }
      if (seen && !(seen instanceof Error)) return seen;
      if (Date.now() > deadline) throw new Error(`waited ${patience} ms in vain for: ${what} (last: ${seen})`);
      await sleep(50);
    }
  }

  async screenshot(path) {
    const image = await request('GET', `${this.#base}/screenshot`);
    await writeFile(path, Buffer.from(image, 'base64'));
  }

  async #find(selector) {
    const found = await this.until(`an element ${selector}`, () =>
      this.#post('element', { using: 'css selector', value: selector }).catch((error) => error),
    );
    return found[ELEMENT];
  }

  #post(path, body, patience) {
    return request('POST', `${this.#base}/${path}`, body, patience);
  }
}

async function request(method, url, body, patience = 30_000) {
  const response = await fetch(url, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    signal: AbortSignal.timeout(patience),
  });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${method} ${new URL(url).pathname}: ${value?.error} ${value?.message}`);
  return value;
}

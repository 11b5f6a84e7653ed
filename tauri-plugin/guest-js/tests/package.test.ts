// @vitest-environment node

import { createRequire } from 'node:module';

import { expect, it } from 'vitest';

import * as source from '../index.js';

// `npm test` builds it first.
it('the package offers the same to `import` and to `require`, by its name', async () => {
  const name = '@0k-sync/tauri-plugin';
  const required = createRequire(import.meta.url)(name) as typeof source;
  const imported = (await import(new URL('../../dist-js/index.js', import.meta.url).href)) as typeof source;
  for (const offered of [required, imported]) {
    expect(Object.keys(offered).sort()).toEqual(Object.keys(source).sort());
    expect(offered.sync.status()).toMatchObject({ state: 'disabled' });
    expect(new offered.SyncError({ code: 'busy', message: 'Busy.', retryable: true })).toBeInstanceOf(Error);
  }
});

// From the compiler's modules: one file for `import`, one for `require`, and one for apps without a bundler, which Tauri injects where
// `withGlobalTauri` is set. That last one is committed, because the crate is built without npm.

import { nodeResolve } from '@rollup/plugin-node-resolve';

const input = 'dist-js/modules/index.js';
const api = /^@tauri-apps\/api/;

export default [
  {
    input,
    external: api,
    output: [
      { file: 'dist-js/index.js', format: 'es' },
      { file: 'dist-js/index.cjs', format: 'cjs' },
    ],
  },
  {
    input,
    plugins: [nodeResolve()],
    output: {
      file: 'api-iife.js',
      format: 'iife',
      name: '__TAURI_PLUGIN_SYNC__',
      banner: "if ('__TAURI__' in window) {",
      footer: "Object.defineProperty(window.__TAURI__, 'sync', { value: __TAURI_PLUGIN_SYNC__ });\n}",
    },
  },
];

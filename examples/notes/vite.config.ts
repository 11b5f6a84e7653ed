import { defineConfig } from 'vite';

export default defineConfig({
  // The package is linked from this repository and has an API package of its own for its tests; one copy is enough.
  resolve: { dedupe: ['@tauri-apps/api'] },
  build: { target: 'es2022', modulePreload: false, assetsInlineLimit: 0 },
  clearScreen: false,
});

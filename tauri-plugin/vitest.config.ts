import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The quick start is read where it stands, beside this package.
  server: { fs: { allow: ['..'] } },
  test: {
    environment: 'happy-dom',
    include: ['guest-js/tests/**/*.test.ts'],
    restoreMocks: true,
    unstubGlobals: true,
    alias: {
      // The specified example imports the package by its name.
      '@0k-sync/tauri-plugin': new URL('./guest-js/index.ts', import.meta.url).pathname,
    },
  },
});

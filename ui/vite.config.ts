import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// Vendor code sits in chunks of its own, so that an ordinary change touches only the application's chunks.
const vendors: [string, RegExp][] = [
  ['react', /node_modules\/(react|react-dom|scheduler)\//],
  ['editor', /node_modules\/(@codemirror|@lezer|@prometheus-io|lru-cache|style-mod|w3c-keyname|crelt|@marijn)\//],
  ['charts', /node_modules\/uplot\//],
  ['vendor', /node_modules\//],
];

export default defineConfig({
  base: './',
  plugins: [react()],
  build: {
    target: 'es2022',
    outDir: 'dist',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: vendors.map(([name, test]) => ({ name, test })),
        },
      },
    },
  },
  test: { include: ['src/**/*.test.ts', 'test/**/*.test.ts'], environment: 'node' },
});

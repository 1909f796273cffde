import { defineConfig } from 'vite';

/** What the waiting room needs: one file, so that it compresses as a whole. */
const CORE = /node_modules\/(preact|@preact)\/|src\/(app|api|session)\/|src\/screens\/(wait|over)\b/;
const LATER = /src\/app\/(advice|trouble-card|poster|sheet|controls|prefs)|src\/api\/seat-feed/;

export default defineConfig({
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        minify: { mangle: { toplevel: true }, compress: true },
        codeSplitting: { groups: [{ name: 'core', test: (id: string) => CORE.test(id) && !LATER.test(id) }] },
      },
    },
  },
  server: { proxy: { '/api': { target: 'http://127.0.0.1:8787', ws: true }, '/healthz': 'http://127.0.0.1:8787' } },
});

import { defineConfig, type Plugin } from 'vite';

/** What the waiting room needs: one file, so that it compresses as a whole. */
const CORE = /node_modules\/(preact|@preact)\/|src\/(app|api|session)\/|src\/screens\/(wait|over)\b/;
const LATER = /src\/app\/(advice|trouble-card|poster|sheet|controls|prefs)|src\/api\/seat-feed/;

/** Tells boot.js which files the first screens need, so that they are asked for together with the core. */
const early: Plugin = {
  name: 'early',
  transformIndexHtml: {
    order: 'post',
    handler(html, { bundle }) {
      const filesOf = (screen: string): string => {
        const chunks = Object.values(bundle ?? {}).filter((file) => file.type === 'chunk');
        const chunk = chunks.find(({ facadeModuleId }) => facadeModuleId?.endsWith(`/screens/${screen}.tsx`));
        return [chunk?.fileName, ...(chunk?.imports ?? [])].filter((file) => file && !file.includes('/core-')).map((file) => `/${file}`).join(' ');
      };
      return html.replace('<script src="/boot.js">', `<script src="/boot.js" data-home="${filesOf('home')}" data-event="${filesOf('event')}">`);
    },
  },
};

export default defineConfig({
  plugins: [early],
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

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// In development the API comes from a running central or from development/server-double.mjs.
const central = 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: 'dist',
    // Inlined assets would need `data:` in the Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/graphql': { target: central, ws: true },
      '/media': { target: central, ws: true },
      '/API': { target: central },
    },
  },
});

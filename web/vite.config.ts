/// <reference types="vitest/config" />
import { copyFileSync, mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import vue from '@vitejs/plugin-vue'
import { defineConfig, type Plugin } from 'vite'

const here = import.meta.dirname

/** Which pages a server carries, and where its build goes. */
const SERVERS: Record<string, { pages: string[]; out: string; api: string }> = {
  station: { pages: ['station.html'], out: '../edge_agent/static', api: 'http://127.0.0.1:8080' },
  hub: { pages: ['reading.html', 'console.html'], out: '../hub/static', api: 'http://127.0.0.1:8000' },
}

/** The hub embeds this font in report PDFs; it travels in the wheel with its licence. */
function reportFont(out: string): Plugin {
  const source = resolve(here, 'node_modules/@expo-google-fonts/noto-sans-sc')
  return {
    name: 'report-font',
    closeBundle: () => {
      mkdirSync(resolve(out, 'fonts'), { recursive: true })
      copyFileSync(
        resolve(source, '400Regular/NotoSansSC_400Regular.ttf'),
        resolve(out, 'fonts/NotoSansSC-Regular.ttf'),
      )
      copyFileSync(resolve(source, 'LICENSE_FONT'), resolve(out, 'fonts/OFL.txt'))
    },
  }
}

export default defineConfig(({ mode, command }) => {
  const server = SERVERS[mode] ?? SERVERS.hub
  const out = resolve(here, server.out)
  const api = process.env.MAITONG_API ?? server.api
  return {
    plugins: [
      vue(),
      ...(command === 'build' && mode === 'hub' ? [reportFont(out)] : []),
    ],
    resolve: { alias: { '@': resolve(here, 'src') } },
    build: {
      target: 'es2022',
      outDir: out,
      emptyOutDir: true,
      // The pages run under `default-src 'self'`: nothing may be inlined as a data: address.
      assetsInlineLimit: 0,
      rollupOptions: { input: server.pages.map((page) => resolve(here, page)) },
    },
    server: { host: '127.0.0.1', proxy: { '/api': { target: api, ws: true }, '/health': api } },
    test: { environment: 'node', include: ['src/**/*.test.ts'], setupFiles: ['src/node.setup.ts'] },
  }
})

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const SERVER_URL = process.env["RLHB_SERVER_URL"] ?? "http://127.0.0.1:8765";

export default defineConfig({
  plugins: [svelte()],
  base: "/",
  build: { outDir: "dist", assetsDir: "assets", target: "es2022", chunkSizeWarningLimit: 400 },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": SERVER_URL, "/ws": { target: SERVER_URL.replace(/^http/, "ws"), ws: true } },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});

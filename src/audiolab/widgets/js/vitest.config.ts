import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["src/**/*.test.ts"], testTimeout: 30_000, pool: "threads", poolOptions: { threads: { singleThread: true } } } });

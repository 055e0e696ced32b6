// Builds ../static/audiolab.js: one file, because a module loaded from a blob finds no neighbours.
import { build } from "esbuild";
import { copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

// The worklet runs in a scope of its own: it is bundled first and travels as text.
const worklet = await build({
  entryPoints: [join(here, "src/transport/worklet.ts")],
  bundle: true,
  format: "iife",
  target: "es2022",
  minify: true,
  write: false,
});
await build({
  entryPoints: [join(here, "src/main.ts")],
  outfile: join(here, "../static/audiolab.js"),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "inline",
  loader: { ".css": "text" },
  define: { "define.amd": "false", WORKLET_CODE: JSON.stringify(worklet.outputFiles[0].text) },
  logLevel: "warning",
});

// onnxruntime-web is large and few pages need it: a file of its own, and its WebAssembly beside it.
await build({
  entryPoints: [join(here, "src/onnx/main.ts")],
  outfile: join(here, "../static/audiolab-onnx.js"),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "inline",
  logLevel: "warning",
});
await copyFile(join(here, "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"), join(here, "../static/audiolab-onnx.wasm"));

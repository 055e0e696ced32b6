// A bundle of its own, fetched when a page first runs a model: onnxruntime-web, WebAssembly only, one thread.
import * as ort from "onnxruntime-web/wasm";

// experiments/browser_inference measures the page's code itself.
export { listen, prepare } from "../preparing";
export { probabilities } from "../probabilities";

/** A graph that is ready to run. */
export interface Graph {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  run(feeds: Record<string, { data: Float32Array; shape: number[] }>): Promise<Record<string, { data: Float32Array; shape: readonly number[] }>>;
  close(): Promise<void>;
}

/** Hand over the WebAssembly; a module loaded from a blob finds no file beside it. */
export function start(wasm: ArrayBuffer | Uint8Array): void {
  ort.env.wasm.wasmBinary = wasm as ArrayBuffer;
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
}

export async function open(model: Uint8Array): Promise<Graph> {
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(feeds) {
      const tensors = Object.fromEntries(Object.entries(feeds).map(([name, { data, shape }]) => [name, new ort.Tensor("float32", data, shape)]));
      const found = await session.run(tensors);
      return Object.fromEntries(Object.entries(found).map(([name, tensor]) => [name, { data: tensor.data as Float32Array, shape: tensor.dims }]));
    },
    close: () => session.release(),
  };
}

import type { Heard } from "./audition";
import type { Proposal } from "./browser_columns";
import type { Graph } from "./onnx/main";
import { type FilterBank, FRAMES, listen, prepare, RATE } from "./preparing";
import { probabilities } from "./probabilities";
import type { Rpc } from "./rpc";

type Runtime = typeof import("./onnx/main");

interface Told {
  weights: string;
  labels: string[];
  dimensions: number;
  temperature: number;
  unknown_below: number;
  unknown: string;
  families: Record<string, string>;
}

const TOP = 5;
const page = globalThis as { __audiolab_onnx?: Promise<Runtime> };

/** onnxruntime-web for this page; fetched from the kernel once. */
export function runtime(rpc: Rpc): Promise<Runtime> {
  if (!page.__audiolab_onnx) {
    page.__audiolab_onnx = fetchRuntime(rpc);
    page.__audiolab_onnx.catch(() => delete page.__audiolab_onnx);
  }
  return page.__audiolab_onnx;
}

async function fetchRuntime(rpc: Rpc): Promise<Runtime> {
  const [code, wasm] = await Promise.all([rpc.call("runtime"), rpc.call("runtime_wasm")]);
  const url = URL.createObjectURL(new Blob([bytes(code.buffers[0])], { type: "text/javascript" }));
  try {
    const made = (await import(/* @vite-ignore */ url)) as Runtime;
    made.start(bytes(wasm.buffers[0]));
    return made;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The shipped classifier, in the page: the same encoder and head as `classify` in Python. */
export class Classifier {
  private static loading: Promise<Classifier> | null = null;
  private static loaded = false;
  private readonly banks = new Map<number, Promise<FilterBank | null>>();

  private constructor(
    private readonly rpc: Rpc,
    private readonly told: Told,
    private readonly graph: Graph,
    private readonly weight: Float32Array,
    private readonly bias: Float32Array,
  ) {}

  static get ready(): boolean {
    return Classifier.loaded;
  }

  static load(rpc: Rpc): Promise<Classifier> {
    if (!Classifier.loading) {
      Classifier.loading = Classifier.fetch(rpc);
      Classifier.loading.catch(() => (Classifier.loading = null));
    }
    return Classifier.loading.then((known) => (known.rpc === rpc ? known : known.over(rpc)));
  }

  private static async fetch(rpc: Rpc): Promise<Classifier> {
    const [{ result, buffers }, made] = await Promise.all([rpc.call<Told>("classifier"), runtime(rpc)]);
    const graph = await made.open(bytes(buffers[0]));
    Classifier.loaded = true;
    return new Classifier(rpc, result, graph, floats(buffers[1]), floats(buffers[2]));
  }

  /** The same classifier that asks through another view. */
  private over(rpc: Rpc): Classifier {
    return new Classifier(rpc, this.told, this.graph, this.weight, this.bias);
  }

  async classify(heard: Heard): Promise<Proposal> {
    const input = await this.input(heard);
    const vector = input ? (await this.graph.run({ audio: { data: input, shape: [1, FRAMES] } })).embedding.data : null;
    return { id: heard.id, ...this.say(vector) };
  }

  /** The encoder's input: made here, or by the kernel for odd rates and of sounds that are here only in part. */
  private async input(heard: Heard): Promise<Float32Array | null> {
    if (!heard.frames) return null;
    const whole = heard.channels[0].length >= heard.frames;
    const bank = whole && heard.sampleRate !== RATE ? await this.bank(heard.sampleRate) : null;
    if (whole && (bank || heard.sampleRate === RATE)) return prepare(listen(heard.channels, heard.sampleRate), heard.sampleRate, bank);
    const { result, buffers } = await this.rpc.call<{ sounds: { error?: string; silent: boolean; at: number }[] }>("prepared", { ids: [heard.id] });
    const [sound] = result.sounds;
    if (sound.error !== undefined) throw new Error(sound.error);
    return sound.silent ? null : floats(buffers[sound.at]);
  }

  private bank(rate: number): Promise<FilterBank | null> {
    let found = this.banks.get(rate);
    if (!found) {
      found = this.rpc.call<Omit<FilterBank, "bank" | "first">>("resampler", { rate }).then(({ result, buffers }) =>
        result.up ? { ...result, bank: floats(buffers[0]), first: floats(buffers[1]) } : null,
      );
      found.catch(() => this.banks.delete(rate));
      this.banks.set(rate, found);
    }
    return found;
  }

  private say(vector: Float32Array | null): Omit<Proposal, "id"> {
    const { labels, families, unknown, unknown_below } = this.told;
    const shares = probabilities(vector, this.weight, this.bias, labels.length, this.told.temperature);
    const order = labels.map((_, i) => i).sort((a, b) => shares[b] - shares[a] || a - b);
    const confidence = shares[order[0]];
    const label = !vector || confidence < unknown_below ? unknown : labels[order[0]];
    return { label, family: families[label] ?? unknown, confidence, top: order.slice(0, TOP).map((i) => [labels[i], shares[i]]) };
  }
}

function bytes(view: DataView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) as ArrayBuffer);
}

function floats(view: DataView): Float32Array {
  return new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

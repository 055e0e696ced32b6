// The page's side of the experiment: the widgets' own code (audiolab-onnx.js) between plain requests over HTTP.
let runtime = null;
let graph = null;
let head = null;
const banks = new Map();

const body = async (url, options) => {
  const answer = await fetch(url, options);
  if (!answer.ok) throw new Error(`${url}: ${await answer.text()}`);
  return answer;
};
const binary = async (url) => new Uint8Array(await (await body(url)).arrayBuffer());
const told = (answer) => JSON.parse(answer.headers.get("X-Told"));

/** Fetch and start everything; gives the milliseconds it took. */
globalThis.start = async () => {
  const begun = performance.now();
  const [module, wasm, encoder, answer] = await Promise.all([
    import("/audiolab-onnx.js"), binary("/audiolab-onnx.wasm"), binary("/encoder.onnx"), body("/head"),
  ]);
  runtime = module;
  runtime.start(wasm);
  graph = await runtime.open(encoder);
  const facts = told(answer);
  const values = new Float32Array(await answer.arrayBuffer());
  const size = facts.dimensions * facts.labels.length;
  head = { ...facts, weight: values.subarray(0, size), bias: values.subarray(size) };
  return performance.now() - begun;
};

const bank = async (rate) => {
  if (rate === 32000) return null;
  if (!banks.has(rate)) {
    const answer = await body(`/resampler/${rate}`);
    const facts = told(answer);
    const values = new Float32Array(await answer.arrayBuffer());
    const size = facts.up * facts.taps;
    banks.set(rate, { ...facts, bank: values.subarray(0, size), first: values.subarray(size) });
  }
  return banks.get(rate);
};

/** Fetch samples of some sounds. */
globalThis.bring = async (from, count) => {
  const sounds = [];
  for (let at = from; at < from + count; at += 50) {
    const answer = await body(`/sounds/${at}/${Math.min(50, from + count - at)}`);
    const values = new Float32Array(await answer.arrayBuffer());
    let place = 0;
    for (const { rate, channels, frames } of told(answer)) {
      sounds.push({ rate, channels: Array.from({ length: channels }, (_, c) => values.subarray(place + c * frames, place + (c + 1) * frames)) });
      place += channels * frames;
    }
  }
  return sounds;
};

let kept = [];

/** Have some sounds here before the clock runs. */
globalThis.hold = async (from, count) => {
  kept = await bring(from, count);
};

/** Classify sounds whose samples are here, one by one as the browser widget does. */
globalThis.classify = async (sounds) => {
  const found = [];
  for (const { rate, channels } of sounds) {
    const input = runtime.prepare(runtime.listen(channels, rate), rate, await bank(rate));
    const vector = input ? (await graph.run({ audio: { data: input, shape: [1, input.length] } })).embedding.data : null;
    found.push(runtime.probabilities(vector, head.weight, head.bias, head.labels.length, head.temperature));
  }
  return found;
};

const clocked = async (work) => {
  const begun = performance.now();
  const result = await work();
  return { milliseconds: performance.now() - begun, result };
};

globalThis.ways = {
  page: (from, count) => clocked(async () => classify(await bring(from, count))),
  held: () => clocked(() => classify(kept)),
  kernel: (from, count) => clocked(async () => (await body(`/kernel/${from}/${count}`)).json()),
  dask: (from, count) => clocked(async () => (await body(`/dask/${from}/${count}`)).json()),
};

/** Basic Pitch on windows of 43,844 frames at 22.05 kHz. */
globalThis.notes = async (windows) => {
  const begun = performance.now();
  const model = await runtime.open(await binary("/basic_pitch.onnx"));
  const opened = performance.now() - begun;
  const samples = new Float32Array((await binary(`/windows/${windows}`)).buffer);
  const size = samples.length / windows;
  const started = performance.now();
  let outputs = null;
  for (let i = 0; i < windows; i++) {
    outputs = await model.run({ [model.inputs[0]]: { data: samples.slice(i * size, (i + 1) * size), shape: [1, size, 1] } });
  }
  const milliseconds = performance.now() - started;
  const named = Object.fromEntries(model.outputs.map((name) => [name, [...outputs[name].data]]));
  await model.close();
  return { opened, milliseconds, last: named };
};

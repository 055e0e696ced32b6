/**
 * From samples to the encoder's input: what stages/classification/preparing.py does, step by step, in the page.
 * A test in the browser compares both on the same sounds.
 */

export const RATE = 32000;
export const FRAMES = 40960;
const LISTEN_SECONDS = 4;
const SILENCE = Math.fround(3e-5);
const START = 0.01; // -40 dB
const LEAD = 0.002;
const FADE = 0.003;
const SHORTEST = 0.004;

/** soxr's filters from one rate to the encoder's (widgets/browser_tagging.py: FilterBank). */
export interface FilterBank {
  up: number;
  down: number;
  left: number;
  taps: number;
  bank: Float32Array;
  first: Float32Array;
}

export const toFrames = (seconds: number, rate: number): number => Math.floor(seconds * rate + 0.5);

/** The mean of the channels; where they cancel each other, the louder one. */
export function toMono(channels: Float32Array[]): Float32Array {
  if (channels.length === 1) return channels[0];
  const mono = new Float32Array(channels[0].length);
  const energies = channels.map(() => 0);
  let energy = 0;
  for (let i = 0; i < mono.length; i++) {
    let sum = 0;
    channels.forEach((channel, c) => {
      sum += channel[i];
      energies[c] += channel[i] * channel[i];
    });
    mono[i] = sum / channels.length;
    energy += mono[i] * mono[i];
  }
  const loudest = Math.max(...energies);
  return energy < 0.01 * loudest ? channels[energies.indexOf(loudest)] : mono;
}

/** The first 4 s from the first audible second on, mono; of a sound that lies here whole. */
export function listen(channels: Float32Array[], rate: number): Float32Array {
  const want = toFrames(LISTEN_SECONDS, rate);
  const size = Math.max(1, Math.min(want, toFrames(1, rate)));
  const frames = channels[0]?.length ?? 0;
  let start = 0;
  while (start < frames && channels.every((channel) => isFlat(channel.subarray(start, start + size)))) start += size;
  const parts = channels.map((channel) => channel.subarray(start, Math.min(frames, start + want)));
  return toMono(parts);
}

function isFlat(part: Float32Array): boolean {
  const mean = part.reduce((sum, value) => sum + value, 0) / part.length;
  return part.every((value) => Math.abs(value - mean) < SILENCE);
}

/** Cut, fade, resample and level; null if there is nothing to be heard. */
export function prepare(sound: Float32Array, rate: number, bank: FilterBank | null): Float32Array | null {
  if (!sound.length) return null;
  let sum = 0;
  for (const value of sound) sum += value;
  const mean = sum / sound.length;
  const mono = sound.map((value) => value - mean);
  let peak = 0;
  for (const value of mono) peak = Math.max(peak, Math.abs(value));
  if (peak < SILENCE) return null;
  const least = Math.fround(peak * START);
  const first = mono.findIndex((value) => Math.abs(value) >= least);
  const start = Math.max(0, first - toFrames(LEAD, rate));
  if (mono.length - start < toFrames(SHORTEST, rate)) return null;
  const part = mono.slice(start, start + toFrames((FRAMES + 64) / RATE, rate));
  const fade = Math.min(part.length, toFrames(FADE, rate));
  if (fade && start + part.length >= mono.length) {
    for (let i = 0; i < fade; i++) part[part.length - fade + i] *= Math.fround(1 - i / fade);
  }
  const out = new Float32Array(FRAMES);
  out.set((bank ? resample(part, rate, bank) : part).subarray(0, FRAMES));
  let top = 0;
  for (const value of out) top = Math.max(top, Math.abs(value));
  return top > 0 ? out.map((value) => value / top) : null;
}

export function resample(sound: Float32Array, rate: number, { up, down, left, taps, bank, first }: FilterBank): Float32Array {
  const count = Math.min(FRAMES, Math.floor((sound.length * RATE) / rate + 0.5));
  const out = new Float32Array(count);
  const begin = Math.min(count, first.length / taps);
  for (let m = 0; m < begin; m++) {
    let sum = 0;
    for (let n = 0; n < Math.min(taps, sound.length); n++) sum += first[m * taps + n] * sound[n];
    out[m] = sum;
  }
  for (let m = begin; m < count; m++) {
    const at = Math.floor((m * down) / up) - left;
    const row = ((m * down) % up) * taps;
    const from = Math.max(0, -at);
    const to = Math.min(taps, sound.length - at);
    let sum = 0;
    for (let j = from; j < to; j++) sum += bank[row + j] * sound[at + j];
    out[m] = sum;
  }
  return out;
}

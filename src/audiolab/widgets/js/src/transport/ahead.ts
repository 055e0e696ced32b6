import { CHUNK, type Loop } from "./engine";

const AHEAD_SECONDS = 30;
const BEHIND_CHUNKS = 1;

/** Chunks that will be heard within 30 s from a frame on, the next one first; a loop's beginning follows its end. */
export function upcoming(from: number, length: number, sampleRate: number, loop: Loop | null, most = Infinity): number[] {
  const found: number[] = [];
  let frame = from;
  let left = AHEAD_SECONDS * sampleRate;
  while (left > 0 && found.length < most && frame < length) {
    const index = Math.floor(frame / CHUNK);
    if (found.includes(index) && loop && frame === loop.start) break;
    if (!found.includes(index)) found.push(index);
    let next = (index + 1) * CHUNK;
    if (loop && frame < loop.stop && next >= loop.stop) next = loop.stop;
    left -= next - frame;
    frame = loop && next === loop.stop ? loop.start : next;
  }
  return found;
}

/** Whether a chunk stays though it is not upcoming: the first one, and what was heard just now. */
export function stays(index: number, frame: number): boolean {
  const here = Math.floor(frame / CHUNK);
  return index === 0 || (index <= here && index >= here - BEHIND_CHUNKS);
}

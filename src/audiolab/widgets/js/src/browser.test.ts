import { describe, expect, it } from "vitest";
import { ByteCache } from "./audition";
import { length } from "./browser_columns";
import { nameOf } from "./keys";
import { listen, prepare, resample, toFrames, toMono } from "./preparing";
import { probabilities } from "./probabilities";
import { ROW, rowsInWindow } from "./table";

const tone = (frames: number, from = 0): Float32Array => Float32Array.from({ length: frames }, (_, i) => (i < from ? 0 : 0.5 * Math.sin(i / 5)));

describe("rowsInWindow", () => {
  it("gives what is seen, with some more, within the table", () => {
    expect(rowsInWindow(0, 10 * ROW, 100_000, 0)).toEqual({ first: 0, stop: 10 });
    expect(rowsInWindow(50_000 * ROW + 1, 10 * ROW, 100_000, 4)).toEqual({ first: 49_996, stop: 50_015 });
    expect(rowsInWindow(0, 10 * ROW, 3)).toEqual({ first: 0, stop: 3 });
    expect(rowsInWindow(99 * ROW, 10 * ROW, 0)).toEqual({ first: 0, stop: 0 });
  });
});

describe("ByteCache", () => {
  it("forgets what was used longest ago, never what came last", () => {
    const cache = new ByteCache<string>(10);
    cache.set("a", "A", 4);
    cache.set("b", "B", 4);
    cache.get("a");
    cache.set("c", "C", 4);
    expect([cache.has("a"), cache.has("b"), cache.has("c"), cache.bytes]).toEqual([true, false, true, 8]);
    cache.set("huge", "H", 99);
    expect([cache.has("huge"), cache.has("a"), cache.bytes]).toEqual([true, false, 99]);
    cache.set("huge", "h", 3);
    expect(cache.bytes).toBe(3);
  });
});

describe("keys", () => {
  it("knows Alt and a digit whatever sign the keyboard gives", () => {
    const plain = { shiftKey: false, altKey: true, ctrlKey: false, metaKey: false };
    expect(nameOf({ ...plain, key: "¡", code: "Digit1" })).toBe("Alt+1");
    expect(nameOf({ ...plain, key: "3", code: "Numpad3" })).toBe("Alt+3");
    expect(nameOf({ ...plain, altKey: false, key: "é", code: "Digit2" })).toBe("é");
  });
});

describe("length", () => {
  it("is short", () => {
    expect([0.254, 12.34, 61, 3599.6].map(length)).toEqual(["0.25 s", "12.3 s", "1:01", "60:00"]);
  });
});

describe("preparing", () => {
  it("takes the louder channel where both cancel each other", () => {
    const wave = tone(100);
    expect(toMono([wave.map((value) => -0.9 * value), wave])).toBe(wave);
    expect(toMono([Float32Array.of(1, 0), Float32Array.of(0, 1)])).toEqual(Float32Array.of(0.5, 0.5));
  });

  it("skips whole seconds of silence and hears 4 s", () => {
    const heard = listen([tone(8 * 8000, 2.5 * 8000)], 8000);
    expect(heard.length).toBe(4 * 8000);
    expect(heard.findIndex((value) => value !== 0)).toBe(4000);
  });

  it("begins 2 ms before the sound, at full scale, padded", () => {
    const made = prepare(tone(16000, 8000), 32000, null)!;
    expect(made.length).toBe(40960);
    expect(Math.max(...made.map(Math.abs))).toBe(1);
    expect(made[0]).toBeCloseTo(made[10], 4);
    expect(made.subarray(8064).every((value) => value === 0)).toBe(true);
  });

  it("finds nothing in silence, constants and clicks", () => {
    expect(prepare(new Float32Array(1000), 32000, null)).toBeNull();
    expect(prepare(new Float32Array(1000).fill(0.5), 32000, null)).toBeNull();
    expect(prepare(new Float32Array(0), 32000, null)).toBeNull();
    expect(prepare(tone(50), 32000, null)).toBeNull();
  });

  it("resamples by the rows of the bank", () => {
    // 64 kHz to 32 kHz by the mean of two frames; the very first output is the first frame alone.
    const bank = { up: 1, down: 2, left: 0, taps: 2, bank: Float32Array.of(0.5, 0.5), first: Float32Array.of(1, 0) };
    expect([...resample(Float32Array.of(1, 2, 3, 5, 7, 9), 64000, bank)]).toEqual([1, 4, 8]);
  });

  it("rounds halves up", () => expect([toFrames(0.5, 1), toFrames(0.002, 44100)]).toEqual([1, 88]));
});

describe("probabilities", () => {
  it("are a softmax with a temperature, and equal for silence", () => {
    const weight = Float32Array.of(1, 0, 0, 1);
    const [a, b] = probabilities(Float32Array.of(2, 0), weight, Float32Array.of(0, 0), 2, 2);
    expect(a / b).toBeCloseTo(Math.E, 6);
    expect(a + b).toBeCloseTo(1, 12);
    expect(probabilities(null, weight, new Float32Array(2), 2, 1)).toEqual([0.5, 0.5]);
  });
});

import { describe, expect, it } from "vitest";
import { CHUNK, Engine, type EngineTrack } from "./engine";

const RATE = 44100;

function track(id: string, frames: number, changes: Partial<EngineTrack> = {}): EngineTrack {
  return { id, channels: 2, frames, gain: 1, pan: 0, muted: false, ...changes };
}

/** A sound whose sample says where it is: frame i is (i % 1009) / 1009 left, minus that right. */
function ramp(frames: number): [Float32Array, Float32Array] {
  const left = Float32Array.from({ length: frames }, (_, i) => (i % 1009) / 1009);
  return [left, left.map((value) => (value ? -value : 0))];
}

function fill(engine: Engine, id: string, [left, right]: Float32Array[], skip: number[] = []): void {
  for (let index = 0; index * CHUNK < left.length; index++) {
    if (skip.includes(index)) continue;
    const span = [index * CHUNK, (index + 1) * CHUNK] as const;
    engine.putChunk(id, index, [left.slice(...span), right.slice(...span)]);
  }
}

function play(engine: Engine, blocks: number, size = 128): [Float32Array, Float32Array] {
  const all: [Float32Array, Float32Array] = [new Float32Array(blocks * size), new Float32Array(blocks * size)];
  for (let block = 0; block < blocks; block++) {
    const span = [block * size, (block + 1) * size] as const;
    engine.process(all[0].subarray(...span), all[1].subarray(...span));
  }
  return all;
}

function ready(frames: number): Engine {
  const engine = new Engine(RATE);
  engine.setTracks([track("a", frames)]);
  fill(engine, "a", ramp(frames));
  return engine;
}

describe("Engine", () => {
  it("gives the samples as they are, over the edges of chunks", () => {
    const frames = CHUNK + 5000;
    const engine = ready(frames);
    engine.play();
    const [left, right] = play(engine, Math.ceil(frames / 128));
    const [trueLeft, trueRight] = ramp(frames);
    expect(left.subarray(0, frames)).toEqual(trueLeft);
    expect(right.subarray(0, frames)).toEqual(trueRight);
    expect(engine.playing).toBe(false);
    expect(engine.position).toBe(frames);
  });

  it("keeps tracks in step: one and its negative give silence for ten minutes", () => {
    const engine = new Engine(8000);
    const frames = 8000 * 600;
    engine.setTracks([track("a", frames), track("b", frames)]);
    engine.play();
    const random = Float32Array.from({ length: CHUNK }, (_, i) => Math.sin(i * i));
    const against = random.map((value) => -value);
    for (let index = 0; index * CHUNK < frames; index++) {
      engine.putChunk("a", index, [random, random]);
      engine.putChunk("b", index, [against, against]);
    }
    const left = new Float32Array(4096);
    const right = new Float32Array(4096);
    let most = 0;
    while (engine.playing) {
      engine.process(left, right);
      for (const value of left) most = Math.max(most, Math.abs(value));
    }
    expect(engine.position).toBe(frames);
    expect(most).toBe(0);
  });

  it("waits for samples that are missing, and all tracks wait together", () => {
    const frames = CHUNK + 1000;
    const engine = new Engine(RATE);
    engine.setTracks([track("a", frames), track("b", frames)]);
    fill(engine, "a", ramp(frames));
    fill(engine, "b", ramp(frames), [1]);
    engine.play();
    play(engine, CHUNK / 128 + 20);
    expect(engine.position).toBe(CHUNK);
    expect(engine.stalled).toBe(true);
    expect(engine.playing).toBe(true);
    const [left, right] = ramp(frames);
    engine.putChunk("b", 1, [left.slice(CHUNK), right.slice(CHUNK)]);
    const [more] = play(engine, 1);
    expect(engine.stalled).toBe(false);
    expect(more[0]).toBeCloseTo(2 * left[CHUNK], 6);
  });

  it("loops without a gap", () => {
    const engine = ready(10_000);
    engine.loop = { start: 1000, stop: 1700 };
    engine.seekTo(1500);
    engine.play();
    const [left] = play(engine, 20);
    const [whole] = ramp(10_000);
    for (let i = 0; i < left.length; i++) {
      const at = i < 200 ? 1500 + i : 1000 + ((i - 200) % 700);
      expect(left[i]).toBe(whole[at]);
    }
  });

  it("stops where it is told to and goes on from there", () => {
    const engine = ready(10_000);
    engine.until = 300;
    engine.play();
    const [heard] = play(engine, 4);
    expect(heard.slice(0, 300)).toEqual(ramp(10_000)[0].slice(0, 300)); // what dies away begins after the end
    expect(heard[300]).toBeGreaterThan(0);
    expect(heard[511]).toBe(0);
    expect(engine.playing).toBe(false);
    expect(engine.position).toBe(300);
    engine.play();
    const [left] = play(engine, 1);
    expect(left[127]).toBe(ramp(10_000)[0][427]);
  });

  it("mutes and pans by gliding, and balances like the bounce", () => {
    const engine = ready(50_000);
    engine.setTrack("a", { pan: 0.5, gain: 0.8 });
    engine.play();
    let [left, right] = play(engine, 4);
    const [whole] = ramp(50_000);
    expect(left[100]).toBeCloseTo(whole[100] * 0.8 * 0.5, 6);
    expect(right[100]).toBeCloseTo(-whole[100] * 0.8, 6);
    engine.setTrack("a", { muted: true });
    [left, right] = play(engine, 4);
    const jumps = left.slice(1).map((value, i) => Math.abs(value - left[i]));
    expect(Math.max(...left.slice(-8).map(Math.abs))).toBe(0);
    expect(jumps.filter((jump) => jump > 0.02).length).toBeLessThan(2);
  });

  it("lets the last sample fall after a cut instead of clicking", () => {
    const engine = ready(50_000);
    engine.play();
    const [left] = play(engine, 5);
    engine.pause();
    const [after] = play(engine, 3);
    expect(Math.abs(after[0] - left[left.length - 1])).toBeLessThan(0.02);
    expect(after[after.length - 1]).toBe(0);
    expect(engine.position).toBe(640);
  });

  it("plays from the loop's or the sound's beginning once it is over", () => {
    const engine = ready(1000);
    engine.play();
    play(engine, 9);
    expect(engine.playing).toBe(false);
    engine.play();
    expect(engine.position).toBe(0);
    const [left] = play(engine, 1);
    expect(left[64]).toBeCloseTo(64 / 1009, 6);
  });

  it("puts a sound in the place of another without a word of the old one's samples", () => {
    const engine = ready(50_000);
    engine.play();
    play(engine, 10);
    engine.load([track("b", 400)]);
    const flat = new Float32Array(400).fill(0.25);
    engine.putChunk("b", 0, [flat, flat]);
    expect(engine.playing).toBe(false);
    play(engine, 2); // what is left of the cut
    engine.play();
    const [left] = play(engine, 3);
    expect(left).toEqual(new Float32Array(384).fill(0.25));
  });

  it("measures peaks by track", () => {
    const engine = ready(5000);
    engine.setTrack("a", { gain: 0.5 });
    engine.play();
    play(engine, 10);
    expect(engine.takePeaks().a).toBeCloseTo(0.5 * (1008 / 1009), 4);
    expect(engine.takePeaks().a).toBe(0);
  });
});

describe("speed", () => {
  function tone(speed: number): { left: Float32Array; engine: Engine } {
    const frames = RATE * 3;
    const engine = new Engine(RATE);
    engine.setTracks([track("a", frames)]);
    const sine = Float32Array.from({ length: frames }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 441 * i) / RATE));
    fill(engine, "a", [sine, sine]);
    engine.speed = speed;
    engine.play();
    const [left] = play(engine, Math.floor(RATE / 128));
    return { left, engine };
  }

  /** Zero crossings upwards a second: the pitch of a sine. */
  function pitch(samples: Float32Array): number {
    let count = 0;
    for (let i = 1; i < samples.length; i++) if (samples[i - 1] < 0 && samples[i] >= 0) count++;
    return (count / samples.length) * RATE;
  }

  for (const speed of [0.5, 0.75, 1.5, 2]) {
    it(`keeps pitch and level at ${speed}`, () => {
      const { left, engine } = tone(speed);
      expect(pitch(left)).toBeGreaterThan(441 * 0.99);
      expect(pitch(left)).toBeLessThan(441 * 1.01);
      expect(engine.position / RATE).toBeCloseTo(speed * (left.length / RATE), 1);
      const rms = Math.sqrt(left.slice(4000).reduce((sum, value) => sum + value * value, 0) / (left.length - 4000));
      expect(rms).toBeGreaterThan(0.34);
      expect(rms).toBeLessThan(0.37);
    });
  }

  it("ends at the end, and speed 1 is exact again", () => {
    const { engine } = tone(2);
    play(engine, Math.ceil(RATE / 128));
    expect(engine.playing).toBe(false);
    expect(engine.position).toBe(RATE * 3);
    engine.speed = 1;
    engine.seekTo(1000);
    engine.play();
    play(engine, 2); // residue of the cut
    const [left] = play(engine, 1);
    expect(left[0]).toBeCloseTo(0.5 * Math.sin((2 * Math.PI * 441 * 1256) / RATE), 5);
  });

  it("refuses speeds that make no sense", () => {
    expect(() => (new Engine(RATE).speed = 0)).toThrow(/between/);
  });
});

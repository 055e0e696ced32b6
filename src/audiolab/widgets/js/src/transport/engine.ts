import { Stretcher } from "./stretcher";

/** Frames of one chunk; Python says the same number (widgets/sounding.py). */
export const CHUNK = 1 << 17;
const RAMP_SECONDS = 0.005;
/** After a cut the last sample falls to 0 over so many frames, so that nothing clicks. */
const RESIDUE_FRAMES = 192;

export interface EngineTrack {
  id: string;
  channels: number;
  frames: number;
  gain: number;
  /** -1 (left) to 1 (right); turns the other side down, so that 0 changes nothing. */
  pan: number;
  muted: boolean;
}

interface Playing extends EngineTrack {
  chunks: Map<number, Float32Array[]>;
  /** Gains of both sides as they are now; they move towards what is wanted within 5 ms. */
  left: number;
  right: number;
  peak: number;
}

export interface Loop {
  start: number;
  stop: number;
}

/**
 * Plays tracks of chunks: all by one counter of frames, so tracks can not drift. Pure arithmetic, without any browser:
 * the audio worklet, its fallback and the tests run this same class.
 *
 * With speed 1 and gain 1 the output is the input, sample by sample. If a chunk that is needed is not there, it plays
 * silence and the position stands still, for all tracks.
 */
export class Engine {
  playing = false;
  stalled = false;
  /** Next frame to be heard. */
  position = 0;
  loop: Loop | null = null;
  /** Frame at which to pause by itself. */
  until: number | null = null;
  peakLeft = 0;
  peakRight = 0;
  private tracks: Playing[] = [];
  private speedNow = 1;
  private stretcher: Stretcher | null = null;
  private readonly residue = { left: 0, right: 0, frames: 0, from: 0 };
  private lastLeft = 0;
  private lastRight = 0;

  constructor(readonly sampleRate: number) {}

  get length(): number {
    return this.tracks.reduce((most, track) => Math.max(most, track.frames), 0);
  }

  get speed(): number {
    return this.speedNow;
  }

  set speed(value: number) {
    if (!(value >= 0.25 && value <= 4)) throw new RangeError(`speed is between 0.25 and 4, not ${value}`);
    if (value === this.speedNow) return;
    this.speedNow = value;
    if (value === 1) this.stretcher = null;
    else if (this.stretcher) this.stretcher.speed = value;
    else this.stretcher = this.newStretcher();
  }

  /** Put tracks in the place of those before; tracks that stay keep their chunks. */
  setTracks(tracks: EngineTrack[]): void {
    const before = new Map(this.tracks.map((track) => [track.id, track]));
    this.tracks = tracks.map((track) => {
      const { left, right } = sides(track);
      const kept = before.get(track.id);
      return { ...track, chunks: kept?.chunks ?? new Map(), left: kept?.left ?? left, right: kept?.right ?? right, peak: 0 };
    });
    this.position = Math.min(this.position, this.length);
  }

  /** Change a track's gain, pan or muting; it glides there within 5 ms while playing. */
  setTrack(id: string, changes: Partial<EngineTrack>): void {
    const track = this.tracks.find((each) => each.id === id);
    if (!track) return;
    Object.assign(track, changes);
    if (!this.playing) Object.assign(track, sides(track));
  }

  putChunk(id: string, index: number, channels: Float32Array[]): void {
    this.tracks.find((each) => each.id === id)?.chunks.set(index, channels);
  }

  dropChunk(id: string, index: number): void {
    this.tracks.find((each) => each.id === id)?.chunks.delete(index);
  }

  /** Put tracks in the place of all others and stand at the beginning, paused. */
  load(tracks: EngineTrack[]): void {
    this.pause();
    this.tracks = [];
    this.setTracks(tracks);
    this.until = null;
    this.jump(0);
  }

  play(): void {
    if (this.position >= Math.min(this.until ?? Infinity, this.length)) this.jump(this.loop?.start ?? 0);
    if (!this.playing) for (const track of this.tracks) Object.assign(track, sides(track));
    this.playing = true;
  }

  pause(): void {
    if (this.playing) this.cut();
    this.playing = false;
  }

  seekTo(frame: number): void {
    if (this.playing) this.cut();
    this.jump(Math.max(0, Math.min(Math.round(frame), this.length)));
  }

  /** Fill one block of output. Gives the number of frames that were played. */
  process(left: Float32Array, right: Float32Array): number {
    left.fill(0);
    right.fill(0);
    this.stalled = false;
    const played = this.playing ? this.advance(left, right) : 0;
    this.decay(left, right);
    return played;
  }

  private advance(left: Float32Array, right: Float32Array): number {
    const stop = this.loop ? Infinity : Math.min(this.until ?? this.length, this.length);
    let wanted = left.length;
    let played: number;
    if (this.stretcher) {
      this.stretcher.end = stop;
      played = this.stretcher.process(left, right, this.position);
      if (played < wanted && !this.stretcher.ended) this.stalled = true;
      this.position = this.stretcher.position;
      if (this.stretcher.ended) this.position = stop;
    } else {
      wanted = Math.min(wanted, stop - this.position);
      played = this.read(this.position, wanted, left, right);
      this.stalled = played < wanted;
      this.position = this.wrapped(this.position + played);
    }
    this.measure(left, right, played);
    this.lastLeft = played ? left[played - 1] : 0;
    this.lastRight = played ? right[played - 1] : 0;
    if (this.position >= stop) {
      if (stop < this.length) this.cut(played);
      this.playing = false;
      this.until = null;
    }
    return played;
  }

  /** Peaks since the last call, by track, with its gain. */
  takePeaks(): Record<string, number> {
    const peaks: Record<string, number> = {};
    for (const track of this.tracks) {
      peaks[track.id] = track.peak;
      track.peak = 0;
    }
    return peaks;
  }

  private newStretcher(): Stretcher {
    const made = new Stretcher(this.sampleRate, (at, count, l, r) => this.readWrapped(at, count, l, r), (at) => this.wrapped(at));
    made.speed = this.speedNow;
    return made;
  }

  private jump(frame: number): void {
    this.position = frame;
    this.stretcher?.reset();
  }

  /** Let what was heard last die away, from a frame of this block on. */
  private cut(from = 0): void {
    Object.assign(this.residue, { left: this.lastLeft, right: this.lastRight, frames: RESIDUE_FRAMES, from });
    this.lastLeft = this.lastRight = 0;
  }

  private decay(left: Float32Array, right: Float32Array): void {
    const { residue } = this;
    for (let i = residue.from; i < left.length && residue.frames > 0; i++) {
      const factor = --residue.frames / RESIDUE_FRAMES;
      left[i] += residue.left * factor;
      right[i] += residue.right * factor;
    }
    residue.from = 0;
  }

  private wrapped(frame: number): number {
    if (!this.loop || frame < this.loop.stop) return frame;
    const length = Math.max(1, this.loop.stop - this.loop.start);
    return this.loop.start + ((frame - this.loop.stop) % length);
  }

  /** Mix `count` frames from `at` on, across the loop's end; gives how many were there. */
  private readWrapped(at: number, count: number, left: Float32Array, right: Float32Array): number {
    const from = this.wrapped(at);
    return this.read(from, count, left, right);
  }

  private read(at: number, count: number, left: Float32Array, right: Float32Array): number {
    let done = 0;
    let position = this.wrapped(at);
    while (done < count) {
      let part = count - done;
      if (this.loop && position < this.loop.stop) part = Math.min(part, this.loop.stop - position);
      part = Math.min(part, CHUNK - (position % CHUNK)); // within one chunk
      if (position >= 0 && !this.ready(position, part)) return done;
      if (position >= 0) for (const track of this.tracks) this.mix(track, position, part, left, right, done);
      done += part;
      position = this.wrapped(position + part);
    }
    return done;
  }

  private ready(position: number, count: number): boolean {
    const index = Math.floor(position / CHUNK);
    return this.tracks.every((track) => position >= track.frames || count <= 0 || track.chunks.has(index));
  }

  private mix(track: Playing, position: number, count: number, left: Float32Array, right: Float32Array, at: number): void {
    const target = sides(track);
    const step = 1 / (RAMP_SECONDS * this.sampleRate);
    const chunk = track.chunks.get(Math.floor(position / CHUNK));
    const offset = position % CHUNK;
    const first = chunk?.[0];
    const second = chunk?.[1] ?? first;
    const available = first ? Math.max(0, Math.min(count, track.frames - position, first.length - offset)) : 0;
    let { left: a, right: b, peak } = track;
    for (let i = 0; i < count; i++) {
      if (a !== target.left) a = towards(a, target.left, step);
      if (b !== target.right) b = towards(b, target.right, step);
      if (i >= available) continue;
      const l = first![offset + i] * a;
      const r = second![offset + i] * b;
      left[at + i] += l;
      right[at + i] += r;
      if (l > peak) peak = l;
      else if (-l > peak) peak = -l;
      if (r > peak) peak = r;
      else if (-r > peak) peak = -r;
    }
    track.left = a;
    track.right = b;
    track.peak = peak;
  }

  private measure(left: Float32Array, right: Float32Array, count: number): void {
    for (let i = 0; i < count; i++) {
      this.peakLeft = Math.max(this.peakLeft, Math.abs(left[i]));
      this.peakRight = Math.max(this.peakRight, Math.abs(right[i]));
    }
  }
}

function towards(now: number, target: number, step: number): number {
  return now < target ? Math.min(target, now + step) : Math.max(target, now - step);
}

/** Gains of the left and the right side. */
export function sides(track: Pick<EngineTrack, "gain" | "pan" | "muted">): { left: number; right: number } {
  const gain = track.muted ? 0 : track.gain;
  return { left: gain * (track.pan > 0 ? 1 - track.pan : 1), right: gain * (track.pan < 0 ? 1 + track.pan : 1) };
}

import { stays, upcoming } from "./ahead";
import { CHUNK, type EngineTrack, type Loop } from "./engine";
import { Output } from "./output";
import type { Command, Report, Tapped } from "./protocol";
import type { Source } from "./source";

export interface Track {
  id: string;
  source: Source;
  gain?: number;
  pan?: number;
  muted?: boolean;
}

export interface Level {
  left: number;
  right: number;
  tracks: Record<string, number>;
}

interface Events {
  /** Seconds; about 40 times a second while it plays, and after each jump. */
  time: number;
  /** Started, paused, or waiting for samples. */
  state: "playing" | "paused" | "waiting";
  meter: Level;
  error: Error;
}

type Handlers = { [K in keyof Events]: Set<(value: Events[K]) => void> };

const IN_FLIGHT = 3;

/** The transport that sounds now; there is one on a page. */
let sounding: Transport | null = null;

/**
 * Plays one or several sounds of one sample rate in sync. Nothing is fetched and no audio device is opened before
 * `warm` or `play`. Times are seconds from the beginning.
 */
export class Transport {
  private tracks: Track[] = [];
  private output: Promise<Output> | null = null;
  private opened: Output | null = null;
  private readonly handlers: Handlers = { time: new Set(), state: new Set(), meter: new Set(), error: new Set() };
  private readonly held = new Map<string, Set<number>>();
  private readonly asked = new Map<string, Set<number>>();
  private frame = 0;
  private frameAt = 0;
  private state: Events["state"] = "paused";
  private loopNow: { start: number; stop: number } | null = null;
  private speedNow = 1;
  private generation = 0;
  private orders = 0;
  private closed = false;

  constructor(public sampleRate: number, signal?: AbortSignal) {
    signal?.addEventListener("abort", () => this.close());
  }

  /** Put tracks in the place of those before; they begin together at 0. */
  setTracks(tracks: Track[], how: "tracks" | "load" = "tracks"): void {
    for (const track of tracks) {
      if (track.source.sampleRate !== this.sampleRate) {
        throw new Error(`"${track.id}" has ${track.source.sampleRate} Hz and the others ${this.sampleRate} Hz`);
      }
    }
    const kept = new Map(this.tracks.map((track) => [track.id, track.source]));
    for (const id of [...this.held.keys()]) {
      if (!tracks.some((track) => track.id === id && kept.get(id) === track.source)) this.forget(id);
    }
    this.generation++;
    this.tracks = tracks.map((track) => ({ ...track }));
    for (const { id } of tracks) {
      if (!this.held.has(id)) this.held.set(id, new Set());
      if (!this.asked.has(id)) this.asked.set(id, new Set());
    }
    this.order(this.opened, { type: how, tracks: this.engineTracks() });
  }

  /** Put one sound in the place of all others, at the beginning. */
  load(source: Source, gain = 1): void {
    for (const id of [...this.held.keys()]) this.forget(id);
    if (this.sampleRate !== source.sampleRate) this.reopen(source.sampleRate);
    this.tracks = [];
    this.loopNow = null;
    this.opened?.send({ type: "loop", loop: null });
    this.moved(0);
    this.setTracks([{ id: source.id, source, gain }], "load");
  }

  get duration(): number {
    return this.length / this.sampleRate;
  }

  get playing(): boolean {
    return this.state !== "paused";
  }

  get waiting(): boolean {
    return this.state === "waiting";
  }

  /** Seconds; between two reports it goes on by the audio clock. */
  get position(): number {
    let frame = this.frame;
    if (this.state === "playing" && this.opened) {
      const since = Math.min(0.1, Math.max(0, this.opened.time - this.frameAt));
      frame += since * this.sampleRate * this.speedNow;
      if (this.loopNow && this.frame < this.loopNow.stop * this.sampleRate) frame = Math.min(frame, this.loopNow.stop * this.sampleRate);
    }
    return Math.min(frame, this.length) / this.sampleRate;
  }

  get loop(): { start: number; stop: number } | null {
    return this.loopNow;
  }

  set loop(loop: { start: number; stop: number } | null) {
    this.loopNow = loop && loop.stop - loop.start >= 0.005 ? { ...loop } : null;
    this.opened?.send({ type: "loop", loop: this.engineLoop() });
    if (this.opened) this.fetch();
  }

  get speed(): number {
    return this.speedNow;
  }

  set speed(speed: number) {
    this.speedNow = Math.min(4, Math.max(0.25, speed));
    this.opened?.send({ type: "speed", speed: this.speedNow });
  }

  setTrack(id: string, changes: Partial<Pick<Track, "gain" | "pan" | "muted">>): void {
    const track = this.tracks.find((each) => each.id === id);
    if (!track) return;
    Object.assign(track, changes);
    this.opened?.send({ type: "track", id, changes });
  }

  on<K extends keyof Events>(event: K, handler: (value: Events[K]) => void): () => void {
    this.handlers[event].add(handler);
    return () => this.handlers[event].delete(handler);
  }

  /** Open the device and fetch the beginning, so that `play` sounds at once. */
  async warm(): Promise<void> {
    await this.open();
    this.fetch(1);
  }

  async play(): Promise<void> {
    if (this.closed || !this.tracks.length) return;
    if (sounding !== this) sounding?.pause();
    sounding = this;
    try {
      const output = await this.open();
      if (sounding !== this) return; // another one was started meanwhile
      if (this.frame >= this.length) this.moved(Math.round((this.loopNow?.start ?? 0) * this.sampleRate));
      this.fetch();
      this.order(output, { type: "play" });
      this.become("waiting");
      await output.resume();
    } catch (error) {
      this.emit("error", error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Play a part once. */
  async playSpan(start: number, stop: number): Promise<void> {
    const output = await this.open();
    this.seek(start);
    this.order(output, { type: "until", frame: Math.round(stop * this.sampleRate) });
    await this.play();
  }

  pause(): void {
    this.order(this.opened, { type: "pause" });
    if (sounding === this) sounding = null;
  }

  toggle(): Promise<void> {
    if (this.playing) {
      this.pause();
      return Promise.resolve();
    }
    return this.play();
  }

  seek(seconds: number): void {
    this.moved(Math.round(Math.max(0, Math.min(seconds, this.duration)) * this.sampleRate));
    this.order(this.opened, { type: "until", frame: null });
    this.order(this.opened, { type: "seek", frame: this.frame });
    if (this.opened) this.fetch();
    this.emit("time", this.position);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (sounding === this) sounding = null;
    this.opened?.close();
    this.opened = null;
    for (const all of Object.values(this.handlers)) all.clear();
    this.held.clear();
    this.asked.clear();
    this.tracks = [];
  }

  // ---- the engine ----------------------------------------------------------------------------

  private get length(): number {
    return this.tracks.reduce((most, { source }) => Math.max(most, source.frames), 0);
  }

  private engineTracks(): EngineTrack[] {
    return this.tracks.map(({ id, source, gain = 1, pan = 0, muted = false }) => ({
      id, channels: source.channels, frames: source.frames, gain, pan, muted,
    }));
  }

  private engineLoop(): Loop | null {
    if (!this.loopNow) return null;
    return { start: Math.round(this.loopNow.start * this.sampleRate), stop: Math.round(this.loopNow.stop * this.sampleRate) };
  }

  private open(): Promise<Output> {
    if (this.output) return this.output;
    const rate = this.sampleRate;
    let mine: Output | null = null;
    const opening = Output.open(rate, (message) => mine && this.opened === mine && this.receive(message)).then((output) => {
      if (this.closed || this.sampleRate !== rate) {
        output.close();
        throw new Error("this sound was closed before it began");
      }
      this.opened = mine = output;
      this.order(output, { type: "tracks", tracks: this.engineTracks() });
      output.send({ type: "loop", loop: this.engineLoop() });
      output.send({ type: "speed", speed: this.speedNow });
      this.order(output, { type: "seek", frame: this.frame });
      if (taps()) output.send({ type: "tap", on: true });
      return output;
    });
    this.output = opening;
    opening.catch(() => {
      if (this.output === opening) this.output = null;
    });
    return opening;
  }

  /** Send what changes where the engine stands or whether it plays. */
  private order(output: Output | null, command: Command): void {
    output?.send({ ...command, order: ++this.orders });
  }

  /** Go over to another sample rate: sounds are never resampled while they are played. */
  private reopen(sampleRate: number): void {
    void this.output?.then((output) => output.close()).catch(() => {});
    this.output = this.opened = null;
    this.sampleRate = sampleRate;
    this.become("paused");
  }

  private receive(message: Report | Tapped): void {
    if (this.closed) return;
    if (message.type === "tap") {
      taps()?.push({ frame: message.frame, left: message.left, right: message.right, sampleRate: this.sampleRate });
      return;
    }
    if (message.order < this.orders) return; // sent before the engine had heard the last command
    this.moved(message.frame);
    this.emit("meter", { left: message.left, right: message.right, tracks: message.peaks });
    this.become(!message.playing ? "paused" : message.stalled ? "waiting" : "playing");
    if (!message.playing && sounding === this && message.frame >= this.length) sounding = null;
    this.emit("time", this.position);
    this.fetch();
  }

  private moved(frame: number): void {
    this.frame = frame;
    this.frameAt = this.opened?.time ?? 0;
  }

  private become(state: Events["state"]): void {
    if (state === this.state) return;
    this.state = state;
    this.emit("state", state);
  }

  private emit<K extends keyof Events>(event: K, value: Events[K]): void {
    for (const handler of this.handlers[event]) handler(value);
  }

  // ---- samples -------------------------------------------------------------------------------

  private fetch(most = Infinity): void {
    const wanted = upcoming(this.frame, this.length, this.sampleRate, this.engineLoop(), most);
    for (const index of wanted) {
      for (const track of this.tracks) {
        const asked = this.asked.get(track.id)!;
        if (index * CHUNK >= track.source.frames) continue;
        if (this.held.get(track.id)!.has(index) || asked.has(index)) continue;
        if (asked.size >= IN_FLIGHT) continue;
        asked.add(index);
        void this.bring(track, index, this.generation);
      }
    }
    if (most === Infinity) this.drop(wanted);
  }

  private async bring(track: Track, index: number, generation: number): Promise<void> {
    const current = () => !this.closed && this.tracks.some(({ id, source }) => id === track.id && source === track.source);
    try {
      const channels = await track.source.read(index);
      this.asked.get(track.id)?.delete(index);
      if (!current()) return;
      this.held.get(track.id)?.add(index);
      const own = channels.map((channel) => channel.slice()); // sources may keep theirs
      this.opened?.send({ type: "chunk", id: track.id, index, channels: own }, own.map((channel) => channel.buffer));
      if (this.playing) this.fetch();
    } catch (error) {
      this.asked.get(track.id)?.delete(index);
      if (!current() || generation !== this.generation) return;
      this.pause();
      this.emit("error", error instanceof Error ? error : new Error(String(error)));
    }
  }

  private drop(wanted: number[]): void {
    for (const [id, held] of this.held) {
      for (const index of [...held]) {
        if (wanted.includes(index) || stays(index, this.frame)) continue;
        held.delete(index);
        this.opened?.send({ type: "drop", id, index });
      }
    }
  }

  private forget(id: string): void {
    for (const index of this.held.get(id) ?? []) this.opened?.send({ type: "drop", id, index });
    this.held.delete(id);
    this.asked.delete(id);
  }
}

/** Stop whatever sounds on this page. */
export function silence(): void {
  sounding?.pause();
}

/** Tests put an array here; everything that is played goes there, too. */
function taps(): { frame: number; left: Float32Array; right: Float32Array; sampleRate: number }[] | undefined {
  return (globalThis as any).__audiolab_taps;
}

import type { Engine, EngineTrack, Loop } from "./engine";

/** What the page tells the engine; what changes where it stands or whether it plays has a number, counted up. */
export type Command = { order?: number } & (
  | { type: "tracks"; tracks: EngineTrack[] }
  | { type: "load"; tracks: EngineTrack[] }
  | { type: "track"; id: string; changes: Partial<EngineTrack> }
  | { type: "chunk"; id: string; index: number; channels: Float32Array[] }
  | { type: "drop"; id: string; index: number }
  | { type: "play" }
  | { type: "pause" }
  | { type: "seek"; frame: number }
  | { type: "loop"; loop: Loop | null }
  | { type: "until"; frame: number | null }
  | { type: "speed"; speed: number }
  | { type: "tap"; on: boolean }
  | { type: "close" }
);

/** What the engine tells the page, about 40 times a second and whenever its state changes. */
export interface Report {
  type: "report";
  /** Number of the last command that was obeyed: a report with a lower one tells of the time before it. */
  order: number;
  frame: number;
  playing: boolean;
  stalled: boolean;
  peaks: Record<string, number>;
  left: number;
  right: number;
}

/** A stretch of output, for tests. */
export interface Tapped {
  type: "tap";
  frame: number;
  left: Float32Array;
  right: Float32Array;
}

export function obey(engine: Engine, command: Command): void {
  switch (command.type) {
    case "tracks":
      return engine.setTracks(command.tracks);
    case "load":
      return engine.load(command.tracks);
    case "track":
      return engine.setTrack(command.id, command.changes);
    case "chunk":
      return engine.putChunk(command.id, command.index, command.channels);
    case "drop":
      return engine.dropChunk(command.id, command.index);
    case "play":
      return engine.play();
    case "pause":
      return engine.pause();
    case "seek":
      return engine.seekTo(command.frame);
    case "loop":
      engine.loop = command.loop;
      return;
    case "until":
      engine.until = command.frame;
      return;
    case "speed":
      engine.speed = command.speed;
      return;
    case "tap":
    case "close":
      return; // the host's own
  }
}

/** Runs an engine block by block and reports; used by the worklet and by its fallback. */
export class Host {
  private since = 0;
  private before = "";
  private tapping = false;
  private order = 0;
  closed = false;

  constructor(readonly engine: Engine, private readonly post: (message: Report | Tapped, transfer?: Transferable[]) => void) {}

  receive(command: Command): void {
    if (command.type === "tap") this.tapping = command.on;
    else if (command.type === "close") this.closed = true;
    else obey(this.engine, command);
    if (command.order === undefined) return;
    this.order = command.order;
    this.since = Infinity; // report at once
  }

  run(left: Float32Array, right: Float32Array): void {
    const frame = this.engine.position;
    const played = this.engine.process(left, right);
    if (this.tapping && played > 0) {
      const copy = { type: "tap" as const, frame, left: left.slice(0, played), right: right.slice(0, played) };
      this.post(copy, [copy.left.buffer, copy.right.buffer]);
    }
    const state = `${this.engine.playing} ${this.engine.stalled}`;
    this.since += left.length;
    if (state === this.before && (this.since < this.engine.sampleRate / 40 || (!this.engine.playing && this.since < Infinity))) return;
    this.before = state;
    this.since = 0;
    this.post({
      type: "report",
      order: this.order,
      frame: this.engine.position,
      playing: this.engine.playing,
      stalled: this.engine.stalled,
      peaks: this.engine.takePeaks(),
      left: this.engine.peakLeft,
      right: this.engine.peakRight,
    });
    this.engine.peakLeft = this.engine.peakRight = 0;
  }
}

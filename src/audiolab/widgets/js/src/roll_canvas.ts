import { h } from "./dom";
import { fitted, isBlackKey, moved, type Note, NoteList, noteName, type PitchRange, zoomed } from "./roll_layout";
import type { Waveform } from "./waveform";

export interface RollTrack {
  stem: string;
  color: string;
  drums: boolean;
  notes: NoteList;
  removed: NoteList;
}

export interface Picked {
  track: RollTrack;
  note: Note;
  removed: boolean;
}

const HEIGHT = 260;
const LABELS = 52;

/** Notes drawn over time and pitch; its time axis is that of the waveform above. */
export class RollCanvas {
  readonly element: HTMLElement;
  range: PitchRange = { low: 48, high: 72 };
  tracks: RollTrack[] = [];
  picked: Picked | null = null;
  position = 0;
  beats: number[] = [];
  downbeats: number[] = [];
  drumNames: Record<string, string> = {};
  private readonly canvas = h("canvas", { "aria-hidden": "true" });
  private wanted = 0;

  constructor(private readonly wave: Waveform, signal: AbortSignal) {
    this.element = h("div", { class: "al-roll" }, this.canvas);
    this.element.style.height = `${HEIGHT}px`;
    wave.on("view", () => this.redraw());
    const resized = new ResizeObserver(() => this.redraw());
    resized.observe(this.element);
    const themed = new MutationObserver(() => this.redraw());
    themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
    signal.addEventListener("abort", () => {
      resized.disconnect();
      themed.disconnect();
      cancelAnimationFrame(this.wanted);
    });
  }

  fit(): void {
    this.range = fitted(this.tracks.flatMap((track) => track.notes.notes.map((note) => note[2])));
    this.redraw();
  }

  zoomBy(factor: number): void {
    this.range = zoomed(this.range, factor);
    this.redraw();
  }

  scrollBy(pitches: number): void {
    this.range = moved(this.range, pitches);
    this.redraw();
  }

  /** Bring a note into sight. */
  reveal([start, , pitch]: Note): void {
    if (pitch < this.range.low) this.scrollBy(pitch - this.range.low - 1);
    if (pitch > this.range.high) this.scrollBy(pitch - this.range.high + 1);
    const { start: from, stop } = this.wave.visible;
    if (start < from || start > stop) this.wave.scrollTo(start - (stop - from) / 4);
    this.redraw();
  }

  /** The note under a point of the element; the last track lies on top. */
  pick(x: number, y: number): Picked | null {
    const time = this.wave.xToTime(x);
    const pitch = this.range.high - Math.floor(y / this.rowHeight);
    const slack = 3 / Math.max(1e-6, this.wave.visible.pxPerSecond);
    for (const track of [...this.tracks].reverse()) {
      const note = track.notes.at(time, pitch, slack);
      if (note) return { track, note, removed: false };
      const gone = track.removed.at(time, pitch, slack);
      if (gone) return { track, note: gone, removed: true };
    }
    return null;
  }

  timeAt(x: number): number {
    return this.wave.xToTime(x);
  }

  /** Say what a note is. */
  describe({ track, note: [start, end, pitch, velocity], removed }: Picked): string {
    const name = track.drums ? `${this.drumNames[pitch] ?? "drum"} (${pitch})` : `${noteName(pitch)} (${pitch})`;
    return `${name}, velocity ${velocity}, ${start.toFixed(2)} to ${end.toFixed(2)} s, ${track.stem}${removed ? ", taken away" : ""}`;
  }

  redraw(): void {
    if (this.wanted) return;
    this.wanted = requestAnimationFrame(() => {
      this.wanted = 0;
      this.draw();
    });
  }

  private get rowHeight(): number {
    return HEIGHT / (this.range.high - this.range.low + 1);
  }

  private draw(): void {
    const width = this.element.clientWidth;
    const context = this.canvas.getContext("2d");
    if (!context || !width) return;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = HEIGHT * scale;
    context.scale(scale, scale);
    const style = getComputedStyle(this.element);
    const ink = style.getPropertyValue("--al-ink").trim();
    this.drawRows(context, width, style);
    this.drawBars(context, style);
    for (const track of this.tracks) this.drawTrack(context, track, ink);
    this.drawLabels(context, style);
    const x = this.wave.timeToX(this.position);
    if (x >= 0 && x <= width) {
      context.fillStyle = ink;
      context.fillRect(x, 0, 1, HEIGHT);
    }
  }

  private drawRows(context: CanvasRenderingContext2D, width: number, style: CSSStyleDeclaration): void {
    const row = this.rowHeight;
    for (let pitch = this.range.low; pitch <= this.range.high; pitch++) {
      const y = (this.range.high - pitch) * row;
      if (isBlackKey(pitch)) {
        context.fillStyle = style.getPropertyValue("--al-bg2").trim();
        context.fillRect(0, y, width, row);
      }
      if (pitch % 12 === 0) {
        context.fillStyle = style.getPropertyValue("--al-line").trim();
        context.fillRect(0, y + row - 1, width, 1);
      }
    }
  }

  private drawBars(context: CanvasRenderingContext2D, style: CSSStyleDeclaration): void {
    const { start, stop, pxPerSecond } = this.wave.visible;
    const lines = (times: number[], color: string, least: number) => {
      if (times.length > 1 && ((times[times.length - 1] - times[0]) / (times.length - 1)) * pxPerSecond < least) return;
      context.fillStyle = color;
      for (const time of times) if (time >= start && time <= stop) context.fillRect(this.wave.timeToX(time), 0, 1, HEIGHT);
    };
    lines(this.beats, style.getPropertyValue("--al-line").trim(), 14);
    lines(this.downbeats, style.getPropertyValue("--al-ink2").trim(), 6);
  }

  private drawTrack(context: CanvasRenderingContext2D, track: RollTrack, ink: string): void {
    const { start, stop, pxPerSecond } = this.wave.visible;
    const row = this.rowHeight;
    const box = ([from, to, pitch]: Note): [number, number, number, number] => [
      this.wave.timeToX(from), (this.range.high - pitch) * row + row * 0.1, Math.max(2, (to - from) * pxPerSecond), Math.max(2, row * 0.8),
    ];
    const inside = ([, , pitch]: Note) => pitch >= this.range.low && pitch <= this.range.high;
    context.fillStyle = context.strokeStyle = track.color;
    for (const note of track.notes.between(start, stop).filter(inside)) {
      context.globalAlpha = 0.35 + (0.65 * Math.min(127, note[3])) / 127;
      context.fillRect(...box(note));
      if (this.position >= note[0] && this.position < note[1]) {
        context.globalAlpha = 1;
        context.strokeStyle = ink;
        context.strokeRect(...box(note));
        context.strokeStyle = track.color;
      }
    }
    context.globalAlpha = 0.8;
    context.setLineDash([3, 2]);
    for (const note of track.removed.between(start, stop).filter(inside)) context.strokeRect(...box(note));
    context.setLineDash([]);
    context.globalAlpha = 1;
    if (this.picked?.track.stem === track.stem) {
      context.strokeStyle = ink;
      context.lineWidth = 2;
      const [x, y, w, tall] = box(this.picked.note);
      context.strokeRect(x - 2, y - 2, w + 4, tall + 4);
      context.lineWidth = 1;
    }
  }

  /** Names of keys at the left: drums by their names if nothing else is shown. */
  private drawLabels(context: CanvasRenderingContext2D, style: CSSStyleDeclaration): void {
    const drums = this.tracks.length > 0 && this.tracks.every((track) => track.drums);
    const row = this.rowHeight;
    const used = new Set(drums ? this.tracks.flatMap((track) => track.notes.notes.map((note) => note[2])) : []);
    context.font = "10px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (let pitch = this.range.low; pitch <= this.range.high; pitch++) {
      const said = drums ? (used.has(pitch) ? this.drumNames[pitch] : "") : pitch % 12 === 0 || row >= 15 ? noteName(pitch) : "";
      if (!said) continue;
      const y = (this.range.high - pitch + 0.5) * row;
      const wide = drums ? context.measureText(said).width + 6 : LABELS - 22;
      context.globalAlpha = 0.75;
      context.fillStyle = style.getPropertyValue("--al-bg").trim();
      context.fillRect(0, y - 6, wide, 12);
      context.globalAlpha = 1;
      context.fillStyle = style.getPropertyValue("--al-ink2").trim();
      context.fillText(said, 3, y);
    }
  }
}

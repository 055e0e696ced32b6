import { h } from "./dom";
import type { Column } from "./table";

/** A sound as Python lists it (widgets/browser_rows.py). */
export interface SoundRow {
  id: string;
  gone?: boolean;
  name: string;
  kind: string;
  stem: string | null;
  song: string | null;
  label: string | null;
  family: string | null;
  confidence: number | null;
  source: string | null;
  tags: string[];
  rating: number | null;
  favourite: boolean;
  bpm: number | null;
  key: string | null;
  frames: number;
  sample_rate: number;
  score?: number | null;
}

/** What a model takes a sound for; shown, never stored. */
export interface Proposal {
  id: string;
  label: string;
  family: string;
  confidence: number;
  top: [string, number][];
}

export interface Drawing {
  thumb(id: string): Uint8Array | undefined;
  proposal(id: string): Proposal | undefined;
  waveColor(): string;
  favour(row: SoundRow): void;
  rate(row: SoundRow, stars: number): void;
}

const THUMB = 96;
const THUMB_HEIGHT = 24;
const FAMILIES = ["drums", "cymbals", "percussion", "tonal", "vocal", "fx", "unknown"];

export function columns(drawing: Drawing, like: boolean): Column<SoundRow>[] {
  const text = (name: string, title: string, width: string, sort: string | undefined, of: (row: SoundRow) => string): Column<SoundRow> => ({
    name, title, width, sort, draw: (cell, row) => put(cell, of(row)),
  });
  return [
    { name: "favourite", title: "★", width: "30px", sort: like ? undefined : "favourite", draw: (cell, row) => star(cell, row, drawing) },
    { name: "wave", title: "", width: `${THUMB + 8}px`, draw: (cell, row) => cell.append(thumbnail(drawing.thumb(row.id), drawing.waveColor())) },
    text("name", "name", "minmax(100px, 3fr)", like ? undefined : "name", (row) => row.name),
    { name: "label", title: "label", width: "minmax(136px, 2fr)", sort: like ? undefined : "label", draw: (cell, row) => labelChips(cell, row, drawing.proposal(row.id)) },
    ...(like ? [text("score", "alike", "58px", undefined, (row) => (row.score == null ? "" : row.score.toFixed(3)))] : []),
    text("song", "song", "minmax(70px, 2fr)", like ? undefined : "song", (row) => [row.song, row.stem].filter(Boolean).join(" / ")),
    text("length", "length", "66px", like ? undefined : "duration", (row) => length(row.frames / row.sample_rate)),
    text("bpm", "bpm", "56px", like ? undefined : "bpm", (row) => (row.bpm == null ? "" : row.bpm.toFixed(row.bpm % 1 ? 1 : 0))),
    text("key", "key", "46px", like ? undefined : "key", (row) => row.key ?? ""),
    { name: "rating", title: "rating", width: "80px", sort: like ? undefined : "rating", draw: (cell, row) => stars(cell, row, drawing) },
    text("tags", "tags", "minmax(50px, 1.5fr)", undefined, (row) => row.tags.join(", ")),
  ];
}

/** `0.25 s`, `2:05` from a minute on. */
export function length(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function put(cell: HTMLElement, text: string): void {
  cell.textContent = text;
  cell.title = text;
}

function star(cell: HTMLElement, row: SoundRow, drawing: Drawing): void {
  const sign = h("span", { class: row.favourite ? "al-star al-on" : "al-star", role: "img", "aria-label": row.favourite ? "favourite" : "no favourite" }, row.favourite ? "★" : "☆");
  sign.addEventListener("mousedown", (event) => {
    event.stopPropagation();
    drawing.favour(row);
  });
  cell.append(sign);
}

function stars(cell: HTMLElement, row: SoundRow, drawing: Drawing): void {
  cell.setAttribute("aria-label", row.rating ? `${row.rating} of 5 stars` : "no rating");
  for (let number = 1; number <= 5; number++) {
    const on = number <= (row.rating ?? 0);
    const sign = h("span", { class: on ? "al-star al-on" : "al-star", "aria-hidden": "true" }, on ? "★" : "·");
    sign.addEventListener("mousedown", (event) => {
      event.stopPropagation();
      drawing.rate(row, number === row.rating ? 0 : number);
    });
    cell.append(sign);
  }
}

function labelChips(cell: HTMLElement, row: SoundRow, proposal: Proposal | undefined): void {
  if (row.label) {
    const sure = row.source === "human" || row.confidence === null ? "" : ` ${row.confidence.toFixed(2)}`;
    const who = row.source === "human" ? "said by a person" : row.source === "model" ? `a model's, confidence${sure}` : "imported";
    cell.append(chip(row.label + sure, row.family, "al-chip", `${row.label}: ${who}`));
  }
  if (proposal) {
    const others = proposal.top.map(([label, share]) => `${label} ${share.toFixed(2)}`).join(", ");
    const made = chip(`${proposal.label} ${proposal.confidence.toFixed(2)}?`, proposal.family, "al-chip al-proposed", `proposed, not stored (Y accepts): ${others}`);
    made.dataset.top = JSON.stringify(proposal.top);
    cell.append(made);
  }
}

function chip(text: string, family: string | null, className: string, title: string): HTMLElement {
  const known = family && FAMILIES.includes(family) ? family : "unknown";
  return h("span", { class: `${className} al-family-${known}`, title }, text);
}

function thumbnail(values: Uint8Array | undefined, color: string): HTMLCanvasElement {
  const canvas = h("canvas", { class: "al-thumb", "aria-hidden": "true" });
  const scale = Math.min(2, globalThis.devicePixelRatio || 1);
  canvas.width = THUMB * scale;
  canvas.height = THUMB_HEIGHT * scale;
  if (values) drawThumb(canvas.getContext("2d")!, values, scale, color);
  return canvas;
}

function drawThumb(context: CanvasRenderingContext2D, values: Uint8Array, scale: number, color: string): void {
  context.fillStyle = color;
  const y = (value: number) => ((255 - value) / 255) * THUMB_HEIGHT * scale;
  for (let column = 0; column < THUMB; column++) {
    const top = y(values[column]);
    const bottom = y(values[THUMB + column]);
    context.fillRect(column * scale, top, scale, Math.max(scale, bottom - top));
  }
}

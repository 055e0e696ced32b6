/** What the annotator knows, and what follows from it; nothing here touches the page. */

export interface Proposal {
  label: string;
  confidence: number;
  top: [string, number][];
}

export interface Region {
  id: string;
  name: string;
  /** Frames. */
  start: number;
  stop: number;
  /** The whole sound: it can be labelled, not moved. */
  whole: boolean;
  label: string | null;
  source: "human" | "import" | "model" | null;
  confidence: number | null;
  /** The label that a person gave. */
  mine: string | null;
  proposal: Proposal | null;
  rejected: boolean;
  by_hand: boolean;
}

export interface State {
  sound: string;
  regions: Region[];
  onsets: number[];
  marked: boolean;
  queue: { at: number; length: number; endless: boolean };
  open: number;
}

export type Edge = "start" | "stop";

export const NOTHING: State = { sound: "", regions: [], onsets: [], marked: false, queue: { at: 0, length: 0, endless: false }, open: 0 };

export function find(state: State, id: string): Region | undefined {
  return state.regions.find((each) => each.id === id);
}

/** The shortest region that holds a frame: of nested ones the inner. */
export function regionAt(regions: Region[], frame: number): Region | undefined {
  const holding = regions.filter((each) => each.start <= frame && frame < each.stop);
  return holding.sort((a, b) => a.stop - a.start - (b.stop - b.start))[0];
}

/** The region `by` places after a chosen one; with none chosen the next one from a frame on. */
export function neighbour(regions: Region[], selected: string, by: number, frame: number): Region | undefined {
  if (!regions.length) return undefined;
  const at = regions.findIndex((each) => each.id === selected);
  if (at >= 0) return regions[Math.max(0, Math.min(regions.length - 1, at + by))];
  const next = regions.findIndex((each) => each.start >= frame);
  if (by > 0) return next < 0 ? regions[regions.length - 1] : regions[next];
  return next < 0 ? regions[regions.length - 1] : regions[Math.max(0, next - 1)];
}

/** Move one edge; it never passes the other one or leaves the sound. */
export function moved(region: Pick<Region, "start" | "stop">, edge: Edge, to: number, frames: number): { start: number; stop: number } {
  const at = Math.round(to);
  if (edge === "start") return { start: Math.max(0, Math.min(at, region.stop - 1)), stop: region.stop };
  return { start: region.start, stop: Math.min(frames, Math.max(at, region.start + 1)) };
}

/** Frames of so many milliseconds, at least one. */
export function milliseconds(count: number, rate: number): number {
  return Math.max(1, Math.round((Math.abs(count) * rate) / 1000)) * Math.sign(count);
}

/** The nearest of some frames in order, or -1. */
export function nearestIndex(frames: number[], frame: number): number {
  let best = -1;
  for (let i = 0; i < frames.length; i++) {
    if (best < 0 || Math.abs(frames[i] - frame) < Math.abs(frames[best] - frame)) best = i;
  }
  return best;
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** What is said of a region, in words. */
export function told(region: Region): string {
  const parts: string[] = [];
  if (region.mine !== null) parts.push(`${region.mine}, by you`);
  else if (region.label) parts.push(region.source === "model" ? `${region.label}? ${percent(region.confidence ?? 0)}` : region.label);
  else parts.push("no label");
  if (region.mine !== null && region.proposal && region.proposal.label !== region.mine) parts.push(`model: ${region.proposal.label} ${percent(region.proposal.confidence)}`);
  if (region.mine === null && region.proposal && region.proposal.label !== region.label) parts.push(`proposed: ${region.proposal.label} ${percent(region.proposal.confidence)}`);
  if (region.rejected) parts.push("rejected");
  return parts.join(" · ");
}

/** Rows of a long list that are shown around a chosen one. */
export function windowAround(length: number, at: number, most: number): [number, number] {
  const first = Math.max(0, Math.min(at - Math.floor(most / 2), length - most));
  return [first, Math.min(length, first + most)];
}

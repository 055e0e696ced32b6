import { type Edge, moved, type Region } from "./annotating";
import { h } from "./dom";
import type { View } from "./view";
import type { Waveform } from "./waveform";

export interface Draft {
  /** The region that is being moved; empty: a new one. */
  id: string;
  start: number;
  stop: number;
}

interface Options {
  rate: number;
  frames: number;
  height: number;
  /** Whether the pointer may make and move regions now. */
  editing: () => boolean;
  select: (id: string) => void;
  add: (start: number, stop: number) => void;
  move: (id: string, start: number, stop: number) => void;
}

const DRAG_PX = 4;
const MOST = 600;

/** Regions over a waveform: a strip with the label to choose one, edges to drag; dragging beside edges makes a new one. */
export class RegionLayer {
  private readonly layer = h("div", { class: "al-regions", "aria-hidden": "true" });
  private regions: Region[] = [];
  private selected = "";
  private edge: Edge = "start";
  private draft: Draft | null = null;

  constructor(private readonly view: View, private readonly wave: Waveform, private readonly options: Options) {
    this.layer.style.height = `${options.height}px`;
    wave.container.append(this.layer);
    wave.on("view", () => this.draw());
    wave.container.addEventListener("pointerdown", (event) => this.drag(event), { signal: view.signal });
  }

  show(regions: Region[], selected: string, edge: Edge, draft: Draft | null): void {
    Object.assign(this, { regions, selected, edge, draft });
    this.draw();
  }

  private draw(): void {
    const { start, stop } = this.wave.visible;
    const seen = this.regions.filter((each) => each.stop >= start * this.options.rate && each.start <= stop * this.options.rate && !each.whole);
    const drawn = seen.slice(0, MOST).map((each) => this.element(each));
    if (this.draft && !this.draft.id) drawn.push(this.place(h("div", { class: "al-region al-new" }), this.draft));
    this.layer.replaceChildren(...drawn);
  }

  private element(region: Region): HTMLElement {
    const chosen = region.id === this.selected;
    const span = this.draft?.id === region.id ? this.draft : region;
    const state = region.rejected ? "al-rejected" : region.mine !== null ? "al-mine" : region.source === "model" ? "al-guess" : "";
    const text = region.mine ?? (region.label ? `${region.label}?` : "");
    const chip = h("div", { class: "al-region-chip", title: text || "no label" }, text);
    chip.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      this.view.root.parentElement?.focus({ preventScroll: true });
      this.options.select(region.id);
    });
    const made = h("div", { class: `al-region ${state} ${chosen ? "al-chosen" : ""}`, "data-region": region.id }, chip);
    for (const edge of ["start", "stop"] as const) {
      const handle = h("div", { class: `al-edge al-${edge} ${chosen && edge === this.edge ? "al-active" : ""}` });
      handle.addEventListener("pointerdown", (event) => this.dragEdge(event, handle, region, edge));
      made.append(handle);
    }
    return this.place(made, span);
  }

  private place(element: HTMLElement, span: { start: number; stop: number }): HTMLElement {
    const left = this.wave.timeToX(span.start / this.options.rate);
    element.style.left = `${left}px`;
    element.style.width = `${Math.max(1, this.wave.timeToX(span.stop / this.options.rate) - left)}px`;
    return element;
  }

  private frameAt(event: PointerEvent): number {
    const x = event.clientX - this.wave.container.getBoundingClientRect().left;
    return Math.round(this.wave.xToTime(x) * this.options.rate);
  }

  private dragEdge(event: PointerEvent, handle: HTMLElement, region: Region, edge: Edge): void {
    event.stopPropagation();
    event.preventDefault();
    this.view.root.parentElement?.focus({ preventScroll: true });
    if (event.button !== 0 || !this.options.editing()) return;
    this.options.select(region.id);
    this.edge = edge;
    this.follow(handle, (now) => {
      this.draft = { id: region.id, ...moved(region, edge, this.frameAt(now), this.options.frames) };
      this.draw();
    }, () => {
      const draft = this.draft;
      this.draft = null;
      if (draft && (draft.start !== region.start || draft.stop !== region.stop)) this.options.move(region.id, draft.start, draft.stop);
      else this.draw();
    });
  }

  /** A press that moves makes a region; one that does not is a click, which seeks. */
  private drag(event: PointerEvent): void {
    if (event.button !== 0 || !this.options.editing()) return;
    const from = this.frameAt(event);
    const x = event.clientX;
    let dragging = false;
    this.follow(null, (now) => {
      dragging ||= Math.abs(now.clientX - x) > DRAG_PX;
      if (!dragging) return;
      const to = this.frameAt(now);
      this.draft = { id: "", start: Math.min(from, to), stop: Math.max(from, to) };
      this.draw();
    }, () => {
      if (!dragging) return;
      const swallow = (click: Event) => click.stopPropagation(); // it is no click that seeks
      this.wave.container.addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => this.wave.container.removeEventListener("click", swallow, { capture: true }), 0);
      const draft = this.draft;
      this.draft = null;
      this.draw();
      if (draft && draft.stop > draft.start) this.options.add(draft.start, draft.stop);
    });
  }

  /** Follow the pointer until it is let go; Escape or a closed view ends it. */
  private follow(_handle: HTMLElement | null, move: (event: PointerEvent) => void, end: () => void): void {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.view.signal]);
    window.addEventListener("pointermove", (event) => move(event), { signal });
    window.addEventListener("pointerup", () => {
      over.abort();
      end();
    }, { signal });
    window.addEventListener("pointercancel", () => {
      over.abort();
      this.draft = null;
      this.draw();
    }, { signal });
  }
}

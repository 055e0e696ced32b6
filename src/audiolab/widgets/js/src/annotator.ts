import { type Edge, find, milliseconds, moved, nearestIndex, neighbour, NOTHING, regionAt, type Region, type State, told } from "./annotating";
import { labelBar, toolBar } from "./annotator_bars";
import { bindKeys } from "./annotator_keys";
import { h } from "./dom";
import { put, watch } from "./model";
import { type Draft, RegionLayer } from "./region_layer";
import { RegionList } from "./region_list";
import { CommSource, type Offered } from "./transport/source";
import { Transport } from "./transport/transport";
import type { Draw, View } from "./view";
import { Waveform } from "./waveform";

const HEIGHT = 130;
const NUDGE_WAIT = 350;
const ONSET_SECONDS = 0.25;

/** Regions and onsets on a waveform. Whatever is done is asked of Python, which keeps it in the library at once. */
export const drawAnnotator: Draw = async (view) => {
  const annotator = new AnnotatorView(view);
  await annotator.start();
};

export class AnnotatorView {
  state: State = NOTHING;
  offered: Offered;
  wave: Waveform | null = null;
  readonly transport: Transport;
  private layer: RegionLayer | null = null;
  private readonly place = h("div", { class: "al-annotator-wave" });
  private readonly list = new RegionList((id) => this.select(id, true));
  private readonly said = h("div", { class: "al-note al-annotator-said", role: "note" });
  private edge: Edge = "start";
  private draft: Draft | null = null;
  private entry: number | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private waiting: (() => void) | null = null;
  private building: Promise<void> = Promise.resolve();
  private sound = new AbortController();
  private looping = false;
  private doing: Promise<any> = Promise.resolve();
  /** Called whenever something changed that the bars show. */
  readonly changed = new Set<() => void>();

  constructor(readonly view: View) {
    this.offered = view.model.get("_sound") as Offered;
    this.transport = new Transport(this.offered.sample_rate, view.signal);
  }

  async start(): Promise<void> {
    const { view } = this;
    bindKeys(this);
    view.signal.addEventListener("abort", () => clearTimeout(this.timer));
    view.root.append(toolBar(this), this.place, labelBar(this), this.said, this.list.element);
    view.rpc.on("state", (state) => this.take(state as State));
    this.take(await view.rpc.ask<State>("state"));
    watch<Offered>(view.model, "_sound", view.signal, (offered) => {
      this.offered = offered;
      this.building = this.building.then(() => this.build()).catch((error) => view.fail(error));
    });
    watch<string>(view.model, "selected", view.signal, () => this.chosen());
    watch<string>(view.model, "mode", view.signal, () => this.refresh());
    // What was clicked must not take the keys: Space plays, it does not press the button again.
    view.root.addEventListener("click", (event) => {
      if (event.detail > 0 && (event.target as HTMLElement).closest("button")) view.root.parentElement?.focus({ preventScroll: true });
    }, { signal: view.signal });
    this.transport.on("error", (error) => view.fail(error));
    this.transport.on("state", () => this.notify());
    this.transport.on("time", () => this.notify());
    await this.building;
    if (this.selected) this.focus();
    view.root.dataset.ready = "true";
  }

  // ---- what is there -------------------------------------------------------------------------

  get rate(): number {
    return this.offered.sample_rate;
  }

  get selected(): string {
    return String(this.view.model.get("selected"));
  }

  get onsetMode(): boolean {
    return this.view.model.get("mode") === "onsets";
  }

  get frame(): number {
    return Math.round(this.transport.position * this.rate);
  }

  get loop(): boolean {
    return this.looping;
  }

  region() {
    return find(this.state, this.selected);
  }

  private take(state: State): void {
    this.state = state;
    this.draft = null;
    this.refresh();
  }

  private async build(): Promise<void> {
    const { offered, view } = this;
    this.sound.abort();
    this.sound = new AbortController();
    const own: View = { ...view, signal: AbortSignal.any([view.signal, this.sound.signal]) };
    this.transport.load(new CommSource(view.rpc, offered));
    const container = h("div");
    this.place.replaceChildren(container);
    this.wave = await Waveform.create(own, container, { transport: this.transport, offered, height: HEIGHT });
    this.layer = new RegionLayer(own, this.wave, {
      rate: offered.sample_rate, frames: offered.frames, height: HEIGHT, editing: () => !this.onsetMode,
      select: (id) => this.select(id, false),
      add: (start, stop) => void this.act("add", { start, stop }, "region added"),
      move: (region, start, stop) => void this.act("move", { region, start, stop }, "region moved"),
    });
    container.addEventListener("click", () => setTimeout(() => this.clicked(), 0), { signal: own.signal });
    const beats = await view.rpc.ask<{ beats: number[]; downbeats: number[] }>("marks");
    if (own.signal.aborted) return;
    this.wave.addMarkers(beats.beats, "beat");
    this.wave.addMarkers(beats.downbeats, "downbeat", beats.downbeats.map((_, i) => String(i + 1)));
    this.refresh();
  }

  private refresh(): void {
    const here = this.state.sound === this.offered.id;
    const regions = here ? this.state.regions : [];
    this.layer?.show(regions, this.selected, this.edge, this.draft);
    this.list.show(regions, this.selected, this.rate);
    this.wave?.clearMarkers("onset");
    if (here && this.onsetMode) this.wave?.addMarkers(this.state.onsets.map((frame) => frame / this.rate), "onset");
    this.notify();
  }

  private notify(): void {
    for (const show of this.changed) show();
  }

  tell(text: string): void {
    this.said.textContent = text;
    this.view.say(text);
  }

  // ---- choosing and hearing ------------------------------------------------------------------

  select(id: string, play: boolean): void {
    this.flush();
    if (id !== this.selected) put(this.view.model, "selected", id);
    const region = this.region();
    if (!region) return;
    this.tell(`${region.name}: ${told(region)}`);
    if (play && this.view.model.get("autoplay")) void this.playRegion();
    else if (!this.transport.playing) this.transport.seek(region.start / this.rate);
  }

  private chosen(): void {
    this.draft = null;
    this.refresh();
    this.reveal();
    if (this.looping) this.setLoop(true);
  }

  /** Scroll to the chosen region if it is out of sight. */
  private reveal(): void {
    const region = this.region();
    if (!region || !this.wave) return;
    const { start, stop } = this.wave.visible;
    const at = region.start / this.rate;
    if (at < start || at > stop) this.wave.scrollTo(at - (stop - start) / 4);
  }

  /** Zoom so that the chosen region is well seen with what lies around it. */
  focus(): void {
    const region = this.region();
    if (!region || !this.wave) return;
    const seconds = Math.max(0.02, (region.stop - region.start) / this.rate);
    const shown = Math.min(this.wave.duration, Math.max(seconds * 4, 0.5));
    this.wave.zoom(this.wave.container.clientWidth / shown);
    this.wave.scrollTo(region.start / this.rate - (shown - seconds) / 2);
  }

  private clicked(): void {
    if (this.onsetMode) return;
    const hit = regionAt(this.state.regions.filter((each) => !each.whole), this.frame);
    if (hit && hit.id !== this.selected) put(this.view.model, "selected", hit.id);
  }

  async playRegion(): Promise<void> {
    const region = this.region();
    if (!region) return this.transport.play();
    const span = this.draft?.id === region.id ? this.draft : region;
    if (this.looping) {
      this.setLoop(true);
      this.transport.seek(span.start / this.rate);
      return this.transport.play();
    }
    return this.transport.playSpan(span.start / this.rate, span.stop / this.rate);
  }

  toggle(): void {
    if (this.transport.playing) return this.transport.pause();
    if (this.onsetMode) void this.transport.playSpan(this.transport.position, this.transport.position + ONSET_SECONDS);
    else void this.playRegion();
  }

  setLoop(on: boolean): void {
    this.looping = on;
    const region = this.region();
    this.transport.loop = on && region ? { start: region.start / this.rate, stop: region.stop / this.rate } : null;
    this.notify();
  }

  // ---- doing -----------------------------------------------------------------------------------

  /**
   * Ask Python to do something; its state comes to all views as an event. One thing after the other: what a key means
   * (which region, which frames) follows from what the key before has done.
   */
  act(method: string, params: object | (() => object | null), what: string): Promise<any> {
    this.flush();
    this.doing = this.doing.then(() => this.view.attempt(async () => {
      const given = typeof params === "function" ? params() : params;
      if (!given) return null;
      const answer = await this.view.rpc.ask(method, given);
      this.tell(answer.said ?? what);
      if (answer.play) {
        await this.building;
        this.focus();
        if (this.view.model.get("autoplay")) await this.playRegion();
      }
      return answer;
    })).then((answer) => {
      if (answer === undefined) this.drop(); // it did not succeed: show what is
      return answer;
    });
    return this.doing;
  }

  /** Do something once the keys rest, or before anything else is done. */
  private later(work: () => void): void {
    clearTimeout(this.timer);
    this.waiting = work;
    this.timer = setTimeout(() => this.flush(), NUDGE_WAIT);
  }

  private flush(): void {
    clearTimeout(this.timer);
    const work = this.waiting;
    this.waiting = null;
    work?.();
  }

  private drop(): void {
    this.draft = null;
    this.refresh();
  }

  /** Do something with the chosen region; without one say so. */
  with(method: string, what: string, params: (region: Region) => object = () => ({})): void {
    void this.act(method, () => {
      const region = this.region();
      if (!region) this.tell("choose a region first (arrow up or down)");
      return region ? { region: region.id, ...params(region) } : null;
    }, what);
  }

  step(by: number): void {
    if (this.onsetMode) return this.stepOnset(by);
    const next = neighbour(this.state.regions, this.selected, by, this.frame);
    if (next) this.select(next.id, true);
  }

  setEdge(edge: Edge): void {
    const { frame } = this;
    if (!this.region()) return edge === "start" ? this.mark() : this.markEnd();
    const span = (region: Region) => (edge === "start" ? { start: frame, stop: region.stop } : { start: region.start, stop: frame });
    this.with("move", `${edge === "start" ? "beginning" : "end"} moved`, span);
  }

  mark(): void {
    this.entry = this.frame;
    this.tell(`a region begins at ${this.transport.position.toFixed(3)} s; O ends it`);
  }

  markEnd(): void {
    if (this.entry === null) return this.tell("I marks where a region begins, O ends it");
    void this.act("add", { start: this.entry, stop: this.frame }, "region added");
    this.entry = null;
  }

  swapEdge(): void {
    this.edge = this.edge === "start" ? "stop" : "start";
    this.tell(this.edge === "start" ? "the beginning moves now" : "the end moves now");
    this.refresh();
  }

  /** Move the active edge; several presses in a row are one action. */
  nudge(by: number): void {
    if (this.onsetMode) return this.nudgeOnset(by);
    const region = this.region();
    if (!region || region.whole) return;
    const from = this.draft?.id === region.id ? this.draft : region;
    const span = moved(from, this.edge, from[this.edge] + milliseconds(by, this.rate), this.offered.frames);
    this.draft = { id: region.id, ...span };
    this.refresh();
    this.tell(`${this.edge === "start" ? "beginning" : "end"} at ${(span[this.edge] / this.rate).toFixed(4)} s`);
    this.later(() => void this.act("move", { region: region.id, ...span, snap: false }, "edge moved"));
  }

  split(): void {
    const at = this.frame;
    this.with("split", "split", () => ({ at }));
  }

  reject(): void {
    const region = this.region();
    this.with("reject", region?.rejected ? "no longer rejected" : "rejected");
  }

  label(index: number): void {
    const label = (this.view.model.get("labels") as string[])[index];
    if (label) this.with("label", label, () => ({ label }));
  }

  // ---- onsets ----------------------------------------------------------------------------------

  private stepOnset(by: number): void {
    const { onsets } = this.state;
    const at = nearestIndex(onsets, this.frame);
    if (at < 0) return this.tell("no onsets are known: A marks one at the cursor");
    const next = onsets[at] === this.frame ? Math.max(0, Math.min(onsets.length - 1, at + by)) : at;
    this.transport.seek(onsets[next] / this.rate);
    this.tell(`onset ${next + 1} of ${onsets.length}`);
    if (this.view.model.get("autoplay")) void this.transport.playSpan(onsets[next] / this.rate, onsets[next] / this.rate + ONSET_SECONDS);
  }

  private changeOnsets(frames: number[], at: number | null, what: string): void {
    void this.act("onsets", at === null ? { frames } : { frames, at }, what).then((answer) => {
      if (answer && typeof answer.at === "number") this.transport.seek(answer.at / this.rate);
    });
  }

  addOnset(): void {
    this.changeOnsets([...this.state.onsets, this.frame], this.frame, "onset marked");
  }

  removeOnset(): void {
    const at = nearestIndex(this.state.onsets, this.frame);
    if (at >= 0) this.changeOnsets(this.state.onsets.filter((_, index) => index !== at), null, "onset removed");
  }

  private nudgeOnset(by: number): void {
    const at = nearestIndex(this.state.onsets, this.frame);
    if (at < 0) return;
    const to = Math.max(0, Math.min(this.offered.frames, this.state.onsets[at] + milliseconds(by, this.rate)));
    this.state = { ...this.state, onsets: this.state.onsets.map((frame, index) => (index === at ? to : frame)).sort((a, b) => a - b) };
    this.transport.seek(to / this.rate);
    this.refresh();
    this.later(() => this.changeOnsets(this.state.onsets, null, "onset moved"));
  }
}

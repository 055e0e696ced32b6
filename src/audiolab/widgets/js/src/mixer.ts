import { showLevel, transportBar } from "./controls";
import { button, h } from "./dom";
import { Lane } from "./lane";
import { loopAndZoom } from "./looping";
import { changed, gainOf, HIGHEST_DB, isHeard, LOWEST_DB, type MixState, sayDb, sayPan, type StemState } from "./mix_state";
import { put, watch } from "./model";
import { CommSource, type Offered } from "./transport/source";
import { Transport } from "./transport/transport";
import type { Draw, View } from "./view";
import { Waveform } from "./waveform";

interface Stem {
  stem: string;
  color: string;
  sound: Offered;
}

interface Tracks {
  name: string;
  original: Offered;
  stems: Stem[];
}

/** All stems of a song: one transport with the song itself as one more track, so that A/B is a matter of muting. */
export const drawMixer: Draw = async (view) => {
  const { name, original, stems } = await view.rpc.ask<Tracks>("tracks");
  const transport = new Transport(original.sample_rate, view.signal);
  transport.setTracks([
    { id: original.id, source: new CommSource(view.rpc, original), muted: true },
    ...stems.map(({ sound }) => ({ id: sound.id, source: new CommSource(view.rpc, sound) })),
  ]);
  const bar = transportBar(view, transport);
  const container = h("div");
  const rows = new Rows(view, transport, stems);
  view.root.append(h("div", { class: "al-bar" }, h("span", { class: "al-title" }, name)), container, rows.element, bar);
  const wave = await Waveform.create(view, container, { transport, offered: original, height: 64, label: "the song" });
  wave.on("view", (span) => rows.lanes.forEach((lane) => lane.show(span)));
  bar.append(...loopAndZoom(view, transport, wave), compare(view), resetButton(view));
  view.root.append(bounce(view, transport, name));
  const apply = () => {
    const state: MixState = view.model.get("mix");
    const whole: boolean = view.model.get("original");
    transport.setTrack(original.id, { muted: !whole });
    for (const { stem, sound } of stems) {
      const { gain_db, pan } = state[stem];
      transport.setTrack(sound.id, { gain: gainOf(gain_db), pan, muted: whole || !isHeard(state, stem) });
    }
    rows.show(state, whole);
  };
  watch(view.model, "mix", view.signal, apply);
  watch(view.model, "original", view.signal, apply);
  view.root.dataset.ready = "true";
};

/** A row a stem: name, waveform, mute, solo, gain, balance, level. */
class Rows {
  readonly element = h("div", { class: "al-mixer-rows", role: "list" });
  readonly lanes: Lane[];
  private selected = 0;
  private readonly shows: ((state: StemState, heard: boolean) => void)[] = [];

  constructor(private readonly view: View, transport: Transport, private readonly stems: Stem[]) {
    this.lanes = stems.map(({ sound, color }) => new Lane(view, sound, transport, color));
    stems.forEach((stem, index) => this.element.append(this.row(stem, index, transport)));
    this.keys();
    this.select(0);
  }

  /** Show a state; the stems are dim while the original is heard. */
  show(state: MixState, original: boolean): void {
    this.stems.forEach(({ stem }, index) => this.shows[index](state[stem], isHeard(state, stem)));
    this.element.classList.toggle("al-other", original);
  }

  private change(stem: string, settings: Partial<StemState>): void {
    put(this.view.model, "mix", changed(this.view.model.get("mix"), stem, settings));
  }

  private state(index = this.selected): StemState {
    return this.view.model.get("mix")[this.stems[index].stem];
  }

  private flip(index: number, what: "muted" | "solo"): void {
    if (index >= this.stems.length) return;
    const { stem } = this.stems[index];
    this.change(stem, { [what]: !this.state(index)[what] });
    this.view.say(`${stem} ${this.state(index)[what] ? what : what === "muted" ? "not muted" : "not solo"}`);
  }

  private select(index: number): void {
    this.selected = (index + this.stems.length) % this.stems.length;
    [...this.element.children].forEach((row, at) => row.classList.toggle("al-selected", at === this.selected));
    this.view.say(`${this.stems[this.selected].stem} selected`);
  }

  private keys(): void {
    const { keys } = this.view;
    this.stems.slice(0, 9).forEach((_, index) => {
      keys.add(`${index + 1}`, index ? "" : "mute the first stem, 2 the second and so on", () => this.flip(index, "muted"));
      keys.add(`Shift+${index + 1}`, index ? "" : "solo the first stem, and so on", () => this.flip(index, "solo"));
    });
    keys.add("ArrowUp", "select the stem above", () => this.select(this.selected - 1));
    keys.add("ArrowDown", "select the stem below", () => this.select(this.selected + 1));
    const step = (settings: (state: StemState) => Partial<StemState>) => () => this.change(this.stems[this.selected].stem, settings(this.state()));
    keys.add("Shift+ArrowUp", "selected stem 1 dB louder", step(({ gain_db }) => ({ gain_db: gain_db + 1 })));
    keys.add("Shift+ArrowDown", "selected stem 1 dB quieter", step(({ gain_db }) => ({ gain_db: gain_db - 1 })));
    keys.add("Alt+ArrowLeft", "selected stem to the left", step(({ pan }) => ({ pan: pan - 0.1 })));
    keys.add("Alt+ArrowRight", "selected stem to the right", step(({ pan }) => ({ pan: pan + 0.1 })));
    keys.add("0", "selected stem to 0 dB and the middle", step(() => ({ gain_db: 0, pan: 0 })));
    keys.add("m", "mute the selected stem", () => this.flip(this.selected, "muted"));
    keys.add("s", "solo the selected stem", () => this.flip(this.selected, "solo"));
  }

  private row({ stem, color, sound }: Stem, index: number, transport: Transport): HTMLElement {
    const swatch = h("span", { class: "al-swatch", "aria-hidden": "true" });
    swatch.style.background = color;
    const mute = button(`mute ${stem} (${index + 1})`, "M", () => this.flip(index, "muted"), "al-mute");
    const solo = button(`solo ${stem} (Shift+${index + 1})`, "S", () => this.flip(index, "solo"), "al-solo");
    const gain = slider(`gain of ${stem}`, LOWEST_DB, HIGHEST_DB, 0.5);
    const gainText = h("output", { class: "al-note al-db" });
    const pan = slider(`balance of ${stem}`, -1, 1, 0.05);
    const panText = h("output", { class: "al-note al-pan" });
    const meter = h("span", { class: "al-meter", role: "meter", "aria-label": `level of ${stem}`, "aria-valuemin": -60, "aria-valuemax": 0 }, h("span"));
    gain.addEventListener("input", () => this.change(stem, { gain_db: Number(gain.value) }));
    gain.addEventListener("dblclick", () => this.change(stem, { gain_db: 0 }));
    pan.addEventListener("input", () => this.change(stem, { pan: Number(pan.value) }));
    pan.addEventListener("dblclick", () => this.change(stem, { pan: 0 }));
    transport.on("meter", ({ tracks }) => showLevel(meter, tracks[sound.id] ?? 0));
    transport.on("state", (state) => state === "paused" && showLevel(meter, 0));
    const lane = this.lanes[index];
    const row = h("div", { class: "al-mixer-row", role: "listitem", "aria-label": stem },
      h("span", { class: "al-stem" }, swatch, h("span", { class: "al-stem-name", title: stem }, stem)), lane.element, mute, solo, gain, gainText, pan, panText, meter);
    row.addEventListener("pointerdown", () => this.select(index));
    this.shows.push((state, heard) => {
      mute.setAttribute("aria-pressed", String(state.muted));
      solo.setAttribute("aria-pressed", String(state.solo));
      row.classList.toggle("al-unheard", !heard);
      gain.value = String(state.gain_db);
      gainText.textContent = sayDb(state.gain_db);
      gain.setAttribute("aria-valuetext", sayDb(state.gain_db));
      pan.value = String(state.pan);
      panText.textContent = sayPan(state.pan);
      pan.setAttribute("aria-valuetext", sayPan(state.pan));
      lane.gain = gainOf(state.gain_db);
      lane.draw();
    });
    return row;
  }
}

function slider(name: string, min: number, max: number, step: number): HTMLInputElement {
  return h("input", { type: "range", min, max, step, "aria-label": name, title: `${name}; double click: back to 0` });
}

/** The original in the place of the mix, from one sample to the next; levels stay what they are. */
function compare(view: View): HTMLElement {
  const flip = () => put(view.model, "original", !view.model.get("original"));
  const toggle = button("hear the original instead of the mix (A)", "original", flip, "al-ab");
  watch<boolean>(view.model, "original", view.signal, (on) => toggle.setAttribute("aria-pressed", String(on)));
  view.keys.add("a", "the original, or the mix", flip);
  return toggle;
}

function resetButton(view: View): HTMLElement {
  return button("bring all stems to rest: 0 dB, middle, all heard", "reset", () => {
    let state: MixState = view.model.get("mix");
    for (const stem of Object.keys(state)) state = changed(state, stem, { gain_db: 0, pan: 0, muted: false, solo: false });
    put(view.model, "mix", state);
  }, "al-reset");
}

/** Render the mix, or the part that loops, into the library. */
function bounce(view: View, transport: Transport, song: string): HTMLElement {
  const name = h("input", { type: "text", class: "al-bounce-name", "aria-label": "name of the bounce", placeholder: `name, such as “${song} mix”` });
  const said = h("span", { class: "al-note", role: "status" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "progress of the bounce" });
  const stop = button("stop the bounce", "stop", () => void view.attempt(() => view.rpc.ask("stop_bounce")));
  const begin = () => view.attempt(async () => {
    const { loop } = transport;
    const part = loop ? { start: loop.start, stop: loop.stop } : {};
    const found = await view.rpc.ask("begin_bounce", { name: name.value, ...part });
    said.textContent = `rendering “${found.name}”${loop ? " (the loop)" : ""} …`;
    running(true);
  });
  const start = button("render the mix, or the loop, as a new sound of the library", "bounce", () => void begin(), "al-bounce");
  const running = (on: boolean) => {
    bar.hidden = stop.hidden = !on;
    start.disabled = on;
  };
  running(false);
  view.rpc.on("bounce", ({ share, made, failed }) => {
    running(!made && !failed);
    if (share !== undefined) bar.value = share;
    if (made) {
      said.textContent = `added to the library: ${made.kind} “${made.name}”`;
      view.say(said.textContent);
    }
    if (failed) {
      said.textContent = "";
      view.fail(new Error(failed));
    }
  });
  return h("div", { class: "al-bar al-bouncing" }, name, start, bar, stop, said);
}

import { transportBar } from "./controls";
import { button, h } from "./dom";
import { loopAndZoom } from "./looping";
import { put, watch } from "./model";
import { type Picked, RollCanvas, type RollTrack } from "./roll_canvas";
import { type Note, NoteList } from "./roll_layout";
import { CommSource, type Offered } from "./transport/source";
import { Transport } from "./transport/transport";
import type { Draw, View } from "./view";
import { Waveform } from "./waveform";

interface Told {
  stem: string;
  color: string;
  drums: boolean;
  audio: Offered;
  voice: Offered;
  notes: Note[];
  removed: Note[];
}

interface Tracks {
  name: string;
  sound: Offered;
  beats: number[];
  downbeats: number[];
  drum_names: Record<string, string>;
  tracks: Told[];
  undo: number;
  redo: number;
}

interface Entry extends RollTrack {
  audio: Offered;
  voice: Offered;
}

const HEAR = ["audio", "notes", "both"] as const;

/** Notes under the waveform; the audio, the notes, or both are tracks of one transport. */
export const drawPianoRoll: Draw = async (view) => {
  const told = await view.rpc.ask<Tracks>("tracks");
  const transport = new Transport(told.sound.sample_rate, view.signal);
  const entries = told.tracks.map(entryOf);
  const tracks = new Heard(view, transport, entries);
  tracks.apply(true);
  const bar = transportBar(view, transport);
  const container = h("div");
  const top = h("div", { class: "al-bar" }, h("span", { class: "al-title" }, told.name), ...hearButtons(view), ...chips(view, entries));
  view.root.append(top, container, bar);
  const wave = await Waveform.create(view, container, { transport, offered: told.sound, height: 56 });
  wave.addMarkers(told.downbeats, "downbeat", told.downbeats.map((_, index) => String(index + 1)));
  const roll = new RollCanvas(wave, view.signal);
  Object.assign(roll, { beats: told.beats, downbeats: told.downbeats, drumNames: told.drum_names });
  container.after(roll.element);
  bar.append(...loopAndZoom(view, transport, wave));
  const shown = () => entries.filter(({ stem }) => view.model.get("stems").includes(stem));
  watch(view.model, "stems", view.signal, () => {
    roll.tracks = shown();
    roll.fit();
    tracks.apply(false);
  });
  watch(view.model, "hear", view.signal, () => tracks.apply(false));
  transport.on("time", (position) => {
    roll.position = position;
    roll.redraw();
  });
  const edits = new Edits(view, transport, roll);
  bar.append(...edits.buttons());
  view.root.append(edits.said);
  edits.count(told);
  view.rpc.on("notes", (event: { tracks: Told[]; undo: number; redo: number }) => {
    for (const changed of event.tracks) Object.assign(entries.find(({ stem }) => stem === changed.stem)!, entryOf(changed));
    roll.picked = null;
    tracks.apply(true);
    edits.count(event);
    roll.redraw();
  });
  view.root.dataset.ready = "true";
};

function entryOf({ notes, removed, ...rest }: Told): Entry {
  return { ...rest, notes: new NoteList(notes), removed: new NoteList(removed) };
}

/** Which tracks of the transport are there and sound: only what is heard is fetched. */
class Heard {
  private sources = new Map<string, CommSource>();
  private listed = "";

  constructor(private readonly view: View, private readonly transport: Transport, private readonly entries: Entry[]) {}

  apply(anew: boolean): void {
    const hear = this.view.model.get("hear") as (typeof HEAR)[number];
    const stems = this.view.model.get("stems") as string[];
    const wanted = this.entries.flatMap(({ stem, audio, voice }) => {
      const offered = [...(hear !== "notes" ? [audio] : []), ...(hear !== "audio" ? [voice] : [])];
      return offered.map((each) => ({ id: each.id, source: this.source(each), muted: !stems.includes(stem) }));
    });
    const list = wanted.map(({ id }) => id).join("\n");
    if (anew || list !== this.listed) this.transport.setTracks(wanted);
    else for (const { id, muted } of wanted) this.transport.setTrack(id, { muted });
    this.listed = list;
  }

  private source(offered: Offered): CommSource {
    const made = this.sources.get(offered.id) ?? new CommSource(this.view.rpc, offered);
    this.sources.set(offered.id, made);
    return made;
  }
}

function hearButtons(view: View): HTMLElement[] {
  const buttons = HEAR.map((what) => button(`hear ${what}`, what, () => put(view.model, "hear", what), "al-hear"));
  watch<string>(view.model, "hear", view.signal, (now) => buttons.forEach((each, index) => each.setAttribute("aria-pressed", String(HEAR[index] === now))));
  view.keys.add("a", "hear the audio, the notes, or both", () => {
    const next = HEAR[(HEAR.indexOf(view.model.get("hear")) + 1) % HEAR.length];
    put(view.model, "hear", next);
    view.say(`hear ${next}`);
  });
  return buttons;
}

/** One button a stem: shown and heard, or not. */
function chips(view: View, entries: Entry[]): HTMLElement[] {
  const flip = (stem: string) => {
    const now = view.model.get("stems") as string[];
    put(view.model, "stems", now.includes(stem) ? now.filter((each) => each !== stem) : [...now, stem]);
  };
  return entries.map(({ stem, color, notes }, index) => {
    const made = button(`notes of ${stem} (${index + 1})`, "", () => flip(stem), "al-roll-stem");
    const swatch = h("span", { class: "al-swatch", "aria-hidden": "true" });
    swatch.style.background = color;
    made.append(swatch, ` ${stem} ${notes.notes.length}`);
    watch<string[]>(view.model, "stems", view.signal, (stems) => {
      made.setAttribute("aria-pressed", String(stems.includes(stem)));
      made.classList.toggle("al-roll-off", !stems.includes(stem));
    });
    if (index < 9) view.keys.add(`${index + 1}`, index ? "" : "show and hear the first stem or not, 2 the second and so on", () => flip(stem));
    return made;
  });
}

/** Looking at single notes, taking them away and bringing them back. */
class Edits {
  readonly said = h("div", { class: "al-note al-roll-said", role: "status" });
  private readonly undo = button("undo (Z)", "↶", () => this.ask("undo"), "al-undo");
  private readonly redo = button("redo (Shift+Z)", "↷", () => this.ask("redo"), "al-redo");

  constructor(private readonly view: View, private readonly transport: Transport, private readonly roll: RollCanvas) {
    const { element } = roll;
    const tip = h("div", { class: "al-tip", hidden: true });
    element.append(tip);
    const { signal } = view;
    element.addEventListener("pointermove", (event) => {
      const found = roll.pick(event.offsetX, event.offsetY);
      tip.hidden = !found;
      element.style.cursor = found ? "pointer" : "";
      if (!found) return;
      tip.textContent = roll.describe(found);
      tip.style.left = `${Math.min(event.offsetX + 12, Math.max(0, element.clientWidth - tip.offsetWidth - 4))}px`;
      tip.style.top = `${event.offsetY > 40 ? event.offsetY - 26 : event.offsetY + 14}px`;
    }, { signal });
    element.addEventListener("pointerleave", () => (tip.hidden = true), { signal });
    element.addEventListener("click", (event) => {
      const found = roll.pick(event.offsetX, event.offsetY);
      this.choose(found);
      if (!found) transport.seek(roll.timeAt(event.offsetX));
    }, { signal });
    element.addEventListener("wheel", (event) => {
      if (!event.shiftKey && !event.altKey) return;
      event.preventDefault();
      const down = (event.deltaY || event.deltaX) > 0;
      if (event.shiftKey) roll.zoomBy(down ? 0.8 : 1.25);
      else roll.scrollBy(down ? -2 : 2);
    }, { passive: false, signal });
    this.keys();
  }

  buttons(): HTMLElement[] {
    return [button("higher notes wider (Shift+↑)", "↕+", () => this.roll.zoomBy(1.3)), button("more pitches (Shift+↓)", "↕−", () => this.roll.zoomBy(0.77)), button("fit all pitches (F)", "fit", () => this.roll.fit()), this.undo, this.redo];
  }

  count({ undo, redo }: { undo: number; redo: number }): void {
    this.undo.disabled = !undo;
    this.redo.disabled = !redo;
  }

  private keys(): void {
    const { keys } = this.view;
    keys.add("n", "next note", () => this.step(1));
    keys.add("p", "previous note", () => this.step(-1));
    keys.add("Enter", "hear the chosen note", () => {
      const { picked } = this.roll;
      if (picked) void this.transport.playSpan(picked.note[0], Math.max(picked.note[1], picked.note[0] + 0.1));
    });
    keys.add("Delete Backspace", "take the chosen note away", () => this.take(false));
    keys.add("r", "bring the chosen dashed note back", () => this.take(true));
    keys.add("z", "undo", () => this.ask("undo"));
    keys.add("Shift+z y", "redo", () => this.ask("redo"));
    keys.add("ArrowUp", "higher pitches", () => this.roll.scrollBy(2));
    keys.add("ArrowDown", "lower pitches", () => this.roll.scrollBy(-2));
    keys.add("Shift+ArrowUp", "zoom pitches in", () => this.roll.zoomBy(1.3));
    keys.add("Shift+ArrowDown", "zoom pitches out", () => this.roll.zoomBy(0.77));
    keys.add("f", "fit all pitches", () => this.roll.fit());
  }

  private choose(found: Picked | null): void {
    this.roll.picked = found;
    this.said.textContent = found ? this.roll.describe(found) : "";
    this.roll.redraw();
  }

  private step(by: number): void {
    const all: Picked[] = this.roll.tracks.flatMap((track) => [
      ...track.notes.notes.map((note) => ({ track, note, removed: false })),
      ...track.removed.notes.map((note) => ({ track, note, removed: true })),
    ]);
    all.sort((a, b) => a.note[0] - b.note[0] || a.note[2] - b.note[2]);
    if (!all.length) return;
    const { picked } = this.roll;
    const now = picked ? all.findIndex(({ track, note }) => track.stem === picked.track.stem && note === picked.note) : -1;
    let next = now + by;
    if (now < 0) {
      const later = all.findIndex(({ note }) => note[0] >= this.transport.position - 1e-6);
      next = by > 0 ? (later < 0 ? all.length - 1 : later) : (later < 0 ? all.length : later) - 1;
    }
    const found = all[Math.max(0, Math.min(all.length - 1, next))];
    this.choose(found);
    this.roll.reveal(found.note);
  }

  private take(back: boolean): void {
    const { picked } = this.roll;
    if (!picked || picked.removed !== back) return;
    const { track, note } = picked;
    const told = this.roll.describe(picked);
    void this.view.attempt(async () => {
      await this.view.rpc.ask(back ? "restore" : "remove", { stem: track.stem, notes: [[note[0], note[2]]] });
      this.said.textContent = `${back ? "brought back" : "taken away"}: ${told}`;
    });
  }

  private ask(what: "undo" | "redo"): void {
    void this.view.attempt(async () => {
      await this.view.rpc.ask(what);
      this.said.textContent = what === "undo" ? "taken back" : "done again";
    });
  }
}

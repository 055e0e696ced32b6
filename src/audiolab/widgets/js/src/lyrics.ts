import { transportBar } from "./controls";
import { button, clock, h } from "./dom";
import { byStart, type Flat, flatten, type Line, type Place, range, samePlace, sungAt, toggled } from "./lyric_words";
import { loopAndZoom } from "./looping";
import { put, watch } from "./model";
import { CommSource, type Offered } from "./transport/source";
import { Transport } from "./transport/transport";
import type { Draw, View } from "./view";
import { Waveform } from "./waveform";
import { wordEditor } from "./word_editor";

interface Told {
  lines: Line[];
  revision: string;
  language: string | null;
  reasons: Record<string, string>;
  doubtful: number;
  undo: number;
  redo: number;
}

/** Words that follow the music; what is corrected goes to the library at once. */
export const drawLyrics: Draw = async (view) => {
  const { name, song, voice } = await view.rpc.ask<{ name: string; song: Offered; voice: Offered | null }>("tracks");
  const transport = new Transport(song.sample_rate, view.signal);
  const offered = voice ? [song, voice] : [song];
  transport.setTracks(offered.map((each) => ({ id: each.id, source: new CommSource(view.rpc, each) })));
  const bar = transportBar(view, transport);
  const container = h("div");
  const top = h("div", { class: "al-bar" }, h("span", { class: "al-title" }, name), ...(voice ? hearButton(view, transport, song, voice) : []));
  view.root.append(top, container, bar);
  const wave = await Waveform.create(view, container, { transport, offered: voice ?? song, height: 64 });
  const sheet = new Sheet(view, transport, wave);
  bar.append(...loopAndZoom(view, transport, wave), ...sheet.buttons);
  view.root.append(sheet.element, sheet.editor, sheet.said);
  await sheet.load();
  view.rpc.on("words", () => void view.attempt(() => sheet.load()));
  watch<Place[]>(view.model, "selection", view.signal, () => sheet.showSelection());
  transport.on("time", (time) => sheet.follow(time));
  view.root.dataset.ready = "true";
};

function hearButton(view: View, transport: Transport, song: Offered, voice: Offered): HTMLElement[] {
  const flip = () => put(view.model, "hear", view.model.get("hear") === "voice" ? "song" : "voice");
  const made = button("hear the voice alone (A)", "voice", flip, "al-hear");
  watch<string>(view.model, "hear", view.signal, (what) => {
    made.setAttribute("aria-pressed", String(what === "voice"));
    transport.setTrack(song.id, { muted: what === "voice" });
    transport.setTrack(voice.id, { muted: what !== "voice" });
  });
  view.keys.add("a", "hear the voice alone, or the song", flip);
  return [made];
}

/** The lines, what is chosen in them, and what can be done with it. */
class Sheet {
  readonly element = h("div", { class: "al-sheet", role: "list", "aria-label": "lyrics" });
  readonly editor = h("div");
  readonly said = h("div", { class: "al-note al-lyrics-said", role: "status" });
  readonly buttons: HTMLElement[];
  private told: Told = { lines: [], revision: "", language: null, reasons: {}, doubtful: 0.5, undo: 0, redo: 0 };
  private words: Flat[] = [];
  private order: number[] = [];
  private shown: HTMLElement[] = [];
  private now = -1;
  private anchor: Place | null = null;
  private readonly undo = button("undo (Z)", "↶", () => this.step("undo"), "al-undo");
  private readonly redo = button("redo (Shift+Z)", "↷", () => this.step("redo"), "al-redo");

  constructor(private readonly view: View, private readonly transport: Transport, private readonly wave: Waveform) {
    const chop = button("cut the chosen words out as samples (C)", "chop words", () => this.chop(false), "al-chop");
    const phrase = button("cut the chosen words out as one sample each phrase (Shift+C)", "chop phrase", () => this.chop(true), "al-chop-phrase");
    const edit = button("correct the chosen word (E)", "edit", () => this.edit(), "al-edit");
    this.buttons = [edit, chop, phrase, this.undo, this.redo];
    this.element.addEventListener("click", (event) => this.clicked(event), { signal: view.signal });
    this.element.addEventListener("dblclick", (event) => this.placeOf(event) && this.edit(), { signal: view.signal });
    this.keys();
  }

  /** Fetch the words and show them. */
  async load(): Promise<void> {
    this.told = await this.view.rpc.ask<Told>("words");
    this.words = flatten(this.told.lines);
    this.order = byStart(this.words);
    this.now = -1;
    this.undo.disabled = !this.told.undo;
    this.redo.disabled = !this.told.redo;
    this.wave.clearMarkers("word");
    const sorted = this.order.map((index) => this.words[index]);
    this.wave.addMarkers(sorted.map(({ start }) => start), "word", sorted.map(({ word }) => word.trim()));
    const top = this.element.scrollTop;
    this.shown = [];
    this.element.replaceChildren(...this.told.lines.map((line, index) => this.line(line, index)));
    if (this.told.language) this.element.lang = this.told.language;
    if (!this.told.lines.length) this.element.append(h("p", { class: "al-note" }, "no words were found"));
    this.element.scrollTop = top;
    this.showSelection();
    this.follow(this.transport.position);
  }

  /** Mark the word that is sung and keep its line in sight. */
  follow(time: number): void {
    const found = sungAt(this.words, this.order, time);
    if (found === this.now) return;
    this.shown[this.now]?.classList.remove("al-sung");
    this.shown[this.now]?.closest(".al-line")?.classList.remove("al-sung-line");
    this.now = found;
    const word = this.shown[found];
    if (!word) return this.announce(time);
    word.classList.add("al-sung");
    const line = word.closest<HTMLElement>(".al-line")!;
    line.classList.add("al-sung-line");
    if (this.transport.playing) this.reveal(line);
  }

  /** Between words: bring the line that comes next into sight. */
  private announce(time: number): void {
    const next = this.order.find((index) => this.words[index].start >= time);
    if (next !== undefined && this.transport.playing) this.reveal(this.shown[next].closest<HTMLElement>(".al-line")!);
  }

  showSelection(): void {
    const chosen = this.selection;
    this.words.forEach(({ place }, index) => {
      const on = chosen.some((each) => samePlace(each, place));
      this.shown[index].classList.toggle("al-word-chosen", on);
      this.shown[index].setAttribute("aria-pressed", String(on));
    });
  }

  // ---- drawing -------------------------------------------------------------------------------

  private line(line: Line, index: number): HTMLElement {
    const words = (line.words ?? []).map((word, at) => {
      const sure = word.probability ?? 1;
      const doubt = sure < this.told.doubtful;
      const said = `${word.start.toFixed(2)} to ${word.end.toFixed(2)} s${word.edited ? ", corrected by hand" : `, probability ${Math.round(sure * 100)} %`}`;
      const made = h("span", {
        class: `al-word${doubt ? " al-doubtful" : ""}${word.edited ? " al-edited" : ""}`, role: "button", "data-line": index, "data-word": at, title: said,
      }, word.word.trim());
      this.shown.push(made);
      return made;
    });
    const jump = button(`jump to line ${index + 1}`, clock(line.start), () => this.transport.seek(line.start), "al-jump");
    const flags = line.flags ?? [];
    const doubts = flags.map((flag) => h("span", { class: "al-flag" }, h("b", {}, `⚑ ${flag}`), ` ${this.told.reasons[flag] ?? ""}`));
    const actions = flags.length ? [button(`line ${index + 1} is right`, "it is right", () => this.change("accept_line", { line: index })), button(`take line ${index + 1} away`, "remove", () => this.change("remove_line", { line: index }))] : [];
    const text = h("span", { class: "al-line-words" }, ...(words.length ? words : [line.text]));
    return h("div", { class: `al-line${flags.length ? " al-flagged" : ""}`, role: "listitem" }, jump, h("div", {}, text, flags.length ? h("div", { class: "al-flags" }, ...doubts, ...actions) : null));
  }

  private reveal(line: HTMLElement): void {
    const { scrollTop, clientHeight } = this.element;
    const top = line.offsetTop; // within the sheet, which is positioned
    if (top < scrollTop || top + line.offsetHeight > scrollTop + clientHeight) this.element.scrollTop = Math.max(0, top - clientHeight / 3);
  }

  // ---- choosing ------------------------------------------------------------------------------

  private get selection(): Place[] {
    return this.view.model.get("selection") as Place[];
  }

  private choose(places: Place[]): void {
    put(this.view.model, "selection", places);
    this.showSelection();
  }

  private placeOf(event: Event): Place | null {
    const word = (event.target as HTMLElement).closest<HTMLElement>(".al-word");
    return word ? [Number(word.dataset.line), Number(word.dataset.word)] : null;
  }

  private clicked(event: MouseEvent): void {
    const place = this.placeOf(event);
    if (!place) return;
    if (event.shiftKey && this.anchor) return this.choose(range(this.words, this.anchor, place));
    this.anchor = place;
    if (event.ctrlKey || event.metaKey) return this.choose(toggled(this.selection, place));
    this.choose([place]);
    this.transport.seek(this.wordAt(place)!.start);
  }

  private wordAt(place: Place): Flat | undefined {
    return this.words.find((word) => samePlace(word.place, place));
  }

  /** Choose the next or the last word, or with `more` take it to what is chosen. */
  private move(by: number, more = false): void {
    if (!this.words.length) return;
    const { selection } = this;
    const edge = selection[by > 0 ? selection.length - 1 : 0];
    const from = edge ? this.words.findIndex(({ place }) => samePlace(place, edge)) : this.now - (by > 0 ? 1 : -1);
    const next = this.words[Math.max(0, Math.min(this.words.length - 1, from + by))];
    if (!more) this.anchor = next.place;
    this.choose(more ? toggled(selection.filter((each) => !samePlace(each, next.place)), next.place) : [next.place]);
    this.transport.seek(next.start);
    this.view.say(next.word);
    this.reveal(this.shown[this.words.indexOf(next)].closest<HTMLElement>(".al-line")!);
  }

  private moveLine(by: number): void {
    const here = this.selection[0]?.[0] ?? this.words[this.now]?.place[0] ?? (by > 0 ? -1 : 0);
    for (let line = here + by; line >= 0 && line < this.told.lines.length; line += by) {
      const first = this.words.find(({ place }) => place[0] === line);
      if (!first) continue;
      this.choose([first.place]);
      this.move(0);
      return;
    }
  }

  // ---- changing ------------------------------------------------------------------------------

  private keys(): void {
    const { keys } = this.view;
    keys.add(".", "next word", () => this.move(1));
    keys.add(",", "previous word", () => this.move(-1));
    keys.add("v", "take the next word to what is chosen", () => this.move(1, true));
    keys.add("ArrowDown", "next line", () => this.moveLine(1));
    keys.add("ArrowUp", "previous line", () => this.moveLine(-1));
    keys.add("Enter", "hear the chosen words", () => this.hear());
    keys.add("e", "correct the chosen word", () => this.edit());
    keys.add("i", "put a word in after the chosen one", () => this.insert());
    keys.add("Delete Backspace", "take the chosen word away", () => this.remove());
    keys.add("Alt+ArrowLeft", "chosen word begins earlier (Alt+Shift: ends)", () => this.nudge("start", -0.02));
    keys.add("Alt+ArrowRight", "chosen word begins later (Alt+Shift: ends)", () => this.nudge("start", 0.02));
    keys.add("Alt+Shift+ArrowLeft", "", () => this.nudge("end", -0.02));
    keys.add("Alt+Shift+ArrowRight", "", () => this.nudge("end", 0.02));
    keys.add("c", "cut the chosen words out as samples", () => this.chop(false));
    keys.add("Shift+c", "cut the chosen words out as phrases", () => this.chop(true));
    keys.add("z", "undo", () => this.step("undo"));
    keys.add("Shift+z y", "redo", () => this.step("redo"));
  }

  private hear(): void {
    const chosen = this.selection.map((place) => this.wordAt(place)).filter((word): word is Flat => !!word);
    if (!chosen.length) return;
    void this.transport.playSpan(Math.min(...chosen.map((word) => word.start)), Math.max(...chosen.map((word) => word.end)));
  }

  private one(): Flat | undefined {
    const word = this.selection.length ? this.wordAt(this.selection[0]) : undefined;
    if (!word) this.said.textContent = "choose a word first";
    return word;
  }

  private edit(): void {
    const word = this.one();
    if (!word) return;
    const [line, at] = word.place;
    this.open("correct the word", word, ({ text, start, end }) => this.change("edit_word", { line, word: at, text, start, end }));
  }

  private insert(): void {
    const before = this.one();
    if (!before) return;
    const [line, at] = before.place;
    const next = this.told.lines[line].words?.[at + 1];
    const room = { word: "", start: before.end, end: Math.max(before.end + 0.1, Math.min(next?.start ?? Infinity, before.end + 0.4)) };
    this.open("a new word", room, ({ text, start, end }) => this.change("insert_word", { line, word: at + 1, text, start, end }));
  }

  private open(title: string, word: { word: string; start: number; end: number }, save: (made: { text: string; start: number; end: number }) => Promise<boolean>): void {
    const close = () => {
      this.editor.replaceChildren();
      this.view.root.parentElement?.focus({ preventScroll: true });
    };
    this.editor.replaceChildren(wordEditor(title, word, this.transport, (made) => void save(made).then((done) => done && close()), close));
  }

  private remove(): void {
    const word = this.one();
    if (word) void this.change("remove_word", { line: word.place[0], word: word.place[1] });
  }

  private nudge(edge: "start" | "end", by: number): void {
    const word = this.one();
    if (!word) return;
    const moved = Math.round((word[edge] + by) * 1000) / 1000;
    void this.change("edit_word", { line: word.place[0], word: word.place[1], [edge]: moved });
  }

  /** Ask for a change of the words that are shown; gives whether it was made. */
  private async change(method: string, params: object): Promise<boolean> {
    const done = await this.view.attempt(() => this.view.rpc.ask(method, { ...params, revision: this.told.revision }));
    if (done !== undefined) this.said.textContent = "saved in the library";
    else await this.load().catch((error) => this.view.fail(error)); // others may have changed them; the error stays
    return done !== undefined;
  }

  private step(what: "undo" | "redo"): void {
    void this.view.attempt(async () => {
      await this.view.rpc.ask(what);
      this.said.textContent = what === "undo" ? "taken back" : "done again";
    });
  }

  private chop(together: boolean): void {
    void this.view.attempt(async () => {
      const { chops } = await this.view.rpc.ask("chop", { words: this.selection, together, revision: this.told.revision });
      this.said.textContent = `samples in the library: ${chops.map((chop: { name: string }) => chop.name).join(", ")}`;
    });
  }
}

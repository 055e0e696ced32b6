import { Auditioner, type Heard } from "./audition";
import { columns, type SoundRow } from "./browser_columns";
import { SearchBox, WordForm } from "./browser_forms";
import { bindKeys } from "./browser_keys";
import { Proposals } from "./browser_proposals";
import { Thumbs } from "./browser_thumbs";
import { button, h } from "./dom";
import { put, watch } from "./model";
import { Table } from "./table";
import type { Draw, View } from "./view";

const MOST_SELECTED = 5000;

/** Thousands of sounds: heard by arrow keys, searched, labelled, rated, collected. */
export const drawBrowser: Draw = (view) => {
  const browser = new Browser(view);
  bindKeys(view, browser);
  browser.start();
};

export class Browser {
  readonly auditioner: Auditioner;
  readonly table: Table<SoundRow>;
  private readonly search: SearchBox;
  private readonly form: WordForm;
  private readonly found = h("span", { class: "al-note al-count", role: "status" });
  private readonly wrong = h("div", { class: "al-error al-query-error", role: "alert", hidden: true });
  private readonly now = h("div", { class: "al-note al-now" }, "arrow keys play; ? lists all keys");
  private readonly backButton = button("back to the search (Escape)", "← back", () => void this.back(), "al-back");
  private readonly undoButton = button("take back (Z)", "↶", () => void this.act("undo"));
  private readonly redoButton = button("do again (Shift+Z)", "↷", () => void this.act("redo"));
  private readonly matchButton = button("play all equally loud (M)", "≈ loudness", () => this.toggleMatched());
  private readonly thumbs: Thumbs;
  private readonly proposals: Proposals;
  private selected = new Set<string>();
  private anchor = 0;
  private playTimer: ReturnType<typeof setTimeout> | undefined;
  private selectTimer: ReturnType<typeof setTimeout> | undefined;
  private before = -1;
  private played: Heard | null = null;

  constructor(readonly view: View) {
    const { rpc, signal } = view;
    this.auditioner = new Auditioner(rpc, signal, (error) => view.fail(error));
    this.table = new Table<SoundRow>({
      label: "sounds",
      columns: this.columns(false),
      signal,
      fetch: async (start, stop) => (await rpc.ask<{ rows: SoundRow[] }>("rows", { start, stop })).rows,
      fail: (error) => view.fail(error),
      pick: (index, event) => this.pick(index, event),
      sort: (field) => void this.sort(field),
      isSelected: (row) => this.selected.has(row.id),
      classOf: (row) => (row.gone ? "al-gone" : row.tags.includes("reject") ? "al-rejected" : ""),
      seen: (rows) => this.seen(rows),
    });
    this.thumbs = new Thumbs(view, () => this.table.seen().filter((row) => !row.gone).map((row) => row.id), () => this.table.redraw());
    this.proposals = new Proposals(view, this.auditioner, () => this.table.redraw(), (said) => (this.now.textContent = said));
    this.search = new SearchBox(view, (query) => this.find(query), (error) => this.showWrong(error), () => this.focus());
    this.form = new WordForm(view, () => this.focus());
    for (const name of ["playTimer", "selectTimer"] as const) signal.addEventListener("abort", () => clearTimeout(this[name]));
  }

  start(): void {
    const { model, root, signal, rpc } = this.view;
    const refresh = button("ask the library again (R)", "⟳", () => void this.refresh());
    const bar = h("div", { class: "al-bar" }, this.search.input, this.found, refresh, this.backButton, this.undoButton, this.redoButton, this.matchButton);
    root.append(bar, this.wrong, this.form.element, this.table.grid, this.now);
    watch<string>(model, "query", signal, (query) => {
      if (this.search.input !== activeElement(root)) this.search.input.value = query;
    });
    watch<string>(model, "sort", signal, (field) => this.table.setSorted(field));
    watch<string[]>(model, "selection", signal, (ids) => {
      if (ids.length === this.selected.size && ids.every((id) => this.selected.has(id))) return;
      this.selected = new Set(ids);
      this.table.redraw();
    });
    watch<boolean>(model, "matched", signal, (on) => this.showMatched(on));
    watch<number>(model, "_stamp", signal, () => this.relist());
    rpc.on("rows", ({ rows, said, undo, redo }) => this.changed(rows, said, undo, redo));
    this.undoButton.disabled = this.redoButton.disabled = true;
    root.addEventListener("keydown", (event) => this.escape(event), { signal });
    root.addEventListener("focusin", () => this.warm(), { once: true, signal });
    root.dataset.ready = "true";
  }

  focus(): void {
    this.table.grid.focus({ preventScroll: true });
  }

  focusSearch(): void {
    this.search.input.focus({ preventScroll: true });
    this.search.input.select();
  }

  // ---- what is listed ------------------------------------------------------------------------

  private async find(query: string): Promise<void> {
    await this.view.rpc.ask("find", { query });
    this.showWrong(null);
    this.select([]);
  }

  private async sort(field: string): Promise<void> {
    const now = String(this.view.model.get("sort"));
    const next = now === field ? `-${field}` : now === `-${field}` ? "" : field;
    await this.view.attempt(() => this.view.rpc.ask("find", { query: this.view.model.get("query"), sort: next }));
  }

  async refresh(): Promise<void> {
    this.thumbs.clear();
    this.auditioner.cache.clear();
    await this.view.attempt(() => this.view.rpc.ask("refresh"));
  }

  async similar(): Promise<void> {
    const row = this.table.row(this.table.active);
    if (!row) return;
    if (!this.view.model.get("like")) this.before = this.table.active;
    await this.view.attempt(() => this.view.rpc.ask("similar", { sound: row.id }));
  }

  async back(): Promise<void> {
    if (!this.view.model.get("like")) return;
    await this.view.attempt(() => this.view.rpc.ask("back"));
  }

  private relist(): void {
    const { model } = this.view;
    const like = String(model.get("like"));
    const count = Number(model.get("count"));
    this.table.setColumns(this.columns(Boolean(like)));
    const active = like ? 0 : this.before >= 0 ? this.before : Math.min(this.table.active, count - 1);
    if (!like) this.before = -1;
    this.table.reset(count, active);
    this.anchor = Math.max(0, active);
    this.backButton.hidden = !like;
    this.found.textContent = like ? `${count} sounds like ${like}` : `${count.toLocaleString("en")} ${count === 1 ? "sound" : "sounds"}`;
  }

  private showWrong(error: unknown): void {
    this.wrong.textContent = error instanceof Error ? error.message : error ? String(error) : "";
    this.wrong.hidden = !error;
  }

  // ---- moving and hearing --------------------------------------------------------------------

  /** Go `by` rows on, or to a row. */
  async move(to: { by: number } | { index: number }, extend: boolean, repeated = false): Promise<void> {
    const { table } = this;
    if (!table.count) return;
    const from = table.active;
    const wanted = "index" in to ? to.index : from < 0 ? 0 : from + to.by;
    const index = Math.max(0, Math.min(table.count - 1, wanted));
    if (index === from && !extend && !("index" in to)) return;
    await this.goTo(index, extend, index < from ? -1 : 1, repeated);
  }

  private async goTo(index: number, extend: boolean, direction: number, repeated = false): Promise<void> {
    const { table } = this;
    if (!extend) this.anchor = index;
    table.setActive(index);
    const row = table.row(index) ?? (await table.need(index));
    if (table.active !== index || !row || row.gone) return;
    if (extend) await this.selectSpan(Math.min(this.anchor, index), Math.max(this.anchor, index) + 1);
    else this.select([row.id]);
    this.audition(row, repeated);
    this.prefetch(index, direction);
  }

  replay(): void {
    const row = this.table.row(this.table.active);
    if (row) this.audition(row, false);
    else void this.move({ index: 0 }, false);
  }

  private audition(row: SoundRow, repeated: boolean): void {
    clearTimeout(this.playTimer);
    // While a key is held down only sounds that are here are played: the kernel is not asked for each row that flies by.
    const wait = repeated && !this.auditioner.cache.has(row.id) ? 90 : 0;
    if (wait) this.playTimer = setTimeout(() => void this.play(row), wait);
    else void this.play(row);
  }

  private async play(row: SoundRow): Promise<void> {
    const heard = await this.view.attempt(() => this.auditioner.play(row.id));
    if (!heard) return;
    this.played = heard;
    this.showNow(row.name);
  }

  private prefetch(index: number, direction: number): void {
    const wanted = [1, 2, -1, 3, 4, -2].map((step) => this.table.row(index + step * direction));
    this.auditioner.prefetch(wanted.filter((row): row is SoundRow => !!row && !row.gone).map((row) => row.id));
  }

  private warm(): void {
    const first = this.table.seen()[0];
    if (first && !first.gone) this.auditioner.warm(first.sample_rate);
  }

  private showNow(name: string): void {
    const heard = this.played;
    if (!heard) return;
    const { measure, value, peak_db, gain_db, limited, whole } = heard.level;
    const loud = value === null ? "silent" : `${value.toFixed(1)} ${measure === "RMS" ? "dB RMS" : measure}, peak ${peak_db.toFixed(1)} dBFS`;
    const part = whole ? "" : " (its beginning)";
    const applied = !this.auditioner.matched ? "as it is" : `${gain_db > 0 ? "+" : ""}${gain_db.toFixed(1)} dB applied${limited ? ", no more: full scale" : ""}`;
    this.now.textContent = `${name} · ${loud}${part} · ${applied}`;
  }

  toggleMatched(): void {
    put(this.view.model, "matched", !this.view.model.get("matched"));
  }

  private showMatched(on: boolean): void {
    this.auditioner.matched = on;
    this.matchButton.setAttribute("aria-pressed", String(on));
    if (!this.played) return;
    this.auditioner.regain(this.played.id);
    this.showNow(this.now.textContent?.split(" · ")[0] ?? "");
  }

  private escape(event: KeyboardEvent): void {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    if (this.auditioner.playing) this.auditioner.stop();
    if (this.view.model.get("like")) void this.back();
  }

  // ---- the selection -------------------------------------------------------------------------

  private pick(index: number, event: MouseEvent): void {
    if (event.ctrlKey || event.metaKey) {
      const row = this.table.row(index);
      if (!row) return;
      const ids = new Set(this.selected);
      if (!ids.delete(row.id)) ids.add(row.id);
      this.anchor = index;
      this.select([...ids]);
      this.table.setActive(index);
      return;
    }
    void this.goTo(index, event.shiftKey, index < this.table.active ? -1 : 1);
  }

  async selectSpan(start: number, stop: number): Promise<void> {
    await this.view.attempt(async () => {
      if (stop - start > MOST_SELECTED) throw new Error(`at most ${MOST_SELECTED} sounds can be selected at once: search for fewer`);
      const here = Array.from({ length: stop - start }, (_, i) => this.table.row(start + i)?.id);
      if (here.every((id) => id !== undefined)) return this.select(here as string[]);
      this.select((await this.view.rpc.ask<{ ids: string[] }>("ids", { start, stop })).ids);
    });
  }

  private select(ids: string[]): void {
    this.selected = new Set(ids);
    this.table.redraw();
    clearTimeout(this.selectTimer);
    this.selectTimer = setTimeout(() => put(this.view.model, "selection", ids), 40);
  }

  /** Ids that a key acts on: the selection, else the active row. */
  targets(): string[] {
    if (this.selected.size) return [...this.selected];
    const row = this.table.row(this.table.active);
    return row && !row.gone ? [row.id] : [];
  }

  // ---- doing ---------------------------------------------------------------------------------

  async act(method: string, params: object = {}): Promise<void> {
    await this.view.attempt(() => this.view.rpc.ask(method, params));
  }

  /** Turn something on for all targets, or off if all of them have it. */
  toggle(method: "favour" | "reject"): void {
    const ids = this.targets();
    const rows = ids.map((id) => this.table.find((row) => row.id === id));
    const has = (row: SoundRow | undefined) => row && (method === "favour" ? row.favourite : row.tags.includes("reject"));
    void this.act(method, { ids, on: !(rows.length && rows.every(has)) });
  }

  askLabel(): void {
    const ids = this.targets();
    if (!ids.length) return;
    this.form.open(ids.length > 1 ? `label of ${ids.length} sounds` : "label", async () => (await this.words()).labels, "", (label) => void this.act("label", { ids, label }));
  }

  askCollection(): void {
    const ids = this.targets();
    if (!ids.length) return;
    this.form.open(ids.length > 1 ? `put ${ids.length} sounds into` : "put into", async () => (await this.words()).collections, this.lastCollection, (name) => {
      this.lastCollection = name;
      void this.act("collect", { ids, name });
    });
  }

  private lastCollection = "";

  private words(): Promise<{ labels: string[]; collections: string[] }> {
    return this.view.rpc.ask("words");
  }

  private changed(rows: SoundRow[], said: string, undo: number, redo: number): void {
    const byId = new Map(rows.map((row) => [row.id, row]));
    this.table.patch((row) => {
      const fresh = byId.get(row.id);
      return fresh ? { ...fresh, score: row.score } : row;
    });
    this.undoButton.disabled = !undo;
    this.redoButton.disabled = !redo;
    this.view.say(said);
    this.now.textContent = said;
  }

  // ---- proposals -----------------------------------------------------------------------------

  /** Let the classifier say what the targets are. */
  propose(): Promise<void> {
    return this.proposals.ask(this.targets());
  }

  /** Let what is proposed for the targets be what a person says. */
  accept(): void {
    const labels: Record<string, string> = {};
    for (const id of this.targets()) {
      const proposal = this.proposals.of(id);
      if (proposal && proposal.label !== "unknown") labels[id] = proposal.label;
    }
    if (!Object.keys(labels).length) {
      this.now.textContent = "nothing is proposed for these sounds (G proposes)";
      return;
    }
    for (const id of Object.keys(labels)) this.proposals.forget(id);
    void this.act("accept", { labels });
  }

  // ---- pictures ------------------------------------------------------------------------------

  private columns(like: boolean) {
    return columns({
      thumb: (id) => this.thumbs.of(id),
      proposal: (id) => this.proposals.of(id),
      waveColor: () => this.thumbs.color,
      favour: (row) => void this.act("favour", { ids: [row.id], on: !row.favourite }),
      rate: (row, stars) => void this.act("rate", { ids: [row.id], stars }),
    }, like);
  }

  private seen(rows: SoundRow[]): void {
    void this.thumbs.draw();
    if (this.table.active < 0) this.auditioner.prefetch(rows.slice(0, 2).filter((row) => !row.gone).map((row) => row.id));
    this.proposals.soon(() => this.table.seen().filter((row) => !row.gone && !row.label).map((row) => row.id));
  }
}

function activeElement(root: HTMLElement): Element | null {
  return (root.getRootNode() as Document | ShadowRoot).activeElement;
}

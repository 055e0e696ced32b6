import { Auditioner } from "./audition";
import { percent } from "./annotating";
import { button, h } from "./dom";
import { around, middle, toward } from "./map_points";
import { type Model, put, watch } from "./model";
import type { Draw, View } from "./view";

interface Facts {
  index: number;
  name: string;
  label: string | null;
  confidence: number | null;
  source: string | null;
  song: string | null;
  duration: number;
}

interface Chosen {
  count: number;
  rows: Facts[];
}

const DIRECTIONS: Record<string, [number, number]> = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const HOVER_WAIT = 60;
const AHEAD = 8;

/** What stands beside the map: the sound that is heard, the legend, what is chosen. */
export const drawMapPlayer: Draw = async (view) => {
  const player = new MapPlayerView(view);
  await player.start();
};

class MapPlayerView {
  private readonly auditioner: Auditioner;
  private places: Float32Array = new Float32Array();
  private current = -1;
  private scatter: Model | null = null;
  private ours = false;
  private hovering: ReturnType<typeof setTimeout> | undefined;
  private chosen: Chosen = { count: 0, rows: [] };
  private readonly now = h("div", { class: "al-map-now", role: "status", "aria-live": "polite" }, "arrow keys or the pointer over a point play");
  private readonly legend = h("div", { class: "al-map-legend", role: "group", "aria-label": "legend; a click chooses the group" });
  private readonly list = h("div", { class: "al-map-list", role: "list", "aria-label": "chosen sounds" });
  private readonly count = h("span", { class: "al-note al-map-count" });

  constructor(private readonly view: View) {
    this.auditioner = new Auditioner(view.rpc, view.signal, (error) => view.fail(error));
  }

  async start(): Promise<void> {
    const { view } = this;
    view.root.append(this.topBar(), this.now, this.legend, this.collectBar(), this.list);
    watch<{ name: string; color: string; count: number }[]>(view.model, "_legend", view.signal, (groups) => this.showLegend(groups));
    watch<string[]>(view.model, "_scale", view.signal, (scale) => scale.length && this.showScale(scale));
    watch<boolean>(view.model, "matched", view.signal, (matched) => (this.auditioner.matched = matched));
    view.rpc.on("selection", (chosen) => this.showChosen(chosen as Chosen));
    this.bindKeys();
    const { buffers } = await view.rpc.call("places");
    this.places = new Float32Array(buffers[0].buffer.slice(buffers[0].byteOffset, buffers[0].byteOffset + buffers[0].byteLength));
    this.showChosen(await view.rpc.ask<Chosen>("selected"));
    await this.join();
    view.root.dataset.ready = "true";
  }

  /** Follow the pointer on the plot, in the page itself: the kernel need not tell. */
  private async join(): Promise<void> {
    const { view } = this;
    const manager = (view.model as any).widget_manager;
    this.scatter = (await manager.get_model(view.model.get("_scatter"))) as Model;
    const hovered = () => {
      const index = this.scatter!.get("hovering");
      if (this.ours || index === null || index === undefined || !view.model.get("hover")) return;
      clearTimeout(this.hovering);
      this.hovering = setTimeout(() => void this.hear(Number(index), false), HOVER_WAIT);
    };
    this.scatter.on("change:hovering", hovered);
    const paint = () => this.paint();
    const themed = new MutationObserver(() => setTimeout(paint, 100));
    themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
    view.signal.addEventListener("abort", () => {
      this.scatter?.off("change:hovering", hovered);
      themed.disconnect();
      clearTimeout(this.hovering);
    });
    paint();
  }

  /** Give the plot the background of the page. */
  private paint(): void {
    const color = getComputedStyle(this.view.root.parentElement!).backgroundColor.match(/[\d.]+/g)?.map(Number);
    if (!color || color.length < 3 || !this.scatter) return;
    const wanted = [...color.slice(0, 3).map((each) => each / 255), 1];
    const dark = wanted[0] + wanted[1] + wanted[2] < 1.5;
    this.scatter.set("background_color", wanted);
    this.scatter.set("lasso_color", dark ? [0.4, 0.7, 1, 1] : [0, 0.4, 0.8, 1]);
    this.scatter.set("color_hover", dark ? [1, 1, 1, 1] : [0, 0, 0, 1]);
    this.scatter.set("color_selected", dark ? [1, 1, 1, 1] : [0, 0, 0, 1]);
    this.scatter.save_changes();
  }

  // ---- hearing -----------------------------------------------------------------------------------

  /** Play a point and say what it is; `show` marks it on the plot. */
  private async hear(index: number, show = true): Promise<void> {
    if (index < 0) return;
    this.current = index;
    if (show && this.scatter) {
      this.ours = true; // our own mark is no pointer
      this.scatter.set("hovering", index);
      this.scatter.save_changes();
      this.ours = false;
    }
    const playing = this.view.attempt(() => this.auditioner.play(String(index)));
    const facts = await this.view.attempt(() => this.view.rpc.ask<Facts>("facts", { index }));
    if (facts && this.current === index) this.now.replaceChildren(...this.words(facts));
    const heard = await playing;
    if (heard && this.current === index) this.auditioner.prefetch(around(this.places, index, AHEAD).map(String));
  }

  private words(facts: Facts): HTMLElement[] {
    const parts: HTMLElement[] = [h("span", { class: "al-title" }, facts.name)];
    if (facts.label) parts.push(h("span", { class: "al-note" }, facts.source === "model" ? `${facts.label}? ${percent(facts.confidence ?? 0)}` : facts.label));
    parts.push(h("span", { class: "al-note" }, [facts.song, `${facts.duration.toFixed(2)} s`].filter(Boolean).join(" · ")));
    return parts;
  }

  private move(key: string): void {
    const [dx, dy] = DIRECTIONS[key];
    const next = this.current < 0 ? middle(this.places) : toward(this.places, this.current, dx, dy);
    if (next >= 0) void this.hear(next);
    else this.view.say("there is nothing in this direction");
  }

  private bindKeys(): void {
    const { keys, model } = this.view;
    keys.add("ArrowLeft ArrowRight ArrowUp ArrowDown", "play the next sound in this direction", (event) => this.move(event.key));
    keys.add("Space", "play again, or stop", () => (this.auditioner.playing ? this.auditioner.stop() : void this.hear(this.current < 0 ? middle(this.places) : this.current)));
    keys.add("Enter", "choose it alone", () => this.choose(false));
    keys.add("a", "choose it too, or no longer", () => this.choose(true));
    keys.add("c", "name a collection for what is chosen", () => this.view.root.querySelector<HTMLElement>(".al-map-name")?.focus());
    keys.add("x", "choose nothing", () => void this.view.attempt(() => this.view.rpc.ask("choose", { indexes: [] })));
    keys.add("m", "match the loudness, or play at the true level", () => put(model, "matched", !model.get("matched")));
  }

  private choose(add: boolean): void {
    if (this.current >= 0) void this.view.attempt(() => this.view.rpc.ask("choose", { indexes: [this.current], add }));
  }

  // ---- the panel -----------------------------------------------------------------------------------

  private topBar(): HTMLElement {
    const { view } = this;
    const colors = h("select", { "aria-label": "colours say", class: "al-map-colors" }, ...["label", "song", "confidence"].map((name) => h("option", { value: name }, name)));
    colors.addEventListener("change", () => put(view.model, "color_by", colors.value));
    watch<string>(view.model, "color_by", view.signal, (name) => (colors.value = name));
    const hover = button("hear what is under the pointer", "hover", () => put(view.model, "hover", !view.model.get("hover")));
    watch<boolean>(view.model, "hover", view.signal, (on) => hover.setAttribute("aria-pressed", String(on)));
    const matched = button("match the loudness (M)", "level", () => put(view.model, "matched", !view.model.get("matched")));
    watch<boolean>(view.model, "matched", view.signal, (on) => matched.setAttribute("aria-pressed", String(on)));
    const title = h("span", { class: "al-title" }, `${view.model.get("_count")} sounds`);
    return h("div", { class: "al-bar" }, title, h("label", { class: "al-note" }, "colours ", colors), hover, matched, button("keys (?)", "?", () => view.keys.toggleSheet()));
  }

  private showLegend(groups: { name: string; color: string; count: number }[]): void {
    this.legend.replaceChildren(
      ...groups.map(({ name, color, count }, number) => {
        const dot = h("span", { class: "al-map-dot", "aria-hidden": "true" });
        dot.style.background = color;
        const made = button(`choose ${name}, ${count} sounds`, "", () => void this.view.attempt(() => this.view.rpc.ask("choose_group", { number })), "al-map-group");
        made.append(dot, ` ${name} `, h("span", { class: "al-note" }, String(count)));
        return made;
      }),
    );
  }

  private showScale(scale: string[]): void {
    const bar = h("span", { class: "al-map-scale", "aria-hidden": "true" });
    bar.style.background = `linear-gradient(to right, ${scale.join(", ")})`;
    this.legend.replaceChildren(h("span", { class: "al-note" }, "confidence 0"), bar, h("span", { class: "al-note" }, "1"));
  }

  private collectBar(): HTMLElement {
    const { view } = this;
    const id = `al-map-${Math.random().toString(36).slice(2)}`;
    const known = h("datalist", { id });
    const name = h("input", { class: "al-map-name", list: id, placeholder: "collection (C)", "aria-label": "collection to add what is chosen to", size: 14, maxlength: 255 });
    name.addEventListener("focus", () => void view.attempt(async () => {
      const { names } = await view.rpc.ask<{ names: string[] }>("collections");
      known.replaceChildren(...names.map((each) => h("option", { value: each })));
    }));
    const collect = () => view.attempt(async () => {
      const made = await view.rpc.ask<{ name: string; count: number }>("collect", { name: name.value });
      this.count.textContent = `"${made.name}" holds ${made.count} sounds now`;
      view.say(this.count.textContent);
      name.value = "";
    });
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter") void collect();
      if (event.key === "Enter" || event.key === "Escape") view.root.parentElement?.focus({ preventScroll: true });
    });
    return h("div", { class: "al-bar" }, this.count, name, known, button("add what is chosen to the collection", "collect", () => void collect(), "al-map-collect"));
  }

  private showChosen(chosen: Chosen): void {
    this.chosen = chosen;
    const more = chosen.count > chosen.rows.length ? `, the first ${chosen.rows.length} of them below` : "";
    this.count.textContent = chosen.count ? `${chosen.count} chosen${more}` : "nothing chosen: lasso, click, or legend";
    this.list.replaceChildren(
      ...this.chosen.rows.map((facts) => {
        const made = button(`play ${facts.name}`, "", () => void this.hear(facts.index), "al-map-row");
        made.append(h("span", { class: "al-said" }, facts.name), h("span", { class: "al-note" }, facts.label ?? ""));
        return h("div", { role: "listitem" }, made);
      }),
    );
  }
}

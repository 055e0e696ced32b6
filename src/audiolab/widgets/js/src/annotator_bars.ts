import type { AnnotatorView } from "./annotator";
import { showLevel } from "./controls";
import { button, clock, h } from "./dom";
import { put, watch } from "./model";

const GRIDS: [string, string][] = [["none", "no grid"], ["beat", "beats"], ["quarter", "quarter beats"], ["onset", "onsets"]];

/** Title, transport, undo, snapping and zoom. */
export function toolBar(annotator: AnnotatorView): HTMLElement {
  const { view, transport } = annotator;
  const { model } = view;
  const title = h("span", { class: "al-title" });
  const count = h("span", { class: "al-note al-annotator-count" });
  const play = button("play the region (Space)", "▶", () => annotator.toggle(), "al-play");
  const time = h("span", { class: "al-time", role: "timer", "aria-label": "position" });
  const meter = h("span", { class: "al-meter", role: "meter", "aria-label": "level", "aria-valuemin": -60, "aria-valuemax": 0 }, h("span"));
  const loop = button("loop the region (L)", "⟳", () => annotator.setLoop(!annotator.loop), "al-loop");
  const before = button("the one before (P)", "‹ before", () => void annotator.act("next", { by: -1 }, ""));
  const next = button("next, the least sure first (N)", "next ›", () => void annotator.act("next", { by: 1 }, ""), "al-next");
  const undo = button("undo (Z)", "↶", () => void annotator.act("undo", {}, "undone"), "al-undo");
  const redo = button("redo (Shift+Z)", "↷", () => void annotator.act("redo", {}, "done again"), "al-redo");
  const zero = button("snap edges to zero crossings (C)", "zero", () => put(model, "snap_zero", !model.get("snap_zero")), "al-zero");
  const mode = button("mark onsets instead of regions (M)", "onsets", () => put(model, "mode", annotator.onsetMode ? "regions" : "onsets"), "al-mode");
  const auto = button("play what is chosen by itself", "auto", () => put(model, "autoplay", !model.get("autoplay")), "al-auto");
  const grid = h("select", { "aria-label": "what edges snap to", class: "al-grid" }, ...GRIDS.map(([value, text]) => h("option", { value }, text)));
  grid.addEventListener("change", () => put(model, "grid", grid.value));
  const pressed = (made: HTMLElement, name: string, is: (value: any) => boolean) =>
    watch<any>(model, name, view.signal, (value) => made.setAttribute("aria-pressed", String(is(value))));
  pressed(zero, "snap_zero", Boolean);
  pressed(auto, "autoplay", Boolean);
  pressed(mode, "mode", (value) => value === "onsets");
  watch<string>(model, "grid", view.signal, (value) => (grid.value = value));
  transport.on("meter", (level) => showLevel(meter, Math.max(level.left, level.right)));
  transport.on("state", (state) => {
    play.textContent = state === "paused" ? "▶" : state === "waiting" ? "…" : "❚❚";
    play.setAttribute("aria-label", state === "paused" ? "play the region (Space)" : "pause (Space)");
    if (state === "paused") showLevel(meter, 0);
  });
  annotator.changed.add(() => {
    const { state, offered } = annotator;
    title.textContent = title.title = offered.name;
    time.textContent = `${clock(transport.position, 3)} / ${clock(offered.frames / offered.sample_rate)}`;
    const queue = state.queue.length ? `${state.queue.at + 1} of ${state.queue.length}${state.queue.endless ? " …" : ""} · ` : "";
    count.textContent = annotator.onsetMode
      ? `${state.onsets.length} onsets ${state.marked ? "by you" : "found by slicing"}`
      : `${queue}${state.regions.length} regions, ${state.open} without a label by you`;
    loop.setAttribute("aria-pressed", String(annotator.loop));
  });
  // The device is opened before the first key comes, so that it sounds at once.
  view.root.addEventListener("pointerenter", () => void transport.warm().catch(() => {}), { once: true, signal: view.signal });
  view.root.parentElement?.addEventListener("focusin", () => void transport.warm().catch(() => {}), { once: true, signal: view.signal });
  const zoom = [
    button("zoom out (-)", "−", () => annotator.wave?.zoomBy(0.5)),
    button("zoom in (+)", "+", () => annotator.wave?.zoomBy(2)),
    button("zoom to the region (F)", "fit", () => annotator.focus()),
    button("show the whole sound (W)", "⤢", () => annotator.wave?.zoom(0)),
  ];
  const keys = button("keys (?)", "?", () => view.keys.toggleSheet());
  return h(
    "div", {},
    h("div", { class: "al-bar" }, title, count),
    h("div", { class: "al-bar", role: "toolbar", "aria-label": "annotating" }, play, time, meter, loop, auto, before, next, undo, redo, h("span", { class: "al-gap" }), "snap", zero, grid, mode, h("span", { class: "al-gap" }), ...zoom, keys),
  );
}

/** The labels on the digit keys, any other label, accepting, splitting, removing. */
export function labelBar(annotator: AnnotatorView): HTMLElement {
  const { view } = annotator;
  const digits = h("span", { class: "al-digits", role: "group", "aria-label": "labels on the keys 1 to 9" });
  const id = `al-labels-${Math.random().toString(36).slice(2)}`;
  const options = h("datalist", { id });
  watch<string[]>(view.model, "_choices", view.signal, (choices) => options.replaceChildren(...choices.map((label) => h("option", { value: label }))));
  const other = h("input", { class: "al-other", list: id, placeholder: "other label (T)", "aria-label": "another label; Enter gives it", size: 14, maxlength: 255 });
  other.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    const label = other.value.trim();
    if (event.key === "Enter" && label) annotator.with("label", label, () => ({ label }));
    other.value = "";
    view.root.parentElement?.focus({ preventScroll: true });
  });
  view.keys.add("t", "type another label", () => other.focus());
  const accept = button("accept what the model proposes (Enter)", "accept", () => annotator.with("accept", "accepted"), "al-accept");
  const reject = button("reject, or no longer (X)", "reject", () => annotator.reject(), "al-reject");
  const split = button("split the region at the cursor (S)", "split", () => annotator.split(), "al-split");
  const remove = button("remove the region or onset (Delete)", "remove", () => (annotator.onsetMode ? annotator.removeOnset() : annotator.with("remove", "region removed")), "al-remove");
  const addOnset = button("mark an onset at the cursor (A)", "mark onset", () => annotator.addOnset(), "al-add-onset");
  function mark(): void {
    const region = annotator.region();
    for (const made of digits.querySelectorAll<HTMLElement>(".al-digit")) {
      made.setAttribute("aria-pressed", String(!!region && made.dataset.label === region.mine));
      made.classList.toggle("al-proposed", !!region && region.mine === null && made.dataset.label === region.proposal?.label);
    }
    const proposal = region?.mine === null ? region.proposal : null;
    accept.disabled = !region?.proposal;
    accept.textContent = proposal ? `accept ${proposal.label}` : "accept";
    addOnset.hidden = !annotator.onsetMode;
  }
  annotator.changed.add(mark);
  watch<string[]>(view.model, "labels", view.signal, (labels) => {
    digits.replaceChildren(
      ...labels.map((label, index) => {
        const made = button(`label it ${label} (${index + 1})`, "", () => annotator.label(index), "al-digit");
        made.append(h("kbd", {}, String(index + 1)), ` ${label}`);
        made.dataset.label = label;
        return made;
      }),
    );
    mark();
  });
  return h("div", { class: "al-bar" }, digits, other, options, h("span", { class: "al-gap" }), accept, reject, split, remove, addOnset);
}

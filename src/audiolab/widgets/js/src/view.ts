import { h } from "./dom";
import { Keys } from "./keys";
import { type Model, put, watch } from "./model";
import { Rpc } from "./rpc";

/** What a view gets: its place, its channel to Python, its keys. `signal` aborts when the view is closed. */
export interface View {
  model: Model;
  root: HTMLElement;
  rpc: Rpc;
  keys: Keys;
  signal: AbortSignal;
  /** Show an error under the widget. */
  fail(error: unknown): void;
  /** Do something that may fail; its error shows under the widget, and the one before goes. */
  attempt<T>(work: () => Promise<T> | T): Promise<T | undefined>;
  /** Tell screen readers what has happened. */
  say(text: string): void;
}

export type Draw = (view: View) => void | Promise<void>;

/** Build what all views have in common into `el`; gives the function that closes the view. */
export function open(model: Model, el: HTMLElement, draw: Draw, name: string): () => void {
  const closing = new AbortController();
  const root = h("div", { class: `al al-${name}`, tabindex: 0, role: "group", "aria-label": name });
  const body = h("div", { class: "al-body" });
  const error = h("div", { class: "al-error", role: "alert", hidden: true });
  const said = h("div", { class: "al-hidden", role: "status", "aria-live": "polite" });
  root.append(body, error, said);
  el.append(root);
  const rpc = new Rpc(model);
  const show = (text: string) => {
    error.textContent = text;
    error.hidden = !text;
  };
  const fail = (thrown: unknown) => {
    if (closing.signal.aborted) return;
    show(thrown instanceof Error ? thrown.message : String(thrown));
  };
  const view: View = {
    model,
    root: body,
    rpc,
    keys: new Keys(root, closing.signal),
    signal: closing.signal,
    fail,
    async attempt(work) {
      show("");
      if (model.get("error")) put(model, "error", "");
      try {
        return await work();
      } catch (thrown) {
        fail(thrown);
        return undefined;
      }
    },
    say: (text) => {
      said.textContent = text;
    },
  };
  watch<string>(model, "error", closing.signal, (text) => text && show(text));
  // A view that was clicked has the focus, so that its keys work.
  root.addEventListener("pointerdown", (event) => {
    const target = event.target as HTMLElement;
    if (!target.closest("input, textarea, select, button, a, [tabindex='0']:not(.al)")) root.focus({ preventScroll: true });
  }, { signal: closing.signal });
  const showStatic = hideStatic(model);
  void Promise.resolve()
    .then(() => draw(view))
    .catch(fail);
  return () => {
    closing.abort();
    rpc.close();
    showStatic();
    root.remove();
  };
}

/**
 * Hide the static view of this widget; gives the function that shows it again. By a style, not by the elements: the
 * output may be drawn after this one, or drawn anew when the kernel renews it.
 */
function hideStatic(model: Model): () => void {
  const mark = `[data-audiolab-static="${CSS.escape(String(model.get("_standing_id")))}"]`;
  const style = h("style", {}, `${mark}, .jp-OutputArea-child:has(${mark}):not(:has(.al)) { display: none !important; }`);
  document.head.append(style);
  return () => style.remove();
}

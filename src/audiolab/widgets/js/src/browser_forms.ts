import { button, h } from "./dom";
import type { View } from "./view";

/** A line in which one word is asked for, with what is known to choose from; Enter takes it, Escape leaves. */
export class WordForm {
  readonly element = h("form", { class: "al-bar al-form", hidden: true });
  private readonly title = h("label", { class: "al-note" });
  private readonly input = h("input", { type: "text", maxlength: 255, autocomplete: "off" });
  private readonly list = h("datalist", {});
  private taken: ((word: string) => void) | null = null;

  constructor(private readonly view: View, private readonly back: () => void) {
    const id = `al-words-${Math.random().toString(36).slice(2)}`;
    this.list.id = id;
    this.input.id = `${id}-input`;
    this.title.htmlFor = this.input.id;
    this.input.setAttribute("list", id);
    const take = button("take it (Enter)", "OK", () => {});
    take.type = "submit";
    this.element.append(this.title, this.input, this.list, take, button("leave (Escape)", "✕", () => this.close()));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      const word = this.input.value.trim();
      const taken = this.taken;
      this.close();
      if (word) taken?.(word);
    }, { signal: view.signal });
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    }, { signal: view.signal });
  }

  open(title: string, words: () => Promise<string[]>, value: string, taken: (word: string) => void): void {
    this.taken = taken;
    this.title.textContent = title;
    this.input.value = value;
    this.element.hidden = false;
    this.input.focus({ preventScroll: true });
    this.input.select();
    void this.view.attempt(async () => {
      const known = await words();
      this.list.replaceChildren(...known.map((word) => h("option", { value: word })));
    });
  }

  close(): void {
    if (this.element.hidden) return;
    this.element.hidden = true;
    this.taken = null;
    this.back();
  }
}

/** A search box that asks when typing has rested for 150 ms; only the newest answer counts. */
export class SearchBox {
  readonly input = h("input", { type: "search", class: "al-search", placeholder: "label:kick bpm:120..130 ^tag:reject", "aria-label": "search", spellcheck: false, autocomplete: "off" });
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asked = 0;

  constructor(view: View, private readonly ask: (query: string) => Promise<void>, private readonly wrong: (error: unknown) => void, leave: () => void) {
    this.input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.send(), 150);
    }, { signal: view.signal });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape" && event.key !== "ArrowDown") return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Enter") {
        clearTimeout(this.timer);
        this.send();
      }
      leave();
    }, { signal: view.signal });
    view.signal.addEventListener("abort", () => clearTimeout(this.timer));
  }

  private send(): void {
    const number = ++this.asked;
    this.ask(this.input.value).catch((error) => {
      if (number === this.asked) this.wrong(error);
    });
  }
}

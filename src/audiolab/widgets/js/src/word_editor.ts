import { button, h } from "./dom";
import type { Word } from "./lyric_words";
import type { Transport } from "./transport/transport";

export interface Corrected {
  text: string;
  start: number;
  end: number;
}

/** A small form below the words: text and times of one word. Enter saves, Escape leaves all as it was. */
export function wordEditor(title: string, word: Word, transport: Transport, save: (made: Corrected) => void, close: () => void): HTMLElement {
  const text = h("input", { type: "text", "aria-label": "word", class: "al-word-text", value: word.word.trim() });
  const time = (name: string, value: number) => h("input", { type: "number", step: 0.01, min: 0, "aria-label": `${name} in seconds`, class: "al-word-time", value: String(value) });
  const start = time("start", word.start);
  const end = time("end", word.end);
  const here = (input: HTMLInputElement, name: string) => button(`${name} at the cursor`, "⇤", () => (input.value = transport.position.toFixed(3)));
  const done = () => save({ text: text.value, start: Number(start.value), end: Number(end.value) });
  const form = h("div", { class: "al-bar al-word-editor", role: "group", "aria-label": title },
    h("span", { class: "al-note" }, title), text, h("span", { class: "al-note" }, "from"), start, here(start, "begin"), h("span", { class: "al-note" }, "to"), end, here(end, "end"),
    button("hear it", "▶", () => void transport.playSpan(Number(start.value), Number(end.value))), button("save (Enter)", "save", done, "al-save"), button("leave as it was (Escape)", "cancel", close));
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    if ((event.target as HTMLElement).tagName === "BUTTON" && event.key === "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter") done();
    else close();
  });
  setTimeout(() => text.select());
  return form;
}

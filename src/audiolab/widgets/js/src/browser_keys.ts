import type { Browser } from "./browser";
import type { View } from "./view";

/** What the keys of the browser do. */
export function bindKeys(view: View, browser: Browser): void {
  const { keys, model } = view;
  const page = () => browser.table.pageLength;
  const moves: [string, string, () => { by: number } | { index: number }][] = [
    ["ArrowDown", "the next sound, and play it", () => ({ by: 1 })],
    ["ArrowUp", "the sound before, and play it", () => ({ by: -1 })],
    ["PageDown", "a page on", () => ({ by: page() })],
    ["PageUp", "a page back", () => ({ by: -page() })],
    ["Home", "the first sound", () => ({ index: 0 })],
    ["End", "the last sound", () => ({ index: browser.table.count - 1 })],
  ];
  for (const [key, what, to] of moves) {
    keys.add(key, what, (event) => void browser.move(to(), false, event.repeat));
    keys.add(`Shift+${key}`, "", (event) => void browser.move(to(), true, event.repeat));
  }
  keys.add("Shift+ArrowDown Shift+ArrowUp", "select more (also with the keys above)", () => {});
  keys.add("Control+a", "select all", () => void browser.selectSpan(0, browser.table.count));
  keys.add("Enter Space", "play again", () => browser.replay());
  keys.add("f", "favourite", () => browser.toggle("favour"));
  keys.add("x", "reject", () => browser.toggle("reject"));
  for (let stars = 0; stars <= 5; stars++) {
    keys.add(String(stars), "", () => void browser.act("rate", { ids: browser.targets(), stars }));
  }
  keys.add("1 2 3 4 5", "stars; 0: none", () => {});
  keys.add("t", "type a label", () => browser.askLabel());
  for (let digit = 1; digit <= 9; digit++) {
    keys.add(`Alt+${digit}`, "", () => {
      const label = (model.get("quick") as string[])[digit - 1];
      if (label) void browser.act("label", { ids: browser.targets(), label });
    });
  }
  keys.add("Alt+1 Alt+9", `labels: ${(model.get("quick") as string[]).map((label, i) => `${i + 1} ${label}`).join(", ")}`, () => {});
  keys.add("c", "add to a collection", () => browser.askCollection());
  keys.add("z Control+z", "take back", () => void browser.act("undo"));
  keys.add("Shift+z Control+Shift+z", "do again", () => void browser.act("redo"));
  keys.add("s", "list sounds like this one; Escape goes back", () => void browser.similar());
  keys.add("m", "play all equally loud, or as they are", () => browser.toggleMatched());
  keys.add("g", "let the classifier propose labels", () => void browser.propose());
  keys.add("y", "accept what is proposed", () => browser.accept());
  keys.add("r", "ask the library again", () => void browser.refresh());
  keys.add("/", "search", () => browser.focusSearch());
}

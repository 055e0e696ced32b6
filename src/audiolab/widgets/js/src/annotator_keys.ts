import type { AnnotatorView } from "./annotator";
import { put } from "./model";

/** What the keys of the annotator do; `?` lists them. */
export function bindKeys(annotator: AnnotatorView): void {
  const { keys, model } = annotator.view;
  keys.add("Space", "play or pause the region (onsets: what follows the cursor)", () => annotator.toggle());
  keys.add("k", "play or pause from the cursor", () => void annotator.transport.toggle());
  keys.add("ArrowUp ArrowDown", "the region (or onset) before or after", (event) => annotator.step(event.key === "ArrowUp" ? -1 : 1));
  keys.add("n", "next: the one that the model is least sure of, or the next of the list", () => void annotator.act("next", { by: 1 }, ""));
  keys.add("p", "the one before", () => void annotator.act("next", { by: -1 }, ""));
  keys.add("1 2 3 4 5 6 7 8 9", "label it", (event) => annotator.label(Number(event.key) - 1));
  keys.add("0", "take your label away", () => annotator.with("unlabel", "label taken away"));
  keys.add("Enter", "accept what the model proposes", () => annotator.with("accept", "accepted"));
  keys.add("x", "reject, or no longer", () => annotator.reject());
  keys.add("i", "a region begins at the cursor", () => annotator.mark());
  keys.add("o", "and ends at the cursor", () => annotator.markEnd());
  keys.add("[", "the region begins at the cursor", () => annotator.setEdge("start"));
  keys.add("]", "the region ends at the cursor", () => annotator.setEdge("stop"));
  keys.add("s", "split the region at the cursor", () => annotator.split());
  keys.add("a", "mark an onset at the cursor", () => annotator.onsetMode && annotator.addOnset());
  keys.add("Delete Backspace", "remove the region (or onset)", () => (annotator.onsetMode ? annotator.removeOnset() : annotator.with("remove", "region removed")));
  keys.add("e", "choose the edge that Alt and arrows move", () => annotator.swapEdge());
  keys.add("Alt+ArrowLeft Alt+ArrowRight", "move it by 1 ms", (event) => annotator.nudge(event.key === "ArrowLeft" ? -1 : 1));
  keys.add("Alt+Shift+ArrowLeft Alt+Shift+ArrowRight", "move it by 10 ms", (event) => annotator.nudge(event.key === "ArrowLeft" ? -10 : 10));
  keys.add("ArrowLeft ArrowRight", "move the cursor by 0.1 s", (event) => annotator.transport.seek(annotator.transport.position + (event.key === "ArrowLeft" ? -0.1 : 0.1)));
  keys.add("Shift+ArrowLeft Shift+ArrowRight", "move the cursor by 10 ms", (event) => annotator.transport.seek(annotator.transport.position + (event.key === "ArrowLeft" ? -0.01 : 0.01)));
  keys.add("l", "loop the region", () => annotator.setLoop(!annotator.loop));
  keys.add("c", "snap to zero crossings, or not", () => put(model, "snap_zero", !model.get("snap_zero")));
  keys.add("m", "regions or onsets", () => put(model, "mode", annotator.onsetMode ? "regions" : "onsets"));
  keys.add("z", "undo", () => void annotator.act("undo", {}, "undone"));
  keys.add("Shift+z", "redo", () => void annotator.act("redo", {}, "done again"));
  keys.add("+ =", "zoom in", () => annotator.wave?.zoomBy(2));
  keys.add("-", "zoom out", () => annotator.wave?.zoomBy(0.5));
  keys.add("f", "zoom to the region", () => annotator.focus());
  keys.add("w", "show the whole sound", () => annotator.wave?.zoom(0));
}

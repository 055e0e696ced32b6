import { drawMixer } from "./mixer";
import type { Model } from "./model";
import css from "./styles.css";
import { type Draw, open } from "./view";
import { drawAnnotator } from "./annotator";
import { drawBrowser } from "./browser";
import { drawDownload } from "./download";
import { drawLyrics } from "./lyrics";
import { drawMapPlayer } from "./map_player";
import { drawPianoRoll } from "./piano_roll";
import { drawPlayer } from "./player";
import { drawRun } from "./run_view";
import { drawUploader } from "./uploader";

const VIEWS: Record<string, Draw> = {
  annotator: drawAnnotator,
  browser: drawBrowser,
  cover: (view) => view.root.parentElement!.classList.add("al-hidden"),
  download: drawDownload,
  lyrics: drawLyrics,
  map_player: drawMapPlayer,
  mixer: drawMixer,
  piano_roll: drawPianoRoll,
  player: drawPlayer,
  run: drawRun,
  uploader: drawUploader,
};

/** Draw the view that the model names; gives the function that closes it. */
export function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const name = String(model.get("_view"));
  const draw = VIEWS[name];
  if (!draw) {
    el.textContent = `this bundle has no view "${name}"`;
    return () => {};
  }
  addStyles(el);
  return open(model, el, draw, name);
}

function addStyles(el: HTMLElement): void {
  const place = el.getRootNode() instanceof ShadowRoot ? (el.getRootNode() as ShadowRoot) : document.head;
  if (place.querySelector("style[data-audiolab]")) return;
  const style = document.createElement("style");
  style.setAttribute("data-audiolab", "");
  style.textContent = css;
  place.append(style);
}

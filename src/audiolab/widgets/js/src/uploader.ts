import { button, h } from "./dom";
import { put, watch } from "./model";
import { bytesText, dropped, type Found, packs, picked, walk } from "./sending";
import type { Draw, View } from "./view";

interface Line {
  status: string;
  path: string;
  why: string;
  sound: string;
}

interface Progress {
  active: boolean;
  files: number;
  done: number;
  bytes: number;
  received: number;
}

const WORDS: Record<string, string> = { existing: "known already", skipped: "left out" };
const SHOWN = 200;

export const drawUploader: Draw = async (view) => {
  const sender = new Sender(view);
  const pickFiles = picker(view, sender, false);
  const pickFolder = picker(view, sender, true);
  const zone = h(
    "div",
    { class: "al-uploader-zone" },
    h("div", { class: "al-uploader-call" }, "Drop audio files, folders or zips here"),
    h(
      "div",
      { class: "al-bar" },
      button("Choose files", "Choose files…", () => pickFiles.click()),
      button("Choose a folder", "Choose a folder…", () => pickFolder.click()),
      pickFiles,
      pickFolder,
      h("label", {}, "as ", kinds(view)),
      h("label", {}, "tags from names ", rule(view)),
    ),
    h("div", { class: "al-note" }, `into ${view.model.get("_place")}`),
  );
  const results = new Results(view);
  view.root.append(zone, progressBar(view, sender), results.root);
  acceptDrops(view, zone, sender);
  view.keys.add("f", "choose files", () => pickFiles.click());
  view.keys.add("d", "choose a folder", () => pickFolder.click());
  view.keys.add("x", "cancel the upload", () => void sender.cancel());
  await results.load();
  view.root.dataset.ready = "true";
};

/** Sends one drop at a time: a pack, its answer, the next pack. */
class Sender {
  private upload = "";

  constructor(private readonly view: View) {
    view.signal.addEventListener("abort", () => {
      if (this.upload) view.rpc.ask("cancel", { upload: this.upload }).catch(() => {});
    });
  }

  async send(found: Found[]): Promise<void> {
    const { rpc, signal } = this.view;
    if (this.upload) throw new Error("another upload is under way; wait for it or cancel it");
    const files = found.map(({ path, file }) => ({ path, size: file.size }));
    const begun = await rpc.ask<{ upload: string; refused: number[]; piece: number }>("begin", { files });
    const upload = (this.upload = begun.upload);
    try {
      const skip = new Set(begun.refused);
      const wanted = found.map(({ file }, index) => ({ index, file })).filter(({ index }) => !skip.has(index));
      for (const pack of packs(wanted, begun.piece, skip)) {
        if (signal.aborted || this.upload !== upload) return;
        await this.sendPack(upload, pack, skip);
      }
      await rpc.ask("end", { upload });
    } finally {
      if (this.upload === upload) this.upload = "";
    }
  }

  private async sendPack(upload: string, pack: { index: number; offset: number; bytes: Blob }[], skip: Set<number>) {
    const pieces: number[][] = [];
    const buffers: Uint8Array[] = [];
    for (const { index, offset, bytes } of pack) {
      if (skip.has(index)) continue;
      try {
        buffers.push(new Uint8Array(await bytes.arrayBuffer()));
        pieces.push([index, offset]);
      } catch (error) {
        skip.add(index);
        await this.view.rpc.ask("drop", { upload, file: index, why: String((error as Error).message ?? error) });
      }
    }
    if (!pieces.length) return;
    const { result } = await this.view.rpc.call<{ failed: number[] }>("put", { upload, pieces }, buffers);
    result.failed.forEach((index) => skip.add(index));
  }

  async cancel(): Promise<void> {
    this.upload = "";
    if (!this.view.model.get("progress").active) return;
    await this.view.attempt(() => this.view.rpc.ask("cancel", {}));
  }
}

function acceptDrops(view: View, zone: HTMLElement, sender: Sender): void {
  const over = (on: boolean) => zone.classList.toggle("al-over", on);
  const options = { signal: view.signal };
  for (const name of ["dragenter", "dragover"] as const) {
    zone.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      // Or the notebook's own drop zone takes it and puts the file beside the notebook.
      event.preventDefault();
      event.stopPropagation();
      event.dataTransfer.dropEffect = "copy";
      over(true);
    }, options);
  }
  zone.addEventListener("dragleave", () => over(false), options);
  zone.addEventListener("drop", (event) => {
    over(false);
    if (!event.dataTransfer) return;
    event.preventDefault();
    event.stopPropagation();
    const { entries, files } = dropped(event.dataTransfer);
    void view.attempt(async () => {
      const unreadable: string[] = [];
      const found = [...files, ...(await walk(entries, (path) => unreadable.push(path)))];
      if (unreadable.length) view.fail(`cannot be read: ${unreadable.slice(0, 5).join(", ")}`);
      if (found.length) await sender.send(found);
      else if (!unreadable.length) view.fail("there are no files in what was dropped");
    });
  }, options);
}

function picker(view: View, sender: Sender, folder: boolean): HTMLInputElement {
  const input = h("input", {
    type: "file",
    multiple: true,
    class: "al-hidden",
    tabindex: -1,
    "aria-hidden": "true",
    webkitdirectory: folder,
  });
  input.addEventListener("change", () => {
    const found = picked(input.files!);
    input.value = ""; // the same choice again is a change again
    if (found.length) void view.attempt(() => sender.send(found));
  }, { signal: view.signal });
  return input;
}

function kinds(view: View): HTMLSelectElement {
  const words = { auto: "songs or samples by length", song: "songs", sample: "samples", stem: "stems" };
  const choices = Object.entries(words).map(([value, text]) => h("option", { value }, text));
  const select = h("select", { "aria-label": "What the files are" }, ...choices);
  watch<string>(view.model, "kind", view.signal, (kind) => (select.value = kind));
  select.addEventListener("change", () => put(view.model, "kind", select.value), { signal: view.signal });
  return select;
}

function rule(view: View): HTMLInputElement {
  const input = h("input", {
    type: "text",
    size: 24,
    placeholder: "{pack}/{label}/{name}_{bpm}",
    title: "How tags are read from folder and file names; empty: not at all",
    "aria-label": "How tags are read from names",
    spellcheck: "false",
  });
  watch<string>(view.model, "rule", view.signal, (text) => (input.value = text));
  input.addEventListener("change", () => put(view.model, "rule", input.value.trim()), { signal: view.signal });
  return input;
}

function progressBar(view: View, sender: Sender): HTMLElement {
  const bar = h("progress", { max: 1, "aria-label": "Upload" });
  const text = h("span", { class: "al-note al-uploader-progress" });
  const cancel = button("Cancel the upload", "Cancel", () => void sender.cancel());
  const row = h("div", { class: "al-bar", hidden: true }, bar, text, cancel);
  let begun = 0;
  watch<Progress>(view.model, "progress", view.signal, (now) => {
    row.hidden = !now.files;
    cancel.hidden = !now.active;
    bar.hidden = !now.active;
    if (now.active && !now.received) begun = performance.now();
    bar.value = now.bytes ? now.received / now.bytes : 0;
    const rate = now.active && now.received ? now.received / ((performance.now() - begun) / 1000) : 0;
    const sent = now.active ? `, ${bytesText(now.received)} of ${bytesText(now.bytes)}` : "";
    const left = rate && now.received < now.bytes ? `, ${Math.ceil((now.bytes - now.received) / rate)} s left` : "";
    text.textContent = `${now.done} of ${now.files} files${sent}${left}`;
  });
  view.rpc.on("over", (event) => view.say(event.cancelled ? "upload cancelled" : "upload finished"));
  return row;
}

class Results {
  readonly root = h("div", {});
  private readonly counts = h("div", { class: "al-uploader-counts" });
  private readonly body = h("tbody", {});
  private readonly more = button("Show earlier results", "earlier…", () => void this.load());
  private readonly table = h(
    "table",
    { class: "al-table", "aria-label": "Results" },
    h("thead", {}, h("tr", {}, h("th", {}, ""), h("th", {}, "file"), h("th", {}, ""))),
    this.body,
  );

  constructor(private readonly view: View) {
    this.root.append(this.counts, h("div", { class: "al-scroll" }, this.table, this.more));
    view.rpc.on("lines", (event: { lines: Line[] }) => {
      for (const line of event.lines) this.body.prepend(this.row(line));
      while (this.body.rows.length > SHOWN) this.body.lastElementChild!.remove();
      this.adjust();
    });
    watch<Record<string, number>>(view.model, "_counts", view.signal, (counts) => {
      const parts = Object.entries(counts).map(([status, count]) => `${count} ${WORDS[status] ?? status}`);
      this.counts.textContent = parts.join(", ");
      this.adjust();
    });
  }

  /** Ask for results that came before this view was opened. */
  async load(): Promise<void> {
    if (!this.total()) return;
    const { lines } = await this.view.rpc.ask<{ lines: Line[] }>("lines", { first: this.body.rows.length, count: SHOWN });
    for (const line of lines) this.body.append(this.row(line));
    this.adjust();
  }

  private total(): number {
    const counts: Record<string, number> = this.view.model.get("_counts");
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  private adjust(): void {
    this.table.hidden = !this.body.rows.length;
    this.more.hidden = this.body.rows.length >= this.total();
  }

  private row(line: Line): HTMLTableRowElement {
    const status = h("td", { class: `al-status al-status-${line.status}` }, WORDS[line.status] ?? line.status);
    return h("tr", {}, status, h("td", {}, line.path), h("td", { class: "al-note" }, line.why));
  }
}

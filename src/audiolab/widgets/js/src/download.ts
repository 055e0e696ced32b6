import { button, h } from "./dom";
import { watch } from "./model";
import { bytesText } from "./sending";
import type { Draw } from "./view";

/** A button that fetches a file from the kernel piece by piece, and then a link that saves it. */
export const drawDownload: Draw = (view) => {
  const bar = h("progress", { max: 1, hidden: true, "aria-label": "Download" });
  const place = h("span", {});
  const row = h("div", { class: "al-bar" });
  let url = "";
  const forget = () => {
    if (url) URL.revokeObjectURL(url);
    url = "";
    place.replaceChildren();
  };
  view.signal.addEventListener("abort", forget);
  const fetchFile = async () => {
    forget();
    const parts: BlobPart[] = [];
    const { name, size } = view.model.get("_file") as { name: string; size: number };
    bar.hidden = false;
    try {
      for (let at = 0; at < size; ) {
        const { buffers } = await view.rpc.call("piece", { offset: at });
        // A copy: the message that it came in may be reused.
        parts.push(new Uint8Array(buffers[0].buffer, buffers[0].byteOffset, buffers[0].byteLength).slice());
        at += buffers[0].byteLength;
        bar.value = at / size;
        if (view.signal.aborted) return;
      }
    } finally {
      bar.hidden = true;
    }
    url = URL.createObjectURL(new Blob(parts));
    const link = h("a", { href: url, download: name, class: "al-download-link" }, `save ${name}`);
    place.replaceChildren(link);
    link.click();
  };
  const fetcher = button("Download", "Download", () => void view.attempt(fetchFile));
  row.append(fetcher, bar, place);
  view.root.append(row);
  watch<{ name: string; size: number }>(view.model, "_file", view.signal, (file) => {
    forget();
    fetcher.textContent = file.name ? `Download ${file.name} (${bytesText(file.size)})` : "nothing to download";
    fetcher.setAttribute("aria-label", fetcher.textContent);
    fetcher.disabled = !file.name;
  });
  view.root.dataset.ready = "true";
};

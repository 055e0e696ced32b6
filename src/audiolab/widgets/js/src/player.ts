import { transportBar } from "./controls";
import { button, h } from "./dom";
import { put, watch } from "./model";
import { CommSource, type Offered } from "./transport/source";
import { Transport } from "./transport/transport";
import { type Draw, type View } from "./view";
import { Waveform } from "./waveform";

interface Marks {
  beats: number[];
  downbeats: number[];
  onsets: number[];
  words: { start: number; end: number; word: string }[];
}

const LAYERS = ["beats", "onsets", "words"] as const;

/** One sound: waveform, spectrogram on demand, loop, markers, level. */
export const drawPlayer: Draw = async (view) => {
  const offered = view.model.get("_sound") as Offered;
  const transport = new Transport(offered.sample_rate, view.signal);
  transport.setTracks([{ id: offered.id, source: new CommSource(view.rpc, offered) }]);
  const title = h("span", { class: "al-title" }, offered.name);
  const facts = h("span", { class: "al-note al-facts" });
  const bar = transportBar(view, transport);
  const container = h("div");
  view.root.append(h("div", { class: "al-bar" }, title, facts), container, bar);
  const wave = await Waveform.create(view, container, { transport, offered, height: 110 });
  view.root.dataset.ready = "true";
  showFacts(facts, offered, wave);
  view.rpc.on("outline", () => setTimeout(() => showFacts(facts, offered, wave), 200));
  bar.append(...loopControls(view, transport, wave), ...zoomControls(view, wave), ...layerControls(view, wave), spectrumControl(view, offered, wave));
  watch<number | null>(view.model, "position", view.signal, (seconds) => {
    if (seconds !== null && Math.abs(seconds - transport.position) > 0.05) transport.seek(seconds);
  });
  transport.on("state", (state) => {
    if (state === "paused") put(view.model, "position", Math.round(transport.position * 1e4) / 1e4);
    put(view.model, "playing", state !== "paused");
  });
  view.rpc.on("command", ({ what }) => void view.attempt(() => (what === "play" ? transport.play() : transport.pause())));
};

function showFacts(place: HTMLElement, offered: Offered, wave: Waveform): void {
  const parts = [`${offered.sample_rate} Hz`, offered.all_channels === 1 ? "mono" : offered.all_channels === 2 ? "stereo" : `${offered.all_channels} channels, the first two are heard`];
  if (wave.peak) {
    const db = 20 * Math.log10(wave.peak);
    parts.push(`peak ${db > 0 ? "+" : ""}${db.toFixed(1)} dBFS`);
    place.classList.toggle("al-loud", db > 0.01);
  } else if (wave.peak === 0) parts.push("silent");
  place.textContent = parts.join(" · ");
}

/** A loop is a region on the waveform; the trait `loop` follows it and moves it. */
function loopControls(view: View, transport: Transport, wave: Waveform): HTMLElement[] {
  let region: any = null;
  let setting = false;
  const toggle = button("loop (L)", "⟳", () => change(), "al-loop");
  const show = (loop: [number, number] | null) => {
    transport.loop = loop ? { start: loop[0], stop: loop[1] } : null;
    toggle.setAttribute("aria-pressed", String(!!loop));
    setting = true;
    region?.remove();
    region = loop ? wave.regions.addRegion({ start: loop[0], end: loop[1], color: "var(--al-region)", drag: true, resize: true }) : null;
    setting = false;
  };
  const store = (loop: [number, number] | null) => put(view.model, "loop", loop);
  const change = (loop?: [number, number]) => {
    if (loop) return store(loop);
    if (view.model.get("loop")) return store(null);
    const at = transport.position;
    store([at, Math.min(wave.duration, at + Math.min(4, wave.duration))]);
  };
  wave.regions.enableDragSelection({ color: "var(--al-region)" });
  wave.regions.on("region-created", (made: any) => {
    if (setting) return;
    const loop: [number, number] = [made.start, made.end];
    made.remove();
    if (loop[1] - loop[0] >= 0.02) change(loop);
  });
  wave.regions.on("region-updated", (moved: any) => store([moved.start, moved.end]));
  watch<[number, number] | null>(view.model, "loop", view.signal, show);
  view.keys.add("l", "loop on or off; drag on the waveform to choose a loop", () => change());
  view.keys.add("[", "loop begins here", () => {
    const stop = view.model.get("loop")?.[1] ?? wave.duration;
    if (transport.position < stop) store([transport.position, stop]);
  });
  view.keys.add("]", "loop ends here", () => {
    const start = view.model.get("loop")?.[0] ?? 0;
    if (transport.position > start) store([start, transport.position]);
  });
  return [toggle];
}

function zoomControls(view: View, wave: Waveform): HTMLElement[] {
  view.keys.add("+ =", "zoom in", () => wave.zoomBy(2));
  view.keys.add("-", "zoom out", () => wave.zoomBy(0.5));
  view.keys.add("0", "show all", () => wave.zoom(0));
  wave.container.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    wave.zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
  }, { passive: false, signal: view.signal });
  return [button("zoom out (-)", "−", () => wave.zoomBy(0.5)), button("zoom in (+)", "+", () => wave.zoomBy(2)), button("show all (0)", "⤢", () => wave.zoom(0))];
}

/** Beats, onsets and words: fetched when they are first shown. */
function layerControls(view: View, wave: Waveform): HTMLElement[] {
  let marks: Promise<Marks> | null = null;
  const there = view.model.get("_layers") as string[];
  const shown = async () => {
    wave.clearMarkers();
    const layers = view.model.get("layers") as string[];
    if (!layers.length) return;
    const found = await (marks ??= view.rpc.ask<Marks>("marks"));
    if (layers.includes("beats")) {
      wave.addMarkers(found.beats, "beat");
      wave.addMarkers(found.downbeats, "downbeat", found.downbeats.map((_, i) => String(i + 1)));
    }
    if (layers.includes("onsets")) wave.addMarkers(found.onsets, "onset");
    if (layers.includes("words")) wave.addMarkers(found.words.map((word) => word.start), "word", found.words.map((word) => word.word.trim()));
  };
  const buttons = LAYERS.filter((name) => there.includes(name)).map((name) => {
    const made = button(`show ${name}`, name, () => {
      const layers = view.model.get("layers") as string[];
      put(view.model, "layers", layers.includes(name) ? layers.filter((each) => each !== name) : [...layers, name]);
    });
    watch<string[]>(view.model, "layers", view.signal, (layers) => made.setAttribute("aria-pressed", String(layers.includes(name))));
    return made;
  });
  watch<string[]>(view.model, "layers", view.signal, () => void view.attempt(shown));
  view.keys.add("b", "show or hide beats", () => buttons.find((each) => each.textContent === "beats")?.click());
  view.keys.add("o", "show or hide onsets", () => buttons.find((each) => each.textContent === "onsets")?.click());
  return buttons;
}

function spectrumControl(view: View, offered: Offered, wave: Waveform): HTMLElement {
  const picture = h("img", { class: "al-spectrum", alt: "spectrogram of the part above, 40 Hz to 16 kHz, logarithmic" });
  picture.hidden = true;
  wave.container.after(picture);
  let wanted = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let url = "";
  const load = () => view.attempt(async () => {
    const { start, stop } = wave.visible;
    const params = { source: offered.id, start: Math.floor(start * offered.sample_rate), stop: Math.ceil(stop * offered.sample_rate), width: Math.min(1200, wave.container.clientWidth) };
    const { buffers } = await view.rpc.call("spectrum", params);
    if (!wanted) return;
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([buffers[0] as unknown as BlobPart], { type: "image/png" }));
    picture.src = url;
    picture.hidden = false;
  });
  const toggle = button("show the spectrogram (G)", "spectrogram", () => {
    wanted = !wanted;
    toggle.setAttribute("aria-pressed", String(wanted));
    picture.hidden = true;
    if (wanted) void load();
  });
  wave.on("view", () => {
    clearTimeout(timer);
    if (wanted) timer = setTimeout(load, 250);
  });
  view.signal.addEventListener("abort", () => {
    clearTimeout(timer);
    URL.revokeObjectURL(url);
  });
  view.keys.add("g", "show or hide the spectrogram", () => toggle.click());
  return toggle;
}

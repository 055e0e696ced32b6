import { button } from "./dom";
import type { Transport } from "./transport/transport";
import type { View } from "./view";
import type { Waveform } from "./waveform";

/** Loop, zoom and their keys for a waveform: drag on it to loop a part. Gives the buttons. */
export function loopAndZoom(view: View, transport: Transport, wave: Waveform): HTMLElement[] {
  let region: any = null;
  let setting = false;
  const toggle = button("loop (L)", "⟳", () => change(), "al-loop");
  const show = (loop: { start: number; stop: number } | null) => {
    transport.loop = loop;
    toggle.setAttribute("aria-pressed", String(!!loop));
    setting = true;
    region?.remove();
    region = loop ? wave.regions.addRegion({ start: loop.start, end: loop.stop, color: "var(--al-region)", drag: true, resize: true }) : null;
    setting = false;
  };
  const change = () => {
    if (transport.loop) return show(null);
    const start = Math.min(transport.position, Math.max(0, wave.duration - 0.1));
    show({ start, stop: Math.min(wave.duration, start + 4) });
  };
  wave.regions.enableDragSelection({ color: "var(--al-region)" });
  wave.regions.on("region-created", (made: any) => {
    if (setting) return;
    const loop = { start: made.start, stop: made.end };
    made.remove();
    if (loop.stop - loop.start >= 0.02) show(loop);
  });
  wave.regions.on("region-updated", (moved: any) => {
    transport.loop = { start: moved.start, stop: moved.end };
  });
  view.keys.add("l", "loop on or off; drag on the waveform to choose a loop", change);
  view.keys.add("[", "loop begins here", () => {
    const stop = transport.loop?.stop ?? wave.duration;
    if (transport.position < stop) show({ start: transport.position, stop });
  });
  view.keys.add("]", "loop ends here", () => {
    const start = transport.loop?.start ?? 0;
    if (transport.position > start) show({ start, stop: transport.position });
  });
  view.keys.add("+ =", "zoom in", () => wave.zoomBy(2));
  view.keys.add("-", "zoom out", () => wave.zoomBy(0.5));
  wave.container.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    wave.zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
  }, { passive: false, signal: view.signal });
  return [toggle, button("zoom out (-)", "−", () => wave.zoomBy(0.5)), button("zoom in (+)", "+", () => wave.zoomBy(2)), button("show all", "⤢", () => wave.zoom(0))];
}

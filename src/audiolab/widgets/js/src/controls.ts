import { button, clock, h } from "./dom";
import type { Level, Transport } from "./transport/transport";
import type { View } from "./view";

/** Play, time, speed, loop and level: what every view that plays has. */
export function transportBar(view: View, transport: Transport, options: { duration?: number } = {}): HTMLElement {
  const play = button("play", "▶", () => void transport.toggle(), "al-play");
  const time = h("span", { class: "al-time", role: "timer", "aria-label": "position" });
  const speed = h("select", { "aria-label": "speed" });
  for (const value of [0.5, 0.67, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2]) {
    speed.append(h("option", { value, selected: value === 1 }, `${value}×`));
  }
  speed.addEventListener("change", () => (transport.speed = Number(speed.value)));
  const meter = h("span", { class: "al-meter", role: "meter", "aria-label": "level", "aria-valuemin": -60, "aria-valuemax": 0 }, h("span"));
  const showTime = () => {
    const duration = options.duration ?? transport.duration;
    time.textContent = `${clock(transport.position)} / ${clock(duration)}`;
  };
  transport.on("time", showTime);
  transport.on("state", (state) => {
    play.textContent = state === "paused" ? "▶" : state === "waiting" ? "…" : "❚❚";
    play.setAttribute("aria-label", state === "paused" ? "play" : "pause");
    play.title = state === "paused" ? "play (Space)" : "pause (Space)";
    if (state === "paused") showLevel(meter, 0);
  });
  transport.on("meter", (level: Level) => showLevel(meter, Math.max(level.left, level.right)));
  transport.on("error", (error) => view.fail(error));
  showTime();
  // The device is opened before the click comes, so that the click sounds at once.
  view.root.addEventListener("pointerenter", () => void transport.warm().catch(() => {}), { once: true, signal: view.signal });
  view.root.parentElement?.addEventListener("focusin", () => void transport.warm().catch(() => {}), { once: true, signal: view.signal });
  view.keys.add("Space", "play or pause", () => void transport.toggle());
  view.keys.add("ArrowLeft", "5 s back", () => transport.seek(transport.position - 5));
  view.keys.add("ArrowRight", "5 s on", () => transport.seek(transport.position + 5));
  view.keys.add("Shift+ArrowLeft", "a tenth of a second back", () => transport.seek(transport.position - 0.1));
  view.keys.add("Shift+ArrowRight", "a tenth of a second on", () => transport.seek(transport.position + 0.1));
  view.keys.add("Home", "to the beginning", () => transport.seek(0));
  const step = (by: number) => {
    const index = Math.max(0, Math.min(speed.options.length - 1, speed.selectedIndex + by));
    speed.selectedIndex = index;
    transport.speed = Number(speed.value);
  };
  view.keys.add("<", "slower", () => step(-1));
  view.keys.add(">", "faster", () => step(1));
  return h("div", { class: "al-bar al-transport" }, play, time, speed, meter);
}

/** Show a peak between 0 and 1 on a scale of 60 dB; above full scale it turns red. */
export function showLevel(meter: HTMLElement, peak: number): void {
  const db = peak > 0 ? 20 * Math.log10(peak) : -120;
  (meter.firstElementChild as HTMLElement).style.width = `${Math.max(0, Math.min(100, (db + 60) / 0.6))}%`;
  meter.classList.toggle("al-over", peak > 1);
  meter.setAttribute("aria-valuenow", String(Math.max(-60, Math.round(db))));
}

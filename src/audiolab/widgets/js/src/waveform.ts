import WaveSurfer from "wavesurfer.js";
import RegionsPlugin from "wavesurfer.js/plugins/regions";
import TimelinePlugin from "wavesurfer.js/plugins/timeline";
import { h } from "./dom";
import { TransportMedia } from "./media";
import type { Offered } from "./transport/source";
import type { Transport } from "./transport/transport";
import type { View } from "./view";

export interface Span {
  start: number;
  stop: number;
  pxPerSecond: number;
}

interface Options {
  offered: Offered;
  /** Clicks seek in it and its position is shown; without one the waveform is only a picture. */
  transport: Transport;
  height?: number;
  timeline?: boolean;
  color?: string;
  /** A name for screen readers. */
  label?: string;
}

interface Marker {
  times: number[];
  className: string;
  labels?: string[];
}

const COARSE = 3000;
const MOST_BINS = 600_000;
const MOST_PX = 400; // a second, for long sounds; short ones go on until every frame is seen

/** A waveform that follows a transport: wavesurfer.js draws it from the kernel's outline. */
export class Waveform {
  readonly regions: RegionsPlugin;
  readonly duration: number;
  /** Bins that are drawn now, over the whole sound. */
  private bins = 0;
  private span: Span = { start: 0, stop: 0, pxPerSecond: 0 };
  private zoomed = 0;
  private markers: Marker[] = [];
  private readonly overlay: HTMLCanvasElement;
  private readonly listeners = new Set<(span: Span) => void>();
  /** Largest absolute sample; null until the whole sound was looked at. */
  peak: number | null = null;

  private constructor(
    private readonly view: View,
    readonly container: HTMLElement,
    private readonly options: Options,
    private readonly surfer: WaveSurfer,
    regions: RegionsPlugin,
  ) {
    this.regions = regions;
    this.duration = options.offered.frames / options.offered.sample_rate;
    this.overlay = h("canvas", { class: "al-overlay", "aria-hidden": "true" });
    container.append(this.overlay);
  }

  /** Draw a sound into `container`; it is there when this resolves. */
  static async create(view: View, container: HTMLElement, options: Options): Promise<Waveform> {
    container.classList.add("al-wave");
    const { offered, transport } = options;
    const duration = offered.frames / offered.sample_rate;
    const style = getComputedStyle(container);
    const regions = RegionsPlugin.create();
    const { peaks, facts } = await fetchPeaks(view, offered, COARSE);
    if (view.signal.aborted) throw new Error("the view was closed");
    const media = new TransportMedia(transport, duration);
    const surfer = WaveSurfer.create({
      container,
      height: options.height ?? 96,
      waveColor: options.color ?? style.getPropertyValue("--al-wave").trim(),
      progressColor: options.color ?? style.getPropertyValue("--al-played").trim(),
      cursorColor: style.getPropertyValue("--al-ink").trim(),
      cursorWidth: 1,
      normalize: false, // the level is what it is
      media: media as unknown as HTMLMediaElement,
      peaks,
      duration: Math.max(duration, 1e-3),
      autoScroll: true,
      autoCenter: false,
      plugins: [regions, ...(options.timeline === false ? [] : [TimelinePlugin.create({ height: 16 })])],
    });
    const wave = new Waveform(view, container, options, surfer, regions);
    wave.bins = facts.bins;
    wave.peak = facts.peak;
    view.signal.addEventListener("abort", () => {
      media.remove();
      surfer.destroy();
    });
    surfer.on("redraw", () => wave.moved());
    surfer.on("scroll", () => wave.moved());
    surfer.on("zoom", () => wave.moved());
    const resized = new ResizeObserver(() => wave.moved());
    resized.observe(container);
    const themed = new MutationObserver(() => setTimeout(() => view.signal.aborted || wave.recolor(), 100));
    themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
    view.signal.addEventListener("abort", () => {
      resized.disconnect();
      themed.disconnect();
    });
    view.rpc.on("outline", (event) => {
      if (event.source === offered.id) void view.attempt(() => wave.refine(true));
    });
    wave.moved();
    return wave;
  }

  /** The element that scrolls; what is put into it scrolls along, `left` in percent of the duration. */
  get wrapper(): HTMLElement {
    return this.surfer.getWrapper();
  }

  /** The part that is seen. */
  get visible(): Span {
    return this.span;
  }

  /** Show so many pixels a second; 0 fits the whole sound in. */
  zoom(pxPerSecond: number): void {
    const least = this.container.clientWidth / this.duration;
    const most = Math.max(MOST_PX, Math.min(40_000, 4_000_000 / this.duration));
    this.zoomed = pxPerSecond <= least ? 0 : Math.min(pxPerSecond, most);
    this.surfer.zoom(this.zoomed);
    this.moved();
    void this.view.attempt(() => this.refine(false));
  }

  /** Zoom by a factor and keep the position in sight. */
  zoomBy(factor: number): void {
    const now = this.zoomed || this.container.clientWidth / this.duration;
    const at = this.options.transport.position;
    this.zoom(now * factor);
    this.scrollTo(at - this.container.clientWidth / 2 / Math.max(this.zoomed, 1e-9));
  }

  scrollTo(seconds: number): void {
    if (this.zoomed) this.surfer.setScroll(Math.max(0, seconds) * this.zoomed);
    this.moved();
  }

  /** Pixels from the left edge of what is seen. */
  timeToX(seconds: number): number {
    return (seconds - this.span.start) * this.span.pxPerSecond;
  }

  xToTime(px: number): number {
    return Math.max(0, Math.min(this.duration, this.span.start + px / this.span.pxPerSecond));
  }

  on(_event: "view", listener: (span: Span) => void): void {
    this.listeners.add(listener);
  }

  /** Draw lines at these times, over all that were drawn before; thousands are fine. */
  addMarkers(times: number[], className: string, labels?: string[]): void {
    this.markers.push({ times, className, labels });
    this.drawMarkers();
  }

  clearMarkers(className?: string): void {
    this.markers = className ? this.markers.filter((marker) => marker.className !== className) : [];
    this.drawMarkers();
  }

  /** Take new colours after a change of theme. */
  recolor(): void {
    const style = getComputedStyle(this.container);
    this.surfer.setOptions({
      waveColor: this.options.color ?? style.getPropertyValue("--al-wave").trim(),
      progressColor: this.options.color ?? style.getPropertyValue("--al-played").trim(),
      cursorColor: style.getPropertyValue("--al-ink").trim(),
    });
    this.drawMarkers();
  }

  private moved(): void {
    const width = this.container.clientWidth;
    if (!width) return;
    const whole = Math.max(this.wrapper.scrollWidth, width);
    const pxPerSecond = whole / Math.max(this.duration, 1e-3);
    const start = this.surfer.getScroll() / pxPerSecond;
    this.span = { start, stop: start + width / pxPerSecond, pxPerSecond };
    this.drawMarkers();
    for (const listener of this.listeners) listener(this.span);
  }

  /** Fetch a finer outline if this zoom shows more than is there. */
  private async refine(anew: boolean): Promise<void> {
    const wanted = Math.min(MOST_BINS, this.options.offered.frames, Math.max(COARSE, 2 ** Math.ceil(Math.log2(this.duration * (this.zoomed || 1)))));
    if (!anew && wanted <= this.bins) return;
    const { peaks, facts } = await fetchPeaks(this.view, this.options.offered, Math.max(wanted, this.bins));
    if (this.view.signal.aborted) return;
    this.bins = facts.bins;
    this.peak = facts.peak;
    const scroll = this.surfer.getScroll();
    await this.surfer.load("", peaks, Math.max(this.duration, 1e-3));
    if (this.zoomed) this.surfer.zoom(this.zoomed);
    this.surfer.setScroll(scroll);
    this.moved();
  }

  private drawMarkers(): void {
    const { clientWidth: width } = this.container;
    const height = this.options.height ?? 96;
    const scale = window.devicePixelRatio || 1;
    this.overlay.width = width * scale;
    this.overlay.height = height * scale;
    this.overlay.style.width = `${width}px`;
    this.overlay.style.height = `${height}px`;
    const context = this.overlay.getContext("2d");
    if (!context) return;
    context.scale(scale, scale);
    const style = getComputedStyle(this.container);
    for (const { times, className, labels } of this.markers) {
      const color = style.getPropertyValue(`--al-mark-${className}`).trim() || style.getPropertyValue("--al-ink2").trim();
      context.strokeStyle = context.fillStyle = color;
      context.lineWidth = className === "downbeat" ? 1.5 : 1;
      context.font = "11px system-ui, sans-serif";
      let free = -Infinity; // labels must not lie on one another
      for (let i = firstFrom(times, this.span.start); i < times.length && times[i] <= this.span.stop; i++) {
        const x = this.timeToX(times[i]);
        context.beginPath();
        context.moveTo(x, className === "beat" ? height * 0.75 : 0);
        context.lineTo(x, height);
        context.stroke();
        const label = labels?.[i];
        if (label && x >= free) {
          context.fillText(label, x + 2, 11);
          free = x + context.measureText(label).width + 8;
        }
      }
    }
  }
}

/** Index of the first time that is not before `from`; `times` is in order. */
export function firstFrom(times: number[], from: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function fetchPeaks(view: View, offered: Offered, bins: number): Promise<{ peaks: Float32Array[]; facts: any }> {
  if (!offered.frames) return { peaks: [new Float32Array(2), new Float32Array(2)], facts: { bins: 2, peak: 0 } };
  const { result, buffers } = await view.rpc.call("peaks", { source: offered.id, bins });
  const at = buffers[0];
  const values = new Float32Array(at.buffer.slice(at.byteOffset, at.byteOffset + at.byteLength));
  // wavesurfer draws one channel upwards and the other downwards: highest and lowest samples.
  return { peaks: [values.slice(0, result.bins).map((v) => Math.max(0, v)), values.slice(result.bins).map((v) => Math.min(0, v))], facts: result };
}

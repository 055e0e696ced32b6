import { h } from "./dom";
import type { Offered } from "./transport/source";
import type { Transport } from "./transport/transport";
import type { View } from "./view";
import type { Span } from "./waveform";

/** A small waveform beside others: it shows the part that the main one shows; a click seeks. */
export class Lane {
  readonly element: HTMLElement;
  gain = 1;
  private readonly canvas: HTMLCanvasElement;
  private readonly cursor: HTMLElement;
  private values: Float32Array | null = null;
  private shown: { start: number; stop: number };
  private span: { start: number; stop: number };
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly view: View,
    private readonly offered: Offered,
    private readonly transport: Transport,
    private readonly color: string,
  ) {
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.cursor = h("span", { class: "al-lane-cursor" });
    this.element = h("div", { class: "al-lane" }, this.canvas, this.cursor);
    this.span = this.shown = { start: 0, stop: offered.frames / offered.sample_rate };
    const { signal } = view;
    this.element.addEventListener("click", (event) => {
      const share = event.offsetX / Math.max(1, this.element.clientWidth);
      transport.seek(this.span.start + share * (this.span.stop - this.span.start));
    }, { signal });
    view.rpc.on("outline", (event) => event.source === offered.id && this.load());
    const resized = new ResizeObserver(() => this.draw());
    resized.observe(this.element);
    signal.addEventListener("abort", () => {
      resized.disconnect();
      clearTimeout(this.timer);
    });
    transport.on("time", () => this.follow());
    void this.load();
  }

  /** Show another part, soon. */
  show(span: Span): void {
    this.span = { start: span.start, stop: span.stop };
    this.draw();
    this.follow();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.load(), 120);
  }

  draw(): void {
    const { clientWidth: width, clientHeight: height } = this.element;
    const context = this.canvas.getContext("2d");
    if (!context || !this.values || !width) return;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    context.scale(scale, scale);
    context.fillStyle = this.color;
    const bins = this.values.length / 2;
    const middle = height / 2;
    const perBin = (this.shown.stop - this.shown.start) / Math.max(1, bins);
    const perPixel = (this.span.stop - this.span.start) / width;
    for (let x = 0; x < width; x++) {
      const time = this.span.start + x * perPixel;
      const first = Math.floor((time - this.shown.start) / perBin);
      const last = Math.max(first + 1, Math.ceil((time + perPixel - this.shown.start) / perBin));
      let high = 0;
      let low = 0;
      for (let bin = Math.max(0, first); bin < Math.min(bins, last); bin++) {
        high = Math.max(high, this.values[bin]);
        low = Math.min(low, this.values[bins + bin]);
      }
      const top = Math.min(1, high * this.gain) * middle;
      const bottom = Math.max(-1, low * this.gain) * middle;
      context.fillRect(x, middle - top, 1, Math.max(0.7, top - bottom));
    }
  }

  private follow(): void {
    const share = (this.transport.position - this.span.start) / Math.max(1e-6, this.span.stop - this.span.start);
    this.cursor.hidden = share < 0 || share > 1;
    this.cursor.style.left = `${share * 100}%`;
  }

  private async load(): Promise<void> {
    if (this.view.signal.aborted || !this.offered.frames) return;
    const { start, stop } = this.span;
    const rate = this.offered.sample_rate;
    const params = { source: this.offered.id, bins: 1200, start: Math.max(0, Math.floor(start * rate)), stop: Math.min(this.offered.frames, Math.ceil(stop * rate)) };
    const found = await this.view.attempt(() => this.view.rpc.call("peaks", params));
    if (!found || this.view.signal.aborted || start !== this.span.start || stop !== this.span.stop) return;
    const at = found.buffers[0];
    this.values = new Float32Array(at.buffer.slice(at.byteOffset, at.byteOffset + at.byteLength));
    this.shown = { start, stop };
    this.draw();
  }
}

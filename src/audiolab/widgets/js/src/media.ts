import type { Transport } from "./transport/transport";

/**
 * A media element for wavesurfer.js that plays nothing itself: wavesurfer draws and asks, the transport plays.
 */
export class TransportMedia extends EventTarget {
  src = "";
  currentSrc = "";
  autoplay = false;
  controls = false;
  muted = false;
  volume = 1;
  playbackRate = 1;
  preservesPitch = true;
  seeking = false;
  readyState = 4;
  ended = false;
  private readonly stop: (() => void)[] = [];

  constructor(private readonly transport: Transport, private readonly length: number) {
    super();
    this.stop.push(
      transport.on("time", () => this.dispatchEvent(new Event("timeupdate"))),
      transport.on("state", (state) => this.dispatchEvent(new Event(state === "paused" ? "pause" : "play"))),
    );
  }

  get currentTime(): number {
    return this.transport.position;
  }

  set currentTime(seconds: number) {
    this.transport.seek(seconds);
    this.dispatchEvent(new Event("seeking"));
    this.dispatchEvent(new Event("timeupdate"));
  }

  get duration(): number {
    return this.length;
  }

  get paused(): boolean {
    return !this.transport.playing;
  }

  play(): Promise<void> {
    return this.transport.play();
  }

  pause(): void {
    this.transport.pause();
  }

  load(): void {}

  canPlayType(): string {
    return "";
  }

  removeAttribute(): void {}

  remove(): void {
    for (const each of this.stop) each();
  }
}

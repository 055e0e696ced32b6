import type { Rpc } from "./rpc";
import { CHUNK } from "./transport/engine";
import { CommSource, type Offered, planes, type Source } from "./transport/source";
import { silence, Transport } from "./transport/transport";

export interface SoundLevel {
  measure: "LUFS" | "RMS" | "silence";
  value: number | null;
  peak_db: number;
  gain_db: number;
  limited: boolean;
  whole: boolean;
}

/** A sound as it came: all of it, or of a long one the beginning. */
export interface Heard {
  id: string;
  sampleRate: number;
  frames: number;
  level: SoundLevel;
  channels: Float32Array[];
  offered: Offered | null;
}

interface Told {
  id: string;
  error?: string;
  sample_rate: number;
  channels: number;
  frames: number;
  sent: number;
  level: SoundLevel;
  offered: Offered | null;
  at: number;
}

const MOST_BYTES = 48e6;
const AT_ONCE = 3;

/** Keeps what was used last, up to so many bytes. */
export class ByteCache<T> {
  private readonly kept = new Map<string, { value: T; bytes: number }>();
  bytes = 0;

  constructor(private readonly most: number) {}

  get(key: string): T | undefined {
    const found = this.kept.get(key);
    if (!found) return undefined;
    this.kept.delete(key);
    this.kept.set(key, found);
    return found.value;
  }

  has(key: string): boolean {
    return this.kept.has(key);
  }

  set(key: string, value: T, bytes: number): void {
    this.bytes += bytes - (this.kept.get(key)?.bytes ?? 0);
    this.kept.delete(key);
    this.kept.set(key, { value, bytes });
    for (const [old, { bytes: size }] of this.kept) {
      if (this.bytes <= this.most || old === key) break;
      this.kept.delete(old);
      this.bytes -= size;
    }
  }

  clear(): void {
    this.kept.clear();
    this.bytes = 0;
  }
}

/** Samples that lie in the page; what lies beyond them comes from the kernel. */
class HeldSource implements Source {
  readonly id: string;
  readonly sampleRate: number;
  readonly channels: number;
  readonly frames: number;
  private readonly rest: CommSource | null;

  constructor(private readonly heard: Heard, rpc: Rpc) {
    this.id = heard.id;
    this.sampleRate = heard.sampleRate;
    this.channels = heard.channels.length;
    this.frames = heard.frames;
    this.rest = heard.offered ? new CommSource(rpc, heard.offered) : null;
  }

  read(index: number): Promise<Float32Array[]> {
    const start = index * CHUNK;
    const stop = Math.min(this.frames, start + CHUNK);
    if (this.rest && stop > this.heard.channels[0].length) return this.rest.read(index);
    return Promise.resolve(this.heard.channels.map((channel) => channel.subarray(start, stop)));
  }
}

/**
 * Plays one sound after the other, each at once: its samples are here before it is asked for. Every sample rate has a
 * transport of its own that stays open, so that going from one to the other costs nothing.
 */
export class Auditioner {
  matched = false;
  readonly cache = new ByteCache<Heard>(MOST_BYTES);
  private readonly transports = new Map<number, Transport>();
  private readonly coming = new Map<string, Promise<Heard>>();
  private wanted: string[] = [];
  private fetching = false;
  private token = 0;
  private now: Transport | null = null;

  constructor(private readonly rpc: Rpc, private readonly signal: AbortSignal, private readonly fail: (error: unknown) => void) {
    signal.addEventListener("abort", () => this.cache.clear());
  }

  get playing(): boolean {
    return this.now?.playing ?? false;
  }

  /** Stop what sounds and play another; gives it, or undefined if a newer one was asked for meanwhile. */
  async play(id: string): Promise<Heard | undefined> {
    const token = ++this.token;
    if (!this.cache.has(id)) this.stop(); // silence until the samples come
    const heard = this.cache.get(id) ?? (await this.bring(id));
    if (token !== this.token || this.signal.aborted) return undefined;
    if (!heard.frames) {
      this.stop();
      return heard;
    }
    const transport = this.transport(heard.sampleRate);
    this.now?.pause();
    transport.load(new HeldSource(heard, this.rpc), this.gain(heard));
    this.now = transport;
    void transport.play(); // it says itself what fails; a device that opens late must not bring old answers late
    return heard;
  }

  /** Open the device before the first key comes, so that it sounds at once. */
  warm(sampleRate: number): void {
    void this.transport(sampleRate).warm().catch(() => {});
  }

  stop(): void {
    if (this.now) this.now.pause();
    else silence();
  }

  /** The factor that is applied to a sound. */
  gain(heard: Heard): number {
    return this.matched ? 10 ** (heard.level.gain_db / 20) : 1;
  }

  /** Let the sound that plays follow a change of `matched`. */
  regain(id: string): void {
    const heard = this.cache.get(id);
    if (heard && this.now) this.now.setTrack(id, { gain: this.gain(heard) });
  }

  /** Have these sounds ready, the first first; earlier wishes are forgotten. */
  prefetch(ids: string[]): void {
    this.wanted = ids.filter((id) => !this.cache.has(id));
    void this.fetchWanted();
  }

  /** The samples of a sound, from here or from the kernel. */
  async bring(id: string): Promise<Heard> {
    const known = this.cache.get(id) ?? this.coming.get(id);
    if (known) return known;
    const coming = this.fetch([id]).then(([heard]) => {
      if (heard instanceof Error) throw heard;
      return heard;
    });
    this.coming.set(id, coming);
    try {
      return await coming;
    } finally {
      this.coming.delete(id);
    }
  }

  private transport(sampleRate: number): Transport {
    let found = this.transports.get(sampleRate);
    if (!found) {
      found = new Transport(sampleRate, this.signal);
      found.on("error", this.fail);
      this.transports.set(sampleRate, found);
    }
    return found;
  }

  private async fetchWanted(): Promise<void> {
    if (this.fetching) return;
    this.fetching = true;
    try {
      while (this.wanted.length && !this.signal.aborted) {
        const next = this.wanted.splice(0, AT_ONCE).filter((id) => !this.cache.has(id) && !this.coming.has(id));
        if (next.length) await this.fetch(next); // an error of one is said when it is played
      }
    } catch {
      this.wanted = [];
    } finally {
      this.fetching = false;
    }
  }

  private async fetch(ids: string[]): Promise<(Heard | Error)[]> {
    const { result, buffers } = await this.rpc.call<{ sounds: Told[] }>("hear", { ids });
    return result.sounds.map((told) => {
      if (told.error !== undefined) return new Error(told.error);
      const heard: Heard = {
        id: told.id,
        sampleRate: told.sample_rate,
        frames: told.frames,
        level: told.level,
        channels: planes(buffers[told.at], told.channels, told.sent),
        offered: told.offered,
      };
      this.cache.set(told.id, heard, told.channels * told.sent * 4);
      return heard;
    });
  }
}

import type { Rpc } from "../rpc";

/** What Python says of a sound that it offers (`SoundingWidget.offer`). */
export interface Offered {
  id: string;
  name: string;
  sample_rate: number;
  channels: number;
  all_channels: number;
  frames: number;
}

/** Where samples come from: the kernel now; a server that knows ranges can stand here later. */
export interface Source {
  readonly id: string;
  readonly sampleRate: number;
  readonly channels: number;
  readonly frames: number;
  /** Give one chunk of 2^17 frames (the last is shorter), one array a channel. */
  read(index: number): Promise<Float32Array[]>;
}

/** Chunks over the widget's own channel to the kernel. */
export class CommSource implements Source {
  readonly id: string;
  readonly sampleRate: number;
  readonly channels: number;
  readonly frames: number;

  constructor(private readonly rpc: Rpc, offered: Offered) {
    this.id = offered.id;
    this.sampleRate = offered.sample_rate;
    this.channels = offered.channels;
    this.frames = offered.frames;
  }

  async read(index: number): Promise<Float32Array[]> {
    const { result, buffers } = await this.rpc.call("audio", { source: this.id, chunk: index });
    return planes(buffers[0], result.channels, result.frames);
  }
}

/** Cut a buffer of float32 into arrays of one channel each; copies, since buffers may lie anywhere. */
export function planes(view: DataView, channels: number, frames: number): Float32Array[] {
  return Array.from({ length: channels }, (_, channel) => {
    const from = view.byteOffset + channel * frames * 4;
    return new Float32Array(view.buffer.slice(from, from + frames * 4));
  });
}

type Read = (at: number, count: number, left: Float32Array, right: Float32Array) => number;

/**
 * Changes the speed and keeps the pitch: waveform-similarity overlap-add (Verhelst & Roelands 1993). Windows of 46 ms
 * overlap by half; each is taken from up to 12 ms around its due place, where it continues the one before best.
 */
export class Stretcher {
  speed = 1;
  /** Frame of the source where it ends. */
  end = Infinity;
  ended = false;
  private readonly hop: number;
  private readonly reach: number;
  private readonly window: Float32Array;
  private readonly tailLeft: Float32Array;
  private readonly tailRight: Float32Array;
  private readonly left: Float32Array;
  private readonly right: Float32Array;
  private outLeft: Float32Array;
  private outRight: Float32Array;
  private have = 0; // frames of output that wait, at the end of out*
  private due: number | null = null;
  private first = true;
  private heard = 0;

  constructor(sampleRate: number, private readonly read: Read, private readonly wrap: (frame: number) => number) {
    this.hop = Math.round(sampleRate * 0.023);
    this.reach = Math.round(sampleRate * 0.012);
    const size = 2 * this.hop;
    this.window = Float32Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / size));
    this.tailLeft = new Float32Array(this.hop);
    this.tailRight = new Float32Array(this.hop);
    this.left = new Float32Array(size + 2 * this.reach);
    this.right = new Float32Array(size + 2 * this.reach);
    this.outLeft = new Float32Array(this.hop);
    this.outRight = new Float32Array(this.hop);
  }

  /** Frame of the source that is heard now. */
  get position(): number {
    return this.due === null ? this.heard : Math.min(this.wrap(Math.max(0, Math.round(this.heard))), this.end);
  }

  reset(): void {
    this.due = null;
    this.have = 0;
    this.first = true;
    this.ended = false;
  }

  /** Fill a block; `from` is where to begin after a reset. Gives the frames made: fewer if the source lacks some. */
  process(left: Float32Array, right: Float32Array, from: number): number {
    if (this.due === null) {
      this.due = from;
      this.heard = from;
      this.ended = false;
    }
    let made = 0;
    while (made < left.length) {
      if (this.have === 0) {
        if (this.due >= this.end) {
          this.ended = true;
          break;
        }
        if (!this.step()) break;
      }
      const count = Math.min(this.have, left.length - made);
      const begin = this.hop - this.have;
      left.set(this.outLeft.subarray(begin, begin + count), made);
      right.set(this.outRight.subarray(begin, begin + count), made);
      this.have -= count;
      made += count;
      this.heard = this.wrap(this.heard + count * this.speed);
    }
    return made;
  }

  private step(): boolean {
    const size = 2 * this.hop;
    const due = this.wrap(Math.round(this.due!));
    const start = this.first ? due : due - this.reach;
    const count = this.first ? size : size + 2 * this.reach;
    this.left.fill(0);
    this.right.fill(0);
    const begin = Math.max(0, start);
    const skip = begin - start;
    const got = this.read(begin, count - skip, this.left.subarray(skip), this.right.subarray(skip));
    if (got < count - skip && begin + got < this.end) return false;
    const offset = this.first ? 0 : this.best();
    for (let i = 0; i < this.hop; i++) {
      const fade = this.first ? 1 : this.window[i];
      this.outLeft[i] = this.left[offset + i] * fade + (this.first ? 0 : this.tailLeft[i]);
      this.outRight[i] = this.right[offset + i] * fade + (this.first ? 0 : this.tailRight[i]);
    }
    for (let i = 0; i < this.hop; i++) {
      this.tailLeft[i] = this.left[offset + this.hop + i] * this.window[this.hop + i];
      this.tailRight[i] = this.right[offset + this.hop + i] * this.window[this.hop + i];
    }
    this.first = false;
    this.have = this.hop;
    this.due = this.wrap(this.due! + this.hop * this.speed);
    return true;
  }

  /** Find the offset at which the new window goes on like the tail of the one before. */
  private best(): number {
    let found = this.reach;
    let most = -Infinity;
    for (const [from, to, stride] of [[0, 2 * this.reach, 4], [-3, 3, 1]] as const) {
      const around = stride === 1 ? found : 0;
      for (let offset = around + from; offset <= around + to; offset += stride) {
        if (offset < 0 || offset > 2 * this.reach) continue;
        let dot = 0;
        let power = 1e-9;
        for (let i = 0; i < this.hop; i += 2) {
          const value = this.left[offset + i] + this.right[offset + i];
          // The tail is weighted by the falling window; the new one must be alike where both are heard.
          dot += value * (this.tailLeft[i] + this.tailRight[i]);
          power += value * value * this.window[this.hop + i];
        }
        const score = dot / Math.sqrt(power);
        if (score > most) {
          most = score;
          found = offset;
        }
      }
    }
    return found;
  }
}

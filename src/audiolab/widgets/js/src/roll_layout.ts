/** Start and end in seconds, pitch, velocity: as Python sends notes. */
export type Note = [start: number, end: number, pitch: number, velocity: number];

const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

/** `C4` is middle C (60). */
export function noteName(pitch: number): string {
  return `${NAMES[((pitch % 12) + 12) % 12]}${Math.floor(pitch / 12) - 1}`;
}

export function isBlackKey(pitch: number): boolean {
  return [1, 3, 6, 8, 10].includes(((pitch % 12) + 12) % 12);
}

/** Notes in order of their start, with what finding those of a stretch needs. */
export class NoteList {
  private readonly longest: number;

  constructor(readonly notes: Note[]) {
    this.longest = notes.reduce((most, [start, end]) => Math.max(most, end - start), 0);
  }

  /** Index of the first note that may sound at `time`. */
  private first(time: number): number {
    let low = 0;
    let high = this.notes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.notes[middle][0] < time - this.longest) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Notes that sound somewhere between two times. */
  between(start: number, stop: number): Note[] {
    const found: Note[] = [];
    for (let i = this.first(start); i < this.notes.length && this.notes[i][0] < stop; i++) {
      if (this.notes[i][1] > start) found.push(this.notes[i]);
    }
    return found;
  }

  /** The note at a time and a pitch; `slack` seconds beside it count, too. The one that begins nearest wins. */
  at(time: number, pitch: number, slack = 0): Note | null {
    const near = this.between(time - slack, time + slack + 1e-9).filter((note) => note[2] === pitch);
    return near.sort((a, b) => Math.abs(a[0] - time) - Math.abs(b[0] - time))[0] ?? null;
  }
}

export interface PitchRange {
  low: number;
  high: number;
}

/** The pitches that are there and two more on both sides; an octave at least. */
export function fitted(pitches: number[]): PitchRange {
  if (!pitches.length) return { low: 48, high: 72 };
  let low = 127;
  let high = 0;
  for (const pitch of pitches) {
    low = Math.min(low, pitch);
    high = Math.max(high, pitch);
  }
  const more = Math.max(2, Math.ceil((12 - (high - low)) / 2));
  return { low: Math.max(0, low - more), high: Math.min(127, high + more) };
}

/** Zoom around the middle by a factor; 5 rows at least, 128 at most. */
export function zoomed({ low, high }: PitchRange, factor: number): PitchRange {
  const rows = Math.max(5, Math.min(128, Math.round((high - low + 1) / factor)));
  const middle = (low + high) / 2;
  return moved({ low: Math.round(middle - (rows - 1) / 2), high: Math.round(middle - (rows - 1) / 2) + rows - 1 }, 0);
}

/** Scroll by some pitches, within 0 to 127. */
export function moved({ low, high }: PitchRange, by: number): PitchRange {
  const step = Math.max(-low, Math.min(127 - high, by));
  const made = { low: low + step, high: high + step };
  return { low: Math.max(0, made.low), high: Math.min(127, made.high) };
}

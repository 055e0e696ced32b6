export interface Word {
  start: number;
  end: number;
  word: string;
  probability?: number;
  edited?: boolean;
}

export interface Line {
  start: number;
  end: number;
  text: string;
  flags?: string[];
  words?: Word[];
}

/** Line and number of a word. */
export type Place = [line: number, word: number];

export interface Flat extends Word {
  place: Place;
}

/** All words in the order of the page. */
export function flatten(lines: Line[]): Flat[] {
  return lines.flatMap((line, at) => (line.words ?? []).map((word, index) => ({ ...word, place: [at, index] as Place })));
}

/** Index of the word that is sung at `time`: the last one that has begun and not ended, else -1. `order` sorts by start. */
export function sungAt(words: Flat[], order: number[], time: number): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[order[middle]].start <= time) low = middle + 1;
    else high = middle;
  }
  for (let i = low - 1; i >= Math.max(0, low - 8); i--) {
    if (words[order[i]].end > time) return order[i];
  }
  return -1;
}

export function byStart(words: Flat[]): number[] {
  return words.map((_, index) => index).sort((a, b) => words[a].start - words[b].start || a - b);
}

export function samePlace(a: Place, b: Place): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

/** Places from one word to another, both included. */
export function range(words: Flat[], from: Place, to: Place): Place[] {
  const a = words.findIndex(({ place }) => samePlace(place, from));
  const b = words.findIndex(({ place }) => samePlace(place, to));
  if (a < 0 || b < 0) return [];
  return words.slice(Math.min(a, b), Math.max(a, b) + 1).map(({ place }) => place);
}

/** The selection with one word more, or one less if it was in it. */
export function toggled(selection: Place[], place: Place): Place[] {
  const without = selection.filter((each) => !samePlace(each, place));
  return without.length < selection.length ? without : [...selection, place].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

import { describe, expect, it } from "vitest";
import { byStart, flatten, type Line, range, sungAt, toggled } from "./lyric_words";

const lines: Line[] = [
  { start: 0, end: 2, text: "a b", words: [{ start: 0, end: 1, word: "a" }, { start: 1.2, end: 2, word: "b" }] },
  { start: 3, end: 4, text: "no words known" },
  { start: 1.8, end: 5, text: "c d", words: [{ start: 1.8, end: 5, word: "c" }, { start: 4, end: 4.5, word: "d" }] },
];
const words = flatten(lines);
const at = (time: number) => words[sungAt(words, byStart(words), time)]?.word;

describe("words", () => {
  it("are found by time, the newest of overlapping ones first", () => {
    expect([0.5, 1.1, 1.2, 1.9, 3, 4.2, 4.7, 6].map(at)).toEqual(["a", undefined, "b", "c", "c", "d", "c", undefined]);
  });
  it("are chosen one by one and in ranges across lines", () => {
    expect(words.map(({ place }) => place)).toEqual([[0, 0], [0, 1], [2, 0], [2, 1]]);
    expect(range(words, [2, 0], [0, 1])).toEqual([[0, 1], [2, 0]]);
    expect(range(words, [1, 0], [0, 1])).toEqual([]);
    expect(toggled([[0, 1]], [0, 0])).toEqual([[0, 0], [0, 1]]);
    expect(toggled([[0, 0], [0, 1]], [0, 0])).toEqual([[0, 1]]);
  });
});

import { describe, expect, it } from "vitest";
import { fitted, isBlackKey, moved, type Note, NoteList, noteName, zoomed } from "./roll_layout";

describe("names", () => {
  it("follow MIDI", () => {
    expect([60, 69, 0, 127, 61].map(noteName)).toEqual(["C4", "A4", "C-1", "G9", "C♯4"]);
    expect([60, 61, 63, 64, 70].map(isBlackKey)).toEqual([false, true, true, false, true]);
  });
});

describe("finding notes", () => {
  const long: Note = [0, 10, 40, 100];
  const list = new NoteList([long, [1, 2, 50, 90], [2, 3, 50, 80], [9.5, 9.6, 60, 70]]);
  it("sees long ones that began before", () => {
    expect(list.between(5, 6)).toEqual([long]);
    expect(list.between(1.5, 2.5).map((note) => note[0])).toEqual([0, 1, 2]);
    expect(list.between(11, 12)).toEqual([]);
  });
  it("hits by time and pitch", () => {
    expect(list.at(1.5, 50)?.[3]).toBe(90);
    expect(list.at(2.4, 50)?.[3]).toBe(80);
    expect(list.at(9.45, 60)).toBeNull();
    expect(list.at(9.45, 60, 0.1)?.[3]).toBe(70);
    expect(list.at(1.5, 51)).toBeNull();
  });
  it("finds the same as a plain search among random notes", () => {
    let seed = 1;
    const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    const notes = Array.from({ length: 300 }, (): Note => {
      const start = random() * 60;
      return [start, start + 0.01 + random() * 4, Math.floor(random() * 128), 64];
    }).sort((a, b) => a[0] - b[0]);
    const many = new NoteList(notes);
    for (let i = 0; i < 200; i++) {
      const from = random() * 62;
      const to = from + random() * 5;
      expect(many.between(from, to)).toEqual(notes.filter(([start, end]) => start < to && end > from));
    }
  });
});

describe("pitches", () => {
  it("fit what is there, an octave at least", () => {
    expect(fitted([60])).toEqual({ low: 54, high: 66 });
    expect(fitted([36, 84])).toEqual({ low: 34, high: 86 });
    expect(fitted([])).toEqual({ low: 48, high: 72 });
  });
  it("zoom and scroll within the keyboard", () => {
    expect(zoomed({ low: 40, high: 63 }, 2)).toEqual({ low: 46, high: 57 });
    expect(zoomed({ low: 0, high: 100 }, 0.1)).toEqual({ low: 0, high: 127 });
    expect(moved({ low: 100, high: 120 }, 50)).toEqual({ low: 107, high: 127 });
    expect(moved({ low: 3, high: 20 }, -9)).toEqual({ low: 0, high: 17 });
  });
});

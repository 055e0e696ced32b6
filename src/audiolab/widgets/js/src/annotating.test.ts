import { describe, expect, it } from "vitest";
import { milliseconds, moved, nearestIndex, neighbour, type Region, regionAt, told, windowAround } from "./annotating";

const region = (id: string, start: number, stop: number, more: Partial<Region> = {}): Region => ({
  id, name: id, start, stop, whole: false, label: null, source: null, confidence: null, mine: null, proposal: null, rejected: false, by_hand: false, ...more,
});
const some = [region("a", 0, 100), region("b", 200, 400), region("c", 250, 300)];

describe("regions", () => {
  it("takes the inner one of nested regions, and no end", () => {
    expect(regionAt(some, 260)?.id).toBe("c");
    expect(regionAt(some, 350)?.id).toBe("b");
    expect(regionAt(some, 100)).toBeUndefined();
  });
  it("steps from the chosen one, else from the cursor, and stops at the ends", () => {
    expect(neighbour(some, "a", 1, 0)?.id).toBe("b");
    expect(neighbour(some, "a", -1, 0)?.id).toBe("a");
    expect(neighbour(some, "c", 1, 0)?.id).toBe("c");
    expect(neighbour(some, "", 1, 150)?.id).toBe("b");
    expect(neighbour(some, "", -1, 150)?.id).toBe("a");
    expect(neighbour(some, "", 1, 900)?.id).toBe("c");
    expect(neighbour([], "", 1, 0)).toBeUndefined();
  });
  it("keeps edges apart and inside", () => {
    expect(moved(some[1], "start", 900, 1000)).toEqual({ start: 399, stop: 400 });
    expect(moved(some[1], "start", -5, 1000)).toEqual({ start: 0, stop: 400 });
    expect(moved(some[1], "stop", 5000, 1000)).toEqual({ start: 200, stop: 1000 });
    expect(moved(some[1], "stop", 0, 1000)).toEqual({ start: 200, stop: 201 });
    expect(moved(some[1], "stop", 333.4, 1000)).toEqual({ start: 200, stop: 333 });
  });
  it("nudges by whole frames, one at least", () => {
    expect(milliseconds(1, 44100)).toBe(44);
    expect(milliseconds(-10, 48000)).toBe(-480);
    expect(milliseconds(1, 100)).toBe(1);
  });
  it("finds the nearest", () => {
    expect(nearestIndex([0, 10, 20], 14)).toBe(1);
    expect(nearestIndex([], 14)).toBe(-1);
  });
  it("says who said what", () => {
    const proposal = { label: "snare", confidence: 0.554, top: [] };
    expect(told(region("x", 0, 1, { label: "snare", source: "model", confidence: 0.554, proposal }))).toBe("snare? 55 %");
    expect(told(region("x", 0, 1, { label: "rim", source: "human", mine: "rim", proposal, rejected: true }))).toBe("rim, by you · model: snare 55 % · rejected");
    expect(told(region("x", 0, 1))).toBe("no label");
  });
  it("shows a window of a long list", () => {
    expect(windowAround(100, 50, 9)).toEqual([46, 55]);
    expect(windowAround(100, 0, 9)).toEqual([0, 9]);
    expect(windowAround(100, 99, 9)).toEqual([91, 100]);
    expect(windowAround(3, 1, 9)).toEqual([0, 3]);
  });
});

import { describe, expect, it } from "vitest";
import { around, middle, toward } from "./map_points";

// 0 in the middle; 1 right, 2 left, 3 above, 4 below, 5 far right, 6 right but well aside
const places = Float32Array.from([0, 0, 1, 0, -1, 0, 0, 1, 0, -1, 3, 0, 0.6, 0.9]);

describe("a map of points", () => {
  it("goes to the next point in a direction", () => {
    expect(toward(places, 0, 1, 0)).toBe(1);
    expect(toward(places, 0, -1, 0)).toBe(2);
    expect(toward(places, 0, 0, 1)).toBe(3);
    expect(toward(places, 0, 0, -1)).toBe(4);
    expect(toward(places, 1, 1, 0)).toBe(5);
  });
  it("stays where nothing lies ahead, or all lie on one place", () => {
    expect(toward(places, 5, 1, 0)).toBe(-1);
    expect(toward(Float32Array.from([1, 1, 1, 1]), 0, 1, 0)).toBe(-1);
    expect(toward(Float32Array.from([1, 1]), 0, 1, 0)).toBe(-1);
  });
  it("reaches every point of a grid by going right and up", () => {
    const grid = Float32Array.from(Array.from({ length: 9 }, (_, i) => [i % 3, Math.floor(i / 3)]).flat());
    expect(toward(grid, 0, 1, 0)).toBe(1);
    expect(toward(grid, 0, 0, 1)).toBe(3);
    expect(toward(grid, 4, -1, 0)).toBe(3);
  });
  it("begins in the middle and knows the neighbours", () => {
    expect(middle(places)).toBe(1);
    expect(middle(new Float32Array())).toBe(-1);
    expect(around(places, 5, 2)).toEqual([1, 6]);
    expect(around(places, 0, 100)).toHaveLength(6);
  });
});

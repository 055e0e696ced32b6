import { expect, test } from "vitest";
import { stays, upcoming } from "./ahead";
import { CHUNK } from "./engine";

const RATE = 44100;
const HOUR = 3600 * RATE;

test("half a minute is fetched ahead, the chunk at the position first", () => {
  const found = upcoming(5 * CHUNK + 10, HOUR, RATE, null);
  expect(found.slice(0, 3)).toEqual([5, 6, 7]);
  expect(found.length * CHUNK).toBeGreaterThanOrEqual(30 * RATE);
  expect(found.length * CHUNK).toBeLessThan(30 * RATE + 2 * CHUNK);
  expect(upcoming(5 * CHUNK, HOUR, RATE, null, 1)).toEqual([5]);
});

test("nothing is fetched beyond the end", () => {
  expect(upcoming(0, 2 * CHUNK + 1, RATE, null)).toEqual([0, 1, 2]);
  expect(upcoming(2 * CHUNK, 2 * CHUNK, RATE, null)).toEqual([]);
});

test("after a loop's end comes its beginning, each chunk once", () => {
  expect(upcoming(7 * CHUNK, HOUR, RATE, { start: 3 * CHUNK + 5, stop: 8 * CHUNK + 5 })).toEqual([7, 8, 3, 4, 5, 6]);
  // Inside one chunk it ends, too.
  expect(upcoming(3 * CHUNK + 6, HOUR, RATE, { start: 3 * CHUNK + 5, stop: 3 * CHUNK + 1000 })).toEqual([3]);
  // A position behind the loop plays on.
  expect(upcoming(9 * CHUNK, 11 * CHUNK, RATE, { start: 0, stop: CHUNK })).toEqual([9, 10]);
});

test("the first chunk and what was heard just now stay", () => {
  const frame = 9 * CHUNK + 1;
  expect([0, 1, 7, 8, 9, 10].filter((index) => stays(index, frame))).toEqual([0, 8, 9]);
});

import { expect, it } from "vitest";
import { cellOf, countsText, pagesOf, shareOf } from "./run_view";

it("counts what has ended, and the part of what runs", () => {
  expect(shareOf({})).toBeNull();
  expect(shareOf({ done: 2, failed: 1, running: 1 })).toBe(0.75);
  expect(shareOf({ done: 1, running: 1 }, 0.5)).toBe(0.75);
  expect(shareOf({ reused: 3 })).toBe(1);
});

it("says the worst of a cell", () => {
  expect(cellOf(undefined)).toEqual({ sign: "", status: "none" });
  expect(cellOf({ done: 3, failed: 1 }).status).toBe("failed");
  expect(cellOf({ done: 3, skipped: 1 }).status).toBe("skipped");
  expect(cellOf({ running: 1 }, 0.42).sign).toBe("42 %");
  expect(cellOf({ running: 1 }).sign).toBe("…");
  expect(cellOf({ reused: 2 })).toEqual({ sign: "✓", status: "reused" });
});

it("lists counts", () => expect(countsText({ done: 2, skipped: 1 })).toBe("2 done, 1 skipped"));

it("links Dask's pages only by their address", () => {
  expect(pagesOf("http://127.0.0.1:8787/status")).toBe("http://127.0.0.1:8787/status");
  expect(pagesOf("javascript:alert(1)")).toBe("");
  expect(pagesOf(undefined)).toBe("");
});

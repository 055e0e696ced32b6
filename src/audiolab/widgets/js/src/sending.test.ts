import { describe, expect, it } from "vitest";
import { bytesText, packs, walk } from "./sending";

const files = (...sizes: number[]) => sizes.map((size, index) => ({ index, file: new Blob([new Uint8Array(size)]) }));

describe("packs", () => {
  it("cuts large files and puts small ones together, at most so many bytes at once", () => {
    const all = [...packs(files(250, 10, 20, 0, 300), 100, new Set())];
    expect(all.map((pack) => pack.reduce((sum, piece) => sum + piece.bytes.size, 0))).toEqual([100, 100, 100, 100, 100, 80]);
    expect(all[2].map(({ index, offset }) => [index, offset])).toEqual([[0, 200], [1, 0], [2, 0], [4, 0]]);
    const last = all.flat().filter(({ index }) => index === 4);
    expect(last.map(({ offset }) => offset)).toEqual([0, 20, 120, 220]);
  });

  it("leaves out what failed meanwhile", () => {
    const skip = new Set<number>();
    const sent: number[] = [];
    for (const pack of packs(files(300, 50), 100, skip)) {
      sent.push(...pack.map(({ index }) => index));
      skip.add(0);
    }
    expect(sent).toEqual([0, 1]);
  });
});

describe("walk", () => {
  const file = (fullPath: string) => ({
    isFile: true,
    isDirectory: false,
    fullPath,
    file: (good: (file: File) => void, bad: (error: unknown) => void) =>
      fullPath.includes("locked") ? bad(new Error("NotReadableError")) : good(new File(["x"], fullPath)),
  });
  const folder = (fullPath: string, inside: any[]) => ({
    isFile: false,
    isDirectory: true,
    fullPath,
    createReader: () => {
      const left = [...inside];
      // as browsers do: some at a time, none at the end
      return { readEntries: (good: (entries: any[]) => void) => good(left.splice(0, 2)) };
    },
  });

  it("finds all files of folders in folders, in order, and names what cannot be read", async () => {
    const bad: string[] = [];
    const pack = folder("/Pack", [
      file("/Pack/z.wav"),
      folder("/Pack/Kicks", [file("/Pack/Kicks/b.wav"), file("/Pack/Kicks/a.wav"), file("/Pack/Kicks/locked.wav")]),
      folder("/Pack/Empty", []),
    ]);
    const found = await walk([pack, file("/alone.wav")], (path) => bad.push(path));
    expect(found.map(({ path }) => path)).toEqual(["Pack/Kicks/a.wav", "Pack/Kicks/b.wav", "Pack/z.wav", "alone.wav"]);
    expect(bad).toEqual(["/Pack/Kicks/locked.wav"]);
  });
});

it("says sizes as people do", () => {
  expect([0, 999, 1500, 12_345_678, 3.2e9].map(bytesText)).toEqual(["0 B", "999 B", "1.5 kB", "12 MB", "3.2 GB"]);
});

import { describe, expect, it } from "vitest";
import { changed, gainOf, isHeard, type MixState, sayDb, sayPan } from "./mix_state";

const rest = { gain_db: 0, pan: 0, muted: false, solo: false };
const state = (...names: string[]): MixState => Object.fromEntries(names.map((name) => [name, { ...rest }]));

describe("what is heard", () => {
  it("is everything at rest, and not what is muted", () => {
    const mix = changed(state("drums", "bass"), "bass", { muted: true });
    expect(isHeard(mix, "drums")).toBe(true);
    expect(isHeard(mix, "bass")).toBe(false);
  });
  it("is what is soloed, of which several may be, unless it is muted", () => {
    let mix = changed(state("drums", "bass", "vocals"), "drums", { solo: true });
    mix = changed(mix, "vocals", { solo: true });
    expect(["drums", "bass", "vocals"].map((name) => isHeard(mix, name))).toEqual([true, false, true]);
    expect(isHeard(changed(mix, "drums", { muted: true }), "drums")).toBe(false);
  });
});

describe("settings", () => {
  it("stay in their ranges and leave others alone", () => {
    const before = state("drums", "bass");
    const mix = changed(changed(before, "drums", { gain_db: 99 }), "drums", { pan: -3 });
    expect(mix.drums).toEqual({ ...rest, gain_db: 12, pan: -1 });
    expect(mix.bass).toEqual(rest);
    expect(before.drums).toEqual(rest);
    expect(changed(before, "bass", { gain_db: -0.1 - 0.2 }).bass.gain_db).toBe(-0.3);
  });
  it("are said in words", () => {
    expect([sayDb(3), sayDb(0), sayDb(-60)]).toEqual(["+3.0 dB", "0.0 dB", "-60.0 dB"]);
    expect([sayPan(0), sayPan(-0.25), sayPan(1)]).toEqual(["middle", "25 % left", "100 % right"]);
    expect(gainOf(-20)).toBeCloseTo(0.1, 12);
  });
});

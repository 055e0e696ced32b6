import { expect, test, vi } from "vitest";
import { Engine } from "./engine";
import { type Command, Host, type Report, type Tapped } from "./protocol";
import type { Source } from "./source";
import { Transport } from "./transport";

const RATE = 8000;

/** An output whose messages arrive when the test says so, as those between a page and its audio thread do. */
const wire = vi.hoisted(() => ({ up: [] as any[], down: [] as any[], receive: (_: any) => {} }));

vi.mock("./output", () => ({
  Output: {
    open: async (_: number, receive: (message: Report | Tapped) => void) => {
      wire.receive = receive;
      return { time: 0, send: (command: Command) => wire.down.push(command), resume: async () => {}, close: () => {} };
    },
  },
}));

const source: Source = { id: "a", sampleRate: RATE, channels: 1, frames: RATE, read: async () => [new Float32Array(RATE).fill(0.5)] };

async function made() {
  wire.up.length = wire.down.length = 0;
  const host = new Host(new Engine(RATE), (message) => wire.up.push(message));
  const transport = new Transport(RATE);
  transport.setTracks([{ id: "a", source }]);
  await transport.warm();
  await Promise.resolve();
  const [left, right] = [new Float32Array(128), new Float32Array(128)];
  const hears = () => wire.down.splice(0).forEach((command) => host.receive(command));
  const runs = () => host.run(left, right);
  const tells = () => wire.up.splice(0).forEach((message) => wire.receive(message));
  return { transport, hears, runs, tells };
}

test("what the engine said before it heard a command does not undo the command", async () => {
  const { transport, hears, runs, tells } = await made();
  transport.seek(0.25);
  hears();
  runs(); // says: paused, at 0.25
  await transport.play();
  transport.seek(0.5);
  tells();
  expect(transport.playing).toBe(true);
  expect(transport.position).toBe(0.5);
  hears();
  runs();
  tells();
  expect(transport.playing).toBe(true);
  expect(transport.waiting).toBe(false);
  expect(transport.position).toBeCloseTo(0.5 + 128 / RATE, 9);
  void transport.toggle();
  runs(); // still plays
  tells();
  hears();
  runs();
  tells();
  expect(transport.playing).toBe(false);
});

test("each command is followed by a report, also where nothing changed", async () => {
  const { transport, hears, runs } = await made();
  hears();
  runs();
  wire.up.length = 0;
  runs();
  expect(wire.up).toEqual([]);
  transport.pause();
  hears();
  runs();
  expect(wire.up.map(({ type, playing }) => [type, playing])).toEqual([["report", false]]);
});

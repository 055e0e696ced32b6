import { describe, expect, it } from "vitest";
import { clock } from "./dom";
import { nameOf } from "./keys";
import type { Model } from "./model";
import { Rpc } from "./rpc";
import { planes } from "./transport/source";
import { firstFrom } from "./waveform";

class FakeModel implements Model {
  sent: any[] = [];
  private callbacks: ((...args: any[]) => void)[] = [];
  get() {
    return undefined;
  }
  set() {}
  save_changes() {}
  on(_event: string, callback: (...args: any[]) => void) {
    this.callbacks.push(callback);
  }
  off(_event: string, callback?: (...args: any[]) => void) {
    this.callbacks = this.callbacks.filter((each) => each !== callback);
  }
  send(content: unknown) {
    this.sent.push(content);
  }
  answer(message: unknown, buffers: DataView[] = []) {
    for (const callback of this.callbacks) callback(message, buffers);
  }
}

describe("Rpc", () => {
  it("gives each answer to who asked, in any order", async () => {
    const model = new FakeModel();
    const [one, other] = [new Rpc(model), new Rpc(model)];
    const first = one.ask("a");
    const second = other.ask("b");
    const [a, b] = model.sent;
    model.answer({ id: b.id, result: 2 });
    model.answer({ id: a.id, result: 1 });
    expect(await first).toBe(1);
    expect(await second).toBe(2);
  });

  it("rejects with Python's words, and when it is closed", async () => {
    const model = new FakeModel();
    const rpc = new Rpc(model);
    const failing = rpc.ask("a");
    model.answer({ id: model.sent[0].id, error: "no such sound" });
    await expect(failing).rejects.toThrow("no such sound");
    const open = rpc.ask("b");
    rpc.close();
    await expect(open).rejects.toThrow("closed");
  });

  it("tells events to all who listen", () => {
    const model = new FakeModel();
    const rpc = new Rpc(model);
    const heard: any[] = [];
    rpc.on("outline", (event) => heard.push(event.source));
    model.answer({ event: "outline", source: "x" });
    model.answer({ event: "other" });
    expect(heard).toEqual(["x"]);
  });
});

describe("small things", () => {
  it("writes times", () => {
    expect(clock(0)).toBe("0:00.0");
    expect(clock(59.96)).toBe("1:00.0");
    expect(clock(3723.45, 2)).toBe("1:02:03.45");
    expect(clock(Infinity)).toBe("–");
  });

  it("names keys", () => {
    const key = (name: string, more = {}) => nameOf({ key: name, shiftKey: false, altKey: false, ctrlKey: false, metaKey: false, ...more });
    expect(key("L")).toBe("l");
    expect(key("L", { shiftKey: true })).toBe("Shift+l");
    expect(key("?", { shiftKey: true })).toBe("?");
    expect(key("ArrowLeft", { shiftKey: true })).toBe("Shift+ArrowLeft");
    expect(key("z", { metaKey: true })).toBe("Control+z");
  });

  it("finds the first time from one on", () => {
    const times = [0, 1, 1, 2, 5];
    for (const from of [-1, 0, 0.5, 1, 4, 5, 6]) {
      const index = times.findIndex((time) => time >= from);
      expect(firstFrom(times, from)).toBe(index < 0 ? times.length : index);
    }
  });

  it("cuts planar buffers wherever they lie", () => {
    const bytes = new Uint8Array(4 + 16);
    new Float32Array(bytes.buffer.slice(4));
    new DataView(bytes.buffer).setFloat32(4, 1, true);
    new DataView(bytes.buffer).setFloat32(12, 3, true);
    const [left, right] = planes(new DataView(bytes.buffer, 4), 2, 2);
    expect([...left]).toEqual([1, 0]);
    expect([...right]).toEqual([3, 0]);
  });
});

import type { View } from "./view";

const AT_ONCE = 6; // a key's sound never waits for many
const MOST = 6000;

/** Small waveforms of the sounds that are seen. */
export class Thumbs {
  private readonly kept = new Map<string, Uint8Array>();
  private readonly none = new Set<string>();
  private drawing = false;
  private known = "";

  constructor(private readonly view: View, private readonly seen: () => string[], private readonly redraw: () => void) {}

  of(id: string): Uint8Array | undefined {
    return this.kept.get(id);
  }

  clear(): void {
    this.kept.clear();
    this.none.clear();
  }

  /** The theme's colour for waves. */
  get color(): string {
    return this.known || (this.known = getComputedStyle(this.view.root).getPropertyValue("--al-wave").trim() || "#3b82b8");
  }

  /** Fetch those of what is seen, until all are here. */
  async draw(): Promise<void> {
    if (this.drawing) return;
    this.drawing = true;
    try {
      await new Promise((resolve) => setTimeout(resolve, 30)); // scrolling by is not looking
      while (!this.view.signal.aborted) {
        const ids = this.seen().filter((id) => !this.kept.has(id) && !this.none.has(id)).slice(0, AT_ONCE);
        if (!ids.length) break;
        await this.fetch(ids);
        this.known = ""; // the theme may have changed
        this.redraw();
      }
    } catch (error) {
      this.view.fail(error);
    } finally {
      this.drawing = false;
    }
  }

  private async fetch(ids: string[]): Promise<void> {
    const { result, buffers } = await this.view.rpc.call<{ ids: string[] }>("thumbs", { ids });
    result.ids.forEach((id, i) => this.kept.set(id, new Uint8Array(buffers[i].buffer, buffers[i].byteOffset, buffers[i].byteLength).slice()));
    for (const id of ids) if (!this.kept.has(id)) this.none.add(id);
    for (const id of this.kept.keys()) {
      if (this.kept.size <= MOST) break;
      this.kept.delete(id);
    }
  }
}

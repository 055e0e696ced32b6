import type { Auditioner } from "./audition";
import type { Proposal } from "./browser_columns";
import { Classifier } from "./classifier";
import type { View } from "./view";

const LOOKED_AT = 400;

/** What the classifier says of sounds without a label, computed by Python or in this page. Nothing of it is stored. */
export class Proposals {
  private readonly kept = new Map<string, Proposal>();
  private asking = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly view: View,
    private readonly auditioner: Auditioner,
    private readonly redraw: () => void,
    private readonly say: (said: string) => void,
  ) {
    view.signal.addEventListener("abort", () => clearTimeout(this.timer));
  }

  of(id: string): Proposal | undefined {
    return this.kept.get(id);
  }

  forget(id: string): void {
    this.kept.delete(id);
  }

  /** In the page they are computed by themselves for what is looked at, and has none. */
  soon(bare: () => string[]): void {
    if (!this.here) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const ids = bare().filter((id) => !this.kept.has(id));
      if (ids.length) void this.ask(ids);
    }, LOOKED_AT);
  }

  async ask(ids: string[]): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    await this.view.attempt(() => (this.here ? this.compute(ids) : this.fetch(ids)));
    this.asking = false;
  }

  private get here(): boolean {
    return this.view.model.get("tagger") === "browser";
  }

  private async fetch(ids: string[]): Promise<void> {
    const { proposals } = await this.view.rpc.ask<{ proposals: (Proposal & { error?: string })[] }>("propose", { ids });
    for (const proposal of proposals) {
      if (proposal.error) this.view.fail(proposal.error);
      else this.put(proposal);
    }
  }

  private async compute(ids: string[]): Promise<void> {
    if (!Classifier.ready) this.say("fetching the classifier (once for this page) …");
    const classifier = await Classifier.load(this.view.rpc);
    for (const id of ids) {
      if (this.view.signal.aborted) return;
      this.put(await classifier.classify(await this.auditioner.bring(id)));
      await new Promise((resolve) => setTimeout(resolve)); // keys come before the next one
    }
    this.say(`${ids.length === 1 ? "1 proposal" : `${ids.length} proposals`} computed in this page; Y accepts`);
  }

  private put(proposal: Proposal): void {
    this.kept.set(proposal.id, proposal);
    this.redraw();
  }
}

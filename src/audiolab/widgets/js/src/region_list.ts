import { type Region, told, windowAround } from "./annotating";
import { clock, h } from "./dom";

const ROWS = 9;

/** The regions around the chosen one, in words: for those who do not see the waveform, and for looking things up. */
export class RegionList {
  readonly element = h("div", { class: "al-region-list", role: "listbox", "aria-label": "regions, in order of time", tabindex: 0 });
  private readonly prefix = `al-${Math.random().toString(36).slice(2)}`;

  constructor(private readonly select: (id: string) => void) {}

  show(regions: Region[], selected: string, rate: number): void {
    const at = regions.findIndex((each) => each.id === selected);
    const [first, last] = windowAround(regions.length, Math.max(0, at), ROWS);
    const rows = regions.slice(first, last).map((region, index) => {
      const number = first + index + 1;
      const row = h(
        "div",
        {
          class: "al-region-row", role: "option", id: `${this.prefix}-${number}`, "aria-selected": String(region.id === selected),
          "aria-posinset": number, "aria-setsize": regions.length, "data-region": region.id,
        },
        h("span", { class: "al-number" }, String(number)),
        h("span", { class: "al-number" }, clock(region.start / rate, 3)),
        h("span", { class: "al-number" }, `${((region.stop - region.start) / rate).toFixed(3)} s`),
        h("span", { class: "al-said" }, told(region)),
      );
      row.addEventListener("click", () => this.select(region.id));
      return row;
    });
    if (!rows.length) rows.push(h("div", { class: "al-note" }, "no regions yet: drag on the waveform, or press I and O"));
    this.element.replaceChildren(...rows);
    if (at >= 0) this.element.setAttribute("aria-activedescendant", `${this.prefix}-${at + 1}`);
    else this.element.removeAttribute("aria-activedescendant");
  }
}

import { h } from "./dom";

export interface Column<Row> {
  name: string;
  title: string;
  /** Width as CSS grid says it. */
  width: string;
  /** Field of the query language by which the header sorts. */
  sort?: string;
  draw(cell: HTMLElement, row: Row): void;
}

export interface TableOptions<Row> {
  label: string;
  columns: Column<Row>[];
  signal: AbortSignal;
  fetch(start: number, stop: number): Promise<Row[]>;
  fail(error: unknown): void;
  /** A row was clicked. */
  pick(index: number, event: MouseEvent): void;
  sort(field: string): void;
  isSelected(row: Row): boolean;
  classOf(row: Row): string;
  /** Rows that are seen have changed. */
  seen(rows: Row[]): void;
}

export const ROW = 32;
const PAGE = 100;
const MOST_PAGES = 30;
const OVERSCAN = 4;
const SHOWN_ROWS = 14;
let tables = 0;

/** Which rows stand in the window, with some more on either side. */
export function rowsInWindow(scrollTop: number, height: number, count: number, overscan = OVERSCAN): { first: number; stop: number } {
  const first = Math.max(0, Math.floor(scrollTop / ROW) - overscan);
  const stop = Math.min(count, Math.ceil((scrollTop + height) / ROW) + overscan);
  return { first: Math.min(first, stop), stop };
}

/**
 * A table of any length: rows are fetched in pages when they are looked at, and only those that are seen are in the
 * document. It is an ARIA grid; the active row is its `aria-activedescendant`.
 */
export class Table<Row> {
  readonly grid: HTMLElement;
  count = 0;
  active = -1;
  private readonly body = h("div", { class: "al-grid-body", role: "rowgroup" });
  private readonly header = h("div", { class: "al-grid-row al-grid-head", role: "row", "aria-rowindex": 1 });
  private readonly pages = new Map<number, Row[]>();
  private readonly asked = new Map<number, Promise<void>>();
  private readonly shown = new Map<number, HTMLElement>();
  private readonly prefix = `al-grid-${++tables}`;
  private generation = 0;
  private sorted = "";
  private columns: Column<Row>[];

  constructor(private readonly options: TableOptions<Row>) {
    this.columns = options.columns;
    this.grid = h("div", {
      class: "al-grid", role: "grid", tabindex: 0, "aria-label": options.label, "aria-multiselectable": "true",
    }, h("div", { role: "rowgroup", class: "al-grid-top" }, this.header), this.body);
    this.grid.addEventListener("scroll", () => this.render(), { signal: options.signal, passive: true });
    this.grid.addEventListener("mousedown", (event) => this.clicked(event), { signal: options.signal });
    const size = new ResizeObserver(() => this.render());
    size.observe(this.grid);
    options.signal.addEventListener("abort", () => size.disconnect());
    this.setColumns(options.columns);
  }

  setColumns(columns: Column<Row>[]): void {
    this.columns = columns;
    this.grid.style.setProperty("--al-columns", columns.map((column) => column.width).join(" "));
    this.grid.setAttribute("aria-colcount", String(columns.length));
    this.header.replaceChildren(...columns.map((column) => this.head(column)));
    for (const [, element] of this.shown) element.remove();
    this.shown.clear();
    this.render();
  }

  /** Say which field the rows are sorted by (`-` before it: descending). */
  setSorted(field: string): void {
    this.sorted = field;
    this.header.replaceChildren(...this.columns.map((column) => this.head(column)));
  }

  /** List other rows. */
  reset(count: number, active = -1): void {
    this.generation++;
    this.pages.clear();
    this.asked.clear();
    this.count = count;
    this.active = Math.min(active, count - 1);
    this.grid.setAttribute("aria-rowcount", String(count + 1));
    this.body.style.height = `${count * ROW}px`;
    this.grid.style.height = `${(Math.min(Math.max(count, 1), SHOWN_ROWS) + 1) * ROW + 2}px`;
    this.grid.scrollTop = this.active > 0 ? Math.max(0, (this.active - 2) * ROW) : 0;
    for (const [, element] of this.shown) element.remove();
    this.shown.clear();
    this.render();
  }

  /** The row there, if it has come. */
  row(index: number): Row | undefined {
    const page = this.pages.get(Math.floor(index / PAGE));
    return page?.[index % PAGE];
  }

  /** The row there; fetched if it has not come. */
  async need(index: number): Promise<Row | undefined> {
    if (index < 0 || index >= this.count) return undefined;
    await this.ask(Math.floor(index / PAGE));
    return this.row(index);
  }

  /** A row that is here. */
  find(wanted: (row: Row) => boolean): Row | undefined {
    for (const rows of this.pages.values()) {
      const found = rows.find(wanted);
      if (found) return found;
    }
    return undefined;
  }

  /** Rows in the window. */
  seen(): Row[] {
    const { first, stop } = rowsInWindow(this.grid.scrollTop, this.height(), this.count, 0);
    const rows: Row[] = [];
    for (let index = first; index < stop; index++) {
      const row = this.row(index);
      if (row) rows.push(row);
    }
    return rows;
  }

  /** Rows that fit the window whole. */
  get pageLength(): number {
    return Math.max(1, Math.floor(this.height() / ROW) - 1);
  }

  setActive(index: number): void {
    this.active = index;
    const top = index * ROW;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top + ROW > this.grid.scrollTop + this.height()) this.grid.scrollTop = top + ROW - this.height();
    this.render();
    this.redraw();
  }

  /** Put other values in rows that are here. */
  patch(change: (row: Row) => Row): void {
    for (const [number, rows] of this.pages) this.pages.set(number, rows.map(change));
    this.redraw();
  }

  /** Draw what is seen anew. */
  redraw(): void {
    for (const [index, element] of this.shown) this.draw(index, element);
    if (this.active >= 0 && this.shown.has(this.active)) this.grid.setAttribute("aria-activedescendant", `${this.prefix}-${this.active}`);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  private height(): number {
    return Math.max(ROW, this.grid.clientHeight - ROW); // the header stays on top
  }

  private head(column: Column<Row>): HTMLElement {
    const direction = column.sort && this.sorted.replace("-", "") === column.sort ? (this.sorted.startsWith("-") ? "descending" : "ascending") : null;
    const cell = h("div", { role: "columnheader", class: `al-cell al-c-${column.name}`, "aria-sort": direction ?? (column.sort ? "none" : null) });
    if (!column.sort) {
      cell.append(column.title ? column.title : h("span", { class: "al-hidden" }, column.name));
      return cell;
    }
    const sign = direction === "ascending" ? " ▲" : direction === "descending" ? " ▼" : "";
    const made = h("button", { type: "button", class: "al-sort", title: `sort by ${column.sort}` }, (column.title || column.name) + sign);
    made.addEventListener("click", () => this.options.sort(column.sort!));
    cell.append(made);
    return cell;
  }

  private clicked(event: MouseEvent): void {
    const element = (event.target as HTMLElement).closest<HTMLElement>("[data-index]");
    if (!element || event.button !== 0) return;
    if (event.shiftKey) event.preventDefault(); // no text is marked
    this.grid.focus({ preventScroll: true });
    this.options.pick(Number(element.dataset.index), event);
  }

  private render(): void {
    const { first, stop } = rowsInWindow(this.grid.scrollTop, this.height(), this.count);
    for (const [index, element] of this.shown) {
      if (index >= first && index < stop) continue;
      element.remove();
      this.shown.delete(index);
    }
    for (let index = first; index < stop; index++) {
      if (this.shown.has(index)) continue;
      const element = h("div", {
        role: "row", class: "al-grid-row", id: `${this.prefix}-${index}`, "aria-rowindex": index + 2, "data-index": index,
      });
      element.style.transform = `translateY(${index * ROW}px)`;
      this.shown.set(index, element);
      this.body.append(element);
      this.draw(index, element);
    }
    if (stop > first) {
      for (let page = Math.floor(first / PAGE); page <= Math.floor((stop - 1) / PAGE); page++) {
        this.ask(page).catch((error) => this.options.fail(error));
      }
    }
    const rows = this.seen();
    if (rows.length) this.options.seen(rows);
  }

  private ask(page: number): Promise<void> {
    const kept = this.pages.get(page);
    if (kept) {
      this.pages.delete(page); // the pages that were used last are kept
      this.pages.set(page, kept);
      return Promise.resolve();
    }
    const known = this.asked.get(page);
    if (known) return known;
    const generation = this.generation;
    const asking = this.options.fetch(page * PAGE, Math.min(this.count, (page + 1) * PAGE)).then((rows) => {
      if (generation !== this.generation) return;
      this.asked.delete(page);
      this.pages.set(page, rows);
      for (const old of this.pages.keys()) {
        if (this.pages.size <= MOST_PAGES) break;
        this.pages.delete(old);
      }
      this.redraw();
      const seen = this.seen();
      if (seen.length) this.options.seen(seen);
    });
    this.asked.set(page, asking);
    asking.catch(() => this.asked.delete(page));
    return asking;
  }

  private draw(index: number, element: HTMLElement): void {
    const row = this.row(index);
    const selected = row !== undefined && this.options.isSelected(row);
    element.setAttribute("aria-selected", String(selected));
    element.className = `al-grid-row ${index === this.active ? "al-active" : ""} ${row ? this.options.classOf(row) : "al-coming"}`;
    if (!row) {
      element.replaceChildren(h("div", { role: "gridcell", class: "al-cell" }, "…"));
      return;
    }
    const drawn = this.columns.map((column) => {
      const cell = h("div", { role: "gridcell", class: `al-cell al-c-${column.name}` });
      column.draw(cell, row);
      return cell;
    });
    element.replaceChildren(...drawn);
  }
}

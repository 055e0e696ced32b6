import { button, clock, h } from "./dom";
import { watch } from "./model";
import type { Draw, View } from "./view";

type Counts = Record<string, number>;

interface Job {
  stage: string;
  status: string;
  sound: string;
  song: string;
  why: string;
  seconds: number;
  engine: string;
  progress: number;
}

interface Song {
  id: string;
  name: string;
  stages: Record<string, Counts>;
  progress: Record<string, number>;
}

export interface State {
  id: string;
  recipe: string;
  elapsed: number | null;
  left: number | null;
  songs: number;
  counts: Counts;
  stages: { stage: string; counts: Counts; seconds: number }[];
  running: Job[];
  rows: Song[];
  problems: Job[];
  notes: string[];
  error: string;
  dashboard?: string;
}

const ENDED = ["done", "reused", "skipped", "failed", "cancelled"];
const OVER = ["done", "failed", "cancelled", "interrupted"];

export const drawRun: Draw = (view) => {
  const head = new Head(view);
  const stages = h("tbody", {});
  const now = h("div", { class: "al-note al-run-now" });
  const notes = h("div", {});
  const songs = new Songs(view);
  const problems = h("div", {});
  const jobs = new Jobs(view);
  view.root.append(
    head.root,
    notes,
    now,
    h(
      "table",
      { class: "al-table al-run-stages", "aria-label": "Stages" },
      h("thead", {}, h("tr", {}, ...["stage", "progress", "jobs", "seconds of work"].map((text) => h("th", {}, text)))),
      stages,
    ),
    problems,
    songs.root,
    jobs.root,
  );
  watch<string>(view.model, "status", view.signal, (status) => head.status(status));
  watch<number>(view.model, "fraction", view.signal, (fraction) => head.fraction(fraction));
  watch<State>(view.model, "state", view.signal, (state) => {
    if (!state.id) return;
    head.state(state);
    notes.replaceChildren(
      ...state.notes.map((note) => h("div", { class: "al-run-note" }, note)),
      ...(state.error ? [h("div", { class: "al-run-problem" }, state.error)] : []),
    );
    now.hidden = OVER.includes(view.model.get("status"));
    now.textContent = state.running.length ? `now: ${state.running.map(nowText).join(", ")}` : "";
    stages.replaceChildren(...state.stages.map(stageRow));
    problems.replaceChildren(...problemList(state));
    songs.show(state);
    jobs.show(state);
  });
  view.rpc.on("refused", () => head.status(view.model.get("status")));
  view.keys.add("c", "cancel the run", () => head.cancel());
  view.keys.add("r", "resume the run", () => head.resume());
  view.root.dataset.ready = "true";
};

class Head {
  readonly root: HTMLElement;
  private readonly bar = h("progress", { max: 1, "aria-label": "The whole run" });
  private readonly said = h("span", { class: "al-run-status" });
  private readonly times = h("span", { class: "al-note" });
  private readonly title = h("span", { class: "al-title" });
  private readonly pages = h("a", { class: "al-note", target: "_blank", rel: "noopener noreferrer" }, "Dask's pages");
  private readonly canceller: HTMLButtonElement;
  private readonly resumer: HTMLButtonElement;
  private now = "";
  private share = 0;

  constructor(private readonly view: View) {
    this.canceller = button("Cancel the run", "Cancel", () => this.cancel());
    this.resumer = button("Resume the run", "Resume", () => this.resume());
    this.root = h("div", { class: "al-bar" }, this.title, this.said, this.bar, this.times, this.pages, this.canceller, this.resumer);
  }

  status(status: string): void {
    if (this.now && this.now !== status) this.view.say(`run ${status}`);
    this.now = status;
    this.canceller.hidden = OVER.includes(status);
    this.canceller.disabled = this.resumer.disabled = false;
    this.resumer.hidden = !["failed", "cancelled", "interrupted"].includes(status);
    this.bar.hidden = status === "done";
    this.said.className = `al-run-status al-status-${status}`;
    this.tell();
  }

  fraction(fraction: number): void {
    this.share = this.bar.value = fraction;
    this.tell();
  }

  state(state: State): void {
    this.title.textContent = `${state.recipe || "run"} · ${state.songs} ${state.songs === 1 ? "sound" : "sounds"}`;
    this.title.title = `run ${state.id}`;
    const parts = [state.elapsed === null ? "" : clock(state.elapsed, 0)];
    if (state.left !== null && !OVER.includes(this.now)) parts.push(`about ${clock(state.left, 0)} left`);
    this.times.textContent = parts.filter(Boolean).join(", ");
    const pages = pagesOf(state.dashboard);
    this.pages.hidden = !pages;
    if (pages) this.pages.setAttribute("href", pages);
  }

  private tell(): void {
    this.said.textContent = this.now === "running" ? `running, ${Math.floor(this.share * 100)} %` : this.now;
  }

  cancel(): void {
    if (this.canceller.hidden) return;
    this.canceller.disabled = true;
    void this.view.attempt(() => this.view.rpc.ask("cancel"));
  }

  resume(): void {
    if (this.resumer.hidden) return;
    this.resumer.disabled = true;
    void this.view.attempt(() => this.view.rpc.ask("resume"));
  }
}

/** The address of Dask's pages, if it is one that a link may have. */
export function pagesOf(address: string | undefined): string {
  return /^https?:\/\//.test(address ?? "") ? (address as string) : "";
}

function nowText(job: Job): string {
  const share = job.progress > 0 ? ` ${Math.floor(job.progress * 100)} %` : "";
  return `${job.stage} of ${job.sound === job.song ? job.song : `${job.song}: ${job.sound}`}${share}`;
}

/** `3 done, 1 skipped`. */
export function countsText(counts: Counts): string {
  return Object.entries(counts)
    .map(([status, count]) => `${count} ${status}`)
    .join(", ");
}

/** The share of jobs that have ended, of those that are known so far; null if there are none. */
export function shareOf(counts: Counts, running = 0): number | null {
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (!all) return null;
  const ended = ENDED.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
  return (ended + running * (counts.running ?? 0)) / all;
}

/** What a cell says of the jobs of one stage on one song: the worst that happened. */
export function cellOf(counts: Counts | undefined, progress = 0): { sign: string; status: string } {
  if (!counts) return { sign: "", status: "none" };
  if (counts.running || counts.waiting) {
    const share = shareOf(counts, progress) ?? 0;
    return { sign: share > 0 ? `${Math.floor(share * 100)} %` : "…", status: "running" };
  }
  const signs: [string, string][] = [
    ["failed", "✕"],
    ["cancelled", "■"],
    ["skipped", "–"],
    ["done", "✓"],
    ["reused", "✓"],
  ];
  for (const [status, sign] of signs) if (counts[status]) return { sign, status };
  return { sign: "", status: "none" };
}

function stageRow(stage: State["stages"][number]): HTMLTableRowElement {
  const share = shareOf(stage.counts);
  const bar = h("progress", { max: 1, value: share ?? 0, "aria-label": stage.stage });
  if (stage.counts.failed) bar.className = "al-bad";
  return h(
    "tr",
    {},
    h("td", {}, stage.stage),
    h("td", {}, bar),
    h("td", {}, countsText(stage.counts) || "–"),
    h("td", { class: "al-number" }, stage.seconds ? stage.seconds.toFixed(1) : "–"),
  );
}

function problemList(state: State): HTMLElement[] {
  const merged = new Map<string, { job: Job; sounds: string[] }>();
  for (const job of state.problems) {
    const key = [job.status, job.stage, job.why].join("\0");
    const known = merged.get(key) ?? { job, sounds: [] };
    known.sounds.push(job.sound === job.song ? job.song : `${job.song}: ${job.sound}`);
    merged.set(key, known);
  }
  const shown = [...merged.values()].map(({ job, sounds }) => {
    const who = sounds.length > 4 ? `${sounds.slice(0, 3).join(", ")} and ${sounds.length - 3} more` : sounds.join(", ");
    const style = job.status === "failed" ? "al-run-problem" : "al-run-note";
    return h("div", { class: style }, h("b", {}, job.status), ` ${job.stage} of ${who}: ${job.why || "no reason was given"}`);
  });
  const total = (state.counts.failed ?? 0) + (state.counts.skipped ?? 0);
  const more = total - state.problems.length;
  return more > 0 ? [...shown, h("div", { class: "al-note" }, `and ${more} more, listed under "all jobs"`)] : shown;
}

/** Songs by stages, a page at a time. */
class Songs {
  readonly root = h("details", { open: true });
  private readonly head = h("tr", {});
  private readonly body = h("tbody", {});
  private readonly place = h("span", { class: "al-note" });
  private readonly pages: HTMLElement;
  private first = 0;
  private size = 25;
  private last: State | null = null;

  constructor(private readonly view: View) {
    this.pages = h(
      "div",
      { class: "al-bar" },
      button("Earlier songs", "‹", () => this.turn(-1)),
      this.place,
      button("Later songs", "›", () => this.turn(1)),
    );
    const table = h("table", { class: "al-table", "aria-label": "Sounds" }, h("thead", {}, this.head), this.body);
    this.root.append(h("summary", {}, "sounds"), h("div", { class: "al-scroll" }, table), this.pages);
  }

  show(state: State): void {
    this.last = state;
    if (!this.first) this.size = Math.max(state.rows.length, 1);
    this.pages.hidden = state.songs <= this.size;
    this.head.replaceChildren(h("th", {}, "sound"), ...state.stages.map(({ stage }) => h("th", {}, stage)));
    this.place.textContent = `${this.first + 1} to ${Math.min(this.first + this.size, state.songs)} of ${state.songs}`;
    if (!this.first) return this.fill(state.rows);
    void this.fetch();
  }

  private turn(by: number): void {
    const songs = this.last?.songs ?? 0;
    this.first = Math.max(0, this.first + by * this.size < songs ? this.first + by * this.size : this.first);
    if (this.last) this.show(this.last);
  }

  private async fetch(): Promise<void> {
    const first = this.first;
    const found = await this.view.attempt(() => this.view.rpc.ask<{ rows: Song[] }>("songs", { first, count: this.size }));
    if (found && this.first === first) this.fill(found.rows);
  }

  private fill(rows: Song[]): void {
    const stages = this.last!.stages.map(({ stage }) => stage);
    this.body.replaceChildren(
      ...rows.map((song) =>
        h(
          "tr",
          {},
          h("td", { class: "al-run-song" }, song.name),
          ...stages.map((stage) => {
            const counts = song.stages[stage];
            const { sign, status } = cellOf(counts, song.progress[stage]);
            const said = counts ? `${stage}: ${countsText(counts)}` : `${stage}: not yet`;
            return h("td", { class: `al-status-${status}`, title: said, "aria-label": said }, sign);
          }),
        ),
      ),
    );
  }
}

/** All jobs, asked for when the list is opened. */
class Jobs {
  readonly root = h("details", {});
  private readonly body = h("tbody", {});
  private readonly more: HTMLButtonElement;
  private total = 0;

  constructor(private readonly view: View) {
    this.more = button("Show more jobs", "more…", () => void this.load());
    const names = ["stage", "song", "sound", "status", "seconds", "engine", "why"];
    const head = h("thead", {}, h("tr", {}, ...names.map((name) => h("th", {}, name))));
    const table = h("table", { class: "al-table", "aria-label": "All jobs" }, head, this.body);
    this.root.append(h("summary", {}, "all jobs"), h("div", { class: "al-scroll" }, table, this.more));
    this.root.addEventListener("toggle", () => {
      if (!this.root.open) return;
      this.body.replaceChildren();
      void this.load();
    });
  }

  show(state: State): void {
    this.total = Object.values(state.counts).reduce((sum, count) => sum + count, 0);
    this.root.firstElementChild!.textContent = `all jobs (${this.total})`;
    this.more.hidden = this.body.rows.length >= this.total;
  }

  private async load(): Promise<void> {
    const first = this.body.rows.length;
    const found = await this.view.attempt(() => this.view.rpc.ask<{ jobs: Job[] }>("jobs", { first, count: 100 }));
    if (!found || this.body.rows.length !== first) return;
    for (const job of found.jobs) {
      const cells = [job.stage, job.song, job.sound, job.status, job.seconds.toFixed(2), job.engine, job.why];
      this.body.append(h("tr", {}, ...cells.map((text) => h("td", {}, text))));
    }
    this.more.hidden = !found.jobs.length || this.body.rows.length >= this.total;
  }
}

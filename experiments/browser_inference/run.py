"""Re-make the tables of this experiment: the classifier in the page, in the kernel, in a Dask worker; write results.md.

    python experiments/browser_inference/run.py [--data DIR] [--repeats 5] [--quick]

Everything runs on this machine in this one run: a plain page in headless Chromium, this process as the kernel, and one
worker process of a local Dask cluster. The page asks for each way by HTTP on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from labels import shares
from numpy.typing import NDArray

from audiolab.audio import open_source
from audiolab.errors import AudioError
from audiolab.stages.classification.choosing import find_model
from audiolab.stages.classification.head import get_head
from audiolab.stages.classification.model_files import ENCODER, read_verified
from audiolab.widgets.browser_tagging import RUNTIME, RUNTIME_WASM, filter_bank
from audiolab.widgets.bundle import find_bundle, why_missing

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LONGEST = 20.0
ONE_WORKER: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
WINDOW = 43_844
"""Frames of Basic Pitch's window at 22.05 kHz."""
WAYS = {
    "held": "in the page, samples there already",
    "page": "in the page, samples fetched",
    "kernel": "in the kernel",
    "dask": "in a Dask worker",
}
PAGE = b"<!doctype html><title>browser inference</title><script type=module src=/page.js></script>"
COLD_PAGE = """
async () => {
  const begun = performance.now();
  await start();
  await ways.page(0, 1);
  return performance.now() - begun;
}
"""
COLD_KERNEL = """
import sys, time
begun = time.perf_counter()
sys.path.insert(0, {here!r})
from labels import shares
shares([{path!r}])
print(time.perf_counter() - begun)
"""


@dataclass
class Bench:
    """What the server knows, and the bytes that went through it."""

    paths: list[str]
    windows: NDArray[np.float32]
    client: Any = None
    moved: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str) -> tuple[bytes, str, Any]:
        """Give body, type and what is told in the header."""
        parts = path.strip("/").split("/")
        match parts:
            case [""]:
                return PAGE, "text/html", None
            case ["page.js"]:
                return (HERE / "page.js").read_bytes(), "text/javascript", None
            case [name] if name == RUNTIME:
                return built(name), "text/javascript", None
            case [name] if name == RUNTIME_WASM:
                return built(name), "application/wasm", None
            case ["encoder.onnx"]:
                return read_verified(ENCODER, find_model("shipped").encoder_folder), "application/octet-stream", None
            case ["basic_pitch.onnx"]:
                return basic_pitch_file().read_bytes(), "application/octet-stream", None
            case ["head"]:
                head = get_head("shipped")
                values = head.weight.astype(np.float32).tobytes() + head.bias.astype(np.float32).tobytes()
                facts = {
                    "labels": list(head.labels),
                    "dimensions": head.weight.shape[0],
                    "temperature": head.temperature,
                }
                return values, "application/octet-stream", facts
            case ["resampler", rate]:
                bank = filter_bank(int(rate))
                assert bank is not None, rate
                facts = {"up": bank.up, "down": bank.down, "left": bank.left, "taps": bank.bank.shape[1]}
                return bank.bank.tobytes() + bank.first.tobytes(), "application/octet-stream", facts
            case ["sounds", start, count]:
                sounds = [open_source(p) for p in self.paths[int(start) : int(start) + int(count)]]
                blocks = [np.concatenate(list(source.blocks()), axis=1) for source in sounds]
                told = [
                    {"rate": source.sample_rate, "channels": len(block), "frames": block.shape[1]}
                    for source, block in zip(sounds, blocks, strict=True)
                ]
                return b"".join(np.ascontiguousarray(b).tobytes() for b in blocks), "application/octet-stream", told
            case ["windows", count]:
                return self.windows[: int(count)].tobytes(), "application/octet-stream", None
            case ["kernel", start, count]:
                with self.lock:
                    found = shares(self.paths[int(start) : int(start) + int(count)])
                return json.dumps(found).encode(), "application/json", None
            case ["dask", start, count]:
                some = self.paths[int(start) : int(start) + int(count)]
                found = self.client.submit(shares, some, pure=False).result()
                return json.dumps(found).encode(), "application/json", None
        raise KeyError(path)


def built(name: str) -> bytes:
    path = find_bundle(name)
    if path is None:
        sys.exit(f"{name} is not here: {why_missing()}")
    return path.read_bytes()


def basic_pitch_file() -> Path:
    from audiolab.stages.notes.model import find_model as find_notes_model

    return Path(find_notes_model())


def serve(bench: Bench) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                body, kind, told = bench.answer(self.path)
                status = 200
            except Exception as error:
                body, kind, told, status = str(error).encode(), "text/plain", None, 500
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            header = json.dumps(told)
            self.send_header("X-Told", header)
            self.end_headers()
            self.wfile.write(body)
            bench.moved += len(body) + len(header) + len(self.path)

        def log_message(self, *_: Any) -> None:
            """Keep still."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


# ---- sounds ----------------------------------------------------------------------------------------


def choose(data: Path, count: int, folder: Path) -> tuple[list[str], str]:
    """Take real one-shots of at most 20 s and two channels; where there are none, rendered ones."""
    manifest = data / "manifest.csv"
    found: list[str] = []
    if manifest.is_file():
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = [data / row["path"] for row in csv.DictReader(file)]
        for index in np.random.default_rng(0).permutation(len(rows)):
            try:
                source = open_source(rows[index])
            except (AudioError, OSError):
                continue
            short = 0 < source.frames <= LONGEST * source.sample_rate
            if short and source.channels <= 2 and (source.sample_rate == 32000 or filter_bank(source.sample_rate)):
                found.append(str(rows[index]))
            if len(found) == count:
                return found, f"one-shots of {data.name}"
    return [str(path) for path in rendered(folder, count)], "rendered tones and noises"


def rendered(folder: Path, count: int) -> list[Path]:
    import soundfile as sf

    rng = np.random.default_rng(0)
    paths = []
    for index in range(count):
        rate = (44100, 48000)[index % 2]
        at = np.arange(int(rate * rng.uniform(0.1, 1.0))) / rate
        wave = np.sin(2 * np.pi * rng.uniform(40, 4000) * at) * rng.random() + 0.3 * rng.standard_normal(len(at))
        paths.append(folder / f"sound{index}.wav")
        sf.write(paths[-1], 0.3 * wave * np.exp(-rng.uniform(3, 20) * at), rate)
    return paths


# ---- measuring -------------------------------------------------------------------------------------


def warm_turn(page: Any, bench: Bench, size: int, turn: int, found: dict[str, Any]) -> dict[str, Any]:
    """Ask for each way once, one after the other, and note time, processor time and bytes; give the answers."""
    answers = {}
    for way in WAYS:
        start = 0 if size == len(bench.paths) else turn * size % (len(bench.paths) - size + 1)
        if way == "held":
            page.evaluate("([from, count]) => hold(from, count)", [start, size])
        bench.moved, before = 0, processor_seconds()
        answer = page.evaluate("([way, from, count]) => ways[way](from, count)", [way, start, size])
        mine = found.setdefault(way, {}).setdefault(str(size), {"all": [], "processor": []})
        mine["processor"].append(processor_seconds() - before)
        mine["all"].append(answer["milliseconds"])
        mine["bytes"] = bench.moved
        answers[way] = answer["result"]
        print(f"{size:5} {way:7} {answer['milliseconds']:10.1f} ms", file=sys.stderr, flush=True)
    return answers


def processor_seconds() -> float:
    """Give the processor time so far of this process and all that it has started: browser, worker."""
    total = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def agreement(answers: dict[str, Any]) -> dict[str, Any]:
    """Compare the probabilities of all sounds with the kernel's."""
    kernel = np.array(answers["kernel"])
    return {
        way: {
            "sounds": len(kernel),
            "largest difference": float(np.abs(np.array(answers[way]) - kernel).max()),
            "same label": float((np.array(answers[way]).argmax(1) == kernel.argmax(1)).mean()),
        }
        for way in ("page", "dask")
    }


def cold_starts(browser: Any, url: str, bench: Bench, repeats: int) -> dict[str, Any]:
    """From nothing to the first result: a fresh page, a fresh Python, a fresh cluster."""
    from distributed import Client, LocalCluster

    times: dict[str, list[float]] = {"page": [], "kernel": [], "dask": []}
    moved = 0
    for _ in range(repeats):
        page = browser.new_page()
        page.goto(url)
        page.wait_for_function("() => globalThis.start")
        bench.moved = 0
        times["page"].append(page.evaluate(COLD_PAGE))
        moved = bench.moved
        page.close()
        code = COLD_KERNEL.format(here=str(HERE), path=bench.paths[0])
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        times["kernel"].append(1000 * float(done.stdout))
        begun = time.perf_counter()
        with (
            LocalCluster(**ONE_WORKER) as cluster,
            Client(cluster) as client,
        ):
            client.submit(shares, bench.paths[:1], pure=False).result()
            times["dask"].append(1000 * (time.perf_counter() - begun))
    medians = {way: {"milliseconds": statistics.median(all_), "all": all_} for way, all_ in times.items()}
    return medians | {"bytes": moved}


def basic_pitch(page: Any, bench: Bench, repeats: int) -> dict[str, Any]:
    """Run Basic Pitch on the same windows here and there."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(basic_pitch_file()), options, providers=["CPUExecutionProvider"])
    name, names = session.get_inputs()[0].name, [output.name for output in session.get_outputs()]
    there, here, opened = [], [], []
    windows = bench.windows
    for _ in range(repeats):
        answer = page.evaluate("(count) => notes(count)", len(windows))
        there.append(answer["milliseconds"])
        opened.append(answer["opened"])
        begun = time.perf_counter()
        for window in windows:
            found = session.run(None, {name: window[None, :, None]})
        here.append(1000 * (time.perf_counter() - begun))
    last = dict(zip(names, found, strict=True))
    apart = max(float(np.abs(np.array(answer["last"][n]) - last[n].ravel()).max()) for n in names)
    seconds = len(windows) * WINDOW / 22050
    return {
        "seconds of sound": seconds,
        "page": statistics.median(there),
        "kernel": statistics.median(here),
        "opening": statistics.median(opened),
        "largest difference": apart,
    }


# ---- telling ---------------------------------------------------------------------------------------


def table(results: dict[str, Any]) -> str:
    """Write the tables, also of a run that was cut off."""
    warm, repeats = results["warm"], results["repeats"]
    sizes = list(next(iter(warm.values()), {}))
    turns = {size: min(len(warm[way].get(size, {"all": ()})["all"]) for way in WAYS) for size in sizes}
    sizes = [size for size in sizes if turns[size]]
    heads = [
        f"{int(size):,}" + (f" ({turns[size]} of {repeats} turns)" if turns[size] < repeats else "") for size in sizes
    ]
    lines = [f"Made {results['when']} on {results['machine']}; {results['sounds']}. {results['note']}", ""]

    def rows(title: str, of: Callable[[dict[str, Any]], str]) -> list[str]:
        listed = [f"| {title} | " + " | ".join(heads) + " |", "|---|" + "---|" * len(sizes)]
        for way, said in WAYS.items():
            listed.append(f"| {said} | " + " | ".join(of(warm[way][size]) for size in sizes) + " |")
        return [*listed, ""]

    if sizes:
        title = f"milliseconds until the labels are in the page, median of {repeats}; sounds:"
        lines += rows(title, lambda found: f"{statistics.median(found['all']):,.0f}")
        title = "processor seconds of all processes together; sounds:"
        lines += rows(title, lambda found: f"{statistics.median(found['processor']):,.2f}")
        lines += rows("bytes moved; sounds:", lambda found: size_text(found["bytes"]))
    if cold := results.get("cold"):
        lines += [f"| from nothing to the first label, median of {repeats} | time | moved |", "|---|---|---|"]
        names = {
            "page": "a fresh page: runtime, model, one sound",
            "kernel": "a fresh Python: imports, model, one sound",
            "dask": "a fresh cluster of one worker, and the same there",
        }
        for way, said in names.items():
            moved = size_text(cold["bytes"]) if way == "page" else "–"
            lines.append(f"| {said} | {cold[way]['milliseconds'] / 1000:.2f} s | {moved} |")
    if apart := results.get("agreement"):
        title = f"| agreement with the kernel, {apart['page']['sounds']:,} sounds | same label "
        lines += ["", title + "| largest difference of a probability |", "|---|---|---|"]
        for way in ("page", "dask"):
            lines.append(f"| {way} | {100 * apart[way]['same label']:.1f} % | {apart[way]['largest difference']:.1e} |")
    if notes := results.get("basic_pitch"):
        said = f"{notes['seconds of sound']:.0f} s of sound (opening in the page: {notes['opening']:.0f} ms)"
        both = f"{notes['page']:,.0f} ms | {notes['kernel']:,.0f} ms | {notes['largest difference']:.1e}"
        lines += [
            "",
            f"| Basic Pitch, one thread, median of {repeats} | page | kernel | largest difference of an output |",
        ]
        lines += ["|---|---|---|---|", f"| {said} | {both} |"]
    return "\n".join(lines) + "\n"


def size_text(count: int) -> str:
    return "none" if not count else f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def main() -> int:
    from distributed import Client, LocalCluster
    from playwright.sync_api import sync_playwright

    shared = Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("AUDIOLAB_ONESHOTS", shared / "data" / "oneshots"))
    parser.add_argument("--data", type=Path, default=default, help="folder with manifest.csv")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a few sounds, once, to see that it runs; writes nothing")
    options = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("this experiment needs Debian's chromium")
    sizes, repeats = ([1, 10], 1) if options.quick else ([1, 10, 100, 1000], options.repeats)
    results: dict[str, Any] = {
        "when": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores of {processor()}, {platform.system()}, Python {platform.python_version()}",
        "note": f"Load of the machine by others before it began: {os.getloadavg()[0]:.1f} (1 = one core busy).",
        "repeats": repeats,
        "warm": {},
    }

    def keep() -> None:
        """Write what there is: a run that is cut off leaves its parts."""
        if not options.quick:
            (HERE / "results.md").write_text(table(results), encoding="utf-8")
            (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        paths, said = choose(options.data, max(sizes), Path(name))
        results["sounds"] = f"{len(paths):,} {said}"
        bench = Bench(paths, music())
        server = serve(bench)
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with LocalCluster(**ONE_WORKER) as cluster, Client(cluster) as client:
            bench.client = client
            page = browser.new_page()
            page.set_default_timeout(0)
            page.goto(url)
            page.wait_for_function("() => globalThis.start")
            page.evaluate("() => start()")
            for way in WAYS:  # sessions and filters are there before the clock runs
                page.evaluate("([way, count]) => ways[way](0, count)", [way, min(20, max(sizes))])
            for size in sizes[:-1]:
                for turn in range(repeats):
                    warm_turn(page, bench, size, turn, results["warm"])
            results["basic_pitch"] = basic_pitch(page, bench, repeats)
            keep()
            results["cold"] = cold_starts(browser, url, bench, repeats)
            keep()
            for turn in range(repeats):
                answers = warm_turn(page, bench, sizes[-1], turn, results["warm"])
                results["agreement"] = agreement(answers)
                keep()
        browser.close()
        server.shutdown()
    print(table(results))
    return 0


def music() -> NDArray[np.float32]:
    """Give windows of a chord that comes and goes, for Basic Pitch."""
    at = np.arange(15 * WINDOW) / 22050
    chord = sum(np.sin(2 * np.pi * hertz * at) * (at * 2 % 1 < 0.5) for hertz in (220, 277.2, 329.6)) / 6
    noise = 0.01 * np.random.default_rng(1).standard_normal(len(at))
    return (chord + noise).astype(np.float32).reshape(15, WINDOW)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    raise SystemExit(main())

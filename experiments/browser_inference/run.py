"""Re-make the tables of this experiment: the classifier in the page, in the kernel, in a Dask worker; write results.md.

    python experiments/browser_inference/run.py [--data DIR] [--repeats 5] [--quick]

Everything runs on this machine in this one run: a plain page in headless Chromium, this process as the kernel, and one
worker process of a local Dask cluster. The page asks for each way by HTTP on 127.0.0.1.
"""

from __future__ import annotations

import argparse
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
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
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


def warm_latencies(page: Any, bench: Bench, sizes: Sequence[int], repeats: int) -> dict[str, Any]:
    """Measure each way: medians of `repeats`, in turns, so that whatever else the machine does falls on all alike."""
    results: dict[str, Any] = {way: {} for way in WAYS}
    for size in sizes:
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        moved: dict[str, int] = {}
        for turn in range(repeats):
            for way in WAYS:
                start = 0 if size == len(bench.paths) else turn * size % (len(bench.paths) - size + 1)
                bench.moved = 0
                answer = page.evaluate("([way, from, count]) => ways[way](from, count)", [way, start, size])
                times[way].append(answer["milliseconds"])
                moved[way] = bench.moved if way != "held" else 0
        for way in WAYS:
            results[way][size] = {"milliseconds": statistics.median(times[way]), "bytes": moved[way], "all": times[way]}
            print(f"{size:5} {way:7} {results[way][size]['milliseconds']:10.1f} ms", file=sys.stderr, flush=True)
    return results


def agreement(page: Any, count: int) -> dict[str, Any]:
    """Compare the probabilities of all sounds."""
    found = {
        way: np.array(page.evaluate("([way, count]) => ways[way](0, count)", [way, count])["result"])
        for way in ("page", "kernel", "dask")
    }
    return {
        other: {
            "largest difference": float(np.abs(found[other] - found["kernel"]).max()),
            "same label": float((found[other].argmax(1) == found["kernel"].argmax(1)).mean()),
        }
        for other in ("page", "dask")
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


def table(results: dict[str, Any], sizes: Sequence[int]) -> str:
    """Write the tables."""
    warm, cold, apart, notes = results["warm"], results["cold"], results["agreement"], results["basic_pitch"]
    lines = [f"Made {results['when']} on {results['machine']}; {results['sounds']}. {results['note']}", ""]
    lines += ["| milliseconds until the labels are in the page, median of " + str(results["repeats"]) + " | "
              + " | ".join(f"{size:,} {'sound' if size == 1 else 'sounds'}" for size in sizes) + " |",
              "|---|" + "---|" * len(sizes)]  # fmt: skip
    for way, said in WAYS.items():
        lines.append(f"| {said} | " + " | ".join(f"{warm[way][size]['milliseconds']:,.0f}" for size in sizes) + " |")
    lines += ["", "| bytes moved | " + " | ".join(f"{size:,}" for size in sizes) + " |", "|---|" + "---|" * len(sizes)]
    for way, said in WAYS.items():
        lines.append(f"| {said} | " + " | ".join(size_text(warm[way][size]["bytes"]) for size in sizes) + " |")
    lines += ["", "| from nothing to the first label | time | moved |", "|---|---|---|"]
    names = {"page": "a fresh page: runtime, model, one sound", "kernel": "a fresh Python: imports, model, one sound",
             "dask": "a fresh cluster of one worker, and the same there"}  # fmt: skip
    for way, said in names.items():
        moved = size_text(cold["bytes"]) if way == "page" else "–"
        lines.append(f"| {said} | {cold[way]['milliseconds'] / 1000:.2f} s | {moved} |")
    lines += [
        "",
        "| agreement with the kernel | same label | largest difference of a probability |",
        "|---|---|---|",
    ]
    for way in ("page", "dask"):
        lines.append(f"| {way} | {100 * apart[way]['same label']:.1f} % | {apart[way]['largest difference']:.1e} |")
    lines += ["", "| Basic Pitch, one thread | page | kernel | largest difference of an output |", "|---|---|---|---|",
              f"| {notes['seconds of sound']:.0f} s of sound (opening in the page: {notes['opening']:.0f} ms) | "
              f"{notes['page']:,.0f} ms | {notes['kernel']:,.0f} ms | {notes['largest difference']:.1e} |"]  # fmt: skip
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
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        paths, said = choose(options.data, max(sizes), Path(name))
        rng = np.random.default_rng(1)
        at = np.arange(15 * WINDOW) / 22050
        music = sum(np.sin(2 * np.pi * hertz * at) * (at * 2 % 1 < 0.5) for hertz in (220, 277.2, 329.6)) / 6
        windows = (music + 0.01 * rng.standard_normal(len(at))).astype(np.float32).reshape(15, WINDOW)
        bench = Bench(paths, windows)
        server = serve(bench)
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with (
            LocalCluster(**ONE_WORKER) as cluster,
            Client(cluster) as client,
        ):
            bench.client = client
            page = browser.new_page()
            page.set_default_timeout(600_000)
            page.goto(url)
            page.wait_for_function("() => globalThis.start")
            page.evaluate("() => start()")
            for way in WAYS:  # sessions and filters are there before the clock runs
                page.evaluate("([way, count]) => ways[way](0, count)", [way, min(20, max(sizes))])
            warm = warm_latencies(page, bench, sizes, repeats)
            apart = agreement(page, max(sizes))
            notes = basic_pitch(page, bench, repeats)
            page.close()
        cold = cold_starts(browser, url, bench, repeats)
        browser.close()
        server.shutdown()
    results = {
        "when": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores of {processor()}, {platform.system()}, Python {platform.python_version()}",
        "sounds": f"{len(paths):,} {said}",
        "note": f"Load of the machine by others before it began: {load:.1f} (1 = one core busy).",
        "repeats": repeats,
        "warm": warm,
        "cold": cold,
        "agreement": apart,
        "basic_pitch": notes,
    }
    text = table(results, sizes)
    print(text)
    if not options.quick:
        (HERE / "results.md").write_text(text, encoding="utf-8")
        (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    raise SystemExit(main())

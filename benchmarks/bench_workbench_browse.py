"""The sample browser's figures, in JupyterLab with Debian's Chromium: time to rows, key press to sound, memory.

    python benchmarks/bench_workbench_browse.py [--sounds 5000] [--presses 60]

A library of short sounds is made in a temporary folder. "Key press to sound" is the time from the key's event to the
first block of samples in the audio worklet, as the page hears of it; the way from there to the loudspeaker is the
device's and is given beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from playwright.sync_api import sync_playwright

from audiolab.library import Library

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser.conftest import CHROMIUM, FLAGS, Lab, Server  # noqa: E402

RATE = 44100
CLOCK = """
() => {
  const all = (globalThis.__latencies = []);
  const keys = ["ArrowDown", "ArrowUp", "End", "Home"];
  let pressed = 0;
  document.addEventListener("keydown", ({ key }) => { if (keys.includes(key)) pressed = performance.now(); }, true);
  globalThis.__audiolab_taps.push = ({ frame }) => {
    if (pressed && frame === 0) {
      all.push(performance.now() - pressed);
      pressed = 0;
    }
    return 0;
  };
}
"""
HEAP = """
async () => {
  for (let i = 0; i < 3; i++) {
    gc();
    await new Promise((done) => setTimeout(done, 200));
  }
  return performance.memory.usedJSHeapSize / 1e6;
}
"""
RUN = """
() => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = 1;
  notebook.model.cells.get(1).sharedModel.setSource("browser = al.browse(lib, sort='name'); browser");
  globalThis.__start = performance.now();
  void window.jupyterapp.commands.execute("notebook:run-cell");
}
"""
DEVICE = "() => { const c = new AudioContext(); return 1000 * (c.baseLatency + (c.outputLatency || 0)); }"


def make_library(folder: Path, count: int) -> Path:
    """Add short sounds: noise and tones of 0.2 to 0.6 s."""
    files = folder / "files"
    files.mkdir()
    rng = np.random.default_rng(5)
    for index in range(count):
        frames = int(RATE * rng.uniform(0.2, 0.6))
        at = np.arange(frames) / RATE
        wave = 0.4 * np.sin(2 * np.pi * rng.uniform(50, 2000) * at) + 0.2 * rng.standard_normal(frames)
        sf.write(files / f"sound {index:05}.wav", wave * np.exp(-8 * at), RATE, subtype="PCM_16")
    with Library(folder / "library") as library:
        library.add(files, "sample")
        for index, label in enumerate(("kick", "snare", "closed_hat", "synth")):
            library.tag(library.query("").ids[index::5], label)
    return folder / "library"


def presses(page: Any, keys: list[str], pause: int) -> list[float]:
    """Press keys; give the milliseconds until each sounded."""
    page.evaluate("() => { globalThis.__latencies.length = 0; }")
    for number, key in enumerate(keys, 1):
        page.keyboard.press(key)
        page.wait_for_function("(n) => globalThis.__latencies.length >= n", arg=number, timeout=30_000)
        page.wait_for_timeout(pause)
    return list(page.evaluate("() => globalThis.__latencies"))


def told(times: list[float]) -> str:
    """Say how long it took."""
    ordered = sorted(times)
    most, median = ordered[int(0.95 * (len(ordered) - 1))], statistics.median(ordered)
    return f"median {median:.0f} ms, 95 % under {most:.0f} ms, longest {ordered[-1]:.0f} ms ({len(ordered)} presses)"


def measure(lab: Lab, library: Path, count: int, number: int) -> list[tuple[str, str]]:
    """Open a notebook, run the cell, press keys; give what was found."""
    page = lab.open([f"import audiolab as al\nlib = al.Library({str(library)!r})", "0"], wait=None)
    before = page.evaluate(HEAP)
    lab.python(page, "import audiolab.widgets.browser")
    page.evaluate(RUN)
    page.wait_for_selector(".al-grid-body .al-c-name")
    rows = page.evaluate("() => performance.now() - globalThis.__start")
    page.wait_for_timeout(3000)
    page.evaluate(CLOCK)
    listed = page.evaluate(HEAP)
    page.locator(".al-grid").evaluate("(grid) => grid.focus()")
    page.wait_for_timeout(1000)
    near = presses(page, ["ArrowDown"] * number, 350)
    far = presses(page, ["End", "Home"] * 5, 800)
    device = page.evaluate(DEVICE)
    for _ in range(count // 13 + 2):
        page.keyboard.press("PageDown")
        page.wait_for_timeout(60)
    page.wait_for_timeout(2000)
    through = page.evaluate(HEAP)
    nodes = page.evaluate("() => document.querySelectorAll('.al-grid-row').length")
    return [
        ("cell run to the first rows", f"{rows / 1000:.2f} s"),
        ("key press to sound, arrow keys (neighbours are fetched ahead)", told(near)),
        ("key press to sound, far jumps (nothing is fetched ahead)", told(far)),
        ("from there to the loudspeaker, as Chromium says", f"{device:.0f} ms"),
        ("JavaScript heap: JupyterLab alone", f"{before:.0f} MB"),
        ("JavaScript heap: with the browser shown", f"{listed:.0f} MB"),
        ("JavaScript heap: after PageDown through all sounds, playing", f"{through:.0f} MB"),
        ("rows in the document", str(nodes)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sounds", type=int, default=5000)
    parser.add_argument("--presses", type=int, default=60)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        started = time.perf_counter()
        library = make_library(folder, given.sounds)
        print(f"{given.sounds} sounds made in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        server = Server(folder)
        try:
            found = measure(Lab(server, browser), library, given.sounds, given.presses)
        finally:
            server.close()
            browser.close()
    print(f"| {given.sounds:,} sounds listed; {os.cpu_count()} cores, load before {load:.1f} | measured |\n|---|---|")
    for figure, value in found:
        print(f"| {figure} | {value} |")


if __name__ == "__main__":
    main()

"""The sample browser's figures, in JupyterLab with Debian's Chromium: time to rows, key press to sound, memory.

    python benchmarks/bench_workbench_browse.py [--sounds 5000] [--presses 60]

A library of short sounds is made in a temporary folder. "Key press to sound" is the time from the key's event to the
first block of samples in the audio worklet, as the page hears of it; the way from there to the loudspeaker is the
device's and is given beside it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser.conftest import CHROMIUM, FLAGS, Lab, Server
from playwright.sync_api import sync_playwright

from audiolab.library import Library

RATE = 44100
CLOCK = """
() => {
  const all = (globalThis.__latencies = []);
  const taps = globalThis.__audiolab_taps;
  let pressed = 0;
  document.addEventListener("keydown", (event) => { if (event.key.startsWith("Arrow") || event.key === "End" || event.key === "Home") pressed = performance.now(); }, true);
  taps.push = (tap) => { if (pressed && tap.frame === 0) { all.push(performance.now() - pressed); pressed = 0; } return 0; };
}
"""


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


def heap(page: Any) -> float:
    """Give the page's JavaScript heap in MB, after a collection."""
    return float(
        page.evaluate(
            "async () => { for (let i = 0; i < 3; i++) { gc(); await new Promise(r => setTimeout(r, 200)); } return performance.memory.usedJSHeapSize / 1e6; }"
        )
    )


def presses(page: Any, keys: list[str], pause: int) -> list[float]:
    """Press keys; give the milliseconds until each sounded."""
    page.evaluate("() => { globalThis.__latencies.length = 0; }")
    for number, key in enumerate(keys, 1):
        page.keyboard.press(key)
        page.wait_for_function("(n) => globalThis.__latencies.length >= n", arg=number, timeout=30_000)
        page.wait_for_timeout(pause)
    return list(page.evaluate("() => globalThis.__latencies"))


def told(times: list[float]) -> str:
    ordered = sorted(times)
    return f"median {statistics.median(ordered):.0f} ms, 95 % under {ordered[int(0.95 * (len(ordered) - 1))]:.0f} ms, longest {ordered[-1]:.0f} ms ({len(ordered)} presses)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sounds", type=int, default=5000)
    parser.add_argument("--presses", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        started = time.perf_counter()
        library = make_library(folder, given.sounds)
        print(f"library of {given.sounds} sounds made in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        server = Server(folder)
        try:
            lab = Lab(server, browser)
            page = lab.open([f"import audiolab as al\nlib = al.Library({str(library)!r})", "0"], wait=None)
            before = heap(page)
            page.evaluate("() => { globalThis.__start = performance.now(); }")
            lab.python(page, "import audiolab.widgets.browser")
            page.evaluate(
                """async () => { const nb = window.jupyterapp.shell.currentWidget.content; const cell = nb.model.cells.get(1);
                    cell.sharedModel.setSource("browser = al.browse(lib, sort='name'); browser"); nb.activeCellIndex = 1; globalThis.__start = performance.now();
                    void window.jupyterapp.commands.execute('notebook:run-cell'); }"""
            )
            page.wait_for_selector(".al-grid-body .al-c-name")
            rows = page.evaluate("() => performance.now() - globalThis.__start")
            page.wait_for_timeout(3000)
            page.evaluate(CLOCK)
            listed = heap(page)
            page.locator(".al-grid").evaluate("(grid) => grid.focus()")
            page.wait_for_timeout(1000)
            near = presses(page, ["ArrowDown"] * given.presses, 350)
            far = presses(page, ["End", "Home"] * 5, 800)
            device = page.evaluate(
                "() => { const c = new AudioContext(); return 1000 * (c.baseLatency + (c.outputLatency || 0)); }"
            )
            for _ in range(given.sounds // 13 + 2):
                page.keyboard.press("PageDown")
                page.wait_for_timeout(60)
            page.wait_for_timeout(2000)
            through = heap(page)
            nodes = page.evaluate("() => document.querySelectorAll('.al-grid-row').length")
        finally:
            server.close()
            browser.close()
    print(f"| figure, {given.sounds} sounds listed | measured |\n|---|---|")
    print(f"| cell run to the first rows | {rows / 1000:.2f} s |")
    print(f"| key press to sound, arrow keys (the neighbours are fetched ahead) | {told(near)} |")
    print(f"| key press to sound, far jumps (nothing is fetched ahead) | {told(far)} |")
    print(f"| from there to the loudspeaker, as the browser says | {device:.0f} ms |")
    print(f"| JavaScript heap: JupyterLab alone | {before:.0f} MB |")
    print(f"| with the browser shown | {listed:.0f} MB |")
    print(f"| after going through all sounds by PageDown, playing | {through:.0f} MB |")
    print(f"| rows in the document | {nodes} |")


if __name__ == "__main__":
    main()

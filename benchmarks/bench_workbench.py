"""The workbench in a real browser: how soon one sees and hears, what memory it takes, whether stems drift.

    python benchmarks/bench_workbench.py [--repeats 5] [--json FILE]

Starts JupyterLab and Debian's Chromium, renders a song of five minutes and a file of an hour, and prints a table.
"First picture" is from the moment when the cell is sent to the waveform's canvas; "first sound" from the click to the
first block of samples that reaches the output.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "src"))

from browser.conftest import CHROMIUM, FLAGS, Lab, Server  # noqa: E402

HEAD = """
import audiolab as al; from audiolab.widgets import Player
lib = al.Library('lib'); song = lib.add({!r})
"""
RUN_AND_WAIT = """
async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  const before = performance.now();
  window.jupyterapp.commands.execute('notebook:run-cell');
  return await new Promise(done => {
    const look = () => {
      const found = panel.node.querySelector('.al-body[data-ready] .al-wave > div');
      const shadow = found && found.shadowRoot && found.shadowRoot.querySelector('canvas');
      if (shadow) done(performance.now() - before); else requestAnimationFrame(look);
    };
    look();
  });
}
"""
CLICK_AND_WAIT = """
async () => {
  globalThis.__audiolab_taps.length = 0;
  const before = performance.now();
  document.querySelector('.al-play').click();
  return await new Promise(done => {
    const look = () => globalThis.__audiolab_taps.length ? done(performance.now() - before) : setTimeout(look, 1);
    look();
  });
}
"""
HEAP = "() => { globalThis.gc && gc(); return performance.memory.usedJSHeapSize / 1e6; }"


def render(folder: Path, name: str, seconds: int) -> Path:
    """Write noise bursts over a tone, stereo, 16-bit FLAC."""
    path, rate = folder / name, 44100
    rng = np.random.default_rng(1)
    with sf.SoundFile(path, "w", rate, 2, "PCM_16") as file:
        for second in range(0, seconds, 10):
            time = np.arange(rate * 10) / rate + second
            tone = 0.3 * np.sin(2 * np.pi * 220 * time) * (0.5 + 0.5 * np.sin(2 * np.pi * time / 7))
            burst = 0.2 * rng.standard_normal(len(time)) * (np.modf(time * 2)[0] < 0.1)
            file.write(np.stack([tone + burst, tone - burst], axis=1).astype(np.float32))
    return path


def measure(lab: Lab, path: Path, repeats: int) -> dict[str, Any]:
    """See and hear one file, `repeats` times, each in a page and a kernel of its own; and its heap while it plays."""
    pictures, sounds, heap = [], [], 0.0
    for _ in range(repeats):
        page = lab.open([HEAD.format(str(path)), "Player(song)"], run=False)
        lab.run(page)
        page.wait_for_selector(".al-body[data-ready]", timeout=120_000)
        lab.python(page, "import time; time.sleep(0.5)")
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        page.evaluate(
            """() => { const n = window.jupyterapp.shell.currentWidget.content;
                n.activeCellIndex = 1; n.mode = 'command'; }"""
        )
        pictures.append(page.evaluate(RUN_AND_WAIT))
        page.wait_for_timeout(500)
        page.locator(".al-title").hover()
        page.wait_for_timeout(400)
        sounds.append(page.evaluate(CLICK_AND_WAIT))
        page.wait_for_timeout(3000)
        heap = max(heap, page.evaluate(HEAP))
        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        page.context.close()
    return {
        "first_picture_ms": round(statistics.median(pictures)),
        "first_sound_ms": round(statistics.median(sounds)),
        "heap_mb": round(heap),
    }


def notebook_size(lab: Lab, path: Path) -> int:
    """Give the bytes of a saved notebook with one player."""
    page = lab.open([HEAD.format(str(path)), "Player(song)"])
    size = lab.save(page).stat().st_size
    page.context.close()
    return int(size)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("needs Debian's chromium")
    from playwright.sync_api import sync_playwright

    from audiolab.widgets.bundle import load_bundle

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch)
        files = {
            "song of 5 minutes": render(folder, "song.flac", 300),
            "file of 60 minutes": render(folder, "hour.flac", 3600),
        }
        server = Server(folder)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            lab = Lab(server, browser)
            rows = {name: measure(lab, path, options.repeats) for name, path in files.items()}
            size = notebook_size(lab, files["song of 5 minutes"])
        finally:
            browser.close()
            server.close()
    bundle = load_bundle()
    found = {"rows": rows, "notebook_bytes": size, "bundle_bytes": len(bundle.code) if bundle else 0}
    print(f"Medians of {options.repeats}; a page and a kernel of its own each time.\n")
    print("| | cell to first picture | click to first sound | heap of the page while playing |\n|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['first_picture_ms']} ms | {row['first_sound_ms']} ms | {row['heap_mb']} MB |")
    print(f"\nSaved notebook with one player {size / 1000:.0f} kB; bundle {found['bundle_bytes'] / 1000:.0f} kB.")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""Make the pictures of the README and the docs from the demo's library.

    audiolab demo && python docs/make_pictures.py [data/demo]

With Debian's chromium on the machine, the report page is pictured, too.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from audiolab.widgets.pictures import STEM_COLORS, bar_chart, piano_roll, spectrogram, waveform
from audiolab.workflows import open_demo

HERE = Path(__file__).parent / "pictures"
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def main() -> None:
    """Write all pictures."""
    demo = Path(sys.argv[1] if len(sys.argv) > 1 else "data/demo")
    library, song = open_demo(demo)
    HERE.mkdir(exist_ok=True)
    document = library.effective(song.id, "analyze") or {}
    source = song.source()
    pictures = {
        "song": waveform(source, beats=document["beats"], downbeats=document["downbeats"]),
        "spectrogram": spectrogram(source),
    }
    for name, stem in song.stems.items():
        samples = [(s.start / s.sample_rate, s.stop / s.sample_rate) for s in stem.samples]
        pictures[f"stem-{name}"] = waveform(stem.source(), color=STEM_COLORS[name], height=90, spans=samples)
    tracks = {name: library.effective(stem.id, "midi") for name, stem in song.stems.items()}
    notes = {name: track["notes"] for name, track in tracks.items() if track}
    duration = song.frames / song.sample_rate
    pictures["midi"] = piano_roll(notes, duration=duration, downbeats=document["downbeats"])
    labels: dict[str, float] = {}
    for stem in song.stems.values():
        for sample in stem.samples:
            labels[sample.label or "untagged"] = labels.get(sample.label or "untagged", 0) + 1
    pictures["labels"] = bar_chart(dict(sorted(labels.items(), key=lambda item: -item[1])), unit="samples")
    for name, png in pictures.items():
        (HERE / f"{name}.png").write_bytes(png)
    (HERE / "provenance.svg").write_text(library.provenance(song).to_svg() + "\n", encoding="utf-8")
    page = demo / "report" / "run_report.html"
    if shutil.which("chromium") and page.is_file():
        with tempfile.TemporaryDirectory() as profile:
            target = f"--screenshot={HERE / 'report.png'}"
            options = (f"--user-data-dir={profile}", "--window-size=1100,1500", target, page.resolve().as_uri())
            subprocess.run(["chromium", *CHROMIUM, *options], check=True, capture_output=True)
    print(f"{len(list(HERE.glob('*.png')))} pictures in {HERE}")


if __name__ == "__main__":
    main()

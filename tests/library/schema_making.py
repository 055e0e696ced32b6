"""A small library that has something of everything; kept as a zip for each schema version, so that upgrades are tested.

Run it once before a new migration is written: `PYTHONPATH=src:tests/library python tests/library/schema_making.py`.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

from library_making import analysis, classifying, embedding, keep, key_of, made, separation, slicing, wav

from audiolab.library import Library, Record
from audiolab.library.store import HEAD

SCHEMAS = Path(__file__).parent / "schemas"


def fill(lib: Library, folder: Path) -> None:
    """Put something of everything into an empty library."""
    song = lib.add(wav(folder / "Große Nacht.wav", 1, 1.0), kind="song")
    keep(lib, analysis(song, 120.0))
    keep(lib, separation(lib, song, 1))
    old = song.stems["drums"]
    keep(lib, slicing(old, [(0, 800), (1000, 1800)], at=2))
    old.samples[0].tag("rim")
    keep(lib, separation(lib, song, 2, at=5))
    drums = song.stems["drums"]
    keep(lib, slicing(drums, [(0, 800), (1000, 1800), (2000, 2800), (4000, 4400)], at=6))
    keep(lib, classifying(drums.samples, [("kick", 0.9), ("snare", 0.8), ("kick", 0.4), ("closed_hat", 0.7)], at=7))
    keep(lib, embedding(lib, drums.samples, key_of("encoder"), at=8))
    words = [{"start": 1.0, "end": 1.5, "word": "midnight", "probability": 0.9}]
    lyrics = {"language": "en", "segments": [{"start": 1.0, "end": 1.5, "text": "midnight", "words": words}]}
    bass = song.stems["bass"]
    keep(
        lib, Record(key=key_of("lyrics"), stage="lyrics", version=1, sound_id=bass.id, document=lyrics, made_at=made(9))
    )
    song.correct_tempo(factor=2)
    song.rename("Großer Tag")
    samples = drums.samples
    samples[0].tag("kick").tag("keeper")
    samples[1].untag("snare")
    samples[2].rename('"; DROP TABLE sound; --')
    lib.collection("kit").add(samples[:2])
    lib.add(wav(folder / "lost.wav", 2), kind="sample")
    lib.delete(lib.add(wav(folder / "gone.wav", 3), kind="sample"))
    run = lib.create_run("full", {"stages": []}, [song.id])
    lib.update_run(run, status="done")
    lib.set_jobs(run, [{"id": "a", "stage": "separate", "sound_id": song.id, "status": "done"}])


def main() -> None:
    """Write the zip of the schema that this code has."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Library(folder / "lib", actor="tester") as lib:
            fill(lib, folder / "files")
        target = SCHEMAS / f"{HEAD}.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((folder / "lib").rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder / "lib"))
    sys.stdout.write(f"{target.name}: {target.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()

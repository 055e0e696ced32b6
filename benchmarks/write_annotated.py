"""Write rendered songs as a user would annotate them, to try `audiolab bench` on.

    python benchmarks/write_annotated.py FOLDER [--bars 13]
    audiolab bench midi --data FOLDER

Three songs (tempo, key and swing differ): mix and stems, notes of bass, other and vocals, drum hits, beats, tempo, key.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from audiolab.audio import write_audio
from audiolab.synth import RenderedSong, render_song

SONGS = (
    {"name": "minor 112"},
    {"name": "major 140", "bpm": 140, "tonic": "D", "mode": "major", "seed": 3},
    {"name": "swing 84", "bpm": 84, "tonic": "F#", "seed": 5, "swing": 0.7},
)


def write(song: RenderedSong, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rate = song.sample_rate
    write_audio(folder / "mix.flac", song.mix)
    for name, stem in song.stems.items():
        write_audio(folder / f"{name}.flac", stem)
    for name, notes in song.notes.items():
        rows = [(note.start / rate, note.stop / rate, note.pitch) for note in notes]
        table(folder / f"{name}.notes.csv", ("start", "end", "pitch"), rows)
    table(folder / "onsets.csv", ("time", "label"), [(hit.frame / rate, hit.label) for hit in song.hits])
    times = song.tempo_map.beats(song.mix.duration)
    places = song.tempo_map.beat_at(times).round().astype(int) % song.tempo_map.beats_per_bar + 1
    table(folder / "beats.csv", ("time", "position"), list(zip(times.tolist(), places.tolist(), strict=True)))
    (folder / "tempo.txt").write_text(f"{song.bpm:g}\n", encoding="utf-8")
    (folder / "key.txt").write_text(f"{' '.join(song.key)}\n", encoding="utf-8")


def table(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bars", type=int, default=13)
    options = parser.parse_args()
    for settings in SONGS:
        song = render_song(bars=options.bars, **settings)
        write(song, options.folder / song.name)


if __name__ == "__main__":
    main()

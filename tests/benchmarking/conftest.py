"""Rendered songs, written as a user would lay them out."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from audiolab.audio import write_audio
from audiolab.synth import RenderedSong, render_song


def write_rows(path: Path, rows, header=None) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if header:
            writer.writerow(header)
        writer.writerows(rows)


def note_rows(song: RenderedSong, stem: str) -> list[tuple[float, float, int]]:
    rate = song.sample_rate
    return [(note.start / rate, note.stop / rate, note.pitch) for note in song.notes[stem]]


def beat_rows(song: RenderedSong) -> list[tuple[float, int]]:
    times = song.tempo_map.beats(song.mix.duration)
    numbers = song.tempo_map.beat_at(times).round().astype(int)
    return [(float(time), int(number) % 4 + 1) for time, number in zip(times, numbers, strict=True)]


def write_song(song: RenderedSong, folder: Path) -> Path:
    """Lay a song out with CSV files."""
    folder.mkdir(parents=True)
    write_audio(folder / "mix.flac", song.mix)
    for name, stem in song.stems.items():
        write_audio(folder / f"{name}.flac", stem)
        if name != "drums":
            write_rows(folder / f"{name}.notes.csv", note_rows(song, name), ("start", "end", "pitch"))
    write_rows(folder / "onsets.csv", [(hit.frame / song.sample_rate, hit.label) for hit in song.hits])
    write_rows(folder / "beats.csv", beat_rows(song), ("time", "position"))
    (folder / "tempo.txt").write_text(f"{song.bpm}\n")
    (folder / "key.txt").write_text("A minor\n")
    (folder / "lyrics.txt").write_text("la la la\nlo lo\n")
    return folder


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory):
    """A folder with one rendered song, and the song."""
    song = render_song(bars=6, name="short song")
    top = tmp_path_factory.mktemp("annotated")
    write_song(song, top / "short song")
    return top, song

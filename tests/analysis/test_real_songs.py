"""Real songs with human truth; they lie beside the project, never in it."""

from __future__ import annotations

import csv
from pathlib import Path

import mir_eval
import numpy as np
import pytest

from audiolab.audio import Audio
from audiolab.stages.analysis import analyze

SONGS = ("80sRock", "Beatles", "Britpop", "Country1", "Grunge", "Punk", "Rockabilly")


def beats_of(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    with (folder / "beats.csv").open() as file:
        rows = np.array([[float(value) for value in row] for row in csv.reader(file)])
    return rows[:, 0], rows[rows[:, 1] == 1, 0]


@pytest.mark.shared
@pytest.mark.parametrize("name", SONGS)
def test_tempo_and_beats_of_songs(shared_data, name):
    folder = shared_data / "music" / "mdb" / name
    beats, downbeats = beats_of(folder)
    found = analyze(folder / "mix.flac")
    document = found.to_dict()
    trim = mir_eval.beat.trim_beats
    assert found.bpm == pytest.approx(60 / np.median(np.diff(beats)), rel=0.04)
    assert mir_eval.beat.f_measure(trim(beats), trim(np.array(document["beats"]))) > 0.95
    assert mir_eval.beat.f_measure(trim(downbeats), trim(np.array(document["downbeats"]))) > 0.9
    assert document["meter"] == "4/4"


@pytest.mark.shared
def test_speech_is_not_trusted(shared_data):
    for path in sorted((shared_data / "music" / "speech").glob("*.flac")):
        document = analyze(path).to_dict()
        assert document["tempo"]["confidence"] < 0.4
        assert document["key"]["confidence"] < 0.4


@pytest.mark.shared
def test_drum_stems_have_the_song_s_tempo(shared_data):
    for name in ("80sRock", "Grunge", "Rockabilly"):
        found = analyze(shared_data / "music" / "mdb" / name / "drums.flac")
        assert found.bpm == pytest.approx(110, rel=0.02)
        assert found.findings.key.confidence < 0.3


@pytest.mark.shared
@pytest.mark.parametrize("bars", [1, 2, 4])
def test_bars_cut_from_drum_stems_are_loops(shared_data, bars):
    """The tempo is what people marked; `beat_track` finds fewer of them (docs/figures.md)."""
    right = []
    for name in SONGS:
        folder = shared_data / "music" / "mdb" / name
        downbeats = beats_of(folder)[1]
        drums = Audio.from_file(folder / "drums.flac")
        for first in (1, 4):
            start, stop = downbeats[first], downbeats[first + bars]
            found = analyze(drums.cut_seconds(start, stop)).bpm or 0.0
            right.append(abs(found * (stop - start) / (240 * bars) - 1) < 0.04)
    assert np.mean(right) >= 0.85

"""A person's correction of tempo and bars: one consistent document, kept apart from what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.audio import Audio, TempoMap, write_audio
from audiolab.errors import ParameterError
from audiolab.library import Library, Record
from audiolab.library.overlays import overlaid, overlaid_facts
from audiolab.library.tempo import simple_ratio


def document(tempo_map: TempoMap, duration: float = 16.0) -> dict[str, Any]:
    bpm = tempo_map.bpm(duration)
    return {
        "duration": duration,
        "tempo": {
            "bpm": bpm,
            "confidence": 0.7,
            "candidates": [
                {"bpm": bpm, "confidence": 0.7},
                {"bpm": 2 * bpm, "confidence": 0.2},
                {"bpm": 77.7, "confidence": 0.1},
            ],
        },
        "meter": f"{tempo_map.beats_per_bar}/4",
        "beats": tempo_map.beats(duration).tolist(),
        "downbeats": tempo_map.downbeats(duration).tolist(),
        "tempo_map": tempo_map.to_dict(),
        "key": {"tonic": "A"},
    }


def consistent(found: dict[str, Any]) -> None:
    tempo_map = TempoMap.from_dict(found["tempo_map"])
    np.testing.assert_allclose(found["beats"], tempo_map.beats(found["duration"]))
    np.testing.assert_allclose(found["downbeats"], tempo_map.downbeats(found["duration"]))
    assert found["meter"] == f"{tempo_map.beats_per_bar}/4"
    assert found["tempo"]["bpm"] == pytest.approx(tempo_map.bpm(found["duration"]), rel=1e-6)
    assert found["tempo"]["candidates"][0]["bpm"] == found["tempo"]["bpm"]


def among(few: list[float], many: list[float]) -> None:
    """Every beat of one is one of the other, which holds twice as many."""
    assert max(np.abs(np.array(many) - time).min() for time in few) < 1e-6
    assert abs(len(many) - 2 * len(few)) <= 1


@pytest.fixture
def lib(tmp_path: Path) -> Library:
    return Library(tmp_path / "library")


def song_of(lib: Library, tmp_path: Path, tempo_map: TempoMap | None, at: int = 1) -> Any:
    path = tmp_path / "a.wav"
    if not path.exists():
        rng = np.random.default_rng(1)
        write_audio(path, Audio(rng.normal(0, 0.1, (1, 8000)).astype("f4"), 8000))
    song = lib.add(path, kind="song")
    found = document(tempo_map) if tempo_map else {"duration": 16.0, "tempo": {"bpm": None, "candidates": []}}
    facts = {"bpm": found["tempo"]["bpm"]} if tempo_map else {}
    lib.fold(Record(key=f"{at:064x}", stage="analyze", version=at, sound_id=song.id, document=found, facts=facts))
    return song


DRIFTING = TempoMap.from_beats(np.cumsum(np.linspace(0.5, 0.6, 30)), tolerance=0.005)


@given(st.sampled_from([0.5, 2.0, 1.5]), st.sampled_from([TempoMap.constant(90, first_downbeat=0.3), DRIFTING]))
def test_a_factor_gives_one_consistent_document(factor: float, tempo_map: TempoMap) -> None:
    plain = document(tempo_map)
    found = overlaid(plain, {"tempo_factor": factor})
    consistent(found)
    assert found["tempo"]["bpm"] == pytest.approx(plain["tempo"]["bpm"] * factor)
    assert found["tempo"]["source"] == "human"
    assert len([item for item in found["tempo"]["candidates"] if item["confidence"] > 0]) == 1
    assert overlaid(plain, None) == plain
    assert (
        overlaid_facts({"bpm": plain["tempo"]["bpm"]}, {"analyze": {"tempo_factor": factor}})["bpm"]
        == (found["tempo"]["bpm"])
    )
    if factor == 2:
        among(plain["beats"], found["beats"])


def test_correcting_twice_counts_from_what_is_shown(lib: Library, tmp_path: Path) -> None:
    song = song_of(lib, tmp_path, TempoMap.constant(60))
    song.correct_tempo(factor=2)
    assert song.bpm == 120
    song.correct_tempo(factor=0.5).correct_tempo(factor=0.5)
    assert song.bpm == 30
    consistent(lib.effective(song.id, "analyze"))
    song.correct_tempo(bpm=61.5)
    assert song.bpm == 61.5
    consistent(lib.effective(song.id, "analyze"))
    song.correct_tempo(factor=2)
    assert song.bpm == 123
    assert song.tempo_map.bpm() == pytest.approx(123)
    assert [op.what for op in lib.ops(target=song.id)][:6].count("overlay") == 5


def test_the_downbeat_and_the_meter(lib: Library, tmp_path: Path) -> None:
    song = song_of(lib, tmp_path, TempoMap.constant(120))
    song.correct_tempo(downbeat=1.04)
    found = lib.effective(song.id, "analyze")
    assert found["downbeats"][:2] == [1.0, 3.0]
    assert len(found["beats"]) == 32
    assert found["tempo"] == document(TempoMap.constant(120))["tempo"]  # the tempo itself was not touched
    song.correct_tempo(beats_per_bar=3)
    found = lib.effective(song.id, "analyze")
    consistent(found)
    assert (found["meter"], found["downbeats"][:2]) == ("3/4", [1.0, 2.5])
    song.correct_tempo(downbeat=0.24)  # between two beats: the count moves to the off-beats
    assert lib.effective(song.id, "analyze")["beats"][0] == 0.25


def test_removing_it_brings_back_what_was_found(lib: Library, tmp_path: Path) -> None:
    song = song_of(lib, tmp_path, TempoMap.constant(60, first_downbeat=0.5))
    plain = lib.effective(song.id, "analyze")
    song.edit("analyze", key={"tonic": "C"})
    song.correct_tempo(bpm=120, downbeat=1.5, beats_per_bar=3)
    song.uncorrect_tempo()
    assert lib.effective(song.id, "analyze") == {**plain, "key": {"tonic": "C"}}
    assert song.bpm == 60
    assert lib.overlay(song.id, "analyze") == {"key": {"tonic": "C"}}


@pytest.mark.parametrize(("better", "bpm"), [(60.4, 120.8), (120.2, 120.2), (180.0, 120.0)])
def test_a_better_analysis_is_not_corrected_again(lib: Library, tmp_path: Path, better: float, bpm: float) -> None:
    song = song_of(lib, tmp_path, TempoMap.constant(60))
    song.correct_tempo(factor=2)
    song_of(lib, tmp_path, TempoMap.constant(better), at=2)
    assert song.bpm == pytest.approx(bpm)
    consistent(lib.effective(song.id, "analyze"))


def test_a_drifting_song_keeps_its_beats(lib: Library, tmp_path: Path) -> None:
    song = song_of(lib, tmp_path, DRIFTING)
    plain = lib.effective(song.id, "analyze")
    song.correct_tempo(bpm=round(2 * plain["tempo"]["bpm"]))
    found = lib.effective(song.id, "analyze")
    assert found["tempo"]["bpm"] == song.bpm == pytest.approx(2 * plain["tempo"]["bpm"])
    consistent(found)
    among(plain["beats"], found["beats"])


def test_a_tempo_where_none_was_found(lib: Library, tmp_path: Path) -> None:
    song = song_of(lib, tmp_path, None)
    with pytest.raises(ParameterError, match="no tempo"):
        song.correct_tempo(factor=2)
    song.correct_tempo(bpm=100, downbeat=0.6)
    assert song.bpm == 100
    assert lib.effective(song.id, "analyze")["downbeats"][0] == pytest.approx(0.6)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"factor": 2, "bpm": 100}, {"factor": 0}, {"bpm": 3}, {"downbeat": -1}, {"beats_per_bar": 0}, {"factor": 40}],
)
def test_nonsense_is_refused(lib: Library, tmp_path: Path, wrong: dict[str, Any]) -> None:
    song = song_of(lib, tmp_path, TempoMap.constant(60))
    with pytest.raises(ParameterError):
        song.correct_tempo(**wrong)
    assert lib.overlay(song.id, "analyze") is None


def test_simple_ratios() -> None:
    assert [simple_ratio(value) for value in (2.01, 0.5, 0.334, 1.6, 5.0)] == [2.0, 0.5, 1 / 3, None, None]

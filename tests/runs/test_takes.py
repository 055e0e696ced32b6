"""Takes of a song: drums come apart, the clean hit wins, a person's choice wins over it and can be taken back."""

from __future__ import annotations

import json
import subprocess
import sys

import alike_making as making
import numpy as np
import pytest

import audiolab as al
from audiolab.audio import Audio, write_audio
from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library
from audiolab.library.query import QueryError
from audiolab.synth import instruments as play

RATE = making.RATE


def pattern() -> Audio:
    """Four kicks and four snares; the third kick is alone, the second has an open hat on top of it."""
    out = 1e-4 * np.random.default_rng(0).standard_normal(6 * RATE)
    events = [("kick", 0.5), ("snare", 1.0), ("kick", 1.5), ("open_hat", 1.42), ("snare", 2.0), ("kick", 2.8),
              ("snare", 4.0), ("kick", 4.6), ("snare", 4.75)]  # fmt: skip
    for number, (what, at) in enumerate(events):
        wave = getattr(play, what)(RATE, np.random.default_rng((number, 7)))
        start = round(at * RATE)
        out[start : start + len(wave)] += 0.5 * wave
    return Audio(np.asarray(out, np.float32)[None, :], RATE)


@pytest.fixture(scope="module")
def lib(tmp_path_factory):
    folder = tmp_path_factory.mktemp("takes")
    with Library(folder / "lib", actor="tester") as lib:
        song = lib.add(write_audio(folder / "beat.wav", pattern()), "song")
        key = making.do(lib, "slice", song)
        samples = lib.sample_set(key)
        for stage in ("describe", "embed", "classify"):
            making.do(lib, stage, song, list(samples), samples.id)
        for sample in song.samples:
            # What the drums are is known here: the classifier is not under test.
            near = min(EVENTS, key=lambda event: abs(event[1] - sample.start / RATE))
            sample.tag(near[0])
        yield lib


EVENTS = [("kick", 0.5), ("snare", 1.0), ("open_hat", 1.42), ("kick", 1.5), ("snare", 2.0), ("kick", 2.8),
          ("snare", 4.0), ("kick", 4.6), ("snare", 4.75)]  # fmt: skip


APART = 5.0
"""So far that all hits of a class are one drum, whatever the encoder."""


@pytest.fixture
def song(lib):
    return lib.sound("beat")


def test_drums_come_apart_and_each_has_one_best_take(song):
    found = al.takes(song)
    assert sum(len(group.takes) for group in found) == len(song.samples)
    for group in found:
        assert {take.sound.label for take in group.takes} == {group.label}
        assert [take.best for take in group.takes] == [True] + [False] * (len(group.takes) - 1)
        assert sum(take.quality for take in group.takes) > 0
    best = song.library.query("take:best")
    assert set(best.ids) == {group.best.id for group in found}
    assert len(song.library.query("take:any")) == len(song.samples)
    assert len(song.library.query("take:other")) == len(song.samples) - len(found)
    assert song.library.fsck().clean


def test_the_clean_hit_is_the_best(song, monkeypatch):
    monkeypatch.setattr("audiolab.runs.best_takes._drums", lambda *given: {})  # the drum head is not under test
    kicks = al.takes(song, apart=APART)["kick 1"]
    assert len(kicks.takes) == 4
    assert kicks.best.start / RATE == pytest.approx(2.8, abs=0.02)
    by_time = {round(take.sound.start / RATE, 1): take for take in kicks.takes}
    assert set(by_time) == {0.5, 1.5, 2.8, 4.6}
    assert by_time[1.5].why["before"] < by_time[2.8].why["before"]  # an open hat rings into it
    assert by_time[4.6].why["room"] < by_time[0.5].why["room"] < by_time[2.8].why["room"] == 1


def test_song_takes_gives_them_from_the_library(song):
    found = al.takes(song, apart=APART)
    stored = song.takes
    assert list(stored) == [group.name for group in found]
    for group in found:
        assert stored[group.name].ids == [take.sound.id for take in group.takes]


def test_a_persons_choice_wins_stays_and_can_be_taken_back(song):
    library = song.library
    kicks = al.takes(song, apart=APART)["kick 1"]
    wanted = kicks.round_robins[-1]
    library.choose_take(wanted)
    assert song.takes["kick 1"][0].id == wanted.id
    assert wanted.id in library.query("take:best")
    assert kicks.best.id not in library.query("take:best")
    again = al.takes(song, apart=APART)
    assert again["kick 1"].best.id == wanted.id
    assert song.takes["kick 1"].ids == [take.sound.id for take in again["kick 1"].takes]
    assert len(library.query("take:best")) == len(again)
    library.undo()
    assert kicks.best.id in library.query("take:best")
    assert wanted.id not in library.query("take:best")
    assert al.takes(song, apart=APART)["kick 1"].best.id == kicks.best.id


def test_exporters_can_name_takes(song, tmp_path):
    found = al.takes(song, apart=APART)
    report = al.export(song, tmp_path / "kit", template="{take}")
    names = {file.name for file in report.files}
    assert {f"kick_1_rr{n + 1}.wav" for n in range(len(found["kick 1"].takes))} <= names


def test_bad_questions(song, lib, tmp_path):
    with pytest.raises(ParameterError, match="sample"):
        al.takes(song.samples[0])
    with pytest.raises(ParameterError, match="apart"):
        al.takes(song, apart=0)
    with pytest.raises(QueryError, match="best, other or any"):
        lib.query("take:worst")
    bare = lib.add(
        write_audio(tmp_path / "bare.wav", pattern().__class__(np.ones((1, 8000), np.float32) * 0.1, RATE)), "song"
    )
    with pytest.raises(CatalogError, match="no samples"):
        al.takes(bare)
    with pytest.raises(CatalogError, match="no take"):
        lib.choose_take(bare)


def test_the_command_line(song):
    command = [sys.executable, "-m", "audiolab.cli", "takes", "beat", "--library", str(song.library.path), "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert told["groups"]
    assert al.takes(song)._repr_html_()

"""Words that a person gave are searched like those that were recognised, in the stem and in its song."""

from __future__ import annotations

import pytest

from audiolab.audio import write_audio
from audiolab.library.cards import stale
from audiolab.synth import noise


@pytest.fixture
def song(lib, tmp_path):
    for number, name in enumerate(("vocals", "drums")):
        (tmp_path / "song").mkdir(exist_ok=True)
        write_audio(tmp_path / "song" / f"{name}.wav", noise(0.5, 8000, seed=number))
    return lib.add(stems=tmp_path / "song")


def _line(text):
    return {"segments": [{"text": text, "start": 0.0, "end": 0.4, "words": [], "flags": []}]}


def test_words_by_hand_are_found_without_any_stage(lib, song):
    vocals = song.stems["vocals"]
    vocals.edit("lyrics", **_line("take me to the river"))
    assert set(lib.query("lyrics:river").ids) == {song.id, vocals.id}
    assert set(lib.query("has:lyrics").ids) >= {vocals.id}
    with lib.store.transaction(write=False) as session:
        assert stale(session) == []
    vocals.edit("lyrics", **_line("drop me in the water"))
    assert lib.query("lyrics:river").ids == []
    assert song.id in lib.query('lyrics:"in the water"').ids
    lib.undo(2)
    assert lib.query("lyrics:water").ids == lib.query("lyrics:river").ids == []
    with lib.store.transaction(write=False) as session:
        assert stale(session) == []

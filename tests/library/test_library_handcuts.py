"""Samples cut by hand, and sounds rendered from others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from library_making import RATE, analysis, dump, keep, noise, separation, slicing, wav, write

from audiolab.errors import CatalogError, ParameterError
from audiolab.library import HandCut, Library
from audiolab.library.fsck import fsck


def problems(lib: Library) -> list[str]:
    return [str(found) for found in fsck(lib).problems]


def test_cut_by_hand(lib: Library, tmp_path: Path) -> None:
    song = lib.add(wav(tmp_path / "song.wav", 1, 16.0))
    keep(lib, separation(lib, song))
    drums = song.stems["drums"]
    first, second = lib.cut(drums, [HandCut(100, 900, "love", {"word": "love"}), HandCut(2000, 2400)], label="vocal")
    assert (first.name, first.kind, first.stem, first.start, first.stop) == ("love", "sample", "drums", 100, 900)
    assert first.song == song
    assert first.parent == drums
    assert first.label == "vocal"
    assert first.label_source == "human"
    assert second.name == "drums @0.250"
    np.testing.assert_array_equal(first.audio().samples, drums.audio().samples[:, 100:900])
    assert lib.query("word:love").ids == [first.id]
    assert "cut by hand: frames 100 to 900" in str(first.explain())
    assert "cut by hand" in str([edge.what for edge in first.explain().graph().edges])
    assert problems(lib) == []


def test_cuts_by_hand_survive_slicing(lib: Library, tmp_path: Path) -> None:
    song = lib.add(wav(tmp_path / "song.wav", 1, 16.0))
    keep(lib, separation(lib, song))
    drums = song.stems["drums"]
    (mine,) = lib.cut(drums, [HandCut(100, 900, "mine")])
    keep(lib, slicing(drums, [(100, 900), (1000, 2000)], tag=1, at=2))
    assert mine.name == "mine"
    assert mine.id in drums.samples.ids
    keep(lib, slicing(drums, [(500, 700)], tag=2, at=3))
    assert mine.current
    assert mine.id in lib.query("kind:sample").ids
    assert len(lib.query("kind:sample")) == 2
    assert problems(lib) == []


def test_a_slice_that_is_cut_again_by_hand(lib: Library, tmp_path: Path) -> None:
    song = lib.add(wav(tmp_path / "song.wav", 1, 16.0))
    keep(lib, slicing(song, [(100, 900)]))
    (again,) = lib.cut(song, [HandCut(100, 900, "hook")], label="vocal")
    assert again.id == song.samples[0].id
    assert again.name == "hook"
    lib.undo()
    assert again.name == "song @0.013"
    assert again.label is None
    assert len(song.samples) == 1


def test_undo_and_redo_take_all_cuts(lib: Library, tmp_path: Path) -> None:
    song = lib.add(wav(tmp_path / "song.wav", 1, 16.0))
    before = len(lib.query("kind:sample"))
    cuts = lib.cut(song, [HandCut(0, 10, "a"), HandCut(10, 20, "b")], label="vocal")
    lib.undo()
    assert len(lib.query("kind:sample")) == before
    lib.redo()
    assert {sound.name for sound in lib.query("kind:sample")} == {"a", "b"}
    lib.delete(cuts[0])
    (back,) = lib.cut(song, [HandCut(0, 10, "a")])
    assert back.id == cuts[0].id
    assert back.id in lib.query("kind:sample").ids


@pytest.mark.parametrize("part", [(5, 5), (-1, 5), (0, 10**9)])
def test_parts_outside_the_sound(lib: Library, tmp_path: Path, part: tuple[int, int]) -> None:
    song = lib.add(wav(tmp_path / "song.wav", 1, 16.0))
    before = dump(lib)
    with pytest.raises(ParameterError, match="no part of it"):
        lib.cut(song, [HandCut(0, 10, "good"), HandCut(*part)])
    assert dump(lib) == before


def test_bounce(lib: Library, tmp_path: Path) -> None:
    song = lib.add(wav(tmp_path / "song.wav", 1, 16.0))
    keep(lib, analysis(song))
    path = write(tmp_path / "part.wav", noise(5, 2.0))
    facts = {"begins_at": 4.0}
    made = lib.add_bounce(path, song, name="my mix", made_from="drums -3.0 dB", facts=facts)
    assert (made.name, made.kind, made.parent, made.song) == ("my mix", "sample", song, song)
    assert made.sample_rate == RATE
    assert made.facts["made_from"] == "drums -3.0 dB"
    assert "made from drums -3.0 dB" in str(made.explain())
    assert made.tempo_map is not None
    assert song.tempo_map is not None
    beats = song.tempo_map.beats(5.0)
    assert made.tempo_map.beats(1.0)[0] == pytest.approx(beats[beats >= 4][0] - 4)
    assert lib.add_bounce(path, song, name="my mix", made_from="drums -3.0 dB") == made
    assert problems(lib) == []
    lib.undo()
    with pytest.raises(CatalogError):
        lib.sound("my mix")
    assert lib.add_bounce(path, song, name="other", made_from="x") == made
    assert lib.sound(made.id).id in lib.query("kind:sample").ids


def test_a_bounce_is_never_the_song_itself(lib: Library, tmp_path: Path) -> None:
    path = wav(tmp_path / "song.wav", 1, 16.0)
    song = lib.add(path)
    made = lib.add_bounce(path, song, name="same", kind="song")
    assert made != song
    assert made.content_id == song.content_id
    assert made.song == made
    assert made.parent == song
    with pytest.raises(ParameterError, match="name"):
        lib.add_bounce(path, song, name="  ")

"""`PianoRoll`: notes, their voices, corrections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mixing import RATE, Page, record, song_of, tempo

from audiolab.audio import Audio
from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library, Sound
from audiolab.synth import NoteSource
from audiolab.widgets.note_edits import DRUM_NAMES
from audiolab.widgets.pianoroll import PianoRoll, piano_roll_of

BASS = [
    {"start": 0.5, "end": 1.0, "pitch": 40, "velocity": 100},
    {"start": 1.0, "end": 1.5, "pitch": 43, "velocity": 60},
    {"start": 2.0, "end": 2.5, "pitch": 45, "velocity": 127},
]
DRUMS = [
    {"start": 0.0, "end": 0.1, "pitch": 36, "velocity": 120},
    {"start": 1.0, "end": 1.1, "pitch": 38, "velocity": 90},
]


@pytest.fixture
def lib(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "lib", actor="tester") as library:
        yield library


@pytest.fixture
def song(lib: Library, tmp_path: Path) -> Sound:
    song = song_of(lib, tmp_path)
    record(lib, song.stems["bass"], "midi", {"notes": BASS, "drums": False})
    record(lib, song.stems["drums"], "midi", {"notes": DRUMS, "drums": True})
    tempo(lib, song)
    return song


def voice(roll: PianoRoll, key: str) -> np.ndarray:
    return Audio.from_source(roll.offered(key).source).samples[0]


def test_tracks(song: Sound) -> None:
    roll = piano_roll_of(song, hear="both")
    told = Page(roll).ask("tracks")["result"]
    assert [(track["stem"], track["drums"]) for track in told["tracks"]] == [("drums", True), ("bass", False)]
    assert told["tracks"][1]["notes"][0] == [0.5, 1.0, 40, 100]
    assert told["downbeats"] == [0.0, 2.0]
    assert told["drum_names"]["36"] == "bass drum"
    assert (DRUM_NAMES[35], DRUM_NAMES[42], DRUM_NAMES[81]) == ("acoustic bass drum", "closed hi-hat", "open triangle")
    heard = voice(roll, told["tracks"][1]["voice"]["id"])
    assert len(heard) == song.frames
    assert np.abs(heard[: RATE // 2]).max() == 0
    assert np.abs(heard[RATE // 2 : RATE]).max() > 0.05
    spectrum = np.abs(np.fft.rfft(heard[RATE // 2 : RATE]))
    assert spectrum.argmax() * 2 == pytest.approx(440 * 2 ** ((40 - 69) / 12), abs=2)


def test_one_sound(song: Sound) -> None:
    roll = PianoRoll(song.stems["bass"])
    assert list(roll.parts) == ["bass"]
    with pytest.raises(ParameterError, match="plays audio, notes, both"):
        roll.hear = "silence"
    with pytest.raises(ParameterError, match="no notes of 'piano'"):
        PianoRoll(song, stems=["piano"])
    assert PianoRoll(song, stems=["bass"]).stems == ["bass"]


def test_remove_restore_undo_redo(song: Sound, lib: Library) -> None:
    roll = PianoRoll(song)
    page = Page(roll)
    bass = song.stems["bass"]
    first = page.ask("tracks")["result"]["tracks"][1]["voice"]["id"]
    assert page.ask("remove", stem="bass", notes=[[1.0, 43]])["result"] == {"undo": 1, "redo": 0}
    assert [note["pitch"] for note in bass.notes] == [40, 45]
    told = page.events("notes")[-1]["tracks"][0]
    assert told["removed"] == [[1.0, 1.5, 43, 60]]
    assert told["voice"]["id"] != first
    assert "has no note of pitch 43" in page.ask("remove", stem="bass", notes=[[1.0, 43]])["error"]
    assert np.abs(voice(roll, told["voice"]["id"])[round(1.1 * RATE) : round(1.5 * RATE)]).max() == 0
    again = Page(PianoRoll(song))  # as after a reload
    assert again.ask("undo")["result"] == {"undo": 0, "redo": 1}
    assert bass.notes == BASS
    assert again.ask("redo")["result"] == {"undo": 1, "redo": 0}
    assert len(bass.notes) == 2
    page.ask("restore", stem="bass", notes=[[1.0, 43]])
    assert bass.notes == BASS
    assert lib.overlay(bass.id, "midi") is None, "nothing is left of a correction that changes nothing"
    page.ask("undo")
    page.ask("undo")
    assert bass.notes == BASS
    assert "nothing to undo" in page.ask("undo")["error"]


def test_undo_here_leaves_other_work_alone(song: Sound, lib: Library) -> None:
    roll = PianoRoll(song)
    roll.remove("drums", [[0.0, 36]])
    song.rename("better")
    roll.undo()
    assert song.name == "better"
    assert song.stems["drums"].notes == DRUMS
    with pytest.raises(CatalogError, match="nothing to undo here"):
        roll.undo()


def test_no_notes(lib: Library, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"has no notes: make them with al.process\(song, recipe='full'\)"):
        PianoRoll(song_of(lib, tmp_path))


def test_static_view(song: Sound, lib: Library) -> None:
    lib.rename(song.id, "<img src=x onerror=1>")
    html = PianoRoll(song).static_html()
    assert "<img src=x" not in html
    assert html.count("data:image/svg+xml") == 2
    assert "40 to 45" in html
    assert repr(PianoRoll(song.stems["bass"])) == "PianoRoll('bass')"


def test_ten_thousand_notes_fit_into_the_static_view(song: Sound, lib: Library) -> None:
    many = [{"start": i / 3000, "end": i / 3000 + 0.01, "pitch": 30 + i % 60, "velocity": 90} for i in range(10_000)]
    song.stems["bass"].edit("midi", notes=many)
    assert len(PianoRoll(song).static_html()) < 300_000


def test_blocks_of_notes_fit_together() -> None:
    for drums, notes in ((False, BASS), (True, DRUMS)):
        source = NoteSource(notes, frames=3 * RATE, sample_rate=RATE, drums=drums)
        whole = Audio.from_source(source).samples
        parts = np.concatenate(list(source.blocks(1000, start=500, stop=3 * RATE - 7)), axis=1)
        np.testing.assert_allclose(parts, whole[:, 500:-7], atol=1e-7)
        assert 0.01 < np.abs(whole).max() < 1
    with pytest.raises(ParameterError, match="cannot be played"):
        NoteSource([{"start": 1.0, "end": 1.0, "pitch": 60}], frames=RATE, sample_rate=RATE)

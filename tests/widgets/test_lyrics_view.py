"""`LyricsView`: words, corrections, chops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mixing import RATE, Page, record, song_of

from audiolab.errors import ParameterError
from audiolab.library import HandCut, Library, Sound
from audiolab.stages.words.flags import FLAGS
from audiolab.widgets.lyrics_view import FLAG_REASONS, LyricsView


def word(start: float, end: float, text: str, probability: float = 0.9) -> dict[str, object]:
    return {"start": start, "end": end, "word": text, "probability": probability}


LINES = [
    {
        "start": 0.5, "end": 1.5, "text": "Hold me now", "flags": [],
        "words": [word(0.5, 0.8, "Hold"), word(0.9, 1.1, "me", 0.3), word(1.2, 1.5, "now")],
    },
    {
        "start": 2.0, "end": 3.0, "text": "Thanks for watching", "flags": ["stock-phrase", "no-speech"],
        "words": [word(2.0, 2.3, "Thanks"), word(2.3, 2.5, "for"), word(2.5, 3.0, "watching")],
    },
]  # fmt: skip


@pytest.fixture
def lib(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "lib", actor="tester") as library:
        yield library


@pytest.fixture
def song(lib: Library, tmp_path: Path) -> Sound:
    song = song_of(lib, tmp_path)
    record(lib, song.stems["vocals"], "lyrics", {"language": "en", "segments": LINES})
    return song


def texts(song: Sound) -> list[str]:
    return [line["text"] for line in (song.lyrics or {})["segments"]]


def test_what_the_page_gets(song: Sound) -> None:
    view = LyricsView(song)
    page = Page(view)
    told = page.ask("words")["result"]
    assert told["lines"] == LINES
    assert set(told["reasons"]) == set(FLAGS) == set(FLAG_REASONS)
    assert (told["undo"], told["redo"], told["language"]) == (0, 0, "en")
    tracks = page.ask("tracks")["result"]
    assert tracks["song"]["frames"] == tracks["voice"]["frames"] == song.frames
    assert Page(LyricsView(song.stems["vocals"])).ask("tracks")["result"]["voice"] is None


def test_edits_lie_over_what_was_found(song: Sound, lib: Library) -> None:
    view = LyricsView(song)
    page = Page(view)
    vocals = song.stems["vocals"]
    revision = page.ask("words")["result"]["revision"]
    page.ask("edit_word", line=0, word=1, text=" you ", revision=revision)
    assert texts(song)[0] == "Hold you now"
    changed = song.lyrics["segments"][0]["words"][1]
    assert changed == {"start": 0.9, "end": 1.1, "word": "you", "probability": 1.0, "edited": True}
    assert "changed elsewhere" in page.ask("edit_word", line=0, word=1, text="x", revision=revision)["error"]
    page.ask("edit_word", line=0, word=2, start=1.25, end=1.8)
    assert song.lyrics["segments"][0]["end"] == 1.8
    record(lib, vocals, "lyrics", {"language": "en", "segments": [], "model": "newer"})
    assert texts(song)[0] == "Hold you now", "a new transcription does not overwrite it"
    assert lib.query('lyrics:"hold you now"').ids
    assert len(page.events("words")) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"text": "  "}, "needs some text"),
        ({"start": 2.0}, "start before end"),
        ({"start": 0.1, "end": 1.0}, "begin before 'Hold'"),
        ({"start": 1.3, "end": 1.4}, "begin after 'now'"),
        ({"end": 99.0}, "between 0 and 4.00 s"),
        ({"start": float("nan")}, "between 0 and"),
    ],
)
def test_bad_edits_change_nothing(song: Sound, change: dict[str, object], why: str) -> None:
    page = Page(LyricsView(song))
    assert why in page.ask("edit_word", line=0, word=1, **change)["error"]
    assert "no word 9" in page.ask("edit_word", line=0, word=8, text="x")["error"]
    assert "no line 7" in page.ask("remove_line", line=6)["error"]
    assert song.lyrics["segments"] == LINES


def test_insert_remove_accept(song: Sound) -> None:
    view = LyricsView(song)
    view.insert_word(0, 1, "on", start=0.8, end=0.9)
    assert texts(song)[0] == "Hold on me now"
    view.remove_word(0, 2)
    view.remove_word(0, 2)
    assert texts(song)[0] == "Hold on"
    assert song.lyrics["segments"][0]["end"] == 0.9
    view.accept_line(1)
    assert song.lyrics["segments"][1]["flags"] == []
    view.remove_line(1)
    view.remove_word(0, 0)
    view.remove_word(0, 0)
    assert texts(song) == []
    for _ in range(7):
        view.undo()
    assert song.lyrics["segments"] == LINES
    view.redo()
    assert texts(song)[0] == "Hold on me now"


def test_chinese_words_stay_together(lib: Library, tmp_path: Path) -> None:
    song = song_of(lib, tmp_path)
    line = {"start": 0, "end": 1, "text": "你好吗", "flags": [], "words": [word(0, 0.5, "你好"), word(0.5, 1, "吗")]}
    record(lib, song, "lyrics", {"segments": [line]})
    LyricsView(song).edit_word(0, 1, text="嗎")
    assert texts(song) == ["你好嗎"]


def test_chops(song: Sound, lib: Library) -> None:
    view = LyricsView(song)
    page = Page(view)
    view.selection = [(0, 0), (0, 1), (1, 2)]
    made = page.ask("chop")["result"]["chops"]
    assert [chop["name"] for chop in made] == ["Hold", "me", "watching"]
    first = lib.sound(made[0]["id"])
    assert first.parent == song.stems["vocals"]
    assert first.label == "vocal"
    assert (first.start, first.stop) == (round(0.48 * RATE), round(0.82 * RATE))
    np.testing.assert_array_equal(
        first.audio().samples, song.stems["vocals"].audio().samples[:, first.start : first.stop]
    )
    assert lib.query("word:hold").ids == [first.id]
    assert page.ask("words")["result"]["undo"] == 1
    (other,) = lib.cut(song.stems["vocals"], [HandCut(0, 100, "by another hand")])
    page.ask("undo")
    assert lib.query("kind:sample").ids == [other.id]
    page.ask("redo")
    assert len(lib.query("label:vocal")) == 3
    view.chop([[0, 0], [0, 1], [0, 2], [1, 0]], together=True, padding=0.5)
    phrase = view.chopped[0]
    assert [chop.name for chop in view.chopped] == ["Hold me now", "Thanks"]
    assert phrase.stop == round(1.75 * RATE), "padding ends in the middle of the gap"
    assert "nothing was cut: line 1 has no word 9" in page.ask("chop", words=[[0, 8]])["error"]
    view.selection = []
    assert "choose words first" in page.ask("chop")["error"]


def test_selection_follows_the_words(song: Sound) -> None:
    view = LyricsView(song)
    view.selection = [[1, 2]]
    with pytest.raises(ParameterError, match="no word 5 in line 0"):
        view.selection = [[0, 5]]
    view.remove_line(0)
    assert view.selection == []


def test_no_lyrics(lib: Library, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"al.process\(song, recipe='full'\)"):
        LyricsView(song_of(lib, tmp_path))
    with pytest.raises(ParameterError, match="not int"):
        LyricsView(3)


def test_static_view(song: Sound) -> None:
    view = LyricsView(song, hear="voice")
    view.edit_word(0, 0, text="<img src=x onerror=1>")
    html = view.static_html()
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=1&gt;" in html
    assert "<u>me</u>" in html
    assert "stock-phrase: a phrase that recognisers learnt" in html
    assert "data:audio/mpeg" in html
    assert repr(view) == "LyricsView('song')"
    with pytest.raises(ParameterError, match="the song or the voice"):
        LyricsView(song, hear="nothing")

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.errors import ExportError, ParameterError
from audiolab.stages.words import FORMATS, Line, LyricSheet, Word, write_lyrics
from audiolab.stages.words.formats import to_enhanced_lrc, to_lrc, to_srt, to_text
from audiolab.stages.words.sheet import Evidence


def sheet(*lines: Line, duration: float = 200.0) -> LyricSheet:
    return LyricSheet("a.wav", "en", 0.9, "whisper", "tiny", lines, duration)


HELLO = Line(
    1.234, 2.5, "Hello world", (Word(1.234, 1.6, " Hello", 0.9), Word(1.7, 2.5, " world", 0.8)),
    evidence=Evidence(-0.25, 1.1, 0.01),
)  # fmt: skip
AGAIN = Line(61.999, 63.0, "Again -->\nand [again]", (), ("repeat",))


def test_text_has_verses():
    assert to_text(sheet(HELLO, AGAIN)) == "Hello world\n\nAgain --> and [again]\n"
    assert to_text(sheet()) == ""


def test_lrc():
    assert to_lrc(sheet(HELLO, AGAIN)).splitlines() == [
        "[length:03:20]", "[re:audiolab]", "[la:en]",
        "[00:01.23]Hello world", "[00:02.50]", "[01:02.00]Again --) and (again)", "[01:03.00]",
    ]  # fmt: skip


def test_enhanced_lrc():
    rows = to_enhanced_lrc(sheet(HELLO, AGAIN)).splitlines()
    assert rows[3] == "[00:01.23] <00:01.23> Hello <00:01.70> world <00:02.50>"
    assert rows[4].startswith("[01:02.00]Again")


def test_srt():
    assert to_srt(sheet(HELLO, AGAIN)) == (
        "1\n00:00:01,234 --> 00:00:02,500\nHello world\n\n2\n00:01:01,999 --> 00:01:03,000\nAgain → and [again]\n"
    )
    assert to_srt(sheet()) == ""


lines = st.lists(
    st.tuples(st.floats(0, 20_000), st.floats(0, 30), st.text(min_size=1)), max_size=8
).map(lambda rows: [Line(s, s + d, t) for s, d, t in sorted(rows)])  # fmt: skip


@given(lines)
def test_times_survive_every_format(made):
    made = [line for line in made if line.text.split()]
    subtitles = re.findall(
        r"^(\d\d+):(\d\d):(\d\d),(\d{3}) --> (\d\d+):(\d\d):(\d\d),(\d{3})$", to_srt(sheet(*made)), re.M
    )
    assert len(subtitles) == len(made)
    for found, line in zip(subtitles, made, strict=True):
        h, m, s, ms, h2, m2, s2, ms2 = map(int, found)
        start, end = ((h * 60 + m) * 60 + s) * 1000 + ms, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2
        assert abs(start / 1000 - line.start) <= 0.0006
        assert start < end
        assert m < 60
        assert s < 60
    stamps = re.findall(r"^\[(\d\d+):(\d\d)\.(\d\d)\].", to_lrc(sheet(*made)), re.M)
    assert len(stamps) == len(made)
    for (m, s, c), line in zip(stamps, made, strict=True):
        assert abs(int(m) * 60 + int(s) + int(c) / 100 - line.start) <= 0.006
        assert int(s) < 60


def test_json_reads_back(tmp_path):
    made = sheet(HELLO, AGAIN)
    paths = write_lyrics(made, tmp_path / "new", "song", formats=tuple(FORMATS))
    assert [path.name for path in paths] == [
        "song.txt",
        "song.lrc",
        "song.enhanced.lrc",
        "song.srt",
        "song.vtt",
        "song.ass",
        "song.json",
    ]
    document = json.loads(paths[-1].read_text("utf-8"))
    assert document["path"] == "a.wav"
    assert document["segments"][0]["evidence"]["average_log_probability"] == -0.25
    assert "evidence" not in document["segments"][1]
    assert document["segments"][0]["words"][1] == {"start": 1.7, "end": 2.5, "word": " world", "probability": 0.8}
    back = LyricSheet.from_document(document)
    assert back.lines == made.lines
    assert back.text == made.text
    assert set(document) == {"path", "language", "language_probability", "engine", "model", "duration", "segments"}


def test_bad_targets(tmp_path):
    with pytest.raises(ParameterError, match="docx"):
        write_lyrics(sheet(HELLO), tmp_path, "x", formats=("docx",))
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot write"):
        write_lyrics(sheet(HELLO), tmp_path / "file", "x")

"""WebVTT and ASS, read back by small readers written from the formats' descriptions."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.stages.words import FORMATS, Line, LyricSheet, Word
from audiolab.stages.words.subtitles import one_line, to_ass, to_vtt

GOLDEN = Path(__file__).parent / "golden"


def sheet(*lines: Line, language="en", duration: float = 200.0) -> LyricSheet:
    return LyricSheet("My Song {live}.wav", language, 0.9, "whisper", "tiny", lines, duration)


def words(*items: tuple[float, float, str]) -> tuple[Word, ...]:
    return tuple(Word(start, end, word, 0.9) for start, end, word in items)


SONG = sheet(
    Line(1.234, 2.5, "Hello <big> world", words((1.234, 1.6, " Hello"), (1.7, 1.9, " <big>"), (1.9, 2.5, " world"))),
    Line(2.4, 4.0, "R&B -->\n{soul}\\N", (), ("repeat",)),
    Line(61.999, 64.0, "君と夜", words((61.999, 62.5, "君"), (62.5, 63.005, "と"), (63.2, 63.9, "夜"))),
    Line(3700.0, 3701.0, "don't stop", words((3700.0, 3700.4, "don't"), (3700.5, 3700.9, "stop"))),
    duration=3800.0,
)  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "json"])
def test_golden_files(kind):
    assert FORMATS[kind](SONG) == (GOLDEN / f"song.{kind}").read_text("utf-8")


# ---- readers -------------------------------------------------------------------------------------

VTT_TIME = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})")


def vtt_time(text: str) -> int:
    h, m, s, ms = map(int, VTT_TIME.fullmatch(text).groups())
    return ((h * 60 + m) * 60 + s) * 1000 + ms


def read_vtt(text: str) -> list[tuple[int, int, str, list[int]]]:
    """Give start, end, text and inner timestamps of each cue; refuse what the format forbids."""
    head, *blocks = text.split("\n\n")
    assert head == "WEBVTT" or (head == "WEBVTT\n" and not blocks)
    cues = []
    for block in blocks:
        timing, payload = block.rstrip("\n").split("\n")
        start, end = map(vtt_time, timing.split(" --> "))
        assert start < end
        assert "-->" not in payload
        stamps = [vtt_time(stamp) for stamp in re.findall(r"<([\d:.]+)>", payload)]
        assert all(a < b for a, b in pairwise([start, *stamps, end]))
        plain = re.sub(r"<[^>]*>", "", payload)
        assert re.sub(r"&(amp|lt|gt);", "", plain).count("&") == 0
        for sign, name in (("<", "&lt;"), (">", "&gt;"), ("&", "&amp;")):
            plain = plain.replace(name, sign)
        cues.append((start, end, plain, stamps))
    return cues


def ass_time(text: str) -> int:
    h, m, s, cs = map(int, re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)\.(\d\d)", text).groups())
    return ((h * 60 + m) * 60 + s) * 100 + cs


def read_ass(text: str) -> list[tuple[int, int, str, list[tuple[int, int, str]]]]:
    """Give start, end, text and (start, end, text) of each syllable of each event."""
    sections = dict(re.findall(r"^\[([^\]]+)\]\n((?:(?!\[).*\n?)*)", text, re.M))
    assert set(sections) == {"Script Info", "V4+ Styles", "Events"}
    assert "ScriptType: v4.00+" in sections["Script Info"].splitlines()
    layout, style = sections["V4+ Styles"].strip().splitlines()
    assert len(style.split(",")) == len(layout.split(","))
    fields, *events = sections["Events"].strip().splitlines()
    names = [name.strip() for name in fields.removeprefix("Format:").split(",")]
    assert names[-1] == "Text"
    found = []
    for event in events:
        row = dict(zip(names, event.removeprefix("Dialogue:").strip().split(",", len(names) - 1), strict=True))
        assert row["Style"] == "Karaoke"
        start, end = ass_time(row["Start"]), ass_time(row["End"])
        assert start < end
        at, syllables = start, []
        for length, said in re.findall(r"\{\\k(\d+)\}([^{}]*)", row["Text"]):
            syllables.append((at, at + int(length), said))
            at += int(length)
        assert not syllables or at == end  # the tags add up to the line
        plain = re.sub(r"\{[^}]*\}", "", row["Text"])
        assert "\\" not in plain
        found.append((start, end, plain, syllables))
    return found


def test_the_golden_song_reads_back():
    assert [cue[2] for cue in read_vtt(to_vtt(SONG))] == [one_line(line.text) for line in SONG.lines]
    found = read_ass(to_ass(SONG))
    assert [event[2] for event in found] == ["Hello <big> world", "R&B --> (soul)/N", "君と夜", "don't stop"]
    assert [(s, e, t) for s, e, t in found[0][3] if t.strip()] == [
        (123, 160, "Hello "), (170, 190, "<big> "), (190, 240, "world"),
    ]  # fmt: skip


def test_no_lines():
    assert read_vtt(to_vtt(sheet())) == []
    assert read_ass(to_ass(sheet())) == []


said = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=8)
gaps = st.floats(0, 3, allow_nan=False)


@st.composite
def sheets(draw):
    """Lines in order whose words are in order, apart, touching, empty or longer than the line's place."""
    lines, at = [], draw(st.floats(0, 20_000))
    for _ in range(draw(st.integers(0, 5))):
        own = []
        for _ in range(draw(st.integers(0, 6))):
            start = at + draw(gaps)
            at = start + draw(gaps)
            own.append(Word(start, at, draw(st.sampled_from(["", " "])) + draw(said), 0.5))
        start = own[0].start if own else at
        text = "".join(word.word for word in own).strip() if own else draw(said)
        lines.append(Line(start, max(at, start), text, tuple(own)))
        at += draw(st.floats(-1, 5)) if draw(st.booleans()) else 0
        at = max(at, start)
    return sheet(*lines)


@given(sheets())
def test_whatever_is_written_can_be_read(made):
    made = sheet(*(line for line in made.lines if line.text.split()))
    cues, events = read_vtt(to_vtt(made)), read_ass(to_ass(made))
    assert len(cues) == len(events) == len(made.lines)
    for line, cue, event in zip(made.lines, cues, events, strict=True):
        assert abs(cue[0] - line.start * 1000) <= 0.51
        assert abs(event[0] - line.start * 100) <= 0.51
        # spaces are put in order, everything else stays as it is
        squeezed = "".join(line.text.split())
        assert "".join(cue[2].split()) == squeezed
        assert "".join(event[2].split()) == squeezed.translate(str.maketrans("{}\\", "()/"))
        times = [word.start * 100 for word in line.words if one_line(word.word)]
        sung = [start for start, _, text in event[3] if text.strip()]
        assert len(sung) == len(times)
        assert all(abs(a - b) <= 0.51 or b >= event[1] - 0.51 for a, b in zip(sung, times, strict=True))
        assert all(any(abs(stamp - word.start * 1000) <= 0.51 for word in line.words) for stamp in cue[3])

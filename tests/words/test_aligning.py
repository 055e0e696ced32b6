"""Known lyrics: the text stays as it is, and its words land where they are sung."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab import weights
from audiolab.audio import Audio
from audiolab.errors import ParameterError
from audiolab.stages import words as room
from audiolab.stages.base import SoundInput, StageInput
from audiolab.stages.registry import get_stage
from audiolab.stages.words import LyricsParams
from audiolab.stages.words.aligning import align_text
from audiolab.stages.words.hearing import Aligner
from audiolab.stages.words.known import read_text
from audiolab.stages.words.measuring import word_times

from .coded import AligningListener, BadListener, CodedSound, Listener, Sung

CHORUS = ["Don't", "let", "the", "morning", "take", "you", "home,"]


def song(lines: int, seed: int, per_line: int = 7) -> tuple[list[Sung], list[str]]:
    """Lines of words with short breaths between, longer ones after four lines; every third line is the chorus."""
    rng = np.random.default_rng(seed)
    words, rows, at = [], [], 100
    for line in range(lines):
        said = CHORUS if line % 3 == 2 else [f"{'aeiou'[rng.integers(5)]}w{line}x{i}" for i in range(per_line)]
        for text in said:
            length = int(rng.integers(15, 60))
            words.append(Sung(at, at + length, text.lower().strip(",")))
            at += length + int(rng.choice([0, 5, 20]))
        rows.append(" ".join(said))
        at += 400 if line % 4 == 3 else 30
    return words, rows


def run(words, rows, engine, **options):
    source = CodedSound(words, words[-1].stop / 100 + 1)
    lines, language, _ = align_text(source, engine, "\n".join(rows), language="en", **options)
    assert language == "en"
    check(lines, rows, source.frames / source.sample_rate)
    return lines


def check(lines, rows, duration):
    """Nothing of the text is lost or changed, and time only goes on."""
    assert [line.text for line in lines] == [row.strip() for row in rows if row.strip()]
    for line in lines:
        assert not line.words or "".join(word.word for word in line.words) == line.text
        assert 0 <= line.start <= line.end <= duration
    words = [word for line in lines for word in line.words]
    assert all(word.start <= word.end for word in words)
    assert all(a.end <= b.start for a, b in pairwise(words))


def errors(words, lines):
    found = [word for line in lines for word in line.words]
    return np.abs(np.array([word.start for word in found]) - np.array([word.start for word in words]) / 100)


@pytest.mark.parametrize("seed", range(4))
def test_words_land_where_they_are_sung(seed):
    words, rows = song(30, seed)
    lines = run(words, rows, AligningListener(words))
    assert errors(words, lines).max() < 0.02
    assert all(line.flags == () for line in lines)


@pytest.mark.parametrize("seed", range(6))
def test_misheard_words_are_found_by_alignment(seed):
    words, rows = song(36, seed)
    rng = np.random.default_rng(seed)
    misheard = np.flatnonzero(rng.random(len(words)) < 0.4)
    unheard = np.flatnonzero(rng.random(len(words)) < 0.2)
    lines = run(words, rows, AligningListener(words, misheard, unheard))
    assert np.mean(errors(words, lines) < 0.02) > 0.97
    assert np.max(errors(words, lines)) < 3


def test_a_chorus_that_was_not_heard_does_not_shift_the_others():
    words, rows = song(36, 3)
    chorus = [i for i, word in enumerate(words) if word.text == "don't"]
    unheard = [i + k for i in chorus[::2] for k in range(len(CHORUS))]
    lines = run(words, rows, AligningListener(words, unheard=unheard))
    assert np.mean(errors(words, lines) < 0.02) > 0.97


def test_where_nothing_was_recognised_times_are_guessed_and_flagged():
    words, rows = song(40, 5)
    half = len(words) // 2
    gone = range(half - 80, half + 80)
    lines = run(words, rows, AligningListener(words, unheard=gone))
    guessed = [line for line in lines if "unaligned" in line.flags]
    assert 4 <= len(guessed) <= 160 // 7 + 2
    assert all(word.probability == 0 for line in guessed for word in line.words)
    known = [i for i, word in enumerate(w for line in lines for w in line.words) if word.probability > 0]
    assert np.mean(errors(words, lines)[known] < 0.05) > 0.97
    assert errors(words, lines).max() < 3


def test_an_engine_that_cannot_align():
    words, rows = song(36, 1)
    assert not isinstance(Listener(words), Aligner)
    rng = np.random.default_rng(1)
    misheard = np.flatnonzero(rng.random(len(words)) < 0.3)
    lines = run(words, rows, BadListener(words, misheard))
    found = errors(words, lines)
    heard = np.setdiff1d(np.arange(len(words)), misheard)
    assert np.mean(found[heard] < 0.02) > 0.98
    # Words between two recognised ones are off by less than those are apart.
    assert np.median(found[misheard]) < 0.3
    assert found.max() < 4


def test_another_song_is_all_guesses():
    words, _ = song(12, 1)
    rows = ["nothing of this", "was ever sung", "in that song"]
    lines = run(words, rows, AligningListener(words))
    assert all(line.flags == ("unaligned",) for line in lines)


def test_silence_is_all_guesses():
    source = Audio(np.zeros((2, 44100 * 8), np.float32), 44100)
    lines, language, _ = align_text(source, Listener([]), "one two\nthree")
    check(lines, ["one two", "three"], 8.0)
    assert language is None
    assert all(line.flags == ("unaligned",) for line in lines)


def test_headings_stay_and_are_not_aligned():
    words, rows = song(9, 2)
    text = ["[Verse 1]", *rows[:4], "", "   ", "[Chorus]:", *rows[4:], "♪", "(x2)"]
    lines = run(words, text, AligningListener(words))
    headings = [line for line in lines if not line.words]
    assert [line.text for line in headings] == ["[Verse 1]", "[Chorus]:", "♪", "(x2)"]
    assert headings[1].start == next(line for line in lines if line.text == rows[4]).start
    assert errors(words, lines).max() < 0.02


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Don't – stop, now!", ["Don't –", " stop,", " now!"]),
        ("  “Hey”  you ", ["“Hey”", "  you"]),
        ("- one", ["- one"]),
        ("君と、夜 hello", ["君", "と、", "夜", " hello"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
    ],
)
def test_lines_are_cut_into_words_without_loss(line, expected):
    (known,) = read_text(line)
    assert "".join(word.text for word in known.words) == known.text
    if line != "สวัสดี":
        assert [word.text for word in known.words] == expected


@pytest.mark.parametrize("text", ["", "  \n\n", "[Chorus]", "♪ – …"])
def test_texts_without_words_are_refused(text):
    with pytest.raises(ParameterError, match="no words"):
        read_text(text)


@settings(max_examples=40)
@given(st.text(max_size=300), st.integers(0, 3))
def test_any_text_stays_as_it_is(text, seed):
    words, _ = song(6, seed)
    try:
        known = read_text(text)
    except ParameterError:
        return
    rows = [line.text for line in known]
    source = CodedSound(words, words[-1].stop / 100 + 1)
    for engine in (AligningListener(words), Listener(words)):
        lines, _, _ = align_text(source, engine, text, language="en")
        check(lines, rows, source.frames / source.sample_rate)


# ---- the real engines ----------------------------------------------------------------------------

TEXT = """Sing along with me
Sing along, won't you – sing
una canción que no termina

Sing along with me (hey)"""


def voice(*times, seconds=40.0, rate=44100):
    time = np.arange(round(seconds * rate)) / rate
    wave = np.zeros((2, len(time)), np.float32)
    for start, stop in times:
        inside = (time >= start) & (time < stop)
        wave[:, inside] = 0.2 * np.sin(2 * np.pi * (300 + 40 * np.sin(30 * time[inside])) * time[inside])
    return Audio(wave, rate, "voice")


@pytest.mark.parametrize("engine", ["whisper", "faster-whisper"])
def test_the_real_engines_align(engine, request, tmp_path):
    pytest.importorskip("whisper")
    if engine == "faster-whisper":
        weights.import_file(request.getfixturevalue("folder"), "model")
    else:
        weights.import_file(request.getfixturevalue("checkpoint"), "model")
    sound = voice((1.0, 3.5), (6.0, 36.0))
    (tmp_path / "text.txt").write_text("\ufeff" + TEXT, "utf-8")
    sheet = room.lyrics(sound, model="model", engine=engine, language="en", text_file=tmp_path / "text.txt")
    check(list(sheet.lines), TEXT.splitlines(), 40.0)
    assert any(word.probability > 0 for word in sheet.words)
    assert sheet.lines == room.lyrics(sound, model="model", engine=engine, language="en", text=TEXT).lines
    found = get_stage("lyrics")
    resolved = found.resolve(LyricsParams(model="model", engine=engine, language="en", text=TEXT))
    job = StageInput((SoundInput("key", "a stem", "stem", sound, "vocals"),), tmp_path)
    document = found.run(job, resolved).document
    assert [line["text"] for line in document["segments"]] == [line.text for line in sheet.lines]


def test_a_text_too_long_for_a_window_is_still_whole(checkpoint):
    pytest.importorskip("whisper")
    weights.import_file(checkpoint, "model")
    text = "\n".join(["Sing along with me"] * 150)
    sheet = room.lyrics(voice((1.0, 9.0), seconds=10), model="model", language="en", text=text)
    check(list(sheet.lines), text.splitlines(), 10.0)


def test_text_and_file_are_refused_if_they_make_no_sense(tmp_path):
    (tmp_path / "latin.txt").write_bytes("canción".encode("latin-1"))
    for options, message in (
        ({"text": "a", "text_file": "b"}, "not both"),
        ({"text_file": tmp_path / "none.txt"}, "cannot read"),
        ({"text_file": tmp_path / "latin.txt"}, "UTF-8"),
        ({"text": " "}, "no words"),
    ):
        with pytest.raises(ParameterError, match=message):
            room.lyrics(voice((1, 2), seconds=3), **options)


def test_alignment_is_measured_as_the_benchmarks_do():
    words, rows = song(30, 9)
    lines = run(words, rows, AligningListener(words, misheard=range(0, len(words), 3)))
    truth = [(word.start / 100, word.stop / 100, word.text) for word in words]
    found = [(word.start, word.end, word.word) for line in lines for word in line.words]
    measured = word_times(truth, found)
    assert measured["matched"] == 1
    assert measured["median_abs_s"] < 0.02
    assert measured["within_0_3"] > 0.97

"""Real voices, for whoever has official weights: a known speech, and two songs whose words were timed by hand.

Run with `pytest -m shared -s tests/words/test_real.py`; the figures are printed. Without weights only the reading of
the references is tested. The songs are full mixes: separate them first for better figures.
"""

from __future__ import annotations

import csv
from itertools import pairwise

import pytest

from audiolab.config import get_settings
from audiolab.stages import words as room
from audiolab.stages.words import choosing
from audiolab.stages.words.faster_engine import faster_whisper_installed
from audiolab.stages.words.measuring import wer, word_times
from audiolab.stages.words.whisper_engine import whisper_installed

pytestmark = pytest.mark.shared

SPEECH = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country"
SONGS = {"Fantasma_-_Los_Rombos": "es", "Mes_Larmes_-_kobzx2z": "fr"}


def reference(folder, name):
    """Read a song of JamendoLyrics: the words of the text in order, each with the row of its times."""
    text = (folder / f"{name}.txt").read_text("utf-8")
    with (folder / f"{name}.words.csv").open(encoding="utf-8") as file:
        rows = [(float(row["word_start"]), float(row["word_end"])) for row in csv.DictReader(file)]
    return text, [(start, end, word) for (start, end), word in zip(rows, text.split(), strict=True)]


@pytest.mark.parametrize("name", SONGS)
def test_references(shared_data, name):
    text, truth = reference(shared_data / "music" / "lyrics", name)
    assert len(truth) > 80
    assert all(start <= end for start, end, _ in truth)
    assert wer(text, " ".join(word for _, _, word in truth)) == 0
    late = [(start + 0.2, end, word) for start, end, word in truth]
    measured = word_times(truth, late)
    assert measured["matched"] == 1
    assert measured["median_abs_s"] == pytest.approx(0.2)
    assert measured["within_0_3"] == 1


@pytest.fixture(params=["whisper", "faster-whisper"])
def engine(request, monkeypatch):
    """An engine whose official weights are in the user's own folder of models."""
    monkeypatch.delenv("AUDIOLAB_HOME")
    get_settings.cache_clear()
    installed = whisper_installed() if request.param == "whisper" else faster_whisper_installed()
    if not installed:
        pytest.skip(f"needs the package of the engine {request.param}")
    if choosing.find_weights("auto", request.param) is None:
        how = "audiolab models pull small" + ("" if request.param == "whisper" else " && audiolab models convert small")
        pytest.skip(f"needs official weights for the engine {request.param}: {how}")
    return request.param


@pytest.mark.slow
def test_a_known_speech(engine, shared_data):
    sheet = room.lyrics(shared_data / "music" / "speech" / "jfk.flac", engine=engine)
    assert sheet.language == "en"
    found = wer(SPEECH, sheet.text)
    print(f"{engine} {sheet.model}: jfk.flac WER {found:.3f}")
    assert found <= 0.15
    words = sheet.words
    assert all(a.start <= b.start for a, b in pairwise(words))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "language"), SONGS.items())
def test_songs_with_word_times(engine, shared_data, name, language):
    folder = shared_data / "music" / "lyrics"
    text, truth = reference(folder, name)
    heard = room.lyrics(folder / f"{name}.mp3", engine=engine, language=language)
    aligned = room.lyrics(folder / f"{name}.mp3", engine=engine, language=language, text=text)
    for what, sheet in (("transcribed", heard), ("aligned", aligned)):
        measured = word_times(truth, [(word.start, word.end, word.word) for word in sheet.words])
        print(f"{engine} {sheet.model}: {name} {what}: WER {wer(text, sheet.text):.3f}, {measured}")
    assert wer(text, aligned.text) == 0
    assert measured["matched"] == 1
    # Whoever sings along should find the line; no figure of ours stands behind this bound.
    assert measured["median_abs_s"] < 1.0

"""What every engine of the stage must do, checked alike: whisper, faster-whisper, and the scripted ones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from audiolab import weights
from audiolab.audio import Audio
from audiolab.errors import ParameterError
from audiolab.stages.words import Heard, Transcriber, faster_engine, transcribe, whisper_engine
from audiolab.stages.words.aligning import align_text
from audiolab.stages.words.hearing import ENGINE_RATE, Aligner

from .coded import AligningListener, Listener

ENGINES = ("whisper", "faster-whisper", "faster-whisper int8", "listener", "aligning listener")
TEXT = "Sing along with me\nuntil the morning"


@pytest.fixture(params=ENGINES)
def engine(request):
    name = request.param
    if name == "whisper":
        pytest.importorskip("whisper", reason="needs openai-whisper: pip install 'audiolab[lyrics]'")
        found = weights.find(weights.import_file(request.getfixturevalue("checkpoint"), "model"))
        yield whisper_engine.WhisperEngine(found)
        whisper_engine._load.cache_clear()
    elif name.startswith("faster"):
        found = weights.find(weights.import_file(request.getfixturevalue("folder"), "model"))
        yield faster_engine.FasterWhisperEngine(found, dtype="int8" if "int8" in name else "float32")
        faster_engine._load.cache_clear()
    else:
        yield (AligningListener if "aligning" in name else Listener)([])


def window(seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * ENGINE_RATE)) / ENGINE_RATE
    return (0.2 * np.sin(2 * np.pi * (300 + 60 * np.sin(9 * time)) * time)).astype(np.float32)


def song(rate: int, channels: int) -> Audio:
    time = np.arange(round(9.3 * rate)) / rate
    on = ((time > 1) & (time < 4)) | ((time > 6) & (time < 8.5))
    wave = np.where(on, 0.2 * np.sin(2 * np.pi * 300 * time), 0)
    return Audio(np.repeat(wave[None], channels, 0).astype(np.float32), rate, "song")


@pytest.mark.parametrize("seconds", [0.3, 5.0, 28.0])
def test_windows(engine, seconds):
    """Segments and words lie in the window, in order, and are the same for the same seed."""
    assert isinstance(engine, Transcriber)
    audio = window(seconds)
    given = audio.copy()
    found = list(engine.transcribe(audio, language="en", seed=4))
    assert np.array_equal(audio, given)
    assert found == list(engine.transcribe(audio, language="en", seed=4))
    for heard in found:
        assert isinstance(heard, Heard)
        assert heard.text.strip()
        assert 0 <= heard.start <= heard.end <= 30
        assert heard.compression_ratio > 0
        assert heard.average_log_probability <= 0
        assert 0 <= heard.no_speech_probability <= 1
        assert "".join(word.word for word in heard.words) in ("", heard.text)
        for word in heard.words:
            assert 0 <= word.start <= word.end <= 30
            assert 0 <= word.probability <= 1
        assert all(a.start <= b.start for a, b in pairwise(heard.words))
    assert all(a.start <= b.start for a, b in pairwise(found))


def test_languages(engine):
    found = engine.languages(window(4))
    assert found
    assert sum(found.values()) == pytest.approx(1, abs=1e-3)
    assert found == engine.languages(window(4))


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (96000, 2)])
def test_sounds_of_any_rate(engine, rate, channels):
    steps: list[float] = []
    sound = song(rate, channels)
    lines, language, _ = transcribe(sound, engine, progress=lambda done, total: steps.append(done / total))
    assert language is not None
    assert steps == sorted(steps)
    assert steps[-1] == 1
    for line in lines:
        for word in line.words:
            assert 0.7 <= word.start <= word.end <= 8.8
    assert transcribe(sound, engine) == transcribe(sound, engine)


@pytest.mark.parametrize("samples", [np.zeros((2, 44100)), np.full((1, 8000), 0.4), np.zeros((1, 0))])
def test_silence(engine, samples):
    assert transcribe(Audio(samples.astype(np.float32), 44100), engine) == ([], None, None)


def test_cancel(engine):
    class Stop(Exception):
        pass

    def stop(done, total):
        if done > 0.05:
            raise Stop

    for work in (lambda: transcribe(song(16000, 1), engine, progress=stop),
                 lambda: align_text(song(16000, 1), engine, TEXT, progress=stop)):  # fmt: skip
        with pytest.raises(Stop):
            work()


def test_known_text(engine):
    """An engine that aligns gives pieces that make up the text; with any engine the text comes out whole."""
    if isinstance(engine, Aligner) and not isinstance(engine, Listener):
        audio = window(6)
        pieces = engine.align(audio, " Sing along, don't you – niño 君と", language="en")
        assert "".join(piece.word for piece in pieces) == " Sing along, don't you – niño 君と"
        assert all(0 <= piece.start <= piece.end <= 6.05 for piece in pieces)
        assert all(a.start <= b.start for a, b in pairwise(pieces))
        assert list(engine.align(audio, "", language="en")) == []
        assert engine.align(audio, " la" * 500, language="en") is None
    lines, _, _ = align_text(song(22050, 1), engine, TEXT)
    assert [line.text for line in lines] == TEXT.splitlines()
    assert lines == align_text(song(22050, 1), engine, TEXT)[0]


def test_an_english_model_refuses_other_languages(engine, monkeypatch):
    if isinstance(engine, Listener):
        pytest.skip("knows every language")
    if isinstance(engine, whisper_engine.WhisperEngine):
        monkeypatch.setattr(type(engine.model), "is_multilingual", property(lambda self: False))
    else:

        class English:
            is_multilingual = False

        monkeypatch.setattr(engine.model, "model", English())
    with pytest.raises(ParameterError, match="English only"):
        engine.transcribe(window(1), language="es", seed=0)
    assert engine.languages(window(1)) == {"en": 1.0}

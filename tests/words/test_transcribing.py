"""A scripted engine: what reaches it, and what becomes of what it says."""

from __future__ import annotations

import numpy as np
import pytest

from audiolab.audio import Audio
from audiolab.errors import AudioError
from audiolab.stages.words import Heard, HeardWord, transcribe
from audiolab.stages.words.flags import repeats

RATE = 44100


class Scripted:
    """Hears a word for each burst of sound in its window, at the time where the burst is."""

    name = "scripted"

    def __init__(self, say=None):
        self.windows: list[np.ndarray] = []
        self.languages_asked = 0
        self.spoken: list[tuple[str, int]] = []
        self.say = say

    def languages(self, audio):
        self.languages_asked += 1
        return {"es": 0.7, "en": 0.3} if len(audio) > 16000 * 5 else {"es": 0.1, "en": 0.9}

    def transcribe(self, audio, *, language, seed):
        assert audio.dtype == np.float32
        assert audio.ndim == 1
        self.windows.append(audio)
        self.spoken.append((language, seed))
        if self.say is not None:
            return self.say(audio)
        words = [HeardWord(s, e, f" w{i}", 0.9) for i, (s, e) in enumerate(find_bursts(audio))]
        return [Heard(words[0].start, words[-1].end, "".join(w.word for w in words), tuple(words))]


def find_bursts(audio: np.ndarray) -> list[tuple[float, float]]:
    on = np.array([np.abs(frame).max() > 0.02 for frame in np.array_split(audio, max(len(audio) // 160, 1))])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(int)))
    return [(a / 100, b / 100) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def bursts(*times: tuple[float, float], seconds: float, channels: int = 2, rate: int = RATE) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    wave = np.zeros((channels, len(time)), np.float32)
    for start, stop in times:
        inside = (time >= start) & (time < stop)
        wave[:, inside] = 0.3 * np.sin(2 * np.pi * 440 * time[inside])
    return Audio(wave, rate, "song")


TIMES = ((3.0, 4.0), (4.6, 5.2), (40.0, 41.5), (80.0, 80.6), (118.0, 119.0))


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_words_land_where_they_are_sung(rate, channels):
    engine = Scripted()
    lines, language, probability = transcribe(bursts(*TIMES, seconds=125, rate=rate, channels=channels), engine)
    words = [word for line in lines for word in line.words]
    assert np.abs(np.array([(w.start, w.end) for w in words]) - np.array(TIMES)).max() < 0.03
    assert language == "es"
    assert probability == pytest.approx(0.7)
    assert engine.languages_asked == 1
    # the engine heard 4.7 s of voice and 0.5 s around each span, not 125 s
    assert len(engine.windows) == 1
    assert len(engine.windows[0]) / 16000 == pytest.approx(4.7 + 0.6 + 4 * 0.5, abs=0.2)


def test_no_line_runs_across_a_break():
    lines, _, _ = transcribe(bursts(*TIMES, seconds=125), Scripted(), language="en")
    assert [line.text for line in lines] == ["w0 w1", "w2", "w3", "w4"]
    assert all(line.end - line.start < 3 for line in lines)


def test_a_given_language_is_not_asked_for():
    engine = Scripted()
    _, language, probability = transcribe(bursts((1, 2), seconds=3), engine, language="fr")
    assert (language, probability, engine.languages_asked) == ("fr", None, 0)
    assert engine.spoken == [("fr", 0)]


def test_long_songs_go_window_by_window():
    times = tuple((i * 4.0 + 0.5, i * 4.0 + 3.0) for i in range(60))
    engine, steps = Scripted(), []
    lines, _, _ = transcribe(
        bursts(*times, seconds=241, rate=16000), engine, progress=lambda done, total: steps.append(done / total)
    )
    assert len(engine.windows) == 7
    assert max(len(window) for window in engine.windows) <= 28 * 16000 + 16
    words = [word for line in lines for word in line.words]
    assert len(words) == 60
    assert np.abs(np.array([(w.start, w.end) for w in words]) - np.array(times)).max() < 0.03
    assert engine.languages_asked == 3
    assert [seed for _, seed in engine.spoken] == list(range(7))
    assert steps == sorted(steps)
    assert steps[-1] == 1


def test_a_very_long_note_is_cut_and_still_whole():
    engine = Scripted()
    lines, _, _ = transcribe(bursts((2.0, 72.0), seconds=75, rate=16000), engine, language="en")
    assert len(engine.windows) == 3
    assert lines[0].start == pytest.approx(2, abs=0.03)
    assert lines[-1].end == pytest.approx(72, abs=0.03)


@pytest.mark.parametrize(
    "samples",
    [np.zeros((2, RATE * 2)), np.full((1, RATE), 0.4), np.zeros((1, 1)), np.ones((2, 1)), np.zeros((1, 0))],
    ids=["silence", "dc", "one sample", "one loud sample", "nothing"],
)
def test_what_holds_no_voice_never_reaches_the_engine(samples):
    engine = Scripted()
    assert transcribe(Audio(samples.astype(np.float32), RATE), engine) == ([], None, None)
    assert engine.windows == []
    assert engine.languages_asked == 0


def test_more_than_two_channels():
    sound = bursts((1, 2), seconds=3, channels=6)
    with pytest.raises(AudioError, match="6 channels"):
        transcribe(sound, Scripted())
    assert transcribe(sound, Scripted(), downmix=True)[0]


def heard(text="la la la", **values):
    start, end = values.pop("start", 0.3), values.pop("end", 0.9)
    return Heard(start, end, text, **values)


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        (heard(), ()),
        (heard(compression_ratio=2.5), ("compression-ratio",)),
        (heard(average_log_probability=-1.2), ("low-probability",)),
        (heard(average_log_probability=-1.2, no_speech_probability=0.7), ("no-speech", "low-probability")),
        (heard(no_speech_probability=0.9), ()),
        (heard("Thanks for watching!"), ("stock-phrase",)),
        (heard("Sous-titrage Société Radio-Canada"), ("stock-phrase",)),
        (heard("Subtítulos realizados por la comunidad de Amara.org"), ("stock-phrase",)),
        (heard("Untertitel im Auftrag des ZDF, 2017"), ("stock-phrase",)),
        (heard("İzlediğiniz için teşekkür ederim."), ("stock-phrase",)),
        (heard("ご視聴ありがとうございました"), ("stock-phrase",)),
        (heard("시청해주셔서 감사합니다!"), ("stock-phrase",)),
        (heard("Редактор субтитров А.Семкин"), ("stock-phrase",)),
        (heard("Thank you, thank you for the music"), ()),
        (heard("oh no oh no oh no oh no"), ("repeat",)),
        (heard("work it make it do it work it make it do it"), ()),
        (heard(start=20.0, end=21.0), ("outside-voice",)),
        (heard(words=(HeardWord(20.0, 21.0, "la", 0.2),)), ("outside-voice",)),
    ],
)
def test_doubtful_lines_are_flagged(said, flags):
    sound = bursts((1, 2), seconds=3)
    (line,), _, _ = transcribe(sound, Scripted(lambda audio: [said]), language="en")
    assert line.flags == flags
    assert line.evidence.compression_ratio == said.compression_ratio
    assert line.evidence.average_log_probability == said.average_log_probability
    assert line.evidence.no_speech_probability == said.no_speech_probability
    assert 0.75 <= line.start <= line.end <= 2.25 + 1e-6


def test_the_third_line_in_a_row_is_flagged_as_repeated():
    texts = ["Hey now", "hey, NOW!", "Hey now", "hey now", "something else", "hey now"]
    said = [heard(text, start=0.2 * i, end=0.2 * i + 0.1) for i, text in enumerate(texts)]
    lines, _, _ = transcribe(bursts((1, 3), seconds=4), Scripted(lambda audio: said), language="en")
    assert [("repeat" in line.flags) for line in lines] == [False, False, True, True, False, False]


def test_lines_by_turns_are_flagged_from_the_fourth_time_on():
    texts = [*"ab" * 5, "c", *"xyz" * 4, "d", *"xyz" * 3, "", ""]
    assert [i for i, mark in enumerate(repeats(texts)) if mark] == [6, 7, 8, 9, 20, 21, 22]
    assert repeats([]) == []
    assert repeats(["a"] * 5) == [False, False, True, True, True]


def test_empty_segments_are_dropped():
    lines, _, _ = transcribe(bursts((1, 2), seconds=3), Scripted(lambda audio: [heard("  ")]), language="en")
    assert lines == []


def test_cancel_passes_through():
    class Stop(Exception):
        pass

    def stop(done, total):
        if done > 0.5:
            raise Stop

    with pytest.raises(Stop):
        transcribe(bursts((1, 2), seconds=3), Scripted(), progress=stop)

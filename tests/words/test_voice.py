from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.audio import Audio
from audiolab.stages.words.voice import Span, Window, frame_levels, pack, voice_spans

RATE = 8000


def bursts(*times: tuple[float, float], seconds: float, level: float = 0.3, floor: float = 0.0) -> Audio:
    """Noise between the given times."""
    rng = np.random.default_rng(0)
    wave = floor * rng.standard_normal(round(seconds * RATE))
    for start, stop in times:
        part = slice(round(start * RATE), round(stop * RATE))
        wave[part] += level * rng.standard_normal(len(wave[part]))
    return Audio(wave.astype(np.float32), RATE)


def spans_of(sound: Audio, **options) -> list[tuple[float, float]]:
    spans = voice_spans(frame_levels(sound), sound.sample_rate, sound.frames, **options)
    return [(span.start / sound.sample_rate, span.stop / sound.sample_rate) for span in spans]


def test_spans_are_found_with_a_quarter_second_around():
    found = spans_of(bursts((2.0, 3.0), (6.0, 9.0), seconds=10))
    assert np.abs(np.array(found) - [(1.75, 3.25), (5.75, 9.25)]).max() <= 0.02


def test_short_pauses_belong_to_the_voice_and_clicks_do_not():
    found = spans_of(bursts((1.0, 2.0), (2.3, 3.0), (5.0, 5.04), (7.0, 8.0), seconds=9))
    assert np.abs(np.array(found) - [(0.75, 3.25), (6.75, 8.25)]).max() <= 0.02


def test_the_gate_is_relative_to_the_loud_moments():
    rng = np.random.default_rng(1)
    wave = 0.2 * rng.standard_normal(10 * RATE)
    wave[4 * RATE : 6 * RATE] *= 10 ** (-45 / 20)  # bleed of a separated stem
    sound = Audio(wave.astype(np.float32), RATE)
    assert len(spans_of(sound)) == 2
    assert len(spans_of(sound, gate_db=60)) == 1
    quiet = Audio(sound.samples * 0.05, RATE)
    assert len(spans_of(quiet)) == 2


@pytest.mark.parametrize(
    "samples",
    [np.zeros((2, RATE)), np.full((1, RATE), 0.5), np.zeros((1, 1)), np.ones((1, 1)), 1e-4 * np.ones((1, 3 * RATE))],
    ids=["silence", "dc", "one sample", "one loud sample", "faint dc"],
)
def test_nothing_to_hear(samples):
    assert spans_of(Audio(samples.astype(np.float32), RATE)) == []


def test_channels_in_antiphase_are_heard():
    wave = bursts((1.0, 2.0), seconds=3).samples[0]
    assert len(spans_of(Audio(np.stack([wave, -wave]), RATE))) == 1


def test_levels_do_not_depend_on_the_blocks():
    sound = bursts((0.3, 1.7), seconds=2.345)

    class Small:
        name, sample_rate, channels, frames = "s", RATE, 1, sound.frames

        def blocks(self, size=1 << 16, *, start=0, stop=None):
            yield from sound.blocks(37)

    assert np.array_equal(frame_levels(sound), frame_levels(Small()))


@given(
    starts=st.lists(st.tuples(st.floats(0.05, 40), st.floats(0.2, 70)), min_size=1, max_size=12),
    rate=st.sampled_from([8000, 22050]),
)
def test_windows_hold_every_span_once_and_never_more_than_28_seconds(starts, rate):
    spans, at = [], 0.0
    for gap, length in starts:
        spans.append(Span(round((at + gap) * rate), round((at + gap + length) * rate)))
        at += gap + length
    levels = np.random.default_rng(0).uniform(-40, 0, round(at / 0.02) + 2)
    windows = pack(spans, levels, rate)
    assert all(window.duration <= 28.0 + 1e-9 for window in windows)
    pieces = []
    for window in windows:
        if window.overlapping:  # two seconds on both sides of the cut, and the cut within the same span
            assert pieces[-1].stop - window.cut == window.cut - window.spans[0].start == 2 * rate
            assert any(span.start < window.cut < span.stop for span in spans)
        else:
            assert not pieces or pieces[-1].stop <= window.spans[0].start
        pieces += window.spans
    assert all(a.start < b.start and a.stop < b.stop for a, b in pairwise(pieces))
    covered = np.zeros(round(at * rate) + 1, bool)
    for piece in pieces:
        covered[piece.start : piece.stop] = True
    expected = np.zeros_like(covered)
    for span in spans:
        expected[span.start : span.stop] = True
    assert np.array_equal(covered, expected)


def test_a_long_span_is_cut_where_it_is_quietest():
    levels = np.full(5000, -10.0)
    levels[1100] = -50  # 22 s
    windows = pack([Span(0, 40 * 1000)], levels, 1000)
    assert [len(window.spans) for window in windows] == [1, 1]
    assert windows[0].spans == (Span(0, 24_010),)
    assert windows[1] == Window((Span(20_010, 40_000),), 1000, overlapping=True, cut=22_010)


def test_spans_are_cut_in_pauses_to_fill_windows():
    levels = np.full(5000, -10.0)
    levels[2200:2220] = -60  # at 44.2 s
    spans = [Span(0, 20_000), Span(40_000, 60_000)]
    windows = pack(spans, levels, 1000, closing_db=-40)
    assert [window.spans for window in windows] == [(spans[0], Span(40_000, 44_200)), (Span(44_200, 60_000),)]
    assert [window.spans for window in pack(spans, levels, 1000)] == [(spans[0],), (spans[1],)]
    levels[2200:2220] = -10
    levels[2070:2090] = -60  # too near to the beginning
    assert [window.spans for window in pack(spans, levels, 1000, closing_db=-40)] == [(spans[0],), (spans[1],)]


def test_a_long_span_is_cut_in_a_pause_without_overlap():
    levels = np.full(5000, -10.0)
    levels[1100] = -70
    levels[1210:1220] = -45  # 0.2 s
    levels[1250:1259] = -60
    windows = pack([Span(0, 40 * 1000)], levels, 1000, closing_db=-40)
    assert [window.spans for window in windows] == [(Span(0, 24_300),), (Span(24_300, 40_000),)]
    assert not windows[1].overlapping


def test_times_are_mapped_back():
    window = Window((Span(10_000, 12_000), Span(30_000, 33_000)), 1000)
    assert window.duration == 5
    assert window.place(0.5) == (0, 10.5)
    assert window.place(2.0) == (1, 30.0)
    assert window.place(4.5) == (1, 32.5)
    assert window.place(99.0) == (1, 33.0)
    assert window.place(-1.0) == (0, 10.0)
    assert window.within(0, 2.5) == 12.0

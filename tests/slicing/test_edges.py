"""What all modes share: choke, snap, trim, offsets, mono, fades."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered_loops import render_loop

from audiolab.audio import Audio, Render, Rendered, View, apply_render
from audiolab.stages.slicing import SliceParams, cut_sound, slice
from audiolab.stages.slicing.edges import snap_spans
from audiolab.stages.slicing.sweeping import measure, sweep
from audiolab.synth import noise, tone

RATE = 44100


def spans(cuts) -> list[tuple[int, int]]:
    return [(cut.start, cut.stop) for cut in cuts]


@pytest.fixture(scope="module")
def loop() -> Audio:
    made = render_loop("breakbeat", bpm=120, bars=2, channels=2, seed=5, lead_in=0.2)
    return Audio(made.samples, made.sample_rate, "loop.wav")


def edge_step(audio: Audio) -> float:
    """The largest jump from silence into the sound and back: what is heard as a click."""
    return float(max(np.abs(audio.samples[:, 0]).max(), np.abs(audio.samples[:, -1]).max()))


# ---- one pass over many cuts ----------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 500)), max_size=20), st.integers(1, 300), st.integers(1, 2)
)
@settings(deadline=None)
def test_a_sweep_hands_out_every_span_whole(starts, size, channels):
    samples = np.arange(1, 1401, dtype=np.float32)[None, :] * np.arange(1, channels + 1, dtype=np.float32)[:, None]
    audio = Audio(samples, 8000)

    class SmallBlocks:
        name, sample_rate, frames = "x", 8000, audio.frames
        channels = audio.channels

        def blocks(self, _size=0, *, start=0, stop=None):
            return audio.blocks(size, start=start, stop=stop)

    wanted = sorted((a, a + b) for a, b in starts)
    parts: dict[int, list[np.ndarray]] = {}
    for index, offset, part in sweep(SmallBlocks(), wanted):
        assert offset == sum(p.shape[1] for p in parts.get(index, []))
        parts.setdefault(index, []).append(part)
    for index, (start, stop) in enumerate(wanted):
        np.testing.assert_array_equal(np.concatenate(parts[index], axis=1), samples[:, start:stop])
    found = measure(SmallBlocks(), wanted)
    for index, (start, stop) in enumerate(wanted):
        assert found.peaks[index] == samples[:, start:stop].max()
        assert found.rms[index] == pytest.approx(np.sqrt((samples[:, start:stop] ** 2).mean()), rel=1e-6)


# ---- choke ----------------------------------------------------------------------------------------


def test_tails_ring_on_without_choke():
    time = np.arange(4 * RATE) / RATE
    samples = np.zeros(4 * RATE)
    for start in (0.5, 1.0, 1.5):  # -60 dB after 0.8 s: later than the next
        at = round(start * RATE)
        samples[at:] += (np.sin(2 * np.pi * 200 * time) * np.exp(-time / 0.116))[: len(samples) - at]
    audio = Audio(0.4 * samples.astype("f4"), RATE)
    choked = cut_sound(audio, SliceParams())
    free = cut_sound(audio, SliceParams(choke=False))
    assert [cut.start for cut in free] == [cut.start for cut in choked]
    assert all(left.stop == right.start for left, right in pairwise(choked))
    lengths = [(cut.stop - cut.start) / RATE for cut in free]
    np.testing.assert_allclose(lengths, 0.8, atol=0.06)
    assert free[0].stop > free[1].start


def test_without_overlap_choke_changes_nothing(loop):
    short = slice(loop, max_length=0.02)
    assert spans(short.cuts) == spans(slice(loop, max_length=0.02, choke=False).cuts)


def test_overlapping_cuts_are_written_whole(loop, tmp_path):
    result = slice(loop, choke=False, decay_db=90, to=tmp_path)
    assert any(left.stop > right.start for left, right in pairwise(result.cuts))
    for cut, file in zip(result.cuts, result.files, strict=True):
        np.testing.assert_allclose(Audio.from_file(file).samples, loop.samples[:, cut.start : cut.stop], atol=2**-23)


# ---- snap -----------------------------------------------------------------------------------------


@given(st.integers(0, 2**31), st.lists(st.integers(1, 20_000), min_size=1, max_size=40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_snapped_cuts_keep_their_order_and_bounds(seed, lengths, keep):
    rng = np.random.default_rng(seed)
    edges = np.concatenate(([0], np.cumsum(lengths))).tolist()
    audio = Audio(np.cumsum(rng.standard_normal((1, edges[-1])), axis=1).astype("f4"), RATE)
    before = list(pairwise(edges))
    after = snap_spans(audio, before, keep_length=keep)
    for (start, stop), (a, b) in zip(before, after, strict=True):
        assert 0 <= a < b <= audio.frames
        assert -0.005 * RATE - 1 <= a - start <= 0.002 * RATE + 1
        assert abs(b - stop) <= 0.005 * RATE + 1
        if keep:
            assert b - a == stop - start
    if not keep:
        assert all(left[1] == right[0] for left, right in pairwise(after))


def test_snapped_edges_lie_on_zero_crossings():
    audio = tone(187.0, 2.0)
    cuts = cut_sound(audio, SliceParams(mode="equal", parts=7, snap="zero"))
    plain = cut_sound(audio, SliceParams(mode="equal", parts=7))
    samples = audio.samples[0]
    for cut in cuts[1:]:
        assert samples[cut.start - 1] * samples[cut.start] <= 0
    assert spans(cuts) != spans(plain)
    assert sum(b - a for a, b in spans(cuts)) == audio.frames

    def worst(found) -> float:
        return max(abs(float(samples[cut.start])) for cut in found)

    assert worst(cuts) < 0.1 * worst(plain)


def test_snapping_keeps_the_attack(loop):
    plain, snapped = cut_sound(loop, SliceParams()), cut_sound(loop, SliceParams(snap="zero"))
    shift = np.array([b.start - a.start for a, b in zip(plain, snapped, strict=True)])
    assert shift.max() <= 0.002 * RATE
    assert shift.min() >= -0.005 * RATE - 1
    assert all(left.stop <= right.start for left, right in pairwise(snapped))


# ---- trim -----------------------------------------------------------------------------------------


def test_trimming_takes_silence_from_both_ends():
    quiet = np.zeros(RATE, "f4")
    audio = Audio(np.concatenate([quiet, tone(440, 0.5).samples[0], quiet]), RATE)
    (whole,) = cut_sound(audio, SliceParams(mode="equal", parts=1))
    (trimmed,) = cut_sound(audio, SliceParams(mode="equal", parts=1, trim=True))
    assert (whole.start, whole.stop) == (0, audio.frames)
    assert trimmed.start == RATE + 1  # a sine is zero on its first frame
    assert abs(trimmed.stop - (RATE + RATE // 2)) <= 1
    louder = cut_sound(audio.with_(audio.samples * 4), SliceParams(mode="equal", parts=1, trim=True))
    assert spans(louder) == [(trimmed.start, trimmed.stop)]


def test_trimmed_cuts_lie_inside_the_untrimmed(loop):
    for params in ({"mode": "grid", "bpm": 120}, {}, {"choke": False}):
        plain = cut_sound(loop, SliceParams(**params))
        trimmed = cut_sound(loop, SliceParams(trim=True, trim_db=30, **params))
        assert len(trimmed) == len(plain)
        for narrow in trimmed:
            assert any(wide.start <= narrow.start < narrow.stop <= wide.stop for wide in plain)


# ---- render ---------------------------------------------------------------------------------------


def test_fades_are_written_into_the_cuts_and_take_the_clicks_away(tmp_path):
    audio = Audio(np.concatenate([tone(331, 3.0).samples, tone(287, 3.0).samples]), RATE)
    params = {"mode": "equal", "parts": 7}
    plain = slice(audio, to=tmp_path / "plain", **params)
    faded = slice(audio, to=tmp_path / "faded", fade_in=0.005, fade_out=0.02, **params)
    assert spans(plain.cuts) == spans(faded.cuts)
    assert all(cut.facts["render"] == {"fade_in_s": 0.005, "fade_out_s": 0.02} for cut in faded.cuts)
    steps = []
    for cut, hard, soft in zip(faded.cuts, plain.files, faded.files, strict=True):
        expected = apply_render(audio.cut(cut.start, cut.stop), cut.facts["render"])
        got = Audio.from_file(soft)
        np.testing.assert_allclose(got.samples, expected.samples, atol=2**-23)
        assert edge_step(got) < 1e-4
        steps.append(edge_step(Audio.from_file(hard)))
    assert max(steps) > 0.1


def test_a_constant_offset_goes_and_nothing_else():
    clean = tone(220, 2.0, amplitude=0.3)
    moved = Audio(clean.samples + np.float32(0.2), RATE)
    result = slice(moved, mode="equal", parts=3, remove_dc=True)
    for cut in result.cuts:
        got = Rendered(View(moved, cut.start, cut.stop), Render.from_dict(cut.facts["render"]))
        np.testing.assert_allclose(Audio.from_source(got).samples, clean.samples[:, cut.start : cut.stop], atol=2e-6)
    kept = slice(clean, mode="equal", parts=3, remove_dc=True)
    assert all("render" not in cut.facts for cut in kept.cuts)


def test_only_stereo_with_equal_sides_becomes_mono(tmp_path):
    left = noise(1.0, amplitude=0.2).samples[0]
    almost = np.stack([left, left * np.float32(1.0005)])  # -66 dB
    wide = np.stack([left, left * np.float32(1.01)])  # -40 dB
    audio = Audio(np.concatenate([almost, wide], axis=1), RATE)
    result = slice(audio, mode="equal", parts=2, mono="auto", to=tmp_path)
    assert [cut.facts.get("render") for cut in result.cuts] == [{"mono": True}, None]
    one, two = (Audio.from_file(file) for file in result.files)
    assert (one.channels, two.channels) == (1, 2)
    np.testing.assert_allclose(one.samples[0], almost.mean(axis=0), atol=2**-22)
    kept = slice(audio, mode="equal", parts=2)
    assert all("render" not in cut.facts for cut in kept.cuts)
    mono = slice(audio.mono(), mode="equal", parts=2, mono="auto")
    assert all("render" not in cut.facts for cut in mono.cuts)


# ---- all of it together ---------------------------------------------------------------------------

WORDS = {
    "segments": [{"words": [{"start": t, "end": t + 0.6, "word": "la"} for t in np.arange(0.1, 4.0, 0.4).tolist()]}]
}
MODES = ("onsets", "beats", "bars", "grid", "loops", "equal", "phrases", "words")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_cuts_of_any_kind_are_ordered_inside_and_apart(loop, data):
    mode = data.draw(st.sampled_from(MODES))
    params = {
        "mode": mode,
        "bpm": data.draw(st.floats(60, 200)),
        "first_downbeat": data.draw(st.floats(0, 2)),
        "division": data.draw(st.sampled_from(["1/4", "1/16", "1/8t"])),
        "parts": data.draw(st.integers(1, 40)),
        "choke": data.draw(st.booleans()),
        "min_length": data.draw(st.floats(0, 0.5)),
        "snap": data.draw(st.sampled_from(["none", "zero"])),
    }
    if mode != "loops":
        params["trim"] = data.draw(st.booleans())
        params["trim_db"] = data.draw(st.floats(20, 80))
        params["max_length"] = data.draw(st.none() | st.floats(0.01, 1.0))
    cuts = cut_sound(loop, SliceParams(**params), lyrics=WORDS)
    assert all(0 <= cut.start < cut.stop <= loop.frames for cut in cuts)
    assert all((a.start, a.stop) < (b.start, b.stop) for a, b in pairwise(cuts))
    if params["choke"] and mode != "loops":
        assert all(left.stop <= right.start for left, right in pairwise(cuts))
    if mode == "loops":  # neighbours may share a frame, and be moved by a snap
        assert len({cut.stop - cut.start for cut in cuts}) <= 1


class Long:
    """Ten minutes of stereo that are nowhere in memory: the same second again and again, with silences."""

    name, sample_rate, channels, frames = "long", RATE, 2, RATE * 600

    def __init__(self) -> None:
        second = 0.2 * np.random.default_rng(0).standard_normal((2, RATE)) * np.exp(-np.arange(RATE) / (0.1 * RATE))
        self.second = second.astype(np.float32)

    def blocks(self, size: int = 1 << 16, *, start: int = 0, stop: int | None = None):
        position, end = start, self.frames if stop is None else stop
        while position < end:
            at = position % RATE
            part = self.second[:, at : at + min(size, end - position)]
            yield part
            position += part.shape[1]


@pytest.mark.parametrize("mode", ["bars", "phrases", "equal", "loops"])
def test_memory_does_not_grow_with_the_audio(mode):
    import tracemalloc

    params = {"mode": mode, "bpm": 120, "snap": "zero", "remove_dc": True, "mono": "auto", "trim": mode != "loops"}
    cut_sound(noise(2.0), SliceParams(**params))  # imports are not its memory
    tracemalloc.start()
    cuts = cut_sound(Long(), SliceParams(**params))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(cuts) >= 8
    assert peak < 30 << 20  # the audio has 212 MB

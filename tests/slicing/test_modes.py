"""Cuts that follow the music: beats, bars, grid, loops, equal parts, phrases, words."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.audio import Audio, Segment, TempoMap, to_frames
from audiolab.errors import ParameterError
from audiolab.stages.base import Cut, SoundInput, StageInput, StageSkipped
from audiolab.stages.slicing import Slice, SliceParams, cut_sound, slice
from audiolab.stages.slicing.edges import join_short
from audiolab.stages.slicing.grids import equal_parts, loops, tiles
from audiolab.stages.slicing.params import step_of
from audiolab.stages.slicing.phrases import cut_words, pad_spans, sounding_runs
from audiolab.synth import noise, render_song, silence, tone

RATE = 44100
DRIFTING = TempoMap((Segment(0.31, 0.0, 118.0), Segment(0.31 + 16 * 60 / 118, 16.0, 123.4)), 4)


def spans(cuts) -> list[tuple[int, int]]:
    return [(cut.start, cut.stop) for cut in cuts]


@st.composite
def tempo_maps(draw: st.DrawFn) -> TempoMap:
    time, beat = draw(st.floats(-2, 5)), float(draw(st.integers(-8, 8)))
    segments = []
    for _ in range(draw(st.integers(1, 4))):
        bpm = draw(st.floats(40, 240))
        segments.append(Segment(time, beat, bpm))
        length = draw(st.floats(0.5, 8.0))
        time, beat = time + length, beat + length * bpm / 60
    return TempoMap(tuple(segments), draw(st.sampled_from([3, 4, 5])))


# ---- arithmetic -----------------------------------------------------------------------------------


@given(tempo_maps(), st.integers(1, 400_000), st.sampled_from(["1/4", "1/8", "1/16", "1/8t", "1/4d", "1/1", "4/1"]))
@settings(deadline=None)
def test_tiles_join_to_the_whole_sound_and_lie_on_the_grid(tempo, frames, division):
    step = step_of(division)
    cuts = tiles(tempo, frames, RATE, step=step)
    assert cuts[0].start == 0
    assert cuts[-1].stop == frames
    assert all(left.stop == right.start and left.start < left.stop for left, right in pairwise(cuts))
    for cut in cuts[1:]:
        beat = float(tempo.beat_at(cut.start / RATE)) / float(step)
        true = float(tempo.time_at(round(beat) * float(step))) * RATE
        assert abs(cut.start - true) <= 0.5 + 1e-6
    whole = tiles(tempo, frames, RATE, step=step, partial=False)
    assert set(spans(whole)) <= set(spans(cuts))


@given(tempo_maps(), st.integers(1, 2_000_000), st.sampled_from([1, 2, 4, 8]))
@settings(deadline=None)
def test_loops_are_whole_bars_of_their_exact_length(tempo, frames, bars):
    beats = bars * tempo.beats_per_bar
    for cut in loops(tempo, frames, RATE, bars=bars):
        first = (cut.facts["bar"] - 1) * tempo.beats_per_bar
        begin, end = tempo.time_at([first, first + beats])
        assert abs(cut.start - begin * RATE) <= 1 + 1e-6
        assert cut.stop - cut.start == to_frames(round(end - begin, 9), RATE)
        assert 0 <= cut.start < cut.stop <= frames
        assert cut.facts["kind"] == "loop"
        assert (cut.facts["bars"], cut.facts["beats"]) == (bars, beats)
        assert cut.facts["bpm"] == pytest.approx(beats * 60 / (end - begin), abs=1e-3)


@given(st.integers(0, 100_000), st.integers(1, 300))
def test_equal_parts_tile_and_differ_by_a_frame(frames, parts):
    cuts = equal_parts(frames, parts)
    assert [cut.stop - cut.start for cut in cuts] == [len(part) for part in _split(frames, len(cuts))]
    assert len(cuts) == min(parts, frames)
    if cuts:
        assert (cuts[0].start, cuts[-1].stop) == (0, frames)
        assert all(left.stop == right.start for left, right in pairwise(cuts))


def _split(frames: int, parts: int) -> list[range]:
    edges = [i * frames // parts for i in range(parts + 1)] if parts else []
    return [range(a, b) for a, b in pairwise(edges)]


@given(st.lists(st.integers(1, 500), min_size=1, max_size=50), st.integers(0, 800))
def test_joining_short_parts_keeps_the_tiling(lengths, least):
    edges = np.concatenate(([0], np.cumsum(lengths))).tolist()
    joined = join_short([Cut(a, b) for a, b in pairwise(edges)], least)
    assert (joined[0].start, joined[-1].stop) == (0, edges[-1])
    assert all(left.stop == right.start for left, right in pairwise(joined))
    assert len(joined) == 1 or min(cut.stop - cut.start for cut in joined) >= least


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300)), min_size=1, max_size=30), st.integers(0, 400))
def test_padding_never_makes_spans_meet_wrongly(steps, padding):
    position, made = 0, []
    for gap, length in steps:
        made.append((position + gap, position + gap + length))
        position += gap + length
    padded = pad_spans(made, padding, position + 100)
    for (start, stop), (a, b) in zip(made, padded, strict=True):
        assert start - padding <= a <= start
        assert stop <= b <= stop + padding
    assert all(left[1] <= right[0] for left, right in pairwise(padded))
    assert padded[0][0] >= 0
    assert padded[-1][1] <= position + 100


@pytest.mark.parametrize(
    ("division", "beats"),
    [
        ("1/4", 1),
        ("1/16", Fraction(1, 4)),
        ("1/8t", Fraction(1, 3)),
        ("1/8d", Fraction(3, 4)),
        ("2/1", 8),
        (" 1/8T ", Fraction(1, 3)),
    ],
)
def test_divisions_are_read_as_musicians_write_them(division, beats):
    assert step_of(division) == beats


@pytest.mark.parametrize("division", ["", "16", "1/0", "0/4", "1/16x", "-1/4", "1/999", "a/b", "1/ 4"])
def test_senseless_divisions_are_refused(division):
    with pytest.raises(ParameterError, match="division"):
        slice(noise(0.5), mode="grid", division=division, bpm=120)


# ---- on sounds ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def song() -> Audio:
    return noise(20.0, RATE, amplitude=0.2)


@pytest.mark.parametrize("mode", ["beats", "bars", "grid"])
def test_cuts_lie_on_the_grid_of_a_drifting_song_and_join_to_it(song, mode):
    cuts = cut_sound(song, SliceParams(mode=mode, min_length=0), tempo_map=DRIFTING)
    step = {"beats": 1, "bars": 4, "grid": 0.25}[mode]
    true = DRIFTING.time_at(np.arange(0, 60, step)) * RATE
    inside = true[true < song.frames]
    starts = np.array([cut.start for cut in cuts if cut.facts["bar"] >= 1])
    assert len(starts) == len(inside)
    assert np.abs(starts - inside).max() <= 1.0
    joined = np.concatenate([song.samples[:, a:b] for a, b in spans(cuts)], axis=1)
    np.testing.assert_array_equal(joined, song.samples)
    bars = [cut.facts["bar"] for cut in cuts]
    assert bars == sorted(bars)
    assert {cut.facts["beat"] for cut in cuts[:-1]} <= set(np.arange(1, 5, step))


def test_loops_of_a_long_song_do_not_drift():
    tempo = TempoMap.constant(127.3, first_downbeat=0.1234567)
    frames = 3600 * RATE
    cuts = loops(tempo, frames, RATE, bars=4)
    lengths = {cut.stop - cut.start for cut in cuts}
    assert lengths == {to_frames(16 * 60 / 127.3, RATE)}
    true = (0.1234567 + np.arange(len(cuts)) * 16 * 60 / 127.3) * RATE
    assert np.abs(np.array([cut.start for cut in cuts]) - true).max() <= 0.5
    assert len(cuts) == int((3600 - 0.1234567) / (16 * 60 / 127.3))


def test_partial_loops_are_kept_on_wish_and_are_no_loops(song):
    whole = cut_sound(song, SliceParams(mode="loops", bars=2), tempo_map=DRIFTING)
    kept = cut_sound(song, SliceParams(mode="loops", bars=2, partial=True), tempo_map=DRIFTING)
    assert spans(kept)[1:-1] == spans(whole)
    assert (kept[0].start, kept[-1].stop) == (0, song.frames)
    assert "kind" not in kept[0].facts
    assert not cut_sound(song, SliceParams(mode="loops", bars=16), tempo_map=DRIFTING)


def test_a_file_that_is_one_loop_is_one_loop():
    for bpm, bars in ((120.0, 4), (97.0, 2), (174.0, 8), (133.7, 1)):
        audio = noise(1.0, RATE)
        frames = to_frames(bars * 4 * 60 / bpm, RATE)
        loop = audio.with_(np.resize(audio.samples, (1, frames)))
        (cut,) = cut_sound(loop, SliceParams(mode="loops", bars=bars, bpm=bpm))
        assert (cut.start, cut.stop) == (0, frames)


def test_a_rendered_song_is_cut_at_its_true_bars():
    song = render_song(bpm=112.0, bars=5, lead_in=0.25)
    result = slice(song.mix, mode="bars", tempo_map=song.tempo_map)
    true = song.tempo_map.downbeats(song.mix.duration) * song.sample_rate
    starts = [cut.start for cut in result.cuts if cut.facts["bar"] >= 1]
    assert np.abs(np.array(starts) - true[: len(starts)]).max() <= 1
    found = slice(song.mix, mode="bars")  # its tempo is found by `analyze`
    near = [cut.start for cut in found.cuts if cut.facts["bar"] >= 1]
    assert len(near) == len(starts)
    assert np.abs(np.array(near) - np.array(starts)).max() < 0.02 * RATE


def test_a_sound_without_a_beat_needs_a_tempo():
    with pytest.raises(ParameterError, match="bpm"):
        slice(silence(2.0), mode="beats")
    with pytest.raises(ParameterError, match="tempo"):
        cut_sound(noise(1.0), SliceParams(mode="bars"))
    assert slice(silence(2.0), mode="beats", bpm=120).cuts == ()
    assert len(slice(noise(2.0), mode="beats", bpm=120, first_downbeat=0.1)) == 5


def test_short_parts_of_a_grid_are_joined(song):
    cuts = cut_sound(song, SliceParams(mode="grid", min_length=0.3), tempo_map=DRIFTING)
    assert min(cut.stop - cut.start for cut in cuts) >= 0.3 * RATE
    assert sum(cut.stop - cut.start for cut in cuts) == song.frames


# ---- phrases --------------------------------------------------------------------------------------


def _phrased(gaps: list[float], lengths: list[float]) -> tuple[Audio, list[tuple[float, float]]]:
    parts, truth, at = [], [], 0.0
    for gap, length in zip(gaps, lengths, strict=True):
        parts += [np.zeros(round(gap * RATE), "f4"), tone(220, length).samples[0]]
        truth.append((at + gap, at + gap + length))
        at += gap + length
    return Audio(np.concatenate([*parts, np.zeros(RATE // 2, "f4")]), RATE), truth


def test_phrases_lie_between_silences():
    audio, truth = _phrased([0.3, 0.5, 0.1, 0.8], [1.0, 0.6, 0.7, 0.4])
    cuts = cut_sound(audio, SliceParams(mode="phrases", min_silence=0.2, padding=0.0))
    expected = [truth[0], (truth[1][0], truth[2][1]), truth[3]]  # a pause of 0.1 s parts nothing
    found = np.array(spans(cuts)) / RATE
    np.testing.assert_allclose(found, expected, atol=0.016)
    assert [cut.facts["phrase"] for cut in cuts] == [1, 2, 3]
    assert len(cut_sound(audio, SliceParams(mode="phrases", min_silence=0.05))) == 4
    assert len(cut_sound(audio, SliceParams(mode="phrases", min_silence=0.7))) == 2


def test_phrases_do_not_depend_on_gain_and_padding_keeps_what_is_there():
    audio, _ = _phrased([0.3, 0.5], [1.0, 0.6])
    plain = cut_sound(audio, SliceParams(mode="phrases", padding=0.0))
    assert spans(cut_sound(audio.with_(audio.samples * 0.01), SliceParams(mode="phrases", padding=0.0))) == spans(plain)
    padded = cut_sound(audio, SliceParams(mode="phrases", padding=0.1))
    for wide, narrow in zip(padded, plain, strict=True):
        assert wide.start == narrow.start - 0.1 * RATE
        assert wide.stop == narrow.stop + 0.1 * RATE


def test_runs_are_joined_where_the_pause_is_short():
    loud = np.zeros(100, bool)
    loud[[10, 11, 12, 20, 60]] = True
    assert sounding_runs(loud, min_silence=1) == [(8, 15), (18, 23), (58, 63)]
    assert sounding_runs(loud, min_silence=4) == [(8, 23), (58, 63)]
    assert sounding_runs(np.zeros(5, bool), min_silence=1) == []


# ---- words ----------------------------------------------------------------------------------------

LYRICS = {
    "segments": [
        {"start": 0.5, "end": 1.4, "words": [
            {"start": 0.5, "end": 0.8, "word": " Let's", "probability": 0.9},
            {"start": 0.8, "end": 1.4, "word": " go", "probability": 0.75},
        ]},
        {"start": 2.0, "end": 99.0, "words": [
            {"start": 2.0, "end": 2.5, "word": " fishing,", "probability": 0.5},
            {"start": 98.0, "end": 99.0, "word": " late", "probability": 0.5},
        ]},
    ]
}  # fmt: skip


def test_words_are_cut_and_named():
    cuts = cut_sound(noise(3.0), SliceParams(mode="words", padding=0.0), lyrics=LYRICS)
    assert [cut.facts["word"] for cut in cuts] == ["Let's", "go", "fishing,"]
    assert [cut.facts["line"] for cut in cuts] == [1, 1, 2]
    np.testing.assert_allclose(np.array(spans(cuts)) / RATE, [(0.5, 0.8), (0.8, 1.4), (2.0, 2.5)])
    assert cuts[1].facts["word_probability"] == 0.75
    wide = cut_sound(noise(3.0), SliceParams(mode="words", padding=0.1), lyrics=LYRICS)
    np.testing.assert_allclose(np.array(spans(wide)) / RATE, [(0.4, 0.8), (0.8, 1.5), (1.9, 2.6)])


def test_words_that_overlap_are_choked_or_not():
    words = [{"start": 0.1, "end": 0.9, "word": "a"}, {"start": 0.5, "end": 1.0, "word": "b"}]
    document = {"segments": [{"words": words}]}
    choked = cut_sound(noise(2.0), SliceParams(mode="words", padding=0.0), lyrics=document)
    free = cut_sound(noise(2.0), SliceParams(mode="words", padding=0.0, choke=False), lyrics=document)
    assert choked[0].stop == choked[1].start
    assert free[0].stop == to_frames(0.9, RATE)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), max_size=30), st.floats(0, 1), st.booleans())
@settings(deadline=None)
def test_any_words_give_ordered_cuts_inside(times, padding, choke):
    words = [{"start": a, "end": a + b, "word": "w"} for a, b in sorted(times)]
    document = {"segments": [{"words": words}]}
    found = cut_words(document, 30_000, 8000, padding=padding)
    assert all(0 <= cut.start < cut.stop <= 30_000 for cut in found)
    assert all(left.start < right.start for left, right in pairwise(found))
    cuts = cut_sound(
        noise(30_000 / 8000, 8000), SliceParams(mode="words", padding=padding, choke=choke), lyrics=document
    )
    if choke:
        assert all(left.stop <= right.start for left, right in pairwise(cuts))


def test_lyrics_come_from_a_file_too(tmp_path):
    path = tmp_path / "song.json"
    path.write_text(json.dumps(LYRICS))
    assert len(slice(noise(3.0), mode="words", lyrics=path)) == 3
    path.write_text("not json")
    with pytest.raises(ParameterError, match=r"song\.json"):
        slice(noise(3.0), mode="words", lyrics=path)
    with pytest.raises(ParameterError, match="segments"):
        slice(noise(3.0), mode="words", lyrics={})


# ---- the stage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "needed"),
    [
        ({}, []),
        ({"mode": "equal"}, []),
        ({"mode": "bars"}, ["analyze"]),
        ({"mode": "loops", "bpm": 90}, []),
        ({"mode": "words"}, ["lyrics"]),
    ],
)
def test_only_what_a_mode_looks_at_is_needed(params, needed):
    assert [need.stage for need in Slice().needs_for(SliceParams(**params))] == needed


def test_the_stage_takes_tempo_and_words_from_earlier_results(song, tmp_path):
    stage = Slice()
    sound = SoundInput("k", "song", "song", song)

    def run(needs, **params):
        return stage.run(StageInput((sound,), tmp_path, needs=needs), stage.resolve(SliceParams(**params)))

    tempo = {"analyze": {"tempo_map": DRIFTING.to_dict()}}
    assert spans(run(tempo, mode="bars").cuts) == spans(cut_sound(song, SliceParams(mode="bars"), tempo_map=DRIFTING))
    out = run({"lyrics": LYRICS}, mode="words")
    assert [sample["word"] for sample in out.document["samples"]] == ["Let's", "go", "fishing,"]
    json.dumps(out.document, allow_nan=False)
    for needs, mode, why in (({}, "bars", "tempo"), ({"analyze": {}}, "loops", "tempo"), ({}, "words", "lyrics")):
        with pytest.raises(StageSkipped, match=why):
            run(needs, mode=mode)
    assert run({}, mode="grid", bpm=100).cuts


def test_loops_refuse_what_would_break_their_length(song):
    for bad in ({"trim": True}, {"max_length": 1.0}):
        with pytest.raises(ParameterError, match="exact length"):
            slice(song, mode="loops", bpm=120, **bad)


def test_every_mode_writes_what_it_says(song, tmp_path):
    part = song.cut(0, 4 * RATE)
    for mode in ("beats", "bars", "grid", "loops", "equal", "phrases", "words", "onsets"):
        result = slice(part, mode=mode, bpm=120, lyrics=LYRICS, to=tmp_path / mode)
        document = result.to_dict()
        assert len(result.files) == len(result.cuts) > 0
        for item, file in zip(document["samples"], result.files, strict=True):
            assert set(item) >= {"start", "stop", "start_s", "stop_s", "onset_strength"}
            assert Audio.from_file(file).frames == item["stop"] - item["start"]


def test_drum_midi_takes_cuts_at_onsets_only(song, tmp_path):
    from audiolab.stages.notes import Midi, MidiParams

    needs = {"slice": {"mode": "bars", "samples": []}, "classify": {"items": []}}
    stage = Midi()
    job = StageInput((SoundInput("k", "beat", "stem", song, stem="drums"),), tmp_path, needs=needs)
    with pytest.raises(StageSkipped, match="bars"):
        stage.run(job, stage.resolve(MidiParams()))

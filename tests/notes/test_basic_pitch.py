"""Our run of Basic Pitch against the package's own."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from audiolab.audio import Audio, as_source
from audiolab.errors import AudioError, MissingDependency, ModelError
from audiolab.stages import notes
from audiolab.stages.notes import model
from audiolab.stages.notes.creation import create_notes, frame_times
from audiolab.stages.notes.presets import MidiParams, settings_for
from audiolab.stages.notes.transcribing import _semitones, one_voice
from audiolab.synth import render_song

from .conftest import tune


def ours(sound, **params):
    settings = settings_for(MidiParams(preset="basic-pitch", **params), None)
    return notes.transcribe(as_source(sound), settings)


def assert_same(found, events):
    expected = sorted((float(s), int(p), float(e), int(np.round(127 * a)), tuple(b)) for s, e, p, a, b in events)
    got = [(n.start, n.pitch, n.end, n.velocity, tuple(round(3 * step) for step in n.bend)) for n in found]
    assert sorted(got) == expected


@pytest.mark.parametrize(
    ("rate", "channels", "suffix"),
    [(44100, 2, "wav"), (22050, 1, "wav"), (48000, 2, "flac"), (8000, 1, "wav"), (192000, 1, "wav"), (96000, 2, "wav")],
)
def test_notes_are_those_of_upstream_at_any_rate(tmp_path, upstream, rate, channels, suffix):
    path = tune(rate, 7.0, channels).write(tmp_path / f"tune.{suffix}")
    output, events = upstream(path)
    assert len(events) >= 5
    found = model.activations(as_source(path)).as_upstream()
    assert np.array_equal(found.note, output["note"])
    assert np.array_equal(found.onset, output["onset"])
    assert np.array_equal(found.contour, output["contour"])
    assert_same(ours(path), events)


@pytest.mark.parametrize(
    "thresholds",
    [
        {"onset_threshold": 0.3, "frame_threshold": 0.2},
        {"onset_threshold": 0.9, "frame_threshold": 0.6},
        {"minimum_note_length": 20.0, "melodia_trick": False},
        {"minimum_frequency": 200.0, "maximum_frequency": 400.0},
    ],
)
def test_thresholds_mean_what_they_mean_upstream(tmp_path, upstream, thresholds):
    path = tune(44100).write(tmp_path / "tune.wav")
    _, events = upstream(path, **thresholds)
    names = {"minimum_note_length": "minimum_note_length_ms", "melodia_trick": "melodia"}
    assert_same(ours(path, **{names.get(key, key): value for key, value in thresholds.items()}), events)


@pytest.mark.parametrize("frames", [300, 3840, 36164 - 3840, 36164, 40004, 43844, 2 * 36164 - 3840, 2 * 36164 - 3839])
def test_lengths_around_the_windows(tmp_path, upstream, frames):
    sound = tune(22050, 4.0, 1)
    path = Audio(sound.samples[:, 3000 : 3000 + frames], 22050).write(tmp_path / "part.wav", subtype="FLOAT")
    output, events = upstream(path)
    found = model.activations(as_source(path)).as_upstream()
    assert np.array_equal(found.note, output["note"])
    assert_same(ours(path), events)


def test_threads_and_contours_change_nothing():
    sound = tune(44100)
    one = model.activations(sound, threads=1)
    three = model.activations(sound, threads=3)
    plain = model.activations(sound, contours=False)
    for left, right in ((one.note, three.note), (one.contour, three.contour), (one.onset, plain.onset)):
        assert np.array_equal(left, right)
    assert plain.contour is None


def test_exact_times_reach_the_end_of_the_sound(tmp_path, upstream):
    """Upstream keeps 86 frames a second of 86.58: after a minute, the last 0.4 s are lost."""
    rate, start = 22050, 60 - 0.33
    samples = 1e-4 * np.random.default_rng(1).standard_normal(60 * rate)
    for at, seconds in ((5.0, 0.8), (start, 60 - start)):
        time = np.arange(round(rate * seconds)) / rate
        fade = np.minimum(1, (seconds - time) / 0.02)
        first = round(at * rate)
        samples[first : first + len(time)] += fade * sum(
            0.2 * np.sin(2 * np.pi * 440 * k * time) * np.exp(-4 * time) / k for k in range(1, 6)
        )
    path = Audio(samples.astype(np.float32), rate).write(tmp_path / "late.wav")
    _, events = upstream(path)
    assert [round(event[0]) for event in events if event[2] == 69] == [5]
    found = notes.midi(path, bpm=120)
    early, late = (note for note in found.notes if note.pitch == 69)
    assert early.start == pytest.approx(5, abs=0.03)
    assert late.start == pytest.approx(start, abs=0.03)
    assert late.end <= 60


def test_exact_times_are_those_of_the_windows():
    times = frame_times(2000)
    assert np.all(np.diff(times) > 0)
    assert times[142] == model.WINDOW_HOP / model.MODEL_RATE
    assert np.abs(times - frame_times(2000, upstream=True)).max() < 0.011


@pytest.mark.parametrize(
    "samples", [np.zeros((2, 44100)), np.full((1, 44100), 0.3), np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 200)),
                np.random.default_rng(0).integers(-1, 2, (1, 44100)) / 2**15],
    ids=["silence", "dc", "one sample", "one loud sample", "two hundred", "dither"],
)  # fmt: skip
@pytest.mark.parametrize("preset", ["vocals", "bass", "other"])
def test_sounds_without_notes(samples, preset):
    found = notes.midi((samples.astype(np.float32), 44100), bpm=120, preset=preset)
    assert found.notes == ()


def test_silence_and_upstreams_preset(tmp_path, upstream):
    path = Audio(np.zeros((2, 44100), np.float32), 44100).write(tmp_path / "silence.wav")
    assert upstream(path)[1] == []
    assert ours(path) == []


def test_ghost_notes_in_faint_bleed_are_dropped():
    loud, faint = tune(22050, 4.0, 1).samples, tune(22050, 7.0, 1).samples * 10 ** (-53 / 20)
    sound = Audio(np.concatenate([loud, faint], axis=1), 22050)
    with_ghosts = notes.midi(sound, bpm=120, ghost_db=120)
    without = notes.midi(sound, bpm=120)
    assert any(note.start > 4 for note in with_ghosts.notes)
    assert without.notes == tuple(note for note in with_ghosts.notes if note.start < 4)


def test_one_voice_keeps_the_strongest_of_what_overlaps():
    def note(start, end, pitch, velocity=80):
        return notes.Note(start, end, pitch, velocity)

    low, harmonic, later, flicker = note(0, 1, 40), note(0.1, 0.5, 52, 60), note(0.9, 2, 43), note(1.2, 1.3, 55, 127)
    found = one_voice([later, low, flicker, harmonic])
    assert found == [note(0, 0.9, 40), later]
    assert one_voice([]) == []
    assert one_voice([low]) == [low]
    apart = [note(i, i + 0.9, 40 + i) for i in range(5)]
    assert one_voice(apart) == apart


def test_the_harmonics_of_a_bass_are_not_notes(short_song):
    rate = short_song.sample_rate
    truth = [(note.start / rate, note.pitch) for note in short_song.notes["bass"]]
    found = notes.transcribe(short_song.stems["bass"], settings_for(MidiParams(preset="bass"), None))
    hits = sum(any(abs(n.start - start) < 0.05 and n.pitch == pitch for n in found) for start, pitch in truth)
    assert hits >= 0.95 * len(truth)
    assert len(found) <= 1.1 * len(truth)
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_a_lasting_step_of_a_third_is_taken_out_of_bends():
    assert _semitones((1, 1, 1, 0), center=True) == (0, 0, 0, -1 / 3)
    assert _semitones((1, 1, 1, 0), center=False) == (1 / 3, 1 / 3, 1 / 3, 0)
    assert _semitones((0, 3, 3, 3), center=True) == (0, 1, 1, 1)
    assert _semitones((), center=True) == ()


def test_more_bad_input(tmp_path):
    with pytest.raises(AudioError, match="0 frames"):
        notes.midi((np.zeros((1, 0), np.float32), 44100), bpm=120)
    with pytest.raises(AudioError, match="6 channels"):
        notes.midi((np.zeros((6, 100), np.float32), 44100), bpm=120)
    text = tmp_path / "a.wav"
    text.write_text("not audio")
    with pytest.raises(AudioError, match="text file"):
        notes.midi(text, bpm=120)


def test_progress_reaches_the_end_and_may_stop():
    sound, steps = tune(22050, 9.0, 1), []
    model.activations(sound, progress=lambda done, total: steps.append(done / total))
    assert steps == sorted(steps)
    assert steps[-1] == pytest.approx(1)
    assert len(steps) == 6

    class Stop(Exception):
        pass

    def stop(done, total):
        raise Stop

    for threads in (1, 2):
        with pytest.raises(Stop):
            model.activations(sound, threads=threads, progress=stop)


def test_memory_holds_a_few_windows_only():
    import tracemalloc

    class Endless:
        name, sample_rate, channels, frames = "long", 22050, 1, 22050 * 60

        def blocks(self, size=1 << 16, *, start=0, stop=None):
            for at in range(0, self.frames, size):
                yield np.zeros((1, min(size, self.frames - at)), np.float32)

    model.activations(Audio(np.zeros(44100, np.float32), 22050))
    tracemalloc.start()
    found = model.activations(Endless(), contours=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < found.note.nbytes + found.onset.nbytes + 4_000_000
    assert found.duration == 60


def test_a_missing_package_is_said_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(model, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install --no-deps basic-pitch==0\.4\.0"):
        notes.midi(tune(22050, 1.0), bpm=120)


def test_another_model_file_is_refused(monkeypatch, tmp_path):
    from types import SimpleNamespace

    monkeypatch.setattr(model, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path)]))
    with pytest.raises(ModelError, match="is gone"):
        model.find_model()
    folder = tmp_path / "saved_models" / "icassp_2022"
    folder.mkdir(parents=True)
    (folder / "nmp.onnx").write_bytes(b"another")
    with pytest.raises(ModelError, match="is not the model"):
        model.find_model()


def test_the_install_lines_agree(request):
    lines = (request.config.rootpath / "requirements-nodeps.txt").read_text()
    assert "basic-pitch==0.4.0" in lines


@pytest.mark.shared
@pytest.mark.parametrize("pattern", ["vocadito/*.wav", "mdb/*/other.flac", "mdb/*/bass.flac"])
def test_notes_are_those_of_upstream_on_real_music(shared_data, upstream, pattern):
    paths = sorted((shared_data / "music").glob(pattern))
    assert paths
    for path in paths:
        _, events = upstream(path)
        assert events
        assert_same(ours(path), events)


def test_create_notes_of_nothing():
    empty = np.zeros((0, 88), np.float32)
    assert create_notes(model.Activations(empty, empty, None, 0, empty[:, 0])) == []


def test_long_sounds_keep_contours_on_disk_and_give_the_same(monkeypatch):
    sound = render_song(bars=3).stems["bass"]
    settings = settings_for(MidiParams(preset="bass"), None)
    short, held = model.activations(sound), notes.transcribe(sound, settings)
    monkeypatch.setattr(model, "_SPOOL_SECONDS", 1.0)
    long = model.activations(sound)
    assert isinstance(long.contour, model.Spool)
    assert long.contour.shape == short.contour.shape
    assert np.array_equal(long.contour[10:300, 5:99], short.contour[10:300, 5:99])
    assert np.array_equal(long.contour[:, :], short.contour)
    assert notes.transcribe(sound, settings) == held
    assert any(note.bend for note in held)
    upstream = settings_for(MidiParams(preset="basic-pitch"), None)
    spooled = notes.transcribe(sound, upstream)
    monkeypatch.undo()
    assert notes.transcribe(sound, upstream) == spooled

"""From a recipe to samples in a library: needs, result keys, overlapping views, renders on read and export."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from audiolab.audio import Audio, apply_render, write_audio
from audiolab.errors import CatalogError
from audiolab.exporters import export
from audiolab.library import Library, Record
from audiolab.runs.graph import Ended, Planner
from audiolab.runs.recipe import Recipe
from audiolab.runs.worker import resolve_stage, run_job
from audiolab.stages.base import Resolved
from audiolab.synth import render_song


def run(library, song, *steps):
    """Run a recipe of one job a stage; see `run_all`."""
    return {name.split(":")[0]: ended for name, ended in run_all(library, song, *steps).items()}


def run_all(library, song, *steps):
    """Run a recipe here and now, without Dask; give what became of every job."""
    recipe = Recipe.load(
        {"name": "test", "steps": [step if isinstance(step, dict) else {"stage": step} for step in steps]}
    )
    resolutions = {step.stage: resolve_stage(step.stage, step.params) for step in recipe.steps}
    planner = Planner(library, "run", recipe, resolutions)
    while planned := planner.plan(song):
        for job in planned:
            if job.ended is not None:
                planner.ended[job.id] = job.ended
                if job.ended.status == "reused":
                    library.reuse(job.ended.key)
                continue
            outcome = run_job(job.spec, lambda *_: None)
            key = outcome.key if outcome.status == "done" else None
            if key:
                library.fold(Record.read(library.record_path(key)))
            planner.ended[job.id] = Ended(outcome.status, key, outcome.why)
    return planner.ended


def sliced(**params):
    return {"stage": "slice", "params": params, "where": {"kinds": ["song"]}}


@pytest.fixture(scope="module")
def mix() -> Audio:
    return render_song(bpm=112.0, bars=5, lead_in=0.25).mix


@pytest.fixture
def library(tmp_path):
    with Library(tmp_path / "library") as made:
        yield made


@pytest.fixture
def song(library, mix, tmp_path):
    return library.add(write_audio(tmp_path / "song.wav", mix), kind="song")


def test_musical_cuts_follow_the_songs_tempo_and_its_correction(library, song):
    ended = run(library, song, "analyze", sliced(mode="beats"))
    assert ended["slice"].status == "done"
    assert len(song.samples) == pytest.approx(5 * 4 + 2, abs=2)
    song.edit("analyze", tempo_factor=2)
    again = run(library, song, "analyze", sliced(mode="beats"))
    assert again["analyze"].status == "reused"
    assert again["slice"].status == "done"
    assert len(song.samples) == pytest.approx(2 * (5 * 4 + 2), abs=4)


def test_a_corrected_tempo_does_not_cut_onsets_anew(library, song):
    first = run(library, song, "analyze", sliced())
    song.edit("analyze", tempo_factor=2)
    assert run(library, song, "analyze", sliced()) == {
        "analyze": Ended("reused", first["analyze"].key),
        "slice": Ended("reused", first["slice"].key),
    }


def test_without_a_tempo_the_reason_is_given(library, song):
    ended = run(library, song, sliced(mode="bars"))
    assert ended["slice"].status == "skipped"
    assert "analyze" in ended["slice"].why
    assert run(library, song, sliced(mode="bars", bpm=112, first_downbeat=0.25))["slice"].status == "done"


def test_words_of_a_sound_that_lyrics_does_not_take_are_not_waited_for(library, song, monkeypatch):
    from audiolab.stages.words import Lyrics

    monkeypatch.setattr(Lyrics, "resolve", lambda self, params: Resolved(params))  # as if its weights were here
    words = {"stage": "slice", "params": {"mode": "words"}}
    ended = run_all(library, song, "separate", "lyrics", words)
    slices = [job for name, job in ended.items() if name.startswith("slice")]
    assert [job.status for job in slices] == ["skipped"] * 4
    assert all("lyrics" in job.why for job in slices)


def test_loops_are_exported_as_loops_of_their_tempo(library, song, tmp_path):
    from audiolab.audio import read_tags

    run(library, song, sliced(mode="loops", bars=2, bpm=112, first_downbeat=0.25))
    samples = list(song.samples)
    assert [sample.frames for sample in samples] == [round(8 * 60 / 112 * 44100)] * 2
    assert samples[0].bpm == pytest.approx(112)
    export(samples, tmp_path / "kit", format="folder")
    files = sorted((tmp_path / "kit").rglob("*.wav"))
    assert len(files) == 2
    for file in files:
        tags = read_tags(file)
        assert tags.loop
        assert tags.bpm == pytest.approx(112, abs=0.01)


def test_fades_become_the_samples_render_on_read_and_export(library, song, mix, tmp_path):
    run(library, song, sliced(mode="equal", parts=3, fade_in=0.01, fade_out=0.05, mono="auto"))
    for sample in song.samples:
        assert sample.render == {"fade_in_s": 0.01, "fade_out_s": 0.05}
        assert "render" not in sample.facts
        plain = mix.samples[:, sample.start : sample.stop]
        np.testing.assert_array_equal(sample.audio(rendered=False).samples, plain)
        expected = apply_render(Audio(plain, mix.sample_rate), sample.render)
        np.testing.assert_array_equal(sample.audio().samples, expected.samples)
    export(list(song.samples), tmp_path / "kit", format="folder")
    files = sorted((tmp_path / "kit").rglob("*.wav"))
    assert len(files) == 3
    for file in files:
        got = Audio.from_file(file).samples
        assert np.abs(got[:, 0]).max() == 0
        assert any(
            got.shape == (other := sample.audio().samples).shape and np.abs(got - other).max() < 1e-4
            for sample in song.samples
        )
    before = song.samples[0]
    run(library, song, sliced(mode="equal", parts=3))
    assert song.samples[0] == before
    assert song.samples[0].render == {}


def test_cuts_that_overlap_are_samples_of_their_own(library, song, mix):
    run(library, song, sliced(choke=False, decay_db=90))
    samples = list(song.samples)
    assert any(a.stop > b.start for a, b in pairwise(samples))
    for sample in samples[:10]:
        np.testing.assert_array_equal(sample.audio().samples, mix.samples[:, sample.start : sample.stop])
    assert library.fsck().clean


def test_a_record_with_a_senseless_render_is_refused(library, song):
    ended = run(library, song, sliced(mode="equal", parts=2, fade_in=0.01))
    record = Record.read(library.record_path(ended["slice"].key))
    cut = record.cuts[0].model_copy(update={"facts": {"render": {"fade_in_s": -1}}})
    with pytest.raises(CatalogError, match="render"):
        library.fold(record.model_copy(update={"cuts": (cut,), "key": "ab" * 32}))


# ---- describe -------------------------------------------------------------------------------------


@pytest.fixture
def notes(library, tmp_path):
    """A song of four plucked notes, half a second each."""
    time = np.arange(22050) / 44100
    pitches = (45, 52, 57, 64)
    waves = [
        sum(np.sin(2 * np.pi * k * 440 * 2 ** ((note - 69) / 12) * time) / k for k in range(1, 9)) * np.exp(-time / 0.1)
        for note in pitches
    ]
    audio = Audio((0.3 * np.concatenate(waves)).astype(np.float32), 44100)
    return library.add(write_audio(tmp_path / "notes.wav", audio), kind="song"), pitches


def test_what_a_sample_is_like_becomes_its_facts(library, notes, tmp_path):
    from audiolab.audio import read_tags

    song, pitches = notes
    on_songs = {"stage": "describe", "where": {"kinds": ["song"]}}
    steps = (sliced(mode="equal", parts=4), on_songs)
    assert run(library, song, *steps)["describe"].status == "done"
    samples = list(song.samples)
    assert [sample.facts["root_note"] for sample in samples] == list(pitches)
    for sample in samples:
        assert sample.facts["kind"] == "one-shot"
        assert sample.facts["decay_s"] == pytest.approx(0.23, abs=0.02)
        assert sample.facts["part"] in {1, 2, 3, 4}  # what the slicer knows is still there
    assert "root_note" not in song.facts
    for query, count in {
        "root:A2": 1, "root:45": 1, "root:A": 2, "root:E": 2, "root:Bb": 0, "root:A2..A3": 3, "^root:A": 2,
        "shape:one-shot": 4, "shape:loop": 0, "attack:..50ms": 4, "decay:0.1..0.5": 4, "noisiness:0.5..": 0,
        "brightness:100..5000": 4, "word:go": 0,
    }.items():  # fmt: skip
        assert len(library.query(f"kind:sample {query}")) == count, query
    export(samples, tmp_path / "kit", format="folder")
    written = sorted((tmp_path / "kit").rglob("*.wav"))
    assert sorted(read_tags(file).root_note for file in written) == sorted(pitches)
    # Cutting anew elsewhere and back again loses nothing, and a second run does no work.
    run(library, song, sliced(mode="equal", parts=2))
    again = run(library, song, *steps)
    assert {ended.status for ended in again.values()} == {"reused"}
    assert [sample.facts["root_note"] for sample in song.samples] == list(pitches)
    assert library.fsck().clean


def test_a_persons_word_on_a_root_note_stays(library, notes):
    song, pitches = notes
    steps = (sliced(mode="equal", parts=4), {"stage": "describe", "where": {"kinds": ["song"]}})
    run(library, song, *steps)
    sample = song.samples[0]
    sample.edit("facts", root_note=33)
    run(library, song, steps[0], {**steps[1], "params": {"min_confidence": 0.1}})
    assert sample.facts["root_note"] == 33
    assert song.samples[1].facts["root_note"] == pitches[1]


def test_facts_of_a_sound_outside_the_set_are_refused(library, notes):
    song, _ = notes
    ended = run(library, song, sliced(mode="equal", parts=4), {"stage": "describe", "where": {"kinds": ["song"]}})
    record = Record.read(library.record_path(ended["describe"].key))
    wrong = record.each[0].model_copy(update={"sound_id": song.id})
    with pytest.raises(CatalogError, match="outside the job"):
        library.fold(record.model_copy(update={"each": (wrong,), "key": "ab" * 32}))

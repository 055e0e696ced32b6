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
from audiolab.synth import render_song


def run(library, song, *steps):
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
                continue
            outcome = run_job(job.spec, lambda *_: None)
            key = outcome.key if outcome.status == "done" else None
            if key:
                library.fold(Record.read(library.record_path(key)))
            planner.ended[job.id] = Ended(outcome.status, key, outcome.why)
    return {name.split(":")[0]: ended for name, ended in planner.ended.items()}


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

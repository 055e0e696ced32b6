"""Making results again: equal, close, different, lost and damaged files, and what cannot be made."""

from __future__ import annotations

import json

import numpy as np
import pretend_stages
import pytest

from audiolab.audio import Audio, write_audio
from audiolab.errors import ParameterError, RunError
from audiolab.library import Library, Sound
from audiolab.runs import process, rebuild, rebuild_all
from audiolab.runs.comparing import audio_difference, first_difference, profile_differences
from audiolab.stages import registry
from audiolab.stages.base import NewSound, Resolved, StageOutput
from audiolab.synth import noise

pytestmark = pytest.mark.usefixtures("pretend")

ALL = {"name": "all", "steps": [{"stage": name} for name in ("measure", "halves", "cuts", "names", "summary")]}


@pytest.fixture
def song(tmp_path, client):
    """A song with stems, samples, tags and documents."""
    with Library(tmp_path / "library") as library:
        made = library.add(write_audio(tmp_path / "song.wav", noise(0.5, 8000, seed=1)), kind="song")
        assert process(made, ALL, client=client).wait(60).status == "done"
        yield made


def stem_of(song):
    return song.stems["left half"]


def replaced(sound, key):
    """A sound whose row names another result."""
    row = sound.library.sound_row(sound.id)
    row.result_key = key
    return Sound(sound.library, row)


def changed(monkeypatch, *, by: float = 0.0, subtype: str = "FLOAT", profile: dict[str, str] | None = None):
    """Let the stage give other samples, another file, or work under another profile."""

    def run(self, job, resolved):
        audio = Audio.from_source(job.sound.source)
        values = audio.samples / 2
        values[0, 100] += by
        sounds = []
        for name in ("left half", "right half"):
            path = write_audio(job.scratch / f"{name}.wav", audio.with_(values), subtype=subtype)
            sounds.append(NewSound(path, "stem", name, stem=name))
        return StageOutput(document={"stems": 2}, sounds=tuple(sounds))

    monkeypatch.setattr(pretend_stages.Halves, "run", run)
    if profile is not None:
        monkeypatch.setattr(
            pretend_stages.Halves, "resolve", lambda self, params: Resolved(params, profile=profile), raising=False
        )


def test_what_was_made_is_made_again_to_the_last_byte(song):
    library, stem = song.library, stem_of(song)
    files = sorted(library.media.files(), key=lambda file: file.hash)
    made = rebuild(library, stem)
    assert (made.status, made.ok, made.same_profile, made.difference) == ("equal", True, True, 0.0)
    assert {sound.id for sound in made.sounds} == {other.id for other in song.stems.values()}
    assert sorted(library.media.files(), key=lambda file: file.hash) == files
    assert not list((library.path / "tmp").iterdir())
    assert rebuild(library, stem.id[:12]).status == "equal"
    document = made.to_dict()
    assert json.loads(json.dumps(document)) == document
    assert document["profile_equal"] is True


@pytest.mark.parametrize("loss", ["missing", "damaged", "short"])
def test_a_lost_file_comes_back(song, loss):
    library, stem = song.library, stem_of(song)
    before, path = stem.audio().samples, stem.path
    whole = path.read_bytes()
    if loss == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:-8] if loss == "short" else whole[:-8] + b"\1" * 8)
    made = rebuild(library, stem)
    found = next(sound for sound in made.sounds if sound.id == stem.id)
    assert (made.status, found.status, made.ok) == ("restored", "restored", True)
    assert found.stored == ("missing" if loss == "missing" else "damaged")
    assert stem.path.read_bytes() == whole
    assert np.array_equal(stem.audio().samples, before)
    assert library.fsck(deep=True).clean
    assert [op.what for op in library.ops(target=found.id)][:1] == ["repair"]
    assert rebuild(library, stem).status == "equal"


def test_what_lies_above_is_made_first(song):
    library, stem = song.library, stem_of(song)
    stem.path.unlink()
    key = stem.samples.result_key
    made = rebuild(library, key)
    assert made.status == "equal"
    assert [first.stage for first in made.before] == ["halves"]
    assert made.before[0].status == "restored"
    assert stem.path.exists()


def test_small_differences_are_allowed_under_another_profile_only(song, monkeypatch):
    library, stem = song.library, stem_of(song)
    changed(monkeypatch, by=5e-5)
    made = rebuild(library, stem)
    assert (made.status, made.ok, made.same_profile) == ("different", False, True)
    assert made.difference == pytest.approx(5e-5, rel=1e-3)
    assert "though the compute profile is equal" in str(made)
    changed(monkeypatch, by=5e-5, profile={"threads": "8"})
    made = rebuild(library, stem)
    assert (made.status, made.ok, made.same_profile) == ("close", True, False)
    assert made.profile == {"threads": (None, "8")}
    assert "threads None, now 8" in str(made)
    changed(monkeypatch, by=2e-4, profile={"threads": "8"})
    assert rebuild(library, stem).status == "different"
    changed(monkeypatch, subtype="DOUBLE", profile={"threads": "8"})
    made = rebuild(library, stem)
    assert (made.status, made.difference) == ("close", 0.0)
    assert library.fsck(deep=True).clean


def test_a_different_one_is_kept_only_if_asked_and_beside_the_old(song, monkeypatch):
    library, stem = song.library, stem_of(song)
    stem.path.unlink()
    changed(monkeypatch, by=0.25)
    made = rebuild(library, stem)
    assert (made.status, made.kept) == ("different", None)
    assert not library.media.exists(stem.media)
    made = rebuild(library, stem, keep=True)
    assert made.kept is not None
    new = stem_of(song)
    assert new.id != stem.id
    assert new.result_key == made.kept
    assert new.audio().samples[0, 100] == pytest.approx(song.audio().samples[0, 100] / 2 + 0.25)
    assert "made again" in str(new.explain())
    assert not library.sound(stem.id).current
    assert rebuild(library, new).status == "equal"
    assert rebuild(library, stem, keep=True).kept == made.kept  # the same again is the same result


def test_documents_are_compared_number_by_number(song, monkeypatch):
    library = song.library
    key = library.latest_result(song.id, "measure").key
    assert rebuild(library, key).status == rebuild(library, key[:12]).status == "equal"
    monkeypatch.setattr(
        pretend_stages.Measure, "run", lambda self, job, resolved: StageOutput(document={"length": 4000 * (1 + 5e-7)})
    )
    assert rebuild(library, key).status == "equal"
    monkeypatch.setattr(
        pretend_stages.Measure, "run", lambda self, job, resolved: StageOutput(document={"length": 4001})
    )
    made = rebuild(library, key)
    assert made.status == "different"
    assert made.differences == ("document.length: 4000.0, now 4001 (apart by 1)",)


def test_cuts_and_tags_are_compared(song, monkeypatch):
    library, stem = song.library, stem_of(song)
    cut, named = stem.samples.result_key, library.latest_result(stem.id, "names").key
    assert rebuild(library, cut).status == rebuild(library, named).status == "equal"
    monkeypatch.setattr(pretend_stages.CutsParams.model_fields["count"], "default", 3)
    run = pretend_stages.Cuts.run
    monkeypatch.setattr(
        pretend_stages.Cuts, "run",
        lambda self, job, resolved: StageOutput(document={"cuts": 3}, cuts=run(self, job, resolved).cuts[:2]),
    )  # fmt: skip
    assert "cuts: 3 items, now 2" in rebuild(library, cut).differences
    monkeypatch.setattr(
        pretend_stages.Names, "run", lambda self, job, resolved: StageOutput(document={"items": len(job.sounds)})
    )
    assert rebuild(library, named).differences == ("tags: 3 items, now 0",)


def test_a_need_is_found_again_though_a_person_corrected_it_since(song):
    library, stem = song.library, stem_of(song)
    key = library.latest_result(stem.id, "summary").key
    song.edit("measure", length=1)
    assert rebuild(library, key).status == "equal"
    corrected = library.latest_result(song.id, "measure").key
    assert rebuild(library, corrected).status == "equal"  # a correction lies over it and is no part of it


def test_a_need_made_with_a_correction_that_was_taken_back(song, client):
    library, stem = song.library, stem_of(song)
    song.edit("measure", length=1)
    process(song, ALL, client=client).wait(60)
    key = library.latest_result(stem.id, "summary").key
    song.edit("measure", length=2)
    assert library.result(key).document["length"] == 1
    assert rebuild(library, key).status == "equal"


def test_labels_by_people_are_those_of_then(song, client, monkeypatch):
    """What a job saw of people's labels is told from the history, whatever they said since."""
    library, stem = song.library, stem_of(song)

    def listed(self, job, resolved):
        return StageOutput(document={"items": [{"label": "kick", "confidence": 0.5} for _ in job.sounds]})

    def seen(self, job, resolved):
        return StageOutput(document={"seen": [item["label"] for item in job.needs["names"]["items"]]})

    monkeypatch.setattr(pretend_stages.Names, "run", listed)
    monkeypatch.setattr(pretend_stages.Summary, "run", seen)
    monkeypatch.setattr(pretend_stages.Names, "version", 2)
    monkeypatch.setattr(pretend_stages.Summary, "version", 2)
    samples = stem.samples
    samples[0].tag("rim")
    samples[1].tag("clap")
    samples[1].tag("tom").untag("tom")
    process(song, ALL, client=client).wait(60)
    key = library.latest_result(stem.id, "summary").key
    assert library.result(key).document["seen"] == ["rim", "clap", "kick"]
    samples[0].untag("rim")
    samples[1].tag("snare")
    samples[2].tag("cowbell")
    assert rebuild(library, key).status == "equal"


def test_what_cannot_be_made_says_why(song, monkeypatch, tmp_path):
    library, stem = song.library, stem_of(song)
    with pytest.raises(RunError, match="was added, not made"):
        rebuild(library, song)
    sample = stem.samples[1]
    with pytest.raises(RunError, match=rf"frames {sample.start} to {sample.stop} of 'left half'"):
        rebuild(library, sample)
    with pytest.raises(RunError, match="does not know the result"):
        rebuild_all.__globals__["_Rebuilder"](library, keep=False, anyway=False, progress=lambda *_: None).make(
            "ab" * 32
        )
    monkeypatch.setattr(pretend_stages.Halves, "version", 2)
    with pytest.raises(RunError, match="made by version 1 of the stage, and this audiolab has version 2"):
        rebuild(library, stem)
    made = rebuild(library, stem, anyway=True)
    assert made.status == "equal"
    assert "version 1" in made.notes[0]
    monkeypatch.setattr(pretend_stages.Halves, "version", 1)
    monkeypatch.setattr(
        pretend_stages.Halves, "resolve", lambda self, params: Resolved(params, weights="f" * 64), raising=False
    )
    with pytest.raises(RunError, match="which are not here"):
        rebuild(library, stem)
    monkeypatch.undo()


def test_a_fault_or_a_full_disk_in_one_stage_is_reported(song, monkeypatch):
    library, stem = song.library, stem_of(song)

    def crash(self, job, resolved):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(pretend_stages.Halves, "run", crash)
    with pytest.raises(RunError, match="ZeroDivisionError: by nothing"):
        rebuild(library, stem)

    def full(self, job, resolved):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pretend_stages.Halves, "run", full)
    report = rebuild_all(library, documents=True)
    assert report.counts == {"equal": 7, "failed": 1}
    assert "disk full" in report.failed[0].why
    assert not list((library.path / "tmp").iterdir())


def test_a_lost_original_is_named(song):
    library, stem = song.library, stem_of(song)
    song.path.unlink()
    with pytest.raises(RunError, match="relink"):
        rebuild(library, stem)
    registry.get_stage.cache_clear()
    registry._BUILT_IN.pop("halves")
    with pytest.raises(ParameterError, match="no stage"):
        rebuild(library, stem)


def test_a_file_that_is_only_referred_to_is_never_written(tmp_path, client):
    """A person's own copy of a stem holds the same bytes; the library's damaged file is mended beside it."""
    with Library(tmp_path / "refers", files="reference") as library:
        own = tmp_path / "music"
        own.mkdir()
        song = library.add(write_audio(own / "song.wav", noise(0.5, 8000, seed=1)), kind="song")
        assert process(song, ALL, client=client).wait(60).status == "done"
        stem = stem_of(song)
        assert rebuild(library, stem).status == "equal"
        whole, path = stem.path.read_bytes(), stem.path
        (own / "copy.wav").write_bytes(whole)
        path.write_bytes(whole[:-4] + b"\1\2\3\4")
        before = (own / "copy.wav").stat()
        library.add(own / "copy.wav")
        assert rebuild(library, stem).status == "restored"
        assert path.read_bytes() == whole
        assert (own / "copy.wav").stat().st_mtime_ns == before.st_mtime_ns
        (own / "song.wav").write_bytes(b"changed")
        with pytest.raises(RunError, match="changed since it was added"):
            rebuild(library, stem)


def test_all_at_once(song, monkeypatch):
    library = song.library
    report = rebuild_all(library)
    assert report.ok
    assert (report.sounds, report.views, report.added) == (2, 6, 1)
    assert report.counts == {"equal": 2}
    assert report.rates["sounds_per_second"] > 0
    whole = rebuild_all(library, documents=True)
    assert whole.ok
    assert {made.stage for made in whole.results} == {"measure", "halves", "cuts", "names", "summary"}
    assert {made.stage for made in rebuild_all(library, "kind:stem", documents=True).results} == {
        "halves", "cuts", "names", "summary",
    }  # fmt: skip
    assert "sounds a second" in str(whole)
    assert "halves" in whole._repr_html_()
    song.path.unlink()
    report = rebuild_all(library)
    assert not report.ok
    assert report.counts == {"failed": 1}
    assert report.failed[0].stage == "halves"
    assert "relink" in report.failed[0].why
    assert json.dumps(report.to_dict())


def test_the_spectral_engine_gives_equal_bytes(tmp_path, monkeypatch, client):
    monkeypatch.undo()
    registry.get_stage.cache_clear()
    with Library(tmp_path / "real") as library:
        song = library.add(write_audio(tmp_path / "song.wav", noise(1.5, 22050, seed=3)), kind="song")
        recipe = {"name": "r", "steps": [{"stage": "separate", "params": {"engine": "spectral"}}, {"stage": "slice"}]}
        assert process(song, recipe, client=client).wait(120).status == "done"
        stem = song.stems["drums"]
        stem.path.unlink()
        made = rebuild(library, stem)
        assert made.status == "restored"
        assert made.differences == ()
        assert {sound.status for sound in made.sounds} == {"equal", "restored"}
        assert rebuild_all(library, documents=True).ok


def test_differences_name_the_first_place():
    assert first_difference({"a": [1, {"b": 2.0}]}, {"a": [1, {"b": 2.0 + 1e-9}]}) is None
    assert first_difference({"a": [1, {"b": 2.0}]}, {"a": [1, {"b": 2.1}]}).startswith("a[1].b: 2.0, now 2.1")
    assert first_difference({"a": 1}, {}) == "a: is gone"
    assert first_difference({}, {"a": 1}) == "a: is new"
    assert first_difference({"a": True}, {"a": 1}) == "a: True, now 1"
    assert first_difference([1], [1, 2], "x") == "x: 1 items, now 2"
    assert profile_differences({"a": "1", "b": "2"}, {"a": 1, "c": "3"}) == {"b": ("2", None), "c": (None, "3")}


def test_audio_of_another_shape_cannot_be_close(tmp_path):
    one = write_audio(tmp_path / "a.wav", noise(0.5, 8000, seed=1))
    two = write_audio(tmp_path / "b.wav", noise(0.4, 8000, seed=1))
    assert audio_difference(one, two) == "frames 4000, now 3200"
    assert audio_difference(one, one) == 0.0

"""The stage: declarations, choice of engine, results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from separation_cases import song

from audiolab.audio import Audio, open_source
from audiolab.errors import AudioError, ModelError, ParameterError
from audiolab.stages import get_stage
from audiolab.stages.base import SoundInput, StageInput
from audiolab.stages.separation import Separate, SeparateParams, available, engine_names, get_engine

RATE = 22050


def job(scratch: Path, mix: np.ndarray, rate: int = RATE, **kwargs: object) -> StageInput:
    return StageInput((SoundInput("key", "a song", "song", Audio(mix, rate, "a song")),), scratch, **kwargs)


def test_registry_knows_the_stage_and_its_engines() -> None:
    stage = get_stage("separate")
    assert isinstance(stage, Separate)
    assert (stage.unit, stage.takes.accepts("song", None), stage.takes.accepts("sample", None)) == ("song", True, False)
    assert engine_names()[:2] == ("spectral", "demucs")
    assert available()["spectral"] is None
    with pytest.raises(ParameterError, match="there are: auto, spectral, demucs"):
        get_engine("spleeter")


def test_auto_without_weights_is_spectral_and_says_how_to_get_better() -> None:
    resolved = Separate().resolve(SeparateParams())
    assert (resolved.engine, resolved.params.engine, resolved.weights) == ("spectral", "spectral", None)
    (note,) = resolved.notes
    assert "audiolab models pull htdemucs" in note
    assert "spectral" in note
    assert resolved.profile["device"] == "cpu"


def test_naming_demucs_without_weights_tells_both_ways() -> None:
    pytest.importorskip("demucs", reason="demucs is not installed")
    with pytest.raises(ModelError, match=r"models pull htdemucs.*models import"):
        Separate().resolve(SeparateParams(engine="demucs"))


def test_without_torch_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from audiolab.stages.separation import htdemucs

    monkeypatch.setattr(htdemucs, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'audiolab\[separate\]'"):
        Separate().resolve(SeparateParams(engine="demucs"))
    assert Separate().resolve(SeparateParams()).engine == "spectral"


def test_auto_with_weights_is_demucs(checkpoint: Path) -> None:
    resolved = Separate().resolve(SeparateParams(model=str(checkpoint)))
    assert (resolved.engine, resolved.notes) == ("demucs", ())
    assert len(str(resolved.weights)) == 64
    assert {"device", "dtype", "segment", "threads", "torch", "demucs"} <= resolved.profile.keys()


def test_weights_that_changed_after_planning_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    from separation_cases import save_th, small_network

    moved = tmp_path / "model.th"
    moved.write_bytes(checkpoint.read_bytes())
    resolved = Separate().resolve(SeparateParams(engine="demucs", model=str(moved)))
    moved.write_bytes(save_th(small_network(9), tmp_path, "other").read_bytes())
    with pytest.raises(ModelError, match="changed"):
        Separate().run(job(tmp_path / "scratch", song(1.0, RATE)), resolved)


def test_parameters_that_an_engine_does_not_read_do_not_change_the_result_key() -> None:
    plain = Separate().resolve(SeparateParams(engine="spectral"))
    other = Separate().resolve(SeparateParams(engine="spectral", overlap=0.5, model="htdemucs_ft"))
    assert plain.params == other.params


def test_run_gives_stems_with_facts_and_a_document(tmp_path: Path) -> None:
    import json

    stage, mix = Separate(), song(3.0, RATE)
    output = stage.run(job(tmp_path / "scratch", mix), stage.resolve(SeparateParams(engine="spectral")))
    assert [sound.stem for sound in output.sounds] == ["drums", "bass", "other", "vocals"]
    assert {sound.kind for sound in output.sounds} == {"stem"}
    total = np.zeros(mix.shape)
    for sound in output.sounds:
        source = open_source(sound.path)
        assert (source.subtype, source.sample_rate, source.frames) == ("PCM_24", RATE, mix.shape[1])
        assert {"energy_share", "level_lufs", "peak_db", "silence_share"} <= sound.facts.keys()
        total += Audio.from_source(source).samples
    assert np.array_equal(total, mix)
    document = json.loads(json.dumps(output.document, allow_nan=False))
    assert document["null_db"] == -240.0
    assert document["engine"] == "spectral"
    assert document["stems"].keys() == {"drums", "bass", "other", "vocals"}
    assert {path.name for path in (tmp_path / "scratch").iterdir()} == {sound.path.name for sound in output.sounds}


def test_more_than_two_channels_need_downmix(tmp_path: Path) -> None:
    stage = Separate()
    mix = np.repeat(song(1.0, RATE, 1), 6, axis=0) / 4
    with pytest.raises(AudioError, match="downmix"):
        stage.run(job(tmp_path, mix), stage.resolve(SeparateParams(engine="spectral")))
    output = stage.run(job(tmp_path, mix), stage.resolve(SeparateParams(engine="spectral", downmix=True)))
    assert {open_source(sound.path).channels for sound in output.sounds} == {2}
    assert output.document["null_db"] <= -120


def test_float_subtype(tmp_path: Path) -> None:
    stage = Separate()
    output = stage.run(
        job(tmp_path, song(1.0, RATE)), stage.resolve(SeparateParams(engine="spectral", subtype="float"))
    )
    assert {open_source(sound.path).subtype for sound in output.sounds} == {"FLOAT"}
    assert output.document["null_db"] <= -120


def test_a_model_that_was_named_is_wanted() -> None:
    """No falling back to another engine, and no advice to pull what is nowhere."""
    pytest.importorskip("demucs", reason="demucs is not installed")
    with pytest.raises(ModelError, match=r"no model 'htdemocs': name htdemucs, htdemucs_ft, htdemucs_6s.*\./htdemocs"):
        Separate().resolve(SeparateParams(model="htdemocs"))
    with pytest.raises(ModelError, match="models pull htdemucs_ft"):
        Separate().resolve(SeparateParams(model="htdemucs_ft"))

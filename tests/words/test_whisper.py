"""The real loader and decoder of openai-whisper, with a tiny checkpoint in the official format."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from audiolab import weights
from audiolab.audio import Audio
from audiolab.errors import AudioError, MissingDependency, ModelError, ParameterError
from audiolab.stages import words
from audiolab.stages.base import SoundInput, StageInput, StageSkipped
from audiolab.stages.registry import get_stage
from audiolab.stages.words import LyricsParams, choosing, whisper_engine
from audiolab.weights import File, Member, Model, fetching, store

from .conftest import DIMS, WORDS

pytest.importorskip("whisper")
torch = pytest.importorskip("torch")


@pytest.fixture
def imported(checkpoint):
    weights.import_file(checkpoint, "scripted")
    yield "scripted"
    whisper_engine._load.cache_clear()


def tone(*times, seconds=6.0, rate=44100):
    time = np.arange(round(seconds * rate)) / rate
    wave = np.zeros((2, len(time)), np.float32)
    for start, stop in times:
        inside = (time >= start) & (time < stop)
        wave[:, inside] = 0.2 * np.sin(2 * np.pi * (300 + 40 * np.sin(30 * time[inside])) * time[inside])
    return Audio(wave, rate, "voice")


def run(sound, tmp_path, **params):
    found = get_stage("lyrics")
    resolved = found.resolve(LyricsParams(**params))
    job = StageInput((SoundInput("key", "a stem", "stem", sound, "vocals"),), tmp_path)
    return resolved, found.run(job, resolved)


# ---- the real thing ------------------------------------------------------------------------------


def test_loader_and_decoder_are_those_of_the_package(imported, checkpoint):
    import whisper

    official = whisper.load_model(str(checkpoint), device="cpu")
    ours = whisper_engine.load_model(weights.find(imported))
    for name, tensor in official.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name])
    audio = tone((0.5, 3.0), rate=16000).samples[0]
    torch.manual_seed(3)
    with torch.inference_mode():
        expected = whisper.transcribe(
            official, audio, language="en", word_timestamps=True, condition_on_previous_text=False, fp16=False
        )
    engine = whisper_engine.WhisperEngine(weights.find(imported), threads=torch.get_num_threads())
    found = engine.transcribe(audio, language="en", seed=3)
    kept = [segment for segment in expected["segments"] if segment["text"].strip()]
    assert "".join(segment["text"] for segment in kept) == WORDS
    assert [heard.text for heard in found] == [segment["text"] for segment in kept]
    assert [[w.word for w in h.words] for h in found] == [[w["word"] for w in s["words"]] for s in kept]
    assert [[w.start for w in h.words] for h in found] == [[w["start"] for w in s["words"]] for s in kept]


def test_a_sound_goes_all_the_way(imported, tmp_path):
    sound = tone((1.0, 2.5), (4.0, 5.0))
    state = torch.random.get_rng_state()
    resolved, output = run(sound, tmp_path, model=imported, language="English")
    assert torch.equal(state, torch.random.get_rng_state())
    assert resolved.engine == "whisper"
    assert resolved.weights == weights.find(imported).sha256
    assert resolved.params.language == "en"
    assert {"device", "dtype", "threads", "torch"} <= resolved.profile.keys()
    document = json.loads(json.dumps(output.document))
    assert document["language"] == "en"
    assert document["segments"][0]["text"] == WORDS.strip()
    assert [word["word"] for word in document["segments"][0]["words"]] == [f" {word}" for word in WORDS.split()]
    assert all(word["probability"] > 0.9 for word in document["segments"][0]["words"])
    assert document["segments"][0]["flags"] == []
    for line in document["segments"]:
        assert set(line) == {"start", "end", "text", "flags", "words", "evidence"}
        assert set(line["evidence"]) == {"average_log_probability", "compression_ratio", "no_speech_probability"}
        assert 0.7 <= line["start"] <= line["end"] <= 5.3
        for word in line["words"]:
            assert 0.7 <= word["start"] <= word["end"] <= 5.3
            assert 0 <= word["probability"] <= 1
    assert run(sound, tmp_path, model=imported, language="en")[1].document == output.document


def test_the_language_is_found(imported, tmp_path):
    _, output = run(tone((1.0, 3.0)), tmp_path, model=imported)
    assert output.document["language"] == "es"
    assert output.document["language_probability"] > 0.9


def test_a_file_becomes_four_files(imported, tmp_path):
    path = tone((1.0, 2.0)).write(tmp_path / "my vocals.wav")
    sheet = words.lyrics(path, to=tmp_path / "out", model=imported, language="en")
    assert [file.name for file in sheet.files] == [f"my vocals.{kind}" for kind in ("txt", "lrc", "srt", "json")]
    document = sheet.to_dict()
    assert document["path"] == str(path)
    assert document["engine"] == "whisper"
    assert json.loads((tmp_path / "out" / "my vocals.json").read_text("utf-8"))["segments"] == document["segments"]


@pytest.mark.parametrize(
    "samples", [np.zeros((2, 44100)), np.full((1, 44100), 0.3), np.zeros((1, 1)), np.ones((1, 1))],
    ids=["silence", "dc", "one sample", "one loud sample"],
)  # fmt: skip
@pytest.mark.parametrize("rate", [8000, 192000])
def test_sounds_without_voice(imported, tmp_path, samples, rate):
    _, output = run(Audio(samples.astype(np.float32), rate), tmp_path, model=imported)
    assert output.document["segments"] == []
    assert output.document["language"] is None
    assert output.notes == ("a stem: no words found",)


# ---- weights that are not here -------------------------------------------------------------------


def test_without_weights_it_is_skipped_with_the_ways_to_get_them(tmp_path):
    with pytest.raises(StageSkipped, match=r"audiolab models pull small.*audiolab models import FILE"):
        get_stage("lyrics").resolve(LyricsParams())
    with pytest.raises(StageSkipped, match="models pull"):
        words.lyrics(tone((1, 2)))


@pytest.mark.parametrize(("named", "model"), [({"engine": "whisper"}, "small"), ({"model": "base"}, "base")])
def test_naming_what_is_not_here_is_an_error(named, model):
    with pytest.raises(ModelError, match=rf"models pull {model}.*models import"):
        get_stage("lyrics").resolve(LyricsParams(**named))
    with pytest.raises(ModelError, match=rf"models pull {model}.*models import"):
        words.lyrics(tone((1, 2)), **named)  # offline, as all tests are


def test_auto_takes_the_best_that_is_here(checkpoint, monkeypatch):
    digest = weights.hash_file(checkpoint)
    models = {
        name: Model(name, "whisper", (Member(name, (File(f"{name}.pt", "https://localhost:9/x", digest),)),), "MIT", "")
        for name in ("tiny", "base")
    }
    monkeypatch.setattr(store, "MODELS", models)
    monkeypatch.setattr(fetching, "MODELS", models)
    for name in ("tiny", "base"):
        path = weights.models_folder("whisper", f"{name}.pt")
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(checkpoint, path)
        resolved = get_stage("lyrics").resolve(LyricsParams())
        assert (resolved.params.model, resolved.params.engine) == (name, "whisper")


def test_official_names_bring_their_own_alignment_heads(checkpoint, monkeypatch):
    import base64
    import gzip

    import whisper

    digest = weights.hash_file(checkpoint)
    models = {"tiny": Model("tiny", "whisper", (Member("tiny", (File("tiny.pt", "https://x", digest),)),), "MIT", "")}
    monkeypatch.setattr(store, "MODELS", models)
    dump = base64.b85encode(gzip.compress(np.array([[True, False], [False, True]]).tobytes()))
    monkeypatch.setitem(whisper._ALIGNMENT_HEADS, "tiny", dump)
    weights.import_file(checkpoint, "tiny")
    heads = whisper_engine.load_model(weights.find("tiny")).alignment_heads.to_dense()
    assert heads.tolist() == [[True, False], [False, True]]


def test_without_the_package(monkeypatch):
    for module in (choosing, whisper_engine):
        monkeypatch.setattr(module, "whisper_installed", lambda: False)
    monkeypatch.setattr(choosing, "faster_whisper_installed", lambda: False)
    with pytest.raises(StageSkipped, match=r"audiolab\[lyrics\]"):
        get_stage("lyrics").resolve(LyricsParams())
    with pytest.raises(MissingDependency, match=r"audiolab\[lyrics\]"):
        get_stage("lyrics").resolve(LyricsParams(engine="whisper"))


# ---- files that are not what they claim ----------------------------------------------------------


def bad(tmp_path, content) -> weights.Weights:
    path = tmp_path / "bad.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    return weights.find(weights.import_file(path))


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch should-not-exist",))


def test_a_checkpoint_that_runs_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in ({"dims": DIMS, "model_state_dict": Bomb()}, {"dims": Bomb(), "model_state_dict": {}}):
        found = bad(tmp_path, content)
        with pytest.raises(ModelError, match=r"refused.*run code"):
            whisper_engine.load_model(found)
        found.path.unlink()
        found.path.with_name("bad.pt.json").unlink()
    assert not (tmp_path / "should-not-exist").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a checkpoint at all", "refused|not a checkpoint"),
        (b"PK\x03\x04 broken zip", "not a checkpoint"),
        ({"state": 1}, "lacks `dims`"),
        ([1, 2], "lacks `dims`"),
        ({"dims": {"n_mels": 80}, "model_state_dict": {}}, "should name"),
        ({"dims": {**DIMS, "n_audio_state": 10**9}, "model_state_dict": {}}, "n_audio_state must be"),
        ({"dims": {**DIMS, "n_audio_layer": "1"}, "model_state_dict": {}}, "n_audio_layer must be"),
        ({"dims": {**DIMS, "n_mels": 81}, "model_state_dict": {}}, "80 or 128"),
        ({"dims": {**DIMS, "n_text_head": 3}, "model_state_dict": {}}, "multiple"),
        ({"dims": DIMS, "model_state_dict": {}}, "do not fit"),
        ({"dims": DIMS, "model_state_dict": [1]}, "do not fit"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    with pytest.raises(ModelError, match=message):
        whisper_engine.load_model(bad(tmp_path, content))


def test_a_file_that_changed_after_the_import(imported, tmp_path):
    found = weights.find(imported)
    data = bytearray(found.path.read_bytes())
    data[-100] ^= 1
    found.path.write_bytes(data)
    whisper_engine._load.cache_clear()
    with pytest.raises(ModelError, match="changed"):
        whisper_engine.load_model(found)


# ---- wrong use -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"language": "klingon"}, "no language 'klingon'"),
        ({"languages": "en"}, "languages"),
        ({"beam_size": 0}, "beam_size"),
        ({"engine": "siri"}, "engine"),
    ],
)
def test_parameters_that_make_no_sense(imported, params, message):
    with pytest.raises(ParameterError, match=message):
        words.lyrics(tone((1, 2)), **{"model": imported, **params})


def test_not_audio(imported, tmp_path):
    (tmp_path / "a.wav").write_text("text")
    with pytest.raises(AudioError):
        words.lyrics(tmp_path / "a.wav", model=imported)


def test_beams_work_too(imported, tmp_path):
    _, output = run(tone((1.0, 2.0)), tmp_path, model=imported, language="en", beam_size=2)
    assert output.document["segments"][0]["text"] == WORDS.strip()


def test_the_declarations():
    found = get_stage("lyrics")
    assert found.takes.accepts("stem", "vocals")
    assert not found.takes.accepts("stem", "drums")
    assert found.takes.accepts("song", None)

"""faster-whisper's own loader and decoder, with the tiny checkpoint converted; beside openai-whisper."""

from __future__ import annotations

import json
import shutil
import socket

import numpy as np
import pytest

from audiolab import weights
from audiolab.audio import Audio
from audiolab.errors import ExportError, MissingDependency, ModelError, ParameterError
from audiolab.stages import words
from audiolab.stages.base import StageSkipped
from audiolab.stages.registry import get_stage
from audiolab.stages.words import LyricsParams, choosing, converting, faster_engine
from audiolab.stages.words.faster_engine import FasterWhisperEngine
from audiolab.stages.words.whisper_engine import WhisperEngine

from .conftest import DIMS, WORDS

torch = pytest.importorskip("torch")
whisper = pytest.importorskip("whisper")
pytest.importorskip("faster_whisper", reason="needs the package faster-whisper: pip install 'audiolab[lyrics-fast]'")


@pytest.fixture
def imported(folder):
    weights.import_file(folder, "fast")
    yield "fast"
    faster_engine._load.cache_clear()


@pytest.fixture
def random_pair(tmp_path):
    """A network whose every weight matters, in both formats."""
    torch.manual_seed(11)
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**DIMS))
    with torch.no_grad():
        model.decoder.positional_embedding.normal_(0, 1.0)
        model.decoder.token_embedding.weight.normal_(0, 0.1)
        # Only text is likely: else timestamps, which are many, win together.
        direction = torch.nn.functional.normalize(torch.randn(DIMS["n_text_state"]), dim=0)
        model.decoder.ln.bias.copy_(8 * direction)
        model.decoder.token_embedding.weight[50257:] -= 3 * direction
    torch.save({"dims": DIMS, "model_state_dict": model.state_dict()}, tmp_path / "random.pt")
    official = weights.find(weights.import_file(tmp_path / "random.pt"))
    made = converting.convert(official, tmp_path / "random-fast", quantization="float32")
    yield WhisperEngine(official), FasterWhisperEngine(weights.find(weights.import_file(made)), dtype="float32")
    faster_engine._load.cache_clear()


def noise(seconds, seed=5):
    rng = np.random.default_rng(seed)
    envelope = np.interp(np.arange(round(seconds * 16000)), np.arange(60) * 8000, rng.uniform(0, 0.3, 60))
    return (envelope * rng.standard_normal(len(envelope))).astype(np.float32)


# ---- the same network ----------------------------------------------------------------------------


def test_it_is_the_same_network(random_pair):
    """Encoder, next tokens, languages and alignment agree with openai-whisper's."""
    import ctranslate2

    ours, fast = random_pair
    audio = noise(30)
    mel = ours._mel(audio)
    with torch.inference_mode():
        expected = ours.model.encoder(mel[None])
    encoded = fast.model.encode(mel.numpy())
    assert np.abs(np.array(encoded) - expected.numpy()).max() < 1e-4 * expected.abs().max()

    prompt = [50258, 50259, 50359, 50363]  # start, English, transcribe, without timestamps
    tokens = list(prompt)
    with torch.inference_mode():
        for _ in range(24):
            tokens.append(int(ours.model.decoder(torch.tensor([tokens]), expected)[0, -1].argmax()))
    (result,) = fast.model.model.generate(
        ctranslate2.StorageView.from_array(np.array(encoded)), [prompt],
        beam_size=1, max_length=len(tokens), suppress_blank=False, suppress_tokens=[],
    )  # fmt: skip
    said = result.sequences_ids[0]
    assert len(said) >= 12
    assert said == tokens[len(prompt) :][: len(said)]
    assert len(set(said)) > 3

    left, right = ours.languages(audio), fast.languages(audio)
    assert left.keys() == right.keys()
    assert max(abs(left[code] - right[code]) for code in left) < 1e-4


def test_words_and_times_are_those_of_openai_whisper(random_pair, imported, checkpoint):
    official = weights.find(weights.import_file(checkpoint, "scripted"))
    ours, fast = WhisperEngine(official), FasterWhisperEngine(weights.find(imported), dtype="float32")
    audio = noise(7)
    left, right = (engine.transcribe(audio, language="en", seed=0) for engine in (ours, fast))
    assert [heard.text for heard in left] == [heard.text for heard in right] == [WORDS] * len(left)
    for a, b in zip(left, right, strict=True):
        assert [word.word for word in a.words] == [word.word for word in b.words]
        assert a.average_log_probability == pytest.approx(b.average_log_probability, abs=1e-3)
        assert a.compression_ratio == pytest.approx(b.compression_ratio)
        assert a.no_speech_probability == pytest.approx(b.no_speech_probability, abs=1e-4)
    text = " Sing along with me, don't stop"
    for left_engine, right_engine in (random_pair, (ours, fast)):
        left, right = (engine.align(audio, text, language="en") for engine in (left_engine, right_engine))
        assert [w.word for w in left] == [w.word for w in right]
        assert "".join(w.word for w in left) == text
        assert np.allclose([w.probability for w in left], [w.probability for w in right], atol=1e-4)
        gaps = np.abs(np.array([(w.start - v.start, w.end - v.end) for w, v in zip(left, right, strict=True)]))
        assert np.median(gaps) <= 0.04


def test_tokens_are_those_of_openai_whisper():
    import tokenizers
    from whisper.tokenizer import get_tokenizer

    rng = np.random.default_rng(3)
    blocks = [(32, 127), (160, 0x500), (0x3040, 0x9FFF), (0x1F300, 0x1F600)]
    texts = [
        "Hello world, don't stop",
        "J'vois pas l'intérêt",
        "君と夜を 走る 123",
        "  two  spaces\n new",
        "♪♪ -- (hi)",
    ]
    texts += ["".join(chr(rng.integers(*blocks[rng.integers(4)])) for _ in range(30)) for _ in range(100)]
    for multilingual in (True, False):
        made = tokenizers.Tokenizer.from_str(converting.tokenizer_json(multilingual=multilingual, num_languages=99))
        expected = get_tokenizer(multilingual, num_languages=99)
        for text in texts:
            tokens = made.encode(text, add_special_tokens=False).ids
            assert tokens == expected.encode(text)
            assert made.decode(tokens) == text


@pytest.mark.parametrize("quantization", ["float16", "int8"])
def test_other_number_types_say_the_same(checkpoint, tmp_path, quantization):
    official = weights.find(weights.import_file(checkpoint, "scripted"))
    made = weights.import_file(converting.convert(official, tmp_path / "made", quantization=quantization))
    for dtype in ("int8", "float32"):
        engine = FasterWhisperEngine(weights.find(made), dtype=dtype)
        assert {heard.text for heard in engine.transcribe(noise(3), language="es", seed=0)} == {WORDS}
    faster_engine._load.cache_clear()


def test_sampling_after_failed_thresholds_is_repeatable(random_pair, monkeypatch):
    """Nothing that came before changes what a seed gives."""
    _, fast = random_pair
    audio = noise(1)
    # The likeliest words of this network are less unlikely than any drawn ones, and would be taken in the end.
    monkeypatch.setattr(faster_engine, "_TEMPERATURES", (1.0,))

    def heard(seed):
        return [h.text for h in fast.transcribe(audio, language="en", seed=seed)]

    first = heard(1)
    assert first
    assert first == heard(1)
    assert first != heard(2)
    assert first == heard(1)


# ---- through the stage ---------------------------------------------------------------------------


def voice(*times, seconds=6.0, rate=44100):
    time = np.arange(round(seconds * rate)) / rate
    wave = np.zeros((2, len(time)), np.float32)
    for start, stop in times:
        inside = (time >= start) & (time < stop)
        wave[:, inside] = 0.2 * np.sin(2 * np.pi * (300 + 40 * np.sin(30 * time[inside])) * time[inside])
    return Audio(wave, rate, "voice")


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_sound_goes_all_the_way(imported, no_network):
    resolved = get_stage("lyrics").resolve(LyricsParams(engine="faster-whisper", language="English"))
    assert (resolved.engine, resolved.params.model, resolved.params.dtype) == ("faster-whisper", "fast", "int8")
    assert resolved.weights == weights.find(imported).sha256
    assert {"device", "dtype", "threads", "ctranslate2", "faster-whisper"} <= resolved.profile.keys()
    sheet = words.lyrics(voice((1.0, 2.5), (4.0, 5.0)), engine="faster-whisper", language="en")
    assert json.loads(json.dumps(sheet.to_dict()))["engine"] == "faster-whisper"
    assert sheet.lines[0].text == WORDS.strip()
    assert all(0.7 <= word.start <= word.end <= 5.3 for word in sheet.words)


def test_auto_prefers_openai_whisper(imported, checkpoint, monkeypatch):
    resolve = get_stage("lyrics").resolve
    assert resolve(LyricsParams()).engine == "faster-whisper"
    weights.import_file(checkpoint, "mine")
    assert resolve(LyricsParams(model="mine")).engine == "whisper"
    assert resolve(LyricsParams(model="fast")).engine == "faster-whisper"
    monkeypatch.setattr(choosing, "PREFERRED", ("mine", "tiny"))
    assert resolve(LyricsParams()).engine == "whisper"
    assert resolve(LyricsParams(engine="faster-whisper")).params.model == "fast"
    with pytest.raises(ModelError, match="not on this machine"):
        resolve(LyricsParams(engine="whisper", model="fast"))


def test_folders_go_by_the_names_of_their_models(folder):
    weights.import_file(folder, "faster-whisper-small")
    resolved = get_stage("lyrics").resolve(LyricsParams(engine="faster-whisper", model="small"))
    assert resolved.params.model == "faster-whisper-small"
    with pytest.raises(ModelError, match=r"models import faster-whisper-base.*models convert base"):
        get_stage("lyrics").resolve(LyricsParams(engine="faster-whisper", model="base"))


def test_without_weights_or_package(monkeypatch):
    resolve = get_stage("lyrics").resolve
    with pytest.raises(ModelError, match="models import faster-whisper-small"):
        resolve(LyricsParams(engine="faster-whisper"))
    with pytest.raises(ModelError, match="models import faster-whisper-small"):
        words.lyrics(voice((1, 2)), engine="faster-whisper")  # and never fetches anything
    for module in (choosing, faster_engine):
        monkeypatch.setattr(module, "faster_whisper_installed", lambda: False)
    with pytest.raises(MissingDependency, match=r"audiolab\[lyrics-fast\]"):
        resolve(LyricsParams(engine="faster-whisper"))
    with pytest.raises(StageSkipped, match="models pull"):
        resolve(LyricsParams())


@pytest.mark.parametrize(
    ("engine", "dtype"), [("faster-whisper", "float16"), ("whisper", "int8"), ("whisper", "float16")]
)
def test_number_types_that_the_engine_does_not_know(imported, checkpoint, engine, dtype):
    if torch.cuda.is_available():
        pytest.skip("what a CPU cannot do")
    model = "fast" if engine == "faster-whisper" else weights.import_file(checkpoint, "scripted")
    with pytest.raises(ParameterError, match="dtype"):
        get_stage("lyrics").resolve(LyricsParams(engine=engine, model=model, dtype=dtype))


# ---- folders that are not what they claim --------------------------------------------------------


@pytest.mark.parametrize("lacking", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_incomplete_folders_are_refused(folder, tmp_path, lacking):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / lacking).unlink()
    with pytest.raises(ModelError, match=lacking):
        weights.import_file(broken)
    (broken / lacking).touch()
    with pytest.raises(ModelError, match="empty"):
        weights.import_file(broken)
    assert weights.find("broken") is None


@pytest.mark.parametrize(
    ("file", "content"),
    [("model.bin", b"no model"), ("tokenizer.json", b"{}"), ("tokenizer.json", b"\xff"), ("vocabulary.json", b"[]")],
)
def test_other_content_is_refused(folder, tmp_path, file, content):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / file).write_bytes(content)
    with pytest.raises(ModelError, match="broken"):
        FasterWhisperEngine(weights.find(weights.import_file(broken)))


def test_a_folder_that_changed_after_the_import(imported):
    found = weights.find(imported)
    path = found.folder / "config.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(ModelError, match="changed"):
        FasterWhisperEngine(found)
    with pytest.raises(ModelError, match="changed"):
        weights.find(imported)


def test_conversion_refuses(checkpoint, folder, tmp_path):
    official = weights.find(weights.import_file(checkpoint, "scripted"))
    with pytest.raises(ExportError, match="exists already"):
        converting.convert(official, folder)
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot write"):
        converting.convert(official, tmp_path / "file" / "new")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]

"""faster-whisper: the same networks on CTranslate2, from a folder that is here; nothing is ever fetched.

The files' hashes are checked first; decoding, fallbacks and word times are the package's own `transcribe`.

CTranslate2 seeds its sampling once a thread, so the same seed would give other words later on. Windows are therefore
decoded without sampling first. Where that fails Whisper's own thresholds, the model is loaded anew (which starts a new
thread), seeded, and decodes the window again with the usual rising temperatures.

References
----------
Packages `faster-whisper` 1.2 (SYSTRAN, MIT) and `ctranslate2` 4 (MIT).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import MissingDependency, ModelError, ParameterError
from audiolab.stages.kept import file_size, kept
from audiolab.stages.words.hearing import Heard, HeardWord
from audiolab.weights import Weights

__all__ = ["FasterWhisperEngine", "faster_whisper_installed", "require_faster_whisper"]

_TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_COMPRESSION, _LOG_PROBABILITY = 2.4, -1.0
_FEWEST_TOKENS = 51_864
_COMPUTE = {"cpu": {"float32": "float32", "int8": "int8"}, "cuda": {"float16": "float16", "int8": "int8_float16"}}


def faster_whisper_installed() -> bool:
    """Say whether the package can be imported."""
    return find_spec("faster_whisper") is not None and find_spec("ctranslate2") is not None


def require_faster_whisper() -> None:
    """Raise `MissingDependency` if faster-whisper is not installed."""
    if not faster_whisper_installed():
        raise MissingDependency(
            "this engine needs the package faster-whisper, which is not installed: pip install 'audiolab[lyrics-fast]'"
        )


class _Model:
    """A loaded model that can be loaded anew."""

    def __init__(self, weights: Weights, device: str, compute_type: str, threads: int) -> None:
        self._arguments = (weights, device, compute_type, threads)
        self.model: Any = None
        self.load()

    def load(self) -> None:
        """Check the files and open them; an earlier model is let go first."""
        from faster_whisper import WhisperModel

        weights, device, compute_type, threads = self._arguments
        self.model = None
        if weights.folder is None:
            raise ModelError(f"{weights.name} is no model folder of CTranslate2, which faster-whisper needs")
        weights.verify()
        try:
            self.model = WhisperModel(
                str(weights.folder),
                device=device,
                compute_type=compute_type,
                cpu_threads=threads,
                local_files_only=True,
            )
            _check_tokens(weights.folder, self.model.hf_tokenizer)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{str(weights.folder)!r} is no Whisper model, or is damaged ({error})") from error
        except Exception as error:
            # The package tokenizers raises bare exceptions.
            if type(error) is not Exception:
                raise
            raise ModelError(f"{str(weights.folder / 'tokenizer.json')!r} is no tokenizer ({error})") from error


def _check_tokens(folder: Path, tokenizer: Any) -> None:
    """Raise `ValueError` if vocabulary and tokenizer are not Whisper's: CTranslate2 itself does not look."""
    listed = folder / "vocabulary.json"
    if listed.is_file():
        count = len(json.loads(listed.read_text("utf-8")))
    else:
        count = len((folder / "vocabulary.txt").read_text("utf-8").splitlines())
    if count < _FEWEST_TOKENS:
        raise ValueError(f"its vocabulary has {count} tokens")
    if tokenizer.token_to_id("<|startoftranscript|>") is None:
        raise ValueError("its tokenizer does not know Whisper's tokens")


# CTranslate2 does not say what a model takes; its file is about as large.
@kept(
    device=lambda weights, device, compute_type, threads: device,
    expected=lambda weights, device, compute_type, threads: file_size(
        *weights.folder.iterdir() if weights.folder else ()
    ),
)
def _load(weights: Weights, device: str, compute_type: str, threads: int) -> _Model:
    return _Model(weights, device, compute_type, threads)


class FasterWhisperEngine:
    """A Whisper network on CTranslate2.

    Parameters
    ----------
    weights : Weights
        A model folder, found by `audiolab.weights.find`.
    device : str
        cpu or cuda.
    dtype : str
        What it computes with: float32 or int8 on a CPU, float16 or int8 on a GPU.
    threads : int
        Threads of CTranslate2.
    beam_size : int
        1 takes the likeliest token each time; more keeps as many hypotheses, slower and a little better.
    """

    name = "faster-whisper"

    def __init__(
        self, weights: Weights, *, device: str = "cpu", dtype: str = "int8", threads: int = 1, beam_size: int = 1
    ) -> None:
        require_faster_whisper()
        compute_type = _COMPUTE.get(device, {}).get(dtype)
        if compute_type is None:
            raise ParameterError(f"faster-whisper takes {', '.join(_COMPUTE[device])} on {device}, not {dtype}")
        self._loaded = _load(weights, device, compute_type, threads)
        self.beam_size = beam_size

    @property
    def model(self) -> Any:
        """The `faster_whisper.WhisperModel`."""
        return self._loaded.model

    def languages(self, audio: NDArray[np.float32]) -> Mapping[str, float]:
        """Give the probability of each language; an English-only model knows one."""
        if not self.model.model.is_multilingual:
            return {"en": 1.0}
        _, _, found = self.model.detect_language(audio)
        return {str(code): float(p) for code, p in found}

    def transcribe(self, audio: NDArray[np.float32], *, language: str, seed: int) -> Sequence[Heard]:
        """Transcribe one window; every window stands for itself, so that no loop spreads."""
        self._check(language)
        found = self._decode(audio, language, (0.0,))
        if any(h.compression_ratio > _COMPRESSION or h.average_log_probability < _LOG_PROBABILITY for h in found):
            import ctranslate2

            ctranslate2.set_random_seed(seed)
            self._loaded.load()
            found = self._decode(audio, language, _TEMPERATURES)
        return found

    def align(self, audio: NDArray[np.float32], text: str, *, language: str) -> Sequence[HeardWord] | None:
        """Find when the words of a known text are sung; None if the text is too long for one window."""
        from faster_whisper.audio import pad_or_trim
        from faster_whisper.tokenizer import Tokenizer

        self._check(language)
        model = self.model
        tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
        tokens = tokenizer.encode(text)
        if not tokens or len(tokens) + len(tokenizer.sot_sequence) + 2 > model.max_length:
            return None if tokens else []
        features = model.feature_extractor(audio)
        frames = min(features.shape[-1] - 1, model.feature_extractor.nb_max_frames)
        encoded = model.encode(pad_or_trim(features[:, :frames]))
        (pieces,) = model.find_alignment(tokenizer, [tokens], encoded, frames) or [[]]
        return [HeardWord(float(p["start"]), float(p["end"]), p["word"], float(p["probability"])) for p in pieces]

    def _check(self, language: str) -> None:
        if language != "en" and not self.model.model.is_multilingual:
            raise ParameterError(f"this model knows English only; {language!r} needs one without .en in its name")

    def _decode(self, audio: NDArray[np.float32], language: str, temperatures: Sequence[float]) -> list[Heard]:
        segments, _ = self.model.transcribe(
            audio,
            language=language,
            beam_size=self.beam_size,
            temperature=list(temperatures),
            word_timestamps=True,
            condition_on_previous_text=False,
        )
        return [_heard(segment) for segment in segments if segment.text.strip()]


def _heard(segment: Any) -> Heard:
    return Heard(
        float(segment.start),
        float(segment.end),
        str(segment.text),
        tuple(HeardWord(float(w.start), float(w.end), str(w.word), float(w.probability)) for w in segment.words or ()),
        float(segment.avg_logprob),
        float(segment.compression_ratio),
        float(segment.no_speech_prob),
    )

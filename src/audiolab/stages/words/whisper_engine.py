"""openai-whisper behind our own safe loader.

The checkpoint's hash is checked first; then torch reads it with `weights_only`, which builds tensors and
plain containers and runs no code; then `whisper.model.Whisper` takes the tensors. Decoding, word times and
fallbacks are the package's own `transcribe`.

References
----------
A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022; package
`openai-whisper` 20250625 (MIT).
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import MissingDependency, ModelError, ParameterError
from audiolab.stages.words.hearing import Heard, HeardWord
from audiolab.weights import Weights, official_name

__all__ = ["WhisperEngine", "language_code", "load_model", "require_whisper", "whisper_installed"]

_LIMITS = {
    # Far above large-v3, and small enough that a forged file cannot ask for all memory.
    "n_mels": (80, 128),
    "n_audio_ctx": (1, 3000),
    "n_audio_state": (8, 4096),
    "n_audio_head": (1, 64),
    "n_audio_layer": (1, 128),
    "n_vocab": (51864, 51866),
    "n_text_ctx": (8, 2048),
    "n_text_state": (8, 4096),
    "n_text_head": (1, 64),
    "n_text_layer": (1, 128),
}


def whisper_installed() -> bool:
    """Say whether the package can be imported."""
    return find_spec("whisper") is not None and find_spec("torch") is not None


def require_whisper() -> None:
    """Raise `MissingDependency` if openai-whisper is not installed."""
    if not whisper_installed():
        raise MissingDependency(
            "lyrics need the package openai-whisper, which is not installed: pip install 'audiolab[lyrics]'"
        )


def language_code(language: str | None) -> str | None:
    """Turn `en` or `English` into `en`; None and `auto` into None.

    Raises
    ------
    ParameterError
        If Whisper knows no such language.
    """
    if language is None or language.lower() == "auto":
        return None
    from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

    wanted = language.lower()
    code = wanted if wanted in LANGUAGES else TO_LANGUAGE_CODE.get(wanted)
    if code is None:
        raise ParameterError(f"Whisper knows no language {language!r}; give a code such as en, es, fr or de")
    return str(code)


def load_model(weights: Weights, device: str = "cpu") -> Any:
    """Open a checkpoint in the official format.

    Parameters
    ----------
    weights : Weights
        Found by `audiolab.weights.find`.
    device : str
        Where to put the model: cpu or cuda.

    Returns
    -------
    whisper.model.Whisper
        In evaluation mode, float32 on a CPU.

    Raises
    ------
    ModelError
        If the file has changed, is not a Whisper checkpoint, or holds anything but tensors and plain values.
    """
    require_whisper()
    return _load(weights, device)


@lru_cache(maxsize=1)
def _load(weights: Weights, device: str) -> Any:
    import torch
    from whisper import _ALIGNMENT_HEADS
    from whisper.model import ModelDimensions, Whisper

    weights.verify()
    path = weights.path
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{str(path)!r} is refused: it is no plain checkpoint, or it tries to run code when opened "
            f"({str(error).splitlines()[0]})"
        ) from error
    except (RuntimeError, ValueError, EOFError, KeyError, OSError) as error:
        raise ModelError(f"{str(path)!r} is not a checkpoint or is damaged ({str(error).splitlines()[0]})") from error
    dims, state = _parts(checkpoint, str(path))
    with torch.random.fork_rng(devices=[]):  # the first values are drawn at random, and replaced at once
        model = Whisper(ModelDimensions(**dims))
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(f"{str(path)!r}: its tensors do not fit its dimensions ({str(error)[:200]})") from error
    heads = _ALIGNMENT_HEADS.get(official_name(weights.name)) if weights.kind == "whisper" else None
    if heads is not None:
        model.set_alignment_heads(heads)
    return model.to(device).eval()


def _parts(checkpoint: Any, path: str) -> tuple[dict[str, int], Any]:
    """Check the checkpoint's outline before anything of its size is built."""
    if not isinstance(checkpoint, dict) or not {"dims", "model_state_dict"} <= checkpoint.keys():
        raise ModelError(f"{path!r} is not a Whisper checkpoint: it lacks `dims` and `model_state_dict`")
    dims = checkpoint["dims"]
    if not isinstance(dims, dict) or dims.keys() != _LIMITS.keys():
        raise ModelError(f"{path!r} is not a Whisper checkpoint: its `dims` should name {', '.join(_LIMITS)}")
    for name, (low, high) in _LIMITS.items():
        if type(dims[name]) is not int or not low <= dims[name] <= high:
            raise ModelError(f"{path!r}: {name} must be {low} to {high}, not {dims[name]!r}")
    for part in ("audio", "text"):
        if dims[f"n_{part}_state"] % dims[f"n_{part}_head"]:
            raise ModelError(f"{path!r}: n_{part}_state must be a multiple of n_{part}_head")
    if dims["n_mels"] not in (80, 128):
        raise ModelError(f"{path!r}: n_mels must be 80 or 128, not {dims['n_mels']}")
    return dict(dims), checkpoint["model_state_dict"]


class WhisperEngine:
    """Whisper with its model loaded.

    Parameters
    ----------
    weights : Weights
        Found by `audiolab.weights.find`.
    device : str
        cpu or cuda.
    threads : int
        Threads of torch while it works.
    beam_size : int
        1 takes the likeliest token each time; more keeps as many hypotheses, slower and a little better.
    """

    name = "whisper"

    def __init__(self, weights: Weights, *, device: str = "cpu", threads: int = 1, beam_size: int = 1) -> None:
        self.model = load_model(weights, device)
        self.device, self.threads, self.beam_size = device, threads, beam_size

    def languages(self, audio: NDArray[np.float32]) -> Mapping[str, float]:
        """Give the probability of each language; an English-only model knows one."""
        from whisper.audio import N_FRAMES, log_mel_spectrogram, pad_or_trim

        if not self.model.is_multilingual:
            return {"en": 1.0}
        with self._settings(0):
            mel = log_mel_spectrogram(audio, self.model.dims.n_mels, padding=16_000 * 30)
            mel = pad_or_trim(mel, N_FRAMES).to(self.model.device)
            if self.device != "cpu":
                mel = mel.half()
            _, found = self.model.detect_language(mel)
        return {str(code): float(p) for code, p in found.items()}

    def transcribe(self, audio: NDArray[np.float32], *, language: str, seed: int) -> Sequence[Heard]:
        """Transcribe one window; every window stands for itself, so that no loop spreads."""
        import whisper

        if language != "en" and not self.model.is_multilingual:
            raise ParameterError(f"this model knows English only; {language!r} needs one without .en in its name")
        with self._settings(seed):
            result = whisper.transcribe(
                self.model,
                audio,
                language=language,
                word_timestamps=True,
                condition_on_previous_text=False,
                beam_size=self.beam_size if self.beam_size > 1 else None,
                fp16=self.device != "cpu",
                verbose=None,
            )
        return [_heard(segment) for segment in result["segments"] if segment["text"].strip()]

    @contextmanager
    def _settings(self, seed: int) -> Iterator[None]:
        """Seed the sampling that Whisper falls back to, and leave torch as it was."""
        import torch

        before = torch.get_num_threads()
        devices = [torch.cuda.current_device()] if self.device != "cpu" else []
        with torch.random.fork_rng(devices=devices), torch.inference_mode(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*[Tt]riton.*")
            torch.manual_seed(seed)
            torch.set_num_threads(self.threads)
            try:
                yield
            finally:
                torch.set_num_threads(before)


def _heard(segment: Mapping[str, Any]) -> Heard:
    return Heard(
        float(segment["start"]),
        float(segment["end"]),
        str(segment["text"]),
        tuple(
            HeardWord(float(word["start"]), float(word["end"]), str(word["word"]), float(word["probability"]))
            for word in segment.get("words", ())
        ),
        float(segment["avg_logprob"]),
        float(segment["compression_ratio"]),
        float(segment["no_speech_prob"]),
    )

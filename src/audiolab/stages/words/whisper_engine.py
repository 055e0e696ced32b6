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
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import MissingDependency, ModelError, ParameterError
from audiolab.stages.kept import file_size, kept, module_size
from audiolab.stages.words.hearing import Heard, HeardWord
from audiolab.weights import Weights, official_name

__all__ = ["WhisperEngine", "load_model", "require_whisper", "whisper_installed"]

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


# The files hold float16, a CPU takes float32.
@kept(module_size, device=lambda weights, device: device, expected=lambda weights, device: 2 * file_size(weights.path))
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
    dtype : str
        What it computes with: float32, or float16 on a GPU.
    threads : int
        Threads of torch while it works.
    beam_size : int
        1 takes the likeliest token each time; more keeps as many hypotheses, slower and a little better.
    """

    name = "whisper"

    def __init__(
        self, weights: Weights, *, device: str = "cpu", dtype: str = "float32", threads: int = 1, beam_size: int = 1
    ) -> None:
        self.model = load_model(weights, device)
        self.device, self.half, self.threads, self.beam_size = device, dtype == "float16", threads, beam_size

    def languages(self, audio: NDArray[np.float32]) -> Mapping[str, float]:
        """Give the probability of each language; an English-only model knows one."""
        if not self.model.is_multilingual:
            return {"en": 1.0}
        with self._settings(0):
            _, found = self.model.detect_language(self._mel(audio))
        return {str(code): float(p) for code, p in found.items()}

    def _mel(self, audio: NDArray[np.float32], frames: int | None = None) -> Any:
        """Give the network's picture of a window; beyond `frames` it is empty."""
        from whisper.audio import N_FRAMES, log_mel_spectrogram, pad_or_trim

        mel = log_mel_spectrogram(audio, self.model.dims.n_mels, padding=16_000 * 30)
        mel = pad_or_trim(mel[:, :frames], N_FRAMES).to(self.model.device)
        return mel.half() if self.half else mel

    def transcribe(self, audio: NDArray[np.float32], *, language: str, seed: int) -> Sequence[Heard]:
        """Transcribe one window; every window stands for itself, so that no loop spreads."""
        import whisper

        self._check(language)
        with self._settings(seed):
            result = whisper.transcribe(
                self.model,
                audio,
                language=language,
                word_timestamps=True,
                condition_on_previous_text=False,
                beam_size=self.beam_size if self.beam_size > 1 else None,
                fp16=self.half,
                verbose=None,
            )
        return [_heard(segment) for segment in result["segments"] if segment["text"].strip()]

    def align(self, audio: NDArray[np.float32], text: str, *, language: str) -> Sequence[HeardWord] | None:
        """Find when the words of a known text are sung; None if the text is too long for one window."""
        from whisper.audio import HOP_LENGTH, N_FRAMES
        from whisper.timing import find_alignment
        from whisper.tokenizer import get_tokenizer

        self._check(language)
        multilingual = self.model.is_multilingual
        tokenizer = get_tokenizer(
            multilingual, num_languages=self.model.num_languages, language=language, task="transcribe"
        )
        tokens = tokenizer.encode(text, disallowed_special=())
        if not tokens or len(tokens) + len(tokenizer.sot_sequence) + 2 > self.model.dims.n_text_ctx:
            return None if tokens else []
        frames = min(len(audio) // HOP_LENGTH, N_FRAMES)
        with self._settings(0):
            pieces = find_alignment(self.model, tokenizer, tokens, self._mel(audio, frames), frames)
        return [HeardWord(float(p.start), float(p.end), p.word, float(p.probability)) for p in pieces]

    def _check(self, language: str) -> None:
        if language != "en" and not self.model.is_multilingual:
            raise ParameterError(f"this model knows English only; {language!r} needs one without .en in its name")

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

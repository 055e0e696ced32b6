"""Which engine and which weights: what `auto` comes to on this machine, and what to say if there is nothing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from audiolab import weights
from audiolab.config import get_settings
from audiolab.errors import ModelError, ParameterError
from audiolab.stages.base import StageSkipped
from audiolab.stages.words.faster_engine import FasterWhisperEngine, faster_whisper_installed, require_faster_whisper
from audiolab.stages.words.hearing import Transcriber
from audiolab.stages.words.whisper_engine import WhisperEngine, require_whisper, whisper_installed

__all__ = ["PREFERRED", "SUGGESTED", "Choice", "choose", "find_weights", "load_engine", "profile_of"]

PREFERRED = (
    "large-v3-turbo",
    "medium",
    "small",
    "base",
    "tiny",
    "large-v3",
    "large-v2",
    "large-v1",
    "medium.en",
    "small.en",
    "base.en",
    "tiny.en",
)
"""What `auto` takes, the first that is here: the best first, but the full large ones (very slow on a CPU) late."""
SUGGESTED = "small"
"""What to fetch: 484 MB, usable on a CPU."""
_FOLDER = "faster-whisper-{}"
"""What the folders of converted official models are called."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine and its weights."""

    engine: str
    weights: weights.Weights


def find_weights(model: str, engine: str = "auto") -> weights.Weights | None:
    """Find a model by name, or for `auto` the best that is here; engine auto looks for openai-whisper's first."""
    if engine == "auto":
        return find_weights(model, "whisper") or find_weights(model, "faster-whisper")
    names = PREFERRED if model == "auto" else (model,)
    if engine == "whisper":
        return next((w for name in names if (w := weights.find(name)) is not None and w.kind != "ctranslate2"), None)
    folders = [name for plain in names for name in (_FOLDER.format(weights.official_name(plain)), plain)]
    if model == "auto":
        folders += [row.name for row in weights.listing() if row.kind == "ctranslate2"]
    return next((w for name in folders if (w := weights.find(name)) is not None and w.kind == "ctranslate2"), None)


def choose(engine: str, model: str) -> Choice:
    """Decide what `auto` means here.

    Raises
    ------
    StageSkipped
        If neither was named and there is no package or no weights.
    ModelError, MissingDependency
        If one was named and its package or weights are missing.
    """
    named = engine != "auto" or model != "auto"
    if engine == "auto" and not whisper_installed() and not faster_whisper_installed():
        if not named:
            raise StageSkipped("lyrics need the package openai-whisper: pip install 'audiolab[lyrics]'")
        require_whisper()
    if engine == "whisper":
        require_whisper()
    elif engine == "faster-whisper":
        require_faster_whisper()
    usable = [
        kind
        for kind, installed in (("whisper", whisper_installed()), ("faster-whisper", faster_whisper_installed()))
        if installed and engine in ("auto", kind)
    ]
    for kind in usable:
        found = find_weights(model, kind)
        if found is not None:
            return Choice(kind, found)
    why = _missing(engine, model)
    raise ModelError(why) if named else StageSkipped(why)


def _missing(engine: str, model: str) -> str:
    name = SUGGESTED if model == "auto" else model
    here = f"{'' if model == 'auto' else name + ' '}are not on this machine"
    if engine != "faster-whisper":
        return f"Whisper's weights {here}: {weights.two_ways(name)}"
    folder = _FOLDER.format(weights.official_name(name))
    return (
        f"faster-whisper's weights {here}: fetch the folder {folder} elsewhere and run "
        f"`audiolab models import {folder}`, or make it from Whisper's own: run `audiolab models pull {name}`, then "
        f"`audiolab models convert {name}`."
    )


def profile_of(choice: Choice, dtype: str) -> dict[str, str]:
    """Give the compute profile, with device and number type decided.

    Raises
    ------
    ParameterError
        If the engine cannot compute with `dtype` on this machine's device.
    """
    if choice.engine == "whisper":
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        types = ("float32",) if device == "cpu" else ("float16", "float32")
        packages = ("torch", "openai-whisper")
    else:
        import ctranslate2

        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        types = ("int8", "float32") if device == "cpu" else ("float16", "int8")
        packages = ("ctranslate2", "faster-whisper")
    if dtype == "auto":
        dtype = types[0]
    if dtype not in types:
        raise ParameterError(f"dtype: the engine {choice.engine} takes {' or '.join(types)} on {device}, not {dtype}")
    versions = {package: version(package) for package in packages}
    return {"device": device, "dtype": dtype, "threads": str(get_settings().threads), **versions}


def load_engine(choice: Choice, *, device: str, dtype: str, threads: int, beam_size: int) -> Transcriber:
    """Load the model.

    Raises
    ------
    ModelError
        If its files have changed or are not what they claim to be.
    """
    kind = WhisperEngine if choice.engine == "whisper" else FasterWhisperEngine
    return kind(choice.weights, device=device, dtype=dtype, threads=threads, beam_size=beam_size)

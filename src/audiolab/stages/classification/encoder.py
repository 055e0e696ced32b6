"""The frozen encoder: an ONNX graph from prepared audio to embeddings of unit length."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.config import get_settings
from audiolab.errors import ModelError
from audiolab.stages.classification.preparing import FRAMES

__all__ = ["BATCH", "MODEL_FOLDER", "Encoder", "get_encoder", "read_verified", "shipped_hash"]

MODEL_FOLDER = Path(__file__).parent / "model"
BATCH = 32
"""Sounds in one call of the graph: bounds memory (about 40 MB); larger ones are no faster."""


def _index(folder: Path) -> dict[str, str]:
    path = folder / "model.json"
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["sha256"]
        return {str(name): str(digest) for name, digest in files.items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{str(path)!r} is missing or damaged; reinstall audiolab ({error})") from None


def shipped_hash(name: str, folder: Path = MODEL_FOLDER) -> str:
    """Give the sha256 that a shipped model file must have; nothing but the index is read."""
    try:
        return _index(folder)[name]
    except KeyError:
        raise ModelError(f"there is no shipped model file {name!r}") from None


def read_verified(name: str, folder: Path = MODEL_FOLDER) -> bytes:
    """Read a model file; its hash is checked before anything looks inside.

    Raises
    ------
    ModelError
        If it is missing or was changed.
    """
    path, expected = folder / name, shipped_hash(name, folder)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"model file {path.name!r} cannot be read; reinstall audiolab ({error})") from None
    if hashlib.sha256(data).hexdigest() != expected:
        raise ModelError(f"model file {path.name!r} was changed (its sha256 differs); reinstall audiolab")
    return data


class Encoder:
    """An ONNX session with its hash.

    Parameters
    ----------
    data : bytes
        The ONNX file; input `audio` of shape (sounds, FRAMES), output `embedding` of shape (sounds, dimensions).
    threads : int
        Threads of the runtime.
    """

    def __init__(self, data: bytes, threads: int = 1) -> None:
        import onnxruntime

        self.sha256 = hashlib.sha256(data).hexdigest()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.use_deterministic_compute = True
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelError(
                f"the encoder is not a graph that onnxruntime {onnxruntime.__version__} runs: {error}"
            ) from error
        self.dimensions = int(self._session.get_outputs()[0].shape[-1])

    def __call__(self, prepared: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32]:
        """Embed prepared sounds.

        Parameters
        ----------
        prepared : sequence of ndarray [float32, shape=(FRAMES,)] or None
            What `prepare` gives; None (nothing to hear) becomes a vector of zeros.

        Returns
        -------
        ndarray [float32, shape=(sounds, dimensions)]
            Unit length, or zero for silence.
        """
        out = np.zeros((len(prepared), self.dimensions), np.float32)
        audible = [index for index, sound in enumerate(prepared) if sound is not None]
        for start in range(0, len(audible), BATCH):
            part = audible[start : start + BATCH]
            batch = np.zeros((len(part), FRAMES), np.float32)
            for row, index in enumerate(part):
                batch[row] = prepared[index]
            out[part] = self._session.run(None, {"audio": batch})[0]
        return out


@cache
def _encoder(threads: int) -> Encoder:
    return Encoder(read_verified("encoder.onnx"), threads)


def get_encoder() -> Encoder:
    """Give the shipped encoder; its session is built once per process.

    Raises
    ------
    ModelError
        If its file is missing or was changed.
    """
    return _encoder(get_settings().threads)

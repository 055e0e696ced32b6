"""The frozen encoder: an ONNX graph from prepared audio to embeddings of unit length."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.config import get_settings
from audiolab.errors import ModelError
from audiolab.stages.classification.choosing import Model, encoder_folder, find_model
from audiolab.stages.classification.model_files import ENCODER, MODEL_FOLDER, read_verified, shipped_hash
from audiolab.stages.classification.preparing import FRAMES
from audiolab.stages.kept import file_size, kept

__all__ = ["BATCH", "MODEL_FOLDER", "Encoder", "encoder_with", "get_encoder", "read_verified", "shipped_hash"]

BATCH = 32
"""Sounds in one call of the graph: bounds memory (about 40 MB); larger ones are no faster."""


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
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        width = outputs[0].shape[-1] if outputs[0].shape else None
        self.dimensions = width if isinstance(width, int) else 0
        self.is_ours = bool(
            [value.name for value in inputs] == ["audio"] and inputs[0].shape[1:] == [FRAMES]
            and [len(value.shape) for value in (*inputs, *outputs)] == [2, 2] and self.dimensions
        )  # fmt: skip

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


@kept(expected=lambda sha256, threads, folder: file_size(folder / ENCODER))
def _encoder(sha256: str, threads: int, folder: Path) -> Encoder:
    encoder = Encoder(read_verified(ENCODER, folder), threads)
    if encoder.sha256 != sha256:
        raise ModelError(f"{str(folder / ENCODER)!r} is another encoder ({encoder.sha256[:12]}, not {sha256[:12]})")
    return encoder


def get_encoder(model: str | Path | Model | None = None) -> Encoder:
    """Give the encoder of a model; its session is built once per process.

    Parameters
    ----------
    model : str, path or Model, optional
        See `find_model`; default: `auto`.

    Raises
    ------
    ModelError
        If a file is missing or was changed, or there is no such model.
    """
    found = find_model(model)
    return _encoder(found.encoder, get_settings().threads, found.encoder_folder)


def encoder_with(sha256: str) -> Encoder:
    """Give the encoder of that hash, wherever it lies; raises ModelError if it is not here."""
    return _encoder(sha256, get_settings().threads, encoder_folder(sha256))

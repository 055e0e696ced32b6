"""The small part that learns: linear heads on embeddings, calibrated, one file of arrays."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ModelError
from audiolab.stages.classification.choosing import Model, find_model
from audiolab.stages.classification.model_files import HEAD, read_verified

__all__ = ["Head", "get_head", "load_head"]

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Head:
    """A label head (one of many) and a drum head (any of some) on the same embeddings.

    Parameters
    ----------
    encoder : str
        sha256 of the encoder whose embeddings it reads.
    labels, drums : tuple of str
        Names of the outputs.
    weight, bias : ndarray [shape=(dimensions, labels)], [shape=(labels,)]
        Of the label head.
    drum_weight, drum_bias : ndarray [shape=(dimensions, drums)], [shape=(drums,)]
        Of the drum head.
    temperature : float
        Divides the label logits, so that probabilities mean what they say.
    unknown_below : float
        Confidence under which a sound is called `unknown`.
    """

    encoder: str
    labels: tuple[str, ...]
    drums: tuple[str, ...]
    weight: Array
    bias: Array
    drum_weight: Array
    drum_bias: Array
    temperature: float
    unknown_below: float

    def probabilities(self, vectors: Array) -> NDArray[np.float64]:
        """Give calibrated label probabilities, shape (sounds, labels); a zero vector (silence) gets equal ones."""
        logits = (vectors.astype(np.float64) @ self.weight + self.bias) / self.temperature
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        p[~vectors.any(axis=1)] = 1 / len(self.labels)
        return np.asarray(p)

    def drum_probabilities(self, vectors: Array) -> NDArray[np.float64]:
        """Give the probability that each drum class is in the sound, shape (sounds, drums); 0 for silence."""
        logits = vectors.astype(np.float64) @ self.drum_weight + self.drum_bias
        p = 1 / (1 + np.exp(-logits))
        p[~vectors.any(axis=1)] = 0.0
        return np.asarray(p)

    def to_bytes(self) -> bytes:
        """Give the file: arrays only, readable with `allow_pickle=False`, the same bytes for the same head."""
        arrays = {
            "encoder": np.array(self.encoder),
            "labels": np.array(self.labels),
            "drums": np.array(self.drums),
            "weight": self.weight.astype(np.float32),
            "bias": self.bias.astype(np.float32),
            "drum_weight": self.drum_weight.astype(np.float32),
            "drum_bias": self.drum_bias.astype(np.float32),
            "calibration": np.array([self.temperature, self.unknown_below], np.float64),
        }
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, array, allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue())
        return file.getvalue()


def load_head(data: bytes | Path, *, encoder: str | None = None) -> Head:
    """Read a head; nothing in the file is ever executed.

    Parameters
    ----------
    data : bytes or Path
        The .npz file.
    encoder : str, optional
        sha256 of the encoder at hand; a head made for another one is refused.

    Raises
    ------
    ModelError
        If it is not a head of ours, is damaged, or belongs to another encoder.
    """
    name = data.name if isinstance(data, Path) else "head"
    try:
        raw = data.read_bytes() if isinstance(data, Path) else data
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            temperature, unknown_below = (float(x) for x in arrays["calibration"])
            head = Head(
                str(arrays["encoder"]), tuple(map(str, arrays["labels"])), tuple(map(str, arrays["drums"])),
                arrays["weight"], arrays["bias"], arrays["drum_weight"], arrays["drum_bias"],
                temperature, unknown_below,
            )  # fmt: skip
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{name!r} is not a classifier head of audiolab or is damaged: {error}") from None
    n = head.weight.shape[0] if head.weight.ndim == 2 else -1
    shapes = (head.weight.shape, head.bias.shape, head.drum_weight.shape, head.drum_bias.shape)
    labels, drums = len(head.labels), len(head.drums)
    if shapes != ((n, labels), (labels,), (n, drums), (drums,)) or not temperature > 0:
        raise ModelError(f"{name!r}: its arrays do not fit together")
    if not labels or len(set(head.labels)) != labels or not all(0 < len(label) <= 255 for label in head.labels):
        raise ModelError(f"{name!r}: its labels are empty, too long, or one stands twice")
    if not all(np.isfinite(a).all() for a in (head.weight, head.bias, head.drum_weight, head.drum_bias)):
        raise ModelError(f"{name!r} holds NaN or infinite weights")
    if encoder is not None and head.encoder != encoder:
        raise ModelError(f"{name!r} was trained on another encoder ({head.encoder[:12]}, at hand is {encoder[:12]})")
    return head


@lru_cache(maxsize=8)
def _head(sha256: str, encoder: str, folder: Path) -> Head:
    data = read_verified(HEAD, folder)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelError(f"{str(folder / HEAD)!r} is another head than the one that was chosen ({sha256[:12]})")
    return load_head(data, encoder=encoder)


def get_head(model: str | Path | Model | None = None) -> Head:
    """Give the head of a model, read once per process.

    Parameters
    ----------
    model : str, path or Model, optional
        See `find_model`; default: `auto`.

    Raises
    ------
    ModelError
        If a file is missing or was changed, it is for another encoder, or there is no such model.
    """
    found = find_model(model)
    return _head(found.head, found.encoder, found.folder)

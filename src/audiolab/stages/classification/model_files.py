"""A model is a folder: encoder.onnx, head.npz and model.json with the sha256 of each. Hash first, then look inside."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from audiolab.errors import ModelError

__all__ = ["ENCODER", "HEAD", "INDEX", "MODEL_FOLDER", "read_index", "read_verified", "sha256_in", "shipped_hash"]

MODEL_FOLDER = Path(__file__).parent / "model"
"""The model that ships."""
ENCODER, HEAD, INDEX = "encoder.onnx", "head.npz", "model.json"


def _advice(folder: Path) -> str:
    if folder == MODEL_FOLDER:
        return "reinstall audiolab"
    return "export or teach that model again (or reinstall audiolab, if it came with it)"


def _named(path: Path) -> str:
    return repr(path.name if path.parent == MODEL_FOLDER else str(path))


def read_index(folder: Path) -> dict[str, Any]:
    """Read a folder's model.json.

    Raises
    ------
    ModelError
        If it is missing or no index of a model.
    """
    path = folder / INDEX
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        files = document["sha256"]
        return {**document, "sha256": {str(name): str(digest) for name, digest in files.items()}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{str(path)!r} is missing or damaged; {_advice(folder)} ({error})") from None


def sha256_in(folder: Path, name: str) -> str | None:
    """Give the sha256 that a file of a model must have; None if the index has no such file. Only that is read."""
    return dict(read_index(folder)["sha256"]).get(name)


def shipped_hash(name: str, folder: Path = MODEL_FOLDER) -> str:
    """Give the sha256 that a shipped model file must have; nothing but the index is read."""
    found = sha256_in(folder, name)
    if found is None:
        raise ModelError(f"there is no shipped model file {name!r}")
    return found


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
        raise ModelError(f"model file {_named(path)} cannot be read; {_advice(folder)} ({error})") from None
    if hashlib.sha256(data).hexdigest() != expected:
        raise ModelError(f"model file {_named(path)} was changed (its sha256 differs); {_advice(folder)}")
    return data

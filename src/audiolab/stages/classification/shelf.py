"""The shelf: models that were taught or trained here, one of them current, and the way back.

A model comes in as a folder or as bytes, is checked before it is kept, and is never changed afterwards: its folder is
named by its hashes, and its index is written last. `current.json` says which one `auto` means and keeps every change.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audiolab.audio import atomic_path
from audiolab.errors import ModelError, ParameterError
from audiolab.stages.classification.choosing import (
    AUTO,
    SHIPPED,
    Model,
    current_id,
    encoder_folder,
    find_model,
    model_in,
    shelf_folder,
    shelf_folders,
)
from audiolab.stages.classification.encoder import Encoder, get_encoder
from audiolab.stages.classification.head import Head, load_head
from audiolab.stages.classification.model_files import (
    ENCODER,
    HEAD,
    INDEX,
    MODEL_FOLDER,
    read_index,
    read_verified,
    shipped_hash,
)
from audiolab.stages.classification.shelf_history import history, said, stack_of, step

__all__ = ["ModelEntry", "current", "entries", "entry", "history", "put", "roll_back", "set_current"]

_LISTED = ("trained_on.npz", "config.yaml")
"""Files whose hashes the index keeps as well: what the model learned from, and how."""
_BESIDE = ("MODEL_CARD.md", "scores.json", *_LISTED)
_NAME = re.compile(r"[^\W_][\w .+@-]{0,99}")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model on the shelf, or the shipped one.

    Attributes
    ----------
    id : str
        The beginning of the hash of encoder and head; `shipped` for the shipped model.
    origin : mapping
        Where it comes from: MLflow run and version, git revision, library, and so on.
    problem : str
        Why it cannot be used; empty if its files are all there. Their hashes are checked when they are loaded.
    """

    id: str
    name: str
    labels: tuple[str, ...]
    encoder: str
    head: str
    folder: Path
    made_at: datetime | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    current: bool = False
    problem: str = ""

    @property
    def model(self) -> Model:
        """What `get_head` and `get_encoder` take; raises ModelError if it cannot be used."""
        return find_model(SHIPPED if self.id == SHIPPED else self.id)

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "labels": list(self.labels),
            "encoder": self.encoder,
            "head": self.head,
            "made_at": None if self.made_at is None else self.made_at.isoformat(),
            "origin": dict(self.origin),
            "current": self.current,
            "problem": self.problem,
        }


def put(what: Path | str | Mapping[str, bytes], *, name: str, origin: Mapping[str, Any] | None = None) -> ModelEntry:
    """Lay a model on the shelf; `set_current` makes it the one that `classify` uses.

    Parameters
    ----------
    what : path or mapping
        A folder with head.npz, model.json and, unless the encoder is here already, encoder.onnx; or the files by name.
    name : str
        What to call it. The same files under another name are the same model, which then takes that name.
    origin : mapping, optional
        Where it comes from; JSON.

    Raises
    ------
    ModelError
        If a file is missing, was changed, is not ours, or head and encoder do not fit; nothing is kept then.
    ParameterError
        If the name makes no sense.
    """
    if not _NAME.fullmatch(name) or name in {AUTO, SHIPPED}:
        raise ParameterError(f"{name!r} cannot be a model's name: 1 to 100 letters, digits, spaces or . _ + @ -")
    head_bytes, encoder_bytes, beside = _given(what)
    head = load_head(head_bytes)
    encoder_bytes = _checked_encoder(head, encoder_bytes)
    digests = {HEAD: hashlib.sha256(head_bytes).hexdigest(), ENCODER: head.encoder}
    identity = hashlib.sha256((digests[ENCODER] + digests[HEAD]).encode()).hexdigest()[:16]
    folder = shelf_folder() / identity
    index = {
        "format": 1,
        "id": identity,
        "name": name,
        "sha256": digests | {n: hashlib.sha256(data).hexdigest() for n, data in beside.items() if n in _LISTED},
        "encoder": head.encoder,
        "labels": list(head.labels),
        "origin": dict(origin or {}),
        "made_at": datetime.now(UTC).isoformat(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, data in {ENCODER: encoder_bytes, HEAD: head_bytes, **beside}.items():
            _write(folder / file, data)
        with atomic_path(folder / INDEX) as temporary:  # the last: without it the folder is no model
            temporary.write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelError(f"cannot lay a model into {str(folder)!r}: {error}; is the disk full?") from error
    except (TypeError, ValueError) as error:
        raise ParameterError(f"origin must be JSON: {error}") from None
    return _entry(folder, current_id())


def set_current(model: str | None, why: str = "") -> ModelEntry:
    """Let `auto` mean a model on the shelf (by id or name), or the shipped one (None or `shipped`).

    Every file of it is read and checked first.

    Raises
    ------
    ModelError
        If it is not on the shelf, or was changed.
    """
    if model in {None, SHIPPED}:
        step(lambda steps: [*steps, said(None, why)])
        return current()
    assert model is not None
    found = find_model(model)
    if found.folder.parent != shelf_folder():
        raise ModelError(f"{model!r} is not on the shelf; lay it there first (`put`)")
    head = load_head(read_verified(HEAD, found.folder), encoder=found.encoder)
    read_verified(ENCODER, found.encoder_folder)
    step(lambda steps: [*steps, said(found.id, why)])
    return ModelEntry(found.id, found.name, head.labels, found.encoder, found.head, found.folder, current=True)


def roll_back(why: str = "") -> ModelEntry | None:
    """Go back to what was current before; give it, or None if nothing was ever set (the shipped model is current)."""
    moved: list[bool] = []

    def back(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        stack = stack_of(steps)
        moved.append(bool(stack))
        return [*steps, said(stack[-2] if len(stack) > 1 else None, why) | {"back": True}] if stack else steps

    step(back)
    return current() if moved[-1] else None


def current() -> ModelEntry:
    """Give the model that `auto` means.

    Raises
    ------
    ModelError
        If the shelf names one that is not whole.
    """
    chosen = current_id()
    if chosen is None:
        return _shipped_entry(current=True)
    found = _entry(shelf_folder() / chosen, chosen)
    if found.problem:
        raise ModelError(found.problem)
    return found


def entries() -> list[ModelEntry]:
    """List the models on the shelf, the newest first, and last the shipped one; damaged ones say what is wrong."""
    chosen = current_id()
    found = [_entry(folder, chosen) for folder in shelf_folders()]
    found.sort(key=lambda item: (item.made_at or datetime.min.replace(tzinfo=UTC), item.id), reverse=True)
    return [*found, _shipped_entry(current=chosen is None)]


def entry(model: str) -> ModelEntry:
    """Find a model on the shelf (or the shipped one) by id or name."""
    found = find_model(model)
    if found.folder == MODEL_FOLDER:
        return _shipped_entry(current=current_id() is None)
    return _entry(found.folder, current_id())


# ---- checking --------------------------------------------------------------------------------------


def _given(what: Path | str | Mapping[str, bytes]) -> tuple[bytes, bytes | None, dict[str, bytes]]:
    """Give head, encoder (if it came along) and what lies beside."""
    if isinstance(what, Mapping):
        if HEAD not in what:
            raise ModelError(f"a model needs {HEAD}")
        return what[HEAD], what.get(ENCODER), {name: what[name] for name in _BESIDE if name in what}
    folder = Path(what)
    named = read_index(folder)["sha256"]
    if HEAD not in named:
        raise ModelError(f"{str(folder / INDEX)!r} names no {HEAD}: it is no model of audiolab")
    encoder = read_verified(ENCODER, folder) if ENCODER in named else None
    beside = {name: (folder / name).read_bytes() for name in _BESIDE if (folder / name).is_file()}
    return read_verified(HEAD, folder), encoder, beside


def _checked_encoder(head: Head, data: bytes | None) -> bytes:
    """Give the encoder that the head was trained on, after a look whether both fit."""
    if data is None:
        folder = encoder_folder(head.encoder)
        data, encoder = read_verified(ENCODER, folder), None
    elif (given := hashlib.sha256(data).hexdigest()) != head.encoder:
        raise ModelError(f"the head was trained on another encoder ({head.encoder[:12]}) than the given ({given[:12]})")
    else:
        encoder = Encoder(data)
    if encoder is None:
        encoder = get_encoder() if shipped_hash(ENCODER) == head.encoder else Encoder(data)
    if not encoder.is_ours:
        raise ModelError("the encoder is no encoder of audiolab: it must turn `audio` into one `embedding` a sound")
    if encoder.dimensions != head.weight.shape[0]:
        raise ModelError(
            f"head and encoder do not fit: {head.weight.shape[0]} and {encoder.dimensions} dimensions of an embedding"
        )
    return data


# ---- writing ---------------------------------------------------------------------------------------


def _write(path: Path, data: bytes) -> None:
    """Write a file whole, unless it is there; an encoder of several megabytes is shared with another model's folder."""
    digest = hashlib.sha256(data).hexdigest()
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
        return
    if path.name == ENCODER:
        for other in shelf_folders():
            twin = other / ENCODER
            if twin != path and twin.is_file() and hashlib.sha256(twin.read_bytes()).hexdigest() == digest:
                with suppress(OSError), atomic_path(path) as temporary:  # not on every file system
                    os.link(twin, temporary)
                if path.is_file() and path.samefile(twin):
                    return
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


# ---- entries ---------------------------------------------------------------------------------------


def _shipped_entry(*, current: bool) -> ModelEntry:
    model = find_model(SHIPPED)
    head = load_head(read_verified(HEAD))
    return ModelEntry(SHIPPED, SHIPPED, head.labels, model.encoder, model.head, model.folder, current=current)


def _entry(folder: Path, chosen: str | None) -> ModelEntry:
    try:
        model, index = model_in(folder), read_index(folder)
        missing = [str(path) for path in (folder / HEAD, model.encoder_folder / ENCODER) if not path.is_file()]
        if missing:
            raise ModelError(f"model file {missing[0]!r} is missing; lay the model on the shelf again")
        if model.id != folder.name:
            raise ModelError(f"{str(folder / INDEX)!r} was changed: its files are those of {model.id}")
        made_at = datetime.fromisoformat(index["made_at"]) if "made_at" in index else None
        labels = tuple(map(str, index.get("labels", ())))
        origin = dict(index.get("origin") or {})
    except (ModelError, ValueError, TypeError) as error:
        return ModelEntry(folder.name, "", (), "", "", folder, current=folder.name == chosen, problem=str(error))
    return ModelEntry(
        folder.name, model.name, labels, model.encoder, model.head, folder, made_at, origin, folder.name == chosen
    )

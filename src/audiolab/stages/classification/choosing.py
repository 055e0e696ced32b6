"""Which model: the shipped one, one on the shelf, or a folder. Decided from hashes; nothing is loaded here.

The shelf is the folder `classifier` in the models folder (`AUDIOLAB_MODELS_DIR`); `shelf.py` writes it. A model on it
is a folder named by the beginning of its `weights`, so that a job which names the weights finds exactly them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiolab.config import get_settings
from audiolab.errors import ModelError
from audiolab.stages.classification.model_files import (
    ENCODER,
    HEAD,
    INDEX,
    MODEL_FOLDER,
    read_index,
    sha256_in,
    shipped_hash,
)

__all__ = [
    "AUTO",
    "CURRENT",
    "SHIPPED",
    "Model",
    "current_id",
    "encoder_folder",
    "find_model",
    "model_in",
    "model_with",
    "shelf_folder",
    "shelf_folders",
]

AUTO, SHIPPED = "auto", "shipped"
CURRENT = "current.json"
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Model:
    """An encoder and a head, by their hashes, and where they lie.

    Parameters
    ----------
    name : str
        `shipped`, the name on the shelf, or the name of a folder.
    encoder, head : str
        sha256 of the files.
    folder, encoder_folder : Path
        Where head and encoder lie.
    """

    name: str
    encoder: str
    head: str
    folder: Path
    encoder_folder: Path

    @property
    def weights(self) -> str:
        """Hash of both: what a result of `classify` names."""
        return hashlib.sha256((self.encoder + self.head).encode()).hexdigest()

    @property
    def id(self) -> str:
        """The beginning of `weights`: the name of its folder on the shelf."""
        return self.weights[:16]


def shelf_folder() -> Path:
    """Give the shelf's folder; it need not exist."""
    settings = get_settings()
    return settings.path(settings.models_dir) / "classifier"


def shelf_folders() -> Iterator[Path]:
    """List the folders of models on the shelf, also unfinished and damaged ones."""
    shelf = shelf_folder()
    if shelf.is_dir():
        yield from sorted(path for path in shelf.iterdir() if _ID.fullmatch(path.name) and path.is_dir())


def current_id() -> str | None:
    """Give the id of the model on the shelf that `auto` means; None: the shipped one.

    Raises
    ------
    ModelError
        If the file that says so is damaged.
    """
    path = shelf_folder() / CURRENT
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{str(path)!r} cannot be read ({error}); {_DELETE}") from None
    try:
        current = json.loads(text)["current"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{str(path)!r} is damaged ({error}); {_DELETE}") from None
    if current is not None and not (isinstance(current, str) and _ID.fullmatch(current)):
        raise ModelError(f"{str(path)!r} names {current!r}, which is no id of a model; {_DELETE}")
    return current


_DELETE = "delete it to go back to the shipped model"


def find_model(model: str | Path | Model | None = None) -> Model:
    """Find a model.

    Parameters
    ----------
    model : str, path or Model, optional
        `auto` (default): the current one of the shelf, else the shipped one; `shipped`; the name or id of one on the
        shelf (of several with one name the newest); or a folder.

    Raises
    ------
    ModelError
        If there is none, or its index or encoder is missing; the message names the file.
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, str):
        if model == AUTO:
            model = None
        elif model == SHIPPED:
            return _shipped()
        elif (named := _on_shelf(model)) is not None:
            return named
    if model is None:
        current = current_id()
        return _shipped() if current is None else model_in(shelf_folder() / current)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return model_in(folder)
    names = [name for path in shelf_folders() if (name := _name(path))]
    raise ModelError(
        f"there is no classifier {str(model)!r}: give auto, shipped, a folder with {HEAD} and {INDEX}, "
        f"or a model on the shelf ({', '.join(dict.fromkeys(names)) or 'it is empty'})"
    )


def model_with(weights: str) -> Model:
    """Find the model that a job names by its weights: exactly this one, whatever is current by now.

    Raises
    ------
    ModelError
        If it is not here any more, or never was on this machine.
    """
    shipped = _shipped()
    if weights == shipped.weights:
        return shipped
    folder = shelf_folder() / weights[:16]
    if not _ID.fullmatch(weights[:16]) or not folder.is_dir():
        raise ModelError(
            f"the classifier {weights[:16]} is not here: neither shipped nor in {str(shelf_folder())!r} "
            "(do all machines share AUDIOLAB_MODELS_DIR?)"
        )
    model = model_in(folder)
    if model.weights != weights:
        raise ModelError(f"{str(folder / INDEX)!r} was changed: it holds the classifier {model.id}")
    return model


def encoder_folder(sha256: str) -> Path:
    """Find where an encoder lies.

    Raises
    ------
    ModelError
        If it is neither the shipped one nor with any model on the shelf.
    """
    if shipped_hash(ENCODER) == sha256:
        return MODEL_FOLDER
    for folder in shelf_folders():
        try:
            if sha256_in(folder, ENCODER) == sha256:
                return folder
        except ModelError:
            continue  # an unfinished or damaged neighbour is no reason to fail
    raise ModelError(
        f"the encoder {sha256[:12]} is not here: neither shipped ({shipped_hash(ENCODER)[:12]}) nor on the shelf "
        f"({str(shelf_folder())!r})"
    )


def model_in(folder: Path) -> Model:
    """Read what a folder's index says of the model in it; a head alone needs an encoder that is here.

    Raises
    ------
    ModelError
        If the index is missing or damaged, or the encoder is nowhere.
    """
    index = read_index(folder)
    files = index["sha256"]
    if HEAD not in files:
        raise ModelError(f"{str(folder / INDEX)!r} names no {HEAD}: it is no model of audiolab")
    name = str(index.get("name") or folder.name)
    if ENCODER in files:
        same = files[ENCODER] == shipped_hash(ENCODER)  # then one session serves both
        return Model(name, files[ENCODER], files[HEAD], folder, MODEL_FOLDER if same else folder)
    encoder = index.get("encoder")
    if not isinstance(encoder, str):
        raise ModelError(f"{str(folder / INDEX)!r} names no encoder, and there is no {ENCODER} beside it")
    try:
        return Model(name, encoder, files[HEAD], folder, encoder_folder(encoder))
    except ModelError as error:
        raise ModelError(f"{str(folder / HEAD)!r} cannot be used: {error}") from None


def _shipped() -> Model:
    return Model(SHIPPED, shipped_hash(ENCODER), shipped_hash(HEAD), MODEL_FOLDER, MODEL_FOLDER)


def _on_shelf(name: str) -> Model | None:
    found: list[tuple[str, Path]] = []
    for folder in shelf_folders():
        if folder.name == name:
            return model_in(folder)
        try:
            index = read_index(folder)
        except ModelError:
            continue  # it is named where it is asked for, and by `entries`
        if index.get("name") == name:
            found.append((str(index.get("made_at", "")), folder))
    return model_in(max(found)[1]) if found else None


def _name(folder: Path) -> str:
    try:
        return str(read_index(folder).get("name", folder.name))
    except ModelError:
        return ""

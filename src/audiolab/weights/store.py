"""The folder of weights: what lies in it, whether it is what it claims to be, and bringing files in.

Layout of `settings.models_dir`: `demucs/` and `whisper/` hold official files under their official
names, `custom/` holds anything else beside a small JSON with its hash. A file is trusted only if its
sha256 is right; hashes of files that have not changed since (size and time) are remembered.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from audiolab.audio.writing import atomic_path
from audiolab.config import get_settings
from audiolab.errors import ModelError, ParameterError
from audiolab.weights import folders
from audiolab.weights.registry import MODELS, File, Kind, Member, Model, official_name

__all__ = [
    "MODELS",
    "UNKNOWN_LICENCE",
    "Bag",
    "Weights",
    "find",
    "hash_file",
    "import_file",
    "imported",
    "models_folder",
    "two_ways",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REMEMBERED = ".hashes.json"
UNKNOWN_LICENCE = "not known to audiolab"


@dataclass(frozen=True, slots=True)
class Bag:
    """How a model's networks are combined, as in demucs' bag files."""

    models: tuple[str, ...]
    """Signatures, in the order of `Weights.paths`."""
    weights: tuple[tuple[float, ...], ...] | None = None
    """Weight of each network (rows) for each stem (columns); None for equal weights."""


@dataclass(frozen=True)
class Weights:
    """Pretrained weights that are here and are what they claim to be."""

    name: str
    kind: Kind
    paths: tuple[Path, ...]
    """The files, one for each network."""
    hashes: tuple[str, ...]
    """Full sha256 of each file."""
    licence: str
    bag: Bag | None = None
    """For Demucs models: the networks' signatures and how their outputs are weighted."""
    folder: Path | None = None
    """For models that are a folder of files."""

    @cached_property
    def sha256(self) -> str:
        """One hash for the whole: the file's own, or for several files the hash of their hashes in order."""
        if len(self.hashes) == 1:
            return self.hashes[0]
        return hashlib.sha256("\n".join(self.hashes).encode()).hexdigest()

    @property
    def path(self) -> Path:
        """The only file.

        Raises
        ------
        ModelError
            If there are several.
        """
        if len(self.paths) != 1:
            raise ModelError(f"{self.name} is made of {len(self.paths)} files; use .paths")
        return self.paths[0]

    def verify(self) -> None:
        """Hash every file again; loaders call this right before they open one.

        Raises
        ------
        ModelError
            If a file is gone or has changed.
        """
        for path, expected in zip(self.paths, self.hashes, strict=True):
            if hash_file(path) != expected:
                raise ModelError(
                    f"{str(path)!r} has changed since it was checked: it is not loaded. "
                    f"Delete it, then {two_ways(self.name)}"
                )


def models_folder(*parts: str) -> Path:
    """Give the folder of weights (not made by this), or something in it."""
    settings = get_settings()
    return settings.path(settings.models_dir).joinpath(*parts)


def two_ways(name: str) -> str:
    """Say how to get weights, for the end of a message."""
    return f"run `audiolab models pull {name}`, or fetch it elsewhere and run `audiolab models import FILE`."


def hash_file(path: Path) -> str:
    """Give the sha256 of a file in hexadecimal.

    Raises
    ------
    ModelError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {str(path)!r}: {error}") from error


def find(name: str) -> Weights | None:
    """Find weights on this machine; never touches the network.

    Parameters
    ----------
    name : str
        An official name (`htdemucs`, `htdemucs_ft`, `htdemucs_6s`, `tiny` to `large-v3`, `turbo`), or the
        name under which a file was imported.

    Returns
    -------
    Weights or None
        None if they, or some of their files, are not here.

    Raises
    ------
    ModelError
        If a file is here under the right name with the wrong content.
    """
    model = MODELS.get(official_name(name))
    if model is None:
        return _find_custom(name)
    found = [_find_member(model, member) for member in model.members]
    if any(pair is None for pair in found):
        return None
    pairs = [pair for pair in found if pair is not None]
    bag = Bag(tuple(member.signature for member in model.members), model.mixing) if model.kind == "demucs" else None
    return Weights(
        model.name, model.kind, tuple(path for path, _ in pairs), tuple(hash_ for _, hash_ in pairs), model.licence, bag
    )


def _find_member(model: Model, member: Member) -> tuple[Path, str] | None:
    for form in member.forms:
        path = models_folder(model.kind, form.name)
        if path.is_file():
            digest = _remembered_hash(path)
            if not form.matches(digest):
                raise ModelError(
                    f"{str(path)!r} is damaged or not the official {model.name}: its sha256 begins with "
                    f"{digest[:12]}, not {form.sha256[:12]}. Delete it, then {two_ways(model.name)}"
                )
            return path, digest
    return None


def _find_custom(name: str) -> Weights | None:
    if not _NAME.fullmatch(name):
        return None
    for path, record in imported():
        if record["name"] == name:
            files = folders.files_of(path, record) if path.is_dir() else {path: str(record["sha256"])}
            hashes = tuple(_remembered_hash(file) for file in files)
            for file, digest, expected in zip(files, hashes, files.values(), strict=True):
                if digest != expected:
                    raise ModelError(f"{str(file)!r} has changed since it was imported; delete it and import it again.")
            folder = path if path.is_dir() else None
            kind: Kind = "custom" if folder is None else "ctranslate2"
            return Weights(name, kind, tuple(files), hashes, UNKNOWN_LICENCE, folder=folder)
    return None


def imported() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give what was imported (a file or a folder) with its note."""
    for note in sorted(models_folder("custom").glob("*.json")):
        path = note.with_suffix("")
        try:
            record = json.loads(note.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{str(note)!r} cannot be read ({error}); delete it and import the file again.") from error
        wanted = {"name", "sha256"} if path.is_file() else {"name", "files"}
        if path.exists() and isinstance(record, dict) and wanted <= record.keys():
            yield path, record


def _remembered_hash(path: Path) -> str:
    """Hash a file, or remember its hash from last time if size and time of change are the same."""
    index = models_folder(_REMEMBERED)
    stat = path.stat()
    key, state = str(path.relative_to(models_folder())), [stat.st_size, stat.st_mtime_ns]
    known: dict[str, list[object]] = {}
    with contextlib.suppress(OSError, ValueError):  # no index yet, or a broken one: it is only a cache
        loaded = json.loads(index.read_text("utf-8"))
        known = loaded if isinstance(loaded, dict) else {}
    entry = known.get(key)
    if isinstance(entry, list) and entry[:2] == state and len(entry) == 3:
        return str(entry[2])
    digest = hash_file(path)
    known[key] = [*state, digest]
    with contextlib.suppress(OSError), atomic_path(index) as temporary:  # a read-only folder is fine
        temporary.write_text(json.dumps(known, indent=1), "utf-8")
    return digest


def _official_file(digest: str) -> tuple[Model, File] | None:
    for model in MODELS.values():
        for member in model.members:
            for form in member.forms:
                if form.matches(digest):
                    return model, form
    return None


def import_file(path: str | Path, name: str | None = None) -> str:
    """Bring a file or folder of weights into the folder of models (a copy; the original stays).

    Parameters
    ----------
    path : path-like
        An official file under any name, any other checkpoint, or a model folder of CTranslate2.
    name : str, optional
        The official name that it must turn out to be, or the name to keep another file under
        (default: its file name without the suffix, or the folder's name).

    Returns
    -------
    str
        The name to ask for it with. A bag of several files is complete when all were imported.

    Raises
    ------
    ModelError
        If the file cannot be read, `name` is official and the content is not, another file
        already has that name, or the folder is no model.
    """
    source = Path(path).expanduser()
    if source.is_dir():
        return _import_folder(source, name or source.resolve().name)
    if not source.is_file():
        raise ModelError(f"{str(path)!r} is not a file; check the spelling and the current folder")
    if source.stat().st_size == 0:
        raise ModelError(f"{source.name!r} is empty (0 bytes): was a download cut off?")
    digest = hash_file(source)
    official = _official_file(digest)
    if official is not None:
        model, form = official
        asked = None if name is None else MODELS.get(official_name(name))
        if asked is None or any(form in member.forms for member in asked.members):
            _copy(source, models_folder(model.kind, form.name), digest)
            return (asked or model).name
        raise ModelError(f"{source.name!r} is the official {model.name}, not {name}")
    if name is not None and official_name(name) in MODELS:
        raise ModelError(
            f"{source.name!r} is not the official {name}: its sha256 is {digest}. "
            "An incomplete download, or another model: import it under a name of its own (--name)."
        )
    return _import_custom(source, name or source.stem, digest)


def _import_custom(source: Path, name: str, digest: str) -> str:
    _check_name(source, name, f" but not its content (sha256 {digest})")
    for path, record in imported():
        if record["name"] == name and record.get("sha256") != digest:
            raise ModelError(f"there is another model {name!r} already ({str(path)!r}); choose another --name")
    suffix = source.suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,16}", source.suffix) else ""
    target = models_folder("custom", f"{name}{suffix}")
    _copy(source, target, digest)
    record = {"name": name, "sha256": digest, "imported_as": source.name}
    with atomic_path(target.with_name(f"{target.name}.json")) as temporary:
        temporary.write_text(json.dumps(record, indent=1), "utf-8")
    return name


def _check_name(source: Path, name: str, but: str = "") -> None:
    if not _NAME.fullmatch(name):
        raise ParameterError(f"a model's name takes letters, digits, '.', '_' and '-', not {name!r}")
    if official_name(name) in MODELS:
        raise ModelError(
            f"{source.name!r} has the name of an official model{but}: "
            "an incomplete download, or another model: import it under a name of its own (--name)."
        )


def _import_folder(source: Path, name: str) -> str:
    _check_name(source, name)
    hashes = {file.name: hash_file(file) for file in folders.model_files(source)}
    for path, record in imported():
        if record["name"] == name and record.get("files") != hashes:
            raise ModelError(f"there is another model {name!r} already ({str(path)!r}); choose another --name")
    target = models_folder("custom", name)
    for file, digest in hashes.items():
        _copy(source / file, target / file, digest)
    note = {"name": name, "files": hashes, "imported_as": source.resolve().name}
    with atomic_path(target.with_name(f"{name}.json")) as temporary:
        temporary.write_text(json.dumps(note, indent=1), "utf-8")
    return name


def _copy(source: Path, target: Path, digest: str) -> None:
    """Copy through a temporary name and hash what was written, so that no wrong file gets the name."""
    if target.is_file() and hash_file(target) == digest:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
            if hash_file(temporary) != digest:
                raise ModelError(f"{source.name!r} changed while it was copied; try again")
    except OSError as error:
        raise ModelError(f"cannot copy {source.name!r} to {str(target)!r}: {error}") from error

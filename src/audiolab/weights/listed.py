"""What `audiolab models ls` shows: every known and imported model and whether it is here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audiolab.weights import folders, store
from audiolab.weights.registry import Kind

__all__ = ["Listed", "listing"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of `audiolab models ls`."""

    name: str
    kind: Kind
    state: str
    """`here`, `partly` (some files of a bag, or an unfinished download) or `missing`."""
    size: int | None
    """Bytes on disk if here, else bytes to fetch, where known."""
    licence: str
    about: str
    paths: tuple[Path, ...] = ()
    sha256: str = ""


def listing() -> list[Listed]:
    """List all official and imported models with their state (files are not hashed for this)."""
    rows = []
    for model in store.MODELS.values():
        here: list[Path] = []
        begun = False
        for member in model.members:
            paths = [store.models_folder(model.kind, form.name) for form in member.forms]
            here += [path for path in paths if path.is_file()][:1]
            begun = begun or any(path.with_name(f"{path.name}.part").is_file() for path in paths)
        complete = len(here) == len(model.members)
        state = "here" if complete else "partly" if here or begun else "missing"
        size = sum(path.stat().st_size for path in here) if complete else model.size
        digest = model.members[0].forms[0].sha256 if len(model.members) == 1 else ""
        rows.append(Listed(model.name, model.kind, state, size, model.licence, model.about, tuple(here), digest))
    for path, record in store.imported():
        files = tuple(folders.files_of(path, record)) if path.is_dir() else (path,)
        kind: Kind = "ctranslate2" if path.is_dir() else "custom"
        size = sum(file.stat().st_size for file in files)
        digest = "" if path.is_dir() else record["sha256"]
        rows.append(Listed(record["name"], kind, "here", size, store.UNKNOWN_LICENCE, "imported", files, digest))
    return rows

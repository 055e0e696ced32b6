"""Registered models: find a version, check that its files are those that were registered, and put it to use.

MLflow knows versions and aliases; `classify` knows only the shelf. So promoting lays the files on the shelf, and the
alias in MLflow follows what is current there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.errors import ModelError, ParameterError
from audiolab.stages.classification import shelf
from audiolab.stages.classification.choosing import SHIPPED, find_model
from audiolab.stages.classification.model_files import HEAD, INDEX, read_index
from audiolab.training.tracking import client_of

__all__ = ["CHAMPION", "Promotion", "Version", "find_version", "model_folder", "promote", "roll_back", "versions"]

CHAMPION = "champion"
"""The alias of the version that `classify` uses."""
_NAME = "classifier"
_REFERENCE = re.compile(
    r"(?:mlflow:|models:/)?(?:(?P<name>[^/@:]+)(?:/(?P<number>\d+)|@(?P<alias>[\w.-]+))|(?P<bare>\d+))"
)


@dataclass(frozen=True)
class Version:
    """A registered version and its files."""

    name: str
    number: str
    folder: Path
    run: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Promotion:
    """What promoting or going back has changed."""

    model: shelf.ModelEntry
    """What `classify` uses now."""
    alias: str | None
    version: str | None
    name: str | None

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {"model": self.model.to_dict(), "alias": self.alias, "version": self.version, "name": self.name}


def find_version(reference: str, *, uri: str | None = None, name: str = _NAME) -> Version:
    """Find a registered version: `3`, `NAME/3`, `NAME@champion`, also with `mlflow:` before it.

    Raises
    ------
    ModelError
        If there is none, or its files are gone or are not those that were registered.
    ParameterError
        If the reference makes no sense.
    """
    from mlflow.exceptions import MlflowException

    parts = _REFERENCE.fullmatch(reference.strip())
    if parts is None:
        raise ParameterError(f"{reference!r} names no version: say 3, {name}/3 or {name}@{CHAMPION}")
    client = client_of(uri)
    called = parts["name"] or name
    try:
        if parts["alias"]:
            found = client.get_model_version_by_alias(called, parts["alias"])
        else:
            found = client.get_model_version(called, parts["number"] or parts["bare"])
    except MlflowException as error:
        raise ModelError(f"MLflow has no model {reference!r}: {error.message}; see audiolab promote --list") from None
    folder = _fetched(found.source, client.tracking_uri)
    version = Version(called, str(found.version), folder, found.run_id or "", tuple(found.aliases), dict(found.tags))
    _check(version)
    return version


def model_folder(reference: str, *, uri: str | None = None) -> Path | str:
    """Give what `get_head` and `get_encoder` take for any way to name a model, also `mlflow:NAME/3`."""
    if reference.startswith(("mlflow:", "models:/")):
        return find_version(reference, uri=uri).folder
    return reference


def promote(
    which: str | Path, *, alias: str = CHAMPION, uri: str | None = None, name: str = _NAME, why: str = ""
) -> Promotion:
    """Lay a registered version, or a model's folder, on the shelf; as champion it is what `classify` uses from now on.

    Parameters
    ----------
    which : str or path
        `3`, `NAME/3`, `NAME@alias`, or a folder.
    alias : str
        Given to the version in MLflow. Any other than `champion` changes nothing for `classify`: the model lies on
        the shelf under its name.
    uri : str, optional
        MLflow's address.
    name : str
        Name of the registered model, where only a number is given.
    why : str
        Kept in the shelf's history.

    Raises
    ------
    ModelError
        If there is no such model, or its files were changed; nothing is done then.
    ParameterError
        If the alias or the reference makes no sense.
    """
    if not re.fullmatch(r"[A-Za-z][\w.-]{0,99}", alias) or re.fullmatch(r"[vV]\d+|latest", alias):
        raise ParameterError(f"{alias!r} cannot be an alias: letters, digits, _ . -, beginning with a letter")
    folder = Path(which).expanduser()
    if folder.is_dir():
        entry = shelf.put(_whole(folder), name=folder.resolve().name, origin=_origin(folder))
        version = None
    else:
        version = find_version(str(which), uri=uri, name=name)
        origin = {
            **(_origin(version.folder) if (version.folder / INDEX).is_file() else {}),
            "mlflow": {"name": version.name, "version": version.number, "run": version.run},
            "code": {key: version.tags[key] for key in ("git", "git_dirty", "version") if key in version.tags},
        }
        taught = _taught(version)
        entry = taught or shelf.put(version.folder, name=f"{version.name}-{version.number}", origin=origin)
    said = why or f"promoted from {f'version {version.number}' if version else str(folder)}"
    if alias == CHAMPION:
        entry = shelf.set_current(entry.id, said)
    if version is not None:
        client_of(uri).set_registered_model_alias(version.name, alias, version.number)
    number = None if version is None else version.number
    return Promotion(
        shelf.entry(entry.id), alias if version else None, number, None if version is None else version.name
    )


def roll_back(*, uri: str | None = None, why: str = "") -> Promotion | None:
    """Go back to what `classify` used before, and let the alias in MLflow follow; None if nothing was ever promoted."""
    before = shelf.current().origin.get("mlflow") if _is_whole() else None
    entry = shelf.roll_back(why)
    if entry is None:
        return None
    now = entry.origin.get("mlflow")
    if now is not None and "name" in now:
        client_of(uri).set_registered_model_alias(now["name"], CHAMPION, now["version"])
    elif before is not None and "name" in before:
        client_of(uri).delete_registered_model_alias(before["name"], CHAMPION)
    told = now if now is not None and "name" in now else {}
    return Promotion(entry, CHAMPION if told else None, told.get("version"), told.get("name"))


def versions(*, uri: str | None = None, name: str | None = None) -> list[dict[str, Any]]:
    """List the registered versions, the newest first, with what they scored out of fold."""
    client = client_of(uri)
    rows = []
    for model in client.search_registered_models():
        if name is not None and model.name != name:
            continue
        aliases: dict[str, list[str]] = {}
        for alias, number in model.aliases.items():
            aliases.setdefault(str(number), []).append(alias)
        for found in client.search_model_versions(f"name='{model.name}'"):
            metrics = client.get_run(found.run_id).data.metrics if found.run_id else {}
            rows.append(
                {
                    "name": model.name,
                    "version": str(found.version),
                    "aliases": sorted(aliases.get(str(found.version), [])),
                    "made_at": int(found.creation_timestamp),
                    "run": found.run_id,
                    "head": found.tags.get("sha256.head.npz"),
                    "scores": {
                        k.removeprefix("out_of_fold/"): v for k, v in metrics.items() if k.startswith("out_of_fold/")
                    },
                }
            )
    return sorted(rows, key=lambda row: (row["name"], -int(row["version"])))


def _fetched(source: str, uri: str) -> Path:
    """Give a local folder with the version's files."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return Path(download_artifacts(artifact_uri=source, tracking_uri=uri))
    except (MlflowException, OSError) as error:
        raise ModelError(f"the files of that version are gone ({source}): {error}") from None


def _check(version: Version) -> None:
    """Compare the files with the hashes that stand in MLflow's database, not only with those beside them."""
    what = f"version {version.number} of {version.name!r}"
    known = {key.removeprefix("sha256."): value for key, value in version.tags.items() if key.startswith("sha256.")}
    if not known and _taught(version) is None:
        raise ModelError(f"{what} was not registered by audiolab, or its head was changed: no hash vouches for it")
    for file, digest in known.items():
        path = version.folder / file
        if not path.is_file():
            raise ModelError(f"{what}: {file} is gone from {str(version.folder)!r}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ModelError(f"{what}: {file} was changed since it was registered")


def _taught(version: Version) -> shelf.ModelEntry | None:
    """Find a head that `--from-library` taught: it lies on the shelf already, and the shelf knows its hash."""
    path = version.folder / HEAD
    if (version.folder / INDEX).exists() or not path.is_file():
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return next((entry for entry in shelf.entries() if entry.head == digest and not entry.problem), None)


def _whole(folder: Path) -> Path:
    """Refuse a folder in which any listed file was changed, not only those that `classify` reads."""
    for file, digest in read_index(folder)["sha256"].items():
        path = folder / file
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ModelError(f"model file {str(path)!r} is missing or was changed; export that model again")
    return folder


def _origin(folder: Path) -> dict[str, Any]:
    index = read_index(folder)
    return {key: index[key] for key in ("data_hash", "made_at") if key in index}


def _is_whole() -> bool:
    try:
        shelf.current()
    except ModelError:
        return False
    return True


def known_model(reference: str, *, uri: str | None = None) -> Any:
    """Find a model by any name: auto, shipped, shelf, folder, or a version in MLflow."""
    return find_model(SHIPPED if reference == SHIPPED else model_folder(reference, uri=uri))

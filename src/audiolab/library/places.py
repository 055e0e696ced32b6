"""Where a library may lie: not on a network file system, not in a folder full of other things."""

from __future__ import annotations

import json
import os
import re
import secrets
from pathlib import Path

from audiolab.audio import atomic_path
from audiolab.config import get_settings
from audiolab.errors import CatalogError
from audiolab.library.models import MetaRow
from audiolab.library.store import Store

__all__ = ["DATABASE", "MARKER", "OUR_NAMES", "chosen_database", "identify", "network_filesystem", "refuse_bad_place"]

DATABASE = "library.db"
MARKER = "catalog.json"
"""Says that the catalog of a folder is on PostgreSQL, and which library it is; holds neither address nor password."""
OUR_NAMES = frozenset(
    {
        DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", "media", "records", "tmp", "cache",
        "backups", "lost+found", "places.json", "catalog.json", "media.json",
    }
)  # fmt: skip
_NETWORK = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs",
        "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.gcsfuse", "fuse.davfs", "davfs",
    }
)  # fmt: skip


def network_filesystem(path: str | Path, mounts: str) -> str | None:
    """Name the network file system on which `path` lies.

    Parameters
    ----------
    path : path-like
        An absolute path; it need not exist.
    mounts : str
        Text in the form of /proc/mounts (device, mount point, type, options).

    Returns
    -------
    str or None
        Type of the file system, such as `nfs4`; None if it is a local one or unknown.
    """
    parts = Path(path).parts
    best, found = -1, None
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1])).parts
        # A later mount on the same point covers the earlier one.
        if parts[: len(point)] == point and len(point) >= best:
            best, found = len(point), fields[2].lower()
    return found if found in _NETWORK else None


def refuse_bad_place(folder: Path, *, catalog_inside: bool = True) -> None:
    """Raise `CatalogError` if `folder` cannot hold a library, or not its catalog."""
    if folder.exists() and not folder.is_dir():
        raise CatalogError(f"{str(folder)!r} is a file; a library is a folder")
    mounts = Path("/proc/mounts")
    if catalog_inside and mounts.is_file():
        kind = network_filesystem(os.path.realpath(folder), mounts.read_text("utf-8", "surrogateescape"))
        if kind is not None:
            raise CatalogError(
                f"{str(folder)!r} lies on a network file system ({kind}), where SQLite can lose data. "
                "Keep the library on a local disk; for several machines, put its catalog on PostgreSQL "
                "(AUDIOLAB_DATABASE=postgresql://user@host/name)."
            )
    if folder.is_dir() and not (folder / DATABASE).exists() and not (folder / MARKER).exists():
        others = sorted(p.name for p in folder.iterdir() if p.name not in OUR_NAMES and not p.name.startswith("."))
        if others:
            raise CatalogError(
                f"{str(folder)!r} is not a library and not empty (it holds {others[0]!r}"
                f"{' and more' if len(others) > 1 else ''}); give a new folder, and `add` this one to it"
            )
    places = [folder, folder / DATABASE] if (folder / DATABASE).exists() else []
    if any(not os.access(place, os.R_OK | os.W_OK) for place in places):
        # Even reading a SQLite file takes a lock beside it.
        raise CatalogError(
            f"{str(folder)!r} is read-only for you: copy the folder to where you may write and open the copy, "
            "or ask its owner for the right to write"
        )


def chosen_database(folder: Path, database: str | None) -> str | None:
    """Give the URL of the catalog of the library in `folder`; None for a SQLite file inside.

    Raises
    ------
    CatalogError
        If the catalog of this folder is elsewhere and nobody says where.
    """
    if database is not None:
        if (folder / DATABASE).exists():
            raise CatalogError(
                f"{str(folder)!r} has its catalog inside ({DATABASE}); to move it to PostgreSQL make a backup and "
                "load that with the database's URL"
            )
        return database
    settings = get_settings()
    if (folder / MARKER).exists():
        if settings.database is None:
            raise CatalogError(
                f"the catalog of {str(folder)!r} is on PostgreSQL; give its URL (database=..., or AUDIOLAB_DATABASE)"
            )
        return settings.database
    if (folder / DATABASE).exists() or folder != settings.path(settings.library).absolute():
        return None
    return settings.database


def identify(store: Store, folder: Path) -> str:
    """Give a library's id, made when it is opened for the first time.

    Raises
    ------
    CatalogError
        If a catalog on PostgreSQL is that of another folder.
    """
    with store.transaction(write=False) as session:
        row = session.get(MetaRow, "library")
    if row is None:
        with store.transaction() as session:
            row = session.get(MetaRow, "library")
            if row is None:
                row = MetaRow(key="library", value={"id": secrets.token_hex(16)})
                session.add(row)
    identity = str(row.value["id"])
    if store.path is None:
        _mark(folder / MARKER, identity, store.where)
    return identity


def _mark(marker: Path, identity: str, where: str) -> None:
    if marker.exists():
        try:
            known = json.loads(marker.read_text("utf-8"))["library"]
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogError(
                f"{str(marker)!r} is damaged ({error}); it should name the library {identity}"
            ) from error
        if known != identity:
            raise CatalogError(f"the catalog {where!r} is of another library than the folder {str(marker.parent)!r}")
        return
    with atomic_path(marker) as temporary:
        temporary.write_text(json.dumps({"catalog": "postgresql", "library": identity}), encoding="utf-8")

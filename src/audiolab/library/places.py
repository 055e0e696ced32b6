"""Where a library may lie: not on a network file system, not in a folder full of other things."""

from __future__ import annotations

import os
import re
from pathlib import Path

from audiolab.errors import CatalogError

__all__ = ["DATABASE", "OUR_NAMES", "network_filesystem", "refuse_bad_place"]

DATABASE = "library.db"
OUR_NAMES = frozenset(
    {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", "media", "records", "tmp", "cache"}
)
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


def refuse_bad_place(folder: Path) -> None:
    """Raise `CatalogError` if `folder` cannot hold a library."""
    if folder.exists() and not folder.is_dir():
        raise CatalogError(f"{str(folder)!r} is a file; a library is a folder")
    mounts = Path("/proc/mounts")
    if mounts.is_file():
        kind = network_filesystem(os.path.realpath(folder), mounts.read_text("utf-8", "surrogateescape"))
        if kind is not None:
            raise CatalogError(
                f"{str(folder)!r} lies on a network file system ({kind}), where SQLite can lose data. "
                "Keep the library on a local disk, or use a PostgreSQL catalog for several machines."
            )
    if folder.is_dir() and not (folder / DATABASE).exists():
        others = sorted(p.name for p in folder.iterdir() if p.name not in OUR_NAMES and not p.name.startswith("."))
        if others:
            raise CatalogError(
                f"{str(folder)!r} is not a library and not empty (it holds {others[0]!r}"
                f"{' and more' if len(others) > 1 else ''}); give a new folder, and `add` this one to it"
            )

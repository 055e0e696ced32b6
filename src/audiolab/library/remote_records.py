"""What else lies beside remote media: records, notes of what is new, and flags of runs.

    media/<2 digits>/<hash><suffix>      as in a library's folder
    records/<2 digits>/<result key>.json
    new/<result key>                     somebody is leaving a record that no library may have folded yet
    flags/<name>                         such as cancel-<run>
    library.json                         whose files these are

A worker that sees nothing of the library's folder notes that a record is to come and then writes it. Whoever folds it
takes the note away. So what a killed driver left is found by one short listing, and by its key at any time.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audiolab.audio import atomic_path
from audiolab.errors import CatalogError
from audiolab.library.records import Record, record_path
from audiolab.library.remote import RemoteFolder

__all__ = ["RemoteRecords"]

_FORGOTTEN = timedelta(days=7)
"""A note whose record never came is taken away after that: its worker was killed."""
_ID = "library.json"


class RemoteRecords:
    """Records below a media URL.

    Parameters
    ----------
    remote : RemoteFolder
        The library's place.
    """

    def __init__(self, remote: RemoteFolder) -> None:
        self.remote = remote

    # ---- records -----------------------------------------------------------------------------------

    def leave(self, record: Record) -> None:
        """Write a record, and before it the note that it comes."""
        self.remote.write(f"new/{record.key}", b"new")
        self.write(record)

    def write(self, record: Record) -> None:
        """Write a record that is folded here and now."""
        self.remote.write(_name(record.key), record.model_dump_json().encode())

    def fetch(self, key: str, path: Path) -> bool:
        """Copy a record to its place in a library's folder, atomically; gives False if there is none."""
        data = self.remote.read(_name(key))
        if data is None:
            return False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                temporary.write_bytes(data)
        except OSError as error:
            raise CatalogError(f"cannot write the record {path.name}: {error}; is the disk full?") from error
        return True

    def remove(self, key: str) -> None:
        """Remove a record for good."""
        self.remote.remove(_name(key))
        self.done(key)

    def done(self, key: str) -> None:
        """Take away the note that a record is new: it is folded."""
        self.remote.remove(f"new/{key}")

    def fetch_new(self, library: Path) -> list[str]:
        """Copy all new records into a library's folder; give their keys."""
        fetched = []
        for note in self.remote.find("new"):
            key = note.name.removeprefix("new/")
            try:
                path = record_path(library, key)
            except CatalogError:
                continue  # not ours
            if self.fetch(key, path):
                fetched.append(key)
            elif note.written is not None and datetime.now(UTC) - note.written > _FORGOTTEN:
                self.done(key)
        return fetched

    # ---- flags -------------------------------------------------------------------------------------

    def raise_flag(self, name: str, text: str = "") -> None:
        """Say something to all workers, such as that a run is to stop."""
        self.remote.write(f"flags/{name}", text.encode() or b"1")

    def lower_flag(self, name: str) -> None:
        """Take it back."""
        self.remote.remove(f"flags/{name}")

    def has_flag(self, name: str) -> bool:
        """Look for a flag; a server that does not answer at once has none."""
        try:
            return self.remote.exists(f"flags/{name}", patience=0)
        except CatalogError:
            return False

    # ---- whose they are ----------------------------------------------------------------------------

    def taken(self) -> bool:
        """Say whether some library has its files here."""
        return self.remote.exists(_ID)

    def identify(self, identity: str) -> None:
        """Make sure that these are the files of this library, or nobody's yet.

        Raises
        ------
        CatalogError
            If they are those of another library, or the server does not answer.
        """
        # Somebody waits for the library to open.
        data = self.remote.read(_ID, patience=min(self.remote.patience, 5.0))
        if data is None:
            self.remote.write(_ID, json.dumps({"library": identity}).encode())
            return
        try:
            known = json.loads(data)["library"]
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogError(f"{self.remote.url}/{_ID} is damaged ({error}); it should name {identity}") from error
        if known != identity:
            raise CatalogError(f"{self.remote.url} holds the media of another library; give each a URL of its own")


def _name(key: str) -> str:
    return record_path("", key).as_posix()

"""Identities: every row that is not typed in by a person has an id that follows from what it is."""

from __future__ import annotations

import hashlib

from audiolab.errors import ParameterError

__all__ = ["derived_id", "hash_text", "set_id", "view_id"]


def hash_text(*parts: str | int) -> str:
    """Hash a tuple of texts and integers to 64 hex digits (blake2b, 256 bits); parts cannot run together."""
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def derived_id(key: str, name: str) -> str:
    """Give the id of a sound that a stage made.

    Parameters
    ----------
    key : str
        Result key of the job.
    name : str
        Name of the sound within that result, such as `drums`.
    """
    return hash_text("derived", key, name)


def view_id(parent_id: str, start: int, stop: int) -> str:
    """Give the id of frames `start` (inclusive) to `stop` (exclusive) of a sound.

    Raises
    ------
    ParameterError
        If the span is empty or begins before 0.
    """
    if not 0 <= start < stop:
        raise ParameterError(f"a sample must have frames: start {start}, stop {stop}")
    return hash_text("view", parent_id, start, stop)


def set_id(key: str) -> str:
    """Give the id of the sample set that the job with this result key cut."""
    return hash_text("set", key)

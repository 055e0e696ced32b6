"""Result keys: the same work on the same sound has the same name, whoever does it and when."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["canonical_json", "document_hash", "result_key"]


def canonical_json(value: Any) -> str:
    """Write JSON in one way only: sorted keys, no spaces, finite numbers.

    Whole floats become integers, since 4 and 4.0 in a YAML file mean the same.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item) for item in value), key=str)
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 2**53:
        return int(value)
    return value


def document_hash(document: Mapping[str, Any]) -> str:
    """Hash the effective value of a result (its document with the human's edits in it)."""
    return hashlib.blake2b(canonical_json(document).encode(), digest_size=32).hexdigest()


def result_key(
    *,
    sounds: Sequence[str],
    stage: str,
    version: int,
    params: Mapping[str, Any],
    engine: str,
    weights: str | None,
    needs: Mapping[str, str],
) -> str:
    """Name a result.

    Parameters
    ----------
    sounds : sequence of str
        Ids of the job's sounds, in order (see `SoundSpec.key`).
    stage, version : str, int
        The stage.
    params : mapping
        Its RESOLVED parameters: no `auto` left in them.
    engine, weights : str, str or None
        Engine and hash of its weights.
    needs : mapping of str to str
        Hashes of the effective values of the earlier results that the stage sees.

    Returns
    -------
    str
        64 hexadecimal digits (blake2b-256).
    """
    text = canonical_json(
        {
            "sounds": list(sounds),
            "stage": stage,
            "version": version,
            "params": params,
            "engine": engine,
            "weights": weights,
            "needs": needs,
        }
    )
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()

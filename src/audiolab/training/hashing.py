"""What sounds a model learned from, in eight bytes each: so that nobody measures it on them without knowing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import open_source
from audiolab.errors import AudioError
from audiolab.stages.classification.preparing import listen
from audiolab.training.data import RENDERED
from audiolab.training.manifest import Entry

__all__ = ["content_hashes", "data_hash"]


def content_hashes(entries: Sequence[Entry]) -> NDArray[np.uint64]:
    """Hash what the encoder would read of each sound: its first seconds in mono at their own rate, in 16-bit steps.

    A copy in another lossless format, renamed, or with a longer tail has the same hash; another level, a resampled
    or an mp3 copy has another one. What cannot be read, and what code rendered, gets 0.
    """
    found = np.zeros(len(entries), np.uint64)
    for index, entry in enumerate(entries):
        if entry.source == RENDERED:
            continue
        try:
            heard = listen(open_source(entry.path))
        except AudioError:
            continue
        steps = np.clip(np.round(heard.mono * 32768.0), -32768, 32767).astype("<i2")
        digest = hashlib.blake2b(steps.tobytes(), digest_size=8, person=str(heard.sample_rate).encode()).digest()
        found[index] = int.from_bytes(digest, "little")
    return found


def data_hash(entries: Sequence[Entry], hashes: NDArray[np.uint64]) -> str:
    """Hash a labelled set by what its sounds sound like and what is said of them; names and order do not matter."""
    lines = sorted(
        f"{number:016x} {entry.label} {entry.source} {entry.may_ship} {entry.dup_group}"
        for entry, number in zip(entries, hashes.tolist(), strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

"""Looking at many files: a few at a time in threads, in order, never more scratch copies than one batch needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import select

from audiolab.audio import open_source
from audiolab.config import available_cores
from audiolab.errors import AudiolabError
from audiolab.library.finding import Candidate
from audiolab.library.intake import Intake, Seen, check_same, decode, take_bytes
from audiolab.library.models import SoundRow
from audiolab.library.peakcache import LONG, make_peaks

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["BATCH", "Look", "batches", "discard"]

BATCH = 64
"""Files in one transaction."""
_BATCH_SECONDS = 0.5
_AHEAD = 16


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one file."""

    item: Candidate
    why: str = ""
    """Why it cannot be added, if it cannot."""
    seen: Seen | None = None
    intake: Intake | None = None
    """None for bytes that the library has already."""


class _Known:
    """The hashes that sounds of the library have, of those files whose size fits."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.folder = library.path
        self._hashes: set[str] = set()
        self._sizes: set[int] = set()
        self._asked: set[int] = set()

    def learn(self, items: Sequence[Candidate]) -> None:
        """Look up what fits some files; each size is asked for once.

        What is added meanwhile is not known by its bytes then, but will be by its content.
        """
        sizes = {item.size for item in items if item.size > 0} - self._asked
        if not sizes:
            return
        self._asked |= sizes
        with self._library.store.transaction(write=False) as session:
            found = select(SoundRow.media, SoundRow.size).where(SoundRow.size.in_(sizes), SoundRow.parent_id.is_(None))
            for media, size in session.execute(found):
                if media is not None and size is not None:
                    self._hashes.add(media)
                    self._sizes.add(size)

    def has(self, media: str) -> bool:
        return media in self._hashes and self._library.media.exists(media)

    def has_size(self, size: int) -> bool:
        return size in self._sizes


def batches(
    library: Library, items: Sequence[Candidate], folder: Path, *, copy: Callable[[Candidate], bool]
) -> Iterator[list[Look]]:
    """Look at files and give what was seen, in order, in lists that one transaction shall take.

    Parameters
    ----------
    folder : Path
        Scratch; whoever takes a list puts its copies away.
    copy : callable
        Says whether a plain file is to be copied; members of zips are unpacked anyway.
    """
    waiting: deque[Future[Look]] = deque()
    known = _Known(library)
    todo = iter(range(0, len(items), BATCH))
    threads = max(1, min(4, available_cores(), len(items)))
    with ThreadPoolExecutor(threads, "audiolab-add") as pool:
        try:
            batch: list[Look] = []
            since = monotonic()
            while True:
                if len(waiting) < _AHEAD and (at := next(todo, None)) is not None:
                    part = items[at : at + BATCH]
                    known.learn(part)
                    waiting.extend(pool.submit(_look, item, folder, known, copy(item)) for item in part)
                if not waiting:
                    break
                late = bool(batch) and monotonic() - since > _BATCH_SECONDS and not waiting[0].done()
                if len(batch) >= BATCH or late:
                    yield batch
                    batch = []
                if not batch:
                    since = monotonic()
                batch.append(waiting.popleft().result())
            if batch:
                yield batch
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _look(item: Candidate, folder: Path, known: _Known, copy: bool) -> Look:
    try:
        with item.open(folder) as path:
            own = item.path is None
            seen = take_bytes(path, item.name, folder, copy=copy or own, own=own, known=known)
            if known.has(seen.media):
                if seen.copied:
                    seen.path.unlink(missing_ok=True)
                return Look(item, seen=seen)
            intake = decode(seen, item.name, item.origin)
            if intake.seconds > LONG:
                make_peaks(known.folder, intake.content_id, open_source(seen.path))
            if not seen.copied:
                check_same(path, item.name, seen)
            return Look(item, seen=seen, intake=intake)
    except AudiolabError as error:
        return Look(item, why=str(error))
    except OSError as error:
        return Look(item, why=f"{item.name!r} cannot be read: {error.strerror or error}")


def discard(looks: Sequence[Look]) -> None:
    """Remove the scratch copies that nobody took over."""
    for look in looks:
        if look.seen is not None and look.seen.copied:
            look.seen.path.unlink(missing_ok=True)

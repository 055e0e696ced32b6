"""`Uploader`: files and folders from the desktop into a library, by the browser."""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, cast, get_args

import traitlets

from audiolab.errors import AudiolabError, ParameterError
from audiolab.library import Library
from audiolab.library.adding import KINDS, Kind
from audiolab.library.addreport import AddLine, AddReport, Status
from audiolab.library.foldertags import parse_rule
from audiolab.library.ops import one_action
from audiolab.library.uploading import Upload
from audiolab.widgets.base import Buffers, LabWidget, Reply, request
from audiolab.widgets.html import Html

__all__ = ["PIECE", "Uploader"]

PIECE = 1 << 20
"""Bytes that the page sends in one request; it waits for the answer before the next one."""
_MOST_FILES = 20_000
_IDLE_SECONDS = 600.0
_PAGE = 200
log = logging.getLogger("audiolab.widgets")


@dataclass
class _Batch:
    """One drop of files: what arrives, and the thread that adds it."""

    upload: Upload
    whole: queue.Queue[int | None] = field(default_factory=queue.Queue)
    """Numbers of files that are complete; None: no more will come."""
    cancelled: bool = False
    thread: threading.Thread | None = None


class Uploader(LabWidget):
    """A place to drop files and folders, or to pick them by button; they go into a library.

    Each file is checked by decoding it, as with `Library.add`; a bad one stops no other. One drop is one step of undo.

    Parameters
    ----------
    library : Library
        Where the files go.
    kind : {"auto", "song", "sample", "stem"}
        What they are, as in `Library.add`; can be changed in the page.
    rule : str
        How tags are read from folder and file names, as in `Library.add`; can be changed in the page.

    Attributes
    ----------
    uploaded : list of str
        Ids of the sounds that came of it, new and known, in order. Observe it to go on with them.
    kind, rule : str
        As above.
    progress : dict
        `active`, `files`, `done`, `bytes`, `received` of the drop that runs or was the last.

    Examples
    --------
    >>> uploader = al.Uploader(lib)
    >>> uploader.observe(lambda change: print(lib.sound(change["new"][-1])), "uploaded")
    """

    view = "uploader"

    uploaded = traitlets.List(traitlets.Unicode()).tag(sync=True)
    kind = traitlets.Enum(KINDS, "auto").tag(sync=True)
    rule = traitlets.Unicode("").tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)
    _place = traitlets.Unicode().tag(sync=True)
    _counts = traitlets.Dict().tag(sync=True)

    def __init__(self, library: Library, *, kind: Kind = "auto", rule: str = "") -> None:
        self._batches: dict[str, _Batch] = {}
        if rule:
            parse_rule(rule)
        self.library, self.report = library, AddReport()
        self._known: dict[str, None] = {}
        self._lock = threading.RLock()
        self._numbers = 0
        super().__init__(kind=kind, rule=rule, _place=str(library.path), progress=_progress())

    # ---- what the page asks ----------------------------------------------------------------------

    @request
    def begin(self, files: Sequence[Mapping[str, Any]]) -> Reply:
        """Announce files; the answer says which need not be sent."""
        if not files:
            raise ParameterError("no files were chosen")
        if len(files) > _MOST_FILES:
            raise ParameterError(
                f"{len(files)} files at once are more than {_MOST_FILES}; drop fewer folders at a time"
            )
        if self._batches:
            raise ParameterError("another upload is under way; wait for it or cancel it")
        listed = [(str(item["path"]), int(item["size"])) for item in files]
        upload = Upload(self.library, listed, kind=cast("Kind", self.kind), rule=self.rule or None)
        with self._lock:
            self._numbers += 1
            name = f"upload-{self._numbers}"
            batch = self._batches[name] = _Batch(upload)
            refused = dict(upload.refused)
            wanted = sum(size for index, (_, size) in enumerate(listed) if index not in refused)
            self.progress = _progress(active=True, files=len(listed), bytes=wanted)
            self._note(list(refused.values()))
        batch.thread = threading.Thread(target=self._add, args=(name, batch), name=f"audiolab-{name}", daemon=True)
        batch.thread.start()
        return {"upload": name, "refused": sorted(refused), "piece": PIECE}

    @request
    def put(self, upload: str, pieces: Sequence[Sequence[int]], buffers: Buffers = ()) -> Reply:
        """Take pieces: of each the number of its file and the offset; gives the files that failed."""
        batch = self._batch(upload)
        if len(pieces) != len(buffers):
            raise ParameterError(f"{len(pieces)} pieces were announced, {len(buffers)} came")
        failed, received = [], 0
        for (index, offset), data in zip(pieces, buffers, strict=True):
            size = memoryview(data).nbytes
            if size > 2 * PIECE:
                raise ParameterError(f"a piece of {size} bytes is larger than {2 * PIECE}")
            try:
                if batch.upload.write(index, offset, data):
                    batch.whole.put(index)
                received += size
            except AudiolabError as error:
                failed.append(index)
                self._give_up(batch, index, str(error))
        with self._lock:
            self.progress = {**self.progress, "received": self.progress["received"] + received}
        return {"failed": failed}

    @request
    def drop(self, upload: str, file: int, why: str) -> Reply:
        """Give up a file that the page cannot read."""
        self._give_up(self._batch(upload), file, f"the browser cannot read it: {why}")
        return None

    @request
    def end(self, upload: str) -> Reply:
        """Say that everything was sent."""
        self._batch(upload).whole.put(None)
        return None

    @request
    def cancel(self, upload: str = "") -> Reply:
        """Stop: what is in the library already stays, the rest is removed."""
        for batch in [self._batch(upload)] if upload else list(self._batches.values()):
            batch.cancelled = True
            batch.whole.put(None)
        return None

    @request
    def lines(self, first: int = 0, count: int = _PAGE) -> Reply:
        """Give results, the newest first."""
        with self._lock:
            newest = self.report.lines[::-1]
        return {"lines": [_line(line) for line in newest[first : first + count]], "total": len(newest)}

    # ---- inside ----------------------------------------------------------------------------------

    def _batch(self, upload: str) -> _Batch:
        batch = self._batches.get(upload)
        if batch is None:
            raise ParameterError("this upload is over or was cancelled")
        return batch

    def _give_up(self, batch: _Batch, index: int, why: str) -> None:
        name = batch.upload.name(index)
        batch.upload.give_up(index)
        self._note([AddLine(name, "failed", why)])

    def _add(self, name: str, batch: _Batch) -> None:
        """Add files as they become whole; runs in a thread, so that the page can go on sending."""
        said = ""
        try:
            with batch.upload, one_action():
                more = True
                while more:
                    more = self._add_some(batch)
                if batch.cancelled:
                    self._note([AddLine(batch.upload.name(i), "skipped", "cancelled") for i in batch.upload.left])
        except queue.Empty:
            said = f"nothing came for {_IDLE_SECONDS:.0f} s: the page is gone; what was half here was removed"
        except Exception as error:
            log.exception("uploading")
            said = str(error) if isinstance(error, AudiolabError) else f"{type(error).__name__}: {error}"
        with self._lock:
            del self._batches[name]
            self.progress = {**self.progress, "active": False}
        self.error = said
        self.tell("over", upload=name, cancelled=batch.cancelled)
        self.refresh_standing()

    def _add_some(self, batch: _Batch) -> bool:
        """Wait for a file and add it with those that are whole by then; give False at the end."""
        found = [batch.whole.get(timeout=_IDLE_SECONDS)]
        while len(found) < 64 and found[-1] is not None:
            try:
                found.append(batch.whole.get_nowait())
            except queue.Empty:
                break
        if batch.cancelled:
            return False
        indices = [index for index in found if index is not None]
        if indices:
            self._note(batch.upload.take(indices))
        return found[-1] is not None

    def _note(self, lines: Sequence[AddLine]) -> None:
        if not lines:
            return
        with self._lock:
            self.report.lines += lines
            self._counts = dict(Counter(line.status for line in self.report.lines))
            self.progress = {**self.progress, "done": self.progress["done"] + len(lines)}
            new = [line.sound.id for line in lines if line.sound is not None]
            known = len(self._known)
            self._known.update(dict.fromkeys(new))
            if len(self._known) > known:
                self.uploaded = list(self._known)
        self.tell("lines", lines=[_line(line) for line in lines[-_PAGE:]])

    def close(self) -> None:
        """Stop what is under way and close the widget."""
        if "_batches" in vars(self):  # ipywidgets closes what was never made whole, too
            self.cancel()
        super().close()

    def wait(self, timeout: float | None = None) -> AddReport:
        """Wait for what was sent to be in the library and give the report; for programs and tests."""
        for batch in list(self._batches.values()):
            if batch.thread is not None:
                batch.thread.join(timeout)
        return self.report

    # ---- without a kernel ------------------------------------------------------------------------

    def _name(self) -> str:
        return f"upload to {self.library.path.name}"

    def _standing(self) -> Html:
        with self._lock:
            report = AddReport(self.report.lines[-_PAGE:])
            counts = Counter(line.status for line in self.report.lines)
        said = ", ".join(f"{counts[status]} {status}" for status in get_args(Status) if counts[status])
        head = f"<p><b>Files for {escape(self.library.path.name)}</b>: {said or 'nothing was uploaded yet'}</p>"
        return Html(head + (report._repr_html_() if report.lines else ""))


def _progress(**known: Any) -> dict[str, Any]:
    return {"active": False, "files": 0, "done": 0, "bytes": 0, "received": 0, **known}


def _line(line: AddLine) -> dict[str, str]:
    name = line.sound.name if line.sound is not None else ""
    return {"status": line.status, "path": line.path, "why": line.why, "sound": name}

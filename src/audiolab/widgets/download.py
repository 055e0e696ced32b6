"""`Download`: a file of the kernel's machine onto the user's, by the browser."""

from __future__ import annotations

from html import escape
from pathlib import Path

import traitlets

from audiolab.errors import AudioError, ParameterError
from audiolab.widgets.base import LabWidget, Reply, request
from audiolab.widgets.html import Html

__all__ = ["Download"]

_PIECE = 2 << 20


class Download(LabWidget):
    """A button that brings one file to the user's desktop; it needs no file server, so it works in Voila and on hubs.

    Parameters
    ----------
    path : path-like, optional
        The file; `set` changes it.
    """

    view = "download"

    _file = traitlets.Dict().tag(sync=True)

    def __init__(self, path: str | Path | None = None) -> None:
        self.path: Path | None = None
        super().__init__(_file={"name": "", "size": 0})
        if path is not None:
            self.set(path)

    def set(self, path: str | Path | None) -> None:
        """Offer another file, or none.

        Raises
        ------
        ParameterError
            If it is not a file.
        """
        self.path = None if path is None else Path(path)
        if self.path is None:
            self._file = {"name": "", "size": 0}
            return
        if not self.path.is_file():
            raise ParameterError(f"{str(self.path)!r} is no file")
        self._file = {"name": self.path.name, "size": self.path.stat().st_size}

    @request
    def piece(self, offset: int) -> Reply:
        """Give the next part of the file."""
        if self.path is None:
            raise ParameterError("there is nothing to download")
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, offset))
                data = file.read(_PIECE)
        except OSError as error:
            raise AudioError(f"{self.path.name!r} cannot be read: {error.strerror or error}") from error
        if not data:
            raise AudioError(f"{self.path.name!r} was changed meanwhile; try again")
        return {}, [data]

    def _name(self) -> str:
        return f"download {self.path.name}" if self.path else "download"

    def _standing(self) -> Html:
        return Html(f"<p>{escape(self.path.name if self.path else 'nothing to download')}</p>")

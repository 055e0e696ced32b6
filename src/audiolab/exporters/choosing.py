"""What is exported: a collection, a song, or any sounds, sorted out by kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from audiolab.errors import ExportError, ParameterError
from audiolab.library import Sound

__all__ = ["Choice", "Exportable", "choose"]

Exportable: TypeAlias = "Sound | Iterable[Sound]"
"""A `Sound`, or a collection, sample set, query result or list of them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The sounds to export, each once, in their order."""

    title: str
    """Name of the collection or song; empty for a plain list."""
    sounds: tuple[Sound, ...]

    @property
    def songs(self) -> tuple[Sound, ...]:
        """The songs among them."""
        return tuple(sound for sound in self.sounds if sound.kind == "song")

    @property
    def stems(self) -> tuple[Sound, ...]:
        """The stems that were chosen themselves."""
        return tuple(sound for sound in self.sounds if sound.kind == "stem")

    @property
    def samples(self) -> tuple[Sound, ...]:
        """The samples that were chosen themselves."""
        return tuple(sound for sound in self.sounds if sound.kind == "sample")


def choose(what: Any) -> Choice:
    """Sort out what was given.

    Raises
    ------
    ParameterError
        If it is, or holds, something else than sounds of a library.
    ExportError
        If it is empty.
    """
    if isinstance(what, Sound):
        return Choice(what.name, (what,))
    if isinstance(what, (str, bytes)) or not isinstance(what, Iterable):
        raise ParameterError(
            f"export takes a collection, a song or a list of sounds, not {what!r}; "
            "get them from a Library: lib.collection(name), lib.query(text)"
        )
    sounds: dict[str, Sound] = {}
    for sound in what:
        if not isinstance(sound, Sound):
            raise ParameterError(f"export takes sounds of a library, not {sound!r}")
        sounds.setdefault(sound.id, sound)
    title = getattr(what, "name", "")
    if not sounds:
        raise ExportError(f"there is nothing to export{f' in {title!r}' if title else ''}: it holds no sounds")
    return Choice(title if isinstance(title, str) else "", tuple(sounds.values()))

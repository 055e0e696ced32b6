"""Songs with stems for the tests of widgets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from audiolab.audio import Audio, TempoMap, quantize, write_audio
from audiolab.library import Library, Record, Sound

RATE = 22050


def song_of(lib: Library, folder: Path, *, seconds: float = 4.0, level: float = 0.2, name: str = "song") -> Sound:
    """Add a song of drums, bass (mono) and vocals: noise on the 24-bit grid."""
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    for index, stem in enumerate(("drums", "bass", "vocals")):
        values = level * np.random.default_rng(index).uniform(-1, 1, (1 if stem == "bass" else 2, int(seconds * RATE)))
        write_audio(folder / f"{stem}.wav", Audio(quantize(values.astype(np.float32), 24), RATE))
    return lib.add(stems=folder)


def record(lib: Library, sound: Sound, stage: str, document: Mapping[str, Any], **facts: Any) -> None:
    """Leave what a stage found, as a worker does."""
    key = hashlib.blake2b(repr((stage, sound.id, document)).encode(), digest_size=32).hexdigest()
    made = Record(key=key, stage=stage, version=1, sound_id=sound.id, document=dict(document), facts=facts)
    made.write(lib.record_path(key))
    lib.fold(made)


def tempo(lib: Library, song: Sound, bpm: float = 120.0) -> None:
    """Let the song have beats."""
    found = TempoMap.constant(bpm, first_downbeat=0.0)
    record(lib, song, "analyze", {"tempo": {"bpm": bpm}, "tempo_map": found.to_dict()}, bpm=bpm)


class Page:
    """What a view would hear and ask."""

    def __init__(self, widget: Any) -> None:
        self.widget, self.sent = widget, []
        widget.send = lambda content, buffers=None: self.sent.append((content, buffers or []))

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask as the page does; an error is in the answer."""
        self.widget._receive(None, {"id": "1", "method": method, "params": params}, [])
        return next(content for content, _ in reversed(self.sent) if content.get("id") == "1")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Give what was told."""
        return [content for content, _ in self.sent if content.get("event") == name]

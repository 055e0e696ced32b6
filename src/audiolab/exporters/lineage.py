"""Where an exported sound comes from, told once for each ancestor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from audiolab.exporters.cards import Card, Cards

__all__ = ["Lineage", "tool_version"]


@cache
def tool_version() -> str:
    """Give audiolab's version."""
    try:
        return version("audiolab")
    except PackageNotFoundError:  # run from its source without being installed
        return "unknown"


class Lineage:
    """Provenance of many sounds; ancestors and jobs that they share are looked up once."""

    def __init__(self, cards: Cards) -> None:
        self._cards = cards
        self._made: dict[str, Mapping[str, Any]] = {}
        self.sources: dict[str, dict[str, Any]] = {}
        """Every ancestor by id: what it is, how it was made, which file was added, and its own parent."""

    def of(self, sound: Card) -> dict[str, Any]:
        """Say how a sound was made: parent, span in it, and the job. Notes its ancestors in `sources`."""
        parent, song = self._cards.parent(sound), self._cards.song(sound)
        document: dict[str, Any] = {"id": sound.id, "name": sound.name, "kind": sound.kind}
        if sound.stem:
            document["stem"] = sound.stem
        if parent is not None:
            document["parent"] = parent.id
            self._note(parent)
        if song is not None and song.id != sound.id:
            document["song"] = song.id
            self._note(song)
        if sound.start is not None and sound.stop is not None:
            document["span"] = {"start": sound.start, "stop": sound.stop, "sample_rate": sound.sample_rate}
        made = self._job(sound)
        if made:
            document["made"] = made
        elif sound.original_name:
            document["file"] = {"name": sound.original_name, "content_id": sound.content_id}
        return document

    def short(self, sound: Card) -> dict[str, Any]:
        """Say the same in the few words that fit into a file's own tags."""
        document = self.of(sound)
        short: dict[str, Any] = {"id": sound.id}
        song = self.sources.get(document.get("song", ""))
        if song is not None:
            short["song"] = {"id": document["song"], "name": song["name"]}
        if sound.stem:
            short["stem"] = sound.stem
        if "parent" in document:
            short["parent"] = document["parent"]
        if "span" in document:
            short["span"] = document["span"]
        jobs = {}
        for source in (document, self.sources.get(document.get("parent", "")) or {}):
            if made := source.get("made"):
                jobs[made["stage"]] = f"{made['engine']} v{made['version']}"
        if jobs:
            short["engines"] = jobs
        return short

    def _note(self, sound: Card) -> None:
        if sound.id not in self.sources:
            self.sources[sound.id] = {}  # before going up, should a chain ever bite its tail
            self.sources[sound.id] = self.of(sound)

    def _job(self, sound: Card) -> Mapping[str, Any]:
        key = sound.result_key
        if key is None:
            return {}
        if key not in self._made:
            step = sound.library.explain(sound.id).to_dict().get("made") or {}
            self._made[key] = {name: step[name] for name in _SHOWN if step.get(name) not in (None, "", [], {})}
        return self._made[key]


_SHOWN = ("stage", "version", "engine", "weights", "params", "notes", "made_at", "key")

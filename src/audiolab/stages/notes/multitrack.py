"""All stems of a song in one MIDI file: a track each, on one `TempoMap`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from audiolab.audio import Block, BlockSource, DerivedSource, Frames, TempoMap, as_source, require_stereo
from audiolab.audio.source import BLOCK
from audiolab.errors import ParameterError
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.notes.files import Transcription, find_tempo, fixed_tempo, midi
from audiolab.stages.notes.midi_file import write_midi

__all__ = ["Multitrack", "multitrack", "stem_of"]

Sound: TypeAlias = BlockSource | str | Path | tuple[Block, int]
STEMS = ("drums", "bass", "other", "vocals", "guitar", "piano")


@dataclass(frozen=True, slots=True)
class Multitrack:
    """The notes of several stems."""

    parts: tuple[Transcription, ...]
    """One a stem, each with the file as its `midi`."""
    tempo_map: TempoMap
    midi: Path
    """The written file."""
    remarks: tuple[str, ...] = ()

    def to_dict(self) -> list[dict[str, Any]]:
        """Give one document a stem, as `audiolab midi --json` prints for several files."""
        return [{**part.to_dict(), "track": part.document["name"]} for part in self.parts]


@dataclass(frozen=True, slots=True)
class _Sum(DerivedSource):
    """Sources of one rate and length, added up as mono, so that all stems together decide the tempo."""

    parent: BlockSource
    others: tuple[BlockSource, ...]

    @property
    def channels(self) -> int:
        """Always 1."""
        return 1

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks of the sum; see `BlockSource`."""
        streams = [parent.blocks(size, start=start, stop=stop) for parent in (self.parent, *self.others)]
        for row in zip(*streams, strict=True):
            total = np.sum([block.mean(axis=0, dtype=np.float64) for block in row], axis=0)
            yield total.astype(np.float32)[None]


def stem_of(name: str) -> str | None:
    """Tell the stem by a file's name: the last word of `My Song_drums.flac`."""
    words = [word for word in re.split(r"[\W\d_]+", Path(name).stem.lower()) if word]
    return words[-1] if words and words[-1] in STEMS else None


def multitrack(
    sounds: Sequence[Sound] | Mapping[str, Sound],
    to: str | Path,
    *,
    tempo_map: TempoMap | float | None = None,
    bpm: float | None = None,
    progress: Progress | None = None,
    **params: Any,
) -> Multitrack:
    """Turn the stems of a song into one MIDI file.

    Parameters
    ----------
    sounds : sequence of sounds, or mapping of stem name to sound
        Stems that begin together. In a sequence the file's name says which stem it is (`song_bass.wav`); others
        count as `other` and keep their name.
    to : path-like
        The .mid file.
    tempo_map, bpm : TempoMap, float, optional
        The song's musical time; default: what `analyze` finds in the sum of the stems, or, if they differ in rate or
        length, in the drums or else the first one.
    progress : Progress, optional
        Called with stems done and in all.
    **params
        Fields of `MidiParams`, for all stems. `preset` stays `auto` unless given: by stem.

    Returns
    -------
    Multitrack
        With a track a stem, drums on channel 10.

    Raises
    ------
    ParameterError
        If there is no sound, a parameter makes no sense, or `to` is no .mid file.
    AudioError, MissingDependency
        See `midi`.
    """
    target = Path(to)
    if target.suffix.lower() not in {".mid", ".midi"}:
        raise ParameterError(f"the multitrack file must end in .mid, not {str(target)!r}")
    named = _named(sounds)
    if not named:
        raise ParameterError("a multitrack file needs at least one sound")
    hook = progress or no_progress
    time = fixed_tempo(tempo_map, bpm)
    remarks: tuple[str, ...] = ()
    if time is None:
        time, remarks = find_tempo(_timekeeper(named, downmix=bool(params.get("downmix"))))
    parts = []
    for done, (name, stem, sound) in enumerate(named):

        def part_done(now: float, total: float, done: int = done) -> None:
            hook(done + now / max(total, 1e-9), len(named))

        found = midi(sound, stem=stem, tempo_map=time, progress=part_done, **params)
        parts.append(replace(found, document={**found.document, "name": name}, midi=target))
    hook(len(named), len(named))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_midi(target, [part.track() for part in parts], time, duration=max(part.duration for part in parts))
    return Multitrack(tuple(parts), time, target, remarks)


def _named(sounds: Sequence[Sound] | Mapping[str, Sound]) -> list[tuple[str, str | None, Sound]]:
    """Give each sound its track's name and its stem."""
    if isinstance(sounds, Mapping):
        return [(name, name if name in STEMS else stem_of(name), sound) for name, sound in sounds.items()]
    found = []
    for sound in sounds:
        name = as_source(sound).name
        stem = stem_of(name)
        found.append((stem or Path(name).stem or "sound", stem, sound))
    return found


def _timekeeper(named: Sequence[tuple[str, str | None, Sound]], *, downmix: bool) -> BlockSource:
    """Choose what the tempo is found in."""
    sources = [require_stereo(as_source(sound), downmix=downmix) for _, _, sound in named]
    first = sources[0]
    if all((s.sample_rate, s.frames) == (first.sample_rate, first.frames) for s in sources):
        return _Sum(first, tuple(sources[1:])) if len(sources) > 1 else first
    return next((s for s, (_, stem, _) in zip(sources, named, strict=True) if stem == "drums"), first)

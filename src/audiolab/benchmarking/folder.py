"""Songs in a folder, and the annotations that lie beside them.

A song is a folder with `mix.*` (stems and annotations beside it by their own names: `drums.flac`, `beats.csv`), a
folder of stems alone, or one audio file with annotations of the same name (`NAME.wav`, `NAME.beats.csv`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from audiolab.benchmarking.drum_classes import drum_class
from audiolab.benchmarking.jams_files import read_jams
from audiolab.benchmarking.tables import AnnotationError
from audiolab.benchmarking.truth import KINDS, Truth, read_truth

__all__ = ["MIX", "STEMS", "Song", "Track", "find_songs"]

MIX = "mix"
STEMS = ("drums", "bass", "other", "vocals", "guitar", "piano")
_AUDIO = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mp4", ".aif", ".aiff", ".rf64", ".w64"}
_TABLES = {".csv", ".tsv", ".txt"}
_WORDS = (
    {kind.rstrip("s"): kind for kind in KINDS} | {kind: kind for kind in KINDS} | {"bpm": "tempo", "beats": "beats"}
)
_KIND = re.compile(rf"^({'|'.join(sorted(_WORDS, key=len, reverse=True))})(A?\d+)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Track:
    """One audio file of a song with its annotations."""

    name: str
    """`mix` or the stem's name."""
    path: Path
    files: Mapping[str, Path]
    """Annotation files by kind."""
    jams: Path | None = None

    def truth(self, kinds: Iterable[str]) -> Truth:
        """Read the annotations of some kinds; files come before what a JAMS file says.

        Raises
        ------
        AnnotationError
            If one of them cannot be read.
        """
        wanted = set(kinds)
        found = read_truth({kind: path for kind, path in self.files.items() if kind in wanted})
        if self.jams is None:
            return found
        names = {kind: (kind,) for kind in wanted} | ({"beats": ("beats", "positions")} if "beats" in wanted else {})
        there = read_jams(self.jams)
        fields = [name for kind in names if kind not in self.files for name in names[kind]]
        return replace(found, **{name: getattr(there, name) for name in fields})


@dataclass(frozen=True)
class Song:
    """Audio that belongs together."""

    name: str
    tracks: Mapping[str, Track]

    @property
    def mix(self) -> Track | None:
        """The whole song, if it is there."""
        return self.tracks.get(MIX)

    @property
    def stems(self) -> dict[str, Track]:
        """The stems that are there."""
        return {name: track for name, track in self.tracks.items() if name != MIX}

    @cached_property
    def drums(self) -> tuple[Track, Truth] | None:
        """The drums with labelled hits: annotations of the drum stem, else those of the mix if their labels are drums.

        The drum stem is listened to if there is one, else the mix.
        """
        stem, mix = self.tracks.get("drums"), self.mix
        for track in (stem, mix):
            if track is None:
                continue
            truth = track.truth(["onsets"])
            if truth.onsets and any(drum_class(label) for _, label in truth.onsets):
                return stem or track, truth
        return None

    def files(self) -> list[Path]:
        """List audio and annotations."""
        found = {path for track in self.tracks.values() for path in (track.path, *track.files.values())}
        return sorted(found | {track.jams for track in self.tracks.values() if track.jams is not None})


def find_songs(folder: str | Path) -> list[Song]:
    """Find the songs in a folder and the folders below it, in order of their names.

    Raises
    ------
    AnnotationError
        If there is no such folder, or no audio in it.
    """
    top = Path(folder)
    if not top.is_dir():
        raise AnnotationError(f"{str(top)!r} is not a folder: --data takes the folder of annotated songs")
    songs: list[Song] = []
    for place, below, names in os.walk(top):
        below.sort()
        here = Path(place)
        files = [here / name for name in sorted(names) if not name.startswith(".")]
        songs += _songs(here, files, top)
    if not songs:
        raise AnnotationError(f"there is no audio in {str(top)!r}: see docs/bench.md for how to lay out the folder")
    return sorted(songs, key=lambda song: song.name)


def _songs(here: Path, files: list[Path], top: Path) -> list[Song]:
    audio = {file.stem: file for file in files if file.suffix.lower() in _AUDIO}
    if not audio:
        return []
    notes = [file for file in files if file not in audio.values()]
    if MIX in audio or set(audio) <= set(STEMS):
        # Without a mix what names no stem is about the drums, or about the only stem.
        whole = MIX if MIX in audio else "drums" if "drums" in audio else next(iter(audio))
        tracks = {
            name: _track(name, file, name, notes, bare=name == whole)
            for name, file in audio.items()
            if name == MIX or name in STEMS
        }
        return [Song(_name(here, top, here.name if here == top else ""), tracks)]
    songs = []
    for name, file in audio.items():
        song, _, stem = name.rpartition("_")
        if stem in STEMS and song in audio:
            continue
        tracks = {MIX: _track(MIX, file, name, notes, bare=len(audio) == 1)}
        for part in STEMS:
            if (there := audio.get(f"{name}_{part}")) is not None:
                tracks[part] = _track(part, there, there.stem, notes, bare=False)
        songs.append(Song(_name(here, top, name), tracks))
    return songs


def _name(here: Path, top: Path, name: str) -> str:
    return "/".join([*here.relative_to(top).parts, *([name] if name else [])])


def _track(name: str, audio: Path, base: str, files: list[Path], *, bare: bool) -> Track:
    """Collect the annotations of one audio file: `BASE.KIND.csv`, `BASE.KIND`, `BASE.mid`, and if `bare` `KIND.csv`."""
    found: dict[str, Path] = {}
    jams = None
    for file in files:
        suffix = file.suffix.lower()
        if suffix == ".jams" and file.stem == base:
            jams = file
        elif suffix in {".mid", ".midi"} and file.stem == base:
            found.setdefault("onsets" if name == "drums" else "notes", file)
        elif (kind := _kind(file, base, bare=bare)) is not None:
            found.setdefault(kind, file)
    return Track(name, audio, found, jams)


def _kind(file: Path, base: str, *, bare: bool) -> str | None:
    suffix = file.suffix.lower()
    if suffix in _TABLES:
        if file.stem == base:
            return "lyrics" if suffix == ".txt" else None
        word = file.stem.removeprefix(base)[1:] if file.stem.startswith((f"{base}.", f"{base}_")) else ""
        word = word or (file.stem if bare else "")
    else:
        word = suffix[1:] if file.stem == base else ""
    match = _KIND.match(word)
    return _WORDS[match.group(1).lower()] if match else None

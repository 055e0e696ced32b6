"""Adding a song whose stems are there already: a folder of stems, with or without the mix."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sqlalchemy.orm import Session

from audiolab.audio import Block, BlockSource, open_source, write_blocks
from audiolab.errors import AudioError, CatalogError
from audiolab.library.adding import Progress
from audiolab.library.addreport import AddLine
from audiolab.library.clock import utc_now
from audiolab.library.derived import refresh_facts
from audiolab.library.finding import AUDIO_SUFFIXES, Candidate, candidates
from audiolab.library.ids import derived_id, hash_text
from audiolab.library.intake import Intake, take_in
from audiolab.library.keeping import display_name
from audiolab.library.models import SoundRow
from audiolab.library.ops import note
from audiolab.library.scratch import scratch_folder
from audiolab.library.sounds import Sound
from audiolab.library.stemnames import is_mix_name, is_stem_name, stem_name
from audiolab.library.text import clean_text, shorten
from audiolab.library.trash import restore_rows

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["add_stems", "add_stems_of_many", "song_folders"]

_BLOCK = 1 << 16


def song_folders(folder: Path) -> list[Path]:
    """Find the folders of stems that are meant: the folder itself, or each of the many that it holds.

    A folder that holds audio files, or has a folder for each stem (`Drums/`, `Bass/` ...), is one song.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # whoever opens it says what is wrong
        return [folder]
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    if any(entry.is_file() and os.path.splitext(entry.name)[1].lower() in AUDIO_SUFFIXES for entry in entries):  # noqa: PTH122
        return [folder]
    below = [Path(entry.path) for entry in entries if entry.is_dir() and holds_audio(Path(entry.path))]
    if len(below) < 2 or all(is_stem_name(path.name) for path in below):
        # One folder inside another is the same song; so are folders of which each holds one stem.
        inner = song_folders(below[0]) if len(below) == 1 and not is_stem_name(below[0].name) else [folder]
        return inner if len(inner) > 1 else [folder]
    return [song for path in below for song in song_folders(path)]


def holds_audio(folder: Path) -> bool:
    """Say whether a folder holds an audio file at any depth."""
    return any(isinstance(item, Candidate) for item in candidates(folder))


def add_stems_of_many(library: Library, folders: Sequence[Path], progress: Progress | None) -> list[AddLine]:
    """Make a song of each of several folders of stems; one that cannot be a song does not stop the others."""
    lines: list[AddLine] = []
    for done, folder in enumerate(folders, 1):
        try:
            lines += add_stems(library, folder, None, None)
        except (AudioError, CatalogError) as error:
            lines.append(AddLine(clean_text(f"{folder.parent.name}/{folder.name}"), "failed", str(error)))
        if progress is not None:
            progress(done, len(folders))
    return lines


@dataclass(frozen=True, slots=True)
class _Kept:
    path: str
    status: Literal["added", "existing"]
    why: str
    sound: Sound


def add_stems(library: Library, folder: Path, mix: Path | None, progress: Progress | None) -> list[AddLine]:
    """Make one song of a folder (or zip) of stems.

    A file named `mix`, `mixture` or `master` is the song; else `mix` is; else the sum of the stems, which is exact:
    24-bit FLAC where it fits, float WAV where it goes beyond full scale or a stem is finer than 24 bits.

    Returns
    -------
    list of AddLine
        The song first, then its stems.

    Raises
    ------
    AudioError
        If a file is damaged, or rates or lengths differ; nothing is added then.
    """
    name = clean_text(folder.name if folder.is_dir() else folder.stem) or "stems"
    with scratch_folder(library.tmp_dir, "add") as scratch, ExitStack() as stack:
        taken = _take_all(folder, scratch, stack, progress)
        mixes = [item for item in taken if is_mix_name(item.name)]
        stems = [item for item in taken if item not in mixes]
        if mix is not None:
            part = _part(scratch, len(taken))
            name = display_name(clean_text(mix.name))
            mixes = [take_in(mix, clean_text(mix.name), clean_text(mix.name), part)]
            stems = taken
        if len(mixes) > 1:
            raise AudioError(f"{name!r} holds {len(mixes)} mixes ({mixes[0].name!r}, {mixes[1].name!r}); keep one")
        if not stems:
            raise AudioError(f"{name!r} holds no stems: no audio files besides the mix")
        song = mixes[0] if mixes else None
        _check_alike([*mixes, *stems])
        if song is None:
            song = _sum(stems, name, _part(scratch, len(taken) + 1))
        return _keep(library, song, stems, name, summed=not mixes)


def _take_all(folder: Path, scratch: Path, stack: ExitStack, progress: Progress | None) -> list[Intake]:
    found, taken = [], []
    for item in candidates(folder):
        if isinstance(item, Candidate):
            found.append(item)
        elif item.failed:  # a song without one of its stems would be another song
            raise AudioError(f"{item.origin!r}: {item.why}")
    for index, item in enumerate(found):
        part = _part(scratch, index)
        path = stack.enter_context(item.open(part))
        taken.append(take_in(path, item.name, item.origin, part))
        if progress is not None:
            progress(index + 1, len(found))
    return taken


def _part(scratch: Path, index: int) -> Path:
    part = scratch / str(index)
    part.mkdir()
    return part


def _check_alike(items: Sequence[Intake]) -> None:
    first = items[0]
    for item in items[1:]:
        if item.sample_rate != first.sample_rate:
            raise AudioError(
                f"stems must have one sample rate: {first.name!r} has {first.sample_rate} Hz, "
                f"{item.name!r} {item.sample_rate} Hz"
            )
        if item.frames != first.frames:
            raise AudioError(
                f"stems must be equally long: {first.name!r} has {first.frames} frames, {item.name!r} {item.frames}; "
                "export them from the same start to the same end"
            )
    channels = {item.channels for item in items} - {1}
    if len(channels) > 1:
        raise AudioError(
            f"stems must be mono or have the same channels, not {' and '.join(map(str, sorted(channels)))}"
        )


def _sum(stems: Sequence[Intake], name: str, folder: Path) -> Intake:
    sources: list[Any] = [open_source(stem.path) for stem in stems]
    peak = max((float(np.abs(block).max(initial=0.0)) for block in _sum_blocks(sources)), default=0.0)
    fits = peak <= 1.0 - 2.0**-23 and all(
        source.subtype in {"PCM_16", "PCM_24", "PCM_S8", "PCM_U8"} for source in sources
    )
    channels = max(source.channels for source in sources)
    path = folder / ("sum.flac" if fits and channels <= 8 else "sum.wav")
    subtype = "PCM_24" if path.suffix == ".flac" else "FLOAT"
    write_blocks(
        path, _sum_blocks(sources), sources[0].sample_rate, channels, subtype=subtype, frames=sources[0].frames
    )
    taken = folder / "taken"
    taken.mkdir()
    return take_in(path, f"{name}{path.suffix}", name, taken)


def _sum_blocks(sources: Sequence[BlockSource]) -> Iterator[Block]:
    channels = max(source.channels for source in sources)
    for blocks in zip(*(source.blocks(_BLOCK) for source in sources), strict=True):
        total = np.zeros((channels, blocks[0].shape[1]), np.float64)
        for block in blocks:
            total += block  # one channel is heard on all
        yield total.astype(np.float32)


def _keep(library: Library, song: Intake, stems: Sequence[Intake], name: str, *, summed: bool) -> list[AddLine]:
    labels = _unique_stems(stems)
    media = {id(item): library.media.put(item.path, item.suffix) for item in (song, *stems)}
    with library.store.transaction() as session:
        root = _put(session, library, song, _row(song, media[id(song)], song.content_id, "song", name))
        if root.sound.kind != "song":
            raise CatalogError(
                f"the mix is here as the {root.sound.kind} {shorten(root.sound.name)!r}; add it as a song"
            )
        row = session.get_one(SoundRow, song.content_id)
        if root.status == "added" and summed:
            row.original_name, row.made_facts = None, {**row.made_facts, "made_from": "sum of the stems"}
        lines = [root]
        for label, item in zip(labels, stems, strict=True):
            identity = derived_id(hash_text("imported stems", row.id), f"{label} {item.content_id}")
            new = _row(item, media[id(item)], identity, "stem", label)
            new.stem, new.parent_id, new.song_id = label, row.id, row.id
            lines.append(_put(session, library, item, new))
        refresh_facts(session, [session.get_one(SoundRow, line.sound.id) for line in lines])
    return [AddLine(line.path, line.status, line.why, line.sound) for line in lines]


def _put(session: Session, library: Library, item: Intake, new: SoundRow) -> _Kept:
    row = session.get(SoundRow, new.id)
    if row is None:
        session.add(new)
        session.flush()
        note(session, library.actor, "add", new.id, after={"kind": new.kind, "origin": item.origin})
        return _Kept(item.origin, "added", "; ".join(item.notes), Sound(library, new))
    why = f"the same audio is here as {shorten(row.name)!r}"
    if row.deleted_at is not None:
        restore_rows(session, library.actor, [row.id])
        why += "; taken out of the trash"
    return _Kept(item.origin, "existing", why, Sound(library, row))


def _row(item: Intake, media: str, identity: str, kind: str, name: str) -> SoundRow:
    return SoundRow(
        **item.columns(), id=identity, kind=kind, name=name, media=media, added_at=utc_now(), facts={}, current=True
    )


def _unique_stems(stems: Sequence[Intake]) -> list[str]:
    """Name the stems; where two files mean the same stem, each keeps its file's name."""
    meant = [stem_name(item.name) for item in stems]
    names: list[str] = []
    for item, stem in zip(stems, meant, strict=True):
        wanted = stem if meant.count(stem) == 1 else display_name(item.name).lower()[:60]
        number = 2
        unique = wanted
        while unique in names:
            unique, number = f"{wanted} {number}", number + 1
        names.append(unique)
    return names

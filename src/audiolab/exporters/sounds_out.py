"""Writing single sounds as WAV files that tell a sampler what they are and a person where they come from."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from audiolab.audio import AudioWriter, Loop, Render, Rendered
from audiolab.audio.riff_writing import acid_chunk, info_chunk, smpl_chunk
from audiolab.errors import AudioError, CatalogError, ExportError
from audiolab.exporters.base import ExportJob
from audiolab.exporters.cards import Card
from audiolab.exporters.lineage import tool_version
from audiolab.exporters.names import clean_name

__all__ = ["Traits", "note_name", "traits_of", "write_wav"]

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True, slots=True)
class Traits:
    """What a sampler wants to know of a sound, from its own facts, else from its song."""

    bpm: float | None
    key: str | None
    root_note: int | None
    loop: bool
    beats: int


def traits_of(sound: Card, song: Card | None) -> Traits:
    """Collect a sound's traits.

    Tempo and key are the song's where the sound has none of its own. A sound counts as a loop if it, or the
    file it was added from, says so; else as a one-shot.
    """
    facts, embedded = sound.facts, sound.embedded
    bpm, key = sound.bpm, sound.key
    if song is not None:
        bpm, key = bpm or song.bpm, key or song.key
    loop = facts.get("kind") == "loop" or facts.get("loop") is True or embedded.get("loop") is True
    root = facts.get("root_note", embedded.get("root_note"))
    beats = facts.get("beats", embedded.get("beats"))
    if loop and bpm and not isinstance(beats, int):
        beats = round(sound.duration * bpm / 60)
    return Traits(
        bpm=float(bpm) if bpm and math.isfinite(bpm) else None,
        key=key,
        root_note=root if isinstance(root, int) and 0 <= root <= 127 else None,
        loop=loop,
        beats=max(beats, 0) if loop and isinstance(beats, int) else 0,
    )


def note_name(note: int | None) -> str | None:
    """Name a MIDI note as in the scientific notation: 60 is C4, 69 is A4 (440 Hz)."""
    return None if note is None else f"{_NAMES[note % 12]}{note // 12 - 1}"


def write_wav(job: ExportJob, path: str, sound: Card, *, subtype: str, traits: Traits) -> int:
    """Write a sound as WAV with its chunks: texts and origin, for samples also what samplers read.

    Parameters
    ----------
    job : ExportJob
        Gives the folder, the sound's origin and its audio.
    path : str
        Relative to the folder.
    sound : Card
        Its reserved `render` (gain, fades, mono, ...) is applied.
    subtype : str
        PCM_16, PCM_24 or FLOAT.
    traits : Traits
        Put into `smpl` and `acid` chunks if it is a sample.

    Returns
    -------
    int
        Samples beyond full scale that were clipped; always 0 for FLOAT.

    Raises
    ------
    ExportError
        If the sound cannot be read, or the file not be written.
    """
    target = job.folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source = job.cards.source(sound)
        if render := Render.from_dict(sound.render):
            source = Rendered(source, render)
        chunks = _chunks(job, target.stem, sound, source.frames, traits)
        with AudioWriter(
            target,
            source.sample_rate,
            source.channels,
            subtype=subtype,
            frames=source.frames,
            chunks=chunks,
            sync=False,
        ) as writer:
            for block in source.blocks():
                writer.write(block)
    except (AudioError, CatalogError) as error:
        raise ExportError(f"cannot export {sound.kind} {clean_name(sound.name)!r}: {error}") from error
    return writer.clipped


def _chunks(job: ExportJob, title: str, sound: Card, frames: int, traits: Traits) -> list[tuple[bytes, bytes]]:
    texts: dict[str, str] = {"INAM": title, "ISFT": f"audiolab {tool_version()}"}
    song = job.cards.song(sound)
    if song is not None:
        texts["IPRD"] = song.name
        if artist := song.embedded.get("artist"):
            texts["IART"] = str(artist)
    if sound.label:
        texts["ISBJ"] = sound.label
    texts["ICMT"] = _comment(job.lineage.short(sound))
    chunks = [info_chunk(texts)]
    if sound.kind == "sample":
        loops = [Loop(0, frames)] if traits.loop and frames else []
        chunks.append(smpl_chunk(sound.sample_rate, root_note=traits.root_note, loops=loops))
        chunks.append(
            acid_chunk(
                one_shot=not traits.loop,
                root_note=traits.root_note,
                bpm=(traits.bpm or 0.0) if traits.loop else 0.0,
                beats=traits.beats,
            )
        )
    return chunks


def _comment(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

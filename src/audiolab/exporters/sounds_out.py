"""Writing single sounds as WAV files that tell a sampler what they are and a person where they come from."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.audio import Audio, AudioWriter, BlockSource, Loop, Render, apply_render
from audiolab.audio.riff_writing import acid_chunk, info_chunk, smpl_chunk
from audiolab.exporters.lineage import Lineage
from audiolab.library import Sound

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


def traits_of(sound: Sound) -> Traits:
    """Collect a sound's traits.

    Tempo and key are the song's where the sound has none of its own. A sound counts as a loop if it, or the
    file it was added from, says so; else as a one-shot.
    """
    facts, embedded, song = sound.facts, sound.embedded, sound.song
    bpm, key = sound.bpm, sound.key
    if song is not None and song.id != sound.id:
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


def write_wav(path: Path, sound: Sound, *, subtype: str, traits: Traits, lineage: Lineage, version: str) -> int:
    """Write a sound as WAV with its chunks.

    Parameters
    ----------
    path : Path
        Target.
    sound : Sound
        Its reserved `render` (gain, fades, reverse) is applied.
    subtype : str
        PCM_16, PCM_24 or FLOAT.
    traits : Traits
        Put into `smpl` and `acid` chunks if it is a sample.
    lineage : Lineage
        Put into the `ICMT` comment as JSON.
    version : str
        Of audiolab.

    Returns
    -------
    int
        Samples beyond full scale that were clipped; always 0 for FLOAT.
    """
    source: BlockSource = sound.source()
    render = Render.from_dict(getattr(sound, "render", None))
    if render:
        source = apply_render(Audio.from_source(source), render)
    chunks = _chunks(path.stem, sound, frames=source.frames, traits=traits, lineage=lineage, version=version)
    with AudioWriter(
        path, source.sample_rate, source.channels, subtype=subtype, frames=source.frames, chunks=chunks
    ) as writer:
        for block in source.blocks():
            writer.write(block)
    return writer.clipped


def _chunks(
    title: str, sound: Sound, *, frames: int, traits: Traits, lineage: Lineage, version: str
) -> list[tuple[bytes, bytes]]:
    texts: dict[str, str] = {"INAM": title, "ISFT": f"audiolab {version}"}
    song = sound.song
    if song is not None:
        texts["IPRD"] = song.name
        if artist := song.embedded.get("artist"):
            texts["IART"] = str(artist)
    if sound.label:
        texts["ISBJ"] = sound.label
    texts["ICMT"] = _comment(lineage.short(sound))
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

"""Small sounds and records for the tests of the library."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from sqlalchemy import select

from audiolab.audio import Audio, write_audio
from audiolab.audio.content import content_id
from audiolab.library import Library, Record, SampleSet, Sound
from audiolab.library.ids import derived_id, view_id
from audiolab.library.models import Base

RATE = 8000
START = datetime(2026, 1, 1, tzinfo=UTC)


def noise(seed: int = 0, seconds: float = 0.25, channels: int = 1, rate: int = RATE) -> Audio:
    """Reproducible noise on the 16-bit grid."""
    values = np.random.default_rng(seed).integers(-8000, 8000, (channels, int(seconds * rate)))
    return Audio((values / 32768).astype(np.float32), rate)


def write(path: Path, audio: Audio, subtype: str | None = "PCM_16") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_audio(path, audio, subtype=subtype)


def wav(path: Path, seed: int = 0, seconds: float = 0.25, **kwargs: Any) -> Path:
    return write(path, noise(seed, seconds, **kwargs))


def key_of(*parts: object) -> str:
    """A result key for tests."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=32).hexdigest()


def made(minutes: float) -> datetime:
    """A moment on the tests' own clock."""
    return START + timedelta(minutes=minutes)


def separation(
    lib: Library,
    song: Sound,
    tag: object = 1,
    *,
    stems: Sequence[str] = ("drums", "bass"),
    at: float = 1,
    **fields: Any,
) -> Record:
    """What a separation would leave; its media are stored."""
    key = key_of("separate", song.id, tag)
    sounds = []
    for index, name in enumerate(stems):
        audio = noise(hash_int(key, index), song.duration, song.channels, song.sample_rate)
        path = write(lib.tmp_dir / f"{key}-{name}.flac", audio, "PCM_24")
        content = content_id(path)
        sounds.append(
            {
                "id": derived_id(key, name),
                "media": lib.media.put(path, ".flac"),
                "suffix": ".flac",
                "content_id": content,
                "kind": "stem",
                "name": name,
                "stem": name,
                "sample_rate": audio.sample_rate,
                "channels": audio.channels,
                "frames": audio.frames,
                "format": "FLAC",
                "subtype": "PCM_24",
                "facts": {"energy_share": 0.5},
            }
        )
    base = {"engine": "spectral", "params": {"tag": str(tag)}, "profile": {"device": "cpu"}, "seconds": 1.5}
    return Record(
        key=key, stage="separate", version=1, sound_id=song.id, sounds=sounds, made_at=made(at), **{**base, **fields}
    )


def slicing(stem: Sound, spans: Sequence[tuple[int, int]], tag: object = 1, *, at: float = 2, **fields: Any) -> Record:
    cuts = [
        {"id": view_id(stem.id, a, b), "start": a, "stop": b, "facts": {"onset_strength": round(0.1 * i, 3)}}
        for i, (a, b) in enumerate(spans)
    ]
    return Record(
        key=key_of("slice", stem.id, tag),
        stage="slice",
        version=1,
        sound_id=stem.id,
        cuts=cuts,
        made_at=made(at),
        **fields,
    )


def classifying(
    samples: SampleSet, labels: Mapping[str, float] | Sequence[tuple[str, float]], tag: object = 1, *, at: float = 3
) -> Record:
    """Tags for the samples of a set, in order; repeated as needed."""
    pairs = list(labels.items() if isinstance(labels, Mapping) else labels)
    tags = [
        {
            "sound_id": sound.id,
            "label": pairs[i % len(pairs)][0],
            "confidence": pairs[i % len(pairs)][1],
            "top": [list(pairs[i % len(pairs)]), ["other", 0.1]],
        }
        for i, sound in enumerate(samples)
    ]
    assert samples.parent is not None
    return Record(
        key=key_of("classify", samples.id, tag), stage="classify", version=1, weights=key_of("w", tag), engine="head",
        sound_id=samples.parent.id, set_id=samples.id, tags=tags, made_at=made(at),
    )  # fmt: skip


def embedding(lib: Library, samples: SampleSet, encoder: str, tag: object = 1, *, at: float = 2.5) -> Record:
    values = np.random.default_rng(hash_int(samples.id, tag)).standard_normal((len(samples), 8)).astype("<f4")
    path = lib.tmp_dir / f"{key_of(samples.id, tag)}.npy"
    np.save(path, values)
    assert samples.parent is not None
    return Record(
        key=key_of("embed", samples.id, tag), stage="embed", version=1, sound_id=samples.parent.id, set_id=samples.id,
        vectors={"encoder": encoder, "media": lib.media.put(path, ".npy"), "sound_ids": samples.ids}, made_at=made(at),
    )  # fmt: skip


def analysis(song: Sound, bpm: float = 120.0, tag: object = 1, *, at: float = 1, **facts: Any) -> Record:
    from audiolab.audio import TempoMap

    tempo_map = TempoMap.constant(bpm, first_downbeat=0.1)
    document = {
        "duration": song.duration,
        "tempo": {"bpm": bpm, "confidence": 0.9, "candidates": [bpm, bpm / 2]},
        "tempo_map": tempo_map.to_dict(),
        "beats": tempo_map.beats(song.duration).tolist(),
        "downbeats": tempo_map.downbeats(song.duration).tolist(),
    }
    return Record(
        key=key_of("analyze", song.id, tag), stage="analyze", version=1, sound_id=song.id, document=document,
        facts={"bpm": bpm, "key": "A minor", "lufs": -14.0, **facts}, made_at=made(at),
    )  # fmt: skip


def keep(lib: Library, record: Record) -> Record:
    """Leave the record as a worker does, and fold it as the driver does."""
    record.write(lib.record_path(record.key))
    lib.fold(record)
    return record


def song_with_samples(lib: Library, path: Path, seed: int = 1, seconds: float = 16.0) -> tuple[Sound, Sound]:
    """A song whose drums were cut into four samples."""
    song = lib.add(wav(path, seed, seconds))
    keep(lib, separation(lib, song))
    drums = song.stems["drums"]
    keep(lib, slicing(drums, [(0, 800), (1000, 1800), (2000, 2800), (4000, 4400)]))
    return song, drums


def dump(lib: Library, *, without: Sequence[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    rows = {}
    with lib.store.transaction(write=False) as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in without:
                found = session.execute(select(table).order_by(*table.primary_key.columns)).all()
                rows[table.name] = [tuple(repr(value) for value in row) for row in found]
    return rows


def hash_int(*parts: object) -> int:
    return int(key_of(*parts)[:8], 16)


def read_all(path: Path) -> np.ndarray:
    return sf.read(path, dtype="float32", always_2d=True)[0].T

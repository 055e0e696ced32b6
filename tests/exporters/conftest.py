"""A small library whose song has stems, samples, labels, tempo, notes and lyrics."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiolab.audio import Audio, TempoMap, content_id, quantize, write_audio
from audiolab.library import Library, Record, Sound
from audiolab.library.ids import derived_id, view_id

RATE = 22050
SPANS = [(0, 2205), (2205, 5000), (7000, 9001), (12_000, 20_001), (30_000, 30_001)]
LABELS = [("kick", 0.93), ("snare", 0.71), ("kick", 0.55), ("closed_hat", 0.4), ("kick", 0.3)]


def music(seed: int, seconds: float = 3.0, *, peak: float = 0.5, bits: int = 24) -> Audio:
    rng = np.random.default_rng(seed)
    samples = (peak * rng.uniform(-1, 1, (2, int(seconds * RATE)))).astype(np.float32)
    return Audio(quantize(samples, bits) if bits else samples, RATE)


class Maker:
    """Fills a library through records, as runs do."""

    def __init__(self, library: Library, folder: Path) -> None:
        self.library, self.folder, self.minutes = library, folder, 0

    def keep(self, **fields: Any) -> Record:
        self.minutes += 1
        parts = (fields["stage"], fields["sound_id"], self.minutes)
        key = hashlib.blake2b(repr(parts).encode(), digest_size=32).hexdigest()
        when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=self.minutes)
        record = Record(key=fields.pop("key", key), version=1, made_at=when, **fields)
        record.write(self.library.record_path(record.key))
        self.library.fold(record)
        return record

    def song(self, name: str = "My Song", seed: int = 1, **audio: Any) -> Sound:
        path = write_audio(self.folder / f"file{seed}.wav", music(seed, **audio))
        song = self.library.add(path, "song")
        song.rename(name)
        return song

    def stems(self, song: Sound, stems: Sequence[str] = ("drums", "bass"), **audio: Any) -> None:
        key = hashlib.blake2b(song.id.encode(), digest_size=32).hexdigest()
        sounds = []
        for index, name in enumerate(stems):
            made = music(100 + index, **audio)
            loud = bool(np.abs(made.samples).max() > 1)
            suffix, subtype = (".wav", "FLOAT") if loud else (".flac", "PCM_24")
            path = write_audio(self.library.tmp_dir / f"{key[:8]}{name}{suffix}", made, subtype=subtype)
            identity = content_id(path)
            sounds.append(
                {
                    "id": derived_id(key, name), "media": self.library.media.put(path, suffix), "suffix": suffix,
                    "content_id": identity, "kind": "stem", "name": name, "stem": name, "sample_rate": RATE,
                    "channels": 2, "frames": made.frames, "format": suffix[1:].upper(), "subtype": subtype, "facts": {},
                }
            )  # fmt: skip
        self.keep(stage="separate", sound_id=song.id, key=key, sounds=sounds, engine="spectral", params={"fold": True})

    def samples(self, sound: Sound, spans: Sequence[tuple[int, int]] = SPANS, **facts: Any) -> None:
        cuts = [{"id": view_id(sound.id, a, b), "start": a, "stop": b, "facts": dict(facts)} for a, b in spans]
        self.keep(stage="slice", sound_id=sound.id, cuts=cuts, engine="onsets", params={"sensitivity": 0.5})

    def labels(self, sound: Sound, labels: Sequence[tuple[str, float]] = LABELS) -> None:
        found = sound.samples
        tags = [
            {"sound_id": sample.id, "label": label, "confidence": sure, "top": [[label, sure]]}
            for sample, (label, sure) in zip(found, labels, strict=False)
        ]
        self.keep(stage="classify", sound_id=sound.id, set_id=found.id, tags=tags, engine="onnx", weights="w" * 64)

    def tempo(self, song: Sound, bpm: float = 120.0) -> None:
        tempo_map = TempoMap.constant(bpm, first_downbeat=0.25)
        document = {
            "tempo": {"bpm": bpm, "confidence": 0.9, "candidates": [{"bpm": bpm, "confidence": 0.9}]},
            "tempo_map": tempo_map.to_dict(), "meter": "4/4", "duration": song.duration,
            "beats": tempo_map.beats(song.duration).tolist(), "downbeats": tempo_map.downbeats(song.duration).tolist(),
            "key": {"tonic": "A", "mode": "minor", "camelot": "8A", "confidence": 0.8},
        }  # fmt: skip
        self.keep(stage="analyze", sound_id=song.id, document=document, facts={"bpm": bpm, "key": "A minor"})

    def notes(self, stem: Sound, pitches: Sequence[int] = (40, 43)) -> None:
        notes = [
            {"start": 0.25 + 0.5 * i, "end": 0.65 + 0.5 * i, "pitch": pitch, "velocity": 90}
            for i, pitch in enumerate(pitches)
        ]
        document = {
            "bpm": 120.0, "preset": stem.stem, "drums": stem.stem == "drums", "program": 33, "name": stem.stem,
            "duration": stem.duration, "notes": notes,
        }  # fmt: skip
        self.keep(stage="midi", sound_id=stem.id, document=document, facts={"notes": len(notes)})

    def lyrics(self, sound: Sound) -> None:
        words = [{"start": 0.5, "end": 0.9, "word": "Größe", "probability": 0.9}]
        segment = {"start": 0.5, "end": 1.5, "text": "Größe und <Klang>", "flags": [], "words": words}
        document = {"language": "de", "engine": "whisper", "model": "tiny", "duration": 3.0, "segments": [segment]}
        self.keep(stage="lyrics", sound_id=sound.id, document=document)

    def whole(self, name: str = "My Song", seed: int = 1) -> Sound:
        """A song with everything."""
        song = self.song(name, seed)
        self.tempo(song)
        self.stems(song)
        drums, bass = song.stems["drums"], song.stems["bass"]
        self.samples(drums)
        self.labels(drums)
        self.notes(drums, (36, 38, 36))
        self.notes(bass)
        self.lyrics(song)
        return song


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[Maker]:
    """Give a `Maker` on an empty library."""
    folder = tmp_path / "in"
    folder.mkdir()
    with Library(tmp_path / "lib", actor="tester") as library:
        yield Maker(library, folder)


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sound]:
    """Give a song with everything, for tests that only read it."""
    folder = tmp_path_factory.mktemp("exported")
    with Library(folder / "lib", actor="tester") as library:
        yield Maker(library, folder).whole()


@pytest.fixture
def tree() -> Callable[[Path], set[str]]:
    """List all files below a folder, relative, hidden ones too."""
    return lambda folder: {str(p.relative_to(folder).as_posix()) for p in folder.rglob("*") if p.is_file()}

"""Processed copies for bench_similar.py: whether they find their original and are known as copies."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import soundfile as sf
import soxr
from similar_data import Data, Matrix, embed

from audiolab.runs.copies import floor_of
from audiolab.similarity.comparing import SAME, compare_recordings, prepare_recording
from audiolab.similarity.index import VectorIndex
from audiolab.stages.classification.preparing import Heard


def mp3(mono: Matrix, rate: int) -> tuple[Matrix, int]:
    if rate not in {32_000, 44_100, 48_000}:
        mono, rate = np.asarray(soxr.resample(mono, rate, 44_100), np.float32), 44_100
    file = io.BytesIO()
    # libsndfile: 320 kbit/s at level 0, 32 at level 1.
    wave = 0.9 * mono / max(float(np.abs(mono).max()), 1e-9)
    sf.write(file, wave, rate, format="MP3", bitrate_mode="CONSTANT", compression_level=(320 - 128) / (320 - 32))
    file.seek(0)
    decoded, rate = sf.read(file, dtype="float32")
    return np.asarray(decoded, np.float32), rate


def ogg(mono: Matrix, rate: int) -> tuple[Matrix, int]:
    file = io.BytesIO()
    sf.write(file, 0.9 * mono / max(float(np.abs(mono).max()), 1e-9), rate, format="OGG", subtype="VORBIS")
    file.seek(0)
    decoded, rate = sf.read(file, dtype="float32")
    return np.asarray(decoded, np.float32), rate


def shifted(cents: float) -> Callable[[Matrix, int], tuple[Matrix, int]]:
    """Play faster or slower: pitch and length change together."""

    def process(mono: Matrix, rate: int) -> tuple[Matrix, int]:
        return np.asarray(soxr.resample(mono, 2 ** (cents / 1200), 1.0, quality="HQ"), np.float32), rate

    return process


PROCESSES: dict[str, Callable[[Matrix, int], tuple[Matrix, int]]] = {
    "mp3 128k": mp3,
    "ogg": ogg,
    "gain -12 dB": lambda mono, rate: (np.asarray(0.25 * mono, np.float32), rate),
    "first 5 ms gone": lambda mono, rate: (mono[round(0.005 * rate) :], rate),
    "second half gone": lambda mono, rate: (mono[: max(1, len(mono) // 2)], rate),
    "22,050 Hz": lambda mono, rate: (np.asarray(soxr.resample(mono, rate, 22_050), np.float32), 22_050),
    "30 cents up": shifted(30),
    "30 cents down": shifted(-30),
}


def processed(data: Data, every: int) -> Iterator[tuple[str, list[int], list[Heard]]]:
    rows = list(range(0, len(data.rows), every))
    for name, process in PROCESSES.items():
        made = [process(data.heard[row].mono, data.heard[row].sample_rate) for row in rows]
        yield name, rows, [Heard(mono, rate, len(mono) / rate) for mono, rate in made]


def copies(data: Data, every: int) -> dict[str, Any]:
    """How often a processed copy finds its original (or a known copy of that) first among all sounds."""
    found: dict[str, Any] = {}
    for name, rows, made in processed(data, every):
        vectors = embed(made)
        first = np.argmax(vectors @ data.vectors.T, axis=1)
        exact = np.asarray([row == hit for row, hit in zip(rows, first, strict=True)])
        twins = np.asarray([data.same_recording(row, int(hit)) for row, hit in zip(rows, first, strict=True)])
        found[name] = {"first": float((exact | twins).mean()), "first itself": float(exact.mean()), "copies": len(rows)}
    return found


def duplicates(data: Data, every: int) -> dict[str, Any]:
    """Planted copies against different takes: sounds of one source and label whose names and fingerprints differ."""
    floor = floor_of(data.heard[:: max(1, len(data.rows) // 40)], data.vectors[:: max(1, len(data.rows) // 40)])
    prepared = [prepare_recording(sound.mono, sound.sample_rate) for sound in data.heard]
    found: dict[str, Any] = {"floor": floor, "same_from": SAME}
    right = total = 0
    for name, rows, made in processed(data, every):
        if "cents" in name:
            continue  # another speed is another recording
        cosines = embed(made) @ data.vectors.T
        own = cosines[np.arange(len(rows)), rows]
        proposed = (own >= floor) & ((cosines > own[:, None]).sum(axis=1) < 12)
        agreed = np.asarray([
            compare_recordings(prepared[row], prepare_recording(sound.mono, sound.sample_rate)).same
            for row, sound in zip(rows, made, strict=True)
        ])  # fmt: skip
        found[f"recall, {name}"] = {
            "proposed": float(proposed.mean()), "agreed": float(agreed.mean()),
            "both": float((proposed & agreed).mean()),
        }  # fmt: skip
        right, total = right + int((proposed & agreed).sum()), total + len(rows)
    wrong, looked, some = takes_taken_for_copies(data, prepared, floor, every)
    found["recall"] = right / total
    found["takes taken for copies"] = {"pairs": looked, "wrong": wrong, "share": wrong / max(looked, 1)}
    found["precision, one planted copy for each take that is compared"] = right / max(right + wrong, 1)
    found["to listen to"] = some
    return found


def takes_taken_for_copies(
    data: Data, prepared: Sequence[Any], floor: float, every: int
) -> tuple[int, int, list[list[str]]]:
    index = VectorIndex(data.vectors, [row["path"] for row in data.rows])
    wrong = looked = 0
    some: list[list[str]] = []
    seen: set[tuple[int, int]] = set()
    for row in range(0, len(data.rows), every):
        hits = index.search(data.vectors[row], 12, exclude=row)
        for other, score in zip(hits.rows.tolist(), hits.scores.tolist(), strict=True):
            pair = (min(row, other), max(row, other))
            mine, theirs = data.rows[row], data.rows[other]
            takes = all(mine[name] == theirs[name] for name in ("source", "label"))
            if score < floor or pair in seen or not takes or data.same_recording(row, other):
                continue
            seen.add(pair)
            looked += 1
            if compare_recordings(prepared[row], prepared[other]).same:
                wrong += 1
                some.append([mine["path"], theirs["path"]])
    return wrong, looked, some[:12]

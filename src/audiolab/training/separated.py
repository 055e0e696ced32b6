"""Known hits as a listener of separated songs meets them: mixed with other instruments, separated, cut out again.

Conventions: mono, 44.1 kHz while mixing; hits start at known frames; the rest of the mixture (the bed) is made of
other sounds. Separation is the stage's own, with the built-in engine unless another is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Audio
from audiolab.errors import ParameterError
from audiolab.stages.classification.preparing import RATE as HEARD_RATE
from audiolab.stages.slicing.files import slice as cut
from audiolab.training.manifest import Entry

__all__ = ["MIX_RATE", "Mixture", "cut_at", "cut_by_slice", "draw_mixture", "drums_of", "separated_hits"]

Wave = NDArray[np.float32]

MIX_RATE = 44_100
_LEAD = 0.25
_GAPS = (2, 2, 3, 4, 4, 6, 8)
"""Sixteenths from one hit to the next, drawn from these."""


@dataclass(frozen=True)
class Mixture:
    """A loop of known hits over a bed."""

    mix: Wave
    drums: Wave
    """The hits alone."""
    starts: tuple[int, ...]
    """Frame at which each hit begins, in the order of the hits."""


def draw_mixture(hits: Sequence[Wave], beds: Sequence[Wave], rng: np.random.Generator) -> Mixture:
    """Mix hits, one after the other on a grid of sixteenths, with a bed.

    Parameters
    ----------
    hits : sequence of ndarray [float32, shape=(n,)]
        Sounds at `MIX_RATE`, each beginning with its attack; a hit is cut off where the next one begins.
    beds : sequence of ndarray
        Sounds (bass, keys, voices, ...) at `MIX_RATE`; one to three of them are drawn and repeated on beats.
    rng : Generator
        Draws tempo (80 to 150), gaps, levels of hits (0 to -10 dB) and of the bed (-10 to 2 dB against the hits).

    Raises
    ------
    ParameterError
        If there are no hits.
    """
    if not hits:
        raise ParameterError("a mixture needs at least one hit")
    sixteenth = 15.0 / rng.uniform(80, 150) * MIX_RATE
    gaps = rng.choice(_GAPS, len(hits))
    places = np.concatenate(([0], np.cumsum(np.maximum(gaps * sixteenth, 0.16 * MIX_RATE))))
    starts = (places + _LEAD * MIX_RATE).round().astype(int)
    drums = np.zeros(int(starts[-1]) + MIX_RATE // 2, np.float32)
    for hit, start, stop in zip(hits, starts[:-1], starts[1:], strict=True):
        part = _level(hit[: stop - start]) * np.float32(10 ** (-rng.uniform(0, 10) / 20))
        fade = min(part.size, 200)
        part[part.size - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        drums[start : start + part.size] += part
    bed = np.zeros_like(drums)
    for which in rng.choice(len(beds), min(len(beds), int(rng.integers(1, 4))), replace=False) if beds else ():
        wave, beat = _level(beds[which]), int(4 * sixteenth) * int(rng.choice([1, 2, 4]))
        for start in range(int(rng.integers(0, beat)), len(bed), beat):
            part = wave[: min(len(wave), len(bed) - start, 2 * beat)]
            bed[start : start + part.size] += part
    strength = float(np.sqrt(np.square(bed).mean()))
    if strength > 0:
        wanted = float(np.sqrt(np.square(drums).mean())) * 10 ** (rng.uniform(-10, 2) / 20)
        bed *= np.float32(wanted / strength)
    mix = drums + bed
    top = float(np.abs(mix).max())
    scale = np.float32(0.9 / top if top > 0 else 1.0)
    return Mixture(mix * scale, drums * scale, tuple(starts[:-1].tolist()))


def _level(x: Wave) -> Wave:
    top = float(np.abs(x).max(initial=0.0))
    return (x / np.float32(top) if top > 0 else x).astype(np.float32).copy()


def drums_of(mixture: Mixture, *, engine: str = "spectral") -> Wave:
    """Separate a mixture and give its drum stem, mono."""
    from audiolab.stages.separation import separate

    found = separate((mixture.mix[None], MIX_RATE), engine=engine)
    return np.asarray(found["drums"].samples.mean(axis=0), np.float32)


def cut_at(stem: Wave, starts: Sequence[int], longest: float = 0.6) -> list[Wave]:
    """Cut a stem at known starts, up to the next one, at most `longest` seconds."""
    stops = [*starts[1:], len(stem)]
    return [
        stem[max(0, start - 100) : min(stop, start + int(longest * MIX_RATE))]
        for start, stop in zip(starts, stops, strict=True)
    ]


def cut_by_slice(stem: Wave, starts: Sequence[int], tolerance: float = 0.05) -> list[Wave | None]:
    """Cut a stem with the stage `slice` and give, for each known start, the nearest cut; None where there is none."""
    cuts = cut((stem[None], MIX_RATE), mode="onsets").cuts
    begins = np.array([one.start for one in cuts], np.int64)
    found: list[Wave | None] = []
    for start in starts:
        distance = np.abs(begins - start)
        if not distance.size or distance.min() > tolerance * MIX_RATE:
            found.append(None)
        else:
            one = cuts[int(distance.argmin())]
            found.append(stem[one.start : one.stop])
    return found


def separated_hits(
    entries: Sequence[Entry], read: Callable[[Entry], Wave], *, beds: Sequence[Entry], seed: int = 0,
    engine: str = "spectral", together: int = 16, by_slice: bool = False,
) -> Mapping[int, Wave | None]:  # fmt: skip
    """Give every hit as it comes out of a separated mixture.

    Parameters
    ----------
    entries : sequence of Entry
        The hits.
    read : callable
        Gives a sound at the encoder's rate, such as `training.data.waveform`.
    beds : sequence of Entry
        What sounds beside them.
    seed : int
        Draws which hits and beds sound together, and how.
    engine : str
        The separator.
    together : int
        Hits in a mixture.
    by_slice : bool
        Cut where `slice` finds onsets instead of at the known starts.

    Returns
    -------
    mapping
        Number of the entry to what was cut out, at the encoder's rate; None for hits that were not found.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(entries))
    pool = [_ready(read(beds[i])) for i in rng.permutation(len(beds))[:40].tolist()]
    out: dict[int, Wave | None] = {}
    for first in range(0, len(order), together):
        part = order[first : first + together].tolist()
        waves = [_ready(read(entries[index])) for index in part]
        mixture = draw_mixture([w if w.size else np.zeros(64, np.float32) for w in waves], pool, rng)
        stem = drums_of(mixture, engine=engine)
        cuts = cut_by_slice(stem, mixture.starts) if by_slice else list(cut_at(stem, mixture.starts))
        for index, wave in zip(part, cuts, strict=True):
            out[index] = None if wave is None else Audio(wave, MIX_RATE, "hit").resample(HEARD_RATE).samples[0]
    return out


def _ready(x: Wave) -> Wave:
    """Bring a sound to `MIX_RATE`, from its attack on."""
    if not x.size:
        return x
    top = float(np.abs(x).max())
    start = int(np.argmax(np.abs(x) >= 0.02 * top)) if top > 0 else 0
    return np.asarray(Audio(x[start:], HEARD_RATE, "hit").resample(MIX_RATE).samples[0], np.float32)

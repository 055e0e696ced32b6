"""Whether two sounds are one recording: candidates by the shape of their spectra, then their waveforms, band by band.

Conventions: sounds are heard at 16 kHz, at most 1.02 s from where they rise above -35 dB of their peak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import open_source
from audiolab.errors import AudioError
from audiolab.stages.base import Progress
from audiolab.stages.classification.preparing import LISTEN_SECONDS
from audiolab.training.manifest import Entry

__all__ = ["RATE", "RULES", "Verifier", "Wave", "candidate_pairs", "listen_all"]

Floats = NDArray[np.float32]

RATE = 16_000
_LENGTH = 1 << 14
_PROFILE = np.geomspace(40, 7600, 41)
_BANDS = np.array([40, 120, 300, 700, 1500, 3000, 5000, 7200.0])
_ALIKE = 4.0
"""Decibels by which the profiles of candidates may differ, over the better half of the bands."""
_PROMISING = 0.3
_SAME, _SAME_PLAIN = 0.85, 0.97
"""Correlation that all bands but one have to reach; the second where a sound is plain: two takes of a drum machine's
tom are nearly one decaying sine. A sound is plain if its energy lies in fewer than `_PLAIN` independent components,
unless it fills `_FULL` bands and none of them is under `_WORST`."""
_PLAIN, _FULL, _WORST = 30.0, 5, 0.6
_INSIDE, _LEAST = 0.8, 0.15
"""Of the energies of two copies, the part that overlaps: of one nearly all, of the other a little."""
_SHORTEST = RATE // 50
RULES = (_SAME, _SAME_PLAIN, _PLAIN, _FULL, _WORST, _ALIKE)
"""What decides; kept results of other rules are not used."""


@dataclass(frozen=True)
class Wave:
    """A channel of a sound."""

    owner: int
    samples: Floats
    """Padded to `_LENGTH`."""
    length: int
    lead: int
    """Frames before its onset: what a trimmed copy has not got."""


def listen_all(entries: Sequence[Entry], progress: Progress) -> tuple[list[Wave], list[str]]:
    """Give what can be heard of files, one to three waves each, and a line for each that holds nothing."""
    waves: list[Wave] = []
    left_out = []
    for index, entry in enumerate(entries):
        if entry.path.is_file():
            try:
                heard = [x for x in map(_from_onset, _channels(entry.path)) if x is not None]
            except AudioError as error:
                left_out.append(str(error))
                continue
            if not heard:
                left_out.append(f"{entry.path.name!r} holds nothing to hear")
            for x, lead in heard:
                samples = np.zeros(_LENGTH, np.float32)
                samples[: x.size] = x
                waves.append(Wave(index, samples, x.size, lead))
        progress(index + 1, len(entries))
    return waves, left_out


def _channels(path: Path) -> list[Floats]:
    """Read the mean of the channels and, where they differ, each of the first two: a copy may hold one of them."""
    import soxr

    source = open_source(path)
    rate, want = source.sample_rate, int(LISTEN_SECONDS * source.sample_rate)
    blocks = list(source.blocks(want, stop=min(source.frames, want)))
    if not blocks:
        return []
    samples = np.concatenate(blocks, axis=1)
    parts = [samples.mean(axis=0)]
    if len(samples) > 1 and np.square(samples[0] - samples[1]).sum() > 1e-3 * np.square(samples[0]).sum():
        parts += [samples[0], samples[1]]
    return [soxr.resample(x, rate, RATE, quality="HQ") if rate != RATE else x for x in parts]


def _from_onset(x: Floats) -> tuple[Floats, int] | None:
    peak = float(np.abs(x).max(initial=0.0))
    if peak < 3e-5:
        return None
    onset = int(np.argmax(np.abs(x) >= peak * 10 ** (-35 / 20)))
    start = max(0, onset - RATE // 500)
    part = x[start : start + _LENGTH] / np.float32(peak)
    return (part, onset - start) if part.size >= _SHORTEST // 4 else None


def candidate_pairs(waves: Sequence[Wave]) -> list[tuple[int, int]]:
    """Give pairs of waves whose spectra are nearly alike."""
    if len(waves) < 2:
        return []
    bins = np.searchsorted(np.fft.rfftfreq(2 * _LENGTH, 1 / RATE), _PROFILE)
    rows = []
    for start in range(0, len(waves), 256):
        power = np.square(np.abs(np.fft.rfft([w.samples for w in waves[start : start + 256]], 2 * _LENGTH)))
        rows.append(np.add.reduceat(power, bins, axis=1)[:, : len(_PROFILE) - 1])
    decibels = 10 * np.log10(np.concatenate(rows) + 1e-12)
    profile = np.maximum(decibels - decibels.max(axis=1, keepdims=True), -50).astype(np.float32)
    pairs: list[tuple[int, int]] = []
    for a in range(len(waves) - 1):
        difference = profile[a + 1 :] - profile[a]
        difference[np.maximum(profile[a + 1 :], profile[a]) < -40] = np.nan
        level = _middle(difference)
        far = _middle(np.abs(difference - level[:, None]))
        pairs += [(a, a + 1 + int(b)) for b in np.flatnonzero(far < _ALIKE)]
    return pairs


def _middle(values: Floats) -> Floats:
    """Give the (lower) median of every row without its nan; each row has at least one number."""
    ordered = np.sort(values, axis=1)  # nan go last
    count = values.shape[1] - np.isnan(values).sum(axis=1)
    return np.asarray(ordered[np.arange(len(values)), (count - 1) // 2])


class Verifier:
    """Compares waveforms; spectra are kept, as most sounds are candidates several times."""

    def __init__(self, waves: Sequence[Wave]) -> None:
        self._waves = waves
        self._kept: dict[int, tuple[NDArray[np.complex64], NDArray[np.bool_]]] = {}
        self._cuts = np.searchsorted(np.fft.rfftfreq(2 * _LENGTH, 1 / RATE), _BANDS)
        self._energies = [np.concatenate(([0.0], np.cumsum(np.square(w.samples, dtype=np.float64)))) for w in waves]

    def _spectrum(self, number: int) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        """Give a spectrum whose bands have one energy each, and which bands hold anything."""
        if number in self._kept:
            return self._kept[number]
        raw = np.fft.rfft(self._waves[number].samples, 2 * _LENGTH)
        energy = np.add.reduceat(np.square(np.abs(raw)), self._cuts)[:-1]
        active = energy > energy.max() * 1e-4
        gain = np.zeros(len(raw))
        for band in np.flatnonzero(active):
            gain[self._cuts[band] : self._cuts[band + 1]] = 1 / np.sqrt(energy[band])
        if len(self._kept) > 4000:
            self._kept.clear()
        self._kept[number] = (raw * gain).astype(np.complex64), active
        return self._kept[number]

    def compare(self, a: int, b: int) -> tuple[float, int]:
        """Give the score of a pair of waves, 0 if they are not one recording, and the lag in frames."""
        (left, has), (right, has_too) = self._spectrum(a), self._spectrum(b)
        common = int((has & has_too).sum())
        product = np.fft.irfft(left * np.conj(right)) * _LENGTH
        place = int(np.argmax(np.abs(product)))
        lag = place if place < _LENGTH else place - 2 * _LENGTH
        if common == 0 or abs(product[place]) < _PROMISING * common:
            return 0.0, lag
        i, j = max(lag, 0), max(-lag, 0)
        skip = max(0, self._waves[a].lead - i, self._waves[b].lead - j)
        i, j = i + skip, j + skip
        n = min(self._waves[a].length - i, self._waves[b].length - j)
        if n < _SHORTEST:
            return 0.0, lag
        shares = [
            (sums[start + n] - sums[start]) / sums[-1]
            for sums, start in ((self._energies[a], i), (self._energies[b], j))
        ]
        if max(shares) < _INSIDE or min(shares) < _LEAST:
            return 0.0, lag
        score = _agreement(self._waves[a].samples[i : i + n], self._waves[b].samples[j : j + n])
        return score, lag


def _agreement(x: Floats, y: Floats) -> float:
    """Give the second lowest correlation over bands in which both hold something (the lowest of one to three).

    0 if that is not enough for one recording.
    """
    size = 1 << (x.size - 1).bit_length()
    left, right = np.fft.rfft(x, size), np.fft.rfft(y, size)
    cuts = np.searchsorted(np.fft.rfftfreq(size, 1 / RATE), _BANDS)
    rows = []
    for low, high in pairwise(cuts.tolist()):
        if high - low > 2:
            one, two = left[low:high], right[low:high]
            rows.append((abs(np.vdot(one, two)), float(np.vdot(one, one).real), float(np.vdot(two, two).real)))
    table = np.array(rows)
    active = (table[:, 1] > 1e-3 * table[:, 1].max()) & (table[:, 2] > 1e-3 * table[:, 2].max())
    if not active.any():
        return 0.0
    values = np.sort(table[active, 0] / np.sqrt(table[active, 1] * table[active, 2] + 1e-30))
    powers = (np.square(np.abs(left)), np.square(np.abs(right)))
    # a sine has one, noise has thousands
    components = min(float(np.square(p.sum()) / np.square(p).sum()) for p in powers) * x.size / size
    plain = components < _PLAIN and (len(values) < _FULL or values[0] < _WORST)
    score = float(values[len(values) // 4])
    return score if score >= (_SAME_PLAIN if plain else _SAME) else 0.0

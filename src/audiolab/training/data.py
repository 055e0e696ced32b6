"""From labelled files to batches: sounds are read once, varied, turned into mel maps and kept in memory."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from audiolab.audio import Audio, atomic_path, open_source
from audiolab.config import available_cores
from audiolab.errors import AudioError, ParameterError
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.classification.preparing import RATE, listen, prepare
from audiolab.training.augmentation import process
from audiolab.training.manifest import Entry
from audiolab.training.mixing import MapPool, blend, mix_batch, spoil, warp
from audiolab.training.network import BANDS, STEPS, FrontEnd, to_decibels
from audiolab.training.recorded import record
from audiolab.training.rendered_drums import DRUMS
from audiolab.training.rendered_effects import EFFECTS
from audiolab.training.rendered_tones import TONES
from audiolab.training.settings import ClassifierConfig

__all__ = ["RENDERED", "Batches", "Sounds", "collect", "render", "rendered_entries", "waveform"]

RENDERED = "rendered"
"""Source name of sounds that code made."""
_MAKERS = {**DRUMS, **TONES, **EFFECTS}


@dataclass(frozen=True)
class Sounds:
    """Labelled sounds in memory."""

    entries: tuple[Entry, ...]
    labels: NDArray[np.int64]
    """Number of each sound's label."""
    pool: MapPool
    """Mel maps; variant 0 is the untouched sound."""
    left_out: tuple[str, ...] = ()
    """Files that could not be used, and why."""

    def part(self, keep: NDArray[np.bool_]) -> Sounds:
        """Give some of them (maps are shared where possible)."""
        where = np.flatnonzero(keep)
        return Sounds(
            tuple(self.entries[i] for i in where.tolist()),
            self.labels[where],
            MapPool(self.pool.maps[torch.from_numpy(where)]),
        )


def render(label: str, number: int, seed: int) -> NDArray[np.float32]:
    """Render sound `number` of a label; the same numbers give the same sound.

    Raises
    ------
    ParameterError
        If nothing renders that label.
    """
    if label not in _MAKERS:
        raise ParameterError(f"no code renders {label!r}; there is: {', '.join(sorted(_MAKERS))}")
    rng = np.random.default_rng((seed, list(_MAKERS).index(label), number))
    makers = _MAKERS[label]
    return np.asarray(record(rng, makers[int(rng.integers(len(makers)))](rng), label), np.float32)


def rendered_entries(config: ClassifierConfig, first: int = 0) -> list[Entry]:
    """Name the rendered sounds of a training: `config.rendered` of each label that code can render."""
    return [
        Entry(Path(f"{label}-{first + i}"), RENDERED, label, "MIT")
        for label in config.labels
        if label in _MAKERS
        for i in range(config.rendered)
    ]


def waveform(entry: Entry, config: ClassifierConfig) -> NDArray[np.float32]:
    """Give a sound at the encoder's rate, as it was recorded or rendered, not yet prepared."""
    if entry.source == RENDERED:
        label, number = entry.path.stem.rsplit("-", 1)
        return render(label, int(number), config.seed)
    heard = listen(open_source(entry.path))
    if heard.sample_rate == RATE or heard.mono.size == 0:
        return heard.mono
    return np.asarray(Audio(heard.mono, heard.sample_rate, entry.path.name).resample(RATE).samples[0])


def collect(
    entries: Sequence[Entry], config: ClassifierConfig, *, variants: int, cache: Path | None = None,
    progress: Progress = no_progress,
) -> Sounds:  # fmt: skip
    """Read sounds and make the mel maps of all variants.

    Parameters
    ----------
    entries : sequence of Entry
        What to read; sources named `rendered` are rendered.
    config : ClassifierConfig
        Labels and seed.
    variants : int
        Maps per sound, the first of the untouched sound.
    cache : path, optional
        Folder that keeps the maps between runs.
    progress : callable
        Called with (done, total) sounds.

    Returns
    -------
    Sounds
        Those that can be heard; damaged and silent files are named in `left_out` and in a warning.
    """
    number = {label: index for index, label in enumerate(config.labels)}
    labels = np.array([number[entry.label] for entry in entries], np.int64)
    kept = cache / f"maps-{_fingerprint(entries, config.seed, variants)}.npy" if cache else None
    if kept is not None and kept.is_file():
        maps = torch.from_numpy(np.load(kept, allow_pickle=False))
    else:
        maps = torch.full((len(entries), variants, BANDS, STEPS), torch.nan, dtype=torch.float16)
    troubles: dict[int, str] = {}
    missing = torch.isnan(maps[:, 0, 0, 0]).nonzero()[:, 0].tolist()  # all, or what could not be read last time
    jobs = [(entries[index], index, config, variants) for index in missing]
    for done, (index, (made, trouble)) in enumerate(zip(missing, _each(jobs), strict=True), start=1):
        if made is None:
            troubles[index] = trouble
        else:
            maps[index] = torch.from_numpy(made)
        progress(done, len(missing))
    if kept is not None and len(missing) > len(troubles):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(kept) as temporary, temporary.open("wb") as file:
            np.save(file, maps.numpy(), allow_pickle=False)
    return _usable(entries, labels, maps, troubles)


Job = tuple[Entry, int, ClassifierConfig, int]
_MANY = 4000
"""Maps from which on starting more processes pays."""


def _each(jobs: Sequence[Job]) -> Iterator[tuple[NDArray[np.float16] | None, str]]:
    """Make the maps of all jobs in order, in as many processes as settings allow if there are many."""
    cores = available_cores()
    if cores < 2 or sum(job[3] for job in jobs) < _MANY:
        yield from map(_maps_of, jobs)
        return
    from joblib import Parallel, delayed  # its workers do not run the caller's script again, guarded or not

    work = Parallel(n_jobs=cores, return_as="generator", batch_size=16)
    yield from work(delayed(_maps_of)(job) for job in jobs)


def _maps_of(job: Job) -> tuple[NDArray[np.float16] | None, str]:
    """Make the maps of one sound's variants, or say why there are none."""
    entry, index, config, variants = job
    try:
        wave = waveform(entry, config)
    except AudioError as error:
        return None, str(error)
    clean = prepare(wave, RATE)
    if clean is None:
        return None, f"{entry.path.name!r} holds nothing to hear"
    rng = np.random.default_rng((config.seed, index, 7))
    made = [clean]
    for _ in range(variants - 1):
        changed = prepare(process(rng, wave, entry.label), RATE)
        made.append(clean if changed is None else changed)
    with torch.inference_mode():
        return _front_end()(torch.from_numpy(np.stack(made))).half().numpy(), ""


@cache
def _front_end() -> FrontEnd:
    return FrontEnd().eval()


def _usable(entries: Sequence[Entry], labels: NDArray[np.int64], maps: Tensor, troubles: dict[int, str]) -> Sounds:
    good = ~torch.isnan(maps[:, 0, 0, 0]).numpy()
    everything = Sounds(tuple(entries), labels, MapPool(maps))
    if good.all():
        return everything
    left_out = tuple(troubles[index] for index in np.flatnonzero(~good).tolist())
    log = logging.getLogger("audiolab.training")
    log.warning("%d sounds left out, such as: %s", len(left_out), "; ".join(left_out[:3]))
    return replace(everything.part(good), left_out=left_out)


def _fingerprint(entries: Sequence[Entry], seed: int, variants: int) -> str:
    """Hash what the maps depend on: which sounds, and what the code makes of samples of each kind today."""
    listed = [[str(entry.path), entry.label] for entry in entries]
    digest = hashlib.sha256(json.dumps([seed, variants, listed]).encode())
    probe = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    for label in sorted({entry.label for entry in entries} & set(_MAKERS)):
        digest.update(process(np.random.default_rng(1), render(label, 0, seed), label).tobytes())
    prepared = prepare(probe, RATE)
    assert prepared is not None
    with torch.inference_mode():
        digest.update(_front_end()(torch.from_numpy(prepared)[None]).half().numpy().tobytes())
    return digest.hexdigest()[:16]


class Batches(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """The mixed batches of an epoch, the same for one seed and epoch.

    Parameters
    ----------
    sounds : Sounds
        What is drawn from.
    config : ClassifierConfig
        Seed, number and size of the batches, mixing.
    epoch : callable, optional
        Gives the number of the epoch that begins; default: counts the times that batches were asked for.

    Labels are drawn by the square root of their number of recordings, within a label sources by the square root of
    theirs (so no source rules), and rendered sounds the more often the fewer recordings a label has.
    """

    def __init__(self, sounds: Sounds, config: ClassifierConfig, epoch: Callable[[], int] | None = None) -> None:
        self.sounds, self.config = sounds, config
        self.epoch = epoch or itertools.count().__next__
        self.weights = torch.from_numpy(_weights(sounds, len(config.labels)))
        self.presence = torch.tensor(
            [[float(label in members) for members in config.drums.values()] for label in config.labels]
        )
        self.is_drum = self.presence.any(dim=1)

    def __len__(self) -> int:
        return self.config.training.batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        t = self.config.training
        g = torch.Generator().manual_seed(self.config.training_seed * 1000 + self.epoch())
        labels = torch.from_numpy(self.sounds.labels)
        variants = self.sounds.pool.maps.shape[1]
        size = t.batch_size
        for _ in range(t.batches):
            drawn = torch.multinomial(self.weights, 2 * size, replacement=True, generator=g)
            which = torch.randint(0, variants, (2 * size,), generator=g)
            power = self.sounds.pool.power(drawn, which)
            mixed, shares, drums = mix_batch(
                (power[:size], power[size:]),
                (labels[drawn[:size]], labels[drawn[size:]]),
                self.presence,
                g,
                together=t.together,
                bleed=t.bleed,
            )
            maps = to_decibels(spoil(mixed, g))
            maps = warp(maps, g, strength=t.warp) if t.warp else maps
            yield blend(maps, shares, drums, g, alpha=t.mixup) if t.mixup else (maps, shares, drums)


def _weights(sounds: Sounds, count: int) -> NDArray[np.float64]:
    sources = np.array([entry.source for entry in sounds.entries])
    weights = np.zeros(len(sources))
    for label in range(count):
        mine = sounds.labels == label
        real = mine & (sources != RENDERED)
        made = mine & (sources == RENDERED)
        n = int(real.sum())
        share = 0.25 + 0.5 * 30 / (30 + n) if made.any() else 0.0
        importance = np.sqrt(n + 30)
        for source in sorted(set(sources[real])):
            part = real & (sources == source)
            weights[part] = np.sqrt(part.sum()) / part.sum()
        if n:
            weights[real] *= (1 - share) * importance / weights[real].sum()
        if made.any():
            weights[made] = (share if n else 1.0) * importance / made.sum()
    return weights

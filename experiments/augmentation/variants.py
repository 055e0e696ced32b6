"""Variants of sounds, each made in one way, and batches that use some of the ways."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soxr
import torch
from torch.utils.data import DataLoader

from audiolab.audio import Audio, atomic_path, write_audio
from audiolab.stages.classification.preparing import RATE, prepare
from audiolab.training.augmentation import process
from audiolab.training.data import Batches, Sounds, waveform
from audiolab.training.fitting import make_trainer
from audiolab.training.manifest import Entry
from audiolab.training.mixing import MapPool, blend, mix_batch, spoil, warp
from audiolab.training.module import ClassifierModule
from audiolab.training.network import BANDS, STEPS, FrontEnd, to_decibels
from audiolab.training.settings import ClassifierConfig

Way = Callable[[np.random.Generator, np.ndarray, str], np.ndarray]


def codec(rng: np.random.Generator, x: np.ndarray, label: str) -> np.ndarray:
    """MP3 or Vorbis, at a low sample rate so that little is left."""
    rate = int(rng.choice([16_000, 22_050, 32_000]))
    small = soxr.resample(x, RATE, rate).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{rng.choice(['.mp3', '.ogg'])}"
        write_audio(path, Audio(0.7 * small[None] / max(1e-6, float(np.abs(small).max())), rate))
        back = Audio.from_file(path).samples[0]
    return soxr.resample(back, rate, RATE).astype(np.float32)


def pitch(rng: np.random.Generator, x: np.ndarray, label: str) -> np.ndarray:
    """Up to three semitones up or down, by playing faster or slower."""
    ratio = 2 ** (rng.uniform(-3, 3) / 12)
    return soxr.resample(x, RATE, round(RATE * ratio)).astype(np.float32)


WAYS: dict[str, tuple[Way, int]] = {"processed": (process, 2), "codec": (codec, 1), "pitch": (pitch, 2)}
"""How variants 1, 2, ... are made, and how many of each; variant 0 is the untouched sound."""
PLACES = {"clean": [0], "processed": [1, 2], "codec": [3], "pitch": [4, 5]}


def variant_maps(sounds: Sounds, config: ClassifierConfig, cache: Path) -> Sounds:
    """Give the sounds with a pool of all variants."""
    listed = json.dumps([config.seed, list(WAYS), [[str(e.path), e.label] for e in sounds.entries]])
    path = cache / f"ways-{hashlib.sha256(listed.encode()).hexdigest()[:16]}.npy"
    if path.is_file():
        return Sounds(sounds.entries, sounds.labels, MapPool(torch.from_numpy(np.load(path, allow_pickle=False))))
    maps = torch.zeros((len(sounds.entries), 1 + sum(n for _, n in WAYS.values()), BANDS, STEPS), dtype=torch.float16)
    front_end = FrontEnd().eval()
    for index, entry in enumerate(sounds.entries):
        wave = waveform(entry, config)
        clean = prepare(wave, RATE)
        assert clean is not None
        rng, made = np.random.default_rng((config.seed, index, 21)), [clean]
        for way, count in WAYS.values():
            for _ in range(count):
                changed = prepare(way(rng, wave, entry.label), RATE)
                made.append(clean if changed is None else changed)
        with torch.inference_mode():
            maps[index] = front_end(torch.from_numpy(np.stack(made))).half()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, maps.numpy(), allow_pickle=False)
    return Sounds(sounds.entries, sounds.labels, MapPool(maps))


def maps_of(waves: Sequence[np.ndarray | None]) -> tuple[torch.Tensor, np.ndarray]:
    """Give maps of waves at the encoder's rate, and a mask of those in which there is anything to hear."""
    front_end, heard = FrontEnd().eval(), np.zeros(len(waves), bool)
    out = torch.zeros((len(waves), 1, BANDS, STEPS), dtype=torch.float16)
    for index, wave in enumerate(waves):
        ready = None if wave is None else prepare(wave, RATE)
        if ready is not None:
            with torch.inference_mode():
                out[index, 0] = front_end(torch.from_numpy(ready)[None])[0].half()
            heard[index] = True
    return out, heard


def noise(power: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """Steady noise, 15 to 55 dB under the loudest band, on half of the sounds."""
    n = power.shape[0]
    top = power.amax(dim=(1, 2), keepdim=True)
    level = 10 ** (-(1.5 + 4 * torch.rand(n, 1, 1, generator=g))) * (torch.rand(n, 1, 1, generator=g) < 0.5)
    return power + top * level * -torch.log(torch.rand(n, BANDS, STEPS, generator=g) + 1e-6)


def holes(power: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """Holes in time and frequency as a separator's mask leaves them, on half of the sounds."""
    n = power.shape[0]
    coarse = torch.randn(n, 1, BANDS // 4, STEPS // 4, generator=g)
    mask = torch.nn.functional.interpolate(coarse, size=(BANDS, STEPS), mode="bilinear")[:, 0]
    depth = 12.0 * torch.rand(n, 1, 1, generator=g) * (torch.rand(n, 1, 1, generator=g) < 0.5)
    return power * 10 ** (-depth * mask.clamp(min=0) / 10)


class ChosenBatches(Batches):
    """Batches of chosen variants, with chosen changes of their maps."""

    def __init__(self, sounds: Sounds, config: ClassifierConfig, ways: Sequence[str]) -> None:
        super().__init__(sounds, config)
        self.ways = set(ways)
        self.places = torch.tensor([p for way in ("clean", *ways) for p in PLACES.get(way, [])])

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        t = self.config.training
        g = torch.Generator().manual_seed(self.config.training_seed * 1000 + self.epoch())
        labels, size, everything = torch.from_numpy(self.sounds.labels), t.batch_size, self.ways >= set(SETTINGS["all"])
        for _ in range(t.batches):
            drawn = torch.multinomial(self.weights, 2 * size, replacement=True, generator=g)
            which = self.places[torch.randint(0, len(self.places), (2 * size,), generator=g)]
            power = self.sounds.pool.power(drawn, which)
            bleed = 0.5 if "separation" in self.ways else 0.0
            power, shares, drums = mix_batch(
                (power[:size], power[size:]), (labels[drawn[:size]], labels[drawn[size:]]), self.presence, g,
                together=t.together if everything else 0.0, bleed=t.bleed if everything else bleed,
            )  # fmt: skip
            if everything:
                maps = warp(to_decibels(spoil(power, g)), g, strength=t.warp)
                yield blend(maps, shares, drums, g, alpha=t.mixup)
            else:
                power = holes(power, g) if "separation" in self.ways else power
                power = noise(power, g) if "noise" in self.ways else power
                yield to_decibels(power), shares, drums


SETTINGS: dict[str, list[str]] = {
    "none": [],
    "processed": ["processed"],
    "codec": ["codec"],
    "noise": ["noise"],
    "pitch": ["pitch"],
    "separation": ["separation"],
    "all": ["processed", "codec", "noise", "pitch", "separation"],
}


def train_with(ways: Sequence[str]) -> Callable[[Sounds, ClassifierConfig], ClassifierModule]:
    """Give a training that uses these ways, and otherwise does what the bench does."""

    def train(sounds: Sounds, config: ClassifierConfig) -> ClassifierModule:
        import lightning

        lightning.seed_everything(config.training_seed, workers=True, verbose=False)
        module = ClassifierModule.of(config).to(memory_format=torch.channels_last)
        trainer = make_trainer(config, logger=False, limit_val_batches=0)
        trainer.fit(module, DataLoader(ChosenBatches(sounds, config, ways), batch_size=None, num_workers=0))
        return module.cpu().eval()

    return train


def bed_entries(entries: Sequence[Entry]) -> list[Entry]:
    """Sounds that a bed is made of."""
    return [e for e in entries if e.label in {"bass", "keys", "guitar", "vocal", "synth", "strings"}]

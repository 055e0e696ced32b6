"""Fit the coefficients of the engine `spectral`, and measure them on songs left out.

    python benchmarks/fit_spectral.py [--data FOLDER] [--samples FOLDER] [--final] [--test FOLDER]

Needs torch. Fits to songs that the project renders (the default), with --samples also to songs put together from
recorded one-shots and singing that may ship (`songs_from_samples.py`). The shipped numbers are the mean of the two,
`--final` and `--final --samples FOLDER --songs 28 --mixes 2 60 2`: either alone knows too little. Songs with known
stems become training mixes: as they are; with stems at other levels; with stems of different songs; and in stereo,
with stems placed by rule. From each, bins are drawn (louder ones
more often) with their features and the truth. The loss is the mean SI-SDR over stems and mixes, measured on the
spectra. The leave-one-out table never trains on a mix that holds anything of the song it tests, and measures the
engine's own samples; --final fits on everything and prints the table for `masks.py`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import butter, sosfilt

from audiolab.audio import Audio
from audiolab.benchmarking.signals import si_sdr
from audiolab.stages.separation.spectral.engine import Spectral, featured
from audiolab.stages.separation.spectral.grid import Grid
from audiolab.stages.separation.spectral.masks import BAND_HZ, FITTED_STEMS, PRIOR_HZ, STEMS, Table
from audiolab.synth import render_song

ROOT = Path(__file__).resolve().parents[1]
EXCERPT = 13.3


@dataclass
class Mix:
    """Bins drawn from one training mix."""

    kind: str
    songs: set[str]
    hertz: np.ndarray
    features: np.ndarray
    power: np.ndarray
    """Weighted |X|^2 of each bin."""
    cross: np.ndarray
    """Weighted Re(S X*) of each bin and stem, shape (bins, 4)."""
    energy: np.ndarray
    """Of each stem."""
    names: list[str] = field(default_factory=list)


def draw(kind: str, songs: set[str], stems: dict[str, np.ndarray], *, rate: int, count: int, seed: int) -> Mix:
    """Compute features of a mix and draw bins; `stems` are arrays (channels, frames)."""
    grid = Grid.at(rate)
    mix = np.sum([stems[name] for name in STEMS], axis=0).astype(np.float32)
    spectra, features = [], []
    for chunk, values in featured(grid, Audio(mix, rate)):
        spectra.append(chunk.spectra)
        names = list(values)
        features.append(np.stack([values[name] for name in names]).astype(np.float16))
    x, f = np.concatenate(spectra, axis=1), np.concatenate(features, axis=1)
    rng = np.random.default_rng(seed)
    chance = (np.abs(x) ** 0.8).ravel().astype(np.float64)
    chance = 0.8 * chance / chance.sum() + 0.2 / chance.size
    drawn = rng.choice(chance.size, size=count, p=chance)
    weight = 1.0 / (chance[drawn] * count)
    cell = drawn % x[0].size
    at = x.ravel()[drawn]
    truth = []
    for name in STEMS:
        padded = np.pad(stems[name], ((0, 0), (grid.size // 2, x.shape[1] * grid.hop + grid.size)))
        truth.append(grid.transform(padded, size=grid.size, step=grid.hop, count=x.shape[1]).ravel()[drawn])
    s = np.stack(truth, axis=1)
    return Mix(
        kind,
        songs,
        grid.hertz[cell % grid.bins],
        f.reshape(len(names), -1)[:, cell].T.astype(np.float32),
        (weight * np.abs(at) ** 2).astype(np.float32),
        (weight[:, None] * (s * at.conj()[:, None]).real).astype(np.float32),
        (weight[:, None] * np.abs(s) ** 2).sum(axis=0).astype(np.float32),
        names,
    )


def place(name: str, wave: np.ndarray, second: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Put a mono stem into a stereo picture, as mixes usually do."""

    def late(sound: np.ndarray, milliseconds: float) -> np.ndarray:
        n = int(milliseconds * rate / 1000)
        return np.concatenate([np.zeros(n, np.float32), sound[: len(sound) - n]])

    both = np.stack([wave, wave])
    if name == "bass":
        return both
    if name == "vocals":
        pan = rng.uniform(-0.15, 0.15) if rng.random() < 0.4 else 0.0
        room = 10 ** (rng.uniform(-20, -10) / 20)
        echo = np.stack([late(wave, rng.uniform(9, 30)), late(wave, rng.uniform(9, 30))])
        return both * np.array([[1 - pan], [1 + pan]]) + room * echo
    if name == "drums":
        high = sosfilt(butter(2, 3000, "high", output="sos", fs=rate), wave)
        room = 10 ** (rng.uniform(-18, -8) / 20)
        echo = np.stack([late(wave, rng.uniform(1, 8)), late(wave, rng.uniform(1, 8))])
        return both + rng.uniform(-0.5, 0.5) * np.stack([-high, high]) + room * echo
    way = rng.integers(4)
    if way == 0:
        angle = (rng.uniform(-1, 1) + 1) * np.pi / 4
        return 1.2 * np.stack([wave * np.cos(angle), wave * np.sin(angle)])
    if way == 1:
        return np.stack([wave, late(wave, rng.uniform(8, 20))])
    if way == 2:
        share = rng.uniform(0.6, 1.0)
        return 1.2 * np.stack([share * wave + (1 - share) * second, share * second + (1 - share) * wave])
    return both + 0.4 * np.stack([late(wave, 13), -late(wave, 13)])


def load(folder: Path) -> tuple[dict[str, dict[str, np.ndarray]], int]:
    """Read all songs' stems as mono, levelled by the mix, and their rate."""
    songs: dict[str, dict[str, np.ndarray]] = {}
    for path in sorted(folder.glob("*/mix.flac")):
        mix = Audio.from_file(path).mono()
        gain = 0.15 / float(np.sqrt(np.mean(mix.samples**2)))
        songs[path.parent.name] = {
            name: Audio.from_file(path.parent / f"{name}.flac").mono().samples[0] * gain for name in STEMS
        }
    return songs, mix.sample_rate


def training_mixes(folder: Path, again: tuple[int, int, int]) -> list[Mix]:
    """Make all training mixes; `again`: number of re-levelled ones a song, of crossed ones, of stereo ones a song."""
    songs, rate = load(folder)
    names = list(songs)
    length, rng = int(EXCERPT * rate), np.random.default_rng(1)
    plan: list[tuple[str, dict[str, str]]] = [("song", dict.fromkeys(STEMS, name)) for name in names]
    plan += [("level", dict.fromkeys(STEMS, name)) for name in names for _ in range(again[0])]
    plan += [("cross", {stem: names[rng.integers(len(names))] for stem in STEMS}) for _ in range(again[1])]
    plan += [("stereo", dict.fromkeys(STEMS, name)) for name in names for _ in range(again[2])]
    mixes, begin = [], time.time()
    for number, (kind, sources) in enumerate(plan):
        dice = np.random.default_rng(1000 + number)
        used = set(sources.values())
        if kind == "song":
            stems = {name: songs[sources[name]][name][None] for name in STEMS}
        else:
            second = names[dice.integers(len(names))]
            at = {name: int(dice.integers(songs[song]["drums"].size - length)) for name, song in sources.items()}
            if kind != "cross":
                at = dict.fromkeys(STEMS, at["drums"])
            stems = {}
            for name, song in sources.items():
                wave = songs[song][name][at[name] : at[name] + length] * 10 ** (dice.normal(0, 3.5) / 20)
                stems[name] = wave[None].astype(np.float32)
                if kind == "stereo":
                    start = int(dice.integers(songs[second]["other"].size - length))
                    other = songs[second]["other"][start : start + length]
                    stems[name] = place(name, wave, other, rate, dice).astype(np.float32)
            used |= {second} if kind == "stereo" else set()
        if min(float((stem**2).mean()) for stem in stems.values()) > 1e-7:
            mixes.append(draw(kind, used, stems, rate=rate, count=20000 if kind == "song" else 10000, seed=number))
        if number % 10 == 0:
            print(f"mix {number} of {len(plan)}, {time.time() - begin:.0f} s", flush=True)
    return mixes


def tents(hertz: np.ndarray, knots: tuple[int, ...]) -> np.ndarray:
    """Weights of piecewise linear interpolation over octaves, shape (bins, knots)."""
    octaves = np.log2(np.clip(hertz, knots[0], knots[-1]))
    return np.stack([np.interp(octaves, np.log2(knots), row) for row in np.eye(len(knots))], axis=1).astype(np.float32)


def fit(mixes: list[Mix], keep: list[str], bands: tuple[int, ...], *, steps: int = 100) -> dict[str, Any]:
    """Fit prior and coefficients; features are standardized inside and the result is for the raw ones."""
    import torch

    torch.manual_seed(0)
    index = [mixes[0].names.index(name) for name in keep]
    every = np.concatenate([mix.features[:, index] for mix in mixes])
    mean, scale = every.mean(axis=0), every.std(axis=0) + 1e-3
    inputs = [torch.from_numpy(design((mix.features[:, index] - mean) / scale, mix.hertz, bands)) for mix in mixes]
    targets = [
        (torch.from_numpy(mix.power), torch.from_numpy(mix.cross), torch.from_numpy(mix.energy)) for mix in mixes
    ]
    weights = torch.zeros(inputs[0].shape[1], len(STEMS), requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=0.1)
    knots = len(PRIOR_HZ)
    for step in range(steps):
        optimizer.zero_grad()
        gain = sum(
            sdr(torch.softmax(x @ weights, 1), *target).clamp(max=12).mean()
            for x, target in zip(inputs, targets, strict=True)
        )
        rough = (weights[1:knots] - weights[: knots - 1]).pow(2).sum()
        loss = -gain / len(mixes) + 0.02 * rough + 0.005 * weights[knots:].pow(2).sum()
        loss.backward()
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.05 * (1 + np.cos(np.pi * step / steps))
    found = weights.detach().numpy().astype(np.float64)
    found -= found[:, STEMS.index("other")][:, None]
    per_band = found[knots:].reshape(len(bands), len(keep), len(STEMS)) / scale[None, :, None]
    prior = found[:knots].copy()
    shift = np.einsum("bfk,f->bk", per_band, mean)
    prior -= tents(np.array(PRIOR_HZ, np.float64), bands) @ shift
    return {"prior": prior, "coefficients": dict(zip(keep, per_band.transpose(1, 0, 2), strict=True))}


def design(features: np.ndarray, hertz: np.ndarray, bands: tuple[int, ...]) -> np.ndarray:
    band = tents(hertz, bands)
    parts = [features * band[:, i : i + 1] for i in range(len(bands))]
    return np.concatenate([tents(hertz, PRIOR_HZ), *parts], axis=1).astype(np.float32)


def sdr(masks: Any, power: Any, cross: Any, energy: Any) -> Any:
    """SI-SDR of each stem from sums over drawn bins."""
    import torch

    target = (masks * cross).sum(0) ** 2 / energy
    return 10 * torch.log10((target + 1e-9) / ((masks**2 * power[:, None]).sum(0) - target).clamp(min=1e-9))


def table_of(model: dict[str, Any], bands: tuple[int, ...]) -> Table:
    """Give the fitted numbers as the engine takes them, rounded as they are printed."""
    columns = [STEMS.index(name) for name in FITTED_STEMS]
    at = tents(np.array(BAND_HZ, np.float64), bands)
    return Table(
        {STEMS[i]: tuple(np.round(model["prior"][:, i], 2)) for i in columns},
        {name: tuple(tuple(np.round(at @ t[:, i], 2)) for i in columns) for name, t in model["coefficients"].items()},
    )


def separated(table: Table, stems: dict[str, np.ndarray], rate: int) -> list[float]:
    """SI-SDR of each stem, from the engine's own samples."""
    mix = np.sum([stems[name] for name in STEMS], axis=0).astype(np.float32)
    blocks = list(Spectral(table).blocks(Audio(mix, rate)))
    return [si_sdr(stems[name], np.concatenate([block[name] for block in blocks], axis=1)) for name in STEMS]


def leave_one_out(folder: Path, mixes: list[Mix], keep: list[str], bands: tuple[int, ...], label: str) -> None:
    songs, rate = load(folder)
    rows: dict[str, list[list[float]]] = {"song": [], "stereo": []}
    print(f"{label:<32}" + "".join(f"{name:>8}" for name in (*STEMS, "mean")))
    for number, (song, waves) in enumerate(songs.items()):
        table = table_of(fit([mix for mix in mixes if song not in mix.songs], keep, bands), bands)
        rows["song"].append(separated(table, {name: wave[None] for name, wave in waves.items()}, rate))
        dice = np.random.default_rng(number)
        spread = {name: place(name, wave, np.roll(waves["other"], rate), rate, dice) for name, wave in waves.items()}
        rows["stereo"].append(separated(table, spread, rate))
        for kind, values in rows.items():
            print(
                f"  {song:<20}{kind:<10}" + "".join(f"{v:8.2f}" for v in [*values[-1], np.mean(values[-1])]), flush=True
            )
    for kind, values in rows.items():
        mean = np.mean(values, axis=0)
        print(f"  {'mean':<20}{kind:<10}" + "".join(f"{v:8.2f}" for v in [*mean, mean.mean()]), flush=True)


def show(table: Table) -> None:
    """Print the table for masks.py."""
    print("FITTED = Table(\n    {")
    for stem, values in table.prior.items():
        print(f'        "{stem}": ({", ".join(f"{v:.2f}" for v in values)}),')
    print("    },\n    {")
    for name, values in table.coefficients.items():
        cells = ", ".join("(" + ", ".join(f"{v:.2f}" for v in row) + ")" for row in values)
        print(f'        "{name}": ({cells}),')
    print("    },\n)")


def assemble_songs(folder: Path, source: Path, count: int) -> None:
    """Put songs together from recorded sounds that may ship."""
    from songs_from_samples import RATE, Samples, make_song

    samples = Samples(source)
    for index in range(count):
        stems = {name: wave[None] for name, wave in make_song(samples, index).items()}
        gain = np.float32(0.5 / np.abs(np.sum(list(stems.values()), axis=0)).max())
        target = folder / f"a{index:02d}"
        target.mkdir(parents=True)
        for name, wave in {**stems, "mix": np.sum(list(stems.values()), axis=0)}.items():
            Audio((wave * gain).astype(np.float32), RATE).write(target / f"{name}.flac")


def measure_on(folder: Path, table: Table) -> None:
    """Print what a table reaches on songs in stereo that it was not fitted to."""
    rows = []
    for path in sorted(folder.glob("*/mix.flac")):
        audio = {name: Audio.from_file(path.parent / f"{name}.flac") for name in STEMS}
        rate = audio["drums"].sample_rate
        rows.append(separated(table, {name: sound.samples for name, sound in audio.items()}, rate))
        print(f"  {path.parent.name:<20}" + "".join(f"{v:8.2f}" for v in rows[-1]), flush=True)
    print(f"  {'mean':<20}" + "".join(f"{v:8.2f}" for v in np.mean(rows, axis=0)))


def render_songs(folder: Path) -> None:
    """Render eight songs of known stems, 20 s each from the third bar on, where all stems play."""
    for index, tonic in enumerate(("A", "C", "D", "E", "F", "G", "B", "D#")):
        mode = "minor" if index % 2 else "major"
        song = render_song(bpm=80 + 9 * index, tonic=tonic, mode=mode, bars=16, seed=100 + index, swing=(index % 3) / 3)
        start = int(float(song.tempo_map.time_at(8)) * song.sample_rate)
        stop = start + min(song.mix.frames - start, 20 * song.sample_rate)
        target = folder / f"s{index}"
        target.mkdir(parents=True)
        for name, stem in {**song.stems, "mix": song.mix}.items():
            stem.cut(start, stop).write(target / f"{name}.flac")


def main() -> None:
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, help="songs with known stems; default: eight songs that the project renders"
    )
    parser.add_argument("--samples", type=Path, help="folder with oneshots/ and music/ (see songs_from_samples.py)")
    parser.add_argument("--songs", type=int, default=16, help="how many songs to make of the samples")
    parser.add_argument("--mixes", type=int, nargs=3, default=(3, 28, 3), help="levels, crossed (in all), stereo")
    parser.add_argument("--test", type=Path, help="measure the fitted table on the songs of this folder")
    parser.add_argument("--final", action="store_true")
    parser.add_argument("--without", nargs="*", default=[], help="features to leave out")
    parser.add_argument("--flat", action="store_true", help="one coefficient for all frequencies")
    options = parser.parse_args()
    if options.data is None:
        options.data = Path(tempfile.mkdtemp(prefix="rendered-songs-"))
        render_songs(options.data)
        if options.samples is not None:
            assemble_songs(options.data, options.samples, options.songs)
    mixes = training_mixes(options.data, tuple(options.mixes))
    keep = [name for name in mixes[0].names if name not in options.without]
    bands = (400,) if options.flat else BAND_HZ
    if options.final:
        table = table_of(fit(mixes, keep, bands), bands)
        show(table)
        if options.test is not None:
            measure_on(options.test, table)
    else:
        label = "without " + ", ".join(options.without) if options.without else "all features"
        leave_one_out(options.data, mixes, keep, bands, label)


if __name__ == "__main__":
    main()

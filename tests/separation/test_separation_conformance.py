"""Every engine keeps the same promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from separation_cases import Passing, song

from audiolab.audio import Audio, Block, BlockSource
from audiolab.errors import Cancelled
from audiolab.stages.separation import Options, Separator, get_engine, separate
from audiolab.stages.separation.htdemucs import Demucs
from audiolab.stages.separation.running import separate_into

ENGINES = ("spectral", "demucs")
RATE = 44100


class Odd:
    """A source that hands out blocks of odd sizes, whatever was asked for."""

    def __init__(self, parent: BlockSource, size: int) -> None:
        self.parent, self.size = parent, size
        self.name, self.sample_rate = parent.name, parent.sample_rate
        self.channels, self.frames = parent.channels, parent.frames

    def blocks(self, size: int = 0, *, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        return self.parent.blocks(self.size, start=start, stop=stop)


@pytest.fixture(params=ENGINES)
def separator(request: pytest.FixtureRequest) -> Separator:
    options = Options()
    if request.param == "demucs":
        pytest.importorskip("demucs", reason="demucs is not installed")
        options = Options(model=str(request.getfixturevalue("checkpoint")))
    return get_engine(request.param).build(options)


def collect(separator: Separator, source: BlockSource) -> dict[str, Block]:
    blocks = list(separator.blocks(source))
    return {name: np.concatenate([block[name] for block in blocks], axis=1) for name in separator.stems()}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (8000, 2), (22050, 1), (96000, 2)])
def test_rate_length_channels_and_alignment(separator: Separator, rate: int, channels: int) -> None:
    mix = song(2.3, rate, channels)
    stems = collect(separator, Audio(mix, rate))
    assert tuple(stems) == separator.stems()
    for stem in stems.values():
        assert stem.shape == mix.shape
        assert stem.dtype == np.float32


@pytest.mark.parametrize("rate", [44100, 48000, 16000])
def test_stems_are_aligned_with_the_mix(separator: Separator, rate: int) -> None:
    """The sum of the stems before folding correlates best with the mix at lag 0."""
    if separator.name == "demucs":  # random weights delay; a network that passes its input on shows the engine's own
        separator = Demucs([Passing()])
    rng = np.random.default_rng(3)
    mix = (0.1 * rng.standard_normal((2, 3 * rate))).astype(np.float32)
    total = sum(collect(separator, Audio(mix, rate)).values())[0].astype(np.float64)
    lags = range(-200, 201)
    middle = mix[0, 1000:-1000].astype(np.float64)
    scores = [float(middle @ total[1000 + lag : total.size - 1000 + lag]) for lag in lags]
    assert lags[int(np.argmax(scores))] == 0


@pytest.mark.parametrize("frames", [1, 2, 17, 1000])
def test_very_short_sounds(tmp_path: Path, separator: Separator, frames: int) -> None:
    mix = song(1.0)[:, :frames]
    stored = separate_into(tmp_path, Audio(mix, RATE), separator)
    assert stored.null_db == -240.0
    for path in stored.paths.values():
        assert Audio.from_file(path).frames == frames


def test_null_after_folding(tmp_path: Path, separator: Separator) -> None:
    mix = song(3.0)
    stored = separate_into(tmp_path, Audio(mix, RATE), separator)
    total = sum(Audio.from_file(path).samples.astype(np.float64) for path in stored.paths.values())
    assert stored.null_db == -240.0
    assert np.array_equal(total, mix.astype(np.float64))
    assert sum(fact["energy_share"] for fact in stored.facts.values()) == pytest.approx(1.0)


def test_silence_stays_silence(tmp_path: Path, separator: Separator) -> None:
    stored = separate_into(tmp_path, Audio(np.zeros((2, RATE), np.float32), RATE), separator)
    for name, path in stored.paths.items():
        assert not Audio.from_file(path).samples.any()
        assert stored.facts[name]["silence_share"] == 1.0
        assert stored.facts[name]["level_lufs"] is None


def test_constant_offset_gives_finite_stems_that_add_up(tmp_path: Path, separator: Separator) -> None:
    mix = np.full((1, RATE), 0.25, np.float32)
    stored = separate_into(tmp_path, Audio(mix, RATE), separator)
    assert stored.null_db == -240.0


def test_same_bytes_twice_and_for_any_block_size(tmp_path: Path, separator: Separator) -> None:
    source = Audio(song(3.3), RATE)
    made = []
    for number, given in enumerate((source, source, Odd(source, 777), Odd(source, 100_003))):
        folder = tmp_path / str(number)
        folder.mkdir()
        separate_into(folder, given, separator)
        made.append(files(folder))
    assert made[0] == made[1] == made[2] == made[3]


def test_progress_never_falls_and_reaches_its_total(separator: Separator, tmp_path: Path) -> None:
    source = Audio(song(4.0), RATE)
    for run in (
        lambda hook: list(separator.blocks(source, progress=hook)),
        lambda hook: separate_into(tmp_path, source, separator, progress=hook),
    ):
        seen: list[tuple[float, float]] = []
        _call(run, seen)
        shares = [done / total for done, total in seen]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert len({total for _, total in seen}) == 1


def _call(run: Callable[..., object], seen: list[tuple[float, float]]) -> None:
    run(lambda done, total: seen.append((done, total)))


def test_cancel_stops_within_ten_seconds_of_audio(
    separator: Separator, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """After the hook raises, nothing more is read, and no stem appears under its name."""
    source = Counting(Audio(song(25.0, 22050), 22050))
    calls = 0

    def hook(done: float, total: float) -> None:
        nonlocal calls
        calls += 1
        if done > 0.3 * total:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        for _ in separator.blocks(source, progress=hook):
            pass
    assert calls > 1
    assert source.deepest < 25.0 * 22050
    params = {"engine": separator.name}
    if separator.name == "demucs":
        params["model"] = str(request.getfixturevalue("checkpoint"))
    with pytest.raises(Cancelled):
        separate(Audio(song(4.0), RATE, "x"), to=tmp_path, progress=hook, **params)
    assert list(tmp_path.iterdir()) == []


class Counting(Odd):
    """Remembers how far the last pass read."""

    def __init__(self, parent: BlockSource) -> None:
        super().__init__(parent, 4096)
        self.deepest = 0

    def blocks(self, size: int = 0, *, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        self.deepest = 0
        for block in self.parent.blocks(self.size, start=start, stop=stop):
            self.deepest += block.shape[1]
            yield block

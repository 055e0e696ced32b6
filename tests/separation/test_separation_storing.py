"""Storing: what is written nulls, does not clip, and is complete or absent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from separation_cases import song

from audiolab.audio import Audio, Block, BlockSource, open_source
from audiolab.errors import AudioError
from audiolab.stages.separation.running import separate_into
from audiolab.stages.separation.storing import StemWriter, survey

RATE = 8000


class Given:
    """An engine that gives what it was told, in blocks."""

    name = "given"

    def __init__(self, parts: Mapping[str, Block], size: int = 1000) -> None:
        self.parts, self.size = parts, size

    def stems(self) -> tuple[str, ...]:
        return tuple(self.parts)

    def blocks(self, source: BlockSource, *, progress: object = None) -> Iterator[dict[str, Block]]:
        for at in range(0, source.frames, self.size):
            yield {name: part[:, at : at + self.size] for name, part in self.parts.items()}


def loud(mix: Block, gain: float, at: int) -> dict[str, Block]:
    """Two stems that leave full scale from frame `at` on and cancel each other."""
    extra = np.zeros_like(mix)
    extra[:, at:] = gain * np.sin(np.arange(mix.shape[1] - at) / 7)
    return {"drums": 0.5 * mix + extra, "other": 0.5 * mix - extra}


def total(folder: Path) -> np.ndarray:
    return sum(Audio.from_file(path).samples.astype(np.float64) for path in sorted(folder.iterdir()))


@pytest.mark.parametrize("at", [0, 1, 3500])
def test_a_stem_beyond_full_scale_makes_all_stems_float_and_nothing_clips(tmp_path: Path, at: int) -> None:
    mix = song(1.0, RATE)
    parts = loud(mix, 1.6, at)
    stored = separate_into(tmp_path, Audio(mix, RATE), Given(parts))
    assert stored.subtype == "float"
    assert {path.suffix for path in tmp_path.iterdir()} == {".wav"}
    assert {open_source(path).subtype for path in stored.paths.values()} == {"FLOAT"}
    assert stored.null_db == -240.0
    assert np.abs(Audio.from_file(stored.paths["drums"]).samples - parts["drums"]).max() < 1e-6
    assert stored.facts["drums"]["peak_db"] > 3


def test_where_it_left_full_scale_does_not_show_in_the_samples(tmp_path: Path) -> None:
    """Carried over from FLAC or float from the start: the same samples."""
    mix = song(1.0, RATE)
    parts = loud(mix, 1.6, 4000)
    made = []
    for number, size in enumerate((1000, 100_000)):
        folder = tmp_path / str(number)
        folder.mkdir()
        separate_into(folder, Audio(mix, RATE), Given(parts, size))
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]


def test_full_scale_itself_fits(tmp_path: Path) -> None:
    mix = np.full((1, 100), -1.0, np.float32)
    stored = separate_into(tmp_path, Audio(mix, RATE), Given({"drums": mix, "other": 0 * mix}))
    assert stored.subtype == "24"
    assert stored.null_db == -240.0


def test_float_on_request(tmp_path: Path) -> None:
    mix = song(1.0, RATE)
    stored = separate_into(tmp_path, Audio(mix, RATE), Given({"a": 0.3 * mix, "b": 0.5 * mix}), as_float=True)
    assert stored.subtype == "float"
    assert stored.null_db <= -120.0


def test_a_quiet_mix_off_the_grid_still_nulls(tmp_path: Path) -> None:
    """24 bits would leave more than -120 dB of a mix at -70 dBFS; float32 does not."""
    mix = (1e-3 / 3 * song(1.0, RATE)).astype(np.float32)
    seen = survey(Audio(mix, RATE))
    assert not seen.on_grid
    assert not seen.fits_24_bits
    stored = separate_into(tmp_path, Audio(mix, RATE), Given({"a": 0.3 * mix, "b": 0.5 * mix}))
    assert stored.subtype == "float"
    assert stored.null_db <= -120.0


def test_a_loud_mix_off_the_grid_nulls_at_24_bits(tmp_path: Path) -> None:
    mix = (0.7 * song(1.0, RATE)).astype(np.float32)
    stored = separate_into(tmp_path, Audio(mix, RATE), Given({"a": 0.3 * mix, "b": 0.5 * mix}))
    assert stored.subtype == "24"
    assert stored.null_db <= -120.0


def test_facts_are_those_of_the_files(tmp_path: Path) -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm")
    rate = 44100
    t = np.arange(4 * rate) / rate
    tone = (0.25 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    half = tone * (t < 2)
    mix = np.stack([tone + half, tone + half])
    parts = {"a": np.stack([tone, tone]), "b": np.stack([half, half])}
    stored = separate_into(tmp_path, Audio(mix, rate), Given(parts))
    a, b = stored.facts["a"], stored.facts["b"]
    assert a["energy_share"] == pytest.approx(2 / 3, abs=1e-3)
    assert b["energy_share"] == pytest.approx(1 / 3, abs=1e-3)
    assert a["peak_db"] == pytest.approx(20 * np.log10(0.25), abs=0.01)
    assert (a["silence_share"], b["silence_share"]) == (0.0, pytest.approx(0.5, abs=0.02))
    wave = Audio.from_file(stored.paths["a"]).samples.T.astype(np.float64)
    assert a["level_lufs"] == pytest.approx(pyloudnorm.Meter(rate).integrated_loudness(wave), abs=0.1)


def test_a_damaged_file_is_found_before_the_work(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    path = Audio(song(3.0), 44100).write(tmp_path / "song.flac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    class Never(Given):
        def blocks(self, source: BlockSource, *, progress: object = None) -> Iterator[dict[str, Block]]:
            raise AssertionError("separated although the file is damaged")

    with pytest.raises(AudioError, match=r"song\.flac"):
        separate_into(folder, open_source(path), Never({"a": song(3.0)}))
    assert list(folder.iterdir()) == []


def test_an_empty_sound_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no audio"):
        separate_into(tmp_path, Audio(np.zeros((2, 0), np.float32), RATE, "nothing"), Given({"a": song(1.0)}))


def test_an_error_while_writing_leaves_no_file(tmp_path: Path) -> None:
    block = np.zeros((1, 100), np.float32)

    def write() -> None:
        with StemWriter(tmp_path, ("a", "b"), sample_rate=RATE, channels=1, frames=200, as_float=False) as writer:
            writer.write({"a": block, "b": block})
            raise AudioError("disk full")

    with pytest.raises(AudioError, match="disk full"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_large_song_becomes_rf64() -> None:
    writer = StemWriter(Path(), ("a",), sample_rate=RATE, channels=2, frames=1 << 30, as_float=True)
    from audiolab.audio import AudioWriter

    assert AudioWriter(writer.paths["a"], RATE, 2, subtype="FLOAT", frames=writer.frames).format == "RF64"

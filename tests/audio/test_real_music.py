"""Audio on real files: exact seeks, loudness beside pyloudnorm, lengths, ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiolab.audio import Audio, content_id, measure_levels, open_source, read_tags

SUFFIXES = {".mp3", ".ogg", ".mp4", ".m4a", ".flac", ".wav", ".aiff"}


def files(shared_data: Path) -> list[Path]:
    found = sorted(path for path in (shared_data / "music").rglob("*") if path.suffix.lower() in SUFFIXES)
    return [path for path in found if "mdb" not in path.parts or path.name == "mix.flac"]


@pytest.mark.shared
def test_seeks_into_real_files_are_exact(shared_data: Path) -> None:
    rng = np.random.default_rng(1)
    for path in files(shared_data):
        source = open_source(path)
        whole = Audio.from_source(source).samples
        assert whole.shape == (source.channels, source.frames), path.name
        last = source.frames - 5
        for start in (int(rng.integers(0, last)), int(rng.integers(0, last)), max(0, last - 700), last):
            stop = min(start + 20_000, source.frames)
            got = np.concatenate(list(source.blocks(7001, start=start, stop=stop)), axis=1)
            np.testing.assert_array_equal(got, whole[:, start:stop], err_msg=f"{path.name} at {start}")


@pytest.mark.shared
def test_loudness_of_real_files_equals_pyloudnorm(shared_data: Path) -> None:
    import pyloudnorm

    for path in files(shared_data):
        audio = Audio.from_file(path)
        reference = pyloudnorm.Meter(audio.sample_rate).integrated_loudness(audio.samples.T.astype(np.float64))
        levels = measure_levels(audio)
        assert levels.lufs == pytest.approx(reference, abs=0.05), path.name
        assert levels.true_peak_db >= levels.sample_peak_db


@pytest.mark.shared
def test_every_real_file_has_an_id_of_its_own(shared_data: Path) -> None:
    ids = {content_id(path): path.name for path in files(shared_data)}
    assert len(ids) >= len(files(shared_data)) - 2  # basic_pitch_* may be copies of one recording
    for path in files(shared_data):
        read_tags(path).to_dict()


@pytest.mark.shared
def test_the_first_of_five_streams_is_the_mix(shared_data: Path) -> None:
    path = next((shared_data / "music" / "odd_formats").glob("*.mp4"))
    source = open_source(path)
    assert source.notes == ("first of 5 audio streams used",)  # type: ignore[attr-defined]
    assert source.sample_rate == 44100
    assert 6.5 < source.frames / 44100 < 7.1

"""`separate` on plain files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from separation_cases import song

import audiolab.stages
from audiolab.audio import Audio
from audiolab.errors import AudioError, Cancelled, ModelError, ParameterError
from audiolab.stages.separation import separate
from audiolab.stages.separation.files import safe_name

RATE = 22050


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return Audio(song(2.0, RATE), RATE).write(tmp_path / "my song.wav")


def test_stems_beside_each_other_and_the_json_of_the_contract(tmp_path: Path, wav: Path) -> None:
    result = audiolab.stages.separate(wav, to=tmp_path / "out" / "deep", engine="spectral")
    names = sorted(path.name for path in (tmp_path / "out" / "deep").iterdir())
    assert names == [f"my song_{stem}.flac" for stem in ("bass", "drums", "other", "vocals")]
    shape = json.loads(result.to_json(tmp_path / "r.json").read_text())
    assert list(shape) == ["path", "engine", "weights", "profile", "sample_rate", "frames", "null_db", "stems"]
    assert (shape["path"], shape["engine"], shape["weights"]) == (str(wav), "spectral", None)
    assert (shape["sample_rate"], shape["frames"], shape["null_db"]) == (RATE, 2 * RATE, -240.0)
    for stem in shape["stems"].values():
        assert Path(stem["path"]).is_file()
        assert {"energy_share", "level_lufs", "silence_share"} <= stem.keys()
    assert np.array_equal(sum(result[name].samples.astype(np.float64) for name in result.stems), song(2.0, RATE))


def test_in_memory_is_the_same(tmp_path: Path, wav: Path) -> None:
    written = separate(wav, to=tmp_path / "out", engine="spectral")
    held = separate(Audio(song(2.0, RATE), RATE), engine="spectral")
    paired = separate((song(2.0, RATE), RATE), engine="spectral")
    for name in written.stems:
        assert np.array_equal(written[name].samples, held[name].samples)
        assert np.array_equal(written[name].samples, paired[name].samples)
        assert held.stems[name].path is None


def test_existing_files_are_not_replaced_unasked(tmp_path: Path, wav: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    mine = out / "my song_bass.flac"
    mine.write_text("mine")
    with pytest.raises(ParameterError, match=r"my song_bass\.flac.*overwrite=True"):
        separate(wav, to=out, engine="spectral")
    assert (mine.read_text(), len(list(out.iterdir()))) == ("mine", 1)
    separate(wav, to=out, engine="spectral", overwrite=True)
    assert Audio.from_file(mine).frames == 2 * RATE


def test_overwriting_in_the_other_format_leaves_no_stale_stem(tmp_path: Path, wav: Path) -> None:
    separate(wav, to=tmp_path / "out", engine="spectral")
    separate(wav, to=tmp_path / "out", engine="spectral", subtype="float", overwrite=True)
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".wav"}


def test_cancel_leaves_nothing_behind(tmp_path: Path, wav: Path) -> None:
    def hook(done: float, total: float) -> None:
        if done >= 0.5 * total:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        separate(wav, to=tmp_path / "out", engine="spectral", progress=hook)
    assert list((tmp_path / "out").iterdir()) == []


def test_wrong_parameters_say_which(wav: Path) -> None:
    with pytest.raises(ParameterError, match="speed"):
        separate(wav, speed=2)
    with pytest.raises(ParameterError, match="overlap"):
        separate(wav, overlap=1.0)
    with pytest.raises(ParameterError, match="spleeter"):
        separate(wav, engine="spleeter")


def test_bad_files_say_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "empty.wav").write_bytes(b"")
    for name in ("text.wav", "empty.wav", "missing.wav"):
        with pytest.raises(AudioError, match=name.replace(".", r"\.")):
            separate(tmp_path / name, to=tmp_path / "out", engine="spectral")
    with pytest.raises(AudioError):
        separate(tmp_path, to=tmp_path / "out", engine="spectral")
    assert not (tmp_path / "out").exists()


def test_a_target_that_is_no_folder_is_a_clear_error(tmp_path: Path, wav: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AudioError, match="file"):
        separate(wav, to=tmp_path / "file", engine="spectral")


def test_a_model_file_of_ones_own(tmp_path: Path, wav: Path, checkpoint: Path) -> None:
    result = separate(wav, to=tmp_path / "out", engine="demucs", model=str(checkpoint))
    assert result.engine == "demucs"
    assert len(str(result.weights)) == 64
    assert result.null_db == -240.0
    (tmp_path / "junk.th").write_bytes(b"junk")
    with pytest.raises(ModelError, match=r"junk\.th"):
        separate(wav, engine="demucs", model=str(tmp_path / "junk.th"))


@pytest.mark.parametrize(("rate", "frames"), [(8000, 1), (8000, 8000), (192000, 50_000), (44100, 2)])
def test_odd_rates_and_lengths(tmp_path: Path, rate: int, frames: int) -> None:
    mix = song(1.0, rate)[:, :frames]
    path = Audio(mix, rate).write(tmp_path / "odd.wav")
    result = separate(path, to=tmp_path / "out", engine="spectral")
    assert (result.sample_rate, result.frames, result.null_db) == (rate, frames, -240.0)


@given(st.text(max_size=400))
def test_names_are_always_fit_for_a_file(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert safe == safe.strip(" .")
    assert not set(safe) & set('/\\:*?"<>|\0\n\r\t')
    assert len(safe.encode("utf-8", "surrogatepass")) <= 150


def test_wild_names(tmp_path: Path) -> None:
    for name in ("a'b\"c", "two\nlines", "🎧 <script>", "x" * 200, ".hidden"):
        result = separate(Audio(song(0.2, RATE), RATE, f"../{name}"), to=tmp_path / "out", engine="spectral")
        for stem in result.stems.values():
            assert stem.path is not None
            assert stem.path.parent == tmp_path / "out"


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
from audiolab.errors import AudiolabError
from audiolab.stages.separation import separate
try:
    separate(sys.argv[1], to=sys.argv[2], engine="spectral")
except AudiolabError as error:
    print(error)
"""


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    import subprocess
    import sys

    from audiolab.audio import Audio

    mix = Audio(song(12.0), 44100)
    mix.write(tmp_path / "song.wav", subtype="PCM_16")
    target = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "song.wav"), str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "full" in done.stdout, done.stdout + done.stderr
    assert list(target.iterdir()) == []

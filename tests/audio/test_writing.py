"""Written files: exact, complete or not there at all."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from audiolab.audio import Audio, AudioWriter, atomic_path, open_source, quantize, write_audio, write_blocks
from audiolab.errors import AudioError, ParameterError


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".rf64"])
@pytest.mark.parametrize("bits", [16, 24])
def test_every_step_of_the_integers_survives(tmp_path: Path, suffix: str, bits: int) -> None:
    scale = 1 << (bits - 1)
    steps = np.unique(np.r_[-scale, -scale + 1, -1, 0, 1, scale - 1, np.linspace(-scale, scale - 1, 4001).astype(int)])
    audio = Audio((steps / scale).astype(np.float32), 44100)
    path = write_audio(tmp_path / f"a{suffix}", audio, subtype=f"PCM_{bits}")
    np.testing.assert_array_equal(Audio.from_file(path).samples, audio.samples)
    again = write_audio(tmp_path / f"b{suffix}", open_source(path), subtype=f"PCM_{bits}")
    assert again.read_bytes() == path.read_bytes()


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=50), st.sampled_from([16, 24]))
def test_quantizing_is_idempotent_near_and_in_range(values: list[float], bits: int) -> None:
    block = np.array([values], np.float32)
    once = quantize(block, bits)
    np.testing.assert_array_equal(quantize(once, bits), once)
    assert once.min() >= -1
    assert once.max() <= 1 - 2.0 ** (1 - bits)
    inside = np.abs(block) < 1 - 2.0 ** (1 - bits)
    assert np.abs(once - block)[inside].max(initial=0) <= 2.0**-bits * 1.0001


def test_clipped_samples_are_counted(tmp_path: Path) -> None:
    with AudioWriter(tmp_path / "a.wav", 8000, 1) as writer:
        writer.write(np.array([[0.5, 1.5, -2.0, 1.0, -1.0]], np.float32))
    assert writer.clipped == 2
    assert writer.frames == 5
    back = Audio.from_file(tmp_path / "a.wav").samples[0]
    assert back[1] == back[3] == np.float32(1 - 2.0**-23)
    assert back[2] == -1.0


def test_float_files_keep_what_is_beyond_full_scale(tmp_path: Path) -> None:
    audio = Audio(np.array([[3.5, -7.25, 1e-9]], np.float32), 8000)
    back = Audio.from_file(write_audio(tmp_path / "a.wav", audio, subtype="FLOAT"))
    np.testing.assert_array_equal(back.samples, audio.samples)


def test_block_sizes_do_not_change_the_file(tmp_path: Path, noise) -> None:
    audio = noise(frames=30_000)
    for suffix in (".wav", ".flac", ".mp3"):  # the Vorbis encoder itself looks at how it is fed
        one = write_blocks(tmp_path / f"a{suffix}", audio.blocks(30_000), 44100, 2)
        two = write_blocks(tmp_path / f"b{suffix}", audio.blocks(777), 44100, 2)
        same = Audio.from_file(one).samples - Audio.from_file(two).samples
        assert np.abs(same).max() == 0, suffix


def test_an_exception_leaves_nothing_and_keeps_what_was_there(tmp_path: Path, noise) -> None:
    path = write_audio(tmp_path / "a.wav", noise(frames=100))
    before = path.read_bytes()

    def blocks():
        yield noise(frames=1000).samples
        raise KeyError("the separator broke")

    with pytest.raises(KeyError, match="separator"):
        write_blocks(path, blocks(), 44100, 2)
    with pytest.raises(ParameterError, match="2 channels"):
        write_blocks(path, [np.zeros((1, 5), np.float32)], 44100, 2)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_process_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    code = """
import numpy as np, sys, time
from audiolab.audio import AudioWriter
with AudioWriter(sys.argv[1], 44100, 2) as writer:
    while True:
        writer.write(np.zeros((2, 44100), np.float32)); print("wrote", flush=True); time.sleep(0.01)
"""
    target = tmp_path / "a.wav"
    process = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not target.exists()
    assert all(path.name.endswith(".part.wav") and path.name.startswith(".") for path in tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX resource limits")
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    code = """
import numpy as np, resource, signal, sys
from audiolab.audio import Audio, write_audio
from audiolab.errors import AudioError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).standard_normal((2, 200_000)).astype(np.float32) * 0.1
try:
    write_audio(sys.argv[1], Audio(noise, 44100))
except AudioError as error:
    print("refused:", error)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / f"a{suffix}")], capture_output=True, text=True, check=True
    )
    assert "refused:" in run.stdout
    assert "disk full" in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_an_error(tmp_path: Path, noise) -> None:
    with pytest.raises(AudioError, match=r"cannot write 'a\.wav'"):
        write_audio(tmp_path / "nowhere" / "a.wav", noise(frames=10))
    (tmp_path / "b.wav").mkdir()
    with pytest.raises(AudioError, match=r"b\.wav"):
        write_audio(tmp_path / "b.wav", noise(frames=10))
    assert [path.name for path in tmp_path.iterdir()] == ["b.wav"]


def test_a_long_wav_becomes_rf64(tmp_path: Path) -> None:
    # 4 GB of 24-bit stereo are 716 million frames; only their number is given, not they.
    with AudioWriter(tmp_path / "a.wav", 48000, 2, frames=800_000_000) as writer:
        writer.write(np.full((2, 1000), 0.25, np.float32))
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RF64"
    back = Audio.from_file(tmp_path / "a.wav")
    assert (back.frames, back.samples[0, 0]) == (1000, 0.25)
    with AudioWriter(tmp_path / "b.wav", 48000, 2, frames=700_000_000) as writer:
        writer.write(np.zeros((2, 10), np.float32))
    assert (tmp_path / "b.wav").read_bytes()[:4] == b"RIFF"


def test_a_wav_of_unknown_length_stops_before_4_gb(tmp_path: Path) -> None:
    def fill() -> None:
        with AudioWriter(tmp_path / "a.wav", 48000, 2) as writer:
            writer.frames = 715_700_000  # as if so many had been written
            writer.write(np.zeros((2, 1 << 20), np.float32))

    with pytest.raises(AudioError, match="frames="):
        fill()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "subtype"), [("a.xyz", None), ("a", None), ("a.flac", "FLOAT"), ("a.mp3", "PCM_16")])
def test_what_cannot_be_written_is_said(tmp_path: Path, noise, name: str, subtype: str | None) -> None:
    with pytest.raises(ParameterError):
        write_audio(tmp_path / name, noise(frames=10), subtype=subtype)
    assert list(tmp_path.iterdir()) == []


def test_rates_that_a_codec_does_not_take_are_said(tmp_path: Path, noise) -> None:
    for name, rate in (("a.mp3", 96_000), ("a.opus", 44_100)):
        with pytest.raises(AudioError, match=f"{rate} Hz"):
            write_audio(tmp_path / name, noise(frames=10, rate=rate))
    assert list(tmp_path.iterdir()) == []


def test_an_hour_of_mp3_encodes_in_small_steps(tmp_path: Path) -> None:
    # Encoders overflow the stack on huge single writes; one block of ten minutes must pass.
    block = np.zeros((1, 8000 * 600), np.float32)
    for suffix in (".ogg", ".mp3"):
        path = write_blocks(tmp_path / f"a{suffix}", [block], 8000, 1)
        assert open_source(path).frames == block.shape[1]


def test_atomic_path_keeps_the_old_file_until_the_new_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_soundfile_agrees_with_what_was_written(tmp_path: Path, noise) -> None:
    audio = noise(channels=6, rate=48000, bits=24)
    path = write_audio(tmp_path / "a.wav", audio)
    samples, rate = sf.read(path, dtype="float32")
    assert rate == 48000
    np.testing.assert_array_equal(samples.T, audio.samples)

"""What bad input gets: a clear error that names the file, or a right result."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiolab.audio import Audio, content_id, measure_levels, open_source, read_tags, write_audio
from audiolab.errors import AudioError, ParameterError


def outcome(path: Path) -> Audio | AudioError:
    """Identify and read a file: its audio, or the error that it gets."""
    try:
        content_id(path)
        return Audio.from_file(path)
    except AudioError as error:
        return error


LOSSLESS = ["wav16", "wav24", "wavfloat", "rf64", "aiff", "flac16", "caf", "w64", "au", "alac"]
MESSAGE = {
    "empty": rb"",
    "text": b"this is a shopping list\nmilk\n",
    "web page": b"<!DOCTYPE html><html>not found</html>",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(500),
    "zip": b"PK\x03\x04" + bytes(500),
    "pdf": b"%PDF-1.7\n" + bytes(500),
    "midi": b"MThd\0\0\0\6\0\1\0\1\1\xe0",
    "noise": bytes(np.random.default_rng(1).integers(0, 256, 20_000, dtype=np.uint8)),
    "zeros": bytes(10_000),
}


@pytest.mark.parametrize("what", MESSAGE)
@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".flac", ".m4a", ".ogg", ".raw", ".gsm", ".vox", ""])
def test_what_is_not_audio_is_refused_by_name(tmp_path: Path, what: str, suffix: str) -> None:
    path = tmp_path / f"thing{suffix}"
    path.write_bytes(MESSAGE[what])
    with pytest.raises(AudioError, match=r"thing"):
        content_id(path)


def test_messages_guess_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for what, hint in (
        ("empty", "0 bytes"),
        ("text", "text"),
        ("web page", "web page"),
        ("zip", "zip"),
        ("midi", "MIDI"),
    ):
        path.write_bytes(MESSAGE[what])
        with pytest.raises(AudioError, match=hint):
            open_source(path)


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is a folder"):
        open_source(tmp_path)
    with pytest.raises(AudioError, match="does not exist"):
        open_source(tmp_path / "nothing.wav")
    with pytest.raises(AudioError):
        open_source("with\0zero.wav")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    path.chmod(0)
    with pytest.raises(AudioError, match="permission"):
        open_source(path)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_devices_do_not_hang(device: str) -> None:
    if Path(device).exists():
        with pytest.raises(AudioError):
            open_source(device)


# ---- cut off -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_cut_off_lossless_files_are_refused(
    every_format: dict[str, Path], tmp_path: Path, name: str, part: float
) -> None:
    whole = every_format[name]
    path = tmp_path / whole.name
    data = whole.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(AudioError, match=re.escape(whole.name)):
        content_id(path)


@pytest.mark.parametrize("name", ["mp3", "mp3noxing", "vorbis", "opus", "adts", "m4a", "webm", "wma"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.95])
def test_cut_off_lossy_files_are_refused_or_shorter(
    every_format: dict[str, Path], tmp_path: Path, name: str, part: float
) -> None:
    whole = Audio.from_file(every_format[name])
    path = tmp_path / every_format[name].name
    data = every_format[name].read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    got = outcome(path)
    if isinstance(got, AudioError):
        assert path.name in str(got)
        return
    # No error: then what is there is the start of the sound, and about as much of it as there are bytes.
    assert abs(got.frames / whole.frames - part) < 0.25
    n = min(got.frames, whole.frames) - 6000
    if n > 0:
        np.testing.assert_allclose(got.samples[:, :n], whole.samples[:, :n], rtol=0, atol=2e-3)


def test_a_cut_off_mp3_or_m4a_is_not_taken_for_whole(every_format: dict[str, Path], tmp_path: Path) -> None:
    # These name their length, so the loss shows.
    for name in ("mp3", "m4a"):
        data = every_format[name].read_bytes()
        path = tmp_path / f"cut{every_format[name].suffix}"
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(AudioError, match="cut"):
            content_id(path)


@pytest.mark.parametrize("name", ["wav16", "flac16", "mp3", "vorbis", "opus", "aiff", "m4a", "alac"])
def test_bytes_turned_over_are_an_error_or_audio(every_format: dict[str, Path], tmp_path: Path, name: str) -> None:
    data = bytearray(every_format[name].read_bytes())
    path = tmp_path / every_format[name].name
    rng = np.random.default_rng(5)
    for _ in range(12):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 30):
            broken[at] ^= int(rng.integers(1, 256))
        for at in rng.integers(0, 200, 2):
            broken[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(broken))
        got = outcome(path)
        if isinstance(got, AudioError):
            assert path.name in str(got)
        else:
            assert np.isfinite(got.samples).all()
        read_tags(path)


# ---- odd but right ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_their_place(tmp_path: Path, value: float) -> None:
    samples = np.zeros(100_000, np.float32)
    samples[77_777] = value
    path = tmp_path / "bad.wav"
    sf.write(path, samples, 44100, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"bad\.wav.*77777"):
        content_id(path)
    with pytest.raises(AudioError, match="NaN or infinite"):
        Audio(samples, 44100)


@pytest.mark.parametrize("rate", [8000, 39063, 44101, 192_000])
@pytest.mark.parametrize(
    "samples",
    [np.zeros(1), np.ones(1) * 0.5, np.zeros(10_000), np.full(10_000, 0.25), np.full(3, -1.0)],
    ids=["one zero", "one sample", "silence", "DC", "full scale"],
)
def test_strange_but_valid_sounds_pass_through(tmp_path: Path, rate: int, samples: np.ndarray) -> None:
    audio = Audio(samples.astype(np.float32), rate)
    for suffix in (".wav", ".flac", ".aiff"):
        path = write_audio(tmp_path / f"a{suffix}", audio)
        back = Audio.from_file(path)
        np.testing.assert_array_equal(back.samples, audio.samples)
        assert back.sample_rate == rate
    assert len(content_id(tmp_path / "a.wav")) == 64
    measure_levels(audio)


def test_a_file_of_no_frames_is_refused(tmp_path: Path) -> None:
    for suffix in (".wav", ".flac", ".aiff"):
        path = tmp_path / f"none{suffix}"
        sf.write(path, np.zeros(0, np.float32), 44100)
        with pytest.raises(AudioError, match="none"):
            open_source(path)


def test_an_empty_sound_in_memory_is_fine() -> None:
    audio = Audio(np.zeros((2, 0), np.float32), 44100)
    assert list(audio.blocks()) == []
    assert audio.resample(48000).frames == 0
    assert audio.mono().frames == 0
    assert len(content_id(audio)) == 64


def wav(data: bytes, *, data_size: int | None = None, riff_size: int | None = None, extra: bytes = b"") -> bytes:
    size = len(data) if data_size is None else data_size
    body = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + extra
    body += b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(body) if riff_size is None else riff_size) + body


def test_headers_of_streaming_tools_mean_to_the_end(tmp_path: Path) -> None:
    data = np.arange(1000, dtype=np.int16).tobytes()
    path = tmp_path / "a.wav"
    for data_size, riff_size in ((0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFFFFF, 0x7FFFFFFF), (0x7FFFF000, 0), (2000, 0)):
        path.write_bytes(wav(data, data_size=data_size, riff_size=riff_size))
        assert open_source(path).frames == 1000, hex(data_size)
        assert Audio.from_file(path).samples[0, 999] == np.float32(999 / 32768)


def test_a_data_chunk_of_odd_size_is_padded(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sf.write(path, np.arange(5) / 128, 8000, subtype="PCM_U8")
    assert path.stat().st_size % 2 == 0
    assert open_source(path).frames == 5
    for junk in (b"junk\x03\0\0\0abc\0", b"JUNK\x01\0\0\0x\0"):
        path.write_bytes(wav(bytes(20), extra=junk))
        assert open_source(path).frames == 10


def test_a_broken_header_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    good = wav(bytes(2000))
    for at, value in ((22, b"\0\0"), (24, bytes(4)), (32, b"\0\0"), (34, b"\0\0"), (20, b"\xfe\xca")):
        path.write_bytes(good[:at] + value + good[at + len(value) :])
        got = outcome(path)
        assert "a.wav" in str(got) if isinstance(got, AudioError) else got.frames > 0


# ---- names -----------------------------------------------------------------------------------------------

NAMES = [
    'it\'s "quoted".wav',
    "new\nline.wav",
    "🥁 emoji ünïcödé.wav",
    "-",
    "--help.wav",
    "-.wav",
    "http:x.wav",
    "pipe:0.wav",
    "concat:a.wav|b.wav",
    "%05d.wav",
    "<script>alert(1)</script>.wav".replace("/", "_"),
    "a" * 250 + ".wav",
    " leading and trailing .wav ",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise, encode, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    audio = noise(frames=2000)
    write_audio("plain.wav", audio)
    Path("plain.wav").rename(name)
    np.testing.assert_array_equal(Audio.from_file(name).samples, audio.samples)
    assert len(content_id(name)) == 64
    read_tags(name)
    encode(tmp_path / "plain.m4a", noise(frames=20_000)).rename(name)
    assert open_source(name).frames > 10_000
    assert len(content_id(name)) == 64
    read_tags(name)


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")
def test_a_name_that_is_not_utf8_is_read(tmp_path: Path, noise, encode) -> None:
    audio = noise(frames=2000)
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff.wav")
    write_audio(tmp_path / "a.wav", audio).rename(name)
    np.testing.assert_array_equal(Audio.from_file(name).samples, audio.samples)
    encode(tmp_path / "a.m4a", noise(frames=20_000)).rename(name)
    assert content_id(name)
    read_tags(name)
    written = os.fsdecode(os.fsencode(tmp_path) + b"/\xfe\xfd.flac")
    write_audio(written, audio)
    np.testing.assert_array_equal(Audio.from_file(written).samples, audio.samples)


def test_a_name_of_300_characters_is_a_clear_error(tmp_path: Path, noise) -> None:
    name = tmp_path / ("a" * 300 + ".wav")
    with pytest.raises(AudioError, match="cannot be opened"):
        open_source(name)
    with pytest.raises(AudioError, match="cannot"):
        write_audio(name, noise(frames=100))
    assert list(tmp_path.iterdir()) == []


def test_a_play_list_that_calls_itself_audio_reads_nothing_else(tmp_path: Path, noise) -> None:
    secret = write_audio(tmp_path / "secret.wav", noise(frames=4000))
    lists = {
        "concat.m4a": "ffconcat version 1.0\nfile secret.wav\n",
        "hls.m4a": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(AudioError, match=re.escape(name)):
            open_source(tmp_path / name)


# ---- values ------------------------------------------------------------------------------------------------


def test_arrays_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(ParameterError, match="Transpose"):
        Audio(np.zeros((44100, 2), np.float32), 44100)
    with pytest.raises(ParameterError, match="integers"):
        Audio(np.zeros((2, 10), np.int16), 44100)
    with pytest.raises(ParameterError, match="shape"):
        Audio(np.zeros((1, 2, 3), np.float32), 44100)
    with pytest.raises(ParameterError, match="sample_rate"):
        Audio(np.zeros((1, 2), np.float32), 0)


@given(st.binary(min_size=1, max_size=3000), st.sampled_from([".wav", ".mp3", ".ogg", ".flac", ".m4a", ".aiff"]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_an_error_or_audio(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    got = outcome(path)
    assert "x." in str(got) if isinstance(got, AudioError) else got.frames > 0

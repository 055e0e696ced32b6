"""Sounds and files that the tests of audio/ share."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import soundfile as sf

from audiolab.audio import Audio, quantize, write_audio


class MakeNoise(Protocol):
    def __call__(self, frames: int = ..., channels: int = ..., rate: int = ..., bits: int = ...) -> Audio: ...


@pytest.fixture
def noise() -> MakeNoise:
    """Give tones in noise that fit `bits` bits exactly."""

    def make(frames: int = 50_003, channels: int = 2, rate: int = 44100, bits: int = 16) -> Audio:
        rng = np.random.default_rng(7)
        time = np.arange(frames) / rate
        tones = np.stack([0.3 * np.sin(2 * np.pi * 220 * (c + 1) * time) for c in range(channels)])
        samples = tones + 0.05 * rng.standard_normal((channels, frames))
        return Audio(quantize(samples.astype(np.float32), bits), rate)

    return make


def encode_av(path: Path, audio: Audio, codec: str = "aac", *, bit_rate: int = 0, **options: str) -> Path:
    """Encode with FFmpeg; the suffix chooses the container."""
    import av

    layout = {1: "mono", 2: "stereo", 6: "5.1"}[audio.channels]
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=audio.sample_rate, layout=layout)
        if bit_rate:
            stream.bit_rate = bit_rate
        wanted = stream.codec_context.format.name if stream.codec_context.format else "fltp"
        frame = av.AudioFrame.from_ndarray(audio.samples, "fltp", layout)
        frame.sample_rate = audio.sample_rate
        # Without a time MP4 cannot say that its first packet is the encoder's run-up.
        frame.pts, frame.time_base = 0, Fraction(1, audio.sample_rate)
        for part in av.AudioResampler(format=wanted, layout=layout, rate=audio.sample_rate).resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def encode() -> Callable[..., Path]:
    """Give `encode(path, audio, codec, **muxer options)`."""
    return encode_av


@pytest.fixture(scope="session")
def every_format(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of each format that is read, about 3.7 s, stereo but where the name says otherwise."""
    folder = tmp_path_factory.mktemp("formats")
    rng = np.random.default_rng(11)

    def audio(rate: int, channels: int = 2, frames: int = 163_841) -> Audio:
        tones = np.stack([0.3 * np.sin(2 * np.pi * 110 * (c + 2) * np.arange(frames) / rate) for c in range(channels)])
        envelope = 0.2 + 0.8 * (np.arange(frames) % (rate // 3) < rate // 9)
        return Audio(((tones + 0.1 * rng.standard_normal(tones.shape)) * envelope).astype(np.float32), rate)

    plain: dict[str, tuple[str, str | None, int, int]] = {
        "wav8": (".wav", "PCM_U8", 44100, 2),
        "wav16": (".wav", "PCM_16", 44100, 2),
        "wav24": (".wav", "PCM_24", 48000, 2),
        "wav32": (".wav", "PCM_32", 44100, 1),
        "wavfloat": (".wav", "FLOAT", 96000, 2),
        "wavdouble": (".wav", "DOUBLE", 44100, 1),
        "wav39063": (".wav", "PCM_24", 39063, 1),
        "wavulaw": (".wav", "ULAW", 8000, 1),
        "wavadpcm": (".wav", "MS_ADPCM", 22050, 1),
        "rf64": (".rf64", "PCM_24", 44100, 2),
        "aiff": (".aiff", "PCM_24", 44100, 2),
        "flac16": (".flac", "PCM_16", 44101, 2),
        "flac24six": (".flac", "PCM_24", 48000, 6),
        "flac192": (".flac", "PCM_24", 192_000, 1),
        "mp3": (".mp3", None, 44100, 2),
        "mp3low": (".mp3", None, 22050, 1),
        "mp3lowest": (".mp3", None, 8000, 1),
        "vorbis": (".ogg", None, 44100, 2),
        "vorbis16k": (".ogg", None, 16000, 1),
        "opus": (".opus", None, 48000, 2),
        "opus8k": (".opus", None, 8000, 1),
    }
    files: dict[str, Path] = {}
    for name, (suffix, subtype, rate, channels) in plain.items():
        files[name] = write_audio(folder / f"{name}{suffix}", audio(rate, channels), subtype=subtype)
    for suffix in (".caf", ".w64", ".au"):
        files[suffix[1:]] = folder / f"a{suffix}"
        sf.write(files[suffix[1:]], audio(44100).samples.T, 44100, subtype="PCM_16")
    foreign: dict[str, tuple[str, str, int, int, dict[str, Any]]] = {
        "m4a": (".m4a", "aac", 44100, 2, {}),
        "m4amono": (".m4a", "aac", 22050, 1, {}),
        "mp4six": (".mp4", "aac", 48000, 6, {}),
        "adts": (".aac", "aac", 44100, 2, {}),
        "alac": (".m4a", "alac", 44100, 2, {}),
        "wma": (".wma", "wmav2", 44100, 2, {"bit_rate": 128_000}),
        "mp3noxing": (".mp3", "libmp3lame", 44100, 2, {"write_xing": "0"}),
        "webm": (".webm", "libopus", 48000, 2, {}),
    }
    for name, (suffix, codec, rate, channels, options) in foreign.items():
        files[name] = encode_av(folder / f"{name}{suffix}", audio(rate, channels), codec, **options)
    return files

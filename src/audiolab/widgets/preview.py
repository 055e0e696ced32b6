"""Short playable previews that need no kernel, no server and no network: MP3 inside the page."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
import soundfile as sf

from audiolab.audio import Audio, BlockSource, Resampled, to_frames

__all__ = ["audio_player", "loudest_span", "preview_mp3"]

_MP3_RATES = (44100, 48000, 32000)


def loudest_span(source: BlockSource, seconds: float) -> tuple[int, int]:
    """Find the stretch of that length with the most energy, on a grid of one second."""
    length = min(source.frames, to_frames(seconds, source.sample_rate))
    if length == source.frames:
        return 0, source.frames
    step = source.sample_rate
    energy = np.array([float(np.square(block, dtype=np.float64).sum()) for block in source.blocks(step)])
    width = max(1, round(length / step))
    sums = np.convolve(energy, np.ones(width), "valid")
    start = min(int(sums.argmax()) * step, source.frames - length)
    return start, start + length


def preview_mp3(source: BlockSource, *, seconds: float = 30.0, mono: bool = True) -> bytes:
    """Encode the loudest stretch as a small MP3, at its true level.

    Parameters
    ----------
    source : BlockSource
        The sound.
    seconds : float
        Longest length of the preview.
    mono : bool
        Mix to one channel (half the size).
    """
    start, stop = loudest_span(source, seconds)
    audio = Audio.from_source(source, start=start, stop=stop)
    if mono:
        audio = audio.mono()
    if audio.sample_rate not in _MP3_RATES:
        audio = Audio.from_source(Resampled(audio, 44100))
    samples = np.clip(audio.samples.T, -1, 1)
    buffer = io.BytesIO()
    with sf.SoundFile(
        buffer, "w", audio.sample_rate, audio.channels, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.75
    ) as file:
        file.write(samples)
    return buffer.getvalue()


def audio_player(
    source: BlockSource, *, label: str = "", seconds: float = 30.0, mono: bool = True, compact: bool = False
) -> str:
    """Give HTML of a player whose sound lies in the page itself."""
    data = base64.b64encode(preview_mp3(source, seconds=seconds, mono=mono)).decode()
    title = f' title="{escape(label)}" aria-label="{escape(label)}"' if label else ""
    style = ' style="width:210px;height:30px"' if compact else ""
    return f'<audio controls preload="none"{style}{title} src="data:audio/mpeg;base64,{data}"></audio>'

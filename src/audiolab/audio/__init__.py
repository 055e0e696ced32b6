"""What a sound is: samples, files, block streams, rates, levels and musical time.

Conventions: audio is float32 of shape (channels, frames) with its own sample rate; full scale is 1.0;
positions are integer frames, `stop` is exclusive; only `to_frames` rounds seconds.
"""

from audiolab.audio.core import Audio
from audiolab.audio.resampling import Resampled, resample, resample_blocks
from audiolab.audio.source import BlockSource, Downmix, Mono, View, as_source, open_source, require_stereo
from audiolab.audio.tempo_map import Segment, TempoMap
from audiolab.audio.units import (
    Block,
    Bpm,
    Decibels,
    Frames,
    Lufs,
    Seconds,
    amplitude_to_db,
    db_to_amplitude,
    rescale_frames,
    to_frames,
    to_seconds,
)
from audiolab.audio.writing import AudioWriter, atomic_path, quantize, write_audio, write_blocks

__all__ = [
    "Audio",
    "AudioWriter",
    "Block",
    "BlockSource",
    "Bpm",
    "Decibels",
    "Downmix",
    "Frames",
    "Lufs",
    "Mono",
    "Resampled",
    "Seconds",
    "Segment",
    "TempoMap",
    "View",
    "amplitude_to_db",
    "as_source",
    "atomic_path",
    "db_to_amplitude",
    "open_source",
    "quantize",
    "require_stereo",
    "resample",
    "resample_blocks",
    "rescale_frames",
    "to_frames",
    "to_seconds",
    "write_audio",
    "write_blocks",
]

"""What a sound is: samples, files, block streams, rates, levels and musical time.

Conventions: audio is float32 of shape (channels, frames) with its own sample rate; full scale is 1.0;
positions are integer frames, `stop` is exclusive; only `to_frames` rounds seconds.
"""

from audiolab.audio.content import content_id, content_id_of_audio
from audiolab.audio.core import Audio
from audiolab.audio.derived import DerivedSource, Downmix, Mono, Named, View, require_stereo
from audiolab.audio.loudness import (
    Levels,
    LoudnessMeter,
    integrated_lufs,
    loudness_range,
    measure_levels,
    momentary_lufs,
    sample_peak_db,
    true_peak_db,
)
from audiolab.audio.mixing import Mixed, MixTrack, balance
from audiolab.audio.peaks import Peaks
from audiolab.audio.render import Render, Rendered, apply_render
from audiolab.audio.resampling import Resampled, resample, resample_blocks
from audiolab.audio.riff import Cue, Loop, read_riff
from audiolab.audio.riff_writing import append_chunks
from audiolab.audio.source import BlockSource, as_source, open_source
from audiolab.audio.tags import Tags, read_tags
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
    "Cue",
    "Decibels",
    "DerivedSource",
    "Downmix",
    "Frames",
    "Levels",
    "Loop",
    "LoudnessMeter",
    "Lufs",
    "MixTrack",
    "Mixed",
    "Mono",
    "Named",
    "Peaks",
    "Render",
    "Rendered",
    "Resampled",
    "Seconds",
    "Segment",
    "Tags",
    "TempoMap",
    "View",
    "amplitude_to_db",
    "append_chunks",
    "apply_render",
    "as_source",
    "atomic_path",
    "balance",
    "content_id",
    "content_id_of_audio",
    "db_to_amplitude",
    "integrated_lufs",
    "loudness_range",
    "measure_levels",
    "momentary_lufs",
    "open_source",
    "quantize",
    "read_riff",
    "read_tags",
    "require_stereo",
    "resample",
    "resample_blocks",
    "rescale_frames",
    "sample_peak_db",
    "to_frames",
    "to_seconds",
    "true_peak_db",
    "write_audio",
    "write_blocks",
]

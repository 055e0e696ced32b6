"""Slicing a plain file: `audiolab.stages.slice("loop.wav", to="cuts")`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiolab.audio import AudioWriter, Block, BlockSource, Frames, as_source, atomic_path, require_stereo
from audiolab.errors import ParameterError
from audiolab.stages.base import Cut, Progress, no_progress
from audiolab.stages.slicing.cutting import SliceParams, cut_sound, preset_for
from audiolab.stages.slicing.stage import cut_document, settings_of

__all__ = ["Slicing", "slice", "write_cuts"]


@dataclass(frozen=True, slots=True)
class Slicing:
    """The cuts of one sound.

    `files` holds the written WAV of each cut, in order, or nothing.
    """

    path: str
    sample_rate: int
    frames: Frames
    cuts: tuple[Cut, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab slice --json` prints."""
        samples = [
            {
                key: value
                for key, value in cut_document(cut, self.sample_rate).items()
                if key in {"start", "stop", "start_s", "stop_s", "onset_strength"}
            }
            for cut in self.cuts
        ]
        return {"path": self.path, "sample_rate": self.sample_rate, "samples": samples}

    def to_json(self, path: str | Path) -> Path:
        """Write the document to a file."""
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return Path(path)

    def __len__(self) -> int:
        return len(self.cuts)


def slice(
    sound: BlockSource | str | Path | tuple[Block, int],
    *,
    to: str | Path | None = None,
    progress: Progress | None = None,
    **params: Any,
) -> Slicing:
    """Cut a sound at its onsets.

    Parameters
    ----------
    sound : path, Audio, BlockSource or (array, sample_rate)
        Mono or stereo (more with `downmix`), any rate.
    to : path-like, optional
        A folder: each cut is written there as `<name>_<nnn>.wav`, 24 bit, or float where the sound
        exceeds full scale.
    progress : Progress, optional
        Called with work done and work in all.
    **params
        Fields of `SliceParams`: sensitivity, preset, min_gap, min_length, max_length, decay_db, downmix.

    Returns
    -------
    Slicing
        Cuts in order; none for silence.

    Raises
    ------
    AudioError
        If the file cannot be read or has more than two channels and `downmix` is off.
    ParameterError
        If a parameter is unknown or out of range.
    """
    wanted = _params(params)
    source = require_stereo(as_source(sound), downmix=wanted.downmix)
    preset = preset_for(wanted, None)
    cuts = cut_sound(source, wanted, progress=progress or no_progress)
    path = str(sound) if isinstance(sound, (str, Path)) else source.name
    files = write_cuts(source, cuts, Path(to)) if to is not None else ()
    settings = {"preset": preset, **settings_of(wanted, preset)}
    return Slicing(path, source.sample_rate, source.frames, cuts, settings, files)


def _params(params: dict[str, Any]) -> SliceParams:
    from pydantic import ValidationError

    try:
        return SliceParams(**params)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ParameterError(f"slice: {problems}; it takes {', '.join(SliceParams.model_fields)}") from error


def write_cuts(source: BlockSource, cuts: Sequence[Cut], folder: Path) -> tuple[Path, ...]:
    """Write every cut to `<name>_<nnn>.wav` in one pass over the source."""
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(source.name).stem.replace("/", "_").replace("\0", "_")[:200] or "cut"
    # One subtype for the whole set: float keeps samples beyond full scale that 24 bit would clip.
    over = any(float(cut.facts.get("peak_db", 0.0)) > 0.0 for cut in cuts)
    digits = max(3, len(str(len(cuts))))
    files = tuple(folder / f"{name}_{number:0{digits}d}.wav" for number in range(1, len(cuts) + 1))
    position = 0
    blocks = iter(source.blocks())
    held: Block | None = None
    for cut, file in zip(cuts, files, strict=True):
        with AudioWriter(
            file,
            source.sample_rate,
            source.channels,
            subtype="FLOAT" if over else "PCM_24",
            frames=cut.stop - cut.start,
        ) as writer:
            while position < cut.stop:
                block = held if held is not None else next(blocks)
                stop = position + block.shape[1]
                writer.write(block[:, max(0, cut.start - position) : max(0, cut.stop - position)])
                if stop > cut.stop:
                    held = block[:, cut.stop - position :]
                    position = cut.stop
                else:
                    held, position = None, stop
    return files

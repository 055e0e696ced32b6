"""Slicing a plain file: `audiolab.stages.slice("loop.wav", to="cuts")`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiolab.audio import (
    AudioWriter,
    Block,
    BlockSource,
    Frames,
    Render,
    Rendered,
    TempoMap,
    View,
    as_source,
    atomic_path,
    require_stereo,
)
from audiolab.errors import ParameterError
from audiolab.stages.base import Cut, Progress, no_progress
from audiolab.stages.slicing.cutting import cut_sound
from audiolab.stages.slicing.params import MUSICAL, SliceParams, preset_for, settings_of
from audiolab.stages.slicing.stage import cut_document
from audiolab.stages.slicing.sweeping import sweep

__all__ = ["Slicing", "slice", "write_cuts"]

_LEVELS = frozenset({"peak_db", "rms_db"})


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
        """Give the document that `audiolab slice --json` prints.

        Each sample has start, stop, start_s, stop_s, onset_strength (null but for onsets) and what the mode knows.
        """
        samples = []
        for cut in self.cuts:
            document = {"onset_strength": None, **cut_document(cut, self.sample_rate)}
            samples.append({key: value for key, value in document.items() if key not in _LEVELS})
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
    tempo_map: TempoMap | None = None,
    lyrics: Mapping[str, Any] | str | Path | None = None,
    progress: Progress | None = None,
    **params: Any,
) -> Slicing:
    """Cut a sound: at onsets, beats, bars, a grid, silences, words, into loops or equal parts.

    Parameters
    ----------
    sound : path, Audio, BlockSource or (array, sample_rate)
        Mono or stereo (more with `downmix`), any rate.
    to : path-like, optional
        A folder: each cut is written there as `<name>_<nnn>.wav`, 24 bit, or float where the sound
        exceeds full scale.
    tempo_map : TempoMap, optional
        For beats, bars, grid and loops. Without it, and without `bpm`, the sound is analysed first.
    lyrics : mapping or path-like, optional
        For words: what `audiolab lyrics --json` prints, or the file with it. Without it the sound is transcribed first.
    progress : Progress, optional
        Called with work done and work in all.
    **params
        Fields of `SliceParams`: mode, sensitivity, preset, min_gap, decay_db, choke; bpm, first_downbeat, division,
        bars, parts, partial; silence_db, min_silence, padding; min_length, max_length, snap, trim, trim_db, fade_in,
        fade_out, remove_dc, mono, downmix.

    Returns
    -------
    Slicing
        Cuts in order; none for silence.

    Raises
    ------
    AudioError
        If the file cannot be read or has more than two channels and `downmix` is off.
    ParameterError
        If a parameter is unknown or out of range, or the sound has no beat to cut at.
    StageSkipped
        If words are asked for and can neither be read nor transcribed here.
    """
    wanted = _params(params)
    source = require_stereo(as_source(sound), downmix=wanted.downmix)
    hook = progress or no_progress
    if wanted.mode in MUSICAL and wanted.bpm is None and tempo_map is None:
        tempo_map = _find_tempo(source, wanted, lambda done, total: hook(0.7 * done / total if total else 0.0, 1.0))
        cutting: Progress = lambda done, total: hook(0.7 + 0.3 * (done / total if total else 1.0), 1.0)  # noqa: E731
    else:
        cutting = hook
    words = _find_words(sound, source, lyrics) if wanted.mode == "words" else None
    cuts = cut_sound(source, wanted, tempo_map=tempo_map, lyrics=words, progress=cutting)
    path = str(sound) if isinstance(sound, (str, Path)) else source.name
    files = write_cuts(source, cuts, Path(to)) if to is not None else ()
    preset = preset_for(wanted, None)
    settings = {"preset": preset, **settings_of(wanted, preset)}
    return Slicing(path, source.sample_rate, source.frames, cuts, settings, files)


def _params(params: dict[str, Any]) -> SliceParams:
    from pydantic import ValidationError

    try:
        return SliceParams(**params)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()
        )
        raise ParameterError(f"slice: {problems}; it takes {', '.join(SliceParams.model_fields)}") from error


def _find_tempo(source: BlockSource, params: SliceParams, progress: Progress) -> TempoMap:
    from audiolab.stages.analysis import AnalyzeParams, analyze_sound

    found = analyze_sound(source, AnalyzeParams(downmix=params.downmix), progress=progress).tempo_map
    if found is None:
        raise ParameterError(
            f"{source.name!r} has no beat that can be found, so it cannot be cut into {params.mode}: "
            "pass its tempo (bpm, and first_downbeat in seconds)"
        )
    return found


def _find_words(
    sound: BlockSource | str | Path | tuple[Block, int],
    source: BlockSource,
    lyrics: Mapping[str, Any] | str | Path | None,
) -> Mapping[str, Any]:
    if lyrics is None:
        from audiolab.stages.words import lyrics as transcribe

        return transcribe(sound if isinstance(sound, (str, Path)) else source).document()
    if isinstance(lyrics, (str, Path)):
        try:
            lyrics = json.loads(Path(lyrics).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ParameterError(f"the lyrics {str(lyrics)!r} cannot be read: {error}") from error
    if not isinstance(lyrics, Mapping) or not isinstance(lyrics.get("segments"), list):
        raise ParameterError("lyrics must be a document as `audiolab lyrics --json` prints it, with `segments`")
    return lyrics


def write_cuts(source: BlockSource, cuts: Sequence[Cut], folder: Path) -> tuple[Path, ...]:
    """Write every cut, with its render applied, to `<name>_<nnn>.wav`; plain ones in one pass over the source."""
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(source.name).stem.replace("/", "_").replace("\0", "_")[:200] or "cut"
    # One subtype for the whole set: float keeps samples beyond full scale that 24 bit would clip.
    over = any(float(cut.facts.get("peak_db", 0.0)) > 0.0 for cut in cuts)
    digits = max(3, len(str(len(cuts))))
    files = tuple(folder / f"{name}_{number:0{digits}d}.wav" for number in range(1, len(cuts) + 1))
    subtype = "FLOAT" if over else "PCM_24"
    plain = [index for index, cut in enumerate(cuts) if not cut.facts.get("render")]
    _write_plain(source, [cuts[index] for index in plain], [files[index] for index in plain], subtype)
    for cut, file in zip(cuts, files, strict=True):
        if render := Render.from_dict(cut.facts.get("render")):
            made = Rendered(View(source, cut.start, cut.stop), render)
            with AudioWriter(file, made.sample_rate, made.channels, subtype=subtype, frames=made.frames) as writer:
                for block in made.blocks():
                    writer.write(block)
    return files


def _write_plain(source: BlockSource, cuts: Sequence[Cut], files: Sequence[Path], subtype: str) -> None:
    """Write cuts in one pass; as many files are open as cuts overlap."""
    opened: dict[int, tuple[AudioWriter, ExitStack]] = {}
    with ExitStack() as all_files:
        for index, offset, part in sweep(source, [(cut.start, cut.stop) for cut in cuts]):
            length = cuts[index].stop - cuts[index].start
            if index not in opened:
                stack = all_files.enter_context(ExitStack())
                writer = AudioWriter(files[index], source.sample_rate, source.channels, subtype=subtype, frames=length)
                opened[index] = (stack.enter_context(writer), stack)
            writer, stack = opened[index]
            writer.write(part)
            if offset + part.shape[1] == length:
                stack.close()
                del opened[index]

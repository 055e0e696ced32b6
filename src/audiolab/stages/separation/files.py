"""`separate` on a plain file, without a library."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audiolab.audio import Audio, Block, BlockSource, as_source, atomic_path
from audiolab.config import available_cores
from audiolab.errors import AudioError, ParameterError
from audiolab.stages.base import NewSound, Progress, SoundInput, StageInput, StageOutput, no_progress
from audiolab.stages.separation.pairs import rest_of
from audiolab.stages.separation.stage import Separate, SeparateParams

__all__ = ["Separation", "Stem", "safe_name", "separate"]

_USUAL_STEMS = ("drums", "bass", "other", "vocals", "guitar", "piano")


@dataclass(frozen=True, slots=True)
class Stem:
    """One stem of a separated sound."""

    name: str
    audio: Audio | None
    """The samples, if no folder was given."""
    path: Path | None
    """The file, if a folder was given."""
    facts: Mapping[str, Any]
    """The quality card: `energy_share`, `energy_share_unfolded` (before the residual was folded in), `level_lufs`,
    `peak_db`, `silence_share`, `bleed_db`, `bleed_from`; see `measure`."""

    def load(self) -> Audio:
        """Give the samples, from memory or from the file."""
        if self.audio is not None:
            return self.audio
        assert self.path is not None
        return Audio.from_file(self.path)


@dataclass(frozen=True, slots=True)
class Separation:
    """What `separate` gives back."""

    path: str
    """The separated file, or the name of the sound."""
    engine: str
    weights: str | None
    profile: Mapping[str, str]
    sample_rate: int
    frames: int
    null_db: float
    """RMS of (mix - sum of the stems as stored) against the mix's, in dB; -240 when exactly zero."""
    stems: dict[str, Stem]
    document: Mapping[str, Any] = field(default_factory=dict)
    """The stage's own document."""
    notes: tuple[str, ...] = ()

    def __getitem__(self, stem: str) -> Audio:
        return self.stems[stem].load()

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON of `audiolab separate --json`."""
        return {
            "path": self.path,
            "engine": self.engine,
            "weights": self.weights,
            "profile": dict(self.profile),
            "sample_rate": self.sample_rate,
            "frames": self.frames,
            "null_db": self.null_db,
            "stems": {
                name: {"path": None if stem.path is None else str(stem.path), **stem.facts}
                for name, stem in self.stems.items()
            },
        }

    def to_json(self, path: str | Path) -> Path:
        """Write `to_dict` to a file."""
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return Path(path)


def separate(
    sound: BlockSource | str | Path | tuple[Block, int],
    *,
    to: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **params: Any,
) -> Separation:
    """Separate a song into stems that add up to it exactly.

    Parameters
    ----------
    sound : path, Audio, (array, sample_rate) or BlockSource
        Mono or stereo, any rate and length.
    to : path-like, optional
        Folder (made if need be) for `<song>_<stem>.flac`, or `.wav` (float32) for all stems where one exceeds
        full scale. Without it the stems come back in memory.
    overwrite : bool
        Replace files that are already there.
    progress : Progress, optional
        Called with frames done and in all; may raise `Cancelled`.
    **params
        Fields of `SeparateParams`: engine, model, preset (fast, default, best), overlap, shifts, dtype, segment,
        two_stems, device, subtype, downmix.

    Returns
    -------
    Separation
        Stems with their facts.

    Raises
    ------
    ParameterError
        If a parameter is unknown or makes no sense, or a target exists and `overwrite` is off.
    AudioError
        If the sound is damaged, has more than two channels and `downmix` is off, or cannot be written.
    ModelError
        If an engine was named whose weights are missing; the message tells the two ways to get them.

    Examples
    --------
    >>> result = separate("song.wav", to="stems")  # doctest: +SKIP
    >>> result.stems["drums"].path  # doctest: +SKIP
    PosixPath('stems/song_drums.flac')
    """
    stage, source = Separate(), as_source(sound)
    wanted = _params(params)
    resolved = stage.resolve(wanted)
    if "threads" in resolved.profile:  # nothing else works beside it, as on a worker
        resolved = replace(resolved, profile={**resolved.profile, "threads": str(available_cores())})
    if source.frames == 0:
        raise AudioError(f"{source.name!r} holds no audio (0 frames)")
    folder = None if to is None else _folder(to)
    song = safe_name(Path(source.name).stem if isinstance(sound, (str, Path)) else source.name)
    if folder is not None and not overwrite:
        expected = (wanted.two_stems, rest_of(wanted.two_stems)) if wanted.two_stems else _USUAL_STEMS
        _refuse_existing(folder, song, expected)
    # The scratch folder is in the target folder, so that finished stems are renamed and never copied.
    with tempfile.TemporaryDirectory(prefix=".separate-", dir=folder) as scratch:
        job = StageInput(
            (SoundInput("file", source.name, "song", source),), Path(scratch), progress=progress or no_progress
        )
        output = stage.run(job, resolved)
        if folder is None:
            stems = {str(new.stem): Stem(str(new.stem), _load(new, song), None, new.facts) for new in output.sounds}
        else:
            stems = _keep(output.sounds, folder, song, overwrite=overwrite)
    return _collect(str(sound) if isinstance(sound, (str, Path)) else source.name, output, stems)


def _collect(path: str, output: StageOutput, stems: dict[str, Stem]) -> Separation:
    facts = output.document
    return Separation(
        path,
        facts["engine"],
        facts["weights"],
        facts["profile"],
        facts["sample_rate"],
        facts["frames"],
        facts["null_db"],
        stems,
        facts,
        output.notes,
    )


def _params(params: dict[str, Any]) -> SeparateParams:
    from pydantic import ValidationError

    try:
        return SeparateParams(**params)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        known = ", ".join(SeparateParams.model_fields)
        raise ParameterError(f"separate: {where}: {first['msg']} (parameters: {known})") from None


def _folder(to: str | Path) -> Path:
    folder = Path(to).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioError(f"cannot make the folder {str(folder)!r}: {error}") from error
    return folder


def safe_name(name: str) -> str:
    """Make a song's name fit for a file name on every system: one line, no separators, at most 150 bytes."""
    clean = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]+', "_", name).strip(" .")
    while len(clean.encode("utf-8", "replace")) > 150:
        clean = clean[:-1]
    return clean.strip(" .") or "song"


def _targets(folder: Path, song: str, stem: str) -> dict[str, Path]:
    return {suffix: folder / f"{song}_{safe_name(stem)}{suffix}" for suffix in (".flac", ".wav")}


def _refuse_existing(folder: Path, song: str, stems: Iterable[str]) -> None:
    for stem in stems:
        for path in _targets(folder, song, stem).values():
            if path.exists() or path.is_symlink():
                raise ParameterError(
                    f"{str(path)!r} is already there; pass overwrite=True to replace it, or choose another folder"
                )


def _load(new: NewSound, song: str) -> Audio:
    audio = Audio.from_file(new.path)
    return Audio(audio.samples, audio.sample_rate, f"{song}_{new.stem}")


def _keep(sounds: Sequence[NewSound], folder: Path, song: str, *, overwrite: bool) -> dict[str, Stem]:
    """Rename finished stems to where they belong."""
    if not overwrite:  # again: engines may have other stems than usual, and time has passed
        _refuse_existing(folder, song, [str(new.stem) for new in sounds])
    kept = {}
    for new in sounds:
        targets = _targets(folder, song, str(new.stem))
        os.replace(new.path, targets[new.path.suffix])
        for suffix, path in targets.items():
            if suffix != new.path.suffix:  # the same stem in the other format would be a stale one
                path.unlink(missing_ok=True)
        kept[str(new.stem)] = Stem(str(new.stem), None, targets[new.path.suffix], new.facts)
    return kept

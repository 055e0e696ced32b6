"""Analysing a plain file: `audiolab.stages.analyze("song.mp3")`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.audio import Block, BlockSource, TempoMap, as_source, atomic_path
from audiolab.errors import ParameterError
from audiolab.stages.analysis.analysis import AnalyzeParams, Findings, analyze_sound
from audiolab.stages.base import Progress, no_progress

__all__ = ["Analysis", "analyze"]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found about one sound."""

    path: str
    """The file, or the name of a sound in memory."""
    findings: Findings

    @property
    def bpm(self) -> float | None:
        """The tempo, or None if there is no beat."""
        return self.findings.tempo.bpm

    @property
    def tempo_map(self) -> TempoMap | None:
        """Beats and bars, or None if there is no beat."""
        return self.findings.tempo_map

    @property
    def key(self) -> str | None:
        """Tonic and mode, e.g. "A minor"."""
        return self.findings.key.name

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab analyze --json` prints."""
        return {"path": self.path, **self.findings.to_dict()}

    def to_json(self, path: str | Path) -> Path:
        """Write `to_dict` to a file."""
        with atomic_path(path) as temporary:
            text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        return Path(path)

    def __repr__(self) -> str:
        tempo = f"{self.bpm:.2f} bpm" if self.bpm else "no beat"
        return f"Analysis({self.path!r}, {self.findings.duration:.1f} s, {tempo}, {self.key or 'no key'})"


def analyze(
    sound: BlockSource | str | Path | tuple[Block, int], *, progress: Progress | None = None, **params: Any
) -> Analysis:
    """Find tempo, beats, downbeats, meter, key and levels of a sound.

    Parameters
    ----------
    sound : path, Audio, BlockSource or (array, sample_rate)
        Mono or stereo, any rate and length.
    progress : Progress, optional
        Called with work done and work in all.
    **params
        Fields of `AnalyzeParams`: downmix.

    Returns
    -------
    Analysis
        Silence has no tempo (None, confidence 0), no beats and no key.

    Raises
    ------
    AudioError
        If the file cannot be read, or has more than two channels and `downmix` is off.
    ParameterError
        If a parameter is unknown.
    """
    from pydantic import ValidationError

    try:
        wanted = AnalyzeParams(**params)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ParameterError(f"analyze: {problems}; it takes {', '.join(AnalyzeParams.model_fields)}") from error
    source = as_source(sound)
    findings = analyze_sound(source, wanted, progress=progress or no_progress)
    return Analysis(str(sound) if isinstance(sound, (str, Path)) else source.name, findings)

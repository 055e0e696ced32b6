"""All of it: what `analyze` says about a sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from audiolab.audio import BlockSource, Bpm, Decibels, Lufs, Seconds, TempoMap, require_stereo
from audiolab.audio.loudness import measure_levels
from audiolab.stages.analysis.features import Features, gather
from audiolab.stages.analysis.framing import Folded, survey
from audiolab.stages.analysis.judging import Verdict, confidence_of, read_rhythm
from audiolab.stages.analysis.key import Key, find_key
from audiolab.stages.analysis.mapping import beat_times, map_beats
from audiolab.stages.base import Params, Progress, no_progress

__all__ = ["AnalyzeParams", "Findings", "Tempo", "analyze_sound"]


class AnalyzeParams(Params):
    """Parameters of the analysis."""

    downmix: bool = Field(False, description="Mix more than two channels to stereo first")


@dataclass(frozen=True, slots=True)
class Tempo:
    """The tempo and what else it may be."""

    bpm: Bpm | None = None
    confidence: float = 0.0
    """The chance to be right within 4 %, half and double being wrong; calibrated on rendered music and noise."""
    candidates: tuple[tuple[Bpm, float], ...] = ()
    """Tempos with their share of the judgement, likeliest first; half and double are always among them."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "bpm": self.bpm,
            "confidence": self.confidence,
            "candidates": [{"bpm": bpm, "confidence": share} for bpm, share in self.candidates],
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything found; times in seconds."""

    duration: Seconds
    tempo: Tempo
    tempo_map: TempoMap | None
    """None if there is no beat to find."""
    meter_confidence: float
    steady: bool
    key: Key
    lufs: Lufs | None
    true_peak_db: Decibels
    lra: float | None = None
    """Loudness range in LU; None below 3 s."""

    @property
    def meter(self) -> str | None:
        """Beats a bar as musicians write it: 3/4 or 4/4."""
        return f"{self.tempo_map.beats_per_bar}/4" if self.tempo_map else None

    def to_dict(self) -> dict[str, Any]:
        """Give the analysis as JSON, without the path."""
        document: dict[str, Any] = {
            "duration": self.duration,
            "tempo": self.tempo.to_dict(),
            "meter": self.meter,
            "meter_confidence": self.meter_confidence,
            "steady": self.steady,
            "beats": self.tempo_map.beats(self.duration).tolist() if self.tempo_map else [],
            "downbeats": self.tempo_map.downbeats(self.duration).tolist() if self.tempo_map else [],
            "key": self.key.to_dict(),
            "tuning_cents": self.key.tuning,
            "lufs": self.lufs,
            "true_peak_db": self.true_peak_db,
            "lra": self.lra,
        }
        if self.tempo_map:
            document["tempo_map"] = self.tempo_map.to_dict()
        return document


def analyze_sound(source: BlockSource, params: AnalyzeParams, *, progress: Progress = no_progress) -> Findings:
    """Analyse a sound: tempo, beats, bars, key, loudness.

    Parameters
    ----------
    source : BlockSource
        Mono or stereo (more with `downmix`), any rate and length. It is read a few times in blocks.
    params : AnalyzeParams
        See there.
    progress : Progress
        Called with the share done, of 1.

    Raises
    ------
    AudioError
        If the file turns out to be damaged or has too many channels.
    """
    source = require_stereo(source, downmix=params.downmix)
    duration = source.frames / source.sample_rate
    levels = measure_levels(source)
    measured = (levels.lufs, levels.true_peak_db, levels.lra)
    progress(0.25, 1.0)
    heard = survey(source, lambda done, total: progress(0.25 + 0.1 * done / total, 1.0))
    if heard.silent:
        progress(1.0, 1.0)
        return Findings(duration, Tempo(), None, 0.0, False, Key(), *measured)
    features = gather(source, heard, progress=lambda done, total: progress(0.35 + 0.5 * done / total, 1.0))
    key = find_key(features)
    verdict = read_rhythm(features)
    progress(0.95, 1.0)
    if verdict is None or len(verdict.beats) < 2:
        found = Findings(duration, Tempo(), None, 0.0, False, key, *measured)
    else:
        times = beat_times(verdict, Folded(source, heard.weights, heard.offset))
        tempo_map, steady = map_beats(times, verdict, duration)
        tempo = _tempo(verdict, features, tempo_map.bpm(duration))
        certain = round(verdict.meter_probability, 4)
        found = Findings(duration, tempo, tempo_map, certain, steady, key, *measured)
    progress(1.0, 1.0)
    return found


def _tempo(verdict: Verdict, features: Features, bpm: Bpm) -> Tempo:
    """Put the tempo of the map, which is exact, in the place of the likeliest candidate, and add half and double."""
    candidates = [(bpm, verdict.tempos[0][1]), *verdict.tempos[1:]]
    for factor in (2.0, 0.5):
        if all(abs(other / (bpm * factor) - 1) > 0.03 for other, _ in candidates):
            candidates.append((bpm * factor, 0.0))
    confidence = confidence_of(verdict, features.duration)
    return Tempo(bpm, round(confidence, 4), tuple((tempo, round(share, 4)) for tempo, share in candidates))

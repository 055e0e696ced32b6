"""One stage beside its metrics: which songs it can be scored on, and how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from audiolab.benchmarking.drum_classes import drum_class
from audiolab.benchmarking.folder import MIX, Song, Track
from audiolab.benchmarking.pitches import note_scores
from audiolab.benchmarking.rhythm import (
    beat_scores,
    drum_counts,
    drum_f,
    key_score,
    merge_close,
    onset_scores,
    tempo_scores,
)
from audiolab.benchmarking.signals import bss_sdr, sdr, si_sdr
from audiolab.benchmarking.truth import Truth
from audiolab.errors import AudioError

__all__ = ["SCORERS", "Scorer", "Task"]

Task = tuple[Track, Truth]
Scores = dict[str, Any]


class Scorer(ABC):
    """How one stage is scored. Numbers in scores are metrics; NaN means that there was nothing to score."""

    stage: ClassVar[str]
    """Name in the registry of stages."""
    fixed: ClassVar[Mapping[str, Any]] = {}
    """Parameters that the benchmark itself sets."""
    needs: ClassVar[str]
    """What a song must have, in words."""

    @abstractmethod
    def tasks(self, song: Song) -> list[Task]:
        """List the tracks of a song that can be scored, with their truth; none if nothing is annotated."""

    @abstractmethod
    def score(self, song: Song, task: Task, params: Mapping[str, Any], *, baseline: bool) -> Scores:
        """Run the stage on a track and compare."""

    def pooled(self, items: Sequence[Mapping[str, Any]]) -> Scores:
        """Score all items as if they were one, where that says more than the mean."""
        return {}


class _Separate(Scorer):
    stage = "separate"
    needs = "mix.* and at least one of its true stems (drums.*, bass.*, other.*, vocals.*)"

    def tasks(self, song: Song) -> list[Task]:
        return [(song.mix, Truth())] if song.mix is not None and song.stems else []

    def score(self, song: Song, task: Task, params: Mapping[str, Any], *, baseline: bool) -> Scores:
        from audiolab.audio import Audio
        from audiolab.stages import separate

        mix = Audio.from_file(task[0].path)
        found = separate(mix, **params)
        values: Scores = {}
        for name, track in song.stems.items():
            if name not in found.stems:
                continue
            true = Audio.from_file(track.path)
            if (true.sample_rate, true.samples.shape) != (mix.sample_rate, mix.samples.shape):
                raise AudioError(f"{str(track.path)!r} is not of the mix's rate, channels and length")
            estimate = found[name].samples
            for metric, measure in (("si_sdr", si_sdr), ("sdr", sdr), ("bss_sdr", bss_sdr)):
                values[f"{name}_{metric}"] = measure(true.samples, estimate)
            if baseline:
                values[f"mix_{name}_si_sdr"] = si_sdr(true.samples, mix.samples)
                values[f"mix_{name}_sdr"] = sdr(true.samples, mix.samples)
        for metric in ("si_sdr", "sdr", "bss_sdr"):
            rows = [values.get(f"{name}_{metric}", float("nan")) for name in song.stems]
            there = [row for row in rows if not np.isnan(row)]
            values[metric] = float(np.mean(there)) if there else float("nan")
        return {"engine": found.engine, **values}


class _Slice(Scorer):
    stage = "slice"
    needs = "onsets.csv (time[,label]), or onsets in a JAMS file"

    def tasks(self, song: Song) -> list[Task]:
        if song.drums is not None:
            drums, truth = song.drums
            found = [(drums, truth)]
        else:
            found = []
        for track in song.tracks.values():
            truth = track.truth(["onsets"])
            if truth.onsets and all(truth.onsets != known.onsets for _, known in found):
                found.append((track, truth))
        return found

    def score(self, song: Song, task: Task, params: Mapping[str, Any], *, baseline: bool) -> Scores:
        from audiolab.stages import slice as slice_sound

        track, truth = task
        true = merge_close(time for time, _ in truth.onsets or ())
        chosen = {"preset": "drums", **params} if track.name == "drums" else dict(params)
        cuts = slice_sound(track.path, **chosen)
        scores: Scores = dict(onset_scores(true, [cut.start / cuts.sample_rate for cut in cuts.cuts]))
        if baseline:
            from audiolab.benchmarking.baselines import librosa_onsets

            plain = onset_scores(true, librosa_onsets(track.path))
            scores |= {f"librosa_{name}": plain[name] for name in ("f", "start_error_ms")}
        return scores


class _Analyze(Scorer):
    stage = "analyze"
    needs = "beats.csv (time,position), tempo.txt or key.txt, or those in a JAMS file"

    def tasks(self, song: Song) -> list[Task]:
        found = [(track, track.truth(["beats", "tempo", "key"])) for track in song.tracks.values()]
        return [(track, truth) for track, truth in found if truth.bpm is not None or truth.key is not None]

    def score(self, song: Song, task: Task, params: Mapping[str, Any], *, baseline: bool) -> Scores:
        from audiolab.stages import analyze

        track, truth = task
        document = analyze(track.path, **params).to_dict()
        tempo, meter, key = document["tempo"]["bpm"], document["meter"], document["key"]
        scores: Scores = {"bpm": tempo}
        if truth.bpm is not None:
            scores |= {"true_bpm": truth.bpm, **tempo_scores(truth.bpm, tempo)}
        if truth.beats is not None:
            scores |= {f"beat_{name}": value for name, value in beat_scores(truth.beats, document["beats"]).items()}
        if truth.downbeats is not None:
            scores["downbeat_f"] = beat_scores(truth.downbeats, document["downbeats"])["f"]
        if truth.meter is not None:
            scores["meter_right"] = float(meter is not None and int(str(meter).split("/")[0]) == truth.meter)
        if truth.key is not None:
            scores["key"] = key_score(truth.key, f"{key['tonic']} {key['mode']}" if key["tonic"] else None)
        if baseline and truth.bpm is not None:
            from audiolab.benchmarking.baselines import librosa_beats

            plain, beats = librosa_beats(track.path)
            scores |= {f"librosa_{name}": value for name, value in tempo_scores(truth.bpm, plain).items()}
            if truth.beats is not None:
                scores["librosa_beat_f"] = beat_scores(truth.beats, beats)["f"]
        return scores


class _Midi(Scorer):
    stage = "midi"
    needs = "notes.csv (start,end,pitch) or a MIDI file of the audio's name, or notes in a JAMS file"

    def tasks(self, song: Song) -> list[Task]:
        found = [(track, track.truth(["notes"])) for name, track in song.tracks.items() if name != "drums"]
        return [(track, truth) for track, truth in found if truth.notes]

    def score(self, song: Song, task: Task, params: Mapping[str, Any], *, baseline: bool) -> Scores:
        track, truth = task
        chosen = {"preset": track.name if track.name in {"bass", "vocals"} else "other", **params}
        scores: Scores = {"preset": chosen["preset"], **self._score(track, truth, chosen)}
        if baseline and chosen["preset"] != "basic-pitch":
            plain = self._score(track, truth, {"preset": "basic-pitch"})
            scores |= {f"basic_pitch_{name}": plain[name] for name in ("onset_f", "f", "offset_f")}
        return scores

    @staticmethod
    def _score(track: Track, truth: Truth, params: Mapping[str, Any]) -> dict[str, float]:
        from audiolab.stages import midi

        # Notes do not depend on the tempo; naming one saves the analysis.
        found = midi(track.path, bpm=120.0, **params).notes
        return note_scores(truth.notes or (), [(note.start, note.end, float(note.pitch)) for note in found])


class _Drums(Scorer):
    stage = "midi"
    fixed: ClassVar[Mapping[str, Any]] = {"preset": "drums"}
    needs = "onsets.csv with drum labels (KD, SD, HH, TT, CY, or names such as kick), or drums.mid"

    def tasks(self, song: Song) -> list[Task]:
        return [] if song.drums is None else [song.drums]

    def score(self, song: Song, task: Task, params: Mapping[str, Any], *, baseline: bool) -> Scores:
        from audiolab.stages import midi

        track, truth = task
        true: dict[str, list[float]] = {}
        for time, label in truth.onsets or ():
            if (name := drum_class(label)) is not None:
                true.setdefault(name, []).append(time)
        found: dict[str, list[float]] = {}
        for note in midi(track.path, bpm=120.0, **params).notes:
            if (name := drum_class(note.pitch)) is not None:
                found.setdefault(name, []).append(note.start)
        counts = {window: drum_counts(true, found, window=window / 1000) for window in (50, 30)}
        scores = {f"{name}_f" if name.isupper() or name == "all" else name: v for name, v in drum_f(counts[50]).items()}
        return {
            **scores,
            "all_f_30ms": drum_f(counts[30])["all"],
            "counts": {label: row.tolist() for label, row in counts[50].items()},
            "counts_30ms": {label: row.tolist() for label, row in counts[30].items()},
        }

    def pooled(self, items: Sequence[Mapping[str, Any]]) -> Scores:
        """Count the hits of all songs together, so that a class with few hits weighs little."""
        if not items:
            return {}

        def total(counts: str) -> dict[str, Any]:
            return {label: np.sum([item[counts][label] for item in items], axis=0) for label in items[0][counts]}

        scores = {
            f"{name}_f" if name.isupper() or name == "all" else name: value
            for name, value in drum_f(total("counts")).items()
        }
        return {**scores, "all_f_30ms": drum_f(total("counts_30ms"))["all"]}


class _Lyrics(Scorer):
    stage = "lyrics"
    needs = "lyrics.txt or words.csv (start,end,word), or lyrics in a JAMS file"

    def tasks(self, song: Song) -> list[Task]:
        for name in ("vocals", MIX):
            written = song.tracks.get(name)
            if written is None:
                continue
            truth = written.truth(["lyrics", "words"])
            if truth.lyrics is not None:
                return [(song.tracks.get("vocals", written), truth)]
        return []

    def score(self, song: Song, task: Task, params: Mapping[str, Any], *, baseline: bool) -> Scores:
        from audiolab.stages import lyrics
        from audiolab.stages.words.measuring import wer, word_times

        track, truth = task
        sheet = lyrics(track.path, **params)
        scores: Scores = {"language": sheet.language, "wer": wer(truth.lyrics or "", sheet.text)}
        if truth.words:
            words = [(word.start, word.end, word.word) for word in sheet.words]
            scores |= {f"word_{name}": value for name, value in word_times(list(truth.words), words).items()}
        return scores


SCORERS: Mapping[str, Scorer] = {
    "separate": _Separate(),
    "slice": _Slice(),
    "analyze": _Analyze(),
    "midi": _Midi(),
    "drums": _Drums(),
    "lyrics": _Lyrics(),
}
"""By the name that `audiolab bench` takes; `drums` is the stage midi on drums."""

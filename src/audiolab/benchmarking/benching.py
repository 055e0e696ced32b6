"""Going through a folder of annotated songs with one stage."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median
from typing import Any

from audiolab.audio import atomic_path
from audiolab.benchmarking.folder import MIX, Song, find_songs
from audiolab.benchmarking.scorers import SCORERS, Scorer, Task
from audiolab.benchmarking.tables import AnnotationError
from audiolab.errors import AudiolabError, Cancelled, MissingDependency, ParameterError
from audiolab.stages.base import Progress, Resolved, StageSkipped, no_progress
from audiolab.stages.registry import get_stage
from audiolab.weights import hash_file

__all__ = ["EXACT_DB", "Bench", "bench"]

EXACT_DB = 300.0
"""What JSON and MLflow hold for an infinite ratio in dB (an exact stem), since they know no infinity."""


@dataclass(frozen=True)
class Bench:
    """Scores of one stage on one folder."""

    stage: str
    data: str
    params: Mapping[str, Any]
    """Resolved: with every default filled in."""
    items: Sequence[Mapping[str, Any]]
    """One a scored track: name, metrics, seconds."""
    pooled: Mapping[str, Any] = field(default_factory=dict)
    skipped: Sequence[Mapping[str, str]] = ()
    """Songs without the annotation that the stage is scored by, and why."""
    failed: Sequence[Mapping[str, str]] = ()
    """Songs whose annotation or audio is bad."""
    seconds: float = 0.0
    engine: str = ""
    weights: str | None = None
    data_hash: str = ""
    """Of all audio and annotations that were scored."""

    @property
    def metrics(self) -> list[str]:
        """Name the metrics, in the order of their first use."""
        names = dict.fromkeys(name for item in self.items for name, value in item.items() if _is_metric(value))
        return [name for name in names if name not in {"bpm", "true_bpm"}]

    def _summary(self, how: Any) -> dict[str, float | None]:
        columns = {name: [float(i[name]) for i in self.items if _is_metric(i.get(name))] for name in self.metrics}
        rows = {name: [v for v in values if not math.isnan(v)] for name, values in columns.items()}
        return {name: float(how(values)) if values else None for name, values in rows.items()}

    @property
    def mean(self) -> dict[str, float | None]:
        """Give the mean of each metric over the tracks that have it."""
        return self._summary(mean)

    @property
    def median(self) -> dict[str, float | None]:
        """Give the median of each metric over the tracks that have it."""
        return self._summary(median)

    def to_dict(self) -> dict[str, Any]:
        """Give the document of `audiolab bench --json`: NaN is null, an infinite ratio 300 dB."""
        document = {
            "stage": self.stage,
            "data": self.data,
            "params": dict(self.params),
            "engine": self.engine,
            "weights": self.weights,
            "data_hash": self.data_hash,
            "items": [dict(item) for item in self.items],
            "mean": self.mean,
            "median": self.median,
            "pooled": dict(self.pooled),
            "skipped": list(self.skipped),
            "failed": list(self.failed),
            "seconds": self.seconds,
        }
        plain: dict[str, Any] = _plain(document)
        return plain

    def write(self, path: str | Path) -> Path:
        """Write JSON or, for a name that ends in .csv, one row a track and a last one of means.

        Raises
        ------
        ParameterError
            If the name ends otherwise.
        """
        target = Path(path)
        if target.suffix.lower() == ".csv":
            text = self._csv()
        elif target.suffix.lower() == ".json":
            text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"
        else:
            raise ParameterError(f"--to takes a file ending in .csv or .json, not {str(path)!r}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
        return target

    def _csv(self) -> str:
        names = [n for n in dict.fromkeys(key for item in self.items for key in item) if not n.startswith("counts")]
        file = io.StringIO()
        writer = csv.DictWriter(file, names or ["name"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(self.items)
        writer.writerow({"name": "mean", **{k: v for k, v in self.mean.items() if v is not None}})
        return file.getvalue()


def _is_metric(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else math.copysign(EXACT_DB, value)
    return value


def bench(
    stage: str,
    data: str | Path,
    *,
    params: Mapping[str, Any] | None = None,
    baseline: bool = True,
    progress: Progress = no_progress,
) -> Bench:
    """Score a stage on a folder of annotated songs (see docs/bench.md for how it is laid out).

    Parameters
    ----------
    stage : str
        separate, slice, analyze, midi, drums (drum MIDI) or lyrics.
    data : path-like
        The folder.
    params : mapping, optional
        Parameters of the stage.
    baseline : bool
        Whether to score plain librosa (slice, analyze), upstream's defaults (midi) or the mixture itself (separate).
    progress : Progress
        Called with songs done and in all.

    Returns
    -------
    Bench
        A bad annotation or sound is named in `failed`, and the others go on.

    Raises
    ------
    ParameterError
        If there is no such stage or parameter.
    AnnotationError
        If there is no such folder, or no audio in it.
    StageSkipped, ModelError, MissingDependency
        If the stage cannot run on this machine at all.
    """
    if stage not in SCORERS:
        raise ParameterError(f"no benchmark for {stage!r}; there are: {', '.join(SCORERS)}")
    if find_spec("mir_eval") is None:
        raise MissingDependency("benchmarks need mir_eval: pip install 'audiolab[bench]'")
    scorer = SCORERS[stage]
    chosen = {**scorer.fixed, **(params or {})}
    resolved = _resolved(scorer, chosen)
    songs = find_songs(data)
    began = time.perf_counter()
    items: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    failed: list[dict[str, str]] = []
    used: set[Path] = set()
    for done, song in enumerate(songs):
        progress(done, len(songs))
        try:
            tasks = scorer.tasks(song)
            if not tasks:
                skipped.append({"name": song.name, "why": f"no annotation: it needs {scorer.needs}"})
            for task in tasks:
                items.append(_scored(scorer, song, task, chosen, baseline=baseline))
                used.update(song.files())
        except (ParameterError, Cancelled):
            raise
        except StageSkipped as error:
            skipped.append({"name": song.name, "why": str(error)})
        except AudiolabError as error:
            failed.append({"name": song.name, "why": str(error)})
    progress(len(songs), len(songs))
    if not items and not failed:
        raise AnnotationError(f"nothing in {str(data)!r} to score {stage} on: {skipped[0]['why']} (see docs/bench.md)")
    return Bench(
        stage,
        str(data),
        resolved.params.model_dump(mode="json"),
        items,
        scorer.pooled(items),
        skipped,
        failed,
        round(time.perf_counter() - began, 3),
        resolved.engine,
        resolved.weights,
        _data_hash(Path(data), used),
    )


def _scored(scorer: Scorer, song: Song, task: Task, params: Mapping[str, Any], *, baseline: bool) -> dict[str, Any]:
    began = time.perf_counter()
    scores = scorer.score(song, task, params, baseline=baseline)
    track = task[0].name
    name = song.name if track == MIX or not song.name else f"{song.name}/{track}"
    return {"name": name or track, **scores, "seconds": round(time.perf_counter() - began, 3)}


def _resolved(scorer: Scorer, params: Mapping[str, Any]) -> Resolved:
    """Check the parameters, and decide every `auto` as a run would."""
    from pydantic import ValidationError

    stage = get_stage(scorer.stage)
    try:
        checked = stage.params(**params)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ParameterError(f"{scorer.stage}: {problems}; it takes {', '.join(stage.params.model_fields)}") from error
    resolved = stage.resolve(checked)
    if scorer.fixed.get("preset") == "drums":
        classify = get_stage("classify")
        heard = classify.resolve(classify.params())
        return Resolved(resolved.params, heard.engine, heard.weights, heard.profile)
    return resolved


def _data_hash(top: Path, used: set[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(used):
        digest.update(f"{path.relative_to(top)}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()

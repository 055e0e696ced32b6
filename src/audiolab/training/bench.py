"""A whole training: read, split, cross-validate, train, calibrate, export, score, and log everything to MLflow."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.config import get_settings
from audiolab.errors import ParameterError
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.classification.head import load_head
from audiolab.stages.classification.model_files import ENCODER, HEAD, read_verified
from audiolab.training.hashing import content_hashes, data_hash
from audiolab.training.manifest import Entry, Reading, read_labelled
from audiolab.training.settings import ClassifierConfig

__all__ = ["WORK", "Trained", "train"]

log = logging.getLogger("audiolab.training")

WORK = Path("experiments/runs/classifier")
"""Where intermediate results and models go, if nothing else is said."""


@dataclass(frozen=True)
class Trained:
    """What a training left behind."""

    folder: Path
    """encoder.onnx, head.npz, model.json, scores.json, config.yaml, trained_on.npz and MODEL_CARD.md."""
    scores: dict[str, Any]
    key: str
    """Hash of configuration and data: the name of the folder of intermediate results."""
    run: str | None = None
    """The run in MLflow."""
    version: str | None = None
    """The registered version in MLflow."""
    report: Path | None = None
    """Folder with the pictures of held-out errors and the gallery."""

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {
            "model": str(self.folder),
            "report": str(self.report) if self.report else None,
            "key": self.key,
            "run": self.run,
            "version": self.version,
            "summary": self.scores["summary"],
            "split": self.scores["split"],
            "notes": self.scores["notes"],
        }


def train(
    what: str | Path | Reading,
    config: ClassifierConfig,
    *,
    work: Path | None = None,
    to: Path | None = None,
    resume: bool = False,
    track: str | bool = False,
    name: str = "classifier",
    progress: Progress = no_progress,
) -> Trained:
    """Train a classifier on a labelled set, with everything that makes its scores honest.

    Parameters
    ----------
    what : path or Reading
        A manifest, a folder with one, a folder tree, or labelled sounds (as a library query gives them).
    config : ClassifierConfig
        How.
    work : path, optional
        Folder of intermediate results; default: experiments/runs/classifier.
    to : path, optional
        Folder of the model; default: `model` beside the intermediate results.
    resume : bool
        Use what an earlier run of the same configuration and data has finished, and go on where it was stopped.
    track : str or bool
        Log to MLflow: its address, or True for the one in settings (mlruns/mlflow.db).
    name : str
        Name of the registered model in MLflow.
    progress : callable
        Called with (done, total) while sounds are read.

    Raises
    ------
    ParameterError
        If nothing can be learned or split, or an option makes no sense.
    """
    from audiolab.training.finishing import finish
    from audiolab.training.reporting import milliseconds
    from audiolab.training.running import Run, cross_validate, prepare_entries, run_key, train_final

    reading = what if isinstance(what, Reading) else read_labelled(what, config.labels)
    for line in reading.left_out:
        log.warning("left out: %s", line)
    entries = list(reading.entries)
    hashes = content_hashes(entries)
    digest = data_hash(entries, hashes)
    folder = work if work is not None else get_settings().path(WORK)
    key = run_key(config, digest)
    tracker = _tracker(track, name, folder / key, resume=resume)
    run = Run(config, folder, key, tracker, resume)
    try:
        data = prepare_entries(entries, config, folder, notes=reading.left_out, progress=progress)
        if tracker is not None:
            tracker.begin(config, entries, digest, what if not isinstance(what, Reading) else "library")
        crossed = cross_validate(run, data)
        final = train_final(run, data)
        target = to if to is not None else folder / key / "model"
        scores = finish(run, data, crossed, final, target)
        if config.loops and _has_drums(entries, config):
            from audiolab.training.drum_head import refit

            scores["drum_loops"] = refit(entries, config, target, loops=config.loops)
        scores["ms_per_sample"] = milliseconds(read_verified(ENCODER, target), load_head(read_verified(HEAD, target)))
        report = _report(folder / key / "report", crossed["ours"], scores, config)
        version = tracker.finish(target, scores, report) if tracker is not None else None
    except BaseException:
        if tracker is not None:
            tracker.fail()
        raise
    return Trained(target, scores, key, tracker.run if tracker is not None else None, version, report)


def _report(folder: Path, ours: Mapping[str, Any], scores: Mapping[str, Any], config: ClassifierConfig) -> Path:
    """Draw and collect what held-out sounds were taken for."""
    from audiolab.training.data import waveform
    from audiolab.training.reporting import write_report
    from audiolab.training.scoring import softmax

    p = softmax(ours["logits"], scores["temperature"])
    title = f"Out of fold ({scores['split']['how']}): every sound by a model that did not hear its group"
    write_report(
        folder,
        ours["entries"],
        p,
        ours["truth"],
        config.labels,
        title=title,
        read=lambda entry: waveform(entry, config),
    )
    return folder


def _tracker(track: str | bool, name: str, folder: Path, *, resume: bool) -> Any:
    if track is False:
        return None
    from audiolab.training.tracking import Tracker

    return Tracker(name, uri=None if track is True else track, memory=folder / "mlflow.json", resume=resume)


def _has_drums(entries: Sequence[Entry], config: ClassifierConfig) -> bool:
    drums = {label for members in config.drums.values() for label in members}
    return any(entry.ships and entry.label in drums for entry in entries)


def check_options(config: ClassifierConfig) -> None:
    """Refuse what only fails after hours: an option of Lightning's trainer that it does not take.

    Raises
    ------
    ParameterError
        If Lightning refuses.
    """
    from audiolab.training.fitting import make_trainer

    if config.trainer.get("max_steps", -1) not in {-1, None}:
        raise ParameterError("trainer.max_steps is not for this bench: say trainer.max_epochs and data.batches")
    make_trainer(config, logger=False)

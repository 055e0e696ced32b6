"""A training in MLflow: one run with everything, a run below it for the curves of each fold, a registered version.

Nothing is pickled: the model is a folder of ONNX, arrays and JSON, logged as plain artifacts, and a registered version
points at that folder.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from audiolab.audio import atomic_path
from audiolab.benchmarking.tracking import tracking_uri
from audiolab.errors import MissingDependency, ModelError, ParameterError
from audiolab.stages.classification.model_files import read_index
from audiolab.training.manifest import Entry
from audiolab.training.settings import ClassifierConfig, to_layout

__all__ = ["EXPERIMENT", "Tracker", "client_of", "code_revision", "library_versions", "tracking_uri"]

EXPERIMENT = "classifier"
_LONGEST = 500
"""MLflow's limit for a parameter's value."""
_LIBRARIES = (
    "audiolab", "torch", "lightning", "torchmetrics", "numpy", "scipy", "scikit-learn", "onnx", "onnxruntime", "soxr",
    "soundfile", "mlflow",
)  # fmt: skip


def client_of(uri: str | None = None) -> Any:
    """Give MLflow's client for an address; default: the settings' one, else mlruns/mlflow.db.

    Raises
    ------
    MissingDependency
        If MLflow is not installed.
    ParameterError
        If its database cannot be opened.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise MissingDependency("the registry of models needs MLflow: pip install 'audiolab[train]'") from None
    address = uri or tracking_uri()
    if address.startswith("sqlite:///"):  # MLflow itself would try again for half an hour
        path = Path(address.removeprefix("sqlite:///"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path)) as database:
                database.execute("PRAGMA schema_version").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise ParameterError(f"MLflow at {address!r} cannot be opened: {error}") from None
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it announces every table that it makes
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=address, registry_uri=address)


def _reached(uri: str) -> Any:
    """Open MLflow before hours of training, so that an address that does not answer is known at once."""
    client = client_of(uri)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise ParameterError(f"MLflow at {uri!r} cannot be opened: {error}; --no-mlflow trains without") from None
    return client


def code_revision() -> dict[str, str]:
    """Say which code runs: the git revision of a checkout and whether it was changed, else the version."""
    package = Path(__file__).resolve().parents[1]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(package), *arguments], capture_output=True, text=True, check=True, timeout=30
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != package.parents[1]:
            return {"version": _version("audiolab")}  # installed inside somebody else's checkout
        changed = bool(git("status", "--porcelain", "--untracked-files=no"))
        return {"git": git("rev-parse", "HEAD"), "git_dirty": str(changed).lower(), "version": _version("audiolab")}
    except (OSError, subprocess.SubprocessError):
        return {"version": _version("audiolab")}


def library_versions() -> dict[str, str]:
    """Give the versions of what decides the numbers."""
    import platform

    return {"python": platform.python_version()} | {name: _version(name) for name in _LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


class Tracker:
    """One training in MLflow.

    Parameters
    ----------
    name : str
        Name of the registered model.
    uri : str, optional
        Tracking address; default: the settings' one.
    memory : path
        File that remembers the runs' ids, so that a training that goes on also goes on there.
    resume : bool
        Go on in those runs.
    """

    def __init__(self, name: str, *, uri: str | None, memory: Path, resume: bool) -> None:
        self.name, self.uri, self.memory = name, uri or tracking_uri(), memory
        self.client = _reached(self.uri)
        self.run: str | None = None
        self._runs: dict[str, str] = {}
        if resume and memory.is_file():
            kept = json.loads(memory.read_text(encoding="utf-8"))
            if kept.get("uri") == self.uri:
                self._runs = {str(k): str(v) for k, v in kept["runs"].items()}

    def begin(self, config: ClassifierConfig, entries: Sequence[Entry], digest: str, what: object) -> None:
        """Open the run and log what is known before: options, data, code."""
        self.run = self._open("training", {"audiolab.data": Path(str(what)).name})
        told = dict(_flat(to_layout(config)))
        told |= {"data.hash": digest, "data.sounds": len(entries), "data.sources": len({e.source for e in entries})}
        told |= code_revision()
        for key, value in told.items():
            self._param(self.run, key, value)
        numbers = {label: number for number, label in enumerate(config.labels)}
        self._text(json.dumps(numbers, indent=1), "label_map.json")
        self._text(json.dumps(library_versions(), indent=1), "versions.json")
        self._text(yaml.safe_dump(to_layout(config), sort_keys=False), "config.yaml")

    def curves(self, name: str) -> Any:
        """Give Lightning's logger for one of the trainings, in a run of its own below the run."""
        from lightning.pytorch.loggers import MLFlowLogger

        assert self.run is not None
        identity = self._open(name, {"mlflow.parentRunId": self.run})
        return MLFlowLogger(experiment_name=EXPERIMENT, tracking_uri=self.uri, run_id=identity, log_model=False)

    def finish(self, folder: Path, scores: Mapping[str, Any], pictures: Path | None) -> str:
        """Log scores, model and pictures, close the run, register the model; give the version."""
        assert self.run is not None
        for key, value in _scores(scores).items():
            if not math.isnan(value):
                self.client.log_metric(self.run, key, value)
        self.client.log_artifacts(self.run, str(folder), "model")
        if pictures is not None:
            self.client.log_artifacts(self.run, str(pictures), "report")
        self.client.set_terminated(self.run, "FINISHED")
        return self.register(folder)

    def register(self, folder: Path) -> str:
        """Make the logged folder a version of the registered model; its tags keep the hashes of the files."""
        from mlflow.exceptions import MlflowException

        assert self.run is not None
        try:
            self.client.get_registered_model(self.name)
        except MlflowException:
            self.client.create_registered_model(self.name, description="Encoder and heads of `audiolab classify`.")
        index = read_index(folder)
        tags = {f"sha256.{file}": digest for file, digest in index["sha256"].items()}
        tags |= {"data_hash": str(index.get("data_hash", ""))} | code_revision()
        source = f"{self.client.get_run(self.run).info.artifact_uri}/model"
        made = self.client.create_model_version(self.name, source=source, run_id=self.run, tags=tags)
        return str(made.version)

    def fail(self) -> None:
        """Mark what is open as failed; a training that goes on opens it again."""
        for identity in self._runs.values():
            if self.client.get_run(identity).info.status == "RUNNING":
                self.client.set_terminated(identity, "FAILED")

    def _open(self, name: str, tags: Mapping[str, str]) -> str:
        if name in self._runs:
            self.client.update_run(self._runs[name], status="RUNNING")
            return self._runs[name]
        made = self.client.create_run(self._experiment(), run_name=name, tags={"audiolab.model": self.name, **tags})
        self._runs[name] = str(made.info.run_id)
        self.memory.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.memory) as temporary:
            temporary.write_text(json.dumps({"uri": self.uri, "runs": self._runs}), encoding="utf-8")
        return self._runs[name]

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is not None and found.lifecycle_stage != "active":
            raise ModelError(f"MLflow's experiment {EXPERIMENT!r} was deleted; restore it or empty the trash")
        if found is not None:
            return str(found.experiment_id)
        where = None
        if self.uri.startswith("sqlite:///"):
            where = (Path(self.uri.removeprefix("sqlite:///")).resolve().parent / "artifacts").as_uri()
        return str(self.client.create_experiment(EXPERIMENT, artifact_location=where))

    def _param(self, run: str, key: str, value: object) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.log_param(run, key, str(value)[:_LONGEST])
        except MlflowException:  # a run that goes on has it, and MLflow never changes a parameter
            self.client.set_tag(run, f"resumed.{key}", str(value)[:_LONGEST])

    def _text(self, text: str, name: str) -> None:
        assert self.run is not None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8")
            self.client.log_artifact(self.run, str(path))


def _flat(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in document.items():
        if isinstance(value, Mapping) and value and prefix != "data.":
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, value))
    return found


def _scores(scores: Mapping[str, Any]) -> dict[str, float]:
    """Give the numbers that runs are compared by."""
    found: dict[str, float] = {}
    for part in ("out_of_fold", "out_of_fold_other_sources", "final_on_unseen_sources"):
        one = scores.get(part, {}).get("cnn")
        if one is None:
            continue
        found[f"{part}/accuracy_19"] = one["labels"]["accuracy"]
        found[f"{part}/top_3"] = one["labels"]["top_3"]
        found[f"{part}/macro_f1"] = one["labels"]["macro_f1"]
        found[f"{part}/accuracy_11"] = one["11 classes"]["accuracy"]
        found[f"{part}/accuracy_8"] = one["8 drums"]["accuracy"]
        found[f"{part}/ece"] = one["ece"]
    for name in ("temperature", "unknown_below", "ece_nested", "bytes", "ms_per_sample"):
        if name in scores:
            found[name] = float(scores[name])
    return found

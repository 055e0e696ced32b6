"""Benchmarks in MLflow: one experiment a stage, so that runs on the same data lie side by side."""

from __future__ import annotations

import logging
import math
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

from audiolab.benchmarking.benching import EXACT_DB, Bench
from audiolab.config import get_settings
from audiolab.errors import MissingDependency

__all__ = ["log_bench", "tracking_uri"]

_LONGEST = 500
"""MLflow's limit for a parameter's value."""


def tracking_uri() -> str:
    """Give the tracking address that settings name, else `mlruns/mlflow.db`."""
    settings = get_settings()
    if settings.mlflow:
        return settings.mlflow
    database = settings.path("mlruns/mlflow.db")
    database.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{database}"


def log_bench(found: Bench, uri: str | None = None) -> str:
    """Log a benchmark as one run of the experiment `bench/STAGE`.

    Parameters
    ----------
    found : Bench
        Its resolved parameters, hash of weights and of data become params; means and pooled scores metrics; the
        JSON document the artifact `bench.json`.
    uri : str, optional
        Tracking address; default: see `tracking_uri`. A SQLite file keeps its artifacts in a folder beside it.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    MissingDependency
        If MLflow is not installed.
    """
    if find_spec("mlflow") is None:
        raise MissingDependency("logging benchmarks needs MLflow: pip install 'audiolab[train]'")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it announces every table that it makes
    from mlflow import MlflowClient

    address = uri or tracking_uri()
    client = MlflowClient(tracking_uri=address)
    name = f"bench/{found.stage}"
    experiment = client.get_experiment_by_name(name)
    where = experiment.experiment_id if experiment is not None else client.create_experiment(name, _artifacts(address))
    run = client.create_run(where, run_name=Path(found.data).name, tags={"audiolab.stage": found.stage})
    identity: str = run.info.run_id
    given = {"data": found.data, "data_hash": found.data_hash, "engine": found.engine, "weights": found.weights}
    for key, value in {**given, **{f"params.{k}": v for k, v in found.params.items()}}.items():
        client.log_param(identity, key, str(value)[:_LONGEST])
    metrics = {f"mean.{k}": v for k, v in found.mean.items()} | {f"pooled.{k}": v for k, v in found.pooled.items()}
    metrics |= {"items": len(found.items), "failed": len(found.failed), "seconds_all": found.seconds}
    for key, value in metrics.items():
        if value is not None and not math.isnan(value):
            client.log_metric(identity, key, max(-EXACT_DB, min(EXACT_DB, value)) if math.isinf(value) else value)
    with tempfile.TemporaryDirectory() as folder:
        client.log_artifact(identity, str(found.write(Path(folder) / "bench.json")))
    client.set_terminated(identity, "FAILED" if found.failed else "FINISHED")
    return identity


def _artifacts(uri: str) -> str | None:
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).resolve().parent / "artifacts").as_uri()

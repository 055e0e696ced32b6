"""Batch runs in MLflow: one experiment a notebook, one run an attempt."""

from __future__ import annotations

from pathlib import Path

from audiolab.errors import AudiolabError, ParameterError
from audiolab.runs.notebooks.executing import Tell
from audiolab.runs.notebooks.keeping import PARAMETERS, RECORD, BatchRun
from audiolab.runs.notebooks.results import RESULTS, numbers_of

__all__ = ["check_tracking", "log_batch", "wanted_tracking"]

_LONGEST = 500
"""MLflow's limit for a parameter's value."""


def check_tracking(uri: str | None) -> str:
    """Give the address to log to (default: the settings' one), after it has answered.

    Raises
    ------
    ParameterError
        If it does not answer.
    MissingDependency
        If MLflow is not installed.
    """
    from audiolab.training.tracking import client_of, tracking_uri

    address = uri or tracking_uri()
    client = client_of(address)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise ParameterError(f"MLflow at {address!r} cannot be opened: {error}") from None
    return address


def log_batch(run: BatchRun, uri: str, tell: Tell | None = None) -> str | None:
    """Log a batch run that has ended: parameters, results that are numbers, the executed copy and its page.

    Parameters
    ----------
    run : BatchRun
        What to log; its record gets the run's id.
    uri : str
        Tracking address. A SQLite file keeps its artifacts in a folder beside it.
    tell : callable, optional
        Gets the reason if it could not be logged. That does not raise: the work itself is done and kept.

    Returns
    -------
    str or None
        The run's id in MLflow.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        identity = _log(run, uri)
    except (MlflowException, SQLAlchemyError, AudiolabError, OSError) as error:
        why = f"{type(error).__name__}: {error}"
        run.note(mlflow={"uri": uri, "error": why})
        if tell is not None:
            tell(f"could not be logged to MLflow at {uri}: {why}")
        return None
    run.note(mlflow={"uri": uri, "experiment": f"batch/{run.name}", "run": identity})
    return identity


def _log(run: BatchRun, uri: str) -> str:
    from audiolab.training.tracking import client_of

    client = client_of(uri)
    name = f"batch/{run.name}"
    experiment = client.get_experiment_by_name(name)
    where = experiment.experiment_id if experiment is not None else client.create_experiment(name, _artifacts(uri))
    tags = {
        "audiolab.kind": "batch",
        "audiolab.folder": str(run.folder),
        "audiolab.attempt": str(run.record["attempt"]),
        "audiolab.notebook_sha256": run.record["sha256"],
        **{f"audiolab.{key}": str(value) for key, value in run.record["code"].items()},
        **({"audiolab.sweep": run.record["sweep"]} if "sweep" in run.record else {}),
        **({"audiolab.error": run.error[:_LONGEST]} if run.error else {}),
    }
    logged = client.create_run(where, run_name=run.folder.name, tags=tags)
    identity: str = logged.info.run_id
    for key, value in run.parameters.items():
        client.log_param(identity, key, str(value)[:_LONGEST])
    numbers = numbers_of(run.results) | ({} if run.seconds is None else {"seconds": run.seconds})
    for key, number in numbers.items():
        client.log_metric(identity, key, number)
    for path in (run.notebook, run.html, *(run.folder / name for name in (PARAMETERS, RECORD, RESULTS))):
        if path.is_file():
            client.log_artifact(identity, str(path))
    client.set_terminated(identity, "FINISHED" if run.status == "done" else "FAILED")
    return identity


def _artifacts(uri: str) -> str | None:
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).resolve().parent / "artifacts").as_uri()


def wanted_tracking(mlflow: bool | str | None) -> str | None:
    """Decide where to log: an address, True for the settings' or mlruns/, None as the settings say, False nowhere."""
    from audiolab.config import get_settings

    if mlflow is False or (mlflow is None and not get_settings().mlflow):
        return None
    return check_tracking(mlflow if isinstance(mlflow, str) else None)

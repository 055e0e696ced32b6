"""`teach`: a library's human tags become a new head on the frozen encoder, kept on the shelf and in MLflow."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiolab.errors import ParameterError
from audiolab.library import Library
from audiolab.library.tables import html_table
from audiolab.runs.embedding_missing import vectors_of
from audiolab.runs.labelled import LabelledSounds, labelled_sounds
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.classification.choosing import Model, find_model
from audiolab.stages.classification.head import get_head
from audiolab.stages.classification.model_files import HEAD, INDEX
from audiolab.stages.classification.shelf import ModelEntry, put, roll_back, set_current

if TYPE_CHECKING:
    from audiolab.training.head_fitting import HeadFit, HeadReport, HeadSettings

__all__ = ["EXPERIMENT", "REGISTERED", "Taught", "teach"]

EXPERIMENT, REGISTERED = "teaching", "audiolab-head"
"""Names of the experiment and of the registered model in MLflow."""
_LONGEST = 500
"""MLflow's limit for a parameter's value."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A head that was taught, where it lies, and what can be said of it.

    Attributes
    ----------
    entry : ModelEntry
        The model on the shelf.
    report : HeadReport
        Labels and counts, scores on songs that the fit has not heard, and what was left out.
    mlflow : mapping
        Run id, name and version of the registered model; empty if it was not logged.
    promoted : bool
        Whether `classify` uses it from now on.
    """

    entry: ModelEntry
    report: HeadReport
    base: str
    embedded: int
    """Embeddings that had to be made first."""
    mlflow: Mapping[str, str] = field(default_factory=dict)
    promoted: bool = False

    def promote(self, why: str = "taught") -> Taught:
        """Let `classify` use it; `roll_back` goes back to the model before."""
        set_current(self.entry.id, why)
        return Taught(self.entry, self.report, self.base, self.embedded, self.mlflow, True)

    def roll_back(self, why: str = "rolled back") -> ModelEntry | None:
        """Go back to the model that was current before."""
        return roll_back(why)

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {
            "model": self.entry.to_dict(),
            "base": self.base,
            "promoted": self.promoted,
            "embedded": self.embedded,
            "mlflow": dict(self.mlflow),
            "report": self.report.to_dict(),
        }

    def __str__(self) -> str:
        report = self.report
        sounds = sum(report.counts.values())
        lines = [
            f"{self.entry.name!r} ({self.entry.id}): {sounds} sounds of {len(report.counts)} labels taught "
            f"to a head that began as {self.base!r}"
        ]
        if report.new_labels:
            lines.append(f"  new labels: {', '.join(report.new_labels)}")
        if report.scored:
            before, after = report.before, report.after
            lines.append(
                f"  on {report.scored} of them, songs unheard: right {before['accuracy']:.3f} before, "
                f"{after['accuracy']:.3f} after; calibration error {before['ece']:.3f}, {after['ece']:.3f}"
            )
        else:
            lines.append("  all of them come from one song or file: nothing can be said of other songs")
        lines += [f"  unscored: {', '.join(report.unscored)}"] if report.unscored else []
        lines += [f"  left out: {line}" for line in report.left_out]
        lines.append(
            "  it is current now" if self.promoted else "  not current yet: promote it, or name it to classify"
        )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = []
        for label, count in self.report.counts.items():
            scores = self.report.per_label.get(label, {})
            told = [f"{scores[name]:.2f}" if name in scores else "-" for name in ("before", "after")]
            rows.append((label, count, self.report.groups[label], *told))
        header = ("label", "sounds", "songs", "recall before", "recall after")
        return html_table(str(self).splitlines()[0], header, rows, note="; ".join(str(self).splitlines()[1:]))


def teach(
    library: Library, query: str = "", *, name: str | None = None, labels: Collection[str] = (), model: str = "auto",
    human_only: bool = True, mlflow: bool = True, promote: bool = False, settings: HeadSettings | None = None,
    progress: Progress = no_progress,
) -> Taught:  # fmt: skip
    """Teach the classifier from a library's tags.

    Only the head learns: the embeddings, and with them neighbours and the map, stay as they are. Few tags move it a
    little; known labels hold on to what they were; words of the user's own become new labels.

    Parameters
    ----------
    query : str
        Only what it finds.
    name : str, optional
        What to call the model; default: the library's folder.
    labels : collection of str
        Only these labels; words that hang on sounds as free tags count too. Default: all labels by people.
    model : str
        The model to begin with: auto, shipped, a name or id on the shelf, or a folder.
    human_only : bool
        Only labels by people; else also those that came with the files.
    mlflow : bool
        Keep settings, scores and the head as a version in MLflow (experiment `teaching`).
    promote : bool
        Let `classify` use it from now on.
    progress : callable
        Gets (done, total).

    Raises
    ------
    ParameterError
        If there is nothing to learn from.
    """
    from audiolab.training.head_fitting import fit_head

    words = [labels] if isinstance(labels, str) else labels
    found = labelled_sounds(library, query, human_only=human_only, labels=words)
    base = find_model(model)
    embedded = vectors_of(library, [place.id for place in found.places], base, progress=progress)
    at = {place.id: number for number, place in enumerate(found.places)}
    order = [at[sound_id] for sound_id in embedded.ids]
    if not order:
        why = next(iter(embedded.failed.values()), "unknown why")
        raise ParameterError(f"none of {len(found)} labelled sounds could be embedded: {why}")
    _, background = library.vectors(base.encoder)
    fit = fit_head(
        embedded.vectors,
        [found.labels[i] for i in order],
        [found.places[i].origin for i in order],
        get_head(base),
        background=background if len(background) else None,
        weights=[found.confidences[i] for i in order],
        names=[found.places[i].name for i in order],
        settings=settings,
    )
    report = _with_left_out(fit, found, {found.places[at[i]].name: why for i, why in embedded.failed.items()})
    name = name or _plain(library.path.name)
    pairs = sorted(zip(embedded.ids, [found.labels[i] for i in order], strict=True))
    origin = {
        "taught_from": library.path.name,
        "library": library.id,
        "query": query,
        "base": base.id if base.name != "shipped" else "shipped",
        "counts": report.counts,
        "labels_sha256": hashlib.sha256(json.dumps(pairs).encode()).hexdigest(),
    }
    data = fit.head.to_bytes()
    logged = _log(name, data, base, report, origin) if mlflow else {}
    entry = put({"head.npz": data}, name=name, origin={**origin, **({"mlflow": logged} if logged else {})})
    taught = Taught(entry, report, base.name, embedded.made, logged)
    return taught.promote(f"taught from {library.path.name}") if promote else taught


def _with_left_out(fit: HeadFit, found: LabelledSounds, failed: Mapping[str, str]) -> HeadReport:
    lines = (*found.left_out, *fit.report.left_out, *(f"{name}: {why}" for name, why in failed.items()))
    return replace(fit.report, left_out=lines)


def _plain(name: str) -> str:
    """Make a model's name of a folder's."""
    kept = "".join(sign if sign.isalnum() or sign in " .+@-_" else "-" for sign in name).strip(" .+@-_")
    return kept[:100] if kept not in {"", "auto", "shipped"} else f"taught {kept}".strip()


def _log(name: str, head: bytes, base: Model, report: HeadReport, origin: Mapping[str, Any]) -> dict[str, str]:
    """Keep a version in MLflow: settings, scores, the label map, and the head as an artifact."""
    client, where = _client()
    run = client.create_run(
        where, run_name=name, tags={"audiolab.kind": "teaching", "audiolab.library": origin["library"]}
    )
    identity: str = run.info.run_id
    try:
        params = {
            "base": base.name, "encoder": base.encoder, "query": origin["query"],
            "labels_sha256": origin["labels_sha256"], "new_labels": ", ".join(report.new_labels),
            "sounds": sum(report.counts.values()), "labels": len(report.counts), "folds": report.folds,
        }  # fmt: skip
        for key, value in params.items():
            client.log_param(identity, key, str(value)[:_LONGEST])
        numbers = {
            f"{when}.{key}": value for when in ("before", "after") for key, value in getattr(report, when).items()
        }
        numbers |= {"temperature": report.temperature, "unknown_below": report.unknown_below, "scored": report.scored}
        for key, value in numbers.items():
            client.log_metric(identity, key, float(value))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / HEAD).write_bytes(head)
            index = {"sha256": {HEAD: hashlib.sha256(head).hexdigest()}, "encoder": base.encoder}
            (Path(folder) / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")
            (Path(folder) / "report.json").write_text(json.dumps(report.to_dict(), indent=1), encoding="utf-8")
            told = {"counts": report.counts, "new": list(report.new_labels)}
            (Path(folder) / "labels.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
            client.log_artifacts(identity, folder, "model")
        version = _register(client, identity, {"name": name, f"sha256.{HEAD}": hashlib.sha256(head).hexdigest()})
    except BaseException:
        client.set_terminated(identity, "FAILED")
        raise
    client.set_terminated(identity, "FINISHED")
    return {"run": identity, "model": REGISTERED, "version": version}


def _register(client: Any, run: str, tags: dict[str, str]) -> str:
    """Make the logged folder a version; its tags keep the hash of the head, so that `promote` can trust it."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(REGISTERED, description="Heads of the sample classifier, taught by their users")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{client.get_run(run).info.artifact_uri}/model"
    return str(client.create_model_version(REGISTERED, source, run_id=run, tags=tags).version)


def _client() -> tuple[Any, str]:
    """Open MLflow and its experiment `teaching`, made with a folder for artifacts beside the database."""
    from importlib.util import find_spec

    from audiolab.benchmarking.tracking import tracking_uri
    from audiolab.errors import MissingDependency

    if find_spec("mlflow") is None:
        raise MissingDependency("keeping versions needs MLflow: pip install 'audiolab[train]', or pass mlflow=False")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    uri = tracking_uri()
    client = MlflowClient(tracking_uri=uri)
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is not None:
        return client, str(known.experiment_id)
    folder = None
    if uri.startswith("sqlite:///"):
        folder = (Path(uri.removeprefix("sqlite:///")).resolve().parent / "artifacts").as_uri()
    return client, str(client.create_experiment(EXPERIMENT, folder))

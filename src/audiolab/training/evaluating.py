"""Score any model on any labelled set, and say whether it has heard the set before."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.errors import AudioError, ModelError, ParameterError
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.classification.choosing import Model
from audiolab.stages.classification.encoder import BATCH, Encoder
from audiolab.stages.classification.head import Head, load_head
from audiolab.stages.classification.model_files import ENCODER, HEAD, read_index, read_verified
from audiolab.stages.classification.preparing import RATE, prepare
from audiolab.stages.classification.taxonomy import load_taxonomy
from audiolab.training.data import waveform
from audiolab.training.hashing import content_hashes
from audiolab.training.manifest import Entry, Reading, read_labelled
from audiolab.training.scoring import score
from audiolab.training.settings import ClassifierConfig, from_layout, load_config

__all__ = ["Evaluation", "evaluate", "heard_before"]

log = logging.getLogger("audiolab.training")


@dataclass(frozen=True)
class Evaluation:
    """What a model says of a labelled set."""

    model: Mapping[str, Any]
    scores: Mapping[str, Any]
    """As `scoring.score` gives them."""
    drums: Mapping[str, Any]
    """Precision, recall and F of the drum head on these single sounds, by class."""
    outside: Mapping[str, Any]
    """Labels that the model does not know: how many sounds, and what it calls them."""
    overlap: Mapping[str, Any]
    """How many of the sounds the model learned from."""
    unheard: Mapping[str, Any] | None
    """Scores without those, if there are any."""
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]
    files: tuple[Path, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {
            "model": dict(self.model),
            "sounds": self.scores["labels"]["sounds"],
            "scores": dict(self.scores),
            "unheard": None if self.unheard is None else dict(self.unheard),
            "drums": dict(self.drums),
            "outside": dict(self.outside),
            "overlap": dict(self.overlap),
            "left_out": list(self.left_out),
            "warnings": list(self.warnings),
            "files": [str(path) for path in self.files],
        }


def evaluate(
    model: str | Path | Model, what: str | Path | Reading, *, to: Path | None = None, uri: str | None = None,
    progress: Progress = no_progress,
) -> Evaluation:  # fmt: skip
    """Score a model.

    Parameters
    ----------
    model : str, path or Model
        `auto`, `shipped`, a name or id on the shelf, a folder, or `mlflow:NAME/3` and `mlflow:NAME@alias`.
    what : path or Reading
        A manifest, a folder with one, a folder tree, or labelled sounds.
    to : path, optional
        Folder for scores.json, confusions.png, calibration.png and errors.html.
    uri : str, optional
        MLflow's address.
    progress : callable
        Called with (done, total) sounds.

    Raises
    ------
    ModelError
        If there is no such model, it is not ours, or was changed.
    ParameterError
        If no sound of the set has a label that the model knows.
    """
    from audiolab.training.registry import known_model

    found = model if isinstance(model, Model) else known_model(str(model), uri=uri)
    head = load_head(read_verified(HEAD, found.folder), encoder=found.encoder)
    encoder = Encoder(read_verified(ENCODER, found.encoder_folder))
    known = dict.fromkeys([*head.labels, *load_taxonomy().labels])
    reading = what if isinstance(what, Reading) else read_labelled(what, known)
    inside = [entry for entry in reading.entries if entry.label in head.labels]
    if not inside:
        raise ParameterError(f"no sound of the set has a label of the model ({', '.join(head.labels)})")
    config = _config(found.folder, head)
    entries, vectors, silent = _embed(list(reading.entries), encoder, config, progress)
    left_out = (*reading.left_out, *silent)
    p = head.probabilities(vectors)
    number = {label: index for index, label in enumerate(head.labels)}
    mine = np.array([entry.label in number for entry in entries], bool)
    if not mine.any():
        raise ParameterError(f"nothing of the set can be heard, such as: {'; '.join(silent[:3])}")
    judged = [entry for entry, keep in zip(entries, mine.tolist(), strict=True) if keep]
    truth = np.array([number[entry.label] for entry in judged], np.int64)
    sources = [entry.source for entry in judged]
    scores = score(p[mine], truth, head.labels, sources, unknown_below=head.unknown_below)
    heard = heard_before(found.folder, judged)
    unheard = None
    if heard is not None and heard.any() and not heard.all():
        rest = [source for source, old in zip(sources, heard.tolist(), strict=True) if not old]
        unheard = score(p[mine][~heard], truth[~heard], head.labels, rest, unknown_below=head.unknown_below)
    overlap = {"known": heard is not None, "sounds": None if heard is None else int(heard.sum()), "of": len(judged)}
    outside = _outside([e for e in entries if e.label not in number], p[~mine], head)
    said = _warnings(overlap, outside, left_out, sources)
    for line in said:
        log.warning("%s", line)
    drums = _drums(head, vectors[mine], judged, config)
    about = {"name": found.name, "id": found.id, "labels": list(head.labels), "unknown_below": head.unknown_below}
    done = Evaluation(about, scores, drums, outside, overlap, unheard, left_out, said)
    return done if to is None else _written(done, to, (judged, p[mine], truth), config)


def heard_before(folder: Path, entries: Sequence[Entry]) -> NDArray[np.bool_] | None:
    """Mark the sounds that a model learned from; None if the model does not tell.

    Raises
    ------
    ModelError
        If its list was changed.
    """
    if "trained_on.npz" not in read_index(folder)["sha256"]:
        return None
    try:
        with np.load(io.BytesIO(read_verified("trained_on.npz", folder)), allow_pickle=False) as arrays:
            known = np.asarray(arrays["hashes"], np.uint64)
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(f"{str(folder / 'trained_on.npz')!r} is not a list of audiolab: {error}") from None
    hashes = content_hashes(entries)
    return np.asarray(np.isin(hashes, known) & (hashes != 0))


def _config(folder: Path, head: Head) -> ClassifierConfig:
    """Give the model's own configuration, if it came along, else the shipped one: which labels its drums stand for."""
    if "config.yaml" in read_index(folder)["sha256"]:
        return from_layout(yaml.safe_load(read_verified("config.yaml", folder)), "config.yaml")
    default = load_config("default")
    drums = {name: members for name, members in default.drums.items() if name in head.drums}
    return default.model_copy(update={"labels": head.labels, "drums": drums})


def _embed(
    entries: Sequence[Entry], encoder: Encoder, config: ClassifierConfig, progress: Progress
) -> tuple[list[Entry], NDArray[np.float32], list[str]]:
    kept: list[Entry] = []
    waiting: list[NDArray[np.float32]] = []
    parts: list[NDArray[np.float32]] = []
    silent: list[str] = []
    for done, entry in enumerate(entries, start=1):
        try:
            made = prepare(waveform(entry, config), RATE)
        except AudioError as error:
            silent.append(str(error))
            continue
        if made is None:
            silent.append(f"{entry.path.name!r} holds nothing to hear")
            continue
        kept.append(entry)
        waiting.append(made)
        if len(waiting) == BATCH:
            parts.append(encoder(waiting))
            waiting = []
        progress(done, len(entries))
    if waiting:
        parts.append(encoder(waiting))
    vectors = np.concatenate(parts) if parts else np.zeros((0, encoder.dimensions), np.float32)
    return kept, vectors, silent


def _outside(entries: Sequence[Entry], p: NDArray[np.float64], head: Head) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for label in sorted({entry.label for entry in entries}):
        rows = [i for i, entry in enumerate(entries) if entry.label == label]
        best = Counter(head.labels[int(i)] for i in p[rows].argmax(axis=1))
        unknown = float((p[rows].max(axis=1) < head.unknown_below).mean())
        found[label] = {"sounds": len(rows), "unknown": unknown, "called": dict(best.most_common(5))}
    return found


def _warnings(
    overlap: Mapping[str, Any], outside: Mapping[str, Any], left_out: Sequence[str], sources: Sequence[str]
) -> tuple[str, ...]:
    said = []
    if not overlap["known"]:
        said.append("the model does not tell what it learned from: if it heard this set, the scores say nothing")
    elif overlap["sounds"]:
        said.append(
            f"THE MODEL LEARNED FROM {overlap['sounds']} OF THESE {overlap['of']} SOUNDS: the scores flatter; "
            "`unheard` holds those of the others"
        )
    if outside:
        listed = ", ".join(f"{label} ({row['sounds']})" for label, row in outside.items())
        said.append(f"labels that the model does not know, not scored: {listed}")
    if left_out:
        said.append(f"{len(left_out)} sounds left out, such as: {'; '.join(left_out[:3])}")
    if len(set(sources)) == 1:
        said.append(f"all sounds are of one source ({sources[0]!r}): the intervals say nothing")
    return tuple(said)


def _drums(
    head: Head, vectors: NDArray[np.float32], entries: Sequence[Entry], config: ClassifierConfig
) -> dict[str, Any]:
    """Score each class of the drum head at a probability of 0.5, where some label of the set stands for it."""
    p = head.drum_probabilities(vectors)
    found: dict[str, Any] = {}
    for column, name in enumerate(head.drums):
        true = np.array([entry.label in config.drums.get(name, ()) for entry in entries], bool)
        if not true.any():
            continue
        said = p[:, column] >= 0.5
        hits = int((said & true).sum())
        found[name] = {
            "sounds": int(true.sum()),
            "precision": hits / int(said.sum()) if said.any() else float("nan"),
            "recall": hits / int(true.sum()),
            "f": 2 * hits / (int(said.sum()) + int(true.sum())),
        }
    return found


def _written(
    done: Evaluation,
    to: Path,
    judged: tuple[Sequence[Entry], NDArray[np.float64], NDArray[np.int64]],
    config: ClassifierConfig,
) -> Evaluation:
    from audiolab.training.finishing import rounded
    from audiolab.training.reporting import write_report

    entries, p, truth = judged
    labels = list(done.model["labels"])
    title = f"{done.model['name']} on {len(entries)} sounds of {len({e.source for e in entries})} sources"
    paths = write_report(to, entries, p, truth, labels, title=title, read=lambda entry: waveform(entry, config))
    full = replace(done, files=(to / "scores.json", *paths))
    with atomic_path(to / "scores.json") as temporary:
        temporary.write_text(json.dumps(rounded(full.to_dict()), indent=1) + "\n", encoding="utf-8")
    return full

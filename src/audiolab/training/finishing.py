"""After training: calibrate on out-of-fold predictions, score, export, and write scores and card beside the model."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.training.card import write_card
from audiolab.training.data import RENDERED, Sounds
from audiolab.training.drum_scores import drum_shifts
from audiolab.training.export import encoder_of, export_encoder, head_of, write_model
from audiolab.training.hashing import content_hashes, data_hash
from audiolab.training.running import BASELINES, Final, Run
from audiolab.training.scoring import best_threshold, calibration_error, fit_temperature, score, softmax
from audiolab.training.settings import to_layout
from audiolab.training.splitting import Prepared

__all__ = ["finish", "rounded", "trained_on"]


def finish(
    run: Run,
    data: Prepared,
    crossed: Mapping[str, Any],
    final: Final,
    folder: Path,
) -> dict[str, Any]:
    """Write encoder.onnx, head.npz, trained_on.npz, model.json, scores.json, config.yaml and MODEL_CARD.md.

    Returns
    -------
    dict
        The scores, as in scores.json, with a short `summary`.
    """
    ours = crossed["ours"]
    config = run.config
    temperature = fit_temperature(ours["logits"], ours["truth"])
    probabilities = softmax(ours["logits"], temperature)
    threshold, reached = best_threshold(probabilities, ours["truth"], config.unknown.precision)
    encoder = export_encoder(encoder_of(final.module))
    digest = hashlib.sha256(encoder).hexdigest()
    shifts = drum_shifts(final.module, config)
    head = head_of(final.module, digest, temperature=temperature, unknown_below=threshold, drum_shifts=shifts)
    entries = [entry for entry in data.sounds.entries if entry.source != RENDERED]
    hashes = content_hashes(entries)
    written = yaml.safe_dump(to_layout(config), sort_keys=False).encode()
    about = {"name": folder.name, "data_hash": data_hash(entries, hashes), "made_at": _now()}
    beside = {"trained_on.npz": trained_on(hashes), "config.yaml": written}
    write_model(folder, encoder, head, beside=beside, about=about)

    scores: dict[str, Any] = {
        "config": config.model_dump(mode="json"),
        "bytes": len(encoder) + len(head.to_bytes()),
        "temperature": temperature,
        "unknown_below": threshold,
        "unknown_precision": {"asked": config.unknown.precision, "reached": reached},
        "split": {"how": data.how, "folds": data.count},
        "notes": list(data.notes),
        "data_hash": about["data_hash"],
        "sounds": _counts(data),
        "out_of_fold": _beside(ours, config.labels, threshold, temperature),
        "ece_nested": _nested_error(ours),
    }
    if crossed["others"]:
        scores["out_of_fold_other_sources"] = _beside(crossed["others"], config.labels, threshold, temperature)
    if final.judged is not None:
        sources = [entry.source for entry in final.external.entries]
        p = softmax(final.judged.logits, temperature)
        scores["final_on_unseen_sources"] = {
            name: score(q, final.external.labels, config.labels, sources, unknown_below=below)
            for name, q, below in (("cnn", p, threshold), *((k, q, 0.0) for k, q in final.beside.items()))
        } | {"by_source": _by_source(p, final.external)}
    scores["drum_shifts"] = dict(zip(config.drums, shifts.tolist(), strict=True))
    scores["drum_head"] = _drums(crossed["drums"], tuple(config.drums))
    scores["summary"] = _summary(scores)
    with atomic_path(folder / "scores.json") as temporary:
        temporary.write_text(json.dumps(rounded(scores), indent=1) + "\n", encoding="utf-8")
    write_card(folder / "MODEL_CARD.md", scores, entries, config, digest)
    return scores


def trained_on(hashes: NDArray[np.uint64]) -> bytes:
    """Give the file that lists what a model learned from: eight bytes a sound, sorted."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.unique(hashes[hashes != 0]), allow_pickle=False)
        archive.writestr(zipfile.ZipInfo("hashes.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue())
    return file.getvalue()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _beside(
    crossed: Mapping[str, Any], labels: tuple[str, ...], threshold: float, temperature: float
) -> dict[str, dict[str, Any]]:
    truth, sources = crossed["truth"], crossed["sources"].tolist()
    table = {"cnn": softmax(crossed["logits"], temperature), **{name: crossed[name] for name in BASELINES}}
    return {
        name: score(p, truth, labels, sources, unknown_below=threshold if name == "cnn" else 0.0)
        for name, p in table.items()
    }


def _nested_error(crossed: Mapping[str, Any]) -> float:
    """Give the calibration error with the temperature of each fold fitted on the other folds."""
    logits, truth, fold = crossed["logits"], crossed["truth"], crossed["fold"]
    p = np.zeros(logits.shape)
    for number in sorted(set(fold.tolist())):
        mine = fold == number
        others = ~mine if not mine.all() else mine
        p[mine] = softmax(logits[mine], fit_temperature(logits[others], truth[others]))
    return calibration_error(p, truth)


def _by_source(p: NDArray[np.float64], sounds: Sounds) -> dict[str, dict[str, float]]:
    names = np.array([entry.source for entry in sounds.entries])
    right = p.argmax(axis=1) == sounds.labels
    return {
        name: {"sounds": int((names == name).sum()), "accuracy": float(right[names == name].mean())}
        for name in sorted(set(names.tolist()))
    }


def _drums(counts: NDArray[np.float64], names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    table = {}
    for name, (hits, false, missed) in zip(names, counts, strict=True):
        total = 2 * hits + false + missed
        table[name] = {"f": float(2 * hits / total) if total else float("nan"), "in_mixtures": int(hits + missed)}
    hits, false, missed = counts.sum(axis=0)
    total = 2 * hits + false + missed
    table["all"] = {"f": float(2 * hits / total) if total else float("nan"), "in_mixtures": int(hits + missed)}
    return table


def _counts(data: Prepared) -> dict[str, int]:
    rendered = sum(entry.source == RENDERED for entry in data.sounds.entries)
    return {
        "recordings": len(data.sounds.entries) - rendered,
        "rendered": rendered,
        "sources": len({entry.source for entry in data.sounds.entries} - {RENDERED}),
        "judged_only": len(data.others.entries),
        "left_out": len(data.sounds.left_out) + len(data.others.left_out),
    }


def _summary(scores: Mapping[str, Any]) -> dict[str, Any]:
    rows = {}
    for part in ("out_of_fold", "out_of_fold_other_sources", "final_on_unseen_sources"):
        for name, one in scores.get(part, {}).items():
            if name in ("cnn", *BASELINES):
                rows[f"{part}: {name}"] = {
                    "19": round(one["labels"]["accuracy"], 3),
                    "top-3": round(one["labels"]["top_3"], 3),
                    "11": round(one["11 classes"]["accuracy"], 3),
                    "8 drums": round(one["8 drums"]["accuracy"], 3),
                    "macro F1": round(one["labels"]["macro_f1"], 3),
                    "ECE": round(one["ece"], 3),
                }
    return rows


def rounded(value: Any) -> Any:
    """Give a document for JSON: four decimals, and null where there is no number."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 4)
    return value

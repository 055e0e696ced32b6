"""The model card: what the model is, what it learned from and under which terms, how well it does, where it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audiolab.audio import atomic_path
from audiolab.training.manifest import Entry
from audiolab.training.settings import ClassifierConfig

__all__ = ["score_tables", "write_card"]

_NAMES = {
    "cnn": "this model",
    "extra": "ExtraTrees, MFCC and log-mel statistics, recordings",
    "extra_rendered": "the same, rendered sounds as well",
    "forest": "random forest, same features, recordings",
}


def write_card(
    path: Path, scores: Mapping[str, Any], entries: Sequence[Entry], config: ClassifierConfig, encoder_hash: str
) -> None:
    """Write the card as Markdown; every number comes from `scores`."""
    counts = scores["sounds"]
    lines = [
        "# audiolab sample classifier",
        "",
        "Tells one-shots apart: a frozen encoder (`encoder.onnx`) and two linear heads (`head.npz`), "
        f"{scores['bytes']:,} bytes together. Encoder sha256 `{encoder_hash}`.",
        "",
        "- In: mono, 32 kHz, 1.28 s from the first audible frame, peak at full scale "
        "(`audiolab.stages.classification.preparing` does that to any sound). Spectra are computed inside the graph.",
        "- Out: an embedding of 128 dimensions and unit length; from it one of "
        f"{len(config.labels)} labels (softmax, temperature {scores['temperature']:.3f}) and, independently, "
        f"the presence of {len(config.drums)} drum classes.",
        f"- A best label under {scores['unknown_below']:.2f} is called `unknown`.",
        f"- Learned from {counts['recordings']} recordings of {counts['sources']} sources (below) and "
        f"{counts['rendered']} sounds that the project's own code renders, all processed and mixed at random.",
        "",
        "## Scores",
        "",
        *_split(scores, config),
        "Best label, before the `unknown` rule. In brackets: 95 % bootstrap intervals over whole sources.",
        "8 drums: kick, snare, clap, closed_hat, open_hat, cymbal (crash and ride), tom, percussion; 11 classes: kick,",
        "snare, clap, rim, cymbal (with hats), tom, cowbell, percussion, tonal, vocal, fx; a best label outside the",
        "true class counts as wrong. The trees learned from the same split.",
        "Near-duplicates of a sound on the other side of the split are not judged.",
        "",
        *score_tables(scores),
    ]
    lines += _details(scores, config)
    lines += _sources(entries, counts)
    lines += [
        "## Limits",
        "",
        "- Labels come from file and folder names; some are wrong, in training and in these scores.",
        "- Brass, strings, keys and guitar come from one instrument per source: expect confusions among them.",
        "- Scores above are of single, clean sounds. In a song almost every second hit holds two or more drums: read",
        "  the drum classes, not only the label.",
        "- Only the first 1.28 s count; sounds under 4 ms and silence are `unknown`.",
        "- One-shot or loop is a rule on strong onsets, not learned; a rattle or a spoken phrase may pass for a loop.",
        "",
        "Made by `audiolab train --data DATA` with the options in `config.yaml` beside this card.",
    ]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _split(scores: Mapping[str, Any], config: ClassifierConfig) -> list[str]:
    split = scores.get("split", {"how": "by source", "folds": config.folds})
    if split["how"] != "by source":
        return [f"**The split is {split['how']}.** {split['folds']} folds."]
    return [
        "Each sound is judged by a model that heard no sound of its source, nor of a source that shares recordings",
        f"with it ({split['folds']} folds of whole groups).",
    ]


def score_tables(scores: Mapping[str, Any]) -> list[str]:
    """Give the tables of scores as lines of Markdown."""
    lines = _table("Sources that the shipped model learned from", scores["out_of_fold"])
    if "out_of_fold_other_sources" in scores:
        lines += _table(
            "Sources that are never learned from but share recordings with some that are (same folds)",
            scores["out_of_fold_other_sources"],
        )
    if "final_on_unseen_sources" in scores:
        final = scores["final_on_unseen_sources"]
        beside = {name: one for name, one in final.items() if name in _NAMES}
        lines += _table("The shipped weights themselves, on sources that they never heard", beside)
        parts = [f"{name} {row['accuracy']:.2f} ({row['sounds']})" for name, row in final["by_source"].items()]
        lines += [f"By source: {', '.join(parts)}.", ""]
    return lines


def _percent(score: Mapping[str, Any]) -> str:
    low, high = score["interval"]
    return f"{score['accuracy']:.3f} [{low:.2f}, {high:.2f}]"


def _table(title: str, scores: Mapping[str, Any]) -> list[str]:
    first = next(iter(scores.values()))
    sizes = f"{first['labels']['sounds']} sounds, {first['8 drums']['sounds']} of them in the 8 drum classes"
    lines = [
        f"### {title} ({sizes})",
        "",
        "| | 19 labels | top 3 | macro F1 | 11 classes | 8 drums | ECE |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in scores.items():
        labels = one["labels"]
        lines.append(
            f"| {_NAMES[name]} | {_percent(labels)} | {labels['top_3']:.3f} | {labels['macro_f1']:.3f} | "
            f"{_percent(one['11 classes'])} | {_percent(one['8 drums'])} | {one['ece']:.3f} |"
        )
    return [*lines, ""]


def _details(scores: Mapping[str, Any], config: ClassifierConfig) -> list[str]:
    own = scores["out_of_fold"]["cnn"]
    unknown = own["unknown"]
    lines = [
        f"Expected calibration error with the temperature fitted on the other folds: {scores['ece_nested']:.3f}. "
        f"At the `unknown` threshold of {unknown['threshold']:.2f}, {unknown['share']:.1%} of the sounds are unknown "
        f"and {unknown['precision_of_the_rest']:.1%} of the rest are right.",
        "",
        "### By label (out of fold)",
        "",
        "| label | recall | precision | sounds | sources |",
        "|---|---|---|---|---|",
    ]
    for label in config.labels:
        row = own["per_label"][label]
        lines.append(f"| {label} | {row['recall']:.2f} | {row['precision']:.2f} | {row['sounds']} | {row['sources']} |")
    return [*lines, *_drum_head(scores, config), ""]


def _drum_head(scores: Mapping[str, Any], config: ClassifierConfig) -> list[str]:
    """Write the scores of the drum head as training leaves it and, if it was fitted again on loops, of that one."""
    moved = ", ".join(f"{name} {shift:+.1f}" for name, shift in scores["drum_shifts"].items())
    lines = [
        "",
        "### Drum head of the training: mixtures of two held-out hits of different classes, the second up to 10 dB "
        "softer",
        "",
        "Counted where the network itself would decide. Training shows most sounds alone, so it is too careful with",
        "what lies under a louder hit; this head decides at the logit with the best F on newly rendered hits,",
        f"alone and together ({moved}).",
        "",
        "| class | labels | F | in mixtures |",
        "|---|---|---|---|",
    ]
    for name, row in scores["drum_head"].items():
        members = ", ".join(config.drums.get(name, ("",)))
        lines.append(f"| {name} | {members} | {row['f']:.2f} | {row['in_mixtures']} |")
    loops = scores.get("drum_loops")
    if loops is None:
        return lines
    lines += [
        "",
        "### Drum head as shipped: fitted again on loops, the encoder unchanged",
        "",
        f"One logistic regression a class on {loops['cuts']:,} cuts of {loops['loops']} loops, which",
        "`audiolab.training.drum_loops` plays on the same one-shots (hits over hits, tails that ring on), and on",
        "single sounds. F on loops of sources whose loops the fit did not hear (two-fold), each class from its own",
        "probability on, where precision counted twice as much as recall; these are the defaults of the stage `midi`.",
        "",
        "| class | share of the cuts | F | from |",
        "|---|---|---|---|",
    ]
    for name, row in loops["classes"].items():
        lines.append(f"| {name} | {row['share']:.3f} | {row['f']:.2f} | {row['threshold']:.2f} |")
    return lines


def _sources(entries: Sequence[Entry], counts: Mapping[str, int]) -> list[str]:
    rows = Counter((e.source, e.repository, e.licence) for e in entries)
    lines = [
        "## What it learned from, with thanks",
        "",
        "Licences as the sources state them. No recording is part of the model's files.",
        "",
        "| source | from | licence | sounds |",
        "|---|---|---|---|",
    ]
    for (source, repository, licence), count in sorted(rows.items()):
        lines.append(f"| {source} | {repository} | {licence.replace('|', '/')} | {count} |")
    lines.append(f"| rendered | audiolab's own code | MIT | {counts['rendered']} |")
    return [*lines, ""]

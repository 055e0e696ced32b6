"""Manifests, groups of sources, folds and the leak check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.errors import ParameterError
from audiolab.training.manifest import Entry, check_no_leak, fold_numbers, link_groups, read_manifest


def entry(name: str, source: str, label: str = "kick", dup_group: str = "") -> Entry:
    return Entry(Path(name), source, label, dup_group=dup_group)


def write(folder: Path, text: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_reading_a_manifest(tmp_path: Path):
    (tmp_path / "a.wav").touch()
    write(tmp_path, "path,source,label,may_ship\na.wav,one,kick,no\n")
    [row] = read_manifest(tmp_path, labels=["kick"])
    assert row.path == tmp_path / "a.wav"
    assert not row.ships


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.wav,kick\n", "source"),
        ("path,source,label\na.wav,one,kazoo\n", "kazoo"),
        ("path,source,label\ngone.wav,one,kick\n", "gone.wav"),
        ("path,source,label\n", "no sounds"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said(tmp_path: Path, text, message):
    (tmp_path / "a.wav").touch()
    with pytest.raises(ParameterError, match=message):
        read_manifest(write(tmp_path, text), labels=["kick"])


def test_a_missing_manifest_is_named(tmp_path: Path):
    with pytest.raises(ParameterError, match="does not exist"):
        read_manifest(tmp_path / "none", labels=["kick"])


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=12, max_size=80), st.integers(2, 4))
def test_folds_never_tear_a_group_apart(rows, folds):
    entries = [entry(f"{i}", f"s{source}", label) for i, (source, label) in enumerate(rows)]
    groups = link_groups(entries, [("s0", "s1", "s2")])
    linked = {int(g) for e, g in zip(entries, groups, strict=True) if e.source in {"s0", "s1", "s2"}}
    assert len(linked) <= 1
    if len(set(groups.tolist())) < folds:
        with pytest.raises(ParameterError):
            fold_numbers(entries, groups, folds)
        return
    numbers = fold_numbers(entries, groups, folds)
    assert set(numbers.tolist()) <= set(range(folds))
    for group in set(groups.tolist()):
        assert len(set(numbers[groups == group].tolist())) == 1


def test_folds_share_labels_out():
    entries = [entry(f"{s}{i}", f"s{s}", label) for s in range(8) for i, label in enumerate("abab")]
    numbers = fold_numbers(entries, link_groups(entries), 4)
    assert np.bincount(numbers).tolist() == [8, 8, 8, 8]


def test_planted_leaks_are_found():
    train = [entry("1", "a"), entry("2", "a", dup_group="d1"), entry("3", "b")]
    clean = [entry("4", "c", dup_group="d2")]
    assert check_no_leak(train, clean) == []
    assert "file 1" in check_no_leak(train, [*clean, entry("1", "c")])[0]
    assert "d1" in check_no_leak(train, [*clean, entry("5", "c", dup_group="d1")])[0]
    rng = np.random.default_rng(0)
    prints = {e.path: rng.standard_normal(32).astype(np.float32) for e in (*train, *clean)}
    prints = {path: v / np.linalg.norm(v) for path, v in prints.items()}
    assert check_no_leak(train, clean, fingerprints=prints) == []
    prints[Path("4")] = prints[Path("3")]
    assert check_no_leak(train, clean, fingerprints=prints) == ["4 sounds like 3"]

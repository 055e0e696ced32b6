"""Families and labels, as shipped and as a user extends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiolab.config import get_settings
from audiolab.errors import ParameterError
from audiolab.stages.classification import UNKNOWN, get_head, load_taxonomy


def own(text: str) -> Path:
    path = get_settings().path("configs") / "taxonomy.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_label_of_the_model_has_a_family():
    taxonomy = load_taxonomy()
    assert all(taxonomy.family(label) != UNKNOWN for label in get_head().labels)
    assert len(set(taxonomy.labels)) == len(taxonomy.labels)


def test_a_strange_label_has_no_family():
    assert load_taxonomy().family("kazoo") == UNKNOWN


def test_users_add_families_and_move_labels():
    shipped = load_taxonomy()
    own("families:\n  found sound: [door, bottle]\n  percussion: [rim, kalimba]\n")
    taxonomy = load_taxonomy()
    assert taxonomy.family("door") == "found sound"
    assert taxonomy.family("kalimba") == "percussion"
    assert taxonomy.family("rim") == "percussion"
    assert taxonomy.family("kick") == "drums"
    assert set(shipped.labels) <= set(taxonomy.labels)


@pytest.mark.parametrize(
    "text", ["[1, 2]", "families: [kick]", "families: {a: 3}", "a: {b: c}", "families: {a: [x, x]}", ":\n:"]
)
def test_a_damaged_file_is_named(text):
    path = own(text)
    with pytest.raises(ParameterError, match=path.name):
        load_taxonomy()

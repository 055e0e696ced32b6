"""The map of a library: kept with its encoder, stable, extended and drawn."""

from __future__ import annotations

import json
import subprocess
import sys

import alike_making as making
import numpy as np
import pytest

from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library
from audiolab.runs import place_on_map


@pytest.fixture(scope="module")
def lib(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    with Library(folder / "lib") as lib:
        sounds = [
            (f"{what} {take}", making.hit(what, take)) for what in ("kick", "snare", "closed_hat") for take in range(4)
        ]
        added = making.add(lib, folder, sounds)
        making.embed(lib, added, "embed")
        for sound in added:
            sound.tag(sound.name.split()[0])
        yield lib


def test_it_is_kept_and_new_sounds_move_nothing(lib, tmp_path):
    first = place_on_map(lib)
    assert len(first) == 12
    assert first.about["method"] == "pca"  # so few
    again = place_on_map(lib)
    assert np.array_equal(again.places, first.places)
    assert again.about == first.about
    new = making.add(lib, tmp_path, [("kick new", making.hit("kick", 9))])
    assert len(place_on_map(lib)) == 12
    making.embed(lib, new, "embed")
    more = place_on_map(lib)
    assert more.placed == 1
    where = dict(zip(more.ids, more.places.tolist(), strict=True))
    assert all(where[i] == place for i, place in zip(first.ids, first.places.tolist(), strict=True))
    kicks = [
        place
        for place, name in zip(more.places, more.names, strict=True)
        if name.startswith("kick ") and "new" not in name
    ]
    near = min(np.linalg.norm(np.asarray(where[new[0].id]) - kick) for kick in kicks)
    assert near < 0.3
    assert place_on_map(lib).placed == 0
    lib.delete(new)
    assert len(place_on_map(lib)) == 12
    refitted = place_on_map(lib, refit=True)
    assert np.array_equal(refitted.places, first.places)
    assert lib.fsck().clean


def test_it_is_drawn_with_families(lib, tmp_path):
    made = place_on_map(lib)
    svg = made._repr_html_()
    assert svg.count("<circle") == 12 + 2
    assert "drums 8" in svg
    assert "cymbals 4" in svg
    made.picture(tmp_path / "map.svg")
    assert (tmp_path / "map.svg").read_text().startswith("<svg")
    pytest.importorskip("matplotlib")
    made.picture(tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ParameterError, match=r"map\.pdf"):
        made.picture(tmp_path / "map.pdf")


def test_the_command_line_gives_json_and_a_picture(lib, tmp_path):
    command = [
        sys.executable,
        "-m",
        "audiolab.cli",
        "map",
        "--library",
        str(lib.path),
        "--json",
        "--to",
        str(tmp_path / "m.svg"),
    ]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(told["sounds"]) == 12
    assert {"id", "name", "label", "family", "x", "y"} == told["sounds"][0].keys()
    assert (tmp_path / "m.svg").is_file()


def test_an_empty_library_has_no_map(tmp_path):
    with Library(tmp_path / "lib") as empty, pytest.raises(CatalogError, match="embed"):
        place_on_map(empty)

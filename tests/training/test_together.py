"""Folds never separate copies, whoever knows of them: the manifest, or only who listens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_duplicates import hit, save
from test_fitting import SMALL

from audiolab.training.manifest import Entry, check_no_leak, link_groups
from audiolab.training.settings import ClassifierConfig
from audiolab.training.splitting import prepare_entries, split_folds
from audiolab.training.together import by_manifest, find_together


def config(**told: object) -> ClassifierConfig:
    few = SMALL.model_copy(update={"labels": ("snare", "closed_hat", "tom"), "drums": {}, "linked": ()})
    return few.model_copy(update={"rendered": 0, "variants": 1, "folds": 2} | told)


def source(folder: Path, name: str, seed: int, **told: str) -> list[Entry]:
    return [
        Entry(save(folder / name / f"{kind}{n}.wav", hit(kind, seed + n)), name, label, **told)
        for kind, label in (("snare", "snare"), ("hat", "closed_hat"), ("tom", "tom"))
        for n in range(3)
    ]


@pytest.fixture
def planted(tmp_path: Path) -> list[Entry]:
    """Four sources; `b` holds a quiet, trimmed copy of a snare of `a` that its manifest does not name."""
    entries = [entry for number, name in enumerate("abcd") for entry in source(tmp_path, name, 10 * number)]
    copy = save(tmp_path / "b" / "found.wav", 0.2 * hit("snare", 0)[100:])
    return [*entries, Entry(copy, "b", "snare")]


def fold_of(entries: list[Entry], folds: np.ndarray) -> dict[Path, int]:
    return {entry.path: int(fold) for entry, fold in zip(entries, folds, strict=True)}


@pytest.mark.parametrize("folds", [2, 3, 4])
def test_a_planted_copy_is_on_the_side_of_its_original(planted, tmp_path, folds):
    settings = config(folds=folds)
    blind = fold_of(planted, split_folds(planted, settings).folds)
    original, copy = planted[0].path, planted[-1].path
    if folds == 4:  # a source a fold: without listening the two are torn apart
        assert blind[original] != blind[copy]
    data = prepare_entries(planted, settings, tmp_path / "work")
    found = fold_of(list(data.sounds.entries), data.folds)
    assert found[original] == found[copy]
    for fold in range(data.count):
        sides = [
            [e for e, f in zip(data.sounds.entries, data.folds, strict=True) if (f == fold) == it] for it in (0, 1)
        ]
        assert not check_no_leak(*sides, twins=find_together(planted, ()).twins)
    assert any(note.startswith("recordings that are in several") and note.endswith(": 1") for note in data.notes)


def test_what_was_found_is_kept_until_a_file_changes(planted, tmp_path, monkeypatch):
    cache = tmp_path / "kept"
    first = find_together(planted, (), cache=cache)
    with monkeypatch.context() as patched:
        patched.setattr("audiolab.training.duplicates.listen_all", lambda *_: pytest.fail("it listened again"))
        assert find_together(planted, (), cache=cache) == first
    save(planted[-1].path, hit("snare", 77))
    assert find_together(planted, (), cache=cache).twins == {}


def test_the_manifest_is_believed_as_well_and_joined_with_what_is_heard(planted):
    told = [*planted]
    told[10] = Entry(told[10].path, "b", told[10].label, dup_group="x")
    told[19] = Entry(told[19].path, "c", told[19].label, dup_group="x")
    assert set(by_manifest(told, ()).twins) == {told[10].path, told[19].path}
    twins = find_together(told, ()).twins
    assert set(twins) == {told[0].path, told[-1].path, told[10].path, told[19].path}
    assert twins[told[0].path] == twins[told[-1].path] != twins[told[10].path] == twins[told[19].path]


def test_sources_that_share_several_recordings_are_linked_unless_someone_has_said(tmp_path):
    entries = [entry for number, name in enumerate("abc") for entry in source(tmp_path, name, 10 * number)]
    entries += [Entry(save(tmp_path / "b" / f"x{n}.wav", 0.3 * hit("snare", n)), "b", "snare") for n in range(3)]
    together = find_together(entries, ())
    assert together.linked == (("a", "b"),)
    groups = link_groups(entries, together.linked)
    assert groups[0] == groups[9] != groups[18]
    assert find_together(entries, (("a",), ("b", "c"))).linked == (("a",), ("b", "c"))
    mute = [Entry(e.path, e.source, e.label, may_ship="no" if e.source == "b" else "yes") for e in entries]
    assert find_together(mute, ()).linked == ()  # what only judges links nothing


def test_links_through_a_third_source_join_all():
    entries = [Entry(Path(f"{name}.wav"), name, "kick") for name in "abcde"]
    assert len(set(link_groups(entries, (("a", "b"), ("d", "e"), ("b", "d"))).tolist())) == 2


def test_a_sound_that_may_not_ship_is_judged_by_a_model_that_heard_no_copy_of_it(tmp_path):
    real = [entry for number, name in enumerate("abcd") for entry in source(tmp_path, name, 10 * number)]
    mute = source(tmp_path, "e", 50, may_ship="no")
    copies = {
        planted.path: Entry(save(tmp_path / "e" / f"y{n}.wav", 0.3 * hit("tom", seed)), "e", "tom", may_ship="no")
        for n, (planted, seed) in enumerate(((real[6], 0), (real[15], 10)))
    }
    data = prepare_entries([*real, *mute, *copies.values()], config(folds=4), None)
    found = fold_of(list(data.sounds.entries), data.folds)
    judged = fold_of(list(data.others.entries), data.other_folds)
    assert {judged[entry.path] for entry in mute} == {-1}  # the final model heard nothing of them
    for original, copy in copies.items():
        assert judged[copy.path] == found[original]
    # linked to one source, with a copy of a sound of another: every model has heard something
    data = prepare_entries([*real, *mute, *copies.values()], config(folds=4, linked=(("a", "e"),)), None)
    judged = fold_of(list(data.others.entries), data.other_folds)
    assert copies[real[15].path].path not in judged
    assert [note[-3:] for note in data.notes if "may not ship and are not judged" in note] == [": 1"]


def test_too_many_sounds_are_not_searched_and_that_is_said(planted, monkeypatch):
    monkeypatch.setattr("audiolab.training.together._MOST", 9)
    monkeypatch.setattr("audiolab.training.together.find_duplicates", lambda *_, **__: pytest.fail("searched"))
    assert "not searched for copies" in find_together(planted, ()).notes[0]

"""Retag: what would change is what changes, people's words stay, it is one action, and the library stays whole."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
from sqlalchemy import delete
from taught_library import HITS, LOOSE, make_library, recipe, run_here, samples_by_song

from audiolab.errors import CatalogError, ModelError, ParameterError
from audiolab.library import Library
from audiolab.library.models import VectorRow
from audiolab.runs import rebuild, retag, uncertain
from audiolab.stages.classification import get_head
from audiolab.stages.classification.shelf import put, set_current

ALL = 2 * len(HITS) + len(LOOSE)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    make_library(folder).close()
    return folder / "library"


@pytest.fixture
def library(template, tmp_path):
    shutil.copytree(template, tmp_path / "library")
    with Library(tmp_path / "library", actor="tester") as found:
        yield found


def renamed(**words: str) -> str:
    """Lay the shipped head with other words on the shelf."""
    head = get_head("shipped")
    labels = tuple(words.get(label, label) for label in head.labels)
    data = dataclasses.replace(head, labels=labels).to_bytes()
    return put({"head.npz": data}, name="+".join(sorted(words.values()))).id


def labels_of(library: Library) -> dict[str, tuple]:
    return {sound.id: (sound.label, sound.confidence, sound.label_source) for sound in library.query("kind:sample")}


def tags_of(library: Library) -> dict[str, list]:
    return {
        sound.id: [(tag.label, tag.source, tag.confidence, tag.model, tag.top, tag.result_key) for tag in sound.tags]
        for sound in library.query("kind:sample")
    }


def test_nothing_changes_until_it_is_applied_and_then_what_was_said(library):
    before, tags = labels_of(library), tags_of(library)
    kicks = [sound_id for sound_id, (label, _, _) in before.items() if label == "kick"]
    assert kicks
    plan = retag(library, model=renamed(kick="thump"))
    assert not plan.applied
    assert {change.id for change in plan.changes} == set(kicks)
    assert plan.counts == {("kick", "thump"): len(kicks)}
    assert plan.same == ALL - len(kicks)
    assert (plan.human, plan.imported, plan.denied, plan.current) == (0, 0, 0, 0)
    assert plan.left_out == ()
    assert labels_of(library) == before
    assert tags_of(library) == tags
    assert not list(library.tmp_dir.iterdir())
    done = retag(library, dry_run=False, model="thump")
    assert done.applied
    after = labels_of(library)
    for change in done.changes:
        assert after[change.id] == (change.after, pytest.approx(change.confidence_after), "model")
        assert change.confidence_before == pytest.approx(change.confidence_after)  # only the word is another
    for sound_id in set(before) - set(kicks):
        assert after[sound_id][0] == before[sound_id][0]
        assert after[sound_id][1] == pytest.approx(before[sound_id][1])
    assert library.query("label:thump").ids
    assert library.fsck(deep=True).clean, str(library.fsck(deep=True))
    assert "thump" in str(done)
    assert "thump" in done._repr_html_()
    assert json.loads(json.dumps(done.to_dict()))["applied"]
    assert len(done.sounds) == len(kicks)
    with pytest.raises(ParameterError, match="applied already"):
        done.apply()
    again = retag(library, dry_run=False, model="thump")
    assert again.current == ALL
    assert not again.applied
    done.roll_back()
    assert labels_of(library) == before
    assert tags_of(library) == tags
    assert library.fsck(deep=True).clean


def test_labels_by_people_stay_and_what_they_denied_does_not_come_back(library):
    first, second = samples_by_song(library)
    kicks = [sample for sample in (*first, *second) if sample.label == "kick"]
    assert len(kicks) >= 2
    kicks[0].tag("tom")
    kicks[1].tag("thump", role="label")
    kicks[1].untag("thump")
    for sample in first:
        if sample.label == "snare":
            sample.untag("snare")  # the model's label is denied
    renamed(kick="thump")
    denying = kicks[1]
    denying.untag("kick")
    done = retag(library, dry_run=False, model="thump")
    assert kicks[0].label == "tom"
    assert kicks[0].label_source == "human"
    assert done.human == 1
    assert denying.label == "thump"  # it was `kick` that was denied
    denied = [sample for sample in first if any(tag.denied and tag.label == "snare" for tag in sample.tags)]
    assert all(sample.label != "snare" for sample in denied)
    assert done.denied == len(denied)
    assert {change.after for change in done.changes} <= {"thump", None}


def test_undo_and_redo_are_one_action(library):
    before = labels_of(library)
    done = retag(library, dry_run=False, model=renamed(kick="thump", snare="smack"))
    after = labels_of(library)
    assert after != before
    assert [action.what for action in library.history(limit=1)] == [{"retag": 2 + len(LOOSE)}]
    [action] = library.undo()
    assert action.group == done.action
    assert labels_of(library) == before
    library.redo()
    assert labels_of(library) == after
    sample = library.query("kind:sample")[0]
    sample.tag("reject")
    done.roll_back()  # only this, whatever was done since
    assert labels_of(library) == before
    assert "reject" in [tag.label for tag in sample.tags]
    library.undo()
    assert "reject" not in [tag.label for tag in sample.tags]
    assert library.fsck(deep=True).clean


def test_a_later_run_finds_what_retag_left_and_then_the_way_back_is_refused(library):
    mine = renamed(kick="thump")
    set_current(mine)
    done = retag(library, dry_run=False)
    songs = list(library.songs)
    assert run_here(library, songs, recipe(len(HITS))) == {"reused": 3 * len(songs)}
    back = run_here(library, songs, recipe(len(HITS)), {"classify": {"model": "shipped"}})
    assert back == {"reused": 3 * len(songs)}
    assert "thump" not in {sample.label for samples in samples_by_song(library) for sample in samples}
    with pytest.raises(CatalogError, match="classified anew since"):
        done.roll_back()


def test_what_retag_left_can_be_made_again_from_audio(library):
    done = retag(library, dry_run=False, model=renamed(kick="thump"))
    song = library.songs[0]
    key = library.latest_result(song.id, "classify").key
    made = rebuild(library, key)
    assert made.status == "equal", str(made)
    assert library.record_path(key).is_file()
    set_current(renamed(kick="bump"))
    assert rebuild(library, key).status == "equal"  # the model of then, not the one that is current now
    path = library.path
    library.close()
    with Library(path, actor="tester") as again:  # the records say the same as the catalog
        for record in (path / "records").rglob("*.json"):
            assert json.loads(record.read_text())["key"] == record.stem
        assert again.fsck(deep=True).clean
        assert {change.id: change.after for change in done.changes} == {
            change.id: again.sound(change.id).label for change in done.changes
        }


def test_a_query_says_what_lies_beyond_it(library):
    first, second = samples_by_song(library)
    mine = renamed(kick="thump")
    kick = next(sample for sample in first if sample.label == "kick")
    song = kick.song
    plan = retag(library, model=mine, query=f'name:"{kick.name}"')
    assert {library.sound(change.id).song.id for change in plan.changes} == {song.id}
    assert [change.id for change in plan.changes if change.asked] == [kick.id]
    assert all(sample.id not in {change.id for change in plan.changes} for sample in second)
    assert retag(library, model=mine, query="bpm:1..2").changes == ()


def test_samples_without_embeddings_are_counted_and_embedded_on_wish(library):
    first, _ = samples_by_song(library)
    with library.store.transaction() as session:
        session.execute(delete(VectorRow).where(VectorRow.sound_id == first[3].id))
    mine = renamed(kick="thump")
    plan = retag(library, model=mine)
    assert any("8 samples wait for 1 embeddings" in line for line in plan.left_out)
    assert not {change.id for change in plan.changes} & {sample.id for sample in first}
    whole = retag(library, model=mine, embed=True)
    assert whole.left_out == ()
    assert whole.same + len(whole.changes) == ALL


def test_a_refused_retag_changes_nothing(library, monkeypatch):
    from audiolab.library import rechoosing

    before = labels_of(library)
    mine = renamed(kick="thump")
    calls = []
    plain = rechoosing.note

    def failing(*args, **more):
        calls.append(args)
        if len(calls) == 3:
            raise OSError("no space left on device")
        plain(*args, **more)

    monkeypatch.setattr(rechoosing, "note", failing)
    with pytest.raises(OSError, match="no space"):
        retag(library, dry_run=False, model=mine)
    assert labels_of(library) == before
    assert library.history(limit=1)[0].what != {"retag": 3}
    assert not list(library.tmp_dir.iterdir())
    assert library.fsck(deep=True).clean
    with pytest.raises(ModelError, match="there is no classifier"):
        retag(library, model="nobody")


def test_uncertain_proposes_untagged_sounds_with_reasons(library):
    found = uncertain(library, 6)
    assert len(found) == 6
    assert found.ids == [proposal.id for proposal in found.proposals]
    assert found.ids == uncertain(library, 6).ids
    assert all(proposal.reason and proposal.top for proposal in found.proposals)
    assert "samples that nobody has tagged" in found.note
    assert found.proposals[0].reason.split(":")[0].split()[0] in found._repr_html_()
    assert len(json.loads(json.dumps(found.to_list()))) == 6
    assert str(found).count("\n") == 6
    tagged, rejected, gone, loose = found[0], found[1], found[2], found[3]
    tagged.tag("kick")
    rejected.tag("reject")
    library.delete([gone])
    loose.tag("my favourite")  # a free word says nothing about what it is
    left = uncertain(library, 100, strategy="random")  # all that may be proposed
    assert not {tagged.id, rejected.id, gone.id} & set(left.ids)
    assert loose.id in left.ids
    assert set(uncertain(library, 100, "name:loose").ids) <= {sound.id for sound in library.query("name:loose")}
    for sound in library.query("kind:sample"):
        sound.tag("kick")
    with pytest.raises(ParameterError, match="have labels by people"):
        uncertain(library)
    with pytest.raises(ParameterError, match="no samples"):
        uncertain(library, 5, "kind:song")

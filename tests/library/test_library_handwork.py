"""Slices and onsets by hand: cutting, moving, splitting, removing; undo and redo; newer slice runs; damage."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from library_making import classifying, embedding, keep, key_of, slicing, song_with_samples, wav
from test_library_history import state

from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library, Sound
from audiolab.library.fsck import fsck
from audiolab.library.ids import view_id


@pytest.fixture
def drums(lib: Library, tmp_path: Path) -> Sound:
    """A stem of 16 s at 8 kHz, cut into four samples that a model has labelled."""
    _, drums = song_with_samples(lib, tmp_path / "song.wav")
    keep(lib, classifying(drums.samples, {"kick": 0.9, "snare": 0.8}))
    return drums


def spans(sound: Sound) -> list[tuple[int | None, int | None]]:
    return [(sample.start, sample.stop) for sample in sound.samples]


class TestAdding:
    def test_a_slice_is_a_view_with_name_and_label(self, lib: Library, drums: Sound) -> None:
        made = lib.add_slice(drums, 5000, 6000, name="my <b>hit</b>", label="rim")
        assert made.id == view_id(drums.id, 5000, 6000)
        assert (made.kind, made.stem, made.name, made.label) == ("sample", "drums", "my <b>hit</b>", "rim")
        assert made.label_source == "human"
        assert made.parent == drums
        assert made.song == drums.song
        assert np.array_equal(made.audio().samples, drums.audio().samples[:, 5000:6000])
        assert spans(drums) == [(0, 800), (1000, 1800), (2000, 2800), (4000, 4400), (5000, 6000)]
        assert [sample.id for sample in lib.hand_slices(drums)] == [made.id]
        assert made.id in lib.query("kind:sample label:rim").ids
        assert fsck(lib, deep=True).clean
        assert "by hand" in str(made.explain())

    def test_seconds_and_sounds_that_were_never_cut(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "s.wav", 5, 20.0))
        chop = song.cut(1.5, 1.75, name="la")
        assert (chop.start, chop.stop, chop.song) == (12000, 14000, song)
        assert [sample.id for sample in song.samples] == [chop.id]
        inner = chop.cut(0.05, 0.1)  # a slice of a slice lies in what that lies in
        assert (inner.parent, inner.start, inner.stop) == (song, 12400, 12800)
        assert fsck(lib, deep=True).clean

    @pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 5), (9, 4), (0, 10**9)])
    def test_spans_that_make_no_sense(self, lib: Library, drums: Sound, start: int, stop: int) -> None:
        before = state(lib)
        with pytest.raises(ParameterError, match="no part of it"):
            lib.add_slice(drums, start, stop)
        assert state(lib) == before

    def test_a_sound_in_the_trash(self, lib: Library, drums: Sound) -> None:
        lib.delete(drums)
        with pytest.raises(CatalogError, match="in the trash"):
            lib.add_slice(drums, 0, 100)

    def test_the_same_frames_again(self, lib: Library, drums: Sound) -> None:
        known = drums.samples[1]
        assert lib.add_slice(drums, 1000, 1800).id == known.id
        keep(lib, slicing(drums, [(0, 700)], "newer", at=9))
        assert spans(drums) == [(0, 700), (1000, 1800)]  # it is a person's now, so it stays
        lib.undo()
        assert spans(drums) == [(0, 700)]
        lib.redo()
        assert spans(drums) == [(0, 700), (1000, 1800)]
        lib.remove_slices(known)
        assert spans(drums) == [(0, 700)]
        assert lib.add_slice(drums, 1000, 1800).id == known.id
        assert spans(drums) == [(0, 700), (1000, 1800)]
        assert fsck(lib, deep=True).clean

    def test_one_call_is_one_action(self, lib: Library, drums: Sound) -> None:
        before = state(lib)
        made = lib.add_slice(drums, 5000, 6000, name="hit", label="rim")
        lib.undo()
        assert spans(drums) == [(0, 800), (1000, 1800), (2000, 2800), (4000, 4400)]
        assert lib.sound_row(made.id).deleted_at is not None
        lib.redo()
        assert (made.label, made.name) == ("rim", "hit")
        lib.undo()
        lib.purge()
        assert state(lib) == before


class TestMoving:
    def test_words_and_places_go_with_it(self, lib: Library, drums: Sound) -> None:
        old = drums.samples[1]
        old.tag("rim").tag("nice")
        old.rename("my rim")
        old.rating = 4
        lib.collection("kit").add([drums.samples[0], old, drums.samples[2]])
        new = lib.move_slice(old, 1010, 1800)
        assert (new.start, new.stop, new.name, new.label, new.rating) == (1010, 1800, "my rim", "rim", 4)
        assert {str(tag) for tag in new.tags} == {"rim (human)", "nice (human)", "snare (model 0.80)"}
        assert spans(drums) == [(0, 800), (1010, 1800), (2000, 2800), (4000, 4400)]
        assert [sound.id for sound in lib.collection("kit")] == [drums.samples[0].id, new.id, drums.samples[2].id]
        assert new.render == old.render
        assert fsck(lib, deep=True).clean

    def test_undo_and_redo(self, lib: Library, drums: Sound) -> None:
        old = drums.samples[1]
        old.tag("rim")
        old.rename("my rim")
        lib.collection("kit").add([old])
        before = state(lib)
        new = lib.move_slice(old, 1010, 1800)
        moved = spans(drums), new.label, new.name, lib.collection("kit").sounds.ids
        lib.undo()
        assert spans(drums)[1] == (1000, 1800)
        assert (old.label, old.name, lib.collection("kit").sounds.ids) == ("rim", "my rim", [old.id])
        lib.redo()
        assert (spans(drums), new.label, new.name, lib.collection("kit").sounds.ids) == moved
        lib.undo()
        lib.purge()
        assert state(lib) == before

    def test_back_and_forth_keeps_the_newest_words(self, lib: Library, drums: Sound) -> None:
        old = drums.samples[0]
        old.tag("kick")
        new = lib.move_slice(old, 5, 800)
        new.untag("kick").tag("tom")
        back = lib.move_slice(new, 0, 800)
        assert back.id == old.id
        assert [str(tag) for tag in back.tags if tag.source == "human"] == ["not kick (human)", "tom (human)"]
        lib.undo(4)
        assert spans(drums)[0] == (0, 800)
        assert old.label == "kick"

    def test_a_model_is_not_quoted_on_what_it_has_not_heard(self, lib: Library, drums: Sound) -> None:
        far = lib.move_slice(drums.samples[1], 9000, 9800)
        near = lib.move_slice(drums.samples[0], 100, 800)
        assert (far.label, near.label, near.confidence) == (None, "kick", 0.9)

    def test_onto_another_slice(self, lib: Library, drums: Sound) -> None:
        before = state(lib)
        with pytest.raises(CatalogError, match="already"):
            lib.move_slice(drums.samples[0], 1000, 1800)
        with pytest.raises(ParameterError, match="edge moved over"):
            lib.move_slice(drums.samples[0], 800, 100)
        with pytest.raises(CatalogError, match="not a slice"):
            lib.move_slice(drums, 0, 100)
        assert state(lib) == before

    def test_to_the_same_place_is_nothing(self, lib: Library, drums: Sound) -> None:
        old, history = drums.samples[0], len(lib.history())
        assert lib.move_slice(old, 0, 800).id == old.id
        assert len(lib.history()) == history


class TestSplittingAndRemoving:
    def test_split(self, lib: Library, drums: Sound) -> None:
        whole = drums.samples[0]
        whole.tag("rim")
        lib.collection("kit").add(whole)
        first, second = lib.split_slice(whole, 300)
        assert spans(drums)[:2] == [(0, 300), (300, 800)]
        assert (first.label, second.label, second.tags) == ("rim", None, [])
        assert lib.collection("kit").sounds.ids == [first.id]
        joined = np.concatenate([first.audio().samples, second.audio().samples], axis=1)
        assert np.array_equal(joined, whole.audio().samples)
        lib.undo()
        assert spans(drums)[0] == (0, 800)
        assert lib.collection("kit").sounds.ids == [whole.id]
        for at in (0, 800, 5000):
            with pytest.raises(ParameterError, match="between its edges"):
                lib.split_slice(whole, at)

    def test_removed_slices_do_not_come_back(self, lib: Library, drums: Sound) -> None:
        gone = drums.samples[2]
        assert lib.remove_slices(gone) == 1
        keep(lib, slicing(drums, [(0, 800), (2000, 2800)], "again", at=9))
        assert spans(drums) == [(0, 800)]
        with pytest.raises(CatalogError, match="in the trash"):
            lib.remove_slices(gone)
        lib.undo()
        assert spans(drums) == [(0, 800), (2000, 2800)]


class TestNewerRuns:
    def test_what_people_cut_stays(self, lib: Library, drums: Sound) -> None:
        lib.add_slice(drums, 5000, 6000)
        lib.move_slice(drums.samples[0], 10, 800)
        keep(lib, slicing(drums, [(0, 400), (5000, 6000)], "newer", at=9))
        assert spans(drums) == [(0, 400), (10, 800), (5000, 6000)]
        keep(lib, slicing(drums, [(7, 77)], "newest", at=10))
        assert spans(drums) == [(7, 77), (10, 800), (5000, 6000)]
        assert len(lib.samples_of(drums.id)) == 1
        assert fsck(lib, deep=True).clean

    def test_of_a_stem_that_was_separated_anew(self, lib: Library, drums: Sound) -> None:
        from library_making import separation

        made = lib.add_slice(drums, 5000, 6000)
        assert drums.song is not None
        keep(lib, separation(lib, drums.song, "newer", at=20))
        assert not drums.current
        assert lib.query("kind:sample").ids == [made.id]  # a person's work is still shown
        assert fsck(lib, deep=True).clean

    def test_jobs_on_the_set_know_nothing_of_it(self, lib: Library, drums: Sound) -> None:
        lib.add_slice(drums, 5000, 6000)
        keep(lib, embedding(lib, lib.samples_of(drums.id), key_of("e")))
        assert fsck(lib, deep=True).clean

    def test_a_run_takes_each_as_a_unit_of_its_own(self, lib: Library, drums: Sound) -> None:
        from audiolab.runs import Recipe
        from audiolab.runs.graph import Planner

        made = lib.add_slice(drums, 5000, 6000)
        lib.add_slice(drums, 1000, 1800)  # in the set too
        recipe = Recipe.load({"name": "one", "steps": [{"stage": "embed"}]})
        resolution = {
            "status": "ready", "why": "", "params": {}, "engine": "x", "weights": None, "profile": {}, "notes": (),
        }  # fmt: skip
        planned = Planner(lib, "run", recipe, {"embed": resolution}).plan(drums)
        assert [(job.sound.id, job.set_id) for job in planned] == [
            (drums.id, lib.samples_of(drums.id).id),
            (made.id, None),
        ]


class TestCare:
    def test_records_and_backups_keep_them(self, lib: Library, drums: Sound, tmp_path: Path) -> None:
        made = lib.add_slice(drums, 5000, 6000, label="rim")
        record = slicing(drums, [(0, 800), (1000, 1800), (2000, 2800), (4000, 4400)])
        from audiolab.library.folding import fold_again

        assert fold_again(lib.store, lib.media, record)
        assert spans(drums)[-1] == (5000, 6000)
        assert lib.repair(deep=True).after is None or fsck(lib, deep=True).clean
        if lib.store.path is not None:
            lib.close()
            copy = tmp_path / "copy"
            shutil.copytree(lib.path, copy)
            with Library(copy) as again:
                assert again.sound(made.id).label == "rim"
                assert fsck(again, deep=True).clean

    def test_purge(self, lib: Library, drums: Sound) -> None:
        made = lib.add_slice(drums, 5000, 6000)
        moved = lib.move_slice(drums.samples[0], 3, 800)
        lib.remove_slices([made, moved])
        report = lib.purge()
        assert set(report.sounds) == {made.id, moved.id}  # what the run cut stays: its results are aligned with it
        assert fsck(lib, deep=True).clean

    def test_rebuild_counts_them_as_views(self, lib: Library, tmp_path: Path) -> None:
        from audiolab.runs import rebuild_all

        song = lib.add(wav(tmp_path / "s.wav", 5, 20.0))
        chop = song.cut(1.0, 2.0)
        report = rebuild_all(lib)
        assert (report.views, report.added, report.failed) == (1, 1, [])
        assert [sample.id for sample in song.samples] == [chop.id]


class TestOnsets:
    def test_marks_are_kept_as_frames_with_a_history(self, lib: Library, drums: Sound) -> None:
        assert drums.onsets == [0.0, 0.125, 0.25, 0.5]  # where its samples begin
        assert lib.mark_onsets(drums, [1.00001, 0.5, 0.5, 16.0]) == [0.5, 1.0, 16.0]
        assert lib.marked_onsets(drums) == drums.onsets == [0.5, 1.0, 16.0]
        lib.mark_onsets(drums, [])
        assert drums.onsets == []  # a person said that there are none
        lib.undo()
        assert drums.onsets == [0.5, 1.0, 16.0]
        lib.mark_onsets(drums, None)
        assert lib.marked_onsets(drums) is None
        lib.undo(2)
        assert lib.marked_onsets(drums) is None

    @pytest.mark.parametrize("time", [-0.1, 16.1, float("nan")])
    def test_outside(self, lib: Library, drums: Sound, time: float) -> None:
        with pytest.raises(ParameterError, match="lies between"):
            lib.mark_onsets(drums, [1.0, time])

    def test_they_are_exported(self, lib: Library, drums: Sound) -> None:
        from audiolab.exporters.jams import to_jams

        def onsets() -> dict[str, Any]:
            return next(each for each in to_jams(drums)["annotations"] if each["namespace"] == "onset")

        assert [row["time"] for row in onsets()["data"]] == [0.0, 0.125, 0.25, 0.5]
        lib.mark_onsets(drums, [0.25, 3.0])
        assert [row["time"] for row in onsets()["data"]] == [0.25, 3.0]
        assert onsets()["annotation_metadata"]["data_source"] == "manual annotation"


class TestRelabelling:
    def test_the_last_word_counts_and_nothing_is_denied(self, lib: Library, drums: Sound) -> None:
        hit = drums.samples[0]
        hit.tag("kick").tag("nice")
        lib.relabel(hit, "rim")
        assert {str(tag) for tag in hit.tags} == {"rim (human)", "nice (human)", "kick (model 0.90)"}
        lib.relabel(hit, None)
        assert (hit.label, hit.label_source) == ("kick", "model")
        lib.undo(2)
        assert {str(tag) for tag in hit.tags} == {"kick (human)", "nice (human)", "kick (model 0.90)"}


class TestUndoWithin:
    def test_only_what_was_done_there(self, lib: Library, drums: Sound, tmp_path: Path) -> None:
        other = lib.add(wav(tmp_path / "other.wav", 9, 0.5))
        made = lib.add_slice(drums, 5000, 6000)
        moved = lib.move_slice(made, 5010, 6000)
        other.tag("tom")
        lib.tag([other, moved], "both")  # changed something else too: not to be taken back from here
        lib.undo(within=drums)
        assert spans(drums)[-1] == (5000, 6000)
        other.tag("later")
        lib.redo(within=drums)
        assert spans(drums)[-1] == (5010, 6000)
        lib.undo(2, within=[drums])
        assert spans(drums)[-1] == (4000, 4400)
        assert [str(tag) for tag in other.tags] == ["both (human)", "later (human)", "tom (human)"]
        lib.undo(2, within=other)
        with pytest.raises(CatalogError, match="here"):
            lib.undo(within=other)  # it was added, which is no change within it
        with pytest.raises(CatalogError, match="nothing to undo for 'tester' here"):
            lib.undo(within=())

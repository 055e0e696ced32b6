"""Ratings, the history, undo and redo, purge."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from library_making import classifying, dump, embedding, keep, key_of, separation, song_with_samples, wav

from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library
from audiolab.library.cards import stale
from audiolab.library.ops import one_action
from audiolab.library.purging import NOT_ALONE

TIMES = {"ops", "meta"}


def state(lib: Library) -> dict[str, list[tuple[Any, ...]]]:
    """Everything but the history itself, without the numbers of cards and the times of documents."""
    rows = dump(lib, without=[*TIMES, "card", "card_word", "document", "collection", "collection_item"])
    rows["documents"] = sorted((i, kind, repr(body)) for i, kind, body in documents(lib))
    rows["collections"] = collections(lib)
    return rows


def documents(lib: Library) -> list[tuple[str, str, Any]]:
    from sqlalchemy import select

    from audiolab.library.models import DocumentRow

    with lib.store.transaction(write=False) as session:
        return list(session.execute(select(DocumentRow.sound_id, DocumentRow.kind, DocumentRow.body)).all())


def collections(lib: Library) -> list[tuple[Any, ...]]:
    from audiolab.library.collecting import whole_state

    with lib.store.transaction(write=False) as session:
        names = list(lib.collections)
        return [(name, repr(whole_state(session, name))) for name in names]


class TestFields:
    def test_rating_favourite_and_note(self, lib: Library, tmp_path: Path) -> None:
        one, two = (lib.add(wav(tmp_path / f"{seed}.wav", seed)) for seed in (1, 2))
        assert (one.rating, one.favourite, one.note) == (None, False, None)
        one.rating = 4
        one.favourite = True
        one.note = "  for the bridge  "
        assert (one.rating, one.favourite, one.note) == (4, True, "for the bridge")
        assert lib.query("rating:4..").ids == [one.id] == lib.query("favourite:yes").ids == lib.query("bridge").ids
        assert lib.rate([one, two], 4) == 1  # one of them has it already
        assert lib.set_fields([one, two], rating=2, note=None) == 2
        assert (one.rating, one.note, two.rating) == (2, None, 2)
        one.rating = None
        one.favourite = False
        assert (one.rating, one.favourite) == (None, False)
        assert documents(lib) == [(two.id, "fields", {"rating": 2})]

    @pytest.mark.parametrize(
        "fields", [{"rating": 0}, {"rating": 6}, {"rating": True}, {"rating": 2.5}, {"favourite": "yes"}, {"note": 3},
                   {"note": "x" * 100_001}, {"stars": 3}],
    )  # fmt: skip
    def test_values_that_make_no_sense(self, lib: Library, tmp_path: Path, fields: dict[str, Any]) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        with pytest.raises(ParameterError):
            lib.set_fields(sound, **fields)
        assert len(lib.ops()) == 1
        with pytest.raises(ParameterError):
            lib.set_overlay(sound.id, "fields", {"rating": 9})

    def test_hostile_notes(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        for text in ("'); DROP TABLE sound; --", "<script>alert(1)</script>", "日本語 \ud800 \x00 e\u0301"):
            sound.note = text
            assert sound.note == text.replace("\ud800", "?").replace("\x00", "\ufffd")


class TestUndo:
    def test_tagging_fifty_sounds_is_taken_back_at_once(self, lib: Library, tmp_path: Path) -> None:
        sounds = [lib.add(wav(tmp_path / f"{seed}.wav", seed, 0.05)) for seed in range(50)]
        before = state(lib)
        lib.tag(sounds, "kick")
        tagged = state(lib)
        (action,) = lib.undo()
        assert action.what == {"tag": 50}
        assert state(lib) == before
        lib.redo()
        assert state(lib) == tagged
        assert [dict(found.what) for found in lib.history(limit=4)] == [{"tag": 50}] * 3 + [{"add": 1}]
        assert "took back" in str(lib.history()[0])

    def test_nothing_to_undo_or_redo(self, lib: Library, tmp_path: Path) -> None:
        with pytest.raises(CatalogError, match="nothing to undo"):
            lib.undo()
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        with pytest.raises(CatalogError, match="nothing to redo"):
            lib.redo()
        sound.tag("kick")
        lib.undo()
        sound.tag("snare")
        with pytest.raises(CatalogError, match="nothing to redo"):
            lib.redo()  # something else was done since
        with pytest.raises(ParameterError):
            lib.undo(0)

    def test_only_ones_own(self, lib: Library, folder: Path, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        with Library(folder, actor="other") as theirs:
            theirs.tag(sound.id, "snare")
            lib.undo()
            assert [found.id for found in lib.trash] == [sound.id]
            lib.redo()
            theirs.undo()
            assert sound.tags == []
            with pytest.raises(CatalogError, match="nothing to undo for 'other'"):
                theirs.undo()
        lib.undo(actor="tester")
        assert len(lib.trash) == 1

    def test_what_others_changed_since_is_refused_as_a_whole(self, lib: Library, folder: Path, tmp_path: Path) -> None:
        one, two = (lib.add(wav(tmp_path / f"{seed}.wav", seed)) for seed in (1, 2))
        lib.tag([one, two], "kick")
        lib.rate(one, 3)
        with Library(folder, actor="other") as theirs:
            theirs.tag(one.id, "kick", 0.5)
            theirs.favour(one.id)
        lib.undo()  # the mark is another field than the stars
        assert (one.rating, one.favourite) == (None, True)
        before = dump(lib)
        with pytest.raises(CatalogError, match="changed since; nothing was changed"):
            lib.undo()
        assert dump(lib) == before

    def test_derived_things_come_along(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, classifying(drums.samples, {"kick": 0.9}))
        sample = drums.samples[0]
        sample.untag("kick")
        sample.tag("rim")
        lib.undo(2)
        assert (sample.label, sample.label_source) == ("kick", "model")
        lib.redo(2)
        assert (sample.label, sample.label_source) == ("rim", "human")
        song.correct_tempo(bpm=90)
        lib.undo()
        assert song.bpm is None
        lib.delete([drums, song])
        lib.undo()
        assert len(lib.trash) == 0
        lib.redo()
        assert len(lib.trash) == 7

    def test_adding_is_taken_back_to_the_trash(self, lib: Library, tmp_path: Path) -> None:
        for name in ("drums", "bass"):
            wav(tmp_path / "stems" / f"{name}.wav", len(name), 1.0)
        song = lib.add(stems=tmp_path / "stems")
        after = state(lib)
        lib.undo()
        assert len(lib.query()) == 0
        assert len(lib.trash) == 3
        lib.redo()
        assert state(lib) == after
        assert set(song.stems) == {"drums", "bass"}

    def test_a_kind_and_a_synonym(self, lib: Library, tmp_path: Path) -> None:
        from audiolab.library.synonyms import own_synonyms, set_synonym

        path = wav(tmp_path / "Bass.wav", 1)
        sound = lib.add(path)
        lib.add(path, "stem")
        lib.undo()
        assert (lib.sound(sound.id).kind, lib.sound(sound.id).stem) == ("sample", None)
        lib.redo()
        assert (lib.sound(sound.id).kind, lib.sound(sound.id).stem) == ("stem", "bass")
        for means in ("kick", "tom", None):
            with lib.store.transaction() as session:
                set_synonym(session, lib.actor, "boom", means)
        seen = []
        for _ in range(3):
            lib.undo()
            with lib.store.transaction(write=False) as session:
                seen.append(own_synonyms(session))
        assert seen == [{"boom": "tom"}, {"boom": "kick"}, {}]

    def test_a_folder_with_a_rule(self, lib: Library, tmp_path: Path) -> None:
        for number in range(3):
            wav(tmp_path / "pack" / "kick" / f"{number}.wav", number)
        lib.add(tmp_path / "pack")
        before = state(lib)
        lib.add_report(tmp_path / "pack", rule="{label}/{name}")
        after = state(lib)
        assert [sound.label for sound in lib.query()] == ["kick"] * 3
        lib.undo()
        assert state(lib) == before
        lib.redo()
        assert [sound.label for sound in lib.query()] == ["kick"] * 3
        lib.undo(2)
        assert len(lib.trash) == 3
        lib.redo(2)
        times = {"tag"}  # tags that come back are new ones
        assert {k: v for k, v in state(lib).items() if k not in times} == {
            k: v for k, v in after.items() if k not in times
        }

    def test_a_watched_folder(self, lib: Library, tmp_path: Path) -> None:
        wav(tmp_path / "pack" / "a.wav", 1)
        lib.watch(tmp_path / "pack", kind="sample")
        lib.watch(tmp_path / "pack", kind="song")
        lib.unwatch(tmp_path / "pack")
        (folder,) = lib.folders
        assert not folder.watched
        lib.undo()
        assert [(found.watched, found.kind) for found in lib.folders] == [(True, "song")]
        lib.undo()
        assert [(found.watched, found.kind) for found in lib.folders] == [(True, "sample")]
        lib.undo()
        assert not any(found.watched for found in lib.folders)

    def test_what_stays_within_an_action(self, lib: Library, tmp_path: Path) -> None:
        """A rescan may find files elsewhere and add others; the places of files are not taken back."""
        from audiolab.library.ops import note

        sound = lib.add(wav(tmp_path / "a.wav", 1))
        for order in (("relink", "tag"), ("tag", "relink")):
            with one_action():
                for what in order:
                    if what == "tag":
                        sound.tag("kick")
                        continue
                    with lib.store.transaction() as session:
                        note(session, lib.actor, "relink", sound.id, before={"media": "a"}, after={"media": "b"})
            lib.undo()
            assert sound.tags == []
        lib.redo()
        assert sound.label == "kick"

    def test_several_transactions_as_one_action(self, lib: Library, tmp_path: Path) -> None:
        with one_action():
            for seed in range(3):
                lib.add(wav(tmp_path / f"{seed}.wav", seed))
        assert [dict(found.what) for found in lib.history()] == [{"add": 3}]
        lib.undo()
        assert len(lib.trash) == 3

    def test_a_history_from_before_there_were_groups(self, lib: Library, tmp_path: Path) -> None:
        from sqlalchemy import update

        from audiolab.library.models import OpRow

        one, two = (lib.add(wav(tmp_path / f"{seed}.wav", seed)) for seed in (1, 2))
        one.tag("kick").rename("new")
        kit = lib.collection("kit").add([one, two])
        kit.delete()
        lib.delete(two)
        with lib.store.transaction() as session:
            session.execute(update(OpRow).values(group=None))
            old: dict[str, Any] = {
                "delete": {"before": None, "after": None},
                "rename": {"before": {"name": "1"}, "after": {"name": "new"}},
                "collect": {"before": None, "after": {"sounds": [one.id, two.id], "position": 0}},
            }
            for what, values in old.items():
                session.execute(update(OpRow).where(OpRow.what == what, ~OpRow.target.contains(":")).values(values))
            session.execute(update(OpRow).where(OpRow.what == "collect").values(old["collect"]))
            gone = {"before": {"sounds": [one.id, two.id]}, "after": None}
            session.execute(update(OpRow).where(OpRow.target == "collection:kit", OpRow.what == "delete").values(gone))
        lib.undo()
        assert len(lib.trash) == 0
        lib.undo()
        assert kit.sounds.ids == [one.id, two.id]
        lib.undo()
        assert "kit" not in lib.collections
        lib.undo(2)
        assert (one.name, one.tags) == ("1", [])


class TestCollections:
    def test_order_and_saved_searches(self, lib: Library, tmp_path: Path) -> None:
        a, b, c = (lib.add(wav(tmp_path / f"{seed}.wav", seed)) for seed in (1, 2, 3))
        kit = lib.collection("kit").add([a, b, c])
        kit.order([c, a])
        assert kit.sounds.ids == [c.id, a.id, b.id]
        lib.undo()
        assert kit.sounds.ids == [a.id, b.id, c.id]
        with pytest.raises(CatalogError, match="is not in the collection"):
            lib.collection("kit").order(["ab" * 32])
        with pytest.raises(CatalogError, match="another name"):
            kit.save("rating:3..")
        best = lib.collection("best").save("rating:3..")
        lib.rate(b, 5)
        assert best.sounds.ids == [b.id]
        assert best.query == "rating:3.."
        with pytest.raises(CatalogError, match="saved search"):
            best.add(a)
        best.save("rating:..2")
        assert best.sounds.ids == []
        best.delete()
        lib.undo()
        assert lib.collection("best").query == "rating:..2"
        lib.undo()
        assert lib.collection("best").sounds.ids == [b.id]

    def test_undoing_around_others(self, lib: Library, folder: Path, tmp_path: Path) -> None:
        a, b = (lib.add(wav(tmp_path / f"{seed}.wav", seed)) for seed in (1, 2))
        kit = lib.collection("kit").add(a)
        with Library(folder, actor="other") as theirs:
            theirs.collection("kit").add(b.id)
        with pytest.raises(CatalogError, match="holds other sounds"):
            lib.undo()
        kit.remove(b)
        lib.undo()
        assert kit.sounds.ids == [a.id, b.id]
        kit.rename("kat")
        lib.collection("kit").add(a)
        lib.undo()
        lib.undo()
        assert list(lib.collections) == ["kit"]


class Machine(RuleBasedStateMachine):
    """Random actions; taking all back gives the rows of before, doing all again those of after."""

    blank: Path
    sounds = st.lists(st.integers(0, 6), min_size=1, max_size=4, unique=True)
    labels = st.sampled_from(["kick", "snare", "reject", "x"])
    names = st.sampled_from(["kit", "kat", "Kit 2"])

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(self.blank, self.folder / "lib")
        self.lib = Library(self.folder / "lib", actor="tester")
        self.ids = sorted(sound.id for sound in self.lib.query("current:any"))
        assert len(self.ids) >= 7

    @initialize()
    def begin(self) -> None:
        self.before = state(self.lib)
        self.count = len(self.lib.history(limit=10_000))

    def ids_of(self, numbers: list[int]) -> list[str]:
        return [self.ids[number] for number in numbers]

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except CatalogError:
            rows = state(self.lib)
            assert rows == state(self.lib)

    @rule(which=sounds, label=labels, confidence=st.sampled_from([0.5, 1.0]))
    def tag(self, which: list[int], label: str, confidence: float) -> None:
        self.lib.tag(self.ids_of(which), label, confidence)

    @rule(which=sounds, label=labels)
    def untag(self, which: list[int], label: str) -> None:
        self.lib.untag(self.ids_of(which), label)

    @rule(which=st.integers(0, 6), name=names)
    def rename(self, which: int, name: str) -> None:
        self.lib.rename(self.ids[which], name)

    @rule(which=sounds, rating=st.sampled_from([None, 1, 5]), note=st.sampled_from([None, "a", "b"]))
    def fields(self, which: list[int], rating: int | None, note: str | None) -> None:
        self.lib.set_fields(self.ids_of(which), rating=rating, note=note)

    @rule(which=st.integers(0, 6), body=st.sampled_from([None, {"key": "Am"}, {"tempo": {"bpm": 100}}]))
    def overlay(self, which: int, body: dict[str, Any] | None) -> None:
        self.lib.set_overlay(self.ids[which], "analyze", body)

    @rule(which=sounds)
    def delete(self, which: list[int]) -> None:
        self.lib.delete(self.ids_of(which))

    @rule(which=sounds)
    def restore(self, which: list[int]) -> None:
        self.lib.restore(self.ids_of(which))

    @rule(which=sounds, name=names)
    def collect(self, which: list[int], name: str) -> None:
        self._try(lambda: self.lib.collection(name).add(self.ids_of(which)))

    @rule(which=sounds, name=names)
    def uncollect(self, which: list[int], name: str) -> None:
        self._try(lambda: self.lib.collection(name).remove(self.ids_of(which)))

    @rule(which=sounds, name=names)
    def order(self, which: list[int], name: str) -> None:
        self._try(lambda: self.lib.collection(name).order(self.ids_of(which)))

    @rule(name=names, query=st.sampled_from(["rating:3..", "label:kick"]))
    def save(self, name: str, query: str) -> None:
        self._try(lambda: self.lib.collection(name).save(query))

    @rule(name=names, new=names)
    def rename_collection(self, name: str, new: str) -> None:
        self._try(lambda: self.lib.collection(name).rename(new))

    @rule(name=names)
    def delete_collection(self, name: str) -> None:
        self.lib.collection(name).delete()

    @rule(n=st.integers(1, 3))
    def undo(self, n: int) -> None:
        self._try(lambda: self.lib.undo(n) if self.live() >= n else None)

    @rule(n=st.integers(1, 3))
    def redo(self, n: int) -> None:
        self._try(lambda: self.lib.redo(n))

    def live(self) -> int:
        """How many actions since the beginning are in force."""
        undone: set[str] = set()
        count = 0
        done = self.lib.history(limit=10_000)
        kinds: dict[str, bool] = {}
        for action in reversed(done):
            kinds[action.group] = action.undoes is not None and not kinds.get(action.undoes, False)
        for action in done[: len(done) - self.count]:
            if action.undoes:
                undone.add(action.undoes)
            count += action.group not in undone and not kinds[action.group]
        return count

    def teardown(self) -> None:
        after, count = state(self.lib), self.live()
        if count:
            self.lib.undo(count)
        assert state(self.lib) == self.before
        if count:
            self.lib.redo(count)
        assert state(self.lib) == after
        with self.lib.store.transaction(write=False) as session:
            assert stale(session) == []
        self.lib.close()
        shutil.rmtree(self.folder)


def test_random_actions_and_back(tmp_path: Path) -> None:
    with Library(tmp_path / "blank", actor="tester") as lib:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, classifying(drums.samples, {"kick": 0.9, "snare": 0.6}))
    machine = type("M", (Machine,), {"blank": tmp_path / "blank"})
    machine.TestCase.settings = settings(  # type: ignore[attr-defined]
        max_examples=25,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    machine.TestCase().runTest()  # type: ignore[attr-defined]


class TestPurge:
    def test_a_song_goes_with_all_that_was_made_of_it(self, lib: Library, folder: Path, tmp_path: Path) -> None:
        other = lib.add(wav(tmp_path / "other.wav", 77))
        before = state(lib)
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, classifying(drums.samples, {"kick": 0.9}))
        keep(lib, embedding(lib, drums.samples, key_of("encoder")))
        lib.collection("kit").add([drums.samples[0], other])
        lib.delete(song)
        assert lib.purge(older_than=1).sounds == ()
        dry = lib.purge(dry_run=True)
        assert (len(dry.sounds), dry.results, dry.media) == (7, 4, 4)
        assert len(lib.trash) == 7
        done = lib.purge(older_than=timedelta(0))
        assert (done.sounds, done.results, done.media, done.bytes) == (dry.sounds, dry.results, dry.media, dry.bytes)
        assert lib.collection("kit").sounds.ids == [other.id]
        lib.collection("kit").delete()
        assert state(lib) == before
        assert list((folder / "records").rglob("*.json")) == []
        assert [file.hash for file in lib.media.files()] == [other.media]
        assert lib.fsck(deep=True).clean
        assert lib.add(tmp_path / "song.wav").id == song.id

    def test_undo_steps_over_it_and_what_is_gone_stays_gone(self, lib: Library, tmp_path: Path) -> None:
        one, two = (lib.add(wav(tmp_path / f"{seed}.wav", seed)) for seed in (1, 2))
        two.tag("kick")
        lib.delete(one)
        lib.purge()
        assert lib.history()[0].what == {"purge": 1}
        with pytest.raises(CatalogError, match="removed for good"):
            lib.undo()

    def test_what_is_needed_stays(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        sample = drums.samples[0]
        bass = song.stems["bass"]
        lib.delete(song)
        lib.restore(sample)  # a live view of the drums of the song
        report = lib.purge()
        assert set(report.sounds) == set()  # the bass was made with the drums, the cuts with the sample
        assert song.id in report.kept
        assert bass.id in report.kept
        assert sample.audio().frames == 800
        lib.delete(sample)
        lib.restore(song)
        lib.delete([*drums.samples])
        assert len(lib.purge().sounds) == 4  # a whole set of a stem that stays
        assert drums.samples.ids == []
        lib.delete(bass)
        assert lib.purge().kept == {bass.id: NOT_ALONE}
        lib.delete(drums)
        assert len(lib.purge().sounds) == 2
        assert song.stems == {}
        assert lib.fsck(deep=True).clean

    def test_an_older_separation_counts_again(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "song.wav", 1, 16.0))
        keep(lib, separation(lib, song, 1, at=1))
        first = song.stems["drums"]
        keep(lib, separation(lib, song, 2, at=2))
        second = song.stems
        assert second["drums"] != first
        lib.delete(list(second.values()))
        lib.purge()
        assert song.stems["drums"] == first

    def test_equal_files_of_two_sounds(self, lib: Library, tmp_path: Path) -> None:
        """A stem with the bytes of an added file: the file stays as long as one of them does."""
        for name in ("drums", "bass"):
            wav(tmp_path / "stems" / f"{name}.wav", len(name), 1.0)
        sample = lib.add(tmp_path / "stems" / "drums.wav", "sample")
        song = lib.add(stems=tmp_path / "stems")
        assert sample.media in {stem.media for stem in song.stems.values()}
        lib.delete(song)
        report = lib.purge()
        assert len(report.sounds) == 3
        assert sample.audio().frames == 8000
        assert lib.fsck(deep=True).clean

    def test_a_kill_after_the_catalog_leaves_only_orphans(
        self, lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        song, _ = song_with_samples(lib, tmp_path / "song.wav")
        lib.delete(song)

        def die(*args: object, **kwargs: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", die)
            with pytest.raises(KeyboardInterrupt):
                lib.purge()
        assert {problem.kind for problem in lib.fsck(deep=True).problems} == {"unfolded", "orphaned"}

    def test_times(self, lib: Library) -> None:
        with pytest.raises(ParameterError, match="negative"):
            lib.purge(older_than=-1)
        assert lib.purge(older_than=0.5).sounds == ()
        assert lib.history() == []

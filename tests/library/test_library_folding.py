"""Records and folding: idempotent, torn-proof, in any order, by any number of processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from library_making import (
    analysis,
    classifying,
    dump,
    embedding,
    keep,
    key_of,
    made,
    separation,
    slicing,
    song_with_samples,
    wav,
)

from audiolab.errors import CatalogError
from audiolab.library import Library, Record
from audiolab.library.ids import derived_id, set_id, view_id


def full(lib: Library, folder: Path) -> list[Record]:
    """A song with everything done to it; gives the records in order."""
    song, drums = song_with_samples(lib, folder / "song.wav")
    records = [keep(lib, analysis(song)), keep(lib, embedding(lib, drums.samples, key_of("encoder")))]
    records.append(keep(lib, classifying(drums.samples, {"kick": 0.9, "snare": 0.6})))
    return [
        lib_record(lib, row.result_key) for row in (song.stems["drums"], drums.samples[0]) if row.result_key
    ] + records


def lib_record(lib: Library, key: str) -> Record:
    return Record.read(lib.record_path(key))


class TestRecords:
    def test_round_trip(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        record = separation(lib, song, notes=("fell back to spectral",), facts={"x": np.float32(0.5), "n": np.int64(3)})
        path = record.write(lib.record_path(record.key))
        assert path == lib.path / "records" / record.key[:2] / f"{record.key}.json"
        assert Record.read(path) == record
        assert record.facts == {"x": 0.5, "n": 3}

    def test_numbers_without_json_form_become_null(self, lib: Library) -> None:
        record = Record(
            key="ab" * 8, stage="s", version=1, sound_id="cd" * 8, facts={"nan": float("nan"), "inf": np.inf}
        )
        assert record.facts == {"nan": None, "inf": None}
        assert json.loads(record.model_dump_json())["facts"] == {"nan": None, "inf": None}

    @pytest.mark.parametrize("damage", ["cut", "empty", "zeros", "list", "deep", "renamed", "format", "extra"])
    def test_torn_or_foreign_record_is_named(self, lib: Library, tmp_path: Path, damage: str) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        record = analysis(song)
        path = record.write(lib.record_path(record.key))
        text = path.read_text()
        changed = {
            "cut": text[: len(text) // 2],
            "empty": "",
            "zeros": "\0" * 100,
            "list": "[1, 2]",
            "deep": "[" * 100_000,
            "renamed": text.replace(record.key, "ff" * 32),
            "format": text.replace('"format":1', '"format":2'),
            "extra": text.replace("{", '{"surprise":1,', 1),
        }[damage]
        path.write_text(changed)
        with pytest.raises(CatalogError, match=record.key[:20]):
            Record.read(path)

    def test_a_key_cannot_leave_the_folder(self, lib: Library) -> None:
        with pytest.raises(CatalogError, match="result key"):
            lib.record_path("../../etc/passwd")

    def test_writing_leaves_no_temporary_file(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        record = analysis(song)
        path = record.write(lib.record_path(record.key))
        record.write(path)
        assert [found.name for found in path.parent.iterdir()] == [path.name]


class TestFolding:
    def test_twice_changes_nothing(self, lib: Library, tmp_path: Path) -> None:
        records = full(lib, tmp_path)
        before = dump(lib)
        assert [lib.fold(record) for record in records * 2] == [False] * 2 * len(records)
        assert dump(lib) == before

    def test_opening_folds_what_is_new_whatever_the_order_of_keys(self, folder: Path, tmp_path: Path) -> None:
        with Library(folder, actor="tester") as lib:
            full(lib, tmp_path)
            expected = dump(lib, without=["ops", "meta", "card", "card_word"])
            media = [file.hash for file in lib.media.files()]
        (folder / "library.db").unlink()
        with Library(folder, actor="tester") as again:
            assert len(again.warnings) == 5  # the song itself is not derived: it has to be added again
            again.add(tmp_path / "song.wav")
            assert again.fold_new() == 5
            assert again.warnings == []
            found = dump(again, without=["ops", "meta", "card", "card_word"])
            assert [file.hash for file in again.media.files()] == media
        when = expected["sound"][0]
        assert {name: len(rows) for name, rows in found.items()} == {name: len(rows) for name, rows in expected.items()}
        assert when is not None
        for name, rows in expected.items():
            if name == "sound":  # the song's time of adding differs, nothing else
                assert [[v for v in row if "datetime" not in v] for row in found[name]] == [
                    [v for v in row if "datetime" not in v] for row in rows
                ]
            else:
                assert found[name] == rows

    def test_a_torn_record_does_not_stop_the_library(self, folder: Path, tmp_path: Path) -> None:
        with Library(folder) as lib:
            song = lib.add(wav(tmp_path / "a.wav", 1, 16))
            good = analysis(song)
            good.write(lib.record_path(good.key))
            torn = lib.record_path("ee" * 32)
            torn.parent.mkdir(parents=True)
            torn.write_text(good.model_dump_json()[:99])
        with Library(folder) as lib:
            assert lib.has_result(good.key)
            assert not lib.has_result("ee" * 32)
            assert len(lib.warnings) == 1
            assert "ee" * 32 in lib.warnings[0]
            assert [problem.kind for problem in lib.fsck().problems] == ["torn"]

    def test_a_record_older_than_its_sound_is_folded_too(self, folder: Path, tmp_path: Path) -> None:
        """Clocks of several machines differ: the cut seems to come before the stem."""
        with Library(folder) as lib:
            song = lib.add(wav(tmp_path / "a.wav", 1, 16))
            first = separation(lib, song, at=10)
            stem = first.sounds[0].id
            second = Record(
                key=key_of("s"), stage="slice", version=1, sound_id=stem, made_at=made(1),
                cuts=[{"id": view_id(stem, 0, 10), "start": 0, "stop": 10}],
            )  # fmt: skip
            for record in (first, second):
                record.write(lib.record_path(record.key))
        with Library(folder) as lib:
            assert lib.warnings == []
            assert len(lib.sound(stem).samples) == 1

    def test_nothing_is_half_written(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        drums = keep(lib, separation(lib, song)).sounds[0].id
        before = dump(lib)
        good = slicing(lib.sound(drums), [(0, 100), (200, 300)])
        beyond = slicing(lib.sound(drums), [(0, 100), (200, 10**9)])
        wrong_id = good.model_copy(update={"cuts": (good.cuts[0].model_copy(update={"id": "ab" * 32}),)})
        foreign_tag = good.model_copy(update={"cuts": None, "tags": classifying_like(song.id)})
        no_media = separation(lib, song, 2)
        lib.media.local(no_media.sounds[0].media).unlink()
        no_set = good.model_copy(update={"set_id": "ab" * 32})
        no_sound = good.model_copy(update={"sound_id": "ab" * 32, "cuts": None})
        for record in (beyond, wrong_id, foreign_tag, no_media, no_set, no_sound):
            with pytest.raises(CatalogError):
                lib.fold(record)
            assert dump(lib) == before

    def test_a_key_belongs_to_one_sound(self, lib: Library, tmp_path: Path) -> None:
        a, b = (lib.add(wav(tmp_path / f"{seed}.wav", seed, 16)) for seed in (1, 2))
        record = keep(lib, analysis(a))
        before = dump(lib)
        with pytest.raises(CatalogError, match="taken by another sound"):
            lib.fold(record.model_copy(update={"sound_id": b.id, "made_at": made(99)}))
        assert dump(lib) == before

    def test_lost_media_means_the_result_is_gone(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        record = keep(lib, separation(lib, song))
        assert lib.has_result(record.key)
        lib.media.local(record.sounds[0].media).unlink()
        assert not lib.has_result(record.key)
        again = separation(lib, song, at=9)  # the job is done once more: same key, same bytes
        assert again.key == record.key
        keep(lib, again)
        assert lib.has_result(record.key)
        assert lib.fsck().clean

    def test_a_result_made_anew_replaces_the_old_one(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        keep(lib, analysis(song, 120.0, at=1))
        keep(lib, analysis(song, 121.0, at=2))  # same key, other machine
        assert song.bpm == 121.0
        assert not lib.fold(analysis(song, 120.0, at=1))
        assert song.bpm == 121.0

    def test_has_result_folds_a_record_found(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        record = analysis(song)
        record.write(lib.record_path(record.key))
        assert lib.result(record.key) is None
        assert lib.has_result(record.key)
        assert lib.result(record.key).stage == "analyze"


def classifying_like(sound_id: str) -> tuple:
    return (
        Record(
            key="ab" * 8,
            stage="s",
            version=1,
            sound_id="ab" * 8,
            tags=[{"sound_id": sound_id, "label": "x", "confidence": 1}],
        ).tags[0],
    )


class TestSets:
    def test_cuts_become_views(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        samples = drums.samples
        assert [(s.start, s.stop) for s in samples] == [(0, 800), (1000, 1800), (2000, 2800), (4000, 4400)]
        assert [s.id for s in samples] == [view_id(drums.id, s.start, s.stop) for s in samples]
        assert samples.id == set_id(samples.result_key)
        assert all(s.media is None and s.kind == "sample" and s.song == song and s.parent == drums for s in samples)
        assert drums.id == derived_id(drums.result_key, "drums")
        assert np.array_equal(samples[1].audio().samples, drums.audio().samples[:, 1000:1800])
        assert samples[0].path == drums.path
        assert song.samples.id == ""
        assert len(song.samples) == 0

    def test_a_newer_set_supersedes_but_keeps_what_people_hold(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        old = drums.samples
        old[0].tag("rim")
        lib.collection("kit").add(old[1])
        keep(lib, slicing(drums, [(2000, 2800), (5000, 5500)], tag=2, at=5))
        new = drums.samples
        assert [(s.start, s.stop) for s in new] == [(2000, 2800), (5000, 5500)]
        seen = {(s.start, s.stop) for s in lib.query("kind:sample")}
        assert seen == {(0, 800), (1000, 1800), (2000, 2800), (5000, 5500)}  # (4000, 4400) is gone from sight
        assert lib.sample_set(old.result_key).superseded_by == new.id
        assert len(lib.sample_set(old.result_key)) == 4
        assert {(s.start, s.stop) for s in lib.query("kind:sample current:no")} == {
            (0, 800),
            (1000, 1800),
            (4000, 4400),
        }
        old[0].untag("rim")
        assert (0, 800) not in {(s.start, s.stop) for s in lib.query("kind:sample")}

    def test_an_empty_set_supersedes_too(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, slicing(drums, [], tag=2, at=5))
        assert drums.samples.id
        assert len(drums.samples) == 0
        assert len(lib.query("kind:sample")) == 0

    def test_equal_cuts_of_two_sets_are_one_sound(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        first = drums.samples[2]
        first.tag("snare").rename("the good one")
        keep(lib, slicing(drums, [(2000, 2800)], tag=2, at=5))
        again = drums.samples[0]
        assert again == first
        assert (again.name, again.label) == ("the good one", "snare")

    def test_reuse_brings_an_older_result_back(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        old = drums.samples
        keep(lib, slicing(drums, [(2000, 2800)], tag=2, at=5))
        assert not lib.reuse(drums.samples.result_key)
        assert lib.reuse(old.result_key)
        assert drums.samples.ids == old.ids
        assert not lib.reuse(old.result_key)
        keep(lib, analysis(song, 120, 1, at=6))
        keep(lib, analysis(song, 60, 2, at=7))
        assert song.bpm == 60
        assert lib.reuse(analysis(song, 120, 1).key)
        assert song.bpm == 120
        assert lib.latest_result(song.id, "analyze").key == analysis(song, 120, 1).key

    def test_a_clock_going_backwards_does_not_hide_new_work(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, slicing(drums, [(0, 10)], tag=2, at=-999))
        assert [(s.start, s.stop) for s in drums.samples] == [(0, 10)]

    def test_a_newer_separation_hides_older_stems_and_their_samples(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        old_key = drums.result_key
        drums.samples[0].tag("rim")
        keep(lib, separation(lib, song, "other engine", at=8))
        assert song.stems["drums"].id != drums.id
        assert [s.id for s in lib.query("kind:stem")] == [s.id for s in lib.query("kind:stem current:yes")]
        assert len(lib.query("kind:stem")) == 2
        assert [s.label for s in lib.query("kind:sample")] == ["rim"]
        assert [s.id for s in song.stems_of(old_key)] == [s.id for s in (drums, *[])] + [derived_id(old_key, "bass")]
        assert lib.reuse(old_key)
        assert song.stems["drums"] == drums
        assert len(lib.query("kind:sample")) == 4
        assert len(lib.query("kind:stem")) == 2


class TestTagsOfModels:
    def test_tagging_again_replaces_the_models_tags_only(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        samples = drums.samples
        keep(lib, classifying(samples, {"kick": 0.9}))
        samples[0].tag("rim")
        samples[1].untag("kick")
        samples[2].tag("reject")
        keep(lib, classifying(samples, {"kick": 0.7}, tag=2, at=9))
        assert [s.label for s in samples] == ["rim", None, "kick", "kick"]
        assert [s.confidence for s in samples] == [1.0, None, 0.7, 0.7]
        assert [str(tag) for tag in samples[0].tags] == ["rim (human)", "kick (model 0.70)"]
        assert [str(tag) for tag in samples[1].tags] == ["not kick (human)", "kick (model 0.70)"]
        assert [str(tag) for tag in samples[2].tags] == ["reject (human)", "kick (model 0.70)"]
        keep(lib, classifying(samples, {"snare": 0.8}, tag=3, at=10))
        assert [s.label for s in samples] == ["rim", "snare", "snare", "snare"]
        assert [len(s.tags) for s in samples] == [2, 2, 2, 1]

    def test_a_model_may_take_its_own_label_back(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        samples = drums.samples
        keep(lib, classifying(samples, {"kick": 0.9}))
        record = classifying(samples, {"snare": 0.5}, tag=2, at=9)
        keep(lib, record.model_copy(update={"tags": record.tags[:1]}))
        assert [s.label for s in samples] == ["snare", None, None, None]

    def test_top_and_version_are_kept(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, classifying(drums.samples, {"kick": 0.9}))
        tag = drums.samples[0].tags[0]
        assert tag.top == (("kick", 0.9), ("other", 0.1))
        assert tag.model.startswith("head@1:")
        assert tag.stage == "classify"


class TestVectors:
    def test_they_come_back_bit_for_bit(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        encoder = key_of("encoder")
        record = keep(lib, embedding(lib, drums.samples, encoder))
        ids, vectors = lib.vectors(encoder)
        stored = dict(zip(drums.samples.ids, np.load(lib.media.local(record.vectors.media)), strict=True))
        assert sorted(ids) == sorted(drums.samples.ids)
        assert all(np.array_equal(stored[i], v) for i, v in zip(ids, vectors, strict=True))
        assert vectors.dtype == np.float32
        some, few = lib.vectors(encoder, [drums.samples[2], drums.samples[0]])
        assert some == [drums.samples[2].id, drums.samples[0].id]
        assert np.array_equal(few[1], stored[some[1]])
        assert lib.encoders() == {encoder: 4}
        assert lib.vectors(key_of("other"))[0] == []

    def test_pickles_and_wrong_shapes_are_refused(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        record = embedding(lib, drums.samples, key_of("e"))
        for values in (np.array([{"a": 1}] * 4, object), np.zeros((3, 8), np.float32), np.zeros((4, 8), np.int32)):
            path = lib.tmp_dir / "x.npy"
            np.save(path, values, allow_pickle=True)
            bad = record.vectors.model_copy(update={"media": lib.media.put(path, ".npy")})
            with pytest.raises(CatalogError, match="vectors"):
                lib.fold(record.model_copy(update={"vectors": bad}))


class TestOverlays:
    def test_tempo_times_two_survives_a_new_analysis(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        keep(lib, analysis(song, 60.0))
        plain = lib.effective(song.id, "analyze")
        song.edit("analyze", tempo_factor=2)
        assert song.bpm == 120.0
        assert song.facts["bpm"] == 120.0
        document = lib.effective(song.id, "analyze")
        assert document["tempo"]["bpm"] == 120.0
        assert song.tempo_map.bpm() == 120.0
        assert document["beats"][::2] == pytest.approx(plain["beats"])
        assert lib.latest_result(song.id, "analyze").document == plain  # the result itself stays
        keep(lib, analysis(song, 61.0, tag=2, at=9))
        assert song.bpm == 122.0
        lib.set_overlay(song.id, "analyze", None)
        assert song.bpm == 61.0
        assert lib.effective(song.id, "analyze")["tempo"]["bpm"] == 61.0

    def test_patches_merge(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        keep(
            lib,
            Record(
                key=key_of("l"),
                stage="lyrics",
                version=1,
                sound_id=song.id,
                document={"language": "en", "segments": [1], "engine": "w"},
            ),
        )
        lib.set_overlay(song.id, "lyrics", {"segments": [{"text": "la"}], "engine": None})
        assert song.lyrics == {"language": "en", "segments": [{"text": "la"}]}
        assert lib.effective(song.id, "midi") is None

    def test_a_samples_tempo_map_starts_where_it_starts(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, analysis(song, 120.0))
        sample = drums.samples[1]
        assert sample.tempo_map.beat_at(0.0) == pytest.approx(song.tempo_map.beat_at(1000 / song.sample_rate))

    def test_nonsense_is_refused(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        for factor in (0, 99, "two"):
            with pytest.raises(ValueError, match="tempo_factor"):
                song.edit("analyze", tempo_factor=factor)

    def test_peoples_labels_reach_the_stages_that_need_them(self, lib: Library, tmp_path: Path) -> None:
        """Drum MIDI is made from the labels: a corrected one must change its input, and so its key."""
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        samples = drums.samples
        items = [{"label": "kick", "confidence": 0.9, "drums": {"kick": 0.9, "tom": 0.3}, "kind": "one-shot"}] * 4
        record = classifying(samples, {"kick": 0.9})
        keep(lib, record.model_copy(update={"document": {"head": "x", "items": items}}))
        assert lib.effective(drums.id, "classify")["items"] == items
        samples[0].tag("reject")
        assert lib.effective(drums.id, "classify")["items"] == items
        samples[1].tag("snare")
        samples[1].tag("rim", 0.8)
        samples[2].untag("kick")
        found = lib.effective(drums.id, "classify")["items"]
        assert found[0] == found[3] == items[0]
        assert found[1] == {
            "label": "rim", "confidence": 0.8, "drums": {"rim": 0.8, "snare": 1.0},
            "kind": "one-shot", "source": "human",
        }  # fmt: skip
        assert found[2] == {**items[0], "label": "unknown", "confidence": 0.0, "drums": {"tom": 0.3}, "source": "human"}
        assert lib.latest_result(drums.id, "classify").document["items"] == items


class TestFoldersThatNeedNoLook:
    def old(self, folder: Path) -> None:
        for part in (folder / "records").iterdir():
            os.utime(part, (1e9, 1e9))

    def test_what_comes_later_is_found(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Library(folder) as lib:
            song = lib.add(wav(tmp_path / "s.wav"), kind="song")
            first, second = (separation(lib, song, tag, at=tag) for tag in (1, 2))
            first.write(lib.record_path(first.key))
            self.old(folder)
        reads: list[Path] = []
        read = Record.read
        monkeypatch.setattr(Record, "read", classmethod(lambda cls, path: reads.append(path) or read(path)))
        with Library(folder) as lib:
            assert len(lib.query("kind:stem")) == 2
        assert len(reads) == 1
        listed: list[str] = []
        glob = Path.glob
        monkeypatch.setattr(Path, "glob", lambda self, *a, **k: listed.append(self.name) or glob(self, *a, **k))
        Library(folder).close()
        assert listed == []  # nothing changed, so nothing is listed
        second.write(lib.record_path(second.key))
        with Library(folder) as lib:
            assert len(lib.query("kind:stem current:any")) == 4
        assert listed == [second.key[:2]]

    def test_torn_records_are_named_each_time(self, folder: Path) -> None:
        Library(folder).close()
        torn = folder / "records" / "ab" / f"ab{'0' * 62}.json"
        torn.parent.mkdir()
        torn.write_text("{")
        self.old(folder)
        for _ in range(3):
            with Library(folder) as lib:
                assert len(lib.warnings) == 1

    def test_an_older_catalog_looks_again(self, folder: Path, tmp_path: Path) -> None:
        with Library(folder) as lib:
            song = lib.add(wav(tmp_path / "s.wav"), kind="song")
            record = separation(lib, song)
        before = (folder / "library.db").read_bytes()
        record.write(folder / "records" / record.key[:2] / f"{record.key}.json")
        self.old(folder)
        Library(folder).close()
        (folder / "library.db").write_bytes(before)  # as if a copy of the catalog had been put back
        with Library(folder) as lib:
            assert len(lib.query("kind:stem")) == 2

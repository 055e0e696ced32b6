"""Repairs: each kind of damage, from backups, from rows, from records; a damaged database; a lost one."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from library_making import (
    analysis,
    classifying,
    dump,
    embedding,
    keep,
    key_of,
    noise,
    separation,
    song_with_samples,
    wav,
    write,
)
from sqlalchemy import delete, update

from audiolab.errors import CatalogError
from audiolab.library import Library, Sound
from audiolab.library.models import (
    CollectionItemRow,
    ResultRow,
    SetItemRow,
    SetRow,
    SoundRow,
    TagRow,
    VectorRow,
)
from audiolab.library.salvaging import salvage

HISTORY = ("ops", "card", "card_word")


def full(lib: Library, folder: Path) -> tuple[Sound, Sound, Sound]:
    """A song, its drums and a single sample, with everything done to them."""
    song, drums = song_with_samples(lib, folder / "song.wav")
    keep(lib, analysis(song))
    keep(lib, embedding(lib, drums.samples, key_of("encoder")))
    keep(lib, classifying(drums.samples, {"kick": 0.9, "snare": 0.6}))
    single = lib.add(wav(folder / "single.wav", 50))
    return song, drums, single


def lost(lib: Library) -> list[dict[str, Any]]:
    """What lost+found says that it holds."""
    lines = []
    for path in sorted((lib.path / "lost+found").rglob("index.jsonl")):
        lines += [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            assert any((found / line["is"]).exists() for found in (lib.path / "lost+found").iterdir())
    return lines


class TestFiles:
    def test_missing_and_damaged_files_come_from_a_backup(self, lib: Library, tmp_path: Path) -> None:
        song, drums, single = full(lib, tmp_path)
        before = dump(lib, without=HISTORY)
        for name in ("copy", "copy.zip"):
            lib.backup(tmp_path / name)
        for name in ("copy", "copy.zip"):
            song.path.unlink()
            single.path.write_bytes(single.path.read_bytes()[:-50])
            data = bytearray(drums.path.read_bytes())
            data[300] ^= 1
            drums.path.write_bytes(bytes(data))
            (record,) = [path for path in (lib.path / "records").rglob("*.json") if path.stem == drums.result_key]
            record.write_text("{")
            report = lib.repair(deep=True, backups=[tmp_path / name])
            assert report.clean, str(report)
            assert all(fix.done for fix in report.fixes)
            assert dump(lib, without=HISTORY) == before
        assert {line["kind"] for line in lost(lib)} == {"truncated", "changed", "torn"}
        assert "repaired" in str(report)

    def test_what_is_lost_is_said(self, lib: Library, tmp_path: Path) -> None:
        song, drums, single = full(lib, tmp_path)
        for sound in (drums, single):
            sound.path.unlink()
        report = lib.repair()
        told = {fix.problem.what: fix.how for fix in report.fixes}
        assert "rebuild" in told[drums.media or ""]
        assert "'single.wav'" in told[single.media or ""]
        assert not any(fix.done for fix in report.fixes)
        assert {problem.kind for problem in report.after.problems} == {"missing"}
        lib.add(tmp_path / "single.wav")
        assert [problem.what for problem in lib.fsck().problems] == [drums.media]
        assert song.audio().frames == 16 * 8000

    def test_vectors_are_written_again(self, lib: Library, tmp_path: Path) -> None:
        full(lib, tmp_path)
        (path,) = (lib.path / "media").rglob("*.npy")
        data = path.read_bytes()
        path.unlink()
        assert lib.repair().clean
        (again,) = (lib.path / "media").rglob("*.npy")
        assert again.read_bytes() == data

    def test_orphans_strays_and_leftovers(self, lib: Library, tmp_path: Path) -> None:
        full(lib, tmp_path)
        orphan = lib.media.put(write(lib.tmp_dir / "o.wav", noise(99)), ".wav")
        (lib.path / "media" / "zz").mkdir()
        (lib.path / "media" / "zz" / "junk.txt").write_text("x")
        (lib.tmp_dir / "old").mkdir()
        import os

        os.utime(lib.tmp_dir / "old", (0, 0))
        young = lib.repair()
        assert [fix.done for fix in young.fixes if fix.problem.kind in {"orphaned", "stray"}] == [False, False]
        assert lib.media.exists(orphan)
        report = lib.repair(min_age=0)
        assert report.clean, str(report)
        assert {line["kind"] for line in lost(lib)} == {"orphaned", "stray", "leftover"}
        again = lib.media.put(write(lib.tmp_dir / "o.wav", noise(99)), ".wav")
        assert lib.repair(min_age=0, adopt=True).clean
        assert again in [sound.media for sound in lib.query()]

    def test_nothing_to_repair(self, lib: Library, tmp_path: Path) -> None:
        full(lib, tmp_path)
        report = lib.repair(deep=True)
        assert (report.fixes, report.clean, report.lost_and_found) == ((), True, None)
        assert not (lib.path / "lost+found").exists()
        assert "nothing to repair" in str(report)


class TestRecords:
    def test_every_record_can_be_written_again(self, lib: Library, tmp_path: Path) -> None:
        _, drums, _ = full(lib, tmp_path)
        drums.rename("My drums")
        drums.samples[0].tag("rim")
        before = {path: json.loads(path.read_text()) for path in (lib.path / "records").rglob("*.json")}
        rows = dump(lib, without=HISTORY)
        for path in before:
            path.unlink()
        report = lib.repair()
        assert report.clean, str(report)
        assert [fix.done for fix in report.fixes] == [True] * 5
        for path, record in before.items():
            assert normal(json.loads(path.read_text())) == normal(record)
        assert dump(lib, without=HISTORY) == rows

    def test_what_the_rows_no_longer_tell(self, lib: Library, tmp_path: Path) -> None:
        _, drums, _ = full(lib, tmp_path)
        (key,) = [path.stem for path in (lib.path / "records").rglob("*.json") if '"embed"' in path.read_text()]
        lib.record_path(key).unlink()
        with lib.store.transaction() as session:
            session.execute(delete(VectorRow).where(VectorRow.sound_id == drums.samples[0].id))
        (fix,) = lib.repair().fixes
        assert not fix.done
        assert "run the job again" in fix.how
        lib.rebuild_derived()

    def test_torn_and_unfolded_records(self, lib: Library, tmp_path: Path) -> None:
        song, _, single = full(lib, tmp_path)
        new = analysis(song, 90, 2, at=99)
        new.write(lib.record_path(new.key))
        other = analysis(song, 70, 3).model_copy(update={"sound_id": "ab" * 32, "key": key_of("other")})
        other.write(lib.record_path(other.key))
        torn = lib.record_path(key_of("torn"))
        torn.parent.mkdir(parents=True, exist_ok=True)
        torn.write_text("{")
        report = lib.repair()
        assert report.clean, str(report)
        assert song.bpm == 90
        assert sorted(line["kind"] for line in lost(lib)) == ["torn", "unfolded"]
        assert lib.warnings == []
        assert single.audio().frames > 0


def normal(record: dict[str, Any]) -> dict[str, Any]:
    """A record without the order of its sounds and tags."""
    return {
        **record,
        "sounds": sorted(record["sounds"], key=lambda sound: sound["id"]),
        "tags": sorted(record["tags"], key=lambda tag: (tag["sound_id"], tag["label"])),
    }


class TestRows:
    def test_derived_rows(self, lib: Library, folder: Path, tmp_path: Path) -> None:
        song, drums, _ = full(lib, tmp_path)
        keep(lib, separation(lib, song, 2, at=9))  # the first stems are superseded, and their samples
        before = dump(lib)
        with lib.store.transaction() as session:
            connection = session.connection()
            connection.execute(update(SoundRow).where(SoundRow.id == song.id).values(bpm=1.0, facts={}))
            sample = drums.samples[0].id
            connection.execute(update(SoundRow).where(SoundRow.id == sample).values(label="x", current=True))
            connection.execute(update(SetRow).values(superseded_by=key_of("no such set")))
        assert lib.fsck().of_kind("stale") == ()
        report = lib.fsck(deep=True)
        assert {problem.what for problem in report.of_kind("stale")} >= {song.id, sample}
        assert lib.repair(deep=True).clean
        assert {table: rows for table, rows in dump(lib).items() if table not in HISTORY} == {
            table: rows for table, rows in before.items() if table not in HISTORY
        }
        assert lib.rebuild_derived() == {}

    def test_cards(self, lib: Library, tmp_path: Path) -> None:
        from audiolab.library.cardrows import CardRow

        _, drums, _ = full(lib, tmp_path)
        with lib.store.transaction() as session:
            session.connection().execute(update(CardRow).where(CardRow.sound_id == drums.id).values(shown=False))
        assert [problem.what for problem in lib.fsck(deep=True).problems] == [drums.id]
        assert lib.repair(deep=True).clean

    def test_loose_references_places_and_gaps(self, lib: Library, tmp_path: Path) -> None:
        _, drums, single = full(lib, tmp_path)
        kit = lib.collection("kit").add([single, *drums.samples])
        before = dump(lib, without=HISTORY)
        with lib.store.transaction() as session:
            connection = session.connection()
            connection.execute(update(CollectionItemRow).values(position=0))
            connection.execute(delete(SetItemRow).where(SetItemRow.position == 1))
            connection.execute(update(SoundRow).where(SoundRow.start == 2000).values(set_id=key_of("none")))
        kinds = {problem.kind for problem in lib.fsck().problems}
        assert kinds == {"order", "gap", "dangling", "loose"}
        report = lib.repair(deep=True)
        assert report.clean, str(report)
        after = dump(lib, without=HISTORY)
        after.pop("collection_item")
        before.pop("collection_item")
        assert after == before
        assert len(kit) == 5

    def test_tags_of_a_result_that_is_gone(self, lib: Library, tmp_path: Path) -> None:
        _, drums, _ = full(lib, tmp_path)
        with lib.store.transaction() as session:
            session.connection().execute(update(TagRow).values(result_key=key_of("gone")))
        assert {problem.kind for problem in lib.fsck().problems} == {"loose"}
        assert lib.repair().clean
        assert drums.samples[0].label == "kick"

    def test_how_it_was_made_is_lost(self, lib: Library, tmp_path: Path) -> None:
        _, drums, _ = full(lib, tmp_path)
        with lib.store.transaction() as session:
            session.connection().execute(delete(ResultRow).where(ResultRow.stage == "separate"))
        copy = lib.record_path(drums.result_key or "").read_bytes()
        lib.record_path(drums.result_key or "").unlink()
        report = lib.repair()
        assert {fix.done for fix in report.fixes if fix.problem.kind == "dangling"} == {False}
        assert drums.audio().frames == 16 * 8000
        lib.record_path(drums.result_key or "").write_bytes(copy)
        assert lib.repair(deep=True).clean

    def test_broken_keys(self, folder: Path, tmp_path: Path) -> None:
        with Library(folder) as lib:
            song, drums, single = full(lib, tmp_path)
            single.tag("rim")
            lib.collection("kit").add([single, drums.samples[0]])
        with sqlite3.connect(folder / "library.db") as connection:
            connection.execute("DELETE FROM sound WHERE id IN (?, ?)", (single.id, song.id))
        connection.close()
        with Library(folder) as lib:
            assert lib.fsck().of_kind("database")
            report = lib.repair(deep=True)
            assert {problem.kind for problem in report.after.problems} <= {"unfolded", "orphaned", "dangling"}, str(
                report
            )
            assert lib.sound(drums.id).audio().frames == 16 * 8000
            assert {line.get("table") for line in lost(lib)} >= {"tag", "collection_item", "result"}
            lib.add(tmp_path / "song.wav")
            lib.add(tmp_path / "single.wav")
            lib.fold_new()
            lib.repair(deep=True, min_age=0)
            assert lib.fsck(deep=True).clean
            assert lib.songs[0].bpm == 120


class TestDatabase:
    def test_a_lost_database_is_made_again(self, folder: Path, tmp_path: Path) -> None:
        with Library(folder, actor="tester") as lib:
            song, _, single = full(lib, tmp_path)
            keep(lib, separation(lib, song, 2, at=9))
            before = dump(lib, without=[*HISTORY, "meta"])
        for path in folder.glob("library.db*"):
            path.unlink()
        with Library(folder, actor="tester") as lib:
            assert len(lib.warnings) == 6  # the records are of sounds that are not here
            for name in ("song.wav", "single.wav"):
                lib.add(tmp_path / name)
            assert lib.fold_new() == 6
            after = dump(lib, without=[*HISTORY, "meta"])
            assert lib.fsck(deep=True).clean
            assert lib.rebuild_derived() == {}
        assert single.id in {row[0].strip("'") for row in after["sound"]}
        for table in before:
            assert timeless(table, after[table]) == timeless(table, before[table]), table

    @pytest.mark.parametrize("seed", range(4))
    def test_a_damaged_page(self, folder: Path, tmp_path: Path, seed: int) -> None:
        with Library(folder, actor="tester") as lib:
            full(lib, tmp_path)
            for number in range(60):
                lib.add(wav(tmp_path / "many" / f"{number}.wav", number + 300, 0.05)).tag("rim")
            ids = sorted(lib.query("current:any").ids)
        data = bytearray((folder / "library.db").read_bytes())
        chance = random.Random(seed)
        page = chance.randrange(2, len(data) // 4096)
        data[page * 4096 : page * 4096 + 4096] = chance.randbytes(4096)
        (folder / "library.db").write_bytes(bytes(data))
        report = salvage(folder)
        assert report.after.clean or {problem.kind for problem in report.after.problems} <= {"orphaned"}, str(report)
        assert report.kept.read_bytes() == bytes(data)
        with Library(folder) as lib:
            assert sorted(lib.query("current:any").ids) == ids  # no sound is lost
            assert lib.songs[0].bpm == 120
            assert lib.fsck(deep=True).clean

    def test_nothing_readable_at_all(self, folder: Path, tmp_path: Path) -> None:
        with Library(folder, actor="tester") as lib:
            song, drums, single = full(lib, tmp_path)
            ids = sorted(lib.query("current:any").ids)
        (folder / "library.db").write_bytes(random.Random(1).randbytes(100_000))
        with pytest.raises(CatalogError, match="not a database"):
            Library(folder)
        report = salvage(folder)
        assert sorted(report.adopted) == sorted([song.id, single.id])
        assert report.folded == 5
        assert report.after.clean
        with Library(folder) as lib:
            assert sorted(lib.query("current:any").ids) == ids
            assert lib.sound(drums.id).samples[0].label == "kick"
        with pytest.raises(CatalogError, match=r"has no library\.db"):
            salvage(tmp_path / "nothing")

    def test_a_kill_while_salvaging_loses_nothing(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import os

        with Library(folder, actor="tester") as lib:
            full(lib, tmp_path)
            before = dump(lib, without=HISTORY)
        shutil.copytree(folder, tmp_path / "twin")

        def die(*args: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", die)
            with pytest.raises(KeyboardInterrupt):
                salvage(tmp_path / "twin")
        with Library(tmp_path / "twin") as lib:
            assert dump(lib, without=HISTORY) == before
            assert lib.fsck(deep=True).clean


def timeless(table: str, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows without the times at which sounds were added and the names of scratch."""
    import datetime  # noqa: F401 - the rows are reprs

    return [tuple(value for value in row if not value.startswith("datetime.")) for row in rows]

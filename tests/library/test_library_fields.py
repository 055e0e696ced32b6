"""Fields with types, sorting, saved searches and synonyms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from library_making import keep, noise, slicing, song_with_samples, wav

from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library
from audiolab.library.cards import count_anew
from audiolab.library.fields import FIELDS
from audiolab.library.fieldtypes import DATE, FLAG, KEY, LENGTH, NOTE, NUMBER, RATING, compatible_keys
from audiolab.library.keys import camelot
from audiolab.library.query import QueryError, parse_query


class TestTypes:
    @given(st.floats(0, 1e5).map(lambda value: round(value, 6)))
    def test_numbers_come_back(self, value: float) -> None:
        assert NUMBER.parse(NUMBER.format(value)) == pytest.approx(value, abs=1e-6)

    @given(st.floats(0, 360_000))
    def test_lengths_come_back_as_exactly_as_they_are_shown(self, value: float) -> None:
        assert LENGTH.parse(LENGTH.format(value)) == pytest.approx(value, abs=0.51 if value >= 59 else 0.06)

    @given(st.integers(0, 127))
    def test_notes_come_back(self, value: int) -> None:
        assert NOTE.parse(NOTE.format(value)) == value

    @given(st.integers(1, 5))
    def test_ratings_come_back(self, value: int) -> None:
        assert RATING.parse(RATING.format(value)) == RATING.parse(str(value)) == value

    @given(st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
    def test_dates_come_back_to_the_minute(self, value: datetime) -> None:
        assert DATE.parse(DATE.format(value)) == value.replace(second=0, microsecond=0)

    @given(st.integers(0, 4000))
    def test_days_ago(self, days: int) -> None:
        start, stop = DATE.span(f"-{days}d")
        assert stop - start == timedelta(days=1)
        assert start <= datetime.now(UTC) - timedelta(days=days) < stop + timedelta(seconds=60)

    def test_flags_and_keys(self) -> None:
        assert [FLAG.parse(FLAG.format(value)) for value in (True, False)] == [True, False]
        assert KEY.parse("Bb minor") == KEY.parse("A#m") == KEY.parse("3A") == "A#m"
        assert KEY.format("A#m") == "A#m (3A)"
        for kind in (NUMBER, LENGTH, NOTE, RATING, FLAG, KEY, DATE):
            with pytest.raises(ValueError, match=r"is no|neither"):
                kind.parse("?")

    @pytest.mark.parametrize("key", ["C", "Am", "F#", "D#m"])
    def test_compatible_keys_are_neighbours_on_the_wheel(self, key: str) -> None:
        found = compatible_keys(key)
        assert found[0] == key
        assert len(set(found)) == 4
        number, letter = int((camelot(key) or "")[:-1]), (camelot(key) or "")[-1]
        expected = {(number, letter), (number, "B" if letter == "A" else "A")}
        expected |= {((number - 2) % 12 + 1, letter), (number % 12 + 1, letter)}
        assert {(int((camelot(k) or "")[:-1]), (camelot(k) or "")[-1]) for k in found} == expected
        assert all(key in compatible_keys(other) for other in found)


def test_every_example_is_understood(lib: Library) -> None:
    for name, field in FIELDS.items():
        assert field.examples, name
        for example in field.examples:
            assert name in example
            lib.query(example)


class TestSorting:
    @pytest.fixture
    def named(self, lib: Library, tmp_path: Path) -> Library:
        for seed, (name, seconds) in enumerate([("b", 0.3), ("c", 0.1), ("a", 0.2), ("d", 0.4)]):
            sound = lib.add(wav(tmp_path / f"{name}.wav", seed, seconds))
            if name != "c":
                lib.set_overlay(sound.id, "facts", {"bpm": 100.0 + seed, "root_note": 60 - seed})
        return lib

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("", "bcad"), ("sort:name", "abcd"), ("sort:-name", "dcba"), ("sort:duration", "cabd"),
            ("sort:-duration", "dbac"), ("sort:bpm", "badc"), ("sort:-bpm", "dabc"), ("sort:root", "dabc"),
            ("sort:-added", "dacb"), ("limit:2", "bc"), ("sort:name limit:2", "ab"), ("sort:-number", "dacb"),
            ("duration:0.2.. sort:name", "abd"), ("sort:name, duration:0.2..", "abd"), ("limit:0", ""),
            ("bpm:100..102 sort:-name limit:1", "b"), ("sort:channels,-name", "dcba"),
            ("name:a, name:d sort:-name", "da"),
        ],
    )  # fmt: skip
    def test_orders(self, named: Library, query: str, names: str) -> None:
        assert "".join(sound.name for sound in named.query(query)) == names
        assert str(parse_query(str(parse_query(query)))) == str(parse_query(query))

    def test_large_lists_keep_their_order(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "song.wav", seconds=16))
        keep(lib, slicing(song, [(i * 200, i * 200 + 100 + (i * 37) % 90) for i in range(600)]))
        found = lib.query("kind:sample sort:-duration")
        lengths = [sound.frames for sound in found]
        assert lengths == sorted(lengths, reverse=True)
        assert found.ids == [sound.id for sound in found]
        assert len(found) == 600
        assert [s.id for s in found[250:260]] == found.ids[250:260]
        assert found[-1].id == found.ids[-1]
        assert found.seconds == pytest.approx(sum(lengths) / 8000)

    @pytest.mark.parametrize(
        ("query", "why"),
        [
            ("sort:colour", "cannot be sorted by 'colour'"), ("sort:lable", "did you mean 'label'"),
            ("^sort:bpm", "sort takes names"), ("sort:1..2", "sort takes names"), ("limit:x", "one number"),
            ("limit:1,2", "one number"), ("limit:1 limit:2", "two limits"), ("limit:-1", "one number"),
            ("rating:6", "no rating"), ("favourite:perhaps", "neither yes nor no"), ("key:~H", "no key"),
            ("year:94", "four digits"),
            ("kind:sampel", "did you mean 'sample'"), ("lable:kick", "did you mean 'label'"),
        ],
    )  # fmt: skip
    def test_errors(self, lib: Library, query: str, why: str) -> None:
        with pytest.raises(QueryError, match=why):
            lib.query(query)


def test_the_database_counts_again_when_it_has_grown(
    lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiolab.library.cards._FEW", 3)
    (tmp_path / "in").mkdir()
    for seed in range(4):
        wav(tmp_path / "in" / f"{seed}.wav", seed, 0.02)
    lib.add(tmp_path / "in")
    assert not count_anew(lib.store)  # adding has seen to it
    for seed in range(4, 14):
        wav(tmp_path / "in" / f"{seed}.wav", seed, 0.02)
    monkeypatch.setattr("audiolab.library.library.count_anew", lambda store: False)
    lib.add(tmp_path / "in")
    assert count_anew(lib.store)
    assert not count_anew(lib.store)


class TestHumanFields:
    def test_ratings_favourites_notes(self, lib: Library, tmp_path: Path) -> None:
        a, b, c = (lib.add(wav(tmp_path / f"{n}.wav", n)) for n in range(3))
        a.rating, a.favourite, a.note = 4, True, "Use in the bridge"
        b.rating = 2
        assert lib.query("rating:3..").ids == [a.id]
        assert lib.query("rating:***..").ids == [a.id]
        assert lib.query("rating:2").ids == [b.id]
        assert lib.query("^has:rating").ids == [c.id]
        assert lib.query("favourite:yes").ids == [a.id]
        assert lib.query("favourite:no").ids == [b.id, c.id]
        assert lib.query("note:bridge").ids == lib.query("bridge").ids == lib.query('"the bri"').ids == [a.id]
        assert lib.query("sort:-rating").ids == [a.id, b.id, c.id]

    def test_keys_that_mix(self, lib: Library, tmp_path: Path) -> None:
        sounds = {}
        for seed, key in enumerate(["Am", "C", "Em", "Dm", "F#", "A"]):
            sound = lib.add(wav(tmp_path / f"{seed}.wav", seed))
            lib.set_overlay(sound.id, "facts", {"key": key})
            sounds[key] = sound.id
        assert lib.query("key:~8A").ids == [sounds[key] for key in ("Am", "C", "Em", "Dm")]
        assert lib.query("key:A").ids == [sounds["A"]]

    def test_children_follow_their_song(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "s.wav")
        lib.set_overlay(song.id, "facts", {"bpm": 93.5, "key": "D minor"})
        assert len(lib.query("bpm:93.5 key:Dm")) == 7
        lib.set_overlay(drums.samples[0].id, "facts", {"bpm": 187})
        assert len(lib.query("bpm:93.5")) == 6
        lib.set_overlay(song.id, "facts", None)
        assert len(lib.query("has:bpm")) == 1


class TestSynonyms:
    def test_shipped_and_own(self, lib: Library, tmp_path: Path) -> None:
        kick = lib.add(wav(tmp_path / "one.wav", 1)).tag("kick")
        boom = lib.add(wav(tmp_path / "two.wav", 2)).tag("boom")
        named = lib.add(wav(tmp_path / "Kick_3.wav", 3))
        for query in ("label:bd", "label:BD", "tag:bd", 'label:"bass drum"'):
            assert lib.query(query).ids == [kick.id], query
        assert lib.query("bd").ids == [kick.id, named.id]
        lib.set_synonym("Thump", "kick")
        lib.set_synonym("boing", "boom")
        assert lib.synonyms == {"thump": "kick", "boing": "boom"}
        assert lib.query("label:thump, tag:boing").ids == [kick.id, boom.id]
        lib.set_synonym("thump", None)
        assert lib.query("label:thump").ids == []
        assert [op.what for op in lib.ops(limit=3)] == ["synonym"] * 3
        for word, means in (("", "x"), ("x", " "), ("x", "X")):
            with pytest.raises(ParameterError):
                lib.set_synonym(word, means)
        with pytest.raises(ParameterError, match="no synonym"):
            lib.set_synonym("nothing", None)


class TestSavedSearches:
    def test_its_sounds_follow(self, lib: Library, tmp_path: Path) -> None:
        first = lib.add(wav(tmp_path / "a.wav", 1)).tag("kick")
        saved = lib.collection("kicks", "label:kick sort:name")
        assert [s.id for s in saved] == [first.id]
        second = lib.add(wav(tmp_path / "0.wav", 2)).tag("kick")
        assert [s.id for s in saved] == [second.id, first.id]
        assert len(saved) == len(lib.collections["kicks"]) == 2
        assert lib.query("collection:KICKS ^name:a").ids == [second.id]
        assert lib.collection("kicks").query == "label:kick sort:name"
        assert saved.to_frame()["name"].tolist() == ["0", "a"]

    def test_limits_hold_inside_other_queries(self, lib: Library, tmp_path: Path) -> None:
        sounds = [lib.add(wav(tmp_path / f"{n}.wav", n, 0.1 + n / 100)) for n in range(6)]
        lib.collection("longest", "sort:-duration limit:2")
        assert set(lib.query("collection:longest").ids) == {sounds[4].id, sounds[5].id}
        assert lib.query("collection:longest ^name:5").ids == [sounds[4].id]
        assert len(lib.query("^collection:longest")) == 4

    def test_mistakes(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        lib.collection("kit").add(sound)
        with pytest.raises(CatalogError, match="holds chosen sounds"):
            lib.collection("kit", "label:kick")
        saved = lib.collection("saved", "kind:sample")
        for change in (saved.add, saved.remove):
            with pytest.raises(CatalogError, match="saved search"):
                change(sound)
        with pytest.raises(QueryError, match="did you mean 'label'"):
            lib.collection("bad", "lable:kick")
        assert "bad" not in lib.collections
        with pytest.raises(QueryError, match="asks for itself"):
            lib.collection("saved", "collection:saved")
        lib.collection("other", "collection:saved")
        with pytest.raises(QueryError, match="asks for itself"):
            lib.collection("saved", "collection:other")
        assert lib.collection("saved").query == "kind:sample"
        saved.delete()
        assert lib.query("collection:other").ids == []
        assert noise(1).frames == 2000

"""The query language: grammar, meaning, errors with positions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from library_making import analysis, classifying, keep, separation, slicing, song_with_samples, wav
from sqlalchemy import update

from audiolab.errors import ParameterError
from audiolab.library import Library
from audiolab.library.fields import FIELDS
from audiolab.library.keys import camelot, canonical_key
from audiolab.library.models import SoundRow
from audiolab.library.query import Clause, Query, QueryError, Range, Term, Text, parse_query
from audiolab.library.store import touch
from audiolab.library.text import clean_text

words = st.text(min_size=1, max_size=12).map(clean_text)  # as every query is read
texts = st.builds(Text, words)
ranges = st.builds(Range, st.none() | words, st.none() | words).filter(
    lambda r: r.low is not None or r.high is not None
)
names = st.sampled_from(["kind", "bpm", "x", "some_field"])
terms = st.one_of(
    st.builds(Term, st.none(), st.lists(texts, min_size=1, max_size=3).map(tuple), st.booleans()),
    st.builds(Term, names, st.lists(texts | ranges, min_size=1, max_size=3).map(tuple), st.booleans()),
)
clauses = st.builds(Clause, st.lists(terms, min_size=1, max_size=4).map(tuple))
queries = st.builds(Query, st.lists(clauses, max_size=3).map(tuple))


def word(text: str) -> Term:
    return Term(None, (Text(text),))


class TestGrammar:
    @given(queries)
    def test_text_and_tree_round_trip(self, query: Query) -> None:
        assert parse_query(str(query)) == query

    @given(st.text(alphabet=st.sampled_from('ab:^,. "\\\n1') | st.characters(), max_size=30))
    def test_any_text_is_read_or_refused_with_a_position(self, text: str) -> None:
        try:
            query = parse_query(text)
        except QueryError as error:
            query = error
        if isinstance(query, QueryError):
            assert 0 <= query.position <= len(text)
            assert query.query == text
        else:
            assert parse_query(str(query)) == query

    @pytest.mark.parametrize(
        ("text", "tree"),
        [
            ("", Query(())),
            ("kick", Query((Clause((Term(None, (Text("kick"),)),)),))),
            ("^tag:reject", Query((Clause((Term("tag", (Text("reject"),), negated=True),)),))),
            ("bpm:120..130", Query((Clause((Term("bpm", (Range("120", "130"),)),)),))),
            ("bpm:..130,150..", Query((Clause((Term("bpm", (Range(None, "130"), Range("150", None))),)),))),
            ("label:kick,snare", Query((Clause((Term("label", (Text("kick"), Text("snare"))),)),))),
            ('"big room"', Query((Clause((Term(None, (Text("big room"),)),)),))),
            ('name:"a \\"b\\" \\\\"', Query((Clause((Term("name", (Text('a "b" \\'),)),)),))),
            ("a, b c", Query((Clause((word("a"),)), Clause((word("b"), word("c")))))),
            ("LABEL:Kick", Query((Clause((Term("label", (Text("Kick"),)),)),))),
            ("^^x", Query((Clause((Term(None, (Text("x"),)),)),))),
            ("a..b", Query((Clause((Term(None, (Text("a..b"),)),)),))),
            ("0.5..1.25", Query((Clause((Term(None, (Text("0.5..1.25"),)),)),))),
            ("duration:0.5..1.25", Query((Clause((Term("duration", (Range("0.5", "1.25"),)),)),))),
        ],
    )  # fmt: skip
    def test_examples(self, text: str, tree: Query) -> None:
        assert parse_query(text) == tree

    @pytest.mark.parametrize(
        ("text", "position"),
        [
            ('a "b', 2), ("label:", 6), ("a ,", 2), (", a", 0), ("bpm:..", 4), ("^", 1), ("a, , b", 3),
            ("label: kick", 6), ('a"b"', 1), ('"a"b', 3), ("bpm:1..2..3", 8),
        ],
    )  # fmt: skip
    def test_errors_say_where(self, text: str, position: int) -> None:
        with pytest.raises(QueryError) as caught:
            parse_query(text)
        assert caught.value.position == position
        assert f"position {position + 1} " in str(caught.value)
        assert isinstance(caught.value, ParameterError)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs with stems; the first one's drums are cut into kicks and snares; a loose sample. Closed."""
    folder = tmp_path_factory.mktemp("template")
    with Library(folder / "lib", actor="tester") as lib:
        _fill(lib, folder)
    return folder / "lib"


@pytest.fixture(scope="module")
def pristine(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """It, to look at."""
    with Library(shutil.copytree(template, tmp_path_factory.mktemp("pristine") / "lib")) as lib:
        yield lib


@pytest.fixture
def full(template: Path, tmp_path: Path) -> Iterator[Library]:
    """A copy of it, to change."""
    with Library(shutil.copytree(template, tmp_path / "copy"), actor="tester") as lib:
        yield lib


def _fill(lib: Library, tmp_path: Path) -> None:
    song, drums = song_with_samples(lib, tmp_path / "First Song.wav")
    keep(lib, analysis(song, 125.0))
    keep(lib, classifying(drums.samples, [("kick", 0.9), ("snare", 0.4)]))
    other = lib.add(wav(tmp_path / "Über 100%_groß.wav", 2, 20.0))
    keep(lib, separation(lib, other))
    keep(lib, analysis(other, 90.0, key="Bb"))
    lib.add(wav(tmp_path / "loose kick.wav", 3))


def found(lib: Library, query: str) -> list[str]:
    return [f"{s.kind}:{s.name}" for s in lib.query(query)]


class TestMeaning:
    def test_the_example_of_the_docs(self, full: Library) -> None:
        samples = full.query("kind:sample label:kick bpm:120..130 ^tag:reject added:2026..")
        assert [(s.start, s.label) for s in samples] == [(0, "kick"), (2000, "kick")]
        samples[0].tag("reject")
        assert [s.start for s in full.query("kind:sample label:kick bpm:120..130 ^tag:reject")] == [2000]
        assert [s.label for s in full.query("tag:reject")] == ["kick"]

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("", 11), ("kind:song", 2), ("kind:stem", 4), ("kind:sample", 5), ("kind:song,stem", 6), ("^kind:song", 9),
            ("label:kick", 2), ("label:KICK", 2), ("label:kick,snare", 4), ("label:kick, label:snare", 4),
            ("has:label", 4), ("^has:label", 7), ("^label:kick", 9), ("has:samples", 1), ("has:stems", 2),
            ("has:analyze", 2), ("has:notes", 0), ("has:tag", 4), ("stem:drums", 6), ("stem:bass", 2),
            ("confidence:0.5..", 2), ("confidence:..0.5", 2), ("confidence:0.4", 2), ("^confidence:0.5..", 9),
            ("source:model", 4), ("source:human", 0),
            ("bpm:125", 7), ("bpm:124.6", 0), ("bpm:89..91", 3), ("bpm:..100", 3), ("^bpm:125", 4),
            ("key:Am", 7), ("key:8A", 7), ("key:A#", 3), ('key:"B♭ major"', 3),
            ("duration:..1", 5), ("duration:250ms", 1), ("duration:0:15..0:17", 3), ("duration:20s", 3),
            ("duration:16..", 6),
            ("song:First", 7), ("song:über", 3), ("song:nothing", 0), ("collection:kit", 0), ("current:no", 0),
            ("kick", 3), ("loose kick", 1), ("first", 1), ("GROSS", 1), ("100%_", 1), ("100__", 1), ("__", 0),
            ("name:first", 1),
            ("kind:sample ^kick", 2), ("kind:song, loose", 3), ("added:2026..", 11), ("added:..2025", 0),
            ("added:2020", 0),
        ],
    )  # fmt: skip
    def test_counts(self, pristine: Library, query: str, count: int) -> None:
        assert len(pristine.query(query)) == count, found(pristine, query)

    def test_negation_is_the_rest(self, pristine: Library) -> None:
        everything = set(pristine.query().ids)
        for query in (
            "label:kick",
            "bpm:100..",
            "key:Am",
            "stem:drums",
            "source:model",
            "song:first",
            "kick",
            "confidence:0.4",
        ):
            some, rest = set(pristine.query(query).ids), set(pristine.query(f"^{query}").ids)
            assert some | rest == everything, query
            assert not some & rest, query

    def test_denied_and_human_labels(self, full: Library) -> None:
        kicks = full.query("kind:sample label:kick")
        kicks[0].tag("rim")
        kicks[1].untag("kick")
        assert len(full.query("label:kick")) == 0
        assert len(full.query("tag:kick")) == 1  # the model's word is still known on the first, denied on the second
        assert full.query("label:rim source:human").ids == [kicks[0].id]

    def test_collections(self, full: Library) -> None:
        full.collection("My Kit").add(full.query("label:snare"))
        assert len(full.query('collection:"my kit"')) == 2
        assert len(full.query("has:collection")) == 2

    def test_dates(self, full: Library) -> None:
        song = full.songs[0]
        with full.store.transaction() as session:
            session.execute(
                update(SoundRow)
                .where(SoundRow.id == song.id)
                .values(added_at=datetime(2024, 2, 29, 23, 59, 30, tzinfo=UTC))
            )
            touch(session, [song.id])
        for query in (
            "2024",
            "2024-02",
            "2024-2",
            "2024-02-29",
            "2024-02-29T23:59",
            "2024-02..2024-03",
            "..2024-02-29",
            "2024-02-29..2024",
        ):
            assert full.query(f"added:{query}").ids == [song.id], query
        for query in ("2024-03", "2024-02-28", "2024-03..2024-12", "..2024-02-28", "2025"):
            assert full.query(f"added:{query}").ids == [], query

    def test_limit_and_order(self, pristine: Library) -> None:
        samples = pristine.query("kind:sample has:label")
        assert [s.start for s in samples] == [0, 1000, 2000, 4000]
        assert pristine.query("kind:sample has:label", limit=2).ids == samples.ids[:2]
        assert pristine.query(limit=0).ids == []
        with pytest.raises(ParameterError):
            pristine.query(limit=-1)

    def test_a_song_by_the_beginning_of_its_id(self, pristine: Library) -> None:
        song = pristine.songs[0]
        assert len(pristine.query(f"song:{song.id[:10]}")) == 7

    @pytest.mark.parametrize(
        ("query", "words", "position"),
        [
            ("a lable:kick", "did you mean 'label'", 2), ("12:30", "12", None), ("http://x", "no field 'http'", 0),
            ("bpm:fast", "no tempo", 4), ("bpm:130..120", "upside down", 4), ("bpm:nan", "no tempo", 4),
            ("bpm:120,x", "no tempo", 8), ("kind:loop", "song, stem or sample", 5), ("key:H", "no key", 4),
            ("added:tomorrow", "no date", 6), ("added:2026-13", "no date", 6), ("kind:a..b", "no range", 5),
            ("duration:1:2:3:4", "no length", 9), ("source:god", "human, import", 7), ("current:maybe", "yes, no", 8),
        ],
    )  # fmt: skip
    def test_errors(self, pristine: Library, query: str, words: str, position: int | None) -> None:
        if position is None:
            assert pristine.query(query).ids == []  # a number with a colon is no field: free text
            return
        with pytest.raises(QueryError, match=words) as caught:
            pristine.query(query)
        assert caught.value.position == position

    @pytest.mark.parametrize("field", [None, *FIELDS])
    def test_injection_finds_nothing_and_breaks_nothing(self, pristine: Library, field: str | None) -> None:
        evils = ["' OR 1=1 --", "%", "_", "\\", "x'; DROP TABLE sound; --", '"', "\x00", "\ud800", "a" * 5000]
        right = {"%": pristine.query("song:über").ids, "_": pristine.query("song:über").ids} if field == "song" else {}
        if field in {None, "name"}:
            right = dict.fromkeys("%_", pristine.query("kind:song über").ids)
        for evil in evils:
            try:
                hits = pristine.query(Query((Clause((Term(field, (Text(evil),)),)),)))
            except QueryError:
                continue
            assert hits.ids == right.get(evil, []), evil
        assert len(pristine.query()) == 11


class TestLists:
    def test_slices_and_membership(self, pristine: Library) -> None:
        samples = pristine.query("kind:sample")
        assert len(samples[1:3]) == 2
        assert samples[-1] == list(samples)[-1]
        assert samples[0] in samples
        assert samples[0].id in samples
        assert pristine.songs[0] not in samples

    def test_tagging_many(self, full: Library) -> None:
        full.query("label:kick").tag("snare").tag("dusty")
        assert len(full.query("label:snare")) == 4
        assert len(full.query("tag:dusty")) == 2
        full.query("tag:dusty").untag("dusty")
        assert len(full.query("tag:dusty")) == 0

    def test_frame(self, pristine: Library) -> None:
        frame = pristine.to_frame("kind:sample has:label")
        assert list(frame["label"]) == ["kick", "snare", "kick", "snare"]
        assert list(frame["start"]) == [0, 1000, 2000, 4000]
        assert set(frame["song"]) == {"First Song"}
        assert "onset_strength" in frame
        assert pristine.songs.to_frame()["lufs"].tolist() == [-14.0, -14.0]
        assert len(pristine.to_frame()) == 11
        assert len(pristine.query("nothing").to_frame()) == 0


class TestKeys:
    @pytest.mark.parametrize(
        ("text", "key", "code"),
        [
            ("Am", "Am", "8A"), ("A minor", "Am", "8A"), ("a min", "Am", "8A"), ("8A", "Am", "8A"),
            ("C", "C", "8B"), ("C major", "C", "8B"),
            ("8b", "C", "8B"), ("Bb", "A#", "6B"), ("A#", "A#", "6B"), ("Db minor", "C#m", "12A"),
            ("F#m", "F#m", "11A"), ("G♯m", "G#m", "1A"),
            ("12B", "E", "12B"), ("Cb", "B", "1B"), ("E_maj", "E", "12B"),
            ("H", None, None), ("13A", None, None), ("", None, None), ("Amen", None, None),
        ],
    )  # fmt: skip
    def test_spellings(self, text: str, key: str | None, code: str | None) -> None:
        assert canonical_key(text) == key
        assert camelot(text) == code

    def test_all_codes_round_trip(self) -> None:
        codes = [f"{number}{letter}" for number in range(1, 13) for letter in "AB"]
        assert [camelot(canonical_key(code)) for code in codes] == codes
        assert len({canonical_key(code) for code in codes}) == 24

    def test_mappings(self) -> None:
        assert canonical_key({"tonic": "A", "mode": "minor", "camelot": "8A"}) == "Am"
        assert canonical_key({"tonic": None}) is None
        assert canonical_key(7) is None


def test_a_newer_slice_does_not_change_what_a_query_gave(lib: Library, tmp_path: Path) -> None:
    _, drums = song_with_samples(lib, tmp_path / "s.wav")
    before = lib.query("kind:sample")
    keep(lib, slicing(drums, [(0, 5)], tag=2, at=9))
    assert len(before) == 4
    assert [s.name for s in before] == [f"drums @{start / 8000:.3f}" for start in (0, 1000, 2000, 4000)]

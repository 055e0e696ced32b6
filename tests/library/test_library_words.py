"""Free text: the words of a text, and both databases' answers against a plain model of what a search means."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library_making import wav
from sqlalchemy import select

from audiolab.library import Library
from audiolab.library.cardrows import CardRow
from audiolab.library.textindex import COLUMNS, Column, text_index
from audiolab.library.words import GAP, _both, _both_of_any, alternatives, index_words

TEXTS = [
    "Big_Kick-808.wav", "BigKick808", "Größe", "GROSSE Trommel", "Beyoncé", "東京の夜", "ночь", "ΝΎΧΤΑ", "हिन्दी गाना",
    "café au lait", "ﬁne", "x", "İstanbul", "drop table; --", '"quoted"', "a  b\tc", "kick drum room", "kick", "808",
    "don't stop", "100%_groß", "🎵 music", "Ⅷ", "ｆｕｌｌ", "o\u0301ver",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kick", "kick"),
        ("BigKick808", f"big kick 808 {GAP} bigkick808"),
        ("Big_Kick-808.wav", "big kick 808 wav"),
        ("808State", f"808 state {GAP} 808state"),
        ("HTTPServer", "httpserver"),  # capitals in a row are one word with what follows
        ("Beyoncé", "beyonce"),
        ("Straße", "strasse"),
        ("東京の夜", "_6771_ _4eac_ _306e_ _591c_"),
        ("я", "_44f_"),
        ("don't", "don t"),
        ("__", ""),
        ("", ""),
    ],
)
def test_golden(text: str, expected: str) -> None:
    assert index_words([text]) == expected


@given(st.text(max_size=60))
def test_words_are_harmless(text: str) -> None:
    """Nothing in an index or a phrase can be read as syntax, whatever comes in."""
    for word in (*index_words([text]).split(), *(word for words in alternatives(text) for word in words)):
        assert set(word) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
        assert word


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_the_short_way_for_ascii_gives_the_same(text: str) -> None:
    assert _both(text) == _both_of_any(text)


@given(st.text(min_size=1, max_size=40), st.integers(1, 40))
def test_a_text_is_found_by_itself_and_by_its_beginning(text: str, length: int) -> None:
    entry = index_words([text])
    if alternatives(text):
        assert says(entry, text)
    beginning = text[:length]
    # Cut before a mark or inside of what one sign becomes, the beginning is another text.
    if alternatives(beginning) and beginning.isascii() and text.isascii():
        assert says(entry, beginning)


def says(entry: str, asked: str) -> bool:
    """What a search means: one of the phrases stands in the words, its last word as the beginning of one."""
    words = entry.split()
    for phrase in alternatives(asked):
        for at in range(len(words) - len(phrase) + 1):
            *whole, last = words[at : at + len(phrase)]
            if whole == phrase[:-1] and last.startswith(phrase[-1]):
                return True
    return False


class TestIndex:
    @pytest.fixture
    def filled(self, lib: Library, tmp_path: Path) -> Library:
        for seed, text in enumerate(TEXTS):
            sound = lib.add(wav(tmp_path / f"{seed}.wav", seed, 0.05))
            sound.rename(text)
        return lib

    def ask(self, lib: Library, text: str, where: Column | None = None) -> set[str]:
        with lib.store.transaction(write=False) as session:
            found = text_index(session.get_bind().dialect.name).match(text, where)
            if found is None:
                return set()
            return set(session.scalars(select(CardRow.sound_id).where(found)))

    def model(self, lib: Library, text: str) -> set[str]:
        return {s.id for s in lib.query() if says(index_words([s.name, s.original_name, s.origin]), text)}

    def test_equals_the_model(self, filled: Library) -> None:
        asked = [
            *TEXTS,
            *(text[:3] for text in TEXTS),
            "kick 8",
            "big kick",
            "kick big",
            "groß",
            "京の",
            "夜",
            "wav",
            "TROM",
        ]
        found = 0
        for text in asked:
            expected = self.model(filled, text)
            assert self.ask(filled, text) == expected, text
            assert self.ask(filled, text, "names") == expected, text
            assert self.ask(filled, text, "lyrics") == set(), text
            found += len(expected)
        assert found > 60

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.text(max_size=12))
    def test_any_question_has_an_answer(self, filled: Library, text: str) -> None:
        assert self.ask(filled, text) == self.model(filled, text)

    def test_columns_are_apart(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "thunder.wav"))
        sound.tag("lightning")
        sound.note = "compress it"
        for text, column in (("thunder", "names"), ("lightning", "tags"), ("compress", "notes")):
            assert self.ask(lib, text) == {sound.id}
            for where in COLUMNS:
                assert self.ask(lib, text, where) == ({sound.id} if where == column else set())
        sound.untag("lightning")
        assert self.ask(lib, "lightning") == set()

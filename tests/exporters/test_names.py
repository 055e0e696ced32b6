"""Names and templates: hostile texts become files that every system takes, and nothing collides."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audiolab.errors import ParameterError
from audiolab.exporters.names import NameBook, clean_name
from audiolab.exporters.template import FIELDS, Template

HOSTILE = [
    "../x", "..", ".", "", " ", "CON", "con.txt", "aux ", "LPT1.wav", "COM¹", "a/b\\c", "<script>alert(1)</script>",
    "trailing...", "new\nline\ttab", "nul\0byte", "🥁🎸👨‍👩‍👧", "é" * 300, "x" * 300, "-rf", "~root", "a:b", 'q"uo\'te',
    "\u202egpj.exe", "\ud800half", "{brace}", "%s%n", "C:\\Windows", "/etc/passwd", "$(reboot)", "NUL\n", "e\u0301",
]  # fmt: skip


@given(st.text(max_size=400))
@example("CON")
def test_any_text_becomes_a_safe_name(text: str) -> None:
    name = clean_name(text)
    assert name
    assert len(name.encode()) <= 121
    assert not set(name) & set('<>:"/\\|?*')
    assert all(unicodedata.category(sign) not in {"Cc", "Cs"} for sign in name)
    assert name[0] not in " .-~"
    assert name[-1] not in " ."
    assert name.split(".")[0].lower() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
    assert name == unicodedata.normalize("NFC", name)
    assert clean_name(name) == name


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_make_one_file_in_their_folder(tmp_path: Path, text: str) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / f"{clean_name(text)}.wav").write_bytes(b"x")
    assert len(list(inside.iterdir())) == 1
    assert list(tmp_path.iterdir()) == [inside]


def test_known_cases() -> None:
    assert clean_name("../x") == "_x"
    assert clean_name("CON") == "_CON"
    assert clean_name("con.txt") == "_con.txt"
    assert clean_name("console") == "console"
    assert clean_name("a\nb\r\n c") == "a b c"
    assert clean_name("e\u0301") == "é"
    assert clean_name("") == "unnamed"
    assert clean_name("...", fallback="song") == "song"
    assert clean_name("AC/DC: live?") == "AC_DC_ live_"
    assert clean_name("\u202egpj.exe") == "gpj.exe"


def test_no_two_names_hide_each_other() -> None:
    book = NameBook(("manifest.json",))
    assert book.claim("kick", "A", ".wav") == "kick/A.wav"
    assert book.claim("kick", "a", ".wav") == "kick/a_2.wav"
    assert book.claim("Kick", "A", ".WAV") == "Kick/A_3.WAV"
    assert book.claim("kick", "a_2", ".wav") == "kick/a_2_2.wav"
    assert book.claim("", "MANIFEST", ".json") == "MANIFEST_2.json"
    assert book.claim("x", unicodedata.normalize("NFD", "é"), ".wav") != book.claim("x", "é", ".wav")


@given(st.lists(st.sampled_from(["a", "A", "b", "a_2", "A_2", "é", "E\u0301", "ß", "SS"]), max_size=40))
def test_any_row_of_claims_is_free_of_collisions(stems: list[str]) -> None:
    book = NameBook()
    given_out = [book.claim("f", clean_name(stem), ".wav") for stem in stems]
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in given_out}) == len(stems)


VALUES = {"song": "Song", "stem": "drums", "label": "kick", "n": 3, "bpm": 120.0, "key": "Am", "root_note": "C2"}


@pytest.mark.parametrize(
    ("template", "missing", "name"),
    [
        ("{song}_{stem}_{label}_{n:03}", (), "Song_drums_kick_003"),
        ("{song}_{stem}_{label}_{n:03}", ("stem",), "Song_kick_003"),
        ("{song}_{stem}_{label}_{n:03}", ("song", "stem", "label"), "003"),
        ("{label}-{bpm}-{key}", ("bpm",), "kick-Am"),
        ("{label} {bpm}bpm", (), "kick 120bpm"),
        ("{bpm}_{label}_", ("bpm",), "kick_"),
        ("{label} - {key} - {song}", ("key",), "kick - Song"),
        ("{label}{key}", ("label",), "Am"),
        ("{confidence:.2f}_{label}", (), "kick"),
        ("{{{label}}}", (), "{kick}"),
        ("{bpm:.0f}_{root_note}", (), "120_C2"),
        ("{stem}__{label}", (), "drums__kick"),
        ("{song}", ("song",), "fallback"),
    ],
)
def test_fields_without_a_value_leave_nothing(template: str, missing: tuple[str, ...], name: str) -> None:
    values = {**VALUES, **dict.fromkeys(missing)}
    assert Template(template).name(values, fallback="fallback") == name


@pytest.mark.parametrize(
    "template",
    [
        "{nothing}", "{}", "{0}", "{song.__class__}", "{song[0]}", "{song!r}", "{n:{bpm}}", "plain", "{song", "a}b",
        "{label}/{n}", "..\\{n}", "{song:d}", "{n:q}", "{bpm:s}",
    ],
)  # fmt: skip
def test_wrong_templates_are_refused_with_the_fields(template: str) -> None:
    with pytest.raises(ParameterError):
        Template(template)


def test_the_message_lists_the_fields() -> None:
    with pytest.raises(ParameterError, match=r"tempo.*fields are: song, stem, label, take, n,"):
        Template("{tempo}_{n}")
    assert {"song", "stem", "label", "n", "bpm", "key", "root_note", "id", "confidence"} <= set(FIELDS)


@given(st.dictionaries(st.sampled_from(["song", "stem", "label", "key"]), st.text(max_size=60)))
def test_hostile_values_stay_in_one_clean_name(values: dict[str, str]) -> None:
    name = Template("{song}_{stem}_{label}_{key}_{n:03}").name({**values, "n": 1}, fallback="x")
    assert name == clean_name(name)
    assert "/" not in name

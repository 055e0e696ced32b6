"""Tags from the names of folders: what a rule finds, and what it does to a library."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from library_making import dump, wav

from audiolab.errors import ParameterError
from audiolab.library import Library
from audiolab.library.foldertags import Matched, parse_rule
from audiolab.library.labelwords import label_of, tidy_label
from audiolab.library.tags import STANDARD_LABELS


@pytest.mark.parametrize(
    ("rule", "path", "found"),
    [
        (
            "{pack}/{label}/{name}_{bpm}_{key}",
            "x/Vengeance/Closed Hats/Big_Hat_128_F#min.wav",
            Matched("closed_hat", ("Vengeance",), "Vengeance", 128.0, "F#m", "Big_Hat"),
        ),
        ("{label}/*", "Kick Samples/whatever.flac", Matched("kick")),
        ("{tag}/{tag}/{_}", "909/dirty/x.wav", Matched(tags=("909", "dirty"))),
        (
            "{pack}_{name}_{tag}",
            "Acme_Big_Kick_dry.wav",
            Matched(tags=("dry", "Acme"), pack="Acme", name="Big_Kick"),
        ),
        ("{_} {name}", "03 boom boom.wav", Matched(name="boom boom")),
        ("*{bpm}bpm*", "loop 174BPM mix.wav", Matched(bpm=174.0)),
        ("{name} {bpm}", "Take 1.5 127,5.wav", Matched(bpm=127.5, name="Take 1.5")),
        ("{name}{bpm}", "Break172.aif", Matched(bpm=172.0, name="Break")),
        ("{key} {name}", "8A deep.wav", Matched(key="Am", name="deep")),
        ("{name} - {key}", "ブレイク - Bb.wav", Matched(key="A#", name="ブレイク")),
        ("STRASSE {name}", "straße x.wav", Matched(name="x")),
        ("{label}/{name}", "03 - Café Sounds/é.wav", Matched("café", name="é")),
        ("{bpm}/{name}", "120 BPM/x.wav", Matched(bpm=120.0, name="x")),
        ("{name}", "no suffix 1.5", Matched(name="no suffix 1.5")),
        ("{name}_{bpm}", "x_999.wav", None),
        ("{name}_{bpm}", "x_12012.wav", None),
        ("{name}_{key}", "x_Band.wav", None),
        ("{label}/{name}", "alone.wav", None),
        ("{name}_{tag}", "_x.wav", None),
    ],
)
def test_what_is_found(rule: str, path: str, found: Matched | None) -> None:
    assert parse_rule(rule).match(path) == found


@pytest.mark.parametrize(
    ("rule", "sign", "why"),
    [
        ("{nmae}", 1, "no place"),
        ("{label}/{tag", 9, "not closed"),
        ("{label}}", 8, "closes nothing"),
        ("{pack}{name}", 7, "side by side"),
        ("*{tag}", 2, "side by side"),
        ("{bpm}_{bpm}", 7, "twice"),
        ("{label}//{name}", 9, "empty"),
        ("/{name}", 1, "empty"),
        ("{_}/*", 1, "keeps nothing"),
    ],
)
def test_a_bad_rule_says_where(rule: str, sign: int, why: str) -> None:
    with pytest.raises(ParameterError, match=f"at sign {sign}: .*{why}"):
        parse_rule(rule)
    for empty in ("", "  ", "x" * 2000):
        with pytest.raises(ParameterError, match="rule"):
            parse_rule(empty)


SIGNS = st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/_{}*.")
WORDS = st.text(SIGNS, min_size=1, max_size=20)


@given(pack=WORDS, tag=WORDS, name=WORDS, bpm=st.integers(20, 400), minor=st.booleans())
def test_what_was_written_by_a_rule_is_read_by_it(pack: str, tag: str, name: str, bpm: int, minor: bool) -> None:
    assume(all(word.strip() for word in (pack, tag, name)))
    key = "F#m" if minor else "C"
    found = parse_rule("{pack}/{tag}/{name}_{bpm}_{key}").match(f"{pack}/{tag}/{name}_{bpm}_{key}.wav")
    assert found is not None
    plain = [" ".join(word.split()) for word in (pack, tag, name)]
    assert (found.pack, found.bpm, found.key, found.name) == (plain[0], bpm, key, plain[2])
    assert found.tags == tuple(dict.fromkeys([plain[1], plain[0]]))


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_rule_is_understood_or_refused_and_any_path_matched_or_not(rule: str, path: str) -> None:
    try:
        parsed = parse_rule(rule)
    except ParameterError:
        return
    assert str(parsed) == rule
    found = parsed.match(path)
    assert found is None or isinstance(str(found), str)


PARTS = st.sampled_from(["{tag}", "{_}", "*", "{bpm}", "_", " ", "x"])


@given(st.lists(PARTS, min_size=1, max_size=9), st.text("_x 12", max_size=300))
def test_no_path_makes_a_rule_slow(parts: list[str], path: str) -> None:
    try:
        parsed = parse_rule("".join(parts))
    except ParameterError:
        return
    started = time.process_time()
    parsed.match(path)
    assert time.process_time() - started < 2


def test_the_worst_case() -> None:
    rule = parse_rule("_".join(["{tag}"] * 12) + "x")
    started = time.process_time()
    assert rule.match("_" * 300) is None
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Kicks", "kick"),
        ("01 Closed Hi-Hats", "closed_hat"),
        ("BD", "kick"),
        ("Foley Hits", "foley"),
        ("", ""),
        ("808s", "bass"),
    ],
)
def test_labels_as_packs_write_them(text: str, label: str) -> None:
    assert tidy_label(text) == label


def test_every_standard_label_means_itself() -> None:
    for label in STANDARD_LABELS - {"unknown"}:
        assert label_of(label) == tidy_label(label.replace("_", " ").title()) == label


class TestInALibrary:
    RULE = "{pack}/{label}/{name}_{bpm}"

    @pytest.fixture
    def packs(self, tmp_path: Path) -> Path:
        for seed, name in enumerate(["Acme/Kicks/Hard_120.wav", "Acme/Snares/Soft_90.wav", "loose.wav"]):
            wav(tmp_path / "packs" / name, seed)
        return tmp_path / "packs"

    def test_tags_facts_and_names(self, lib: Library, packs: Path) -> None:
        report = lib.add(packs, rule=self.RULE)
        hard, soft, loose = report.added
        assert (hard.name, hard.label, hard.label_source, hard.bpm) == ("Hard", "kick", "import", 120.0)
        assert [(tag.label, tag.source, tag.role) for tag in soft.tags] == [
            ("Acme", "import", "tag"),
            ("snare", "import", "label"),
        ]
        assert (loose.name, loose.label, loose.tags) == ("loose", None, [])
        assert [line.why for line in report.lines] == ["", "", "its path does not fit the rule"]
        assert lib.query("label:kick tag:acme bpm:120").ids == [hard.id]
        assert hard.original_name == "Hard_120.wav"

    def test_what_is_known_gets_its_tags_too(self, lib: Library, packs: Path) -> None:
        hard = next(sound for sound in lib.add(packs).added if sound.name.startswith("Hard"))
        hard.tag("tom")
        report = lib.add(packs, rule=self.RULE)
        assert ["tagged by its folders" in line.why for line in report.lines] == [True, True, False]
        assert (hard.label, hard.label_source, hard.bpm) == ("tom", "human", 120.0)  # a person's word counts more
        assert {tag.label for tag in hard.tags} == {"tom", "kick", "Acme"}
        before = dump(lib)
        lib.add(packs, rule=self.RULE)
        assert dump(lib) == before

    def test_it_can_be_taken_back_and_done_again(self, lib: Library, packs: Path) -> None:
        lib.add(packs)

        def state() -> list[object]:
            return [(s.id, s.facts, s.bpm, s.label, sorted(map(str, s.tags))) for s in lib.query()]

        before = state()
        lib.add(packs, rule=self.RULE)
        after = state()
        assert after != before
        lib.undo()
        assert state() == before
        assert lib.query("has:label").ids == []
        lib.redo()
        assert state() == after
        assert len(lib.query("has:label")) == 2

    def test_a_whole_folder_is_one_action(self, lib: Library, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("audiolab.library.taking.BATCH", 1)
        lib.add(packs, rule=self.RULE)
        lib.undo()
        assert len(lib.query()) == 0
        lib.redo()
        assert len(lib.query()) == 3

    def test_zips_stand_for_folders(self, lib: Library, packs: Path, tmp_path: Path) -> None:
        (tmp_path / "zips").mkdir()
        with zipfile.ZipFile(tmp_path / "zips" / "Acme.zip", "w") as archive:
            archive.write(packs / "Acme" / "Kicks" / "Hard_120.wav", "Kicks/Hard_120.wav")
        sound = lib.add(tmp_path / "zips", rule=self.RULE).sound
        assert (sound.label, sound.facts["pack"]) == ("kick", "Acme")

    def test_a_dry_run_changes_nothing(self, lib: Library, packs: Path) -> None:
        before = dump(lib)
        found = lib.match_rule(self.RULE, packs)
        assert dump(lib) == before
        names = ["Acme/Kicks/Hard_120.wav", "Acme/Snares/Soft_90.wav", "loose.wav"]
        assert [path for path, _ in found] == [f"packs/{name}" for name in names]
        assert [match and match.label for _, match in found] == ["kick", "snare", None]
        with pytest.raises(ParameterError, match="sign 1"):
            lib.add(packs, rule="{x}")
        assert dump(lib) == before

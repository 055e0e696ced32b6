"""Hostile texts in every field: nothing runs, nothing is lost, everything comes back as `clean_text` says."""

from __future__ import annotations

import contextlib
import sys
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faults_scripts import SCRIPTS
from faults_texts import HOSTILE, check_html, quoted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library_making import analysis, keep, wav
from pydantic import ValidationError

from audiolab.errors import AudiolabError, ParameterError
from audiolab.library import Library, Record, Sound
from audiolab.library.cards import stale
from audiolab.library.query import QueryError, parse_query
from audiolab.library.text import clean_text

FIELDS_OF_TEXT = ("tag", "label", "name", "song", "artist", "note", "lyrics", "word", "collection", "stem", "has")
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
HOSTILE_TEXT = st.one_of(
    ANY_TEXT,
    st.sampled_from(list(HOSTILE.values())),
    st.lists(st.sampled_from(list("'\"`;:,.^~*%_\\{}[]()<>&|!?#$@-\0\n\t\ud800é中a1 ")), max_size=25).map("".join),
)


@contextmanager
def about(name: str) -> Iterator[None]:
    """Say at which text a test failed."""
    try:
        yield
    except Exception as error:
        error.add_note(f"the text {name!r}: {HOSTILE[name]!r}")
        raise


def check_sound(lib: Library) -> None:
    """The catalog is whole, and what queries look through fits it."""
    assert lib.fsck().clean, str(lib.fsck())
    with lib.store.transaction(write=False) as session:
        assert stale(session) == []


def ask(lib: Library, query: str) -> list[str] | None:
    """Ask a query; None if it cannot be understood. Anything but a QueryError passes through."""
    try:
        return lib.query(query).ids
    except QueryError:
        return None


class TestEveryField:
    def test_words_of_a_person(self, lib: Library, tmp_path: Path) -> None:
        for seed, (name, text) in enumerate(HOSTILE.items()):
            sound = lib.add(wav(tmp_path / f"{seed}.wav", seed))
            with about(name):
                self.say(lib, sound, text)
        assert len(lib.query()) == len(HOSTILE)
        check_sound(lib)
        for shown in (lib.query(), lib, lib.collection("x").sounds, lib.fsck(), lib.collections):
            if (draw := getattr(shown, "_repr_html_", None)) is not None:
                check_html(draw())
        assert len(lib.undo(100)) == 100
        check_sound(lib)

    def say(self, lib: Library, sound: Sound, text: str) -> None:
        kept = clean_text(text).strip()
        if kept:
            sound.tag(text)
            assert [tag.label for tag in sound.tags] == [kept]
            assert sound.id in lib.query(f"tag:{quoted(kept)}").ids
            assert sound.id in lib.query(f"tag:{quoted(text)}").ids
            sound.rename(text)
            assert sound.name.strip() == kept
            assert sound.id in lib.query(f"name:{quoted(kept)}").ids
            assert sound.id in lib.query(f"name:{quoted(text)}").ids
            lib.collection(text).add(sound)
            assert kept in {name.strip() for name in lib.collections}
            assert sound.id in lib.collection(text).sounds.ids
            assert sound.id in lib.query(f"collection:{quoted(text)}").ids
        else:
            for attempt in (lambda: sound.tag(text), lambda: sound.rename(text)):
                with pytest.raises(ParameterError):
                    attempt()
        lib.set_note(sound.id, text)
        lib.set_overlay(sound.id, "analyze", {"comment": text, text: [text, {"x": text}]})
        assert lib.overlay(sound.id, "analyze") == {
            "comment": clean_text(text), clean_text(text): [clean_text(text), {"x": clean_text(text)}]
        }  # fmt: skip
        check_html(sound._repr_html_())
        check_html(sound.explain()._repr_html_())
        assert not set("\0\n") & set(repr(sound))

    def test_undo_brings_back_what_was_there(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        for name, text in HOSTILE.items():
            with about(name):
                if clean_text(text).strip():
                    sound.tag(text)
                    sound.rename(text)
                    lib.collection(text).add(sound)
                    lib.undo(3)
                assert (sound.name, sound.tags, list(lib.collections)) == ("a", [], [])
        check_sound(lib)

    def test_synonyms(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "kick.wav", 1))
        for name, text in HOSTILE.items():
            with about(name):
                with contextlib.suppress(AudiolabError):
                    lib.set_synonym(text, "kick")
                with contextlib.suppress(AudiolabError):
                    lib.set_synonym("bang", text)
                for query in ("bang", text, quoted(text), *map(quoted, lib.synonyms)):
                    assert set(ask(lib, query) or []) <= {sound.id}
        assert len(lib.synonyms) > 10
        check_sound(lib)

    def test_saved_searches(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        saved = lib.collection("saved")
        for name, text in HOSTILE.items():
            with about(name):
                for query in (text, quoted(text), f"tag:{quoted(text)}"):
                    with contextlib.suppress(AudiolabError):
                        saved.save(query)
                    assert saved.query is None or set(saved.sounds.ids) <= {sound.id}
                with contextlib.suppress(AudiolabError):
                    lib.collection(text).save("kind:sample")
                    assert ask(lib, f"collection:{quoted(text)}") == [sound.id]
        assert len(lib.collections) > 40
        check_sound(lib)

    def test_what_stages_say(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "song.wav", 1, 1.0), kind="song")
        for at, (name, text) in enumerate(HOSTILE.items()):
            with about(name):
                said = {"engine": clean_text(text)[:128], "params": {"x": text}, "notes": (clean_text(text),)}
                record = analysis(song, tag=at, at=at, note=text, **{"odd name": text})
                keep(lib, Record.model_validate({**record.model_dump(), **said}))
                assert song.facts["note"] == song.facts["odd name"] == clean_text(text)
                assert lib.to_frame()["odd name"].tolist() == [clean_text(text)]
                check_html(song._repr_html_())
                check_html(song.explain()._repr_html_())
                assert str(song.explain())
        check_sound(lib)

    def test_a_record_with_fields_too_long(self, lib: Library, tmp_path: Path) -> None:
        """Whatever the database: what one of them could not hold is no record for any."""
        song = lib.add(wav(tmp_path / "song.wav", 1, 1.0), kind="song")
        for field in ("engine", "weights", "run"):
            with pytest.raises(ValidationError, match="128"):
                Record.model_validate({**analysis(song).model_dump(), field: "x" * 129})
        check_sound(lib)

    @pytest.mark.slow
    def test_who_does_it(self, folder: Path, tmp_path: Path) -> None:
        for seed, (name, text) in enumerate(HOSTILE.items()):
            with about(name), Library(folder, actor=text) as lib:
                lib.add(wav(tmp_path / f"{seed}.wav", seed))
                assert lib.ops(limit=1)[0].actor == (clean_text(text) or lib.ops(limit=1)[0].actor)

    def test_queries(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1)).tag("kick")
        fields = ("", *(f"{name}:" for name in FIELDS_OF_TEXT), "bpm:", "key:", "added:", "sort:", "limit:", "kind:")
        for name, text in HOSTILE.items():
            with about(name):
                ask(lib, text)
                for field in fields:
                    ask(lib, f"^{field}{text}")
                    ask(lib, f"{field}{quoted(text)} kind:sample")
                for field in ("tag:", "bpm:", "duration:", "added:", "rating:", "year:"):
                    ask(lib, f"{field}{quoted(text)}..")
                    ask(lib, f"{field}..{quoted(text)}")
                for which in (text, f"{text}*"):
                    with contextlib.suppress(AudiolabError):
                        assert isinstance(lib.sound(which), Sound)
        assert lib.query("label:kick").ids == [sound.id]
        check_sound(lib)

    def test_file_names(self, lib: Library, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        tried = 0
        for seed, (title, text) in enumerate(HOSTILE.items()):
            name = text.replace("/", "∕").replace("\0", "")[:200]
            name += "" if name.strip(". ") else "x"
            path = tmp_path / "in" / f"{name}.wav"
            raw = wav(tmp_path / "plain.wav", seed).read_bytes()
            try:
                path.write_bytes(raw)
            except (OSError, UnicodeEncodeError):
                continue  # no file can be called so
            with about(title):
                tried += 1
                report = lib.add_report(tmp_path / "in")
                path.unlink()
                if name.startswith("."):
                    assert [line.why for line in report.skipped] == ["a hidden file"]
                    continue
                assert not report.failed, str(report)
                assert report.sound.name == clean_text(name).strip()
                assert report.sound.origin == clean_text(f"in/{name}.wav")
                assert report.sound.id in lib.query(f"name:{quoted(report.sound.name)}").ids
                check_html(report._repr_html_())
        assert tried > 40
        check_html(lib.query()._repr_html_())
        check_sound(lib)

    def test_names_in_zips(self, lib: Library, tmp_path: Path) -> None:
        path = tmp_path / "zips" / "pack.zip"
        path.parent.mkdir()
        for seed, (title, text) in enumerate(HOSTILE.items()):
            data = wav(tmp_path / "a.wav", 2 * seed).read_bytes()
            good = wav(tmp_path / "b.wav", 2 * seed + 1).read_bytes()
            # The zip format knows UTF-8 and NUL ends a name.
            name = clean_text(text)
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(zipfile.ZipInfo(f"{name}/{name}.wav"), data)
                archive.writestr("good.wav", good)
            with about(title):
                report = lib.add_report(path)
                assert "pack.zip/good.wav" in {sound.origin for sound in report.added}
                assert len(report.added) + len(report.failed) + len(report.skipped) == 2, str(report)
                if ".." in name or name.startswith(("/", "C:")):
                    assert "leads out" in str(report.failed + report.skipped) or ".." not in Path(name).parts
                check_html(report._repr_html_())
        known = {tmp_path / "a.wav", tmp_path / "b.wav", path}
        outside = {found for found in tmp_path.rglob("*") if found.is_file() and lib.path not in found.parents}
        assert outside == known  # nothing was written beside the library
        check_sound(lib)

    def test_a_member_without_a_name(self, lib: Library, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
            archive.writestr("x", wav(tmp_path / "a.wav", 1).read_bytes())
        raw = (tmp_path / "pack.zip").read_bytes()
        for count, old in ((1, b"\0x"), (1, b"\0\0x")):
            raw = raw.replace(old, old[:-1] + b"\0", count)
        (tmp_path / "pack.zip").write_bytes(raw)
        report = lib.add_report(tmp_path / "pack.zip")
        assert not report.added
        assert report.failed or report.skipped

    @pytest.mark.slow
    def test_command_line(self, folder: Path, tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Arguments are data: whatever they say, the command ends with 0, 1 or 2 and no traceback."""
        monkeypatch.setenv("AUDIOLAB_LIBRARY", str(folder))
        with Library(folder) as lib:
            sound = lib.add(wav(tmp_path / "a.wav", 1))
        for name, text in HOSTILE.items():
            if "\0" in text:
                continue  # no command line holds a NUL
            with about(name):
                for arguments in (
                    ["query", "--json", "--", quoted(text)], ["query", text], ["tag", sound.id, "--", text],
                    ["show", "--", text], ["add", "--", text], ["collection", "add", "--", text, "kind:sample"],
                    ["collection", "save", "--", "saved", text],
                ):  # fmt: skip
                    said = cli(*arguments)
                    assert said.code in {0, 1, 2}, arguments
                    assert "Traceback" not in said.err + said.out, (arguments, said)
        for arguments in (
            ["ls", "--json"],
            ["show", sound.id],
            ["collection", "ls"],
            ["query", "kind:sample", "--json"],
        ):
            assert cli(*arguments).code == 0
        with Library(folder) as lib:
            assert len(lib.query()) == 1
            assert len(lib.query()[0].tags) > 40
            assert lib.fsck(deep=True).clean


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Call `audiolab ...` in this process."""
    from audiolab.cli import main

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*arguments: str) -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["audiolab", *arguments])
        code: int | str | None = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return SimpleNamespace(code=code or 0, out=captured.out, err=captured.err)

    return call


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    root = tmp_path_factory.mktemp("shared")
    with Library(root / "lib") as lib:
        lib.add(wav(root / "a.wav", 1)).tag("kick")
        yield lib


class TestAnything:
    """The same with whatever Hypothesis finds."""

    @settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(text=HOSTILE_TEXT)
    def test_any_query(self, shared: Library, text: str) -> None:
        ask(shared, text)
        found = ask(shared, quoted(text))
        assert found is None or len(found) <= 1
        for field in FIELDS_OF_TEXT:
            ask(shared, f"{field}:{text}")
            ask(shared, f"{field}:{quoted(text)}")
        with contextlib.suppress(QueryError):
            parsed = parse_query(text)
            assert parse_query(str(parsed)) == parsed

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(text=HOSTILE_TEXT)
    def test_any_word(self, shared: Library, text: str) -> None:
        sound, kept = shared.query()[0], clean_text(text).strip()
        before = [tag.label for tag in sound.tags]
        shared.set_note(sound.id, text)
        if kept and kept not in before:
            sound.tag(text)
            assert kept in {tag.label for tag in sound.tags}
            assert shared.query(f"tag:{quoted(kept)}").ids == [sound.id]
            sound.rename(text)
            assert sound.name.strip() == kept
            shared.undo()
            shared.undo()
        assert [tag.label for tag in sound.tags] == before
        check_html(sound._repr_html_())
        with shared.store.transaction(write=False) as session:
            assert stale(session) == []


class TestNames:
    def test_in_every_script(self, lib: Library, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        names = {script: f"{letters} {number}" for number, (script, letters) in enumerate(SCRIPTS.items())}
        for seed, name in enumerate(names.values()):
            wav(tmp_path / "in" / f"{name}.wav", seed, 0.02)
        report = lib.add_report(tmp_path / "in")
        assert (len(report.added), len(report.failed)) == (len(SCRIPTS), 0)
        stored = {sound.name: sound for sound in report.added}
        for script, name in names.items():
            sound = stored[name]
            assert lib.sound(name) == sound, script
            assert sound.id in lib.query(f"name:{quoted(SCRIPTS[script])}").ids, script
            assert sound.id in lib.query(quoted(name)).ids, script
            assert sound.id in lib.query(SCRIPTS[script]).ids, script
            sound.tag(SCRIPTS[script])
            assert sound.id in lib.query(f"tag:{SCRIPTS[script]}").ids, script
        check_html(lib.query()._repr_html_())
        check_sound(lib)

    def test_composed_and_decomposed_are_the_same_to_a_query(self, lib: Library, tmp_path: Path) -> None:
        words = ["Größe", "café", "Ångström", "한국어", "がぎぐ", "Việt"]
        for seed, word in enumerate(words):
            form = "NFD" if seed % 2 else "NFC"
            wav(tmp_path / "in" / f"{unicodedata.normalize(form, word)}.wav", seed)
        lib.add(tmp_path / "in")
        for word in words:
            for form in ("NFC", "NFD", "NFKC", "NFKD"):
                asked = unicodedata.normalize(form, word)
                assert len(lib.query(quoted(asked))) == 1, (word, form)
                assert len(lib.query(f"name:{quoted(asked)}")) == 1, (word, form)

    @pytest.mark.parametrize("letter", ["x", "ß", "中", "🥁"])
    def test_300_signs_long(self, lib: Library, tmp_path: Path, letter: str) -> None:
        name = f"{letter * 296}-end"
        with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
            archive.writestr(f"{name}.wav", wav(tmp_path / "a.wav", 1).read_bytes())
        sound = lib.add_report(tmp_path / "pack.zip").sound
        assert (sound.name, len(sound.name)) == (name, 300)
        assert lib.query(f"name:{quoted(name)}").ids == lib.query("name:-end").ids == [sound.id]
        assert lib.query("end").ids == [sound.id]
        other = lib.add(wav(tmp_path / "b.wav", 2)).rename(name.upper())
        assert other is None or other.name == name.upper()
        assert len(lib.query(f"name:{quoted(letter * 200)}")) == 2
        with pytest.raises(ParameterError, match="255"):
            sound.tag(name)
        check_html(lib.query()._repr_html_())
        check_sound(lib)

    def test_a_deep_path(self, lib: Library, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        for number in range(12):
            folder = folder / f"{number} {'Ordner ' * 4}"
        path = wav(folder / "kick.wav", 1)
        assert len(str(path)) > 300
        sound = lib.add_report(tmp_path / "in").sound
        assert sound.origin.endswith("/kick.wav")
        assert len(sound.origin) > 300
        assert lib.query("ordner kick").ids == [sound.id]
        check_sound(lib)

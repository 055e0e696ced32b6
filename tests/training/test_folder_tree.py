"""Folder trees as labelled sets: what folders mean, where sounds come from, and what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.errors import ParameterError
from audiolab.training.folder_tree import LabelWords, read_tree
from audiolab.training.manifest import Reading, read_labelled, read_manifest
from audiolab.training.settings import load_config

LABELS = load_config("default").labels


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("Kicks", {"kick"}),
        ("03 - Kick Samples", {"kick"}),
        ("808 Kicks", {"kick"}),
        ("808", {"bass"}),
        ("Bass Drum One Shots", {"kick"}),
        ("ClosedHats", {"closed_hat"}),
        ("Hi-Hats (Closed)", {"closed_hat"}),
        ("Hi Hats Open", {"open_hat"}),
        ("Open and Closed Hats", {"closed_hat", "open_hat"}),
        ("Claps & Snares", {"clap", "snare"}),
        ("oh", {"open_hat"}),
        ("Oh Yes", set()),
        ("Loops 120 bpm", set()),
        ("", set()),
    ],
)
def test_what_names_of_folders_mean(name, means):
    assert LabelWords(LABELS).labels_in(name) == means


@given(st.text(max_size=40))
def test_any_name_means_labels_that_there_are(name):
    assert LabelWords(LABELS).labels_in(name) <= set(LABELS)


def test_labels_of_ones_own_are_found_and_others_words_are_not():
    words = LabelWords(["kick", "Vinyl Crackle"])
    assert words.labels_in("my vinyl_crackle") == {"Vinyl Crackle"}
    assert words.labels_in("Snares") == set()


def plant(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_a_tree_gives_labels_sources_and_a_list_of_the_rest(tmp_path: Path):
    used = ["Pack A/Drums/Kicks/deep/1.wav", "Pack A/Snares/2.FLAC", "Pack B/Vox/3.mp3"]
    other = {
        "Pack A/Drums/Kicks/readme.txt": "not an audio file",
        "Pack A/Drums/Kicks/.hidden.wav": "hidden",
        "Pack B/Loops/4.wav": "no folder",
        "Pack B/Kicks and Snares/5.wav": "kick and snare",
    }
    plant(tmp_path, *used, *other)
    (tmp_path / "Pack A/Snares/empty.wav").touch()
    (tmp_path / "Pack A/Snares/gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (tmp_path / "Pack A/Claps").symlink_to(tmp_path / "Pack A/Snares")
    found = read_tree(tmp_path, LABELS)
    assert [str(entry.path.relative_to(tmp_path)) for entry in found.entries] == used
    assert [entry.label for entry in found.entries] == ["kick", "snare", "vocal"]
    assert [entry.source for entry in found.entries] == ["Pack A", "Pack A", "Pack B"]
    assert len(found.left_out) == len(other) + 3
    for name, reason in (other | {"Pack A/Snares/empty.wav": "empty", "Pack A/Claps": "link"}).items():
        assert any(line.startswith(f"{name}:") and reason in line for line in found.left_out), name


def test_top_folders_that_are_labels_are_one_source(tmp_path: Path):
    plant(tmp_path, "kick/1.wav", "snare/2.wav")
    assert {entry.source for entry in read_tree(tmp_path, LABELS).entries} == {tmp_path.name}


def test_read_labelled_takes_manifests_and_trees(tmp_path: Path):
    plant(tmp_path, "tree/pack/kick/1.wav", "set/a.wav")
    (tmp_path / "set/manifest.csv").write_text(
        "\ufeffpath,source,label\na.wav,one,kick\ngone.wav,one,kick\na.wav,one,kazoo\na.wav,two,snare\n,one,kick\n"
    )
    tree = read_labelled(tmp_path / "tree", LABELS)
    assert [entry.label for entry in tree.entries] == ["kick"]
    for what in (tmp_path / "set", tmp_path / "set/manifest.csv"):
        found = read_labelled(what, LABELS)
        assert isinstance(found, Reading)
        assert [entry.path.name for entry in found.entries] == ["a.wav"]
        assert len(found.left_out) == 4
        for line, reason in zip(found.left_out, ("no such file", "kazoo", "kick", "empty"), strict=True):
            assert reason in line
    with pytest.raises(ParameterError, match="kazoo"):
        read_manifest(tmp_path / "set", labels=LABELS)


def test_what_holds_nothing_says_so(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    plant(tmp_path, "notes/loops/1.wav")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00path,source,label\n")
    for what, reason in (("none", "does not exist"), ("empty", "no sounds"), ("notes", "1.wav"), ("binary.csv", "CSV")):
        with pytest.raises(ParameterError, match=reason):
            read_labelled(tmp_path / what, LABELS)

"""Adding, watching and relinking on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiolab.audio import Audio, write_audio


def wav(path: Path, seed: int, seconds: float = 0.1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(-8000, 8000, (1, int(8000 * seconds)))
    return write_audio(path, Audio((values / 32768).astype(np.float32), 8000), subtype="PCM_16")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    for seed, name in enumerate(["Kicks/a_120.wav", "Snares/b_90.wav"]):
        wav(tmp_path / "pack" / name, seed)
    (tmp_path / "pack" / "readme.txt").write_text("x")
    return tmp_path / "pack"


def test_the_shape(cli, pack, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    said = cli("add", pack, bad, "--library", tmp_path / "lib", "--json")
    assert said.code == 1
    document = said.json
    assert set(document) >= {"library", "added", "existing", "skipped", "failed"}
    assert [set(row) >= {"id", "name", "kind", "path"} for row in document["added"]] == [True, True]
    assert [row["path"] for row in document["failed"]] == ["bad.wav"]
    assert [row["path"] for row in document["skipped"]] == ["pack/readme.txt"]
    again = cli("add", pack, "--library", tmp_path / "lib")
    assert again.code == 0
    assert again.out.count("existing: sample") == 2


def test_a_rule_and_its_dry_run(cli, pack, tmp_path):
    rule = "{label}/{name}_{bpm}"
    said = cli("add", pack, "--rule", rule, "--dry-run", "--library", tmp_path / "lib", "--json")
    assert said.json["files"] == [
        {"path": "pack/Kicks/a_120.wav", "fits": True, "label": "kick", "name": "a", "bpm": 120.0},
        {"path": "pack/Snares/b_90.wav", "fits": True, "label": "snare", "name": "b", "bpm": 90.0},
    ]
    said = cli("add", pack, "--rule", "{label}/{name} {bpm}", "--dry-run", "--library", tmp_path / "lib")
    assert "0 of 2 files fit" in said.out
    assert cli("query", "", "--library", tmp_path / "lib", "--json").json == []
    assert cli("add", pack, "--rule", rule, "--library", tmp_path / "lib").code == 0
    assert [row["name"] for row in cli("query", "label:kick", "--library", tmp_path / "lib", "--json").json] == ["a"]


@pytest.mark.parametrize(
    "options",
    [["--dry-run"], ["--once"], ["--stems", "--watch"], ["--rule", "{x"], ["--kind", "loop"], ["--files", "link"]],
)
def test_wrong_use(cli, pack, tmp_path, options):
    said = cli("add", pack, *options, "--library", tmp_path / "lib")
    assert said.code == 2, said.err
    assert said.err


def test_watching_once_and_what_is_known_of_folders(cli, pack, tmp_path):
    lib = ("--library", tmp_path / "lib")
    assert len(cli("add", pack, "--watch", "--once", "--files", "reference", *lib, "--json").json["added"]) == 2
    (pack / "Kicks" / "a_120.wav").rename(pack / "a.wav")
    (pack / "Snares" / "b_90.wav").unlink()
    document = cli("add", pack, "--watch", "--once", *lib, "--json").json
    assert [row["path"] for row in document["moved"]] == ["pack/a.wav"]
    assert [row["path"] for row in document["missing"]] == ["pack/Snares/b_90.wav"]
    assert document["unchanged"] == 0
    wav(tmp_path / "elsewhere" / "found.wav", 1)
    assert cli("relink", tmp_path / "elsewhere", *lib).out.startswith("relinked: sample b_90")
    assert cli("relink", tmp_path / "elsewhere", *lib).out == "no file is lost\n"
    pack.rename(tmp_path / "moved")
    assert "not at its place" in cli("folder", "ls", *lib).out
    assert cli("folder", "scan", *lib).code == 1
    assert cli("folder", "move", "pack", tmp_path / "moved", *lib).code == 0
    assert "1 unchanged" in cli("folder", "scan", *lib).out
    assert len(cli("folder", "collect", *lib, "--json").json["collected"]) == 2
    assert cli("folder", "forget", "pack", *lib).code == 0
    assert [row["name"] for row in cli("folder", "ls", *lib, "--json").json] == ["elsewhere"]
    assert cli("fsck", *lib).code == 0
    assert cli("relink", tmp_path / "nothing", *lib).code == 1


def test_stems_of_many_songs(cli, tmp_path):
    for number, song in enumerate(["First", "Second"]):
        for seed, stem in enumerate(["drums", "bass"]):
            wav(tmp_path / "album" / song / f"{stem}.wav", 10 * number + seed)
    wav(tmp_path / "album" / "Third" / "drums.wav", 50)
    wav(tmp_path / "album" / "Third" / "bass.wav", 51, 0.2)
    said = cli("add", "--stems", tmp_path / "album", "--library", tmp_path / "lib", "--json")
    assert said.code == 1
    assert [row["name"] for row in said.json["added"] if row["kind"] == "song"] == ["First", "Second"]
    assert [row["path"] for row in said.json["failed"]] == ["album/Third"]

"""`audiolab lyrics` and `audiolab models` with the tiny checkpoint."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from audiolab import weights
from audiolab.audio import Audio
from audiolab.cli import main
from audiolab.stages.words import faster_engine, whisper_engine

from .conftest import WORDS

pytest.importorskip("whisper")


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Call `audiolab ...`; give what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["audiolab", *map(str, arguments)])
        capsys.readouterr()
        ended = 0
        try:
            main()
        except SystemExit as stop:
            ended = stop.code or 0
        said = capsys.readouterr()
        assert ended == code, said.err
        return said.out

    yield run
    whisper_engine._load.cache_clear()
    faster_engine._load.cache_clear()


@pytest.fixture
def vocals(tmp_path):
    time = np.arange(44100 * 4) / 44100
    return Audio((0.2 * np.sin(2 * np.pi * 300 * time) * (time > 1)).astype(np.float32)[None], 44100).write(
        tmp_path / "vocals.wav"
    )


def test_formats_and_known_text(cli, checkpoint, vocals, tmp_path):
    weights.import_file(checkpoint, "scripted")
    options = ("--model", "scripted", "--language", "en", "--to", tmp_path / "out", "--json")
    document = json.loads(cli("lyrics", vocals, *options, "--formats", "vtt, ass"))
    assert document["segments"][0]["text"] == WORDS.strip()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["vocals.ass", "vocals.vtt"]
    (tmp_path / "text.txt").write_text("Sing\nit again\n")
    document = json.loads(cli("lyrics", vocals, *options, "--text", tmp_path / "text.txt"))
    assert [line["text"] for line in document["segments"]] == ["Sing", "it again"]
    cli("lyrics", vocals, *options, "--formats", "docx", code=2)
    cli("lyrics", vocals, *options, "--text", tmp_path / "none.txt", code=2)


def test_converting_and_using_the_folder(cli, checkpoint, vocals):
    pytest.importorskip("faster_whisper", reason="needs faster-whisper: pip install 'audiolab[lyrics-fast]'")
    cli("models", "convert", "scripted", code=1)
    cli("models", "import", checkpoint, "--name", "scripted")
    made = json.loads(cli("models", "convert", "scripted", "--json"))
    assert made["name"] == "faster-whisper-scripted"
    assert len(made["paths"]) == 5
    document = json.loads(
        cli("lyrics", vocals, "--engine", "faster-whisper", "--model", "scripted", "--language", "en", "--json")
    )
    assert document["engine"] == "faster-whisper"
    assert document["segments"][0]["text"] == WORDS.strip()
    assert any(row["kind"] == "ctranslate2" for row in json.loads(cli("models", "ls", "--json")))
    cli("models", "convert", "scripted", "--to", "folder")
    cli("models", "import", "folder", "--name", "again")

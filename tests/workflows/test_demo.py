"""The main job, as a new user meets it: one command, and everything is there."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audiolab.audio import write_audio
from audiolab.synth import noise, render_song

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]


def _audiolab(home: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AUDIOLAB_HOME": str(home), "AUDIOLAB_WORKERS": "2"}
    done = subprocess.run(
        [sys.executable, "-m", "audiolab.cli", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    said = _audiolab(home, "demo", "--json")
    return home, json.loads(said.stdout)


def test_demo_finds_the_truth(demo):
    _, document = demo
    assert document["failed"] == []
    comparison = document["comparison"]
    assert comparison["bpm"]["found"] == pytest.approx(112, rel=0.01)
    assert comparison["key"]["found"] == ["A", "minor"]
    assert comparison["null_db"] <= -120
    assert comparison["drum_onsets"]["recall"] >= 0.9
    for name, values in comparison["si_sdr_db"].items():
        assert values["stem"] > values["mix"], name


def test_demo_leaves_stems_samples_tags_and_midi(demo):
    _, document = demo
    (song,) = document["songs"]
    assert sorted(song["stems"]) == ["bass", "drums", "other", "vocals"]
    assert song["samples"] > 100
    assert {"kick", "snare", "closed_hat"} <= set(song["labels"])
    assert any(path.endswith(".mid") for path in song["midi"])
    assert [entry["stage"] for entry in document["skipped"]] == ["lyrics"]
    assert "audiolab models pull" in document["skipped"][0]["why"]
    assert any("spectral" in note for note in document["notes"])


def test_the_kit_is_whole(demo):
    _, document = demo
    kit = Path(document["export"])
    rows = list(csv.DictReader((kit / "manifest.csv").open(encoding="utf-8")))
    manifest = json.loads((kit / "manifest.json").read_text(encoding="utf-8"))
    assert manifest
    files = {path.relative_to(kit).as_posix() for path in kit.rglob("*") if path.is_file()}
    assert {row["path"] for row in rows} == files - {"manifest.csv", "manifest.json"}
    waves = [name for name in files if name.endswith(".wav")]
    assert len(waves) > 100
    for name in waves[::20]:
        samples, rate = sf.read(kit / name)
        assert rate == 44100
        assert np.abs(samples).max() > 0


def test_the_report_needs_nothing_else(demo):
    _, document = demo
    page = Path(document["report"]).read_text(encoding="utf-8")
    for wanted in (
        "Stems",
        "Samples by label",
        "MIDI",
        "Skipped and failed",
        "Times",
        "A minor",
        "kick",
        "made by slice",
    ):
        assert wanted in page, wanted
    assert page.count("data:audio/mpeg;base64,") > 20
    assert page.count("data:image/png;base64,") > 20
    # nothing is fetched from anywhere when the page is opened
    assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]+"', page)


def test_doing_it_again_does_no_work(demo):
    home, first = demo
    again = json.loads(_audiolab(home, "demo", "--json").stdout)
    show = json.loads(_audiolab(home, "runs", "show", again["run"], "--library", first["library"], "--json").stdout)
    assert set(show["counts"]) <= {"reused", "skipped"}
    assert again["songs"][0]["labels"] == first["songs"][0]["labels"]


def test_people_are_told_where_everything_lies(demo):
    home, _ = demo
    out = _audiolab(home, "demo").stdout
    for wanted in ("kit", "report", "library", "112", "SI-SDR"):
        assert wanted in out


def test_a_folder_with_bad_files_and_a_zip(tmp_path):
    folder = tmp_path / "songs & <more>"
    (folder / "deep").mkdir(parents=True)
    write_audio(folder / "one.flac", render_song(bars=4, seed=1).mix)
    write_audio(folder / "deep" / "two 🎵.ogg", render_song(bars=8, seed=2, bpm=96, tonic="C", mode="major").mix)
    write_audio(folder / "hit.wav", noise(0.2))
    (folder / "broken.wav").write_bytes(b"RIFF0000WAVEnothing")
    (folder / "notes.txt").write_text("not audio")
    said = _audiolab(tmp_path, "run", folder, "--recipe", "quick", "--no-report", "--json", code=1)
    document = json.loads(said.stdout)
    assert {Path(entry["sound"]).name for entry in document["failed"]} == {"broken.wav"}
    assert len(document["songs"]) == 3
    archive = tmp_path / "pack.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.write(folder / "one.flac", "a/one.flac")
    zipped = json.loads(_audiolab(tmp_path, "run", archive, "--recipe", "quick", "--no-report", "--json").stdout)
    assert [song["id"] for song in zipped["songs"]] == [
        song["id"] for song in document["songs"] if song["name"].startswith("one")
    ]


def test_five_channels_need_downmix(tmp_path, rng):
    path = tmp_path / "surround.wav"
    sf.write(path, 0.1 * rng.standard_normal((44100 * 3, 6)), 44100)
    said = _audiolab(tmp_path, "run", path, "--recipe", "quick", "--no-report", "--no-export", "--json", code=1)
    assert "downmix" in said.stdout
    _audiolab(tmp_path, "run", path, "--recipe", "quick", "--no-report", "--no-export", "--downmix", "--json")

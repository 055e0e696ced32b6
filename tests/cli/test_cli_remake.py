"""Explain, rebuild, tables and annotations from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from audiolab.audio import Audio, write_audio
from audiolab.library import Library, Record
from audiolab.library.frame_files import read_table
from audiolab.runs.graph import spec_of
from audiolab.runs.jobs import JobSpec
from audiolab.runs.keys import result_key
from audiolab.runs.worker import resolve_stage, run_job

RATE = 22050


def separated(library: Library, path: Path):
    """A song with the stems of the spectral engine, made as a worker does, without a cluster."""
    values = np.random.default_rng(4).uniform(-0.4, 0.4, (2, RATE)).astype(np.float32)
    song = library.add(write_audio(path, Audio(values, RATE)), kind="song")
    found = resolve_stage("separate", {"engine": "spectral"})
    named = {name: found[name] for name in ("params", "engine", "weights")}
    key = result_key(sounds=[song.id], stage="separate", version=2, needs={}, **named)
    spec = JobSpec(
        run="", key=key, library=str(library.path), stage="separate", version=2, profile=found["profile"],
        notes=(), sound_id=song.id, set_id=None, sounds=(spec_of(song),), needs={}, **named,
    )  # fmt: skip
    assert run_job(spec, report=lambda *_: None).status == "done"
    library.fold(Record.read(library.record_path(key)))
    return song


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remake")
    with Library(folder / "library", actor="tester") as library:
        song = separated(library, folder / "Straße.wav")
        song.tag("banger")
        yield song


def test_explain_prints_and_draws(cli, made, tmp_path):
    where = ("--library", made.library.path)
    stem = made.stems["drums"]
    assert "made by separate v2" in cli("explain", stem.id, *where).out
    assert cli("explain", stem.id, *where, "--json").json["made"]["stage"] == "separate"
    picture = tmp_path / "picture.svg"
    said = cli("explain", "Straße", "--family", "--to", picture, *where, "--json").json
    assert said["focus"] == made.id
    assert {"file", "song", "separate v2", "stem"} <= {node["caption"] for node in said["nodes"]}
    assert "Straße" in ElementTree.parse(picture).getroot().find("{http://www.w3.org/2000/svg}title").text
    wrong = cli("explain", stem.id, "--to", tmp_path / "picture.png", *where)
    assert (wrong.code, wrong.out) == (2, "")
    assert cli("explain", "nobody", *where).code == 1


def test_rebuild_compares_and_repairs(cli, made):
    where = ("--library", made.library.path)
    stem = made.stems["bass"]
    said = cli("rebuild", stem.id, *where, "--json").json
    assert (said["status"], said["ok"], said["profile_equal"]) == ("equal", True, True)
    whole = stem.path.read_bytes()
    stem.path.write_bytes(whole[: len(whole) // 2])
    said = cli("rebuild", stem.id[:12], *where)
    assert said.code == 0
    assert "its file was damaged and is back" in said.out
    assert stem.path.read_bytes() == whole
    everything = cli("rebuild", "--all", *where, "--json").json
    assert everything["counts"] == {"equal": len(made.stems)}
    assert everything["sounds_per_second"] > 0
    assert "sounds a second" in cli("rebuild", "--all", "stem:drums", "--documents", *where).out


def test_rebuild_says_what_it_cannot_do(cli, made):
    where = ("--library", made.library.path)
    added = cli("rebuild", made.id, *where)
    assert added.code == 1
    assert "was added, not made" in added.err
    assert cli("rebuild", *where).code == 2
    assert cli("rebuild", "ab" * 32, *where).code == 1


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_query_becomes_a_table(cli, made, tmp_path, kind):
    path = tmp_path / f"stems.{kind}"
    assert cli("query", "kind:stem", "--to", path, "--library", made.library.path).code == 0
    pd.testing.assert_frame_equal(read_table(path), made.library.query("kind:stem").to_frame())
    assert cli("query", "", "--to", tmp_path / "stems.txt", "--library", made.library.path).code == 2


def test_annotations_go_out_and_in(cli, made, tmp_path):
    where = ("--library", made.library.path)
    report = cli("export", made.id, "--format", "jams", "--to", tmp_path / "out", *where, "--json").json
    (path,) = (Path(name) for name in report["files"] if name.endswith(".jams"))
    said = cli("annotations", "import", path, *where, "--json").json
    assert [row["found_by"] for row in said["taken"]] == ["content"]
    assert said["failed"] == []
    document = json.loads(path.read_text(encoding="utf-8"))
    document["annotations"].append(
        {"namespace": "tempo", "data": [{"time": 0, "duration": 1, "value": 140, "confidence": 1}],
         "annotation_metadata": {"data_source": "manual"}}
    )  # fmt: skip
    path.write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "bad.jams").write_text("{")
    both = cli("annotations", "import", path, tmp_path / "bad.jams", *where)
    assert both.code == 1
    assert "tempo 140 bpm" in both.out
    assert "bad.jams" in both.out
    assert made.bpm == 140.0

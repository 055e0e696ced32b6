"""Every experiment runs on a few rendered sounds; what they share does what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audiolab.training.manifest import read_labelled
from audiolab.training.practice import practice_set
from audiolab.training.settings import load_config
from audiolab.training.trials import begin, difference

ROOT = Path(__file__).resolve().parents[2]


def test_a_practice_set_is_labelled_and_repeats(tmp_path: Path):
    for name in ("one", "two"):
        practice_set(tmp_path / name, labels=("kick", "tom"), sources=2, each=2)
    found = read_labelled(tmp_path / "one", ["kick", "tom"])
    assert found.left_out == ()
    assert len(found.entries) == 8
    assert {entry.source for entry in found.entries} == {"made_0", "made_1"}
    for entry in found.entries:
        twin = tmp_path / "two" / entry.path.relative_to(tmp_path / "one")
        assert twin.read_bytes() == entry.path.read_bytes()


def test_differences_have_an_interval_over_sources():
    sources = [f"s{i // 20}" for i in range(200)]
    other = np.arange(200) % 2 == 0
    one = other | (np.arange(200) % 10 == 1)
    gain, low, high = difference(one, other, sources)
    assert gain == pytest.approx(0.1)
    assert low == pytest.approx(0.1)
    assert high == pytest.approx(0.1)
    gain, low, high = difference(np.array([s == "s0" for s in sources]), np.zeros(200, bool), sources)
    assert gain == pytest.approx(0.1)
    assert low <= gain
    assert high > 0.2


def test_settings_are_those_of_the_bench_but_for_what_differs(tmp_path: Path, capsys):
    run = str(ROOT / "experiments" / "splits" / "run.py")
    for name, folds in (("config.yaml", 3), ("gpu.yaml", 4)):
        trial = begin(run, ["--data", str(tmp_path), "--config", name, "--threads", "1"])
        assert trial.config.folds == folds
        assert trial.config.labels == load_config("default").labels
    with pytest.raises(SystemExit):
        begin(run, ["--data", str(tmp_path / "none")])
    assert "none' does not exist" in capsys.readouterr().err


def test_batches_of_chosen_ways_are_what_the_network_is_judged_on(monkeypatch):
    import torch

    from audiolab.training.data import Batches, Sounds
    from audiolab.training.manifest import Entry
    from audiolab.training.mixing import MapPool
    from audiolab.training.network import BANDS, STEPS

    monkeypatch.syspath_prepend(str(ROOT / "experiments" / "augmentation"))
    from variants import ChosenBatches

    config = begin(
        str(ROOT / "experiments" / "augmentation" / "run.py"), ["--data", str(ROOT), "--threads", "1"]
    ).config.model_copy(update={"labels": ["kick", "tom"], "drums": {"kick": ["kick"]}})
    levels = torch.rand(8, 6, BANDS, STEPS, generator=torch.Generator().manual_seed(1)) * 3 - 1.75
    entries = tuple(Entry(Path(f"{i}.wav"), f"s{i % 2}", "kick") for i in range(8))
    sounds = Sounds(entries, np.arange(8) % 2, MapPool((levels - levels.amax(dim=(2, 3), keepdim=True) + 1.75).half()))
    everything = ["processed", "codec", "noise", "pitch", "separation"]
    ours, theirs = (next(iter(b)) for b in (ChosenBatches(sounds, config, everything), Batches(sounds, config)))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)  # all of it is what the bench does
    for ways in ([], ["noise"], ["separation"]):
        maps, _, _ = next(iter(ChosenBatches(sounds, config, ways)))
        assert maps.amax(dim=(1, 2)).tolist() == pytest.approx([1.75] * len(maps), abs=1e-3)  # decibels, as judged
        assert maps.min() >= -1.76


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transfer", "augmentation", "splits", "label_noise"])
def test_experiments_run_quickly_on_rendered_sounds(tmp_path: Path, name):
    before = {path: path.read_bytes() for path in (ROOT / "experiments" / name).glob("results.*")}
    command = [sys.executable, str(ROOT / "experiments" / name / "run.py"), "--quick", "--work", str(tmp_path)]
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    command += ["--threads", "1", *(["--mlflow", uri] if name == "splits" else [])]
    environment = os.environ | {"AUDIOLAB_HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=550, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    written = tmp_path / "quick" / name
    rows = json.loads((written / "results.json").read_text())["rows"]
    assert rows
    for row in rows.values():
        assert 0 <= row["labels"]["accuracy"] <= 1
    assert "|" in (written / "results.md").read_text()
    assert {path: path.read_bytes() for path in before} == before  # a quick run overwrites nothing
    if name == "label_noise":
        assert (tmp_path / "label_noise" / "suspects.csv").is_file()
    if name == "splits":
        import mlflow

        mlflow.set_tracking_uri(uri)
        [run] = mlflow.search_runs(experiment_names=["experiments"], output_format="list")
        assert any(key.endswith("/accuracy") for key in run.data.metrics)

"""`audiolab train`, `evaluate` and `promote` as a user types them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from audiolab.audio import Audio, write_audio
from free_ports import free_port

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "lightning", "jsonargparse", "mlflow", "sklearn")),
    reason="needs the extra train",
)

CONFIG = """
seed_everything: 3
model: {width: 8, dropout: 0.1, learning_rate: 0.005}
data: {labels: [kick, closed_hat, bass], drums: {kick: [kick], hat: [closed_hat]}, rendered: 6, variants: 2, folds: 2,
  batches: 4, batch_size: 16, seed: 3}
trainer: {max_epochs: 2}
calibration: {unknown_precision: 0.5}
"""


def audiolab(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"AUDIOLAB_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "audiolab.cli", *arguments], capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a folder tree of sounds and a small configuration."""
    from audiolab.training.data import render

    root = tmp_path_factory.mktemp("bench")
    for source in ("one", "two", "three"):
        for label, folder in (("kick", "Kicks"), ("closed_hat", "Closed Hats"), ("bass", "Bass")):
            for number in range(4):
                path = root / "sounds" / source / folder / f"{number}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_audio(path, Audio(render(label, number, len(source)), 32_000))
    (root / "small.yaml").write_text(CONFIG)
    return root


def test_wrong_use_is_said_in_one_line(home: Path):
    for arguments, message in (
        (["--model.widht", "3", "--data", "sounds"], "model.widht"),
        (["--data", "nowhere"], "nowhere"),
        ([], "no sounds were named"),
        (["--from-library", "x", "--data", "y"], "one of"),
    ):
        done = audiolab("train", "--config", str(home / "small.yaml"), "--no-mlflow", *arguments, home=home)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    done = audiolab("promote", home=home)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_train_evaluate_promote_classify_and_the_page_of_mlflow(home: Path):
    sounds = str(home / "sounds")
    done = audiolab("train", "--config", str(home / "small.yaml"), "--data", sounds, "--json", home=home)
    assert done.returncode == 0, done.stderr
    trained = json.loads(done.stdout)
    assert trained["version"] == "1"
    assert trained["split"]["how"] == "by source"
    done = audiolab("evaluate", "mlflow:classifier/1", "--data", sounds, "--json", home=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["overlap"]["sounds"] == 36
    assert "LEARNED FROM 36" in done.stderr
    done = audiolab("promote", "1", "--json", home=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["current"]
    done = audiolab("classify", str(home / "sounds" / "one" / "Kicks" / "0.wav"), "--json", home=home)
    assert {label for label, _ in json.loads(done.stdout)[0]["top"]} == {"kick", "closed_hat", "bass"}
    listed = json.loads(audiolab("promote", "--list", "--json", home=home).stdout)
    assert listed["versions"][0]["aliases"] == ["champion"]
    assert listed["current"]["name"] == "classifier-1"
    assert audiolab("promote", "--roll-back", home=home).returncode == 0
    listed = json.loads(audiolab("promote", "--list", "--json", home=home).stdout)
    assert listed["current"]["id"] == "shipped"
    assert listed["versions"][0]["aliases"] == []
    _page_serves(home, trained["run"])


def _page_serves(home: Path, run: str) -> None:
    """Start the server as `make mlflow` does, and read a run's gallery through it."""
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", "sqlite:///mlruns/mlflow.db",
        "--artifacts-destination", "mlruns/artifacts", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    server = subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/get-artifact?path=report/errors.html&run_uuid={run}"
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                with urllib.request.urlopen(address, timeout=10) as answer:
                    page = answer.read().decode()
                break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(1)
        assert "taken for" in page
    finally:
        server.terminate()
        server.wait(30)

"""A script without a guard starts a run, and not one in each worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"

SCRIPT = """
import sys
from pathlib import Path
folder = Path(sys.argv[1])
with (folder / "ran").open("a") as file:
    file.write("once\\n")
import audiolab as al
from audiolab.audio import write_audio
from audiolab.synth import noise
lib = al.Library(folder / "library")
song = lib.add(write_audio(folder / "song.wav", noise(2.0, 22050, seed=1)), kind="song")
print(al.process([song], recipe={"name": "one", "steps": [{"stage": "analyze"}]}).wait())
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_script_is_not_run_again_by_its_workers(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    found = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(SRC), "AUDIOLAB_HOME": str(tmp_path), "AUDIOLAB_WORKERS": "2"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "1 done" in found.stdout
    assert (tmp_path / "ran").read_text().splitlines() == ["once"]

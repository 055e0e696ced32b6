"""Kill -9 anywhere: nothing is half-written, and `resume` brings the state of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from audiolab.audio import write_audio
from audiolab.library import Library
from audiolab.synth import render_song

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]

RECIPE = """
name: sturdy
steps:
  - stage: analyze
  - {stage: separate, params: {engine: spectral}}
  - stage: slice
  - stage: embed
  - stage: classify
  - stage: midi
"""


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "audiolab.cli", *map(str, arguments)]


def _start(home: Path, *arguments: str | Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "AUDIOLAB_HOME": str(home), "AUDIOLAB_WORKERS": "2"}
    return subprocess.Popen(
        _command(*arguments), env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def _state(folder: Path) -> dict[str, Any]:
    """Everything that a library says, but for times and the ids of runs."""
    with Library(folder) as library:
        sounds = list(library.query(""))
        return {
            "sounds": sorted(
                (s.id, s.kind, s.name, s.stem, s.content_id, s.media, s.frames, s.start, s.stop) for s in sounds
            ),
            "tags": sorted((s.id, t.label, t.source, round(t.confidence, 6)) for s in sounds for t in s.tags),
            "documents": {
                (s.id, stage): library.effective(s.id, stage)
                for s in sounds
                for stage in ("analyze", "separate", "slice", "classify", "midi")
            },
            "vectors": {encoder: library.vectors(encoder)[1].tobytes() for encoder in library.encoders()},
        }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    song = write_audio(folder / "song.flac", render_song(bars=6, name="song").mix)
    recipe = folder / "sturdy.yaml"
    recipe.write_text(RECIPE)
    started = time.monotonic()
    done = _start(folder, "run", song, "--recipe", recipe, "--library", folder / "lib", "--no-report", "--no-export")
    output = done.communicate(timeout=300)[0].decode()
    assert done.returncode == 0, output
    return song, recipe, _state(folder / "lib"), time.monotonic() - started


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("whom", ["everything", "driver"])
def test_killed_runs_resume_to_the_same_state(undisturbed, tmp_path, seed, whom):
    song, recipe, wanted, seconds = undisturbed
    library = tmp_path / "lib"
    run = _start(tmp_path, "run", song, "--recipe", recipe, "--library", library, "--no-report", "--no-export")
    time.sleep(random.Random(f"{seed} {whom}").uniform(0.2, 1.0) * seconds)
    if whom == "everything":
        os.killpg(run.pid, signal.SIGKILL)
    else:
        run.kill()
    run.communicate()
    with Library(library) as opened:
        if not len(opened):
            opened.add(song, kind="song")  # killed before the song was in
        rows = opened.run_rows()
        # Media are stored before the record that names them: in between they are nobody's, until resuming claims them.
        problems = opened.fsck(deep=True).problems
        assert all("tmp" in str(problem) or problem.kind == "orphaned" for problem in problems), problems
    if rows:
        again = _start(tmp_path, "runs", "resume", rows[0].id, "--library", library)
    else:
        again = _start(tmp_path, "run", song, "--recipe", recipe, "--library", library, "--no-report", "--no-export")
    output = again.communicate(timeout=300)[0].decode()
    assert again.returncode == 0, output
    assert _state(library) == wanted
    with Library(library) as opened:
        assert opened.fsck(deep=True).clean
    assert not list((library / "tmp").glob("job-*"))


def test_a_killed_worker_costs_nothing_but_time(undisturbed, tmp_path):
    import psutil

    song, recipe, wanted, _ = undisturbed
    library = tmp_path / "lib"
    run = _start(tmp_path, "run", song, "--recipe", recipe, "--library", library, "--no-report", "--no-export")
    killed = False
    deadline = time.monotonic() + 120
    while not killed and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.1)
        if not (library / "library.db").exists():
            continue
        with Library(library) as opened:
            rows = opened.run_rows()
            busy = rows and any(
                job.stage == "separate" and job.status == "running" for job in opened.job_rows(rows[0].id)
            )
        if busy:
            time.sleep(0.5)
            workers = [
                p for p in psutil.Process(run.pid).children(recursive=True) if "spawn_main" in " ".join(p.cmdline())
            ]
            for worker in workers[:1] if len(workers) > 1 else []:
                worker.kill()
                killed = True
    assert killed
    output = run.communicate(timeout=300)[0].decode()
    assert run.returncode == 0, output
    assert _state(library) == wanted

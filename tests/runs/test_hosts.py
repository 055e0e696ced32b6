"""Workers on other hosts: real processes that do not see the library's folder, and hosts with cables to pull."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from network_hosts import Hosts, NoHosts, network
from test_kill import RECIPE, _state

from audiolab.audio import write_audio
from audiolab.errors import RunError
from audiolab.library import Library
from audiolab.runs import process
from audiolab.runs.cluster import connect
from audiolab.synth import render_song
from free_ports import free_port

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "library"))
from postgres import NoPostgres, programs
from s3_server import KEYS, s3, s3_endpoint

__all__ = ["s3", "s3_endpoint"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]
QUICK_TO_NOTICE = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",  # Dask takes no less
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "4s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "8s",
}


def _joining(address: str) -> list[str]:
    return [sys.executable, "-m", "audiolab.cli", "cluster", "start", "--join", address, "--shape", "laptop"]


def _end(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def elsewhere(s3: Any, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A scheduler and two workers that see nothing in the folder of libraries."""
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs a mount namespace (root, and a container that permits it)")
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    started = []
    environment = {
        **os.environ,
        "AUDIOLAB_WORKERS": "2",
        "AUDIOLAB_HOME": str(tmp_path / "far"),
        "AUDIOLAB_OFFLINE": "1",
    }
    environment["AUDIOLAB_MEDIA_CACHE"] = str(tmp_path / "far" / "cache")
    scheduler = [
        sys.executable,
        "-m",
        "dask",
        "scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-dashboard",
    ]
    try:
        with (tmp_path / "log").open("wb") as log:
            started.append(subprocess.Popen(scheduler, stdout=log, stderr=log))
            until = time.monotonic() + 60
            while socket.socket().connect_ex(("127.0.0.1", port)):
                assert time.monotonic() < until
                time.sleep(0.1)
            hide = ["unshare", "-m", "sh", "-ec", 'mount -t tmpfs none "$0"; exec "$@"', str(libraries)]
            started.append(subprocess.Popen([*hide, *_joining(address)], env=environment, stdout=log, stderr=log))
        yield address, libraries
    finally:
        for process_ in reversed(started):
            _end(process_)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, client: Any) -> tuple[Path, Path, dict[str, Any]]:
    """A song, a recipe, and the state that an undisturbed run leaves in a library's folder."""
    folder = tmp_path_factory.mktemp("calm")
    song = write_audio(folder / "song.flac", render_song(bars=6, name="song").mix)
    recipe = folder / "sturdy.yaml"
    recipe.write_text(RECIPE)
    with Library(folder / "lib") as library:
        assert process(library.add(song, "song"), recipe, client=client).wait(200).status == "done"
    return song, recipe, _state(folder / "lib")


def test_a_real_run_over_s3_on_workers_that_do_not_see_the_folder(elsewhere, s3, tmp_path, calm):
    address, libraries = elsewhere
    song, recipe, wanted = calm
    far = connect(address)
    try:
        far.wait_for_workers(2, timeout=60)
        with Library(libraries / "lib", media=s3.url) as library:
            report = process(library.add(song, "song"), recipe, client=far).wait(200)
            assert report.status == "done", str(report)
            assert library.fsck(deep=True).clean
            assert not [path for path in (library.path / "media").rglob("*") if path.is_file()]
            assert {name.partition("/")[0] for name in s3.names()} == {"media", "records", "library.json"}
        assert _state(libraries / "lib") == wanted, "equal bytes, equal rows"
        assert (tmp_path / "far" / "cache").is_dir(), "the workers keep copies of their own"
        # Nothing that was written down holds a key.
        for path in [*libraries.rglob("*"), tmp_path / "log"]:
            assert not path.is_file() or KEYS["AWS_SECRET_ACCESS_KEY"].encode() not in path.read_bytes(), path
        with (
            Library(libraries / "in a folder") as library,
            pytest.raises(RunError, match=r"do not find the library's folder .*AUDIOLAB_MEDIA"),
        ):
            process(library.add(song, "song"), recipe, client=far)
    finally:
        far.close()


def test_a_killed_driver_and_its_workers_work_over_s3(elsewhere, s3, calm):
    """What the workers finish after the driver was killed is found by the next one."""
    address, libraries = elsewhere
    song, recipe, wanted = calm
    folder = libraries / "lib"
    Library(folder, media=s3.url).close()
    environment = {**os.environ, "AUDIOLAB_SCHEDULER": address}

    def cli(*arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "audiolab.cli", *map(str, arguments)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    driver = cli("run", song, "--recipe", recipe, "--library", folder, "--no-report", "--no-export")
    until = time.monotonic() + 120
    while not s3.written("records/"):
        assert driver.poll() is None, driver.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.2)
    driver.kill()
    driver.communicate()
    with Library(folder) as library:
        (run,) = library.run_rows()
    before = s3.written("records/")
    again = cli("runs", "resume", run.id, "--library", folder)
    output = again.communicate(timeout=300)[0]
    assert again.returncode == 0, output
    assert _state(folder) == wanted
    after = s3.written("records/")
    assert len(after) > len(before) > 0
    assert {name: after[name] for name in before} == before, "nothing that was finished was done again"
    with Library(folder) as library:
        assert library.fsck(deep=True).clean
    assert {name.partition("/")[0] for name in s3.names()} == {"media", "records", "library.json"}


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    pytest.importorskip("s3fs", reason="needs s3fs")
    pytest.importorskip("moto.server", reason="needs moto's server")
    pytest.importorskip("psycopg", reason="needs psycopg")
    try:
        programs()
        with network("main", "left", "right") as made:
            yield made
    except (NoPostgres, NoHosts) as error:
        pytest.skip(str(error))


class _Told:
    """What the main host says, line by line."""

    def __init__(self, process_: subprocess.Popen[str]) -> None:
        self._lines: list[dict[str, Any]] = []
        self._rest: list[str] = []
        self._process = process_
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                self._lines.append(json.loads(line))
            except ValueError:
                self._rest.append(line)

    def wait(self, now: str, seconds: float) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while True:
            for said in self._lines:
                if said["now"] == now:
                    return said
            assert self._process.poll() is None, "".join(self._rest[-40:])
            assert time.monotonic() < until, f"not {now!r} after {seconds} s: {self._lines} {''.join(self._rest[-40:])}"
            time.sleep(0.1)


def test_a_host_is_cut_off_in_the_middle_and_comes_back(hosts, plugin, tmp_path):
    endpoint = f"http://{hosts.addresses['main']}:9000"
    common = {
        **os.environ, **KEYS, **QUICK_TO_NOTICE, "AWS_ENDPOINT_URL": endpoint,
        "AUDIOLAB_WORKERS": "1", "AUDIOLAB_MEDIA_PATIENCE": "20",
    }  # fmt: skip
    (tmp_path / "libraries").mkdir()
    with ExitStack() as stack:
        log = stack.enter_context((tmp_path / "log").open("w"))

        def start(name: str, command: list[str], **options: Any) -> subprocess.Popen[str]:
            environment = {**common, "AUDIOLAB_HOME": str(tmp_path / name)}
            started = hosts.start(name, command, environment, **options)
            stack.callback(_end, started)
            return started

        child = [
            sys.executable,
            str(Path(__file__).with_name("hosts_child.py")),
            str(tmp_path),
            hosts.addresses["main"],
        ]
        main = _Told(start("main", child, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        main.wait("ready", 90)
        joining = _joining(f"tcp://{hosts.addresses['main']}:8786")
        tended = {
            name: start(name, joining, hidden=tmp_path / "libraries", stdout=log, stderr=log)
            for name in ("left", "right")
        }
        main.wait("in the middle", 120)
        hosts.cable("right", plugged=False)
        main.wait("gone", 90)
        hosts.cable("right", plugged=True)
        end = main.wait("end", 300)
        assert all(process_.poll() is None for process_ in tended.values()), "the supervisors have stayed"
    assert end["calm"]["status"] == end["disturbed"]["status"] == "done"
    assert end["calm"]["jobs"] == end["disturbed"]["jobs"] == 12
    assert end["equal"], "the state is that of an undisturbed run"
    assert end["disturbed"]["hosts"][:2] == [["left", "right"], ["left"]]
    assert end["disturbed"]["new"] == ["right"], "its worker is another process now"
    assert (tmp_path / "log").read_text().count("starting them anew") >= 1, "which the supervisor has started"
    assert end["disturbed"]["again"] == "done", "both hosts are back and work"
    assert end["calm"]["inside"] == end["disturbed"]["inside"] == []
    assert end["disturbed"]["clean"].startswith("clean"), end

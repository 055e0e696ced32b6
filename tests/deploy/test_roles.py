"""What containers run: workers sized to them, health checks that can fail, and JupyterLab that always has a lock."""

from __future__ import annotations

import ast
import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import pytest

from audiolab.cli._lab import own_token
from audiolab.config import get_settings
from audiolab.errors import ParameterError, RunError
from audiolab.runs import serving


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOLAB_SCHEDULER", "tcp://scheduler:8786")
    monkeypatch.setenv("AUDIOLAB_WORKERS", "3")
    get_settings.cache_clear()


@pytest.fixture
def page() -> Iterator[tuple[str, list[str]]]:
    """A scheduler's page that knows the workers in the list."""
    names: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path in {"/health", "/json/identity.json"}
            self.send_response(200 if found else 404)
            self.end_headers()
            workers = {f"tcp://10.0.0.1:{n}": {"id": name} for n, name in enumerate(names)}
            self.wfile.write(json.dumps({"workers": workers}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", names
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("scheduler")
def test_workers_have_one_thread_and_are_as_many_as_wanted():
    command = serving.worker_command(host="box")
    assert command[1:5] == ["-m", "dask", "worker", "tcp://scheduler:8786"]
    options = dict(pairwise(command))
    assert options["--nthreads"] == "1"
    assert options["--nworkers"] == "3"
    assert options["--name"] == "box"
    assert options["--resources"] == "CPU=1"


@pytest.mark.usefixtures("scheduler")
def test_gpu_workers_offer_a_gpu_each_and_their_number_is_the_machines():
    command = serving.worker_command(gpu=True, host="box")
    assert command[1:6] == ["-m", "dask", "cuda", "worker", "tcp://scheduler:8786"]
    assert command[-2:] == ["--resources", "GPU=1"]
    assert "--nworkers" not in command


@pytest.mark.usefixtures("scheduler")
def test_options_are_those_of_dask_worker():
    """A misspelled option would only be seen in the container."""
    from distributed.cli.dask_worker import main

    known = {name for parameter in main.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {part for part in serving.worker_command() if part.startswith("--")} <= known


@pytest.mark.usefixtures("scheduler")
def test_options_of_gpu_workers_are_those_of_dask_cuda():
    main = pytest.importorskip("dask_cuda.cli").worker
    known = {name for parameter in main.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {part for part in serving.worker_command(gpu=True) if part.startswith("--")} <= known


def test_a_worker_without_a_scheduler_says_what_to_set(capsys):
    assert serving.main(["worker"]) == 1
    assert "AUDIOLAB_SCHEDULER" in capsys.readouterr().err


def test_threads_of_a_worker_are_the_settings(monkeypatch):
    monkeypatch.setenv("AUDIOLAB_THREADS", "4")
    get_settings.cache_clear()
    env = serving.worker_environment()
    assert env["OMP_NUM_THREADS"] == "4"
    assert ast.literal_eval(env["DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON"])["MKL_NUM_THREADS"] == "4"


def test_a_page_that_answers_is_healthy_and_others_are_not(page, capsys, monkeypatch):
    address, _ = page
    # A proxy must not be asked for a page of this machine.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert serving.main(["healthy", f"{address}/health"]) == 0
    assert serving.main(["healthy", f"{address}/gone"]) == 1
    assert "404" in capsys.readouterr().err
    assert serving.main(["healthy", "http://127.0.0.1:9/"]) == 1
    assert "does not answer" in capsys.readouterr().err
    assert serving.main(["healthy", "file:///etc/hostname"]) == 1
    assert serving.main([]) == 2


@pytest.mark.parametrize(
    ("known", "healthy"),
    [([], False), (["box"], True), (["box-0", "box-1"], True), (["boxes-0", "other"], False), (["box-x-0"], False)],
)
def test_workers_are_healthy_if_the_scheduler_knows_them(page, known, healthy):
    address, names = page
    names += known
    if healthy:
        assert serving.check_workers("box", page=address) == f"{len(known)} workers of box"
    else:
        with pytest.raises(RunError, match=f"knows {len(known)} workers, none of them of box"):
            serving.check_workers("box", page=address)


def test_a_token_is_made_once_and_only_the_owner_can_read_it(tmp_path):
    made = own_token(tmp_path, {"JUPYTER_TOKEN": ""})
    assert made is not None
    token = made.read_text()
    assert len(token) >= 40
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert made.name.startswith(".")
    assert own_token(tmp_path, {}) == made
    assert made.read_text() == token
    other = tmp_path / "other"
    other.mkdir()
    assert (own_token(other, {}) or made).read_text() != token


def test_a_cut_off_token_is_made_anew(tmp_path):
    (tmp_path / ".lab-token").write_text("")
    made = own_token(tmp_path, {})
    assert made is not None
    assert len(made.read_text()) >= 40


def test_jupyter_takes_what_we_leave_it(tmp_path, monkeypatch):
    identity = pytest.importorskip("jupyter_server.auth.identity")
    made = own_token(tmp_path, {})
    monkeypatch.setenv("JUPYTER_TOKEN", "")  # as Compose passes an empty line of .env
    monkeypatch.setenv("JUPYTER_TOKEN_FILE", str(made))
    assert made is not None
    assert identity.IdentityProvider().token == made.read_text()
    monkeypatch.setenv("JUPYTER_TOKEN", "s" * 16)
    assert identity.IdentityProvider().token == "s" * 16


def test_given_tokens_are_taken_if_they_are_long_enough(tmp_path):
    good = tmp_path / "token"
    good.write_text("s" * 16)
    assert own_token(tmp_path, {"JUPYTER_TOKEN": "s" * 16}) is None
    assert own_token(tmp_path, {"JUPYTER_TOKEN_FILE": str(good)}) is None
    assert not (tmp_path / ".lab-token").exists()
    with pytest.raises(ParameterError, match="at least 16 signs"):
        own_token(tmp_path, {"JUPYTER_TOKEN": "audiolab"})
    good.write_text("s" * 16 + "\n")
    with pytest.raises(ParameterError, match="no line end"):
        own_token(tmp_path, {"JUPYTER_TOKEN_FILE": str(good)})
    with pytest.raises(ParameterError, match="cannot be read"):
        own_token(tmp_path, {"JUPYTER_TOKEN_FILE": str(tmp_path / "gone")})

"""The services of compose.yaml, started natively, do the main job: a song goes in by Lab, a kit comes out."""

from __future__ import annotations

import base64
import io
import json
import re
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupyterlab")
pytest.importorskip("mlflow")
websocket = pytest.importorskip("websocket")

import deploy_harness  # noqa: E402

_JOB = """
import json, os, sys
import audiolab as al
from audiolab.runs.cluster import get_client

lib = al.Library("data/library")
song = lib.add("song.wav", kind="song")
run = al.process(song, recipe="quick")
report = run.wait()
client = get_client()
workers = client.run(lambda dask_worker: (os.getpid(), dask_worker.state.executed_count, "onnxruntime" in sys.modules))
made = al.export(song, "kit.zip")

import mlflow
mlflow.set_experiment("stack")
with mlflow.start_run() as tracked:
    mlflow.log_param("recipe", "quick")
    mlflow.log_metric("samples", len(song.samples))
    mlflow.log_dict({"run": run.id}, "run.json")

print("RESULT " + json.dumps({
    "status": report.status, "counts": dict(report.counts), "samples": len(song.samples), "library": str(lib.path),
    "scheduler": client.scheduler.address, "workers": sorted(workers.values()), "kernel": os.getpid(),
    "heavy": "onnxruntime" in sys.modules, "mlflow": tracked.info.run_id,
}))
"""


def _ask(
    url: str, *, token: str = "", method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))
    if token:
        request.add_header("Authorization", f"token {token}")
    if data is not None:
        request.add_header("Content-Type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        return answer.read()


def _status(url: str, **more: Any) -> int:
    try:
        _ask(url, **more)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def _execute(base: str, token: str, code: str, timeout: float) -> str:
    """Run code in a new kernel and give what it printed."""
    kernel = json.loads(_ask(f"{base}/api/kernels", token=token, method="POST", body={"name": "python3"}))["id"]
    address = f"ws{base.removeprefix('http')}/api/kernels/{kernel}/channels"
    channel = websocket.create_connection(address, header=[f"Authorization: token {token}"], timeout=timeout)
    said: list[str] = []
    try:
        message = uuid.uuid4().hex
        header = {
            "msg_id": message,
            "msg_type": "execute_request",
            "username": "test",
            "session": message,
            "version": "5.3",
        }
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        channel.send(
            json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"})
        )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            answer = json.loads(channel.recv())
            if answer["parent_header"].get("msg_id") != message:
                continue
            kind, content = answer["msg_type"], answer["content"]
            if kind == "stream":
                said.append(content["text"])
            elif kind == "error":
                raise AssertionError("\n".join(content["traceback"]) + "".join(said))
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(said)
        raise AssertionError(f"the kernel did not end: {''.join(said)}")
    finally:
        channel.close()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_song_goes_through_the_stack(tmp_path: Path, short_song: Any) -> None:
    from audiolab.audio import write_audio

    song = tmp_path / "song.wav"
    write_audio(song, short_song.mix)
    with deploy_harness.running(
        tmp_path / "stack", variables={"AUDIOLAB_OFFLINE": "1", "AUDIOLAB_WORKERS": "1"}
    ) as stack:
        lab = stack.url(8888)
        # Nobody gave a token: one was made and printed, and nothing opens without it.
        printed = re.search(r"JupyterLab: (\S+)/lab\?token=(\S+)", stack.services["lab"].output())
        assert printed is not None, stack.services["lab"].output()
        token = printed[2]
        assert printed[1] == lab
        assert len(token) >= 32
        assert _status(f"{lab}/api/contents") == 403
        assert _status(f"{lab}/api/contents", token="x" * 43) == 403
        assert _status(f"{lab}/api/contents", token=token) == 200

        # Upload, as Lab's file browser does it.
        upload = {"type": "file", "format": "base64", "content": base64.b64encode(song.read_bytes()).decode()}
        _ask(f"{lab}/api/contents/song.wav", token=token, method="PUT", body=upload)
        assert (stack.folders["home"] / "song.wav").read_bytes() == song.read_bytes()

        said = _execute(lab, token, _JOB, timeout=600)
        result = json.loads(said.partition("RESULT ")[2])
        assert result["status"] == "done", said
        assert result["samples"] > 0
        assert result["library"] == str(stack.folders["home"] / "data" / "library")
        # The jobs ran in the worker that the stack started, in none that the notebook started.
        assert result["scheduler"] == f"tcp://127.0.0.1:{stack.ports[8786]}"
        (worker,) = result["workers"]
        pid, executed, loaded = worker
        assert pid in deploy_harness.marked(f"{stack.mark}-worker")
        assert result["kernel"] in deploy_harness.marked(f"{stack.mark}-lab")
        assert executed >= result["counts"]["done"] >= 4
        assert loaded
        assert not result["heavy"]

        # MLflow has it, and answers to the name by which the lab calls it, and to no stranger's.
        mlflow = stack.url(5000)
        run = json.loads(_ask(f"{mlflow}/api/2.0/mlflow/runs/get?run_id={result['mlflow']}"))["run"]
        assert {m["key"]: m["value"] for m in run["data"]["metrics"]} == {"samples": result["samples"]}
        assert run["info"]["artifact_uri"].startswith("mlflow-artifacts:")
        listed = json.loads(_ask(f"{mlflow}/api/2.0/mlflow/artifacts/list?run_id={result['mlflow']}"))
        assert [item["path"] for item in listed["files"]] == ["run.json"]
        assert list((stack.folders["mlflow"] / "artifacts").rglob("run.json"))
        search = f"{mlflow}/api/2.0/mlflow/experiments/get?experiment_id=0"
        assert _status(search, headers={"Host": "mlflow:5000"}) == 200
        assert _status(search, headers={"Host": "evil.example"}) == 403

        kit = _ask(f"{lab}/files/kit.zip", token=token)
        with zipfile.ZipFile(io.BytesIO(kit)) as archive:
            assert archive.testzip() is None
            names = archive.namelist()
        assert any(name.endswith("manifest.json") for name in names)
        assert sum(name.endswith(".wav") for name in names) >= result["samples"]

        mark = stack.mark
        left = stack.stop()
        assert left == {}, {name: stack.services[name].output()[-2000:] for name in left}
        assert not [name for name in stack.services if deploy_harness.marked(f"{mark}-{name}")]
        # A second start finds the same token: the address in a bookmark stays good.
        assert (stack.folders["home"] / ".lab-token").read_text() == token


def _threads(stack: deploy_harness.Stack, count: int) -> list[int]:
    """Give the threads of each worker that the scheduler knows, once it knows so many."""
    end = time.monotonic() + 120
    while True:
        workers = json.loads(_ask(f"{stack.url(8787)}/json/identity.json"))["workers"]
        if len(workers) >= count or time.monotonic() > end:
            return [known["nthreads"] for known in workers.values()]
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_workers_end_when_their_scheduler_dies_so_that_they_are_started_anew(tmp_path: Path) -> None:
    """`restart: unless-stopped` starts a container again that ends; one that hangs on it would leave alone."""
    settings = {"AUDIOLAB_OFFLINE": "1", "AUDIOLAB_WORKERS": "2"}
    with deploy_harness.running(tmp_path / "stack", variables=settings, only=("scheduler", "worker")) as stack:
        worker = stack.services["worker"].process
        assert worker is not None
        # The container is healthy with the first of its processes; the second joins when it is up.
        assert _threads(stack, 2) == [1, 1]
        stack.kill("scheduler")
        assert not stack.healthy("scheduler")
        assert not stack.healthy("worker")
        worker.wait(150)
        assert not stack.remaining("worker")
        stack.start("scheduler")
        assert not stack.healthy("worker")
        stack.start("worker")
        assert stack.stop() == {}

"""Shapes of clusters, and which worker may take what."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pretend_stages
import pytest

from audiolab.config import get_settings, shipped_folder
from audiolab.errors import ParameterError, RunError
from audiolab.runs import placing, shapes
from audiolab.runs.placing import check_workers, resources_for, worker_infos
from audiolab.runs.recipe import Recipe
from audiolab.runs.shapes import ClusterShape, chosen_shape, gpu_count
from audiolab.stages.base import Wants


@pytest.mark.parametrize("path", sorted((shipped_folder("configs") / "cluster").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_shapes_load(path):
    shape = ClusterShape.load(path)
    assert shape.kind == {"laptop": "local", "gpu": "cuda", "cluster": "scheduler"}[path.stem]
    assert shape.cpu_workers() >= 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("workes: 3", "workes"),
        ("workers: 0", "workers"),
        ("kind: cloud", "kind"),
        ("- 1", "mapping"),
        ("{a: [", "YAML"),
        ("threads: many", "threads"),
    ],
)
def test_wrong_shapes_name_the_file_and_the_field(tmp_path, text, said):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=said) as raised:
        ClusterShape.load(path)
    assert "mine.yaml" in str(raised.value)


def test_what_is_chosen(monkeypatch, tmp_path):
    def chosen(**variables: str) -> ClusterShape:
        for name in ("AUDIOLAB_SCHEDULER", "AUDIOLAB_CLUSTER", "AUDIOLAB_WORKERS"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        return chosen_shape()

    monkeypatch.setattr(shapes, "gpu_count", lambda: 0)
    assert chosen().kind == "local"
    assert chosen(AUDIOLAB_SCHEDULER="tcp://far:8786") == ClusterShape(kind="scheduler", address="tcp://far:8786")
    assert chosen(AUDIOLAB_CLUSTER="gpu").kind == "cuda"
    assert chosen(AUDIOLAB_WORKERS="7").cpu_workers() == 7
    monkeypatch.setattr(shapes, "gpu_count", lambda: 2)
    monkeypatch.setattr(shapes, "find_spec", lambda name: None)
    assert chosen().kind == "local"
    monkeypatch.setattr(shapes, "find_spec", lambda name: name)
    assert chosen().kind == "cuda"


@pytest.mark.parametrize("visible", ["", "-1"])
def test_hidden_gpus_do_not_count(monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_count() == 0


def test_a_shape_for_gpus_without_gpus_is_refused(monkeypatch):
    from audiolab.runs import cluster

    monkeypatch.setattr(cluster, "gpu_count", lambda: 0)
    with pytest.raises(RunError, match="AUDIOLAB_CLUSTER=laptop"):
        cluster.LocalWorkers(ClusterShape(kind="cuda"))


def test_gpu_workers_get_what_wants_a_gpu_and_nothing_else(pretend, monkeypatch):
    monkeypatch.setattr(pretend_stages.Halves, "wants", Wants(device="gpu"))
    plain = {"a": {"resources": {}}}
    mixed = {"a": {"resources": {"GPU": 1}}, "b": {"resources": {"CPU": 1}}}
    gpus = {"a": {"resources": {"GPU": 1}}}
    assert resources_for("halves", plain) is None
    assert resources_for("measure", plain) is None
    assert resources_for("halves", mixed) == {"GPU": 1}
    assert resources_for("measure", mixed) == {"CPU": 1}
    assert resources_for("measure", gpus) is None
    assert resources_for("halves", {"b": {"resources": {"CPU": 1}}}) == {"CPU": 1}


@pytest.fixture
def recipe(pretend) -> Recipe:
    return Recipe.load({"name": "r", "steps": [{"stage": "measure"}, {"stage": "halves"}]})


def test_a_scheduler_without_workers_is_refused_at_once(recipe, tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    monkeypatch.setattr(placing, "_WAIT_SECONDS", 0.2)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(RunError, match="has no workers"),
    ):
        check_workers(client, tmp_path, recipe, own=True)


def test_too_little_memory_is_refused_with_the_reason(recipe, tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    monkeypatch.setattr(pretend_stages.Halves, "wants", Wants(memory_mb=4000))
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None, memory_limit="1GB") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        with pytest.raises(RunError, match="no worker can take 'halves': it wants 4000 MB"):
            check_workers(client, tmp_path, recipe, own=True)
        monkeypatch.setattr(pretend_stages.Halves, "wants", Wants(memory_mb=400))
        check_workers(client, tmp_path, recipe, own=True)


def test_a_device_that_nobody_has_is_refused(client, tmp_path, monkeypatch):
    monkeypatch.setattr(shapes, "gpu_count", lambda: 0)
    wanted = Recipe.load({"name": "r", "steps": [{"stage": "separate", "params": {"device": "cuda"}}]})
    with pytest.raises(RunError, match="no worker has a GPU"):
        check_workers(client, tmp_path, wanted, own=True)


def test_workers_that_do_not_find_the_library_are_named(client, recipe, tmp_path, monkeypatch):
    check_workers(client, tmp_path, recipe, own=False)
    infos = worker_infos(client, tmp_path)
    assert [info.sees for info in infos] == [True]
    assert not list((tmp_path / "tmp").glob("seen-*"))
    monkeypatch.setattr(placing, "_probe", _blind)
    with pytest.raises(RunError, match="do not find the library's folder"):
        check_workers(client, tmp_path, recipe, own=False)


def test_workers_of_another_version_are_refused(client, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(placing, "_probe", _older)
    with pytest.raises(RunError, match=r"workers have 0\.0\.1 at elsewhere"):
        check_workers(client, tmp_path, recipe, own=False)


def _blind(mark: str, token: str, media: str | None) -> dict[str, object]:
    return {"version": placing.own_version(), "host": "elsewhere", "sees": False}


def _older(mark: str, token: str, media: str | None) -> dict[str, object]:
    return {"version": "0.0.1", "host": "elsewhere", "sees": True}


@pytest.mark.gpu
@pytest.mark.skipif(gpu_count() == 0 or find_spec("dask_cuda") is None, reason="needs an NVIDIA GPU and dask-cuda")
def test_gpu_workers_and_cpu_workers_stand_side_by_side(tmp_path: Path):
    from audiolab.runs.cluster import LocalWorkers

    workers = LocalWorkers(ClusterShape(kind="cuda", workers=1, gpu_workers=1))
    try:
        client = workers.client()
        client.wait_for_workers(2, timeout=60)
        offered = sorted(tuple(info.resources) for info in worker_infos(client, tmp_path))
        assert offered == [("CPU",), ("GPU",)]
        check_workers(
            client,
            tmp_path,
            Recipe.load({"name": "r", "steps": [{"stage": "separate", "params": {"device": "cuda"}}]}),
            own=False,
        )
        client.close()
    finally:
        workers.close()

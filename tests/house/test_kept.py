"""Models that a process keeps: within a budget, the longest unused go first."""

from __future__ import annotations

import threading
import time

import pytest

from audiolab.config import available_memory, get_settings
from audiolab.stages.kept import KEPT, KeptModels, kept, model_budget, module_size


class Fake:
    def __init__(self, size: int) -> None:
        self.size = size


@pytest.fixture
def models():
    built: list[str] = []
    shelf = KeptModels(lambda device: 100 if device == "cpu" else 1000)

    def get(name: str, size: int, device: str = "cpu", expected: int = 0) -> Fake:
        def build() -> Fake:
            built.append(name)
            return Fake(size)

        return shelf.get(name, build, device=device, size=lambda model: model.size, expected=expected)

    return shelf, get, built


def test_each_is_built_once_while_there_is_room(models):
    shelf, get, built = models
    first = get("a", 40)
    get("b", 60)
    assert get("a", 40) is first
    assert built == ["a", "b"]
    assert shelf.used("cpu") == 100


def test_the_one_used_longest_ago_goes_first(models):
    shelf, get, built = models
    get("a", 40), get("b", 40), get("a", 40)
    get("c", 40)
    assert shelf.names() == ["a", "c"]
    get("b", 40)
    assert shelf.names() == ["c", "b"]
    assert built == ["a", "b", "c", "b"]


def test_one_larger_than_the_budget_is_used_and_not_kept(models):
    shelf, get, built = models
    get("a", 40)
    assert get("huge", 101).size == 101
    assert shelf.names() == ["a"], "and what was there stays"
    get("huge", 101)
    assert built.count("huge") == 2


def test_room_is_made_before_a_model_is_built(models):
    shelf, get, _ = models
    get("a", 60)
    seen: list[int] = []
    shelf.get("b", lambda: seen.append(shelf.used("cpu")) or Fake(60), size=lambda model: model.size, expected=60)
    assert seen == [0]


def test_devices_have_budgets_of_their_own(models):
    shelf, get, _ = models
    get("a", 90), get("b", 900, "cuda"), get("c", 90, "cuda")
    assert (shelf.used("cpu"), shelf.used("cuda")) == (90, 990)
    get("d", 50, "cuda")
    assert shelf.names() == ["a", "c", "d"]


def test_two_threads_build_one_model_once(models):
    shelf, _, _ = models
    built: list[int] = []

    def build() -> Fake:
        built.append(1)
        time.sleep(0.1)
        return Fake(1)

    threads = [
        threading.Thread(target=shelf.get, args=("a", build), kwargs={"size": lambda model: 1}) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]


def test_a_build_that_fails_leaves_nothing_and_can_be_tried_again(models):
    shelf, get, _ = models

    def fail() -> Fake:
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        shelf.get("a", fail, size=lambda model: model.size)
    assert get("a", 10).size == 10


def test_builders_are_named_by_their_arguments():
    @kept(lambda model: model.size)
    def build(size: int) -> Fake:
        return Fake(size)

    one = build(7)
    assert build(7) is one
    assert build(8) is not one
    build.cache_clear()
    assert build(7) is not one
    build.cache_clear()
    assert not [key for key in KEPT.names() if "test_builders" in str(key)]


def test_the_budget_is_the_setting_or_half_of_what_the_worker_has(monkeypatch):
    for name in ("AUDIOLAB_WORKER_MEMORY", "AUDIOLAB_MODEL_MEMORY"):
        monkeypatch.delenv(name, raising=False)
    get_settings.cache_clear()
    try:
        assert model_budget("cpu") == available_memory() // 2
        monkeypatch.setenv("AUDIOLAB_WORKER_MEMORY", "3")
        get_settings.cache_clear()
        assert model_budget("cpu") == 1_500_000_000
        monkeypatch.setenv("AUDIOLAB_MODEL_MEMORY", "0.25")
        get_settings.cache_clear()
        assert model_budget("cpu") == model_budget("cuda:0") == 250_000_000
    finally:
        get_settings.cache_clear()


def test_the_size_of_a_network_is_that_of_its_tensors():
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Linear(10, 20), torch.nn.BatchNorm1d(20))
    expected = 4 * (10 * 20 + 20 + 20 + 20 + 20 + 20) + 8  # weights, biases, running mean and variance; one counter
    assert module_size(network) == expected
    assert module_size(network.half(), network) == 2 * (2 * (expected - 8) // 4 + 8)


@pytest.mark.gpu
def test_the_budget_of_a_gpu_is_half_of_its_memory():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    assert model_budget("cuda") == torch.cuda.get_device_properties(0).total_memory // 2

"""Models that a process has built and keeps, within a budget of memory for each device.

A worker does one job after another, so a model that was built for one song serves the next. What was used longest ago
is dropped first, and a model larger than the budget is used and not kept.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

from audiolab.config import available_memory, get_settings

__all__ = ["KEPT", "Builder", "KeptModels", "file_size", "kept", "model_budget", "module_size"]

P = ParamSpec("P")
T = TypeVar("T")
_SHARE = 0.5


def model_budget(device: str) -> int:
    """Give the bytes for models on a device: the setting `model_memory`, else half of what there is.

    On a GPU that is half of the device's memory; on a CPU half of the worker's (`worker_memory`, which a cluster
    tells its workers), outside of workers half of the machine's.
    """
    settings = get_settings()
    if settings.model_memory is not None:
        return int(settings.model_memory * 1e9)
    if device.startswith("cuda"):
        import torch

        return int(_SHARE * torch.cuda.get_device_properties(torch.device(device)).total_memory)
    worker = settings.worker_memory
    return int(_SHARE * (available_memory() if worker is None else worker * 1e9))


def file_size(*paths: Path) -> int:
    """Give the bytes of files; those that are not there count nothing."""
    return sum(path.stat().st_size for path in paths if path.is_file())


def module_size(*modules: Any) -> int:
    """Give the bytes of all parameters and buffers of torch modules."""
    tensors = (tensor for module in modules for tensor in (*module.parameters(), *module.buffers()))
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@dataclass(slots=True)
class _Kept:
    model: Any
    device: str
    size: int


class KeptModels:
    """What is kept, in the order of its last use.

    Parameters
    ----------
    budget : callable
        Gives the bytes for a device.
    """

    def __init__(self, budget: Callable[[str], int] = model_budget) -> None:
        self._budget = budget
        self._lock = threading.RLock()
        self._building: dict[Hashable, threading.Lock] = {}
        self._models: OrderedDict[Hashable, _Kept] = OrderedDict()

    def get(
        self,
        key: Hashable,
        build: Callable[[], T],
        *,
        device: str = "cpu",
        size: Callable[[T], int] | None = None,
        expected: int = 0,
    ) -> T:
        """Give a model, built if it is not there.

        Parameters
        ----------
        key : hashable
            What names it: everything that it was built from.
        build : callable
            Builds it.
        device : str
            Where it lies: cpu, cuda, cuda:1, mps.
        size : callable, optional
            Gives its bytes; default: what was expected.
        expected : int
            Bytes that it will take, as far as that is known; room is made before it is built.
        """
        if (found := self._find(key)) is not None:
            model: T = found.model
            return model
        with self._lock:
            lock = self._building.setdefault(key, threading.Lock())
        with lock:  # two threads that want one model build it once; others go on meanwhile
            if (found := self._find(key)) is not None:
                return found.model  # type: ignore[no-any-return]
            budget = self._budget(device)
            self._make_room(device, budget - expected)
            model = build()
            taken = expected if size is None else size(model)
            if taken <= budget:
                with self._lock:
                    self._make_room(device, budget - taken)
                    self._models[key] = _Kept(model, device, taken)
            with self._lock:
                self._building.pop(key, None)
            return model

    def _find(self, key: Hashable) -> _Kept | None:
        with self._lock:
            found = self._models.get(key)
            if found is not None:
                self._models.move_to_end(key)
            return found

    def _make_room(self, device: str, most: int) -> None:
        """Drop what was used longest ago until no more than `most` bytes are taken on a device."""
        with self._lock:
            mine = [key for key, each in self._models.items() if each.device == device]
            dropped = False
            while mine and self.used(device) > most:
                del self._models[mine.pop(0)]
                dropped = True
        if dropped and device.startswith("cuda") and "torch" in sys.modules:
            sys.modules["torch"].cuda.empty_cache()  # torch itself would keep it for later

    def used(self, device: str) -> int:
        """Give the bytes that are taken on a device."""
        with self._lock:
            return sum(each.size for each in self._models.values() if each.device == device)

    def names(self) -> list[Hashable]:
        """Give the keys of what is kept, the one used longest ago first."""
        with self._lock:
            return list(self._models)

    def drop(self, belongs: Callable[[Hashable], bool] = lambda key: True) -> None:
        """Drop all, or those whose keys belong to something."""
        with self._lock:
            for key in [key for key in self._models if belongs(key)]:
                del self._models[key]


KEPT = KeptModels()
"""Of this process."""


class Builder(Generic[P, T]):
    """A function that builds a model and gives the one that is kept for the same arguments; made by `kept`."""

    def __init__(
        self,
        build: Callable[P, T],
        size: Callable[[T], int] | None,
        device: Callable[P, str],
        expected: Callable[P, int],
    ) -> None:
        self._build, self._size, self._device, self._expected = build, size, device, expected
        self._name = f"{build.__module__}.{build.__qualname__}"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Give the model of these arguments."""
        return KEPT.get(
            (self._name, args, tuple(sorted(kwargs.items()))),
            lambda: self._build(*args, **kwargs),
            device=self._device(*args, **kwargs),
            size=self._size,
            expected=self._expected(*args, **kwargs),
        )

    def cache_clear(self) -> None:
        """Forget what it has built."""
        KEPT.drop(lambda key: isinstance(key, tuple) and key[0] == self._name)


def kept(
    size: Callable[[T], int] | None = None,
    *,
    device: Callable[P, str] | None = None,
    expected: Callable[P, int] | None = None,
) -> Callable[[Callable[P, T]], Builder[P, T]]:
    """Decorate a function that builds a model: it is built once a process, while the budget has room.

    Parameters
    ----------
    size : callable, optional
        Gives the bytes of the model; default: what is expected.
    device : callable, optional
        Gives the device from the arguments; default: cpu.
    expected : callable, optional
        Gives from the arguments about how many bytes it will take, so that room is made first.
    """

    def wrap(build: Callable[P, T]) -> Builder[P, T]:
        return Builder(build, size, device or (lambda *_, **__: "cpu"), expected or (lambda *_, **__: 0))

    return wrap

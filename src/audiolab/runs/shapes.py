"""Shapes of clusters: what runs where, as configs/cluster/*.yaml say it."""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audiolab.config import available_cores, available_memory, find_config, get_settings
from audiolab.errors import ParameterError

__all__ = ["ClusterShape", "chosen_shape", "gpu_count"]

log = logging.getLogger(__name__)
_MOST_WORKERS = 16
Count = Literal["auto"] | Annotated[int, Field(ge=1, le=1024)]


class ClusterShape(BaseModel):
    """What a cluster is made of.

    Attributes
    ----------
    kind : {"local", "cuda", "scheduler"}
        Processes of this machine; those and a worker for each GPU; or a scheduler that runs already.
    workers : int or "auto"
        CPU workers; auto: one a core, as far as the memory goes, at most 16.
    gpu_workers : int or "auto"
        Of the kind `cuda`: one for each visible GPU, or so many of them.
    memory_per_worker : float
        GB that `auto` reckons with.
    threads : int
        Threads of numeric libraries in one worker.
    address : str or None
        Of the kind `scheduler`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local", "cuda", "scheduler"] = "local"
    workers: Count = "auto"
    gpu_workers: Count = "auto"
    memory_per_worker: Annotated[float, Field(gt=0)] = 3.0
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    address: str | None = None

    @classmethod
    def load(cls, name: str | Path) -> ClusterShape:
        """Read a shape: a name in configs/cluster, or a YAML file.

        Raises
        ------
        ParameterError
            If there is none, or it says something unknown; the message names the file and the field.
        """
        path = find_config("cluster", name)
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ParameterError(f"{path} cannot be read as YAML: {error}") from error
        if not isinstance(document, dict):
            raise ParameterError(f"{path} must hold a mapping (kind, workers, ...), not {type(document).__name__}")
        try:
            return cls(**document)
        except ValidationError as error:
            said = "; ".join(
                f"{'.'.join(str(part) for part in item['loc'][:1])}: {item['msg']}" for item in error.errors()
            )
            raise ParameterError(f"{path}: {said}; known are {', '.join(cls.model_fields)}") from error

    def cpu_workers(self) -> int:
        """Give the number of CPU workers for this machine; AUDIOLAB_WORKERS goes before the shape."""
        wanted: Any = get_settings().workers or self.workers
        if wanted != "auto":
            return int(wanted)
        room = int(available_memory() / (self.memory_per_worker * 1e9))
        return max(1, min(available_cores() // self.threads, room, _MOST_WORKERS))

    def worker_memory(self) -> float:
        """Give the GB that each CPU worker of this machine may reckon with."""
        return round(available_memory() / 1e9 / self.cpu_workers(), 3)


def chosen_shape() -> ClusterShape:
    """Give the shape to work on: AUDIOLAB_SCHEDULER, AUDIOLAB_CLUSTER, else `gpu` where there are GPUs, else `laptop`.

    Raises
    ------
    ParameterError
        If the shape asked for cannot be read.
    """
    settings = get_settings()
    if settings.scheduler:
        return ClusterShape(kind="scheduler", address=settings.scheduler)
    if settings.cluster:
        return ClusterShape.load(settings.cluster)
    if gpu_count():
        if find_spec("dask_cuda") is not None:
            return ClusterShape.load("gpu")
        log.warning("there is a GPU, but work stays on the CPU: pip install 'audiolab[gpu]' brings dask-cuda")
    return ClusterShape(threads=settings.threads)


def gpu_count() -> int:
    """Count the NVIDIA GPUs that this process may use; 0 where there is no driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not [part for part in visible.split(",") if part.strip() not in {"", "-1"}]:
        return 0
    try:
        import pynvml
    except ImportError:
        return 0
    try:
        pynvml.nvmlInit()
        here = int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0
    return here if visible is None else min(here, len([part for part in visible.split(",") if part.strip()]))

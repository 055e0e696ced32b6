"""Settings: one object, every field also an `AUDIOLAB_*` environment variable.

Relative paths resolve against `home`: AUDIOLAB_HOME, else the nearest parent folder that has
configs/, else the current folder. So command line, notebooks and tests meet the same library.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from audiolab.errors import ParameterError

__all__ = ["Settings", "find_config", "find_home", "get_settings", "settings", "shipped_folder"]


def find_home(start: Path | None = None) -> Path:
    """Find the folder that relative paths start from."""
    if named := os.environ.get("AUDIOLAB_HOME"):
        return Path(named).expanduser().resolve()
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "configs" / "recipes").is_dir():
            return folder
    return start


class Settings(BaseSettings):
    """All settings with their defaults."""

    model_config = SettingsConfigDict(env_prefix="AUDIOLAB_", extra="ignore", frozen=True)

    home: Annotated[Path, Field(default_factory=find_home, description="Where relative paths start")]
    library: Annotated[Path, Field(description="The default library")] = Path("data/library")
    database: Annotated[str | None, Field(description="PostgreSQL URL of the default library's catalog")] = None
    media: Annotated[str | None, Field(description="URL (s3://bucket/folder) of the default library's files")] = None
    media_cache: Annotated[Path, Field(description="Where copies of remote media are kept")] = Path("data/cache/media")
    media_cache_gb: Annotated[float, Field(ge=0, description="Size of these copies; the least recently used go")] = 20.0
    media_patience: Annotated[float, Field(ge=0, description="Seconds to wait for a media server that fails")] = 60.0
    models_dir: Annotated[Path, Field(description="Where pretrained weights lie")] = Path("data/models")
    models_url: Annotated[str | None, Field(description="A mirror that holds all weights by file name")] = None
    offline: Annotated[bool, Field(description="Never touch the network")] = False
    scheduler: Annotated[str | None, Field(description="Address of a running Dask scheduler")] = None
    cluster: Annotated[str | None, Field(description="Shape of the workers: a name in configs/cluster, or a file")] = (
        None
    )
    workers: Annotated[int | None, Field(ge=1, description="Worker processes; default: by cores and memory")] = None
    threads: Annotated[int, Field(ge=1, description="Threads of numeric libraries in one worker")] = 1
    worker_memory: Annotated[float | None, Field(gt=0, description="GB that one worker has; clusters tell theirs")] = (
        None
    )
    model_memory: Annotated[
        float | None, Field(ge=0, description="GB of models that a process keeps on a device; default: half of it")
    ] = None
    mlflow: Annotated[str | None, Field(description="MLflow tracking address; if set, benchmarks always log there")] = (
        None
    )
    widgets: Annotated[bool, Field(description="Show widgets in notebooks; else pictures and tables")] = True
    log_level: Annotated[str, Field(description="Level of audiolab's log")] = "WARNING"

    def path(self, path: str | Path) -> Path:
        """Resolve a path against `home`."""
        path = Path(path).expanduser()
        return path if path.is_absolute() else self.home / path


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int:
    """Give the bytes of memory of this machine; 8 GB where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, AttributeError, OSError):
        return 8_000_000_000


@cache
def get_settings() -> Settings:
    """Give the settings, read once; `get_settings.cache_clear()` reads them anew."""
    return Settings()


def shipped_folder(name: str) -> Path:
    """Find `configs` or `notebooks` as shipped: inside the wheel, or at the top of a checkout."""
    inside = Path(__file__).parent / "_data" / name
    if inside.is_dir():
        return inside
    return Path(__file__).parents[2] / name


def find_config(kind: str, name: str | Path) -> Path:
    """Find a YAML file: a path as given, else the user's `configs/<kind>/`, else the shipped one.

    Raises
    ------
    ParameterError
        If there is none; the message lists the names that there are.
    """
    given = Path(name).expanduser()
    if given.suffix in {".yaml", ".yml"}:
        for candidate in (given, get_settings().path(given)):
            if candidate.is_file():
                return candidate
    folders = (get_settings().path("configs") / kind, shipped_folder("configs") / kind)
    if given.name == str(name):
        for folder in folders:
            candidate = folder / f"{given.stem if given.suffix else given}.yaml"
            if candidate.is_file():
                return candidate
    known = sorted({path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.yaml")})
    raise ParameterError(f"no {kind} file {str(name)!r}; there are: {', '.join(known) or 'none'}")


settings = get_settings
"""The front door `al.settings()`."""

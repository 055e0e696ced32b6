"""Workers: start them on this machine or for a scheduler elsewhere, and look at them."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from audiolab.cli._app import JsonOption, LibraryOption, app, echo, print_json

__all__: list[str] = []

cluster = typer.Typer(help="Start workers and look at them.", no_args_is_help=True)
app.add_typer(cluster, name="cluster")


@cluster.command("start")
def cluster_start(
    shape: Annotated[
        str | None, typer.Option(help="A name in configs/cluster, or a YAML file.", show_default="gpu or laptop")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the scheduler.")] = 8786,
    dashboard: Annotated[str, typer.Option(help="Address of Dask's pages.")] = "127.0.0.1:8787",
    join: Annotated[
        str | None, typer.Option(help="Start workers only, for the scheduler at this address.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a scheduler and workers on this machine, or workers for a scheduler elsewhere, until Ctrl-C."""
    from audiolab.runs.cluster import LocalWorkers, connect
    from audiolab.runs.shapes import ClusterShape, chosen_shape

    chosen = ClusterShape.load(shape) if shape else chosen_shape()
    if chosen.kind == "scheduler":
        chosen = ClusterShape()
    if join:
        connect(join).close()  # says at once if nobody is there
        raise typer.Exit(_join(join, chosen))
    workers = LocalWorkers(chosen, host=host, port=port, dashboard=dashboard)
    said = {"scheduler": workers.address, "dashboard": workers.dashboard, "kind": chosen.kind}
    if as_json:
        print_json(said)
    else:
        echo(f"scheduler {workers.address}, pages {workers.dashboard}")
        echo(f"use it:   export AUDIOLAB_SCHEDULER={workers.address}")
    try:
        _until_told()
    finally:
        workers.close()


def _join(address: str, shape: Any) -> int:
    """Run workers until Ctrl-C: Dask's nanny starts those anew that die, and we the nanny, if it was cut off."""
    from audiolab.runs.serving import worker_command, worker_environment
    from audiolab.runs.supervising import keep_running

    gpu = shape.kind == "cuda"
    command = worker_command(gpu=gpu, scheduler=address, workers=None if gpu else shape.cpu_workers())
    echo(f"workers for {address}: {' '.join(command[2:])}")
    return keep_running(command, {**os.environ, **worker_environment()}, _told())


def _told() -> threading.Event:
    told = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: told.set())
    return told


def _until_told() -> None:
    told = _told()
    while not told.wait(0.5):
        pass


@cluster.command("status")
def cluster_status(
    address: Annotated[
        str | None, typer.Option(help="Address of a scheduler.", show_default="AUDIOLAB_SCHEDULER")
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the workers of a running scheduler: what they offer, their version, whether they find the library."""
    from audiolab.config import get_settings
    from audiolab.errors import ParameterError
    from audiolab.library.mediaplace import chosen_media
    from audiolab.runs.cluster import connect
    from audiolab.runs.placing import worker_infos

    settings = get_settings()
    address = address or settings.scheduler
    if not address:
        raise ParameterError("say which scheduler: --address tcp://..., or AUDIOLAB_SCHEDULER")
    folder = Path(library) if library is not None else settings.path(settings.library)
    client = connect(address)
    try:
        infos = worker_infos(client, folder, chosen_media(folder, None)) if folder.is_dir() else worker_infos(client)
        page = client.dashboard_link
    finally:
        client.close()
    if as_json:
        keys = ("address", "name", "host", "threads", "memory_limit", "resources", "version", "sees")
        workers = [{key: getattr(info, key) for key in keys} for info in infos]
        print_json({"scheduler": address, "dashboard": page, "workers": workers})
        return
    echo(f"scheduler {address}, pages {page}: {len(infos)} workers")
    for info in infos:
        offers = ", ".join(f"{name} {value:g}" for name, value in info.resources.items()) or "anything"
        memory = f"{info.memory_limit / 1e9:.1f} GB" if info.memory_limit else "no memory limit"
        finds = "" if info.sees is None else ", finds the library" if info.sees else ", does NOT find the library"
        finds += f" ({info.blind})" if info.blind else ""
        echo(f"  {info.name} on {info.host}: {offers}, {memory}, audiolab {info.version or '?'}{finds}")

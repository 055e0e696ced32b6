"""JupyterLab on the notebooks, on this machine or in a container."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from audiolab.cli._app import app, echo, fail
from audiolab.errors import ParameterError

__all__: list[str] = []

_SHORTEST_TOKEN = 16
_TOKEN_FILE = ".lab-token"  # noqa: S105 - a file's name; Jupyter serves no hidden files


@app.command()
def lab(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8888,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Others than this machine may then try: it takes a token.")
    ] = "127.0.0.1",
    url: Annotated[
        str | None,
        typer.Option(envvar="AUDIOLAB_LAB_URL", help="Address to print, where a container or proxy gives another."),
    ] = None,
) -> None:
    """Open JupyterLab on the notebooks."""
    from audiolab.config import get_settings, shipped_folder

    if find_spec("jupyterlab") is None:
        fail("JupyterLab is not installed: pip install 'audiolab[notebooks]'")
    folder = get_settings().path("notebooks")
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(shipped_folder("notebooks"), folder)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder.parent}", f"--port={port}"]
    command += [f"--LabApp.default_url=/lab/tree/{folder.name}/00_quickstart.ipynb"]
    # overrides.json: no pop-up about news, no look for updates; both ask the internet.
    command += [f"--LabApp.app_settings_dir={shipped_folder('configs') / 'lab'}"]
    command += ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    if no_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    if url or not _only_this_machine(host):
        here = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - it binds nothing
        shown = (url or f"http://{here}:{port}").rstrip("/")
        command += [f"--ServerApp.ip={host}", f"--ServerApp.custom_display_url={shown}"]
        if made := own_token(folder.parent, os.environ):
            os.environ["JUPYTER_TOKEN_FILE"] = str(made)
            # Printed on every start: the first start's output may be long gone when somebody asks for it.
            echo(f"JupyterLab: {shown}/lab?token={made.read_text(encoding='utf-8')}")
        else:
            echo(f"JupyterLab: {shown}/lab, with the token that you gave")
        sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - replaces this process, so that Ctrl-C reaches the server


def _only_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def own_token(folder: Path, environment: Mapping[str, str]) -> Path | None:
    """Give the file of a token that audiolab made, or None if a token was given to Jupyter.

    JUPYTER_TOKEN and JUPYTER_TOKEN_FILE count if they hold something; else one is made at the first start and
    kept in `folder`. An empty token would mean a server without a lock, so there is none.

    Raises
    ------
    ParameterError
        If a given token is too short, or its file cannot be read.
    """
    if given := environment.get("JUPYTER_TOKEN"):
        _check(given, "JUPYTER_TOKEN")
        return None
    if named := environment.get("JUPYTER_TOKEN_FILE"):
        try:
            _check(Path(named).read_text(encoding="utf-8"), f"the file {named!r} (JUPYTER_TOKEN_FILE)")
        except OSError as error:
            raise ParameterError(f"the token's file {named!r} (JUPYTER_TOKEN_FILE) cannot be read: {error}") from error
        return None
    kept = folder / _TOKEN_FILE
    if not (kept.is_file() and len(kept.read_text(encoding="utf-8")) >= _SHORTEST_TOKEN):
        kept.unlink(missing_ok=True)
        with open(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32))
    return kept


def _check(token: str, what: str) -> None:
    if len(token) < _SHORTEST_TOKEN or token != token.strip():
        raise ParameterError(
            f"{what} must hold at least {_SHORTEST_TOKEN} signs, with no line end or blank around them: "
            "whoever has the token runs programs here. Without one audiolab makes one itself."
        )

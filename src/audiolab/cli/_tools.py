"""Weights and the doctor."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from audiolab.cli._app import JsonOption, app, bar, echo, fail, print_json

__all__: list[str] = []

models = typer.Typer(help="Pretrained weights: what is here, get it, or take it from a file.", no_args_is_help=True)
app.add_typer(models, name="models")


@models.command("ls")
def models_ls(as_json: JsonOption = False) -> None:
    """List the weights that audiolab knows: which are here, how large, under which licence."""
    from audiolab import weights

    listed = weights.listing()
    rows = [
        {
            "name": row.name,
            "kind": row.kind,
            "state": row.state,
            "size": row.size,
            "licence": row.licence,
            "about": row.about,
            "paths": [str(path) for path in row.paths],
            "sha256": row.sha256,
        }
        for row in listed
    ]
    if as_json:
        print_json(rows)
    for row in [] if as_json else listed:
        size = f"{row.size / 1e6:8.0f} MB" if row.size else f"{'?':>8} MB"
        echo(f"{row.state:8} {row.name:18} {size}  {row.licence}  {row.about}")


@models.command("pull")
def models_pull(
    names: Annotated[list[str], typer.Argument(help="Names from `models ls`.")], as_json: JsonOption = False
) -> None:
    """Download weights, check their hash, keep them."""
    from audiolab import weights

    pulled = []
    for name in names:
        with bar(f"pull {name}", quiet=as_json) as progress:
            found = weights.pull(name, progress=progress)
        pulled.append({"name": found.name, "paths": [str(p) for p in found.paths], "sha256": found.sha256})
        if not as_json:
            echo(f"{found.name}: {', '.join(str(p) for p in found.paths)}")
    if as_json:
        print_json(pulled)


@models.command("path")
def models_path(name: str, as_json: JsonOption = False) -> None:
    """Say where weights lie."""
    from audiolab import weights

    found = weights.find(name)
    if found is None:
        fail(f"the weights {name!r} are not here: `audiolab models pull {name}`, or `audiolab models import FILE`")
    if as_json:
        print_json({"name": found.name, "paths": [str(p) for p in found.paths], "sha256": found.sha256})
    else:
        echo("\n".join(str(path) for path in found.paths))


@models.command("import")
def models_import(
    file: Annotated[Path, typer.Argument(help="A weights file, or a folder for faster-whisper.")],
    name: Annotated[str | None, typer.Option(help="Name to keep it under.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take weights from a file or folder (for machines without internet); known files are checked by hash."""
    from audiolab import weights

    kept = weights.import_file(file, name)
    found = weights.find(kept)
    if found is None:
        # One file of several: the others are still to come.
        echo(kept) if not as_json else print_json({"name": kept, "paths": [], "sha256": None})
        return
    if as_json:
        print_json({"name": found.name, "paths": [str(p) for p in found.paths], "sha256": found.sha256})
    else:
        echo(f"{found.name}: {', '.join(str(p) for p in found.paths)}")


@models.command("convert")
def models_convert(
    name: Annotated[str, typer.Argument(help="Weights of Whisper that are here, e.g. small.")],
    to: Annotated[
        Path | None, typer.Option(help="Write the folder there. Default: keep it as faster-whisper-NAME.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a model folder for the engine faster-whisper from Whisper's own weights (no network)."""
    import tempfile

    from audiolab import weights
    from audiolab.stages.words.converting import convert

    found = weights.find(name)
    if found is None:
        fail(f"the weights {name!r} are not here: {weights.two_ways(name)}")
    if to is not None:
        paths = sorted(convert(found, to).iterdir())
        kept = str(to)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            kept = weights.import_file(convert(found, Path(scratch) / f"faster-whisper-{found.name}"))
        made = weights.find(kept)
        paths = list(made.paths) if made else []
    if as_json:
        print_json({"name": kept, "paths": [str(path) for path in paths]})
    else:
        echo(f"{kept}: {', '.join(str(path) for path in paths)}")


_PARTS = {
    # feature: (module to find, what to install)
    "separation with Demucs": ("demucs", "pip install 'audiolab[separate]'"),
    "MIDI": ("basic_pitch", "pip install 'audiolab[midi]' && pip install --no-deps -r requirements-nodeps.txt"),
    "lyrics": ("whisper", "pip install 'audiolab[lyrics]'"),
    "lyrics with faster-whisper": ("faster_whisper", "pip install 'audiolab[lyrics-fast]'"),
    "training": ("lightning", "pip install 'audiolab[train]'"),
    "notebooks and reports": ("papermill", "pip install 'audiolab[notebooks]'"),
}


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check this installation: versions, optional parts, weights, folders, disk, GPU."""
    checks = [_python(), *_parts(), *_weights(), *_folders(), _gpu(), *_pins()]
    if as_json:
        print_json({"ok": all(c["status"] != "broken" for c in checks), "checks": checks})
    else:
        signs = {"ok": "ok     ", "note": "note   ", "broken": "BROKEN "}
        for check in checks:
            echo(f"{signs[check['status']]}{check['what']}: {check['said']}")
    if any(check["status"] == "broken" for check in checks):
        raise typer.Exit(1)


def _check(what: str, status: str, said: str) -> dict[str, str]:
    return {"what": what, "status": status, "said": said}


def _python() -> dict[str, str]:
    from importlib import metadata

    system = f"{platform.system()} {platform.machine()}"
    here = f"{platform.python_version()} on {system}, audiolab {metadata.version('audiolab')}"
    return _check("python", "ok" if sys.version_info >= (3, 11) else "broken", here)


def _parts() -> list[dict[str, str]]:
    found = []
    for feature, (module, cure) in _PARTS.items():
        there = find_spec(module) is not None
        found.append(_check(feature, "ok" if there else "note", "installed" if there else f"not installed: {cure}"))
    return found


def _weights() -> list[dict[str, str]]:
    from audiolab import weights

    found = []
    for name, without in (
        ("htdemucs", "`separate` uses the built-in engine `spectral`"),
        ("small", "`lyrics` is skipped"),
    ):
        known = f"whisper-{name}" if name == "small" and weights.find(name) is None else name
        there = weights.find(known) is not None or weights.find(name) is not None
        said = (
            "here"
            if there
            else f"missing, so {without}: `audiolab models pull {name}` or `audiolab models import FILE`"
        )
        found.append(_check(f"weights {name}", "ok" if there else "note", said))
    return found


def _folders() -> list[dict[str, str]]:
    from audiolab.config import get_settings

    settings = get_settings()
    found = []
    for what, path in (("library", settings.path(settings.library)), ("models", settings.path(settings.models_dir))):
        nearest = next(folder for folder in (path, *path.parents) if folder.exists())
        free = shutil.disk_usage(nearest).free / 1e9
        writable = os.access(nearest, os.W_OK)
        status = "broken" if not writable else "note" if free < 5 else "ok"
        found.append(_check(what, status, f"{path} ({'writable' if writable else 'NOT writable'}, {free:.0f} GB free)"))
    return found


def _gpu() -> dict[str, str]:
    if find_spec("torch") is None:
        return _check("gpu", "note", "torch is not installed")
    import torch

    if torch.cuda.is_available():
        return _check("gpu", "ok", f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}")
    mps = getattr(torch.backends, "mps", None)
    if mps is not None and mps.is_available():
        return _check("gpu", "ok", "Apple GPU (mps)")
    return _check("gpu", "note", f"none: everything runs on {os.cpu_count()} CPU cores (torch {torch.__version__})")


def _pins() -> list[dict[str, Any]]:
    """Compare with constraints.txt where audiolab runs from a checkout."""
    from audiolab.versions import differing_pins

    differing = differing_pins()
    if differing is None:
        return []
    said = "as proven together" if not differing else ", ".join(differing[:8]) + (" ..." if len(differing) > 8 else "")
    return [_check("constraints.txt", "note" if differing else "ok", said)]

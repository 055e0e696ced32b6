"""Adding files and folders to the library, once or for as long as it is watched."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiolab.cli._app import JsonOption, LibraryOption, app, bar, echo, open_library, print_json
from audiolab.errors import AudiolabError, ParameterError

if TYPE_CHECKING:
    from audiolab.library.addreport import AddLine, AddReport

__all__ = ["document_of", "say"]

_KEYS = ("added", "existing", "skipped", "failed", "changed", "moved", "relinked", "collected", "missing")


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files, folders, zips.", show_default=False)],
    kind: Annotated[str, typer.Option(help="auto, song, sample or stem.")] = "auto",
    stems: Annotated[
        bool, typer.Option("--stems", help="Each path is a folder of stems of one song, or of many such folders.")
    ] = False,
    rule: Annotated[
        str | None, typer.Option(help="Read tags from names, e.g. '{pack}/{label}/{name}_{bpm}_{key}'.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --rule: show what it finds, add nothing.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Remember the folders, and take in what turns up until Ctrl-C.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="With --watch: scan now, then end.")] = False,
    poll: Annotated[float | None, typer.Option(help="With --watch: look every so many seconds.", min=0.1)] = None,
    files: Annotated[
        str | None, typer.Option(help="For a new library: copy files into it, or keep a reference to them.")
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add sounds to the library; what it has already is recognised under any name."""
    if kind not in {"auto", "song", "sample", "stem"}:
        raise ParameterError(f"--kind is auto, song, sample or stem, not {kind!r}")
    _check_options(stems=stems, rule=rule, dry_run=dry_run, watch=watch, once=once, poll=poll)
    opened = open_library(library, **({"files": files} if files else {}))
    if dry_run:
        _show_rule(opened, rule or "", paths, as_json=as_json)
        return
    if watch:
        report = _watch(opened, paths, kind, rule, once=once, poll=poll, as_json=as_json)
    else:
        report = empty_report()
        for path in paths:
            with bar(f"add {path.name}", quiet=as_json) as progress:
                report.lines += _add(opened, path, kind, rule, stems=stems, progress=progress)
        if not as_json:
            for line in report.lines:
                say(line)
    if as_json:
        print_json({"library": str(opened.path), **document_of(report)})
    if report.failed:
        raise typer.Exit(1)


def _check_options(**given: Any) -> None:
    wrong = {
        "--dry-run needs --rule": given["dry_run"] and given["rule"] is None,
        "--once and --poll go with --watch": (given["once"] or given["poll"] is not None) and not given["watch"],
        "--stems goes with neither --rule nor --watch": given["stems"] and (given["rule"] or given["watch"]),
        "--dry-run does not go with --watch": given["dry_run"] and given["watch"],
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ParameterError(message)


def _add(opened: Any, path: Path, kind: Any, rule: str | None, *, stems: bool, progress: Any) -> list[AddLine]:
    try:
        if stems:
            return list(opened.add_report(None, stems=path, progress=progress).lines)
        return list(opened.add_report([path], kind, rule=rule, progress=progress).lines)
    except ParameterError:
        raise
    except AudiolabError as error:
        from audiolab.library.addreport import AddLine

        return [AddLine(str(path), "failed", str(error))]


def _watch(
    opened: Any, paths: list[Path], kind: Any, rule: str | None, *, once: bool, poll: float | None, as_json: bool
) -> AddReport:
    names = [opened.watch(path, kind=kind, rule=rule) for path in paths]
    each = None if as_json else say
    if once:
        report = empty_report()
        for name in names:
            found = opened.rescan(name, each=each)
            report.lines += found.lines
            report.unchanged += found.unchanged
        if not as_json and report.unchanged:
            echo(f"{report.unchanged} unchanged")
        return report

    def ready(what: str) -> None:
        typer.echo(f"audiolab: {what}; Ctrl-C ends", err=True)

    with _until_stopped() as stop:
        kept: AddReport = opened.keep_watching(names, stop=stop, poll=poll, each=each, ready=ready)
    return kept


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C, or being told to end, sets; the batch at hand is finished first."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_rule(opened: Any, rule: str, paths: list[Path], *, as_json: bool) -> None:
    rows = [
        {"path": shown, "fits": found is not None, **(found.to_dict() if found else {})}
        for path in paths
        for shown, found in opened.match_rule(rule, path)
    ]
    if as_json:
        print_json({"rule": rule, "files": rows})
        return
    for row in rows:
        words = [f"{name}={value}" for name, value in row.items() if name not in {"path", "fits"}]
        echo(f"{row['path']}: {'  '.join(words) if row['fits'] else 'does not fit'}")
    fitting = sum(bool(row["fits"]) for row in rows)
    echo(f"{fitting} of {len(rows)} files fit the rule; nothing was added")


def empty_report() -> AddReport:
    """Give a report without lines."""
    from audiolab.library.addreport import AddReport

    return AddReport()


def document_of(report: AddReport) -> dict[str, Any]:
    """Give a report as JSON: a list for each outcome."""
    rows: dict[str, Any] = {key: [] for key in _KEYS}
    for line in report.lines:
        if line.sound is None:
            rows[line.status].append({"path": line.path, "why": line.why})
            continue
        found = {"id": line.sound.id, "name": line.sound.name, "kind": line.sound.kind, "path": line.path}
        rows[line.status].append(found | ({"why": line.why} if line.why else {}))
    rows["unchanged"] = report.unchanged
    return rows


def say(line: AddLine) -> None:
    """Print a line of a report."""
    if line.sound is None:
        echo(f"{line.status}: {line.path}" + (f": {line.why}" if line.why else ""))
        return
    sound = line.sound
    why = f": {line.why}" if line.why and line.status not in {"added", "existing"} else ""
    echo(f"{line.status}: {sound.kind} {sound.name} ({sound.id[:12]}){why}")

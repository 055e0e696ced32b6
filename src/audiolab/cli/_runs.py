"""The main job, the demo, and runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from audiolab.cli._app import JsonOption, LibraryOption, app, echo, fail, open_library, print_json
from audiolab.cli._files import params_from
from audiolab.errors import ParameterError

__all__: list[str] = []

runs = typer.Typer(help="Follow, stop and continue runs.", no_args_is_help=True)
app.add_typer(runs, name="runs")


def _follow() -> Any:
    """Give what waits for a run: with a bar on a terminal, else with a line now and then, all on stderr."""
    from audiolab.runs import Run

    return Run.progress


@app.command()
def demo(
    to: Annotated[Path | None, typer.Option("--to", help="Folder for everything.", show_default="data/demo")] = None,
    as_json: JsonOption = False,
) -> None:
    """Render the demo song, run everything on it, write the kit and a report."""
    from audiolab.config import get_settings
    from audiolab.workflows import demo as run

    folder = to if to is not None else get_settings().path("data/demo")
    if not as_json:
        echo(f"rendering a song of about 38 s and processing it in {folder} (a minute or two)")
    result = run(folder, follow=_follow())
    if as_json:
        print_json(result.to_dict())
    else:
        _show_kit(result.kit)
        echo()
        echo("compared with the truth of the rendered song:")
        bpm, key = result.comparison["bpm"], result.comparison["key"]
        tempo = f"{bpm['found']:.2f} bpm" if bpm["found"] else "none"
        echo(f"  tempo {tempo} (true {bpm['true']:g}), key {_key(key['found'])} (true {_key(key['true'])})")
        if onsets := result.comparison.get("drum_onsets"):
            echo(f"  {onsets['recall']:.0%} of {onsets['true']} drum onsets found, in {onsets['found']} samples")
        for name, values in result.comparison.get("si_sdr_db", {}).items():
            echo(f"  {name:7} SI-SDR {values['stem']:6.2f} dB (the mix itself: {values['mix']:6.2f} dB)")
        echo()
        echo("where everything lies:")
        echo(f"  song and truth  {folder / 'song'}")
        echo(f"  kit             {result.kit.export}")
        echo(f"  report          {result.kit.report_page}")
        echo(f"  library         {result.kit.library.path}")
    if not result.kit.ok:
        raise typer.Exit(1)


def _key(pair: Any) -> str:
    return " ".join(str(part) for part in pair if part) or "none"


@app.command()
def run(
    songs: Annotated[list[Path], typer.Argument(help="Songs, folders of songs, zips.", show_default=False)],
    recipe: Annotated[str, typer.Option(help="full, stems, kit, quick, or a YAML file.")] = "full",
    library: LibraryOption = None,
    export_to: Annotated[
        Path | None, typer.Option("--export-to", help="Folder for the kit.", show_default="data/exports/<date>-<song>")
    ] = None,
    report_to: Annotated[
        Path | None,
        typer.Option("--report-to", help="Folder for the report.", show_default="experiments/runs/<date>-<song>"),
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    no_export: Annotated[bool, typer.Option("--no-export", help="Export no kit.")] = False,
    downmix: Annotated[bool, typer.Option("--downmix", help="Mix files of more than two channels to stereo.")] = False,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "-s", metavar="STAGE.NAME=VALUE", help="A parameter of a stage, e.g. separate.engine=spectral."
        ),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once; the work goes on when this terminal is closed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Turn songs into stems, one-shots, tags, MIDI, lyrics and a kit ready for a DAW."""
    from audiolab.config import get_settings
    from audiolab.runs import Recipe
    from audiolab.stages import get_stage
    from audiolab.workflows.kit import song_to_kit, song_to_kit_detached

    params: dict[str, dict[str, Any]] = {}
    for name, value in params_from(sets).items():
        stage, dot, parameter = name.partition(".")
        if not dot:
            raise ParameterError(f"--set of `run` takes STAGE.NAME=VALUE, not {name!r}")
        params.setdefault(stage, {})[parameter] = value
    if downmix:
        for step in Recipe.load(recipe).steps:
            if "downmix" in get_stage(step.stage).params.model_fields:
                params.setdefault(step.stage, {})["downmix"] = True
    settings = get_settings()
    slug = f"{datetime.now():%Y-%m-%d-%H%M%S}-{_slug(songs[0].stem)}"
    opened = open_library(library)
    kit_to = None if no_export else export_to or settings.path("data/exports") / slug
    page_to = None if no_report else report_to or settings.path("experiments/runs") / slug
    if detach:
        started, problems = song_to_kit_detached(
            songs, recipe=recipe, params=params or None, library=opened, export_to=kit_to, report_to=page_to
        )
        _show_detached(started, problems, as_json)
        return
    result = song_to_kit(
        songs,
        recipe=recipe,
        params=params or None,
        library=opened,
        export_to=kit_to,
        report_to=page_to,
        follow=_follow(),
    )
    if as_json:
        print_json(result.to_dict())
    else:
        _show_kit(result)
        for what, path in (("kit", result.export), ("report", result.report_page), ("library", result.library.path)):
            if path is not None:
                echo(f"{what:8} {path}")
    if not result.ok:
        raise typer.Exit(1)


def _show_detached(started: Any, problems: list[tuple[str, str]], as_json: bool) -> None:
    failed = [{"sound": path, "stage": "add", "why": why} for path, why in problems]
    if as_json:
        print_json({"run": started.id, "library": str(started.library.path), "log": str(started.log), "failed": failed})
    else:
        for entry in failed:
            echo(f"  failed: add of {entry['sound']}: {entry['why']}")
        echo(f"run {started.id} goes on by itself: audiolab runs show {started.id[:8]}")
        echo(f"log {started.log}")
    if failed:
        raise typer.Exit(1)


def _slug(name: str) -> str:
    text = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in name)
    return "-".join(part for part in text.split("-") if part)[:40] or "song"


def _show_kit(result: Any) -> None:
    document = result.to_dict()
    echo(str(result.report))
    for entry in document["failed"]:
        if entry["stage"] == "add":
            echo(f"  failed: add of {entry['sound']}: {entry['why']}")
    for song in document["songs"]:
        labels = ", ".join(f"{count} {label}" for label, count in song["labels"].items()) or "none"
        stems = ", ".join(song["stems"]) or "none"
        echo(f"{song['name']}: stems {stems}; {song['samples']} samples ({labels})")


@runs.command("ls")
def runs_ls(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List all runs, newest last."""
    from audiolab.library.runinfo import driver_state

    rows = open_library(library).run_rows()
    documents = [
        {"id": r.id, "name": r.name, "status": driver_state(r), "created_at": r.created_at, "sounds": len(r.sound_ids)}
        for r in reversed(rows)
    ]
    if as_json:
        print_json(documents)
    for item in [] if as_json else documents:
        when = f"{item['created_at']:%Y-%m-%d %H:%M}"
        echo(f"{item['id']}  {when}  {item['status']:11}  {item['name']}  {item['sounds']} sounds")


def _run(library: Path | None, run_id: str) -> Any:
    from audiolab.runs import Run

    opened = open_library(library)
    matches = [row.id for row in opened.run_rows() if row.id.startswith(run_id)]
    if len(matches) != 1:
        fail(f"{'no' if not matches else 'more than one'} run begins with {run_id!r}; see `audiolab runs ls`")
    return Run(opened, matches[0])


RunId = Annotated[str, typer.Argument(help="A run's id, or its beginning.", show_default=False)]


@runs.command("show")
def runs_show(run_id: RunId, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Show what a run did: jobs, reasons, times."""
    report = _run(library, run_id).report
    if as_json:
        print_json(_report_json(report))
    else:
        echo(str(report))


def _report_json(report: Any) -> dict[str, Any]:
    return {
        "run": report.id,
        "recipe": report.recipe,
        "status": report.status,
        "counts": dict(report.counts),
        "seconds": report.wall_seconds,
        "audio_seconds": report.audio_seconds,
        "realtime_factor": report.realtime_factor,
        "outside_share": report.outside_share,
        "dashboard": report.dashboard or None,
        "stage_seconds": dict(report.stage_seconds),
        "notes": list(report.notes),
        "skipped": report.reasons("skipped"),
        "failed": report.reasons("failed"),
    }


@runs.command("cancel")
def runs_cancel(run_id: RunId, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Ask a run to stop, from any process; finished work is kept."""
    found = _run(library, run_id)
    found.cancel()
    if as_json:
        print_json({"run": found.id, "status": found.status})
    else:
        echo(f"asked run {found.id} to stop")


@runs.command("resume")
def runs_resume(run_id: RunId, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Continue a run that was stopped, killed or had failures; finished work is not redone."""
    found = _run(library, run_id)
    found.resume()
    report = _follow()(found)
    if as_json:
        print_json(_report_json(report))
    else:
        echo(str(report))
    if report.failed or report.status != "done":
        raise typer.Exit(1)


@runs.command("logs")
def runs_logs(
    run_id: RunId,
    library: LibraryOption = None,
    sound: Annotated[str, typer.Option(help="Only lines about sounds whose name holds this.", show_default=False)] = "",
    stage: Annotated[str, typer.Option(help="Only lines of this stage.", show_default=False)] = "",
    worker: Annotated[
        str, typer.Option(help="Only lines of this worker (`driver`: who leads the run).", show_default=False)
    ] = "",
    level: Annotated[str, typer.Option(help="Only from this level on: info, warning, error.", show_default=False)] = "",
    as_json: JsonOption = False,
) -> None:
    """Print what a run has logged: which worker did which stage to which sound, and what it said."""
    from audiolab.runs.logs import line_for_people, read_log, run_log_path

    if level and level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise ParameterError(f"--level takes debug, info, warning, error or critical, not {level!r}")
    found = _run(library, run_id)
    path = run_log_path(found.library.path, found.id)
    if not path.is_file() and not found.log.is_file():
        fail(f"run {run_id} left no log: it has not begun, or was made by an older version")
    lines = list(read_log(path, sound=sound, stage=stage, worker=worker, level=level)) if path.is_file() else []
    if as_json:
        print_json(lines)
        return
    for document in lines:
        echo(line_for_people(document))
    if found.log.is_file() and not (sound or stage or worker or level):
        # What else the process of a detached run has printed: where its kit is, or why it could not begin.
        echo(found.log.read_text(encoding="utf-8", errors="replace").rstrip())

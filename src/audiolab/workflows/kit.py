"""The main job: songs in, a kit ready for a DAW out, with a report."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.config import get_settings
from audiolab.errors import AudiolabError, ParameterError
from audiolab.exporters import export
from audiolab.library import Library, Sound
from audiolab.runs import Recipe, Run, RunReport, process
from audiolab.runs.detached import start_detached

__all__ = ["KitResult", "finish", "song_to_kit", "song_to_kit_detached"]


@dataclass(frozen=True, slots=True)
class KitResult:
    """What `song_to_kit` did and where everything lies."""

    library: Library
    run: Run
    report: RunReport
    songs: tuple[Sound, ...]
    not_added: tuple[tuple[str, str], ...]
    """Files that could not be added, each with the reason."""
    export: Path | None
    report_page: Path | None
    seconds: float

    @property
    def ok(self) -> bool:
        """True if nothing failed."""
        return not self.not_added and not self.report.failed and self.report.status == "done"

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab run --json` prints."""
        failed: list[dict[str, Any]] = [{"sound": path, "stage": "add", "why": why} for path, why in self.not_added]
        failed += self.report.reasons("failed")
        return {
            "run": self.run.id,
            "library": str(self.library.path),
            "songs": [_song_json(song, self.export) for song in self.songs],
            "skipped": self.report.reasons("skipped"),
            "failed": failed,
            "notes": list(self.report.notes),
            "report": str(self.report_page) if self.report_page else None,
            "export": str(self.export) if self.export else None,
            "seconds": round(self.seconds, 3),
        }


def _song_json(song: Sound, export_to: Path | None) -> dict[str, Any]:
    carriers = [song, *song.stems.values()]
    samples = [sample for sound in carriers for sample in sound.samples]
    return {
        "id": song.id,
        "name": song.name,
        "stems": list(song.stems),
        "samples": len(samples),
        "labels": dict(Counter(sample.label or "unknown" for sample in samples).most_common()),
        "midi": sorted(str(p) for p in export_to.rglob("*.mid"))
        if export_to
        else [s.stem or s.kind for s in carriers if s.notes],
        "lyrics": song.lyrics,
    }


def song_to_kit(
    paths: str | Path | Sequence[str | Path],
    *,
    recipe: str | Path | Mapping[str, Any] | Recipe = "full",
    params: Mapping[str, Mapping[str, Any]] | None = None,
    library: str | Path | Library | None = None,
    export_to: str | Path | None = None,
    report_to: str | Path | None = None,
    overwrite: bool = False,
    follow: Callable[[Run], RunReport] = Run.wait,
    client: Any = None,
) -> KitResult:
    """Add songs (files, folders, zips), process them, export the kit and write the report.

    Parameters
    ----------
    paths : path or sequence of paths
        Songs, folders of songs, zips.
    recipe, params
        See `process`.
    library : path or Library, optional
        Default: the settings' library.
    export_to : path, optional
        Folder (or a name ending in .zip) for the kit. None: no export.
    report_to : path, optional
        Folder for the executed report notebook and its HTML page. None: no report.
    overwrite : bool
        Replace what an earlier export left in `export_to`.
    follow : callable
        Waits for the run; `Run.progress` draws a bar.
    client : distributed.Client, optional
        See `process`.

    Returns
    -------
    KitResult
        Failed files and jobs are listed in it; they do not raise.

    Raises
    ------
    ParameterError
        If the recipe is wrong.
    AudiolabError
        If nothing at all could be added.
    """
    started = time.monotonic()
    checked = Recipe.load(recipe)
    if params:
        checked = checked.with_params(params)
    settings = get_settings()
    if not isinstance(library, Library):
        library = Library(settings.path(library if library is not None else settings.library))
    listed = [paths] if isinstance(paths, (str, Path)) else list(paths)
    sounds, problems = _add(library, listed)
    if not sounds:
        reasons = "; ".join(f"{path}: {why}" for path, why in problems) or "no paths were given"
        raise AudiolabError(f"nothing to process: {reasons}")
    run = process(sounds, checked, client=client)
    report = follow(run)
    exported, page = finish(run, sounds, export_to=export_to, report_to=report_to, overwrite=overwrite)
    return KitResult(
        library,
        run,
        run.report if report is None else report,
        tuple(sounds),
        tuple(problems),
        exported,
        page,
        time.monotonic() - started,
    )


def finish(
    run: Run,
    sounds: Sequence[Sound],
    *,
    export_to: str | Path | None,
    report_to: str | Path | None,
    overwrite: bool = False,
) -> tuple[Path | None, Path | None]:
    """Export the kit of a run that is over and write its report; give the kit's folder and the report's page."""
    exported = page = None
    if export_to is not None:
        exported = Path(export(sounds, export_to, format="folder", overwrite=overwrite).path)
    if report_to is not None:
        from audiolab.runs.notebooks import run_notebook

        parameters = {"library": str(run.library.path.resolve()), "run": run.id}
        page = run_notebook("batch/run_report", parameters, report_to).html
    return exported, page


def song_to_kit_detached(
    paths: str | Path | Sequence[str | Path],
    *,
    recipe: str | Path | Mapping[str, Any] | Recipe = "full",
    params: Mapping[str, Mapping[str, Any]] | None = None,
    library: Library,
    export_to: str | Path | None = None,
    report_to: str | Path | None = None,
) -> tuple[Run, list[tuple[str, str]]]:
    """Add songs, and let a process of its own do the rest of `song_to_kit`.

    Returns
    -------
    run : Run
        To follow it; its log is `run.log`.
    not_added : list of (str, str)
        Files that could not be added, each with the reason.
    """
    checked = Recipe.load(recipe)
    if params:
        checked = checked.with_params(params)
    listed = [paths] if isinstance(paths, (str, Path)) else list(paths)
    sounds, problems = _add(library, listed)
    if not sounds:
        raise AudiolabError("nothing to process: " + "; ".join(f"{path}: {why}" for path, why in problems))
    run = Run(library, library.create_run(checked.name, checked.to_dict(), [sound.id for sound in sounds]))
    places = ["" if path is None else str(Path(path).absolute()) for path in (export_to, report_to)]
    command = [sys.executable, "-m", "audiolab.workflows.detached", str(library.path), run.id, *places]
    start_detached(command, run.log)
    return run, problems


def _is_audio_file(path: str | Path) -> bool:
    return Path(path).is_file() and Path(path).suffix.lower() != ".zip"


def _add(library: Library, paths: Sequence[str | Path]) -> tuple[list[Sound], list[tuple[str, str]]]:
    """Add everything; single files that fail are reported like those in folders."""
    sounds: dict[str, Sound] = {}
    problems: list[tuple[str, str]] = []
    for path in paths:
        try:
            # Who names a file as the song means it, however short; folders are sorted out by length.
            report = library.add([path], "song" if _is_audio_file(path) else "auto")
        except ParameterError:
            raise
        except AudiolabError as error:
            problems.append((str(path), str(error)))
            continue
        sounds.update({sound.id: sound for sound in report.sounds})
        problems += [(line.path, line.why) for line in report.failed]
    return list(sounds.values()), problems

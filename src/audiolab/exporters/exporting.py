"""`export`: a collection or song, ready for a DAW."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audiolab.audio import atomic_path
from audiolab.errors import AudiolabError, Cancelled, ExportError, ParameterError
from audiolab.exporters import manifest
from audiolab.exporters.base import Exporter, ExportJob, ExportOptions, Item, Progress
from audiolab.exporters.choosing import Exportable, choose
from audiolab.exporters.lineage import tool_version
from audiolab.exporters.names import NameBook
from audiolab.exporters.placing import Target
from audiolab.exporters.registry import get_format

__all__ = ["ExportReport", "export"]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote."""

    path: Path
    """The folder or zip."""
    format: str
    files: tuple[Path, ...]
    """All files with their whole path; of a zip, their names inside it."""
    counts: dict[str, int] = field(default_factory=dict)
    """Number of files by kind: sample, stem, midi, lyrics."""
    notes: tuple[str, ...] = ()
    """What the user should know."""
    seconds: float = 0.0

    def __str__(self) -> str:
        what = ", ".join(_counted(count, kind) for kind, count in self.counts.items())
        return "\n".join([f"{what} in {self.path}", *self.notes])

    def _repr_html_(self) -> str:
        from html import escape

        return "<br>".join(escape(line) for line in str(self).splitlines())


def _counted(count: int, kind: str) -> str:
    one, many = {"midi": ("MIDI file", "MIDI files"), "lyrics": ("file of lyrics", "files of lyrics")}.get(
        kind, (kind, f"{kind}s")
    )
    return f"{count} {one if count == 1 else many}"


def no_progress(done: float, total: float) -> None:
    """Ignore progress."""


def export(
    what: Exportable,
    to: str | Path,
    format: str = "folder",
    *,
    overwrite: bool = False,
    zip: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> ExportReport:
    """Write sounds for a DAW: into a folder, or one zip.

    Parameters
    ----------
    what : Sound, Collection, SampleSet, SoundList or iterable of Sound
        A song brings its stems, their samples, its MIDI and its lyrics along.
    to : path-like
        Folder to make; a name ending in `.zip` makes a zip. It must be new, empty, or hold an earlier export.
    format : str
        `folder`, `midi`, or one that an entry point in the group `audiolab.exporters` adds.
    overwrite : bool
        Replace an earlier export: only files that its manifest names, never others.
    zip : bool
        Make a zip (`.zip` is put behind the name if it is not there). Equal exports give equal bytes.
    progress : callable, optional
        Gets (done, total).
    **options
        The format's options; see its class.

    Returns
    -------
    ExportReport
        Where everything is.

    Raises
    ------
    ParameterError
        If the format or an option is unknown, or `what` holds no sounds of a library.
    ExportError
        If there is nothing to export, something that is not ours is in the way, a sound cannot be read, or the disk
        is full. Then nothing was changed at the target.
    """
    started = time.monotonic()
    exporter = get_format(format)
    checked = _checked(exporter, options)
    choice = choose(what)
    path = Path(to).expanduser()
    as_zip = zip or path.suffix.lower() == ".zip"
    if as_zip and path.suffix.lower() != ".zip":
        path = path.with_name(f"{path.name}.zip")
    target = Target(path, as_zip=as_zip, overwrite=overwrite)
    with target.folder() as work:
        names = NameBook((manifest.JSON_NAME, manifest.CSV_NAME))
        job = ExportJob(choice, work, names, progress or no_progress)
        try:
            items = exporter.run(job, checked)
            _write_manifest(job, items, format, checked)
        except (Cancelled, ParameterError, ExportError):
            raise
        except OSError as error:
            raise ExportError(f"cannot export to {str(path)!r}: {error.strerror or error}") from error
        except AudiolabError as error:
            raise ExportError(f"cannot export to {str(path)!r}: {error}") from error
        files = [item.path for item in items] + [manifest.JSON_NAME, manifest.CSV_NAME]
        target.place(work, files)
    return ExportReport(
        path=path,
        format=format,
        files=tuple(Path(name) if as_zip else path / name for name in files),
        counts=dict(Counter(item.kind for item in items)),
        notes=tuple(job.notes),
        seconds=time.monotonic() - started,
    )


def _checked(exporter: Exporter, options: dict[str, Any]) -> ExportOptions:
    try:
        return exporter.options(**options)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(exporter.options.model_fields) or "none"
        raise ParameterError(f"export format {exporter.name}: {problems}; its options: {known}") from error


def _write_manifest(job: ExportJob, items: list[Item], format_name: str, options: ExportOptions) -> None:
    described = manifest.rows(items, job.cards, job.lineage)
    text = manifest.build(
        described,
        job.lineage,
        title=job.choice.title,
        format_name=format_name,
        options=options.model_dump(mode="json"),
        notes=job.notes,
        version=tool_version(),
    )
    for name, content in ((manifest.JSON_NAME, text), (manifest.CSV_NAME, manifest.to_csv(described))):
        with atomic_path(job.folder / name, sync=False) as temporary:
            temporary.write_text(content, encoding="utf-8", errors="replace", newline="")

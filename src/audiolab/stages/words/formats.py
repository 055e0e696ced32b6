"""Lyrics as files: plain text, LRC (by line or by word), JSON; subtitles come from `subtitles`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from audiolab.audio import Seconds, atomic_path
from audiolab.errors import ExportError, ParameterError
from audiolab.stages.words.sheet import LyricSheet
from audiolab.stages.words.subtitles import one_line, to_ass, to_srt, to_vtt

__all__ = [
    "DEFAULT_FORMATS",
    "FORMATS",
    "check_formats",
    "to_ass",
    "to_enhanced_lrc",
    "to_json_text",
    "to_lrc",
    "to_srt",
    "to_text",
    "to_vtt",
    "write_lyrics",
]


def to_text(sheet: LyricSheet) -> str:
    """Give the lines; a pause of more than four seconds makes a new verse."""
    rows: list[str] = []
    for index, line in enumerate(sheet.lines):
        if index and line.start - sheet.lines[index - 1].end > 4.0:
            rows.append("")
        rows.append(one_line(line.text))
    return "\n".join([*rows, ""]) if rows else ""


def _lrc_time(time: Seconds) -> str:
    hundredths = max(round(time * 100), 0)
    return f"{hundredths // 6000:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def _lrc_text(text: str) -> str:
    """Square and angle brackets are LRC's own signs."""
    return one_line(text).translate(str.maketrans("[]<>", "()()"))


def _lrc(sheet: LyricSheet, rows: list[str]) -> str:
    minutes, seconds = divmod(round(sheet.duration), 60)
    head = [f"[length:{minutes:02d}:{seconds:02d}]", "[re:audiolab]"]
    if sheet.language:
        head.append(f"[la:{sheet.language}]")
    return "\n".join([*head, *rows, ""])


def to_lrc(sheet: LyricSheet) -> str:
    """Give LRC with a time for each line; an empty line ends one that is followed by a pause."""
    rows = []
    for index, line in enumerate(sheet.lines):
        rows.append(f"[{_lrc_time(line.start)}]{_lrc_text(line.text)}")
        following = sheet.lines[index + 1].start if index + 1 < len(sheet.lines) else None
        if following is None or following - line.end > 4.0:
            rows.append(f"[{_lrc_time(line.end)}]")
    return _lrc(sheet, rows)


def to_enhanced_lrc(sheet: LyricSheet) -> str:
    """Give LRC with a time for each word (A2 extension); lines without word times stay as they are."""
    rows = []
    for line in sheet.lines:
        if not line.words:
            rows.append(f"[{_lrc_time(line.start)}]{_lrc_text(line.text)}")
            continue
        words = " ".join(f"<{_lrc_time(word.start)}> {_lrc_text(word.word)}" for word in line.words)
        rows.append(f"[{_lrc_time(line.start)}] {words} <{_lrc_time(line.words[-1].end)}>")
    return _lrc(sheet, rows)


def to_json_text(sheet: LyricSheet) -> str:
    """Give the document of `audiolab lyrics --json`."""
    return json.dumps(sheet.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


FORMATS: Mapping[str, Callable[[LyricSheet], str]] = {
    "txt": to_text,
    "lrc": to_lrc,
    "enhanced.lrc": to_enhanced_lrc,
    "srt": to_srt,
    "vtt": to_vtt,
    "ass": to_ass,
    "json": to_json_text,
}
"""Writers by suffix."""
DEFAULT_FORMATS = ("txt", "lrc", "srt", "json")


def check_formats(formats: Sequence[str]) -> None:
    """Raise `ParameterError` if there is no such format."""
    unknown = [kind for kind in formats if kind not in FORMATS]
    if unknown:
        raise ParameterError(f"no lyrics format {', '.join(unknown)}; there are {', '.join(FORMATS)}")


def write_lyrics(
    sheet: LyricSheet, folder: str | Path, name: str, *, formats: Sequence[str] = DEFAULT_FORMATS
) -> tuple[Path, ...]:
    """Write `<name>.txt`, `.lrc`, `.srt` and `.json` (or some of them) to a folder.

    Raises
    ------
    ParameterError
        If there is no such format.
    ExportError
        If a file cannot be written.
    """
    check_formats(formats)
    paths = []
    for kind in formats:
        path = Path(folder) / f"{name}.{kind}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                temporary.write_text(FORMATS[kind](sheet), encoding="utf-8")
        except OSError as error:
            raise ExportError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
        paths.append(path)
    return tuple(paths)

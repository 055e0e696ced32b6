"""Small HTML tables for notebooks; every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from audiolab.library.text import shorten

__all__ = ["cell", "html_table", "seconds_text"]


def cell(value: Any) -> str:
    """Give a value as escaped text: floats short, None empty, long texts cut."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return escape(shorten(str(value), 80))


def html_table(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]], *, note: str = "") -> str:
    """Draw a table. `title` and `note` are texts, not HTML."""
    head = "".join(f"<th>{cell(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    foot = f"<p>{escape(note)}</p>" if note else ""
    return f"<p><b>{escape(title)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}"


def seconds_text(seconds: float) -> str:
    """Give a length as people read it: 0.250 s, 12.3 s, 3:07, 1:02:03."""
    if seconds < 10:
        return f"{seconds:.3f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

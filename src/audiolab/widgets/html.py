"""Small pieces of HTML. Everything that comes from a user or a file goes through `escape`."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

__all__ = ["Html", "escape_label", "image", "table"]


class Html:
    """HTML that notebooks show as it is; parts are joined with `+`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __add__(self, other: Html) -> Html:
        return Html(self.text + other.text)

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<HTML of {len(self.text)} characters>"


def escape_label(text: str) -> str:
    """Make any text safe inside an attribute."""
    return escape(text, quote=True)


def image(png: bytes, label: str = "", *, width: int | None = None) -> str:
    """Give an image tag with the picture inside."""
    data = base64.b64encode(png).decode()
    size = f' width="{width}"' if width else ""
    return f'<img alt="{escape(label)}"{size} style="max-width:100%" src="data:image/png;base64,{data}">'


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Give a table; cells that are `Html` are kept, all others escaped."""
    top = "".join(f"<th style='text-align:left'>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, Html):
        return value.text
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return escape(str(value))

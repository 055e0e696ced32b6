"""The static view that every widget leaves in its notebook.

A widget shows two outputs: this one, plain HTML, and its live view. The live view hides the former as soon as it
stands (its page code does, by `data-audiolab-static`). A notebook reopened without a kernel, nbconvert's HTML and an
untrusted notebook show this one; the style below hides the line "model not found" that JupyterLab writes then.
"""

from __future__ import annotations

from html import escape

from audiolab.errors import ParameterError
from audiolab.widgets.html import Html

__all__ = ["STATIC_LIMIT", "standing_html"]

STATIC_LIMIT = 300_000
"""Most bytes of a static view."""

_STYLE = (
    "<style>.jp-OutputArea-child:has([data-audiolab-static])+.jp-OutputArea-child .jupyter-widgets:not(:has(*))"
    "{display:none}</style>"
)


def standing_html(body: Html, standing_id: str, *, name: str, note: str = "") -> str:
    """Wrap a static view.

    Raises
    ------
    ParameterError
        If it is larger than 300 kB: pictures and previews must be smaller.
    """
    said = f"<p><em>{escape(note)}</em></p>" if note else ""
    html = (
        f'<div data-audiolab-static="{escape(standing_id)}" role="group" aria-label="{escape(name)}">'
        f"{_STYLE}{body.text}{said}</div>"
    )
    if len(html.encode()) > STATIC_LIMIT:
        raise ParameterError(f"the static view of {name!r} has {len(html.encode())} bytes; {STATIC_LIMIT} are allowed")
    return html

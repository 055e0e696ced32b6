"""A notebook's page: one HTML file with everything inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audiolab.audio.writing import atomic_path
from audiolab.errors import MissingDependency

__all__ = ["notebook_html"]

_WIDGET = "application/vnd.jupyter.widget-view+json"


def notebook_html(notebook: Path) -> Path:
    """Write a notebook's page beside it: everything inside the one file, input cells left out."""
    try:
        import nbformat
        from nbconvert import HTMLExporter
    except ImportError as error:
        raise MissingDependency("pages need nbconvert: pip install 'audiolab[notebooks]'") from error
    from traitlets.config import Config

    config = Config()
    config.HTMLExporter.exclude_input = True
    config.HTMLExporter.exclude_input_prompt = True
    config.HTMLExporter.exclude_output_prompt = True
    # The template would fetch these from the net: a page must be whole without it.
    for name in ("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url", "jupyter_widgets_base_url"):
        setattr(config.HTMLExporter, name, "")
    book = nbformat.read(notebook, as_version=4)
    _without_widgets(book)
    body, _ = HTMLExporter(config=config).from_notebook_node(book, {"metadata": {"name": notebook.stem}})
    page = notebook.with_suffix(".html")
    with atomic_path(page) as temporary:
        temporary.write_text(_whole(body), encoding="utf-8")
    return page


def _without_widgets(book: Any) -> None:
    """Let outputs fall back to their picture or text: a live widget would fetch its code from the net."""
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if _WIDGET in data and len(data) > 1:
                del data[_WIDGET]


def _whole(body: str) -> str:
    """Take out the script that would draw mermaid diagrams with code from the net."""
    start = body.find('<script type="module">')
    while start >= 0:
        end = body.index("</script>", start) + len("</script>")
        if "mermaid" in body[start:end]:
            return body[:start] + body[end:]
        start = body.find('<script type="module">', end)
    return body

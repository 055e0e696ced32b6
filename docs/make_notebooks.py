"""Build HTML copies of the notebooks, with their pictures, tables and short previews, into docs/build/.

    python docs/make_notebooks.py [NAME ...]        # 20_separate_and_listen, say; default: all

They are executed in a home of their own (the demo song is processed once for all), so nothing of yours is touched.
The copies need neither kernel nor network: what is seen are the widgets' static views.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbconvert.preprocessors import ExecutePreprocessor

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
TARGET = Path(__file__).parent / "build"


def main() -> int:
    """Execute and convert; give the number of notebooks that failed."""
    known = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    chosen = sys.argv[1:] or list(known)
    if unknown := [name for name in chosen if name not in known]:
        print(f"there is no notebook {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    TARGET.mkdir(exist_ok=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="audiolab-notebooks-") as home:
        os.environ.setdefault("AUDIOLAB_HOME", home)
        os.environ.setdefault("AUDIOLAB_OFFLINE", "1")
        for name in chosen:
            book = nbformat.read(known[name], as_version=4)
            worker = ExecutePreprocessor(timeout=900, allow_errors=True, store_widget_state=False)
            worker.preprocess(book, {"metadata": {"path": str(NOTEBOOKS)}})
            errors = [o for c in book.cells for o in c.get("outputs", ()) if o.output_type == "error"]
            page, _ = HTMLExporter(embed_images=True).from_notebook_node(book, {"metadata": {"name": name}})
            target = TARGET / f"{name}.html"
            target.write_text(page, encoding="utf-8")
            said = f"FAILED: {errors[0].ename}: {errors[0].evalue}" if errors else "ok"
            print(f"{target.relative_to(TARGET.parent)}: {target.stat().st_size / 1e6:.1f} MB, {said}")
            failed += bool(errors)
    return failed


if __name__ == "__main__":
    sys.exit(main())

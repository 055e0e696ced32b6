"""What every widget leaves behind: in a notebook without a kernel, and in nbconvert's page."""

from __future__ import annotations

import json
import re

import pytest

from .songs import HOSTILE, LIBRARY

MATERIAL = f"""
song.rename({HOSTILE!r})
found(song.stems['bass'], 'midi', {{'notes': [{{'start': 0.5, 'end': 1.0, 'pitch': 40, 'velocity': 90}}], 'drums': False}})
found(song.stems['vocals'], 'lyrics', {{'language': 'en', 'segments': [{{'start': 0.5, 'end': 1.0, 'text': {HOSTILE!r}, 'flags': [],
    'words': [{{'start': 0.5, 'end': 1.0, 'word': {HOSTILE!r}, 'probability': 0.2}}]}}]}})
for number in range(12):
    part = song.stems['drums'].cut(number * 0.4, number * 0.4 + 0.3, name=f'{{number}} {HOSTILE}')
    part.tag('kick')
run = al.process(song.stems['drums'].cut(1.0, 1.5), {{'name': 'embed', 'steps': [{{'stage': 'embed', 'where': {{'kinds': ['sample']}}}}]}})
from audiolab.widgets import *
from audiolab import widgets
"""

WIDGETS = {
    "player": "widgets.Player(song.stems['drums'])",
    "mixer": "al.mix(song)",
    "browser": "al.browse(lib)",
    "annotator": "al.annotate(song.stems['drums'])",
    "piano roll": "widgets.PianoRoll(song)",
    "lyrics": "widgets.LyricsView(song)",
    "uploader": "widgets.Uploader(lib)",
    "run": "widgets.RunView(run)",
    "workbench": "al.workbench(lib)",
}
LIMIT = 300_000


@pytest.fixture
def saved(lab):
    """A notebook with every widget in a cell of its own, saved, and its kernel ended."""
    page = lab.open([LIBRARY + MATERIAL, *WIDGETS.values()])
    page.wait_for_timeout(3000)
    for cell in range(1, len(WIDGETS) + 1):
        lab.look_at(page, cell)
    errors = page.locator(".al-error:not([hidden])").all_inner_texts()
    assert not errors
    path = lab.save(page)
    lab.shut_down_kernel(page)
    return path


def _statics(path) -> dict[str, str]:
    cells = json.loads(path.read_text())["cells"][1:]
    found = {}
    for name, cell in zip(WIDGETS, cells, strict=True):
        texts = ["".join(output["data"].get("text/html", "")) for output in cell["outputs"] if "data" in output]
        found[name] = next((text for text in texts if "data-audiolab-static" in text), "")
    return found


def test_every_widget_leaves_a_static_view(lab, saved, tmp_path):
    statics = _statics(saved)
    for name, html in statics.items():
        assert html, f"{name} left none"
        assert len(html.encode()) <= LIMIT, name
        assert "<img src=x" not in html, f"{name} lets a name through"
        assert "<script" not in html, name
        assert "http://" not in re.sub(r'xmlns="http://www.w3.org/2000/svg"', "", html), name

    # reopened in JupyterLab, nothing running
    page = lab.visit(saved.name)
    seen: set[str] = set()
    for cell in range(1, len(WIDGETS) + 1):
        lab.look_at(page, cell)
        seen |= set(
            page.evaluate(
                """() => [...document.querySelectorAll('[data-audiolab-static]')].filter(e => e.getBoundingClientRect().height > 20)
                    .map(e => e.dataset.audiolabStatic)"""
            )
        )
        lost = page.get_by_text("model not found")
        assert not any(lost.nth(i).is_visible() for i in range(lost.count()))
    lab.shot(page, "static-lab", ".jp-NotebookPanel:not(.lm-mod-hidden)")
    ids = {re.search(r'data-audiolab-static="([^"]+)"', html)[1]: name for name, html in statics.items()}
    assert {ids[one] for one in seen} == set(WIDGETS)
    # and as a page of its own
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter().from_filename(str(saved))
    copy = tmp_path / "page.html"
    copy.write_text(html)
    page.goto(copy.as_uri())
    heights = page.evaluate(
        "() => [...document.querySelectorAll('[data-audiolab-static]')].map(e => e.getBoundingClientRect().height)"
    )
    assert len(heights) == len(WIDGETS)
    assert min(heights) > 20
    assert page.evaluate(
        "() => [...document.querySelectorAll('[data-audiolab-static] img')].every(i => i.naturalWidth > 0)"
    )
    players = page.locator("[data-audiolab-static] audio")
    assert players.count() >= 4
    assert page.evaluate("() => globalThis.__hacked || 0") == 0
    lab.shot(page, "static-html", "body")

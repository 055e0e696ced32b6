"""`show` and rich display: which view a thing gets, with and without widgets; nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

import audiolab as al
from audiolab.audio import write_audio
from audiolab.config import get_settings
from audiolab.errors import ParameterError
from audiolab.synth import noise
from audiolab.widgets import rich
from audiolab.widgets.html import Html
from audiolab.widgets.player import Player
from audiolab.widgets.run_view import RunView
from audiolab.widgets.show import Stack, view_of

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def song(library, tmp_path):
    return library.add(write_audio(tmp_path / "song.wav", noise(0.5, 8000)), kind="song")


@pytest.fixture
def notebook(monkeypatch):
    """As if this were a notebook's kernel and the views were built."""
    monkeypatch.setattr(rich, "in_kernel", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr("audiolab.widgets.bundle.load_bundle", lambda: SimpleNamespace(key="x", code=b""))


def test_without_a_notebook_it_is_html(song, library, tmp_path):
    run_id = library.create_run("r", {"name": "r", "steps": [{"stage": "analyze"}]}, [song.id])
    for thing in (song, noise(0.2), library, library.songs, library.collection("x").add(song), al.Run(library, run_id)):
        assert isinstance(al.show(thing), Html), thing
    assert "audio/mpeg" in al.show(str(song.path)).text
    with pytest.raises(ParameterError, match="cannot show int"):
        al.show(3)


def test_in_a_notebook_each_thing_gets_its_widget(song, library, notebook):
    run_id = library.create_run("r", {"name": "r", "steps": [{"stage": "analyze"}]}, [song.id])
    library.update_run(run_id, status="done")
    assert isinstance(al.show(song), Player)
    assert isinstance(al.show(noise(0.2)), Player)
    assert isinstance(al.show(song.path), Player)
    assert isinstance(al.show(al.Run(library, run_id)), RunView)
    shown = al.show(library)
    assert isinstance(shown, Stack)
    assert "1" in shown[0].text
    with pytest.raises(ParameterError, match="cannot show int"):
        al.show(3)


def test_the_setting_turns_widgets_off(song, notebook, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_WIDGETS", "0")
    get_settings.cache_clear()
    assert isinstance(al.show(song), Html)


def test_without_a_bundle_it_is_html(song, notebook, monkeypatch):
    monkeypatch.setattr("audiolab.widgets.bundle.load_bundle", lambda: None)
    assert isinstance(al.show(song), Html)


def test_a_song_with_stems_is_a_stack(library, tmp_path, notebook):
    for name in ("drums", "bass"):
        (tmp_path / HOSTILE.replace("/", "")).mkdir(exist_ok=True)
        write_audio(tmp_path / HOSTILE.replace("/", "") / f"{name}.wav", noise(0.5, 8000, seed=len(name)))
    song = library.add(stems=tmp_path / HOSTILE.replace("/", ""))
    shown = al.show(song)
    assert isinstance(shown, Stack)
    assert any(isinstance(part, Player) for part in shown.parts)
    html = shown._repr_html_()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_lists_and_collections_open_in_the_browser(song, library, notebook, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "audiolab.widgets.browse", lambda thing, **options: asked.append(thing) or "browser", raising=False
    )
    assert al.show(library.songs) == "browser"
    kit = library.collection("kit").add(song)
    assert al.show(kit) == "browser"
    assert asked[1] is kit


class _Formatter:
    def __init__(self):
        self.deferred_printers, self.type_printers = {}, {}

    def for_type_by_name(self, module, name, function):
        self.deferred_printers[module, name] = function


def _shell(**more):
    return SimpleNamespace(display_formatter=SimpleNamespace(ipython_display_formatter=_Formatter()), **more)


def test_the_extension_registers_names_only_in_a_kernel():
    kernel, terminal = _shell(kernel=object()), _shell()
    al.load_ipython_extension(kernel)
    al.load_ipython_extension(terminal)
    registered = kernel.display_formatter.ipython_display_formatter.deferred_printers
    assert {name for _, name in registered} == {
        "Sound", "SoundList", "SampleSet", "Collection", "Library", "Run", "Audio",
    }  # fmt: skip
    assert not terminal.display_formatter.ipython_display_formatter.deferred_printers
    al.unload_ipython_extension(kernel)
    assert not registered


@pytest.mark.parametrize(("module", "name"), rich._TYPES)
def test_the_names_are_those_of_our_types(module, name):
    __import__(module)
    found = getattr(sys.modules[module], name)
    assert (found.__module__, found.__qualname__) == (module, name)


_IN_A_KERNEL = """
import sys, io, contextlib
from ipykernel.inprocess.ipkernel import InProcessKernel
kernel = InProcessKernel()
import audiolab as al
light = [n for n in ("ipywidgets", "anywidget", "torch", "numpy", "matplotlib", "sqlalchemy") if n in sys.modules]
print("loaded", light)
shell = kernel.shell
shown = []
shell.display_pub.publish = lambda data, metadata=None, **more: shown.append(data)
import tempfile
from audiolab.synth import noise
lib = al.Library(tempfile.mkdtemp() + "/lib")
shell.run_cell("from audiolab.synth import noise\\nnoise(0.2)")
shell.user_ns["lib"] = lib
shell.run_cell("lib")
print("keys", [sorted(data) for data in shown])
print("tables", ["<table" in data.get("text/html", "") for data in shown])
print("static", ["data-audiolab-static" in data.get("text/html", "") for data in shown])
"""


@pytest.mark.parametrize("widgets", ["1", "0"])
def test_the_last_expression_of_a_cell_is_shown_in_a_real_shell(widgets, monkeypatch):
    """`import audiolab` in a kernel loads nothing heavy and yet a sound is shown richly."""
    pytest.importorskip("ipykernel")
    from audiolab.widgets.bundle import load_bundle

    if widgets == "1" and load_bundle() is None:
        pytest.skip("the views are not built")
    monkeypatch.setenv("AUDIOLAB_WIDGETS", widgets)
    done = subprocess.run([sys.executable, "-c", _IN_A_KERNEL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = dict(
        line.split(" ", 1)
        for line in done.stdout.splitlines()
        if line.split(" ")[0] in {"loaded", "keys", "tables", "static"}
    )
    assert said["loaded"] == "[]"
    if widgets == "1":
        assert "application/vnd.jupyter.widget-view+json" in said["keys"]
        assert said["static"].startswith("[True")
    else:
        assert "widget-view" not in said["keys"]
        assert "True" in said["tables"]


def test_view_of_unknown_things_is_none():
    assert view_of(3) is None
    assert view_of({}) is None

"""The pages of the workbench without a page: what their buttons do."""

from __future__ import annotations

import sys
import time
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "runs"))
import pretend_stages

import audiolab as al
from audiolab.audio import write_audio
from audiolab.errors import ParameterError
from audiolab.stages import registry
from audiolab.synth import noise
from audiolab.widgets import Download
from audiolab.widgets.standing import STATIC_LIMIT

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as made,
    ):
        yield made


@pytest.fixture(autouse=True)
def _pretend(monkeypatch):
    registry.get_stage.cache_clear()
    table = {name: f"pretend_stages:{stage.__name__}" for name, stage in pretend_stages.STAGES.items()}
    monkeypatch.setattr(registry, "_BUILT_IN", table)
    yield
    registry.get_stage.cache_clear()


@pytest.fixture
def bench(library, tmp_path, client, monkeypatch):
    folder = al.settings().path("configs") / "recipes"
    folder.mkdir(parents=True)
    steps = "\n".join(f"  - stage: {name}" for name in ("measure", "halves", "cuts", "names"))
    (folder / "small.yaml").write_text(f"description: for <b>tests</b>\nsteps:\n{steps}\n")
    write_audio(tmp_path / "song.wav", noise(0.5, 8000))
    made = al.workbench(library, client=client)
    yield made
    made.close()


def _until(true, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def test_from_a_file_to_a_zip_on_the_desktop(bench, library, tmp_path, page):
    bench.open("Add sounds")
    bench.upload.uploader.kind = "song"
    bench.upload.path.value = str(tmp_path / "song.wav")
    bench.upload.adder.click()
    _until(lambda: "1 added" in bench.upload.said.value)
    library.songs[0].rename(HOSTILE)

    bench.open("Process")
    assert [label for label, _ in bench.process.songs.options] == [f"{HOSTILE} (0.500 s)"]
    bench.process.recipe.value = "small"
    assert "&lt;b&gt;" in bench.process.about.value
    bench.process.starter.click()
    _until(lambda: bench.process.view is not None and bench.process.view.status == "done")
    assert not bench.process.starter.disabled
    _until(lambda: "samples" in bench.library_panel.overview.value or "6" in bench.library_panel.overview.value)
    assert "<img src=x" not in bench.library_panel.overview.value
    bench.open("Library")
    bench.open("Process")
    bench.process.past.value = bench.process.past.options[1][1]
    assert bench.process.view.run.id == library.run_rows()[0].id

    bench.open("Export")
    assert bench.export.what.value == "q:kind:sample has:label"
    bench.export.maker.click()
    _until(lambda: bench.export.download.path is not None)
    shown, data = page(bench.export.download), b""
    while len(data) < bench.export.download._file["size"]:
        data += bytes(shown.ask("piece", offset=len(data))["buffers"][0])
    assert data == bench.export.download.path.read_bytes()
    names = zipfile.ZipFile(bench.export.download.path).namelist()
    assert sum(name.endswith(".wav") for name in names) == 6
    library.collection("../kit").add(library.query("kind:sample")[0])
    bench.export.refresh()
    bench.export.what.value = "c:../kit"
    bench.export.maker.click()
    _until(lambda: "kit" in bench.export.download.path.name)
    assert bench.export.download.path.parent == library.path / "cache" / "exports"
    assert library.fsck(deep=True).clean


def test_what_goes_wrong_is_said_on_the_page(bench, tmp_path):
    bench.open("Process")
    bench.process.starter.click()
    assert "add some first" in bench.process.said.value
    bench.upload.adder.click()
    _until(lambda: "type the path" in bench.upload.said.value)
    bench.upload.path.value = str(tmp_path / HOSTILE)
    bench.upload.adder.click()
    _until(lambda: "failed" in bench.upload.said.value)
    assert "<img" not in bench.upload.said.value
    bench.open("Export")
    bench.export.maker.click()
    _until(lambda: "color" in bench.export.said.value)
    assert not bench.export.maker.disabled
    bench.export.query.value = "nonsense:1"
    bench.export.maker.click()
    _until(lambda: "nonsense" in bench.export.said.value)
    bench.open("Library")
    buttons = {button.description: button for button in bench.library_panel.box.children[1].children}
    buttons["Undo"].click()
    assert "nothing to undo" in bench.library_panel.said.value
    bench.open("Map")
    assert "process a song first" in bench.map.said.value


def test_a_click_that_overtakes_the_opening_of_the_page(bench, library, tmp_path):
    library.add(tmp_path / "song.wav").tag("kick")
    assert bench.export.what.value is None
    bench.export.maker.click()
    bench.open("Export")
    _until(lambda: bench.export.download.path is not None)
    assert "1 sample" in bench.export.said.value


def test_undo_and_redo(bench, library, tmp_path):
    library.add(tmp_path / "song.wav").tag("kick")
    buttons = {button.description: button for button in bench.library_panel.box.children[1].children}
    buttons["Undo"].click()
    assert library.query("label:kick").ids == []
    buttons["Redo"].click()
    assert len(library.query("label:kick")) == 1


def test_static_view(bench):
    html = bench._cover.static_html()
    assert "data-audiolab-static" in html
    assert len(html) < STATIC_LIMIT


def test_download_of_nothing_and_of_what_is_gone(tmp_path, page):
    with pytest.raises(ParameterError, match="is no file"):
        Download(tmp_path)
    shown = page(Download())
    with pytest.raises(RuntimeError, match="nothing to download"):
        shown.ask("piece", offset=0)
    file = tmp_path / f"{HOSTILE.replace('/', '')}.zip"
    file.write_bytes(b"x" * 10)
    shown.widget.set(file)
    assert "<img" not in shown.widget.static_html()
    with pytest.raises(RuntimeError, match="was changed meanwhile"):
        shown.ask("piece", offset=10)
    file.unlink()
    with pytest.raises(RuntimeError, match="cannot be read"):
        shown.ask("piece", offset=0)

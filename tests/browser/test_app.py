"""Uploads, runs, `show` and the whole workbench: in JupyterLab, and in Voila as people who do not code meet it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from free_ports import free_port

HOSTILE = "<img src=x onerror=globalThis.__hacked=1>.wav"
ROOT = Path(__file__).parents[2]

LIBRARY = """
import audiolab as al
lib = al.Library("data/library")
"""


def _sounds(folder: Path) -> Path:
    """A folder as it lies on a desktop: kicks, a hostile name, no audio, a bad file, one of several pieces."""
    pack = folder / "Pack"
    (pack / "Kicks").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    sf.write(pack / "Kicks" / "one.wav", 0.3 * rng.standard_normal(8000), 44100)
    sf.write(pack / "Kicks" / HOSTILE, 0.3 * rng.standard_normal(8000), 44100)
    sf.write(pack / "long.wav", 0.3 * rng.standard_normal((44100 * 20, 2)), 44100)
    (pack / "readme.txt").write_text("no audio")
    (pack / "broken.wav").write_bytes(b"no audio either" * 50)
    return pack


def _drop(page, paths: list[Path], selector: str = ".al-uploader-zone") -> None:
    """Drop files and folders of the disk, as a hand does: synthetic events would carry no folders."""
    box = page.locator(selector).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})


def test_a_folder_is_dropped_into_a_library(lab, tmp_path):
    pack = _sounds(tmp_path)
    uploader = (
        "up = al.Uploader(lib, rule='{label}/{name}'); seen = []; up.observe(lambda c: seen.append(1), 'uploaded'); up"
    )
    page = lab.open([LIBRARY, uploader])
    _drop(page, [pack])
    page.wait_for_function(
        "() => document.querySelector('.al-uploader-counts').textContent.includes('3 added')", timeout=60_000
    )
    text = page.locator(".al-uploader").inner_text()
    assert set(page.locator(".al-uploader-counts").inner_text().split(", ")) == {"3 added", "1 left out", "1 failed"}
    assert HOSTILE in text
    assert "broken.wav" in text
    lab.python(page, "report = up.wait(30)")
    assert lab.json(page, "sorted(line.status for line in up.report.lines)") == [
        "added",
        "added",
        "added",
        "failed",
        "skipped",
    ]
    assert lab.json(page, "[[s.name, s.label] for s in lib.query('label:kick sort:name')]") == [
        [HOSTILE[:-4], "kick"],
        ["one", "kick"],
    ]
    sizes = lab.json(page, "sorted(s.path.stat().st_size for s in lib.query(''))")
    assert sizes == sorted(path.stat().st_size for path in pack.rglob("*.wav") if path.name != "broken.wav")
    assert lab.json(page, "[str(p) for p in lib.tmp_dir.iterdir()]") == []
    assert lab.json(page, "len(seen)") >= 1
    assert page.evaluate("() => globalThis.__hacked") == 0
    lab.shot(page, "uploader-light", ".al-uploader")
    lab.theme(page, dark=True)
    lab.shot(page, "uploader-dark", ".al-uploader")
    # the static view was renewed when the upload was over, and stays hidden behind the live one
    statics = page.locator("[data-audiolab-static]")
    assert statics.count() == 1
    assert "3 added" in statics.first.text_content()
    assert not statics.first.is_visible()
    path = lab.save(page)
    lab.shut_down_kernel(page)
    again = lab.visit(path.name)
    again.wait_for_selector("[data-audiolab-static] table")
    assert again.locator("[data-audiolab-static]").first.is_visible()
    assert "broken.wav" in again.locator("[data-audiolab-static]").first.inner_text()


def test_files_are_chosen_by_keyboard_and_known_again(lab, tmp_path):
    pack = _sounds(tmp_path)
    page = lab.open([LIBRARY, "up = al.Uploader(al.Library('data/other')); up"])
    page.on("filechooser", lambda _: None)  # the browser is told to hand choosers over, well before the first opens
    page.locator(".al-uploader-call").click()
    page.wait_for_function("() => document.activeElement.matches('.al-uploader')")
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("f")
    chosen.value.set_files(str(pack / "Kicks" / "one.wav"))
    page.wait_for_function("() => document.querySelector('.al-uploader-counts').textContent === '1 added'")
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Choose files").click()
    chosen.value.set_files([str(pack / "Kicks" / "one.wav"), str(pack / "long.wav")])
    page.wait_for_function(
        "() => document.querySelector('.al-uploader-counts').textContent === '2 added, 1 known already'", timeout=60_000
    )
    page.locator(".al-uploader select").select_option("song")
    page.wait_for_timeout(300)
    assert lab.json(page, "up.kind") == "song"
    lab.save(page)
    page.reload()
    page.wait_for_selector(".al-body[data-ready] .al-table tr td", timeout=120_000)
    assert "known already" in page.locator(".al-uploader").inner_text()


RUN = """
import sys; sys.path.insert(0, {runs!r})
import pretend_stages
from audiolab.stages import registry
registry._BUILT_IN = {{n: f"pretend_stages:{{s.__name__}}" for n, s in pretend_stages.STAGES.items()}}
from audiolab.audio import write_audio
from audiolab.synth import noise
songs = [lib.add(write_audio(f"{{name}}.wav", noise(0.5, 8000, seed=i)), kind="song") for i, name in enumerate(("a", "b", "c"))]
songs[1].rename("<img src=x onerror=globalThis.__hacked=1>")
from distributed import Client, LocalCluster
client = Client(LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"), set_as_default=False)
recipe = {{"name": "all", "steps": [{{"stage": n}} for n in ("measure", "halves", "cuts", "names", "summary", "absent")]}}
"""


def test_a_run_is_watched_cancelled_and_resumed(lab):
    setup = RUN.format(runs=str(ROOT / "tests" / "runs"))
    start = (
        "run = al.process(songs, recipe, params={'halves': {'slow': 4.0, 'fail_on': 'img src'}}, client=client); run"
    )
    page = lab.open(
        ["import audiolab as al; lib = al.Library('data/runs')", setup, start], wait=".al-run .al-body[data-ready]"
    )
    page.wait_for_function(
        "() => /running, [1-9]/.test(document.querySelector('.al-run-status').textContent)", timeout=60_000
    )
    lab.shot(page, "run-light", ".al-run")
    page.locator(".al-run .al-title").click()
    page.keyboard.press("c")
    page.wait_for_function("() => document.querySelector('.al-run-status').textContent === 'cancelled'", timeout=60_000)
    page.get_by_role("button", name="Resume the run").click()
    page.wait_for_function("() => document.querySelector('.al-run-status').textContent === 'failed'", timeout=90_000)
    text = page.locator(".al-run").inner_text()
    assert "is the song that this stage refuses" in text
    assert "its weights are not here: pull them" in text
    assert "<img src=x onerror=globalThis.__hacked=1>" in text
    page.get_by_text("all jobs (").click()
    page.wait_for_function("() => document.querySelectorAll('[aria-label=\"All jobs\"] tbody tr').length > 10")
    assert page.evaluate("() => globalThis.__hacked") == 0
    lab.theme(page, dark=True)
    lab.shot(page, "run-dark", ".al-run")
    path = lab.save(page)
    html = path.read_text()
    assert "this stage refuses" in html, "the static view was renewed at the end"
    lab.shut_down_kernel(page)
    again = lab.visit(path.name)
    again.wait_for_selector("[data-audiolab-static] table")
    assert again.locator("[data-audiolab-static]").first.is_visible()


@pytest.fixture(scope="module")
def voila(tmp_path_factory):
    """The app served by Voila, with a library and home of its own."""
    home = tmp_path_factory.mktemp("voila")
    port = free_port()
    environment = {
        **os.environ,
        "AUDIOLAB_HOME": str(home),
        "PYTHONPATH": str(ROOT / "src"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [sys.executable, "-m", "voila", str(ROOT / "notebooks" / "app.ipynb"), "--no-browser", f"--port={port}"]
    log = (home / "voila.log").open("wb")
    process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}/"
    for _ in range(150):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                break
        except OSError:
            time.sleep(0.3)
    yield url, home
    process.terminate()
    process.wait(20)
    log.close()


def test_the_whole_workbench_in_voila(voila, chromium, tmp_path):
    """Upload, process, watch, browse, export, download: without a line of code."""
    url, home = voila
    pack = _sounds(tmp_path)
    context = chromium.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
    page = context.new_page()
    page.goto(url, timeout=120_000)
    tab = lambda name: page.get_by_role("tab", name=name, exact=True).click()  # noqa: E731
    page.get_by_role("tab", name="Add sounds", exact=True).wait_for(timeout=120_000)
    assert page.locator(".jp-CodeCell .jp-InputArea:visible").count() == 0, "no code is to be seen"
    tab("Add sounds")
    page.wait_for_selector(".al-uploader .al-body[data-ready]", timeout=60_000)
    page.locator(".al-uploader select").select_option("song")
    _drop(page, [pack / "long.wav", pack / "Kicks" / "one.wav"])
    page.wait_for_function(
        "() => document.querySelector('.al-uploader-counts')?.textContent === '2 added'", timeout=60_000
    )
    tab("Process")
    page.get_by_label("recipe").select_option("quick")
    page.locator("button:visible", has_text="Start").click()
    page.wait_for_selector(".al-run .al-body[data-ready]", timeout=120_000)
    page.wait_for_function("() => document.querySelector('.al-run-status').textContent === 'done'", timeout=240_000)
    assert "classify" in page.locator(".al-run-stages").inner_text()
    _shot(page, "app-process")
    tab("Browse & tag")
    page.wait_for_selector(".al-browser .al-body[data-ready], .al-browser [role=row]", timeout=60_000)
    _shot(page, "app-browse")
    tab("Map")
    page.wait_for_selector(".al-map_player .al-body[data-ready]", timeout=120_000)
    page.locator(".al-map_player").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => /@|one/.test(document.querySelector('.al-map-now').textContent)")
    assert page.locator(".jupyter-widget-tab canvas:visible").count() >= 1
    _shot(page, "app-map")
    tab("Export")
    page.locator("button:visible", has_text="Make the zip").click()
    fetch = page.get_by_role("button", name="Download samples.zip")
    fetch.wait_for(timeout=60_000)
    _shot(page, "app-export")
    with page.expect_download(timeout=60_000) as saved:
        fetch.click()
    saved.value.save_as(tmp_path / "kit.zip")
    assert page.locator("a.al-download-link").inner_text() == "save samples.zip"
    names = zipfile.ZipFile(tmp_path / "kit.zip").namelist()
    assert "manifest.json" in names
    assert sum(name.endswith(".wav") for name in names) > 3
    assert (home / "data" / "library" / "library.db").is_file()
    tab("Library")
    assert "song" in page.locator(".jupyter-widget-tab").inner_text()
    _shot(page, "app-library")
    context.close()


def _shot(page, name: str) -> None:
    if shots := os.environ.get("AUDIOLAB_SHOTS"):
        page.screenshot(path=str(Path(shots) / f"{name}.png"))

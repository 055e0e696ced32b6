"""A real JupyterLab with a real kernel, in Debian's Chromium."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from free_ports import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SHOTS = os.environ.get("AUDIOLAB_SHOTS")
FLAGS = [
    "--autoplay-policy=no-user-gesture-required",
    "--no-sandbox",
    "--js-flags=--expose-gc",
    "--enable-precise-memory-info",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip where a browser is missing, or the page's code was not built; keep one server for each file."""
    from audiolab.widgets.bundle import load_bundle, why_missing

    why = None if CHROMIUM else "needs Debian's chromium"
    why = why or (None if load_bundle() else f"the views are not built: {why_missing()}")
    for item in items:
        if "tests/browser" in str(item.path).replace(os.sep, "/"):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group(Path(item.path).stem))
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Server:
    """A Jupyter server in a folder of its own."""

    def __init__(self, folder: Path, *, command: Sequence[str] = ("jupyterlab",)) -> None:
        self.folder, self.token = folder, secrets.token_hex(12)
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.port = free_port()
        settings = folder / "lab-settings"
        notes = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        notes.parent.mkdir(parents=True)
        notes.write_text('{"fetchNews": "false", "checkForUpdates": false}')
        options = [
            f"--ServerApp.root_dir={folder}",
            f"--IdentityProvider.token={self.token}",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.open_browser=False",
            "--ServerApp.allow_root=True",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.news_url=",
            f"--LabApp.user_settings_dir={settings}",
            f"--LabApp.workspaces_dir={folder / 'lab-workspaces'}",
        ]
        environment = {
            **os.environ,
            "AUDIOLAB_HOME": str(self.home),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONPATH": os.pathsep.join(
                p for p in (str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH")) if p
            ),
        }
        self.log = (folder / "server.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command, *options],
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self._wait()

    def _wait(self) -> None:
        for _ in range(300):
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/api?token={self.token}", timeout=2):
                    return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"the server did not start: {(self.folder / 'server.log').read_text()[-2000:]}")

    def close(self) -> None:
        """Stop it."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


class Lab:
    """JupyterLab in the browser; notebooks are written by the test and run there."""

    def __init__(self, server: Server, browser: Any) -> None:
        self.server, self.browser = server, browser
        self.folder, self.home = server.folder, server.home
        self.count = 0
        self.errors: list[str] = []
        self.pages: list[Any] = []

    def open(
        self,
        cells: Sequence[str],
        *,
        run: bool = True,
        wait: str | None = ".al-body[data-ready]",
        name: str | None = None,
    ) -> Any:
        """Write a notebook with these cells, open it, run all of it, wait for a first view; give the page."""
        self.count += 1
        path = name or f"test{self.count}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / path)
        page = self.visit(path)
        if run:
            self.run(page)
            if wait:
                page.wait_for_selector(wait, timeout=60_000)
        return page

    def visit(self, path: str) -> Any:
        """Open a notebook that is there, in a page of its own."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 1000})
        page = context.new_page()
        page.add_init_script("globalThis.__audiolab_taps = []; globalThis.__hacked = 0;")
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{self.server.url}/lab/tree/{path}?token={self.server.token}&reset")
        page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook", timeout=60_000)
        page.wait_for_function("() => !!window.jupyterapp")
        self.pages.append(page)
        return page

    def run(self, page: Any) -> None:
        """Run all cells and wait for their end."""
        page.wait_for_function(
            """() => { const s = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel; return s && s.connectionStatus === 'connected'; }""",
            timeout=60_000,
        )
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_function(
            """() => { const m = window.jupyterapp.shell.currentWidget.content.model.cells;
                for (let i = 0; i < m.length; i++) { const c = m.get(i); if (c.type === 'code' && c.sharedModel.getSource() && c.executionCount === null) return false; }
                return window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'; }""",
            timeout=120_000,
        )

    def python(self, page: Any, code: str) -> str:
        """Run code in the notebook's kernel and give what it prints; its error is raised."""
        found = page.evaluate(
            """async (code) => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const f = k.requestExecute({code, store_history: false}); let out = '', bad = '';
                f.onIOPub = m => { if (m.header.msg_type === 'stream') out += m.content.text;
                    if (m.header.msg_type === 'error') bad = m.content.ename + ': ' + m.content.evalue; };
                await f.done; return {out, bad}; }""",
            code,
        )
        if found["bad"]:
            raise RuntimeError(found["bad"])
        return str(found["out"]).strip()

    def json(self, page: Any, expression: str) -> Any:
        """Give the value of a Python expression in the kernel, by JSON."""
        return json.loads(self.python(page, f"import json; print(json.dumps({expression}))"))

    def save(self, page: Any) -> Path:
        """Save the notebook; give its file."""
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=20_000)
        return self.folder / page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path")

    def shut_down_kernel(self, page: Any) -> None:
        """End the notebook's kernel."""
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")

    def theme(self, page: Any, *, dark: bool) -> None:
        """Go over to JupyterLab's dark or light theme."""
        name = "JupyterLab Dark" if dark else "JupyterLab Light"
        page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name)
        page.wait_for_function("(light) => document.body.dataset.jpThemeLight === light", arg=str(not dark).lower())
        page.wait_for_timeout(800)  # style sheets and colours of waveforms follow

    def look_at(self, page: Any, cell: int) -> None:
        """Scroll to a cell; JupyterLab draws cells when they come into sight."""
        page.evaluate(
            "async (i) => { await window.jupyterapp.shell.currentWidget.content.scrollToItem(i, 'start'); }", cell
        )
        page.wait_for_timeout(250)

    def shot(self, page: Any, name: str, selector: str = ".al") -> None:
        """Take a picture of a view, if the variable AUDIOLAB_SHOTS names a folder."""
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            page.locator(selector).first.screenshot(path=str(Path(SHOTS) / f"{name}.png"))

    def tapped(self, page: Any) -> np.ndarray:
        """Give what was played since the page was opened (or since `clear_taps`); shape (2, frames), in order of playing."""
        found = page.evaluate(
            """() => { const t = globalThis.__audiolab_taps; const n = t.reduce((s, x) => s + x.left.length, 0);
                const l = new Float32Array(n), r = new Float32Array(n); let at = 0;
                for (const x of t) { l.set(x.left, at); r.set(x.right, at); at += x.left.length; }
                const b = a => { let s = ''; const u = new Uint8Array(a.buffer); for (let i = 0; i < u.length; i += 32768) s += String.fromCharCode(...u.subarray(i, i + 32768)); return btoa(s); };
                return [b(l), b(r)]; }"""
        )
        import base64

        return np.stack([np.frombuffer(base64.b64decode(side), np.float32) for side in found])

    def tapped_frames(self, page: Any) -> list[int]:
        """Give the position in the sound of each block that was played."""
        return list(page.evaluate("() => globalThis.__audiolab_taps.map(x => x.frame)"))

    def wait_played(self, page: Any, frames: int, *, timeout: float = 30_000) -> None:
        """Wait until so many frames were played since the page was opened (or since `clear_taps`)."""
        page.wait_for_function(
            "(n) => globalThis.__audiolab_taps.reduce((s, x) => s + x.left.length, 0) >= n", arg=frames, timeout=timeout
        )

    def pause(self, page: Any) -> None:
        """Pause by key, unless the end of the sound was reached meanwhile, and wait until it is quiet."""
        if page.locator(".al-play").first.get_attribute("aria-label") == "pause":
            page.keyboard.press("Space")
        page.wait_for_function("() => document.querySelector('.al-play').getAttribute('aria-label') === 'play'")

    def clear_taps(self, page: Any) -> None:
        """Forget what was played."""
        page.evaluate("() => { globalThis.__audiolab_taps.length = 0; }")


@pytest.fixture(scope="module")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Jupyter server for the tests of one file."""
    server = Server(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture
def lab(lab_server: Server, chromium: Any) -> Iterator[Lab]:
    """JupyterLab; pages are closed after the test, and no error may have happened in them."""
    lab = Lab(lab_server, chromium)
    lab.count = len(list(lab_server.folder.glob("*.ipynb")))
    yield lab
    hacked = [page.evaluate("() => globalThis.__hacked") for page in lab.pages if not page.is_closed()]
    for page in lab.pages:
        page.context.close()
    assert not any(hacked), "a name was run as code"
    assert not lab.errors, f"errors in the page: {lab.errors}"

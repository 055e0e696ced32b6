"""`Player` in a real JupyterLab."""

from __future__ import annotations

import itertools

import numpy as np
import soundfile as sf

HOSTILE = "<img src=x onerror=globalThis.__hacked=1>"

SETUP = """
import itertools

import numpy as np
import audiolab as al
from audiolab.widgets import Player
rate = 44100
rng = np.random.default_rng(7)
samples = (0.2 * rng.standard_normal((2, rate * 8))).astype(np.float32)
"""


def _noise() -> np.ndarray:
    return (0.2 * np.random.default_rng(7).standard_normal((2, 44100 * 8))).astype(np.float32)


def test_plays_exactly_what_the_sound_holds(lab):
    page = lab.open([SETUP, "player = Player((samples, rate)); player"])
    assert page.locator(".al-wave canvas").count() >= 1
    page.locator(".al-play").click()
    lab.wait_played(page, 44100)
    lab.pause(page)
    heard = lab.tapped(page)
    assert heard.shape[1] > 44100
    np.testing.assert_array_equal(heard, _noise()[:, : heard.shape[1]])
    assert lab.json(page, "player.position") > 1.0
    lab.shot(page, "player-light")
    lab.theme(page, dark=True)
    lab.shot(page, "player-dark")


def test_keys_work_in_the_widget_only(lab):
    page = lab.open([SETUP, "player = Player((samples, rate)); player"])
    page.locator(".al-title").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("l")
    page.wait_for_function("() => document.querySelector('.al-loop').getAttribute('aria-pressed') === 'true'")
    loop = lab.json(page, "player.loop")
    assert 4.9 < loop[0] < 5.1
    assert loop[1] == 8
    page.keyboard.press("?")
    assert "loop on or off" in page.locator(".al-keys").inner_text()
    page.keyboard.press("Escape")
    assert page.locator(".al-keys").count() == 0
    page.keyboard.press("Space")
    lab.wait_played(page, 44100 * 4)
    lab.pause(page)
    frames = lab.tapped_frames(page)
    assert max(frames) < 8 * 44100
    assert sum(b < a for a, b in itertools.pairwise(frames)) >= 1, "it has gone around the loop"
    heard = lab.tapped(page)
    start, stop = round(loop[0] * 44100), round(loop[1] * 44100)
    expected = np.concatenate([_noise()[:, start:stop]] * 3, axis=1)
    np.testing.assert_array_equal(heard[:, : stop - start + 1000], expected[:, : stop - start + 1000])
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    page.keyboard.press("d")
    page.keyboard.press("d")
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells, "JupyterLab's own keys are kept away"


def test_hostile_name_and_errors(lab):
    name = HOSTILE.replace("/", "")
    page = lab.open(
        [
            SETUP,
            f"import pathlib, soundfile as sf; p = pathlib.Path({name + '.wav'!r}); sf.write(p, samples.T[:rate], rate)\nplayer = Player(p); player",
        ]
    )
    assert name in page.locator(".al-title").inner_text()
    lab.python(page, "player._offered.clear()")
    page.locator(".al-play").click()
    page.wait_for_selector(".al-error:not([hidden])")
    assert "no sound" in page.locator(".al-error").inner_text()


def test_two_views_and_a_reload(lab):
    page = lab.open([SETUP, "player = Player((samples, rate)); player", "player"])
    page.wait_for_function("() => document.querySelectorAll('.al-body[data-ready]').length === 2")
    lab.python(page, "player.loop = (1.0, 2.0)")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.al-loop')].every(b => b.getAttribute('aria-pressed') === 'true')"
    )
    lab.save(page)
    page.reload()
    page.wait_for_selector(".al-body[data-ready]", timeout=60_000)
    page.wait_for_function("() => document.querySelector('.al-loop').getAttribute('aria-pressed') === 'true'")


def test_static_view_without_a_kernel_and_in_html(lab, tmp_path):
    page = lab.open([SETUP, "player = Player((samples, rate)); player"])
    statics = page.locator("[data-audiolab-static]")
    assert statics.count() == 1
    assert not statics.first.is_visible(), "the live view stands in its place"
    path = lab.save(page)
    assert path.stat().st_size < 300_000
    lab.shut_down_kernel(page)
    again = lab.visit(path.name)
    again.wait_for_selector("[data-audiolab-static] img")
    assert again.locator("[data-audiolab-static] img").first.is_visible()
    assert again.locator("[data-audiolab-static] audio").count() == 1
    assert not again.get_by_text("model not found").is_visible()
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter().from_filename(str(path))
    (tmp_path / "page.html").write_text(html)
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator("[data-audiolab-static] img").first.is_visible()
    assert (
        page.evaluate(
            "async () => { const a = document.querySelector('audio'); a.load(); await new Promise(r => a.onloadedmetadata = r); return a.duration; }"
        )
        > 7
    )


def test_hears_the_file_of_a_library(lab):
    path = lab.home / "tone.wav"
    sf.write(path, 0.5 * np.sin(np.arange(22050 * 3) / 22050 * 2 * np.pi * 440), 22050, subtype="PCM_16")
    truth = sf.read(path, dtype="float32")[0]
    page = lab.open(
        [
            "import audiolab as al; from audiolab.widgets import Player\nlib = al.Library('lib')",
            f"Player(lib.add({str(path)!r}, kind='sample'))",
        ]
    )
    page.locator(".al-play").click()
    page.wait_for_function(
        "() => globalThis.__audiolab_taps.reduce((s, x) => s + x.left.length, 0) >= 66150", timeout=20_000
    )
    heard = lab.tapped(page)
    np.testing.assert_array_equal(heard[0], truth)
    np.testing.assert_array_equal(heard[1], truth)

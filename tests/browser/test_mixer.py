"""`StemMixer` in a real JupyterLab."""

from __future__ import annotations

import itertools
import json

import numpy as np

from .songs import HOSTILE, LIBRARY, RATE, stem

DB = 10 ** (-6 / 20)


def pressed(page, selector: str) -> list[str]:
    return page.eval_on_selector_all(selector, "all => all.map(b => b.getAttribute('aria-pressed'))")


def test_hears_the_mix_to_the_sample(lab):
    page = lab.open([LIBRARY, "mixer = al.mix(song); mixer.set('drums', gain_db=-6.0, pan=-0.5); mixer"])
    page.locator(".al-title").click()
    page.keyboard.press("2")
    page.wait_for_function("() => document.querySelectorAll('.al-mute')[1].getAttribute('aria-pressed') === 'true'")
    page.keyboard.press("Space")
    lab.wait_played(page, RATE)
    lab.pause(page)
    heard = lab.tapped(page)
    truth = stem("drums") * np.array([[DB], [0.5 * DB]]) + stem("vocals")
    np.testing.assert_allclose(heard, truth[:, : heard.shape[1]], atol=2e-7)
    assert lab.json(page, "mixer.mix['bass']['muted']") is True
    lab.shot(page, "mixer-light")
    lab.theme(page, dark=True)
    lab.shot(page, "mixer-dark")


def test_the_original_at_once_and_keys(lab):
    page = lab.open([LIBRARY, "mixer = al.mix(song); mixer", "mixer"])
    page.wait_for_function("() => document.querySelectorAll('.al-body[data-ready]').length === 2")
    page.locator(".al-title").first.click()
    page.keyboard.press("Shift+Digit1")
    page.keyboard.press("Shift+Digit3")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Shift+ArrowUp")
    page.wait_for_function("() => document.querySelectorAll('.al-db')[4].textContent === '+2.0 dB'")  # the second view
    assert pressed(page, ".al-solo") == ["true", "false", "true"] * 2
    page.keyboard.press("Space")
    lab.wait_played(page, RATE)
    page.keyboard.press("a")
    page.wait_for_timeout(900)
    lab.pause(page)
    assert pressed(page, ".al-ab") == ["true", "true"]
    assert lab.json(page, "mixer.original") is True
    frames = lab.tapped_frames(page)
    assert all(b > a for a, b in itertools.pairwise(frames)), "it goes on where it was"
    heard = lab.tapped(page)
    soloed = stem("drums") + stem("vocals")
    song = soloed + stem("bass")
    np.testing.assert_allclose(heard[:, :RATE], soloed[:, :RATE], atol=2e-7)
    count = heard.shape[1]
    np.testing.assert_allclose(heard[:, -2000:], song[:, count - 2000 : count], atol=2e-7)
    page.keyboard.press("?")
    assert "mute the first stem" in page.locator(".al-keys").inner_text()


def test_bounce_goes_to_the_library(lab):
    page = lab.open(
        [LIBRARY, "mixer = al.mix(song, mix={'vocals': {'muted': True}, 'bass': {'gain_db': -6.0}}); mixer"]
    )
    page.locator(".al-bounce-name").fill(f"my {HOSTILE}")
    page.locator(".al-bounce").click()
    page.wait_for_function("() => document.querySelector('.al-bouncing .al-note').textContent.startsWith('added')")
    assert HOSTILE in page.locator(".al-bouncing .al-note").inner_text()
    lab.python(page, f"made = lib.sound('my {HOSTILE}'); np.save('made.npy', made.audio().samples)")
    truth = stem("drums") + DB * stem("bass")
    np.testing.assert_allclose(np.load(lab.folder / "made.npy"), truth, atol=2**-23)
    assert "bass -6.0 dB; without vocals" in lab.python(page, "print(made.explain())")
    lab.shot(page, "mixer-bounced")


def test_reload_hostile_names_and_static_view(lab):
    page = lab.open(
        [
            LIBRARY,
            f"lib.rename(song.id, {HOSTILE!r}); mixer = al.mix(song); mixer.set('bass', solo=True, pan=0.5); mixer",
        ]
    )
    assert page.locator(".al-title").inner_text() == HOSTILE
    path = lab.save(page)
    page.reload()
    page.wait_for_selector(".al-body[data-ready]", timeout=60_000)
    page.wait_for_function("() => document.querySelectorAll('.al-solo')[1].getAttribute('aria-pressed') === 'true'")
    assert page.locator(".al-pan").nth(1).inner_text() == "50 % right"
    assert path.stat().st_size < 300_000
    html = "".join(json.loads(path.read_text())["cells"][1]["outputs"][0]["data"]["text/html"])
    assert "<img src=x" not in html
    lab.shut_down_kernel(page)
    again = lab.visit(path.name)
    again.wait_for_selector("[data-audiolab-static] img")
    assert again.locator("[data-audiolab-static] img").count() == 4
    assert again.locator("[data-audiolab-static] audio").count() == 1

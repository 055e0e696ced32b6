"""The sample browser in JupyterLab: heard, searched and sorted out by keyboard, in a real page with a real kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audiolab as al
from audiolab.audio import Audio, write_audio
from audiolab.library import Library

pytestmark = pytest.mark.browser
HOSTILE = "zz <img src=x onerror=globalThis.__hacked=1>"
RATE = 44100


def sound(index: int) -> Audio:
    """Give a decaying tone or noise that no other index gives; stereo for every third."""
    rng = np.random.default_rng(index)
    rate = RATE if index % 5 else 48000
    time = np.arange(int((0.25 + 0.05 * (index % 7)) * rate)) / rate
    wave = 0.5 * np.sin(2 * np.pi * (60 + 35 * index) * time) + 0.2 * rng.standard_normal(len(time))
    wave *= np.exp(-(6 + index % 4) * time) * (0.2 + 0.6 * rng.random())
    right = np.roll(wave, 20) if index % 3 == 0 else wave
    channels = np.stack([wave, right]) if index % 3 == 0 else wave[None]
    return Audio(np.rint(channels * 32000).astype(np.float32) / 32768, rate)


@pytest.fixture(scope="module")
def folder(lab_server: Any) -> Path:
    files = lab_server.folder / "files"
    files.mkdir()
    for index in range(40):
        write_audio(files / f"sound {index:03}.wav", sound(index), subtype="PCM_16")
    write_audio(files / f"{HOSTILE}.wav", sound(99), subtype="PCM_16")
    path = lab_server.folder / "library"
    with Library(path) as lib:
        lib.add(files, "sample")
        for index in range(0, 40, 2):
            lib.tag(lib.sound(f"sound {index:03}").id, ("kick", "snare", "closed_hat", "bass", "vocal")[index % 5])
        lib.tag(lib.sound(HOSTILE).id, "<b>bold</b>", role="label")
    return path


def cells(folder: Path, call: str = "browser = al.browse(lib, sort='name')") -> list[str]:
    return [f"import audiolab as al\nlib = al.Library({str(folder)!r})\n{call}\nbrowser"]


def focus(page: Any) -> None:
    page.locator(".al-grid").first.evaluate("(grid) => grid.focus()")


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def active(page: Any) -> str:
    return str(page.locator(".al-grid .al-active .al-c-name").inner_text())


def wait_active(page: Any, name: str) -> None:
    page.wait_for_function(
        "(name) => document.querySelector('.al-grid .al-active .al-c-name')?.textContent === name", arg=name
    )


def played(lab: Any, page: Any, heard: Audio) -> None:
    """Wait until a sound was played whole, the last of all, and compare it sample by sample."""
    page.wait_for_function(
        """(n) => { const t = globalThis.__audiolab_taps, last = t[t.length - 1];
            return last && last.frame + last.left.length === n; }""",
        arg=heard.frames,
        timeout=30_000,
    )
    found = lab.tapped(page)[:, -heard.frames :]
    np.testing.assert_allclose(found, np.broadcast_to(heard.samples, (2, heard.frames)), atol=1e-6)


def python_until(lab: Any, page: Any, expression: str, wanted: Any) -> None:
    for _ in range(40):
        if (found := lab.json(page, expression)) == wanted:
            return
        page.wait_for_timeout(150)
    assert found == wanted


def test_arrows_move_and_play_exactly_the_sound(lab: Any, folder: Path) -> None:
    page = lab.open(cells(folder))
    page.wait_for_selector(".al-grid-row .al-chip")
    assert page.locator(".al-count").inner_text() == "41 sounds"
    grid = page.locator(".al-grid")
    assert grid.get_attribute("aria-rowcount") == "42"
    assert page.locator(".al-grid-body .al-grid-row").count() < 30, "only what is seen is in the document"
    focus(page)
    press(page, "ArrowDown")
    wait_active(page, "sound 000")
    played(lab, page, sound(0))
    press(page, "ArrowDown")
    wait_active(page, "sound 001")
    played(lab, page, sound(1))
    lab.clear_taps(page)
    press(page, "Enter")
    played(lab, page, sound(1))
    assert grid.get_attribute("aria-activedescendant") == page.locator(".al-active").get_attribute("id")
    assert page.locator(".al-active").get_attribute("aria-selected") == "true"
    press(page, "End")
    wait_active(page, HOSTILE)
    press(page, "PageUp", "Home")
    wait_active(page, "sound 000")
    lab.shot(page, "browser-light")
    lab.theme(page, dark=True)
    press(page, "ArrowDown")
    page.wait_for_timeout(300)
    lab.shot(page, "browser-dark")
    lab.theme(page, dark=False)
    press(page, "?")
    lab.shot(page, "browser-keys")


def test_a_sound_stops_when_the_next_one_starts_and_when_the_view_is_closed(lab: Any, folder: Path) -> None:
    page = lab.open(cells(folder))
    focus(page)
    press(page, "End")
    wait_active(page, HOSTILE)
    press(page, "ArrowUp", "ArrowUp", "ArrowUp")
    wait_active(page, "sound 037")
    played(lab, page, sound(37))
    frames = np.array(lab.tapped_frames(page))
    starts = np.flatnonzero(frames == 0)
    assert (np.diff(frames[starts[-1] :]) > 0).all(), "nothing else sounded after the last one began"
    press(page, "Enter")
    lab.python(page, "browser.close()")
    page.wait_for_selector(".al-grid", state="detached")
    lab.clear_taps(page)
    page.wait_for_timeout(400)
    assert lab.tapped_frames(page) == []


def test_keys_change_the_library_and_take_it_back(lab: Any, folder: Path) -> None:
    page = lab.open(cells(folder))
    one = "lib.sound('sound 003')"
    focus(page)
    press(page, "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown")
    wait_active(page, "sound 003")
    press(page, "f", "4", "x", "Alt+2")
    python_until(
        lab,
        page,
        f"[{one}.favourite, {one}.rating, {one}.label, [t.label for t in {one}.tags if t.role == 'tag']]",
        [True, 4, "snare", ["reject"]],
    )
    page.wait_for_selector(".al-active.al-rejected .al-chip:has-text('snare')")
    press(page, "t")
    page.keyboard.type("rim")
    press(page, "Enter")
    python_until(lab, page, f"{one}.label", "rim")
    press(page, "c")
    page.keyboard.type("kit")
    press(page, "Enter")
    python_until(lab, page, "[s.name for s in lib.collection('kit')]", ["sound 003"])
    press(page, "z", "z", "z")
    python_until(
        lab,
        page,
        f"[{one}.label, [t.label for t in {one}.tags if t.role == 'tag'], len(lib.collection('kit'))]",
        [None, ["reject"], 0],
    )
    press(page, "Shift+Z")
    python_until(lab, page, f"{one}.label", "snare")
    press(page, "z", "z", "z", "z")
    python_until(lab, page, f"[{one}.favourite, {one}.rating, {one}.label, len({one}.tags)]", [False, None, None, 0])
    page.locator(".al-active .al-c-rating .al-star").nth(4).click()
    python_until(lab, page, f"{one}.rating", 5)


def test_the_selection_is_python_s_and_python_s_is_the_page_s(lab: Any, folder: Path) -> None:
    page = lab.open(cells(folder))
    focus(page)
    press(page, "ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown")
    names = "[s.name for s in browser.selected]"
    python_until(lab, page, names, ["sound 000", "sound 001", "sound 002"])
    assert lab.json(page, "list(browser.to_frame()['name'])") == ["sound 000", "sound 001", "sound 002"]
    press(page, "Control+a")
    python_until(lab, page, "len(browser.selection)", 41)
    lab.python(page, "browser.selection = [lib.sound('sound 001').id]")
    page.wait_for_function("() => document.querySelectorAll('.al-grid-body [aria-selected=true]').length === 1")
    page.locator(".al-grid-row", has_text="sound 004").click(modifiers=["Control"])
    python_until(lab, page, names, ["sound 001", "sound 004"])
    page.locator(".al-grid-row", has_text="sound 006").click(modifiers=["Shift"])
    python_until(lab, page, names, ["sound 004", "sound 005", "sound 006"])


def test_searching_sorting_and_errors(lab: Any, folder: Path) -> None:
    page = lab.open(cells(folder))
    focus(page)
    press(page, "/")
    page.keyboard.press("Control+a")
    page.keyboard.type("label:kick", delay=5)
    page.wait_for_function("() => document.querySelector('.al-count').textContent === '4 sounds'")
    assert lab.json(page, "browser.query") == "label:kick"
    page.keyboard.type(" lable:x")
    page.wait_for_selector(".al-query-error:has-text('did you mean')")
    assert lab.json(page, "browser.count") == 4
    lab.python(page, "browser.query = 'kind:sample'")
    page.wait_for_function("() => document.querySelector('.al-count').textContent === '41 sounds'")
    page.locator(".al-sort", has_text="length").click()
    python_until(lab, page, "browser.sort", "duration")
    page.locator(".al-sort", has_text="length").click()
    python_until(lab, page, "browser.sort", "-duration")
    assert page.locator(".al-c-length[aria-sort=descending]").count() == 1
    first = page.locator(".al-grid-body [aria-rowindex='2'] .al-c-length").inner_text()
    assert first == "0.55 s"
    focus(page)
    press(page, "Home", "g")
    page.wait_for_selector(".al-active .al-proposed", timeout=60_000)
    press(page, "s")
    page.wait_for_selector(".al-error:not(.al-query-error):has-text('embed')")


def test_the_library_may_grow_meanwhile(lab: Any, folder: Path, tmp_path: Path) -> None:
    page = lab.open(cells(folder, "browser = al.browse(lib, 'name:late', sort='name')"))
    late = write_audio(tmp_path / "late.wav", sound(70), subtype="PCM_16")
    lab.python(page, f"added = lib.add({str(late)!r}, 'sample')")
    focus(page)
    press(page, "r")
    page.wait_for_function("() => document.querySelector('.al-count').textContent === '1 sound'")
    lab.python(page, "browser.label([added.id], 'tom')")
    page.wait_for_selector(".al-grid-body .al-chip:has-text('tom')")
    lab.python(page, "browser.undo(); lib.delete(added.id)")


def test_loudness_matched_previews_are_as_loud_as_they_say(lab: Any, folder: Path) -> None:
    page = lab.open(cells(folder, "browser = al.browse(lib, sort='name', matched=True)"))
    focus(page)
    press(page, "ArrowDown", "ArrowDown")
    wait_active(page, "sound 001")
    page.wait_for_function("() => document.querySelector('.al-now').textContent.startsWith('sound 001')")
    heard = sound(1)
    said = page.locator(".al-now").inner_text()
    gain = float(said.split(" · ")[2].split(" dB")[0])
    louder = Audio(heard.samples * np.float32(10 ** (gain / 20)), heard.sample_rate)
    assert gain != 0
    assert np.abs(louder.samples).max() <= 1.0
    played(lab, page, louder)
    press(page, "m")
    python_until(lab, page, "browser.matched", False)


def test_proposals_of_the_page_agree_with_python_s(lab: Any, folder: Path) -> None:
    page = lab.open(cells(folder, "browser = al.browse(lib, '^has:label', sort='name', tagger='browser')"))
    page.wait_for_selector(".al-proposed", timeout=60_000)
    page.wait_for_function(
        "() => /proposals computed/.test(document.querySelector('.al-now').textContent)", timeout=60_000
    )
    told = page.evaluate(
        """() => [...document.querySelectorAll('.al-grid-body .al-grid-row')].filter(r => r.querySelector('.al-proposed')).map(r => [
            r.querySelector('.al-c-name').textContent, r.querySelector('.al-proposed').dataset.top])"""
    )
    assert len(told) >= 10
    with Library(folder) as lib:
        for name, shares in told:
            [found] = al.stages.classify(lib.sound(name).source())
            top = json.loads(shares)
            assert [label for label, _ in top] == [label for label, _ in found.top]
            np.testing.assert_allclose([share for _, share in top], [share for _, share in found.top], atol=1e-4)
        assert all(s.label is None for s in lib.query("^has:label")), "proposals are not stored"
    focus(page)
    press(page, "ArrowDown")
    page.wait_for_selector(".al-active .al-proposed")
    lab.shot(page, "browser-proposals")
    press(page, "y")
    page.wait_for_selector(".al-active .al-chip:not(.al-proposed)")
    name = active(page)
    python_until(lab, page, f"lib.sound({name!r}).label is not None", True)
    press(page, "z")
    python_until(lab, page, f"lib.sound({name!r}).label", None)


def test_it_survives_a_reload_and_two_views_stay_in_step(lab: Any, folder: Path) -> None:
    page = lab.open([*cells(folder), "browser"])
    page.wait_for_function("() => document.querySelectorAll('.al-grid').length === 2")
    focus(page)
    press(page, "ArrowDown")
    wait_active(page, "sound 000")
    press(page, "f")
    page.wait_for_function("() => document.querySelectorAll('.al-c-favourite .al-star.al-on').length === 2")
    assert page.locator(".al-grid-body [aria-selected=true]").count() == 2
    lab.save(page)
    page.reload()
    page.wait_for_selector(".al-grid .al-star.al-on", timeout=60_000)
    focus(page)
    press(page, "z")
    python_until(lab, page, "lib.sound('sound 000').favourite", False)


def test_the_static_view_stands_in_saved_notebooks(lab: Any, folder: Path) -> None:
    page = lab.open(cells(folder))
    path = lab.save(page)
    text = path.read_text()
    notebook = json.loads(text)
    html = "".join(
        "".join(out["data"].get("text/html", ""))
        for cell in notebook["cells"]
        for out in cell.get("outputs", ())
        if "data" in out
    )
    assert "41 sounds" in html
    assert html.count("data:image/png") >= 30
    assert "data:audio/mpeg" in html
    assert "onerror=globalThis" not in html.replace("&lt;img src=x onerror=globalThis", "")
    assert len(html) < 300_000

"""`Annotator` in a real JupyterLab: keys, drags, the library behind it, reloads, static views, hostile names."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

RATE = 44100
HOSTILE = "<img src=x onerror=globalThis.__hacked=1>"
SETUP = """
from datetime import UTC, datetime
import audiolab as al
from audiolab.library import Record
from audiolab.library.ids import hash_text, view_id
lib = al.Library({folder!r})
song = lib.add({path!r}, kind="song")
spans = [(44100, 66150), (88200, 110250), (132300, 154350)]
key = hash_text("slice", song.id)
def left(record):
    record.write(lib.record_path(record.key)); lib.fold(record)
cuts = [dict(id=view_id(song.id, a, b), start=a, stop=b, facts={{}}) for a, b in spans]
left(Record(key=key, stage="slice", version=1, sound_id=song.id, cuts=cuts, made_at=datetime.now(UTC)))
samples = lib.samples_of(song.id)
told = [("kick", 0.9), ("snare", 0.55), ("unknown", 0.2)]
tags = [dict(sound_id=s.id, label=l, confidence=c, top=[[l, c], ["tom", c / 2]]) for s, (l, c) in zip(samples, told)]
left(Record(key=hash_text("c", key), stage="classify", version=1, engine="head", sound_id=song.id, set_id=samples.id, tags=tags, made_at=datetime.now(UTC)))
def now():
    return [[s.start, s.stop, s.label, s.label_source] for s in song.samples]
"""


def _wave(lab, name: str) -> tuple[np.ndarray, str]:
    """Noise bursts at 1, 2 and 3 s, silence between."""
    rng = np.random.default_rng(3)
    samples = np.zeros(RATE * 8, np.float32)
    for second in (1, 2, 3):
        burst = 0.5 * rng.standard_normal(RATE // 2) * np.exp(-np.arange(RATE // 2) / 4000)
        samples[second * RATE : second * RATE + RATE // 2] = np.clip(burst, -1, 1)
    path = lab.home / f"{name}.wav"
    sf.write(path, samples, RATE, subtype="FLOAT")
    return samples, str(path)


@pytest.fixture
def opened(lab, request):
    """A page with an annotator of its own library; gives page and what the sound holds."""
    name = request.node.name.replace("[", "-").strip("]")
    samples, path = _wave(lab, name)
    setup = SETUP.format(folder=str(lab.home / f"lib-{name}"), path=path)
    page = lab.open([setup, "lib.query('kind:sample')[0:0]; w = al.annotate(song); w"])
    return page, samples


def _now(lab, page):
    return lab.json(page, "now()")


def _wait(lab, page, expression: str) -> None:
    for _ in range(40):
        if lab.python(page, f"print(bool({expression}))") == "True":
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"never came true: {expression}; now {lab.python(page, 'print(now(), w.error)')}")


def _x(page, seconds: float) -> tuple[float, float]:
    """Give the place of a time on the waveform that shows all 8 s."""
    box = page.locator(".al-annotator-wave .al-wave").bounding_box()
    return box["x"] + box["width"] * seconds / 8, box["y"] + 80


def test_a_song_by_keys_alone(lab, opened):
    page, samples = opened
    page.locator(".al").focus()
    page.keyboard.press("n")  # the one that the model is least sure of, and it sounds
    page.wait_for_selector('.al-region-row[aria-selected="true"]:has-text("unknown")')
    lab.wait_played(page, 22050)
    page.wait_for_function("() => document.querySelector('.al-play').textContent === '▶'")
    heard = lab.tapped(page)[0]
    np.testing.assert_array_equal(heard[:22050], samples[132300:154350])
    page.keyboard.press("1")
    first = lab.json(page, "w.labels[0]")
    _wait(lab, page, f"now()[2][2:] == [{first!r}, 'human']")
    page.keyboard.press("ArrowUp")
    page.wait_for_selector('.al-region-row[aria-selected="true"]:has-text("snare")')
    page.keyboard.press("Enter")
    _wait(lab, page, "now()[1][2:] == ['snare', 'human']")
    for _ in range(3):
        page.keyboard.press("Alt+ArrowRight")
    page.keyboard.press("Alt+Shift+ArrowLeft")
    _wait(lab, page, "now()[1][0] == 88200 + 3 * 44 - 441")
    assert lab.json(page, "len(lib.history(limit=1)[0].targets)") >= 1
    page.keyboard.press("z")
    _wait(lab, page, "now()[1] == [88200, 110250, 'snare', 'human']")
    page.keyboard.press("Shift+z")
    _wait(lab, page, "now()[1][0] == 88200 + 3 * 44 - 441")
    page.keyboard.press("z")
    page.keyboard.press("Delete")
    _wait(lab, page, "len(now()) == 2")
    page.keyboard.press("?")
    assert "accept what the model proposes" in page.locator(".al-keys").inner_text()
    lab.shot(page, "annotator-keys")
    page.keyboard.press("Escape")


def test_drag_split_label_and_themes(lab, opened):
    page, _ = opened
    page.locator(".al-auto").click()
    x, y = _x(page, 5.0)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(_x(page, 5.4)[0], y, steps=4)
    page.mouse.move(_x(page, 6.0)[0], y, steps=4)
    page.mouse.up()
    _wait(lab, page, "len(now()) == 4 and abs(now()[3][0] / 44100 - 5) < 0.02 and abs(now()[3][1] / 44100 - 6) < 0.02")
    page.wait_for_selector(".al-region.al-chosen")
    edge = page.locator(".al-region.al-chosen .al-edge.al-stop").bounding_box()
    page.mouse.move(edge["x"] + 4, edge["y"] + 30)
    page.mouse.down()
    page.mouse.move(_x(page, 7.0)[0], edge["y"] + 30, steps=6)
    page.mouse.up()
    _wait(lab, page, "abs(now()[3][1] / 44100 - 7) < 0.02")
    page.mouse.click(*_x(page, 6.0))  # the cursor
    page.keyboard.press("s")
    _wait(lab, page, "len(now()) == 5 and abs(now()[4][0] / 44100 - 6) < 0.02")
    page.locator(".al-other").fill("my label")
    page.locator(".al-other").press("Enter")
    _wait(lab, page, "now()[4][2:] == ['my label', 'human']")
    page.mouse.click(*_x(page, 1.2))
    page.wait_for_selector('.al-region-row[aria-selected="true"]:has-text("kick")')
    page.locator('.al-digit[data-label="snare"]').click()
    _wait(lab, page, "now()[0][2:] == ['snare', 'human']")
    page.keyboard.press("x")
    page.wait_for_selector(".al-region.al-rejected")
    page.wait_for_timeout(300)
    lab.shot(page, "annotator-light")
    lab.theme(page, dark=True)
    lab.shot(page, "annotator-dark")


def test_undo_after_a_restart_of_the_kernel(lab, opened):
    page, _ = opened
    page.locator('.al-region-row:has-text("snare")').click()
    page.keyboard.press("2")
    second = lab.json(page, "w.labels[1]")
    _wait(lab, page, f"now()[1][2] == {second!r}")
    page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }"
    )
    page.wait_for_timeout(1500)
    page.reload()
    page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook", timeout=60_000)
    lab.run(page)
    page.wait_for_selector(".al-body[data-ready]", timeout=60_000)
    assert _now(lab, page)[1][2] == second
    page.locator(".al").first.focus()
    page.keyboard.press("z")
    _wait(lab, page, "now()[1][2:] == ['snare', 'model']")


def test_snap_loop_onsets_and_two_views(lab, opened):
    page, samples = opened
    page.locator(".al-zero").click()
    assert lab.json(page, "w.snap_zero")
    page.locator(".al-auto").click()
    page.locator(".al-mode").click()
    page.mouse.click(*_x(page, 1.1))
    page.keyboard.press("a")
    _wait(lab, page, "len(lib.marked_onsets(song) or ()) == 4")
    marked = [t for t in lab.json(page, "lib.marked_onsets(song)") if abs(t - 1.1) < 0.03]
    frame = round(marked[0] * RATE)
    assert samples[frame - 1] * samples[frame] <= 0 or samples[frame] * samples[frame + 1] <= 0
    page.keyboard.press("Delete")
    _wait(lab, page, "len(lib.marked_onsets(song)) == 3")
    page.keyboard.press("m")
    page.locator('.al-region-row:has-text("kick")').click()
    page.keyboard.press("l")
    page.keyboard.press("Space")
    lab.clear_taps(page)
    lab.wait_played(page, 44100)
    page.keyboard.press("Space")
    heard = lab.tapped(page)[0]
    frames = lab.tapped_frames(page)
    assert min(frames) >= 44100 - 128
    assert max(frames) <= 66150
    assert np.abs(heard).max() > 0.1
    lab.python(page, "w.selected = song.samples[2].id")
    page.wait_for_selector('.al-region-row[aria-selected="true"]:has-text("unknown")')


def test_hostile_names_and_errors(lab, request):
    _, path = _wave(lab, "hostile")
    setup = SETUP.format(folder=str(lab.home / "lib-hostile"), path=path)
    more = f"song.rename({HOSTILE!r}); song.samples[0].rename({HOSTILE!r}); _ = song.samples[0].tag({HOSTILE!r}, role='label')"
    page = lab.open([setup, more, "w = al.annotate(song); w"], wait=".al-annotator .al-body[data-ready]")
    assert HOSTILE in page.locator(".al-annotator .al-title").inner_text()
    page.locator(".al-region-row").first.click()
    assert HOSTILE in page.locator(".al-annotator-said").inner_text()
    page.locator(".al-grid").select_option("beat")
    page.wait_for_timeout(200)
    page.keyboard.press("i")
    page.mouse.click(*_x(page, 5.0))
    page.locator(".al-annotator").focus()
    page.keyboard.press("o")
    page.wait_for_selector(".al-error:not([hidden])")
    assert "are not known" in page.locator(".al-error").inner_text()
    lab.shot(page, "annotator-hostile", ".al-annotator")


def test_static_view(lab, opened):
    page, _ = opened
    assert not page.locator("[data-audiolab-static]").first.is_visible()
    path = lab.save(page)
    assert path.stat().st_size < 300_000
    lab.shut_down_kernel(page)
    again = lab.visit(path.name)
    again.wait_for_selector("[data-audiolab-static] img")
    assert again.locator("[data-audiolab-static] img").first.is_visible()
    assert "3 regions" in again.locator("[data-audiolab-static]").inner_text()
    lab.shot(again, "annotator-static", "[data-audiolab-static]")
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter().from_filename(str(path))
    assert "data-audiolab-static" in html
    assert "1.000 to 1.500 s" in html

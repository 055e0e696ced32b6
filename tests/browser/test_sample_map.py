"""`SampleMap` in a real JupyterLab: points, arrow keys, hover, lasso, collecting, static views, hostile names."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

RATE = 44100
HOSTILE = "<img src=x onerror=globalThis.__hacked=1>"
SETUP = """
from datetime import UTC, datetime
import numpy as np
import audiolab as al
from audiolab.library import Record
from audiolab.library.ids import hash_text, view_id
from audiolab.stages.classification.encoder import get_encoder
lib = al.Library({folder!r})
song = lib.add({path!r}, kind="song")
count = 42
def left(record):
    record.write(lib.record_path(record.key)); lib.fold(record)
key = hash_text("slice", song.id)
cuts = [dict(id=view_id(song.id, i * 4410, i * 4410 + 4410), start=i * 4410, stop=i * 4410 + 4410, facts={{}}) for i in range(count)]
now = datetime.now(UTC)
left(Record(key=key, stage="slice", version=1, sound_id=song.id, cuts=cuts, made_at=now))
samples = lib.samples_of(song.id)
rng = np.random.default_rng(5)
values = rng.standard_normal((count, 128)) * 0.1 + np.eye(128)[np.arange(count) % 3 * 7] * 2
np.save(lib.tmp_dir / "v.npy", (values / np.linalg.norm(values, axis=1, keepdims=True)).astype("<f4"))
vectors = dict(encoder=get_encoder().sha256, media=lib.media.put(lib.tmp_dir / "v.npy", ".npy"), sound_ids=samples.ids)
left(Record(key=hash_text("e", key), stage="embed", version=1, sound_id=song.id, set_id=samples.id, vectors=vectors, made_at=now))
words = ["kick", "snare", {hostile!r}]
tags = [dict(sound_id=s.id, label=words[i % 3], confidence=0.3 + i / 100, top=[]) for i, s in enumerate(samples)]
left(Record(key=hash_text("c", key), stage="classify", version=1, sound_id=song.id, set_id=samples.id, tags=tags, made_at=now))
"""


@pytest.fixture
def opened(lab, request):
    """A page with a map of its own library; gives page and what the song holds."""
    name = request.node.name
    samples = (0.3 * np.random.default_rng(8).standard_normal(RATE * 5)).astype(np.float32)
    path = lab.home / f"{name}.wav"
    sf.write(path, samples, RATE, subtype="FLOAT")
    setup = SETUP.format(folder=str(lab.home / f"lib-{name}"), path=str(path), hostile=HOSTILE)
    page = lab.open([setup, "m = al.sound_map(lib); m"], wait=".al-map_player .al-body[data-ready]")
    return page, samples


def _wait(lab, page, expression: str) -> None:
    for _ in range(40):
        if lab.python(page, f"print(bool({expression}))") == "True":
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"never came true: {expression}; now {lab.python(page, 'print(m.selection, m.player.error)')}")


def test_keys_play_choose_and_collect(lab, opened):
    page, samples = opened
    lab.shot(page, "map-first", ".jp-OutputArea-output:has(.al-map_player)")
    page.locator(".al-map_player").focus()
    page.keyboard.press("ArrowRight")
    _wait(lab, page, "m.current")
    lab.wait_played(page, 4410)
    heard = lab.tapped(page)[0][:4410]
    start = lab.json(page, "lib.sound(m.current).start")
    np.testing.assert_array_equal(heard, samples[start : start + 4410])
    first = lab.json(page, "m.current")
    page.keyboard.press("ArrowLeft")
    _wait(lab, page, f"m.current != {first!r}")
    assert lab.json(page, f"bool(m.places[m.ids.index(m.current)][0] < m.places[m.ids.index({first!r})][0])")
    assert lab.json(page, "m.scatter.widget.hovering == m.ids.index(m.current)")
    page.keyboard.press("Enter")
    _wait(lab, page, "m.selection == [m.current]")
    page.locator(".al-map-group").first.click()
    _wait(lab, page, "len(m.selection) == 14")
    page.locator(".al-map-name").fill("my kit")
    page.locator(".al-map-name").press("Enter")
    _wait(lab, page, "'my kit' in lib.collections and len(lib.collection('my kit')) == 14")
    page.wait_for_function("() => document.querySelector('.al-map-count').textContent.includes('my kit')")
    assert page.locator(".al-map-row").count() == 14
    lab.shot(page, "map-light", ".jp-OutputArea-output:has(.al-map_player)")
    lab.theme(page, dark=True)
    page.wait_for_timeout(500)
    lab.shot(page, "map-dark", ".jp-OutputArea-output:has(.al-map_player)")


def test_pointer_and_lasso(lab, opened):
    page, _ = opened
    canvas = page.locator(".jp-OutputArea-output canvas").first
    page.locator(".al-map_player").evaluate("e => e.scrollIntoView({block: 'end'})")
    page.wait_for_timeout(300)
    box = canvas.bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 1000, "all of it is seen"
    lab.python(page, "m.scatter.widget.mouse_mode = 'lasso'")
    page.wait_for_timeout(400)
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.mouse.down()
    corners = [(1, 0), (1, 1), (0, 1), (0, 0)]
    at = (0.0, 0.0)
    for right, down in corners:
        for step in range(1, 9):  # as slowly as a hand: the plot takes a point every 10 ms
            x, y = at[0] + (right - at[0]) * step / 8, at[1] + (down - at[1]) * step / 8
            page.mouse.move(box["x"] + 8 + x * (box["width"] - 16), box["y"] + 8 + y * (box["height"] - 16))
            page.wait_for_timeout(20)
        at = (right, down)
    lab.shot(page, "map-lasso", ".jp-OutputArea-output:has(.al-map_player)")
    page.mouse.up()
    _wait(lab, page, "len(m.selection) == 42")
    page.wait_for_function("() => document.querySelectorAll('.al-map-row').length === 42")
    lab.python(page, "m.selection = m.ids[:3]")
    page.wait_for_function("() => document.querySelectorAll('.al-map-row').length === 3")
    assert lab.json(page, "m.scatter.widget.selection.tolist()") == [0, 1, 2]
    lab.python(page, "m.scatter.widget.mouse_mode = 'panZoom'")
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    found = False
    for row in range(5, 95, 3):
        for column in range(5, 95, 3):
            page.mouse.move(box["x"] + box["width"] * column / 100, box["y"] + box["height"] * row / 100)
            page.wait_for_timeout(8)
        if lab.json(page, "m.current"):
            found = True
            break
    assert found, "the pointer over a point plays it"
    lab.wait_played(page, 2000)
    page.locator(".al-map-colors").select_option("confidence")
    _wait(lab, page, "m.color_by == 'confidence'")
    page.wait_for_selector(".al-map-scale")


def test_hostile_labels_reload_and_static_view(lab, opened):
    page, _ = opened
    assert HOSTILE in page.locator(".al-map-legend").inner_text()
    assert not page.locator("[data-audiolab-static]").first.is_visible()
    path = lab.save(page)
    assert path.stat().st_size < 300_000
    page.reload()
    page.wait_for_selector(".al-map_player .al-body[data-ready]", timeout=150_000)
    lab.shut_down_kernel(page)
    again = lab.visit(path.name)
    again.wait_for_selector("[data-audiolab-static] img")
    assert again.locator("[data-audiolab-static] img").first.is_visible()
    assert HOSTILE in again.locator("[data-audiolab-static]").inner_text()
    lab.shot(again, "map-static", "[data-audiolab-static]")

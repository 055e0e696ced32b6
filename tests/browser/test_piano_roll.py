"""`PianoRoll` in a real JupyterLab."""

from __future__ import annotations

import numpy as np

from audiolab.synth import NoteSource

from .songs import HOSTILE, LIBRARY, RATE, SECONDS, stem

BASS = [
    {"start": 0.0, "end": 0.5, "pitch": 40, "velocity": 100},
    {"start": 1.0, "end": 1.5, "pitch": 47, "velocity": 60},
    {"start": 2.0, "end": 2.9, "pitch": 43, "velocity": 127},
]
DRUMS = [{"start": beat / 2, "end": beat / 2 + 0.1, "pitch": 36 + 6 * (beat % 2), "velocity": 110} for beat in range(8)]
NOTES = f"""
found(song.stems['bass'], 'midi', {{'notes': {BASS!r}, 'drums': False}})
found(song.stems['drums'], 'midi', {{'notes': {DRUMS!r}, 'drums': True}})
from audiolab.widgets import PianoRoll
"""


def voice(notes, drums: bool) -> np.ndarray:
    source = NoteSource(notes, frames=RATE * SECONDS, sample_rate=RATE, drums=drums)
    return np.concatenate(list(source.blocks()), axis=1)


def listen(lab, page, frames: int) -> np.ndarray:
    lab.clear_taps(page)
    page.keyboard.press("Space")
    lab.wait_played(page, frames)
    lab.pause(page)
    return lab.tapped(page)


def test_hears_audio_notes_and_both_in_sync(lab):
    page = lab.open([LIBRARY + NOTES, "roll = PianoRoll(song, hear='both', stems=['bass']); roll"])
    page.locator(".al-title").click()
    heard = listen(lab, page, RATE)
    count = heard.shape[1]
    truth = stem("bass") + voice(BASS, drums=False)
    np.testing.assert_allclose(heard, truth[:, :count], atol=1e-6)
    page.keyboard.press("a")  # the audio alone
    page.wait_for_function("() => document.querySelectorAll('.al-hear')[0].getAttribute('aria-pressed') === 'true'")
    page.keyboard.press("Home")
    heard = listen(lab, page, RATE // 2)
    np.testing.assert_allclose(heard, stem("bass")[:, : heard.shape[1]], atol=1e-6)
    lab.python(page, "roll.hear = 'notes'; roll.stems = ['drums']")
    page.wait_for_function("() => document.querySelectorAll('.al-hear')[1].getAttribute('aria-pressed') === 'true'")
    page.wait_for_selector('.al-roll-stem.al-roll-off:has-text("bass")')
    page.keyboard.press("Home")
    heard = listen(lab, page, RATE // 2)
    np.testing.assert_allclose(heard[0], voice(DRUMS, drums=True)[0, : heard.shape[1]], atol=1e-6)
    lab.shot(page, "piano-roll-drums")
    lab.python(page, "roll.stems = ['bass', 'drums']")
    page.wait_for_timeout(300)
    lab.shot(page, "piano-roll-light")
    lab.theme(page, dark=True)
    lab.shot(page, "piano-roll-dark")


def test_notes_are_taken_away_and_come_back(lab):
    page = lab.open([LIBRARY + NOTES, "roll = PianoRoll(song); roll", "PianoRoll(song.stems['bass'])"])
    page.wait_for_function("() => document.querySelectorAll('.al-body[data-ready]').length === 2")
    page.locator(".al-roll").nth(1).scroll_into_view_if_needed()
    box = page.locator(".al-roll").nth(1).bounding_box()
    y = box["y"] + (50 - 40 + 0.5) * box["height"] / 14  # pitches 37 to 50 are shown
    page.mouse.move(box["x"] + box["width"] * 0.04, y)
    page.wait_for_selector(".al-tip:not([hidden])")
    assert "E2 (40), velocity 100" in page.locator(".al-tip:not([hidden])").inner_text()
    page.locator(".al-roll-stem").nth(0).click()  # drums off
    page.locator(".al-title").first.click()
    page.keyboard.press("n")
    page.keyboard.press("n")
    said = page.locator(".al-roll-said").first
    assert said.inner_text() == "B2 (47), velocity 60, 1.00 to 1.50 s, bass"
    page.keyboard.press("Delete")
    page.wait_for_function("() => document.querySelector('.al-roll-said').textContent.startsWith('taken away')")
    assert lab.json(page, "[note['pitch'] for note in song.stems['bass'].notes]") == [40, 43]
    lab.shot(page, "piano-roll-removed")
    page.keyboard.press("z")
    page.wait_for_function("() => document.querySelector('.al-undo').disabled")
    assert lab.json(page, "len(song.stems['bass'].notes)") == 3
    page.keyboard.press("Shift+Z")
    page.wait_for_function("() => !document.querySelector('.al-undo').disabled")
    lab.save(page)
    page.reload()
    page.wait_for_function("() => document.querySelectorAll('.al-body[data-ready]').length === 2", timeout=60_000)
    assert not page.locator(".al-undo").first.is_disabled(), "it can be taken back after a reload"
    page.locator(".al-title").first.click()
    page.keyboard.press("z")
    page.wait_for_function("() => document.querySelector('.al-undo').disabled")
    assert lab.json(page, "len(song.stems['bass'].notes)") == 3


def test_hostile_name_and_static_view(lab):
    page = lab.open([LIBRARY + NOTES, f"lib.rename(song.id, {HOSTILE!r}); PianoRoll(song)"])
    assert page.locator(".al-title").inner_text() == HOSTILE
    path = lab.save(page)
    assert path.stat().st_size < 300_000
    lab.shut_down_kernel(page)
    again = lab.visit(path.name)
    again.wait_for_selector("[data-audiolab-static] img")
    assert again.locator("[data-audiolab-static] img").count() == 2
    if lab.pages:
        lab.shot(again, "piano-roll-static", "[data-audiolab-static]")

"""`LyricsView` in a real JupyterLab."""

from __future__ import annotations

import numpy as np

from .songs import HOSTILE, LIBRARY, RATE, stem


def word(start: float, end: float, text: str, probability: float = 0.9) -> dict:
    return {"start": start, "end": end, "word": text, "probability": probability}


LINES = [
    {
        "start": 0.5, "end": 1.5, "text": "Hold me now", "flags": [],
        "words": [word(0.5, 0.8, "Hold"), word(0.9, 1.1, "me", 0.3), word(1.2, 1.5, "now")],
    },
    {
        "start": 2.0, "end": 3.0, "text": "Thanks for watching", "flags": ["stock-phrase", "no-speech"],
        "words": [word(2.0, 2.3, "Thanks"), word(2.3, 2.5, "for"), word(2.5, 3.0, "watching")],
    },
    *(
        {"start": 3 + i / 4, "end": 3.2 + i / 4, "text": f"line {i}", "flags": [], "words": [word(3 + i / 4, 3.2 + i / 4, f"line{i}")]}
        for i in range(12)
    ),
]  # fmt: skip
WORDS = f"""
found(song.stems['vocals'], 'lyrics', {{'language': 'en', 'segments': {LINES!r}}})
from audiolab.widgets import LyricsView
"""


def text(lab, page) -> str:
    return lab.json(page, "song.lyrics['segments'][0]['text']")


def test_words_follow_the_music_and_clicks_jump(lab):
    page = lab.open([LIBRARY + WORDS, "view = LyricsView(song); view"])
    assert "a phrase that recognisers learnt" in page.locator(".al-flags").first.inner_text()
    assert page.locator(".al-doubtful").all_inner_texts() == ["me"]
    page.locator(".al-word", has_text="watching").click()
    assert lab.json(page, "view.selection") == [[1, 2]]
    lab.shot(page, "lyrics-light")
    page.keyboard.press("Space")
    lab.wait_played(page, RATE // 4)
    assert page.locator(".al-sung").inner_text() == "watching"
    assert abs(lab.tapped_frames(page)[0] - 2.5 * RATE) < 2
    page.wait_for_function("() => document.querySelector('.al-sung')?.textContent === 'line8'")
    assert page.evaluate("() => document.querySelector('.al-sheet').scrollTop") > 0, "it has scrolled"
    lab.pause(page)
    heard = lab.tapped(page)
    start = round(2.5 * RATE)
    song = stem("drums") + stem("bass") + stem("vocals")
    np.testing.assert_allclose(heard, song[:, start : start + heard.shape[1]], atol=2e-7)
    page.keyboard.press("a")
    page.keyboard.press("Home")
    lab.clear_taps(page)
    page.keyboard.press("Space")
    lab.wait_played(page, RATE // 4)
    lab.pause(page)
    heard = lab.tapped(page)
    np.testing.assert_allclose(heard[:, : RATE // 4], stem("vocals")[:, : RATE // 4], atol=2e-7)
    lab.theme(page, dark=True)
    lab.shot(page, "lyrics-dark")


def test_corrections_go_to_the_library(lab):
    page = lab.open([LIBRARY + WORDS, "view = LyricsView(song); view", "view"])
    page.wait_for_function("() => document.querySelectorAll('.al-body[data-ready]').length === 2")
    page.locator(".al-word", has_text="me").first.click()
    page.keyboard.press("e")
    page.locator(".al-word-text").fill(f"us {HOSTILE}")
    page.locator(".al-word-time").nth(1).fill("1.15")
    lab.shot(page, "lyrics-editing")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.al-edited').length === 2")  # both views
    assert text(lab, page) == f"Hold us {HOSTILE} now"
    assert lab.json(page, "song.lyrics['segments'][0]['words'][1]['end']") == 1.15
    assert page.locator(".al-word-editor").count() == 0
    page.keyboard.press("e")
    page.locator(".al-word-time").nth(0).fill("7")
    page.locator(".al-save").click()
    page.wait_for_selector(".al-error:not([hidden])")
    assert "start before end" in page.locator(".al-error:not([hidden])").inner_text()
    page.keyboard.press("Escape")
    lab.save(page)
    page.reload()
    page.wait_for_function("() => document.querySelectorAll('.al-body[data-ready]').length === 2", timeout=60_000)
    assert page.locator(".al-edited").first.inner_text() == f"us {HOSTILE}"
    page.locator(".al-title").first.click()
    page.keyboard.press("z")
    page.wait_for_function("() => document.querySelectorAll('.al-edited').length === 0")
    assert text(lab, page) == "Hold me now"
    page.get_by_label("line 2 is right").first.click()
    page.wait_for_function("() => document.querySelectorAll('.al-flag').length === 0")
    assert lab.json(page, "song.lyrics['segments'][1]['flags']") == []


def test_chops_and_static_view(lab):
    page = lab.open([LIBRARY + WORDS, "view = LyricsView(song); view"])
    page.locator(".al-word", has_text="Hold").click()
    page.locator(".al-word", has_text="now").click(modifiers=["Shift"])
    assert lab.json(page, "view.selection") == [[0, 0], [0, 1], [0, 2]]
    page.locator(".al-chop").click()
    page.wait_for_function("() => document.querySelector('.al-lyrics-said').textContent.includes('Hold, me, now')")
    page.keyboard.press("Shift+C")
    page.wait_for_function("() => document.querySelector('.al-lyrics-said').textContent.includes('Hold me now')")
    assert lab.json(page, "sorted(s.name for s in lib.query('label:vocal'))") == ["Hold", "Hold me now", "me", "now"]
    page.keyboard.press("z")
    page.wait_for_function("() => document.querySelector('.al-lyrics-said').textContent === 'taken back'")
    assert lab.json(page, "sorted(s.name for s in lib.query('label:vocal'))") == ["Hold", "me", "now"]
    path = lab.save(page)
    assert path.stat().st_size < 300_000
    lab.shut_down_kernel(page)
    again = lab.visit(path.name)
    again.wait_for_selector("[data-audiolab-static] img")
    assert "stock-phrase" in again.locator("[data-audiolab-static] table").inner_text()
    lab.shot(again, "lyrics-static", "[data-audiolab-static]")

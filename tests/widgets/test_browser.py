"""The sample browser without a page: what its requests answer, and what they do to the library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

import audiolab as al
from audiolab.audio import Audio, write_audio
from audiolab.errors import AudiolabError, CatalogError, ParameterError
from audiolab.library import Library
from audiolab.library.query import QueryError
from audiolab.widgets.browser import SampleBrowser, browse
from audiolab.widgets.browser_sound import THUMB, hear, level_of, thumbnail
from audiolab.widgets.browser_tagging import filter_bank

HOSTILE = "<img src=x onerror=window.hacked=1>.wav"
RATE = 22050


def tone(seconds: float, hertz: float = 220.0, gain: float = 0.25, channels: int = 1) -> Audio:
    time = np.arange(int(seconds * RATE)) / RATE
    wave = gain * np.sin(2 * np.pi * hertz * time) * np.exp(-4 * time)
    return Audio(np.tile(wave.astype(np.float32), (channels, 1)), RATE)


@pytest.fixture
def lib(tmp_path: Path) -> Iterator[Library]:
    files = tmp_path / "files"
    files.mkdir()
    for index, name in enumerate(["kick one.wav", "kick two.wav", "snare.wav", "pad.wav", HOSTILE]):
        write_audio(files / name, tone(0.2 + 0.2 * index, 110.0 * (index + 1)), subtype="PCM_16")
    with Library(tmp_path / "library") as library:
        library.add(files, "sample")
        for name, label in (("kick one.wav", "kick"), ("kick two.wav", "kick"), ("snare.wav", "snare")):
            library.sound(name).tag(label)
        yield library


@pytest.fixture
def browser(lib: Library) -> SampleBrowser:
    return browse(lib)


def ask(widget: SampleBrowser, method: str, **params: Any) -> tuple[dict[str, Any], list[Any]]:
    """Send a request as the page does; give the answer, or raise what it was told."""
    sent: list[tuple[dict[str, Any], list[Any]]] = []
    widget.send = lambda content, buffers=None: sent.append((content, list(buffers or ())))  # type: ignore[method-assign]
    widget._receive(None, {"id": "1", "method": method, "params": params}, [])
    answer = next(item for item in sent if item[0].get("id") == "1")
    widget.events = [item[0] for item in sent if "event" in item[0]]  # type: ignore[attr-defined]
    if "error" in answer[0]:
        raise RuntimeError(answer[0]["error"])
    return answer[0]["result"], answer[1]


def names(widget: SampleBrowser) -> list[str]:
    return [row["name"] for row in ask(widget, "rows", start=0, stop=50)[0]["rows"]]


def id_of(lib: Library, name: str) -> str:
    return lib.sound(name).id


# ---- finding ---------------------------------------------------------------------------------------


def test_a_query_finds_sorts_and_counts(browser: SampleBrowser) -> None:
    assert browser.count == 5
    found, _ = ask(browser, "find", query="label:kick", sort="-duration")
    assert found["count"] == 2
    assert names(browser) == ["kick two", "kick one"]
    assert (browser.query, browser.sort) == ("label:kick", "-duration")


def test_a_wrong_query_says_so_and_changes_nothing(browser: SampleBrowser) -> None:
    with pytest.raises(RuntimeError, match="did you mean 'label'"):
        ask(browser, "find", query="lable:kick")
    assert browser.query == "kind:sample"
    assert browser.count == 5
    with pytest.raises(QueryError):
        browser.query = "lable:kick"
    assert browser.query == "kind:sample"
    assert "lable" in browser.error
    with pytest.raises(QueryError):
        browse(browser.library, "lable:kick")


def test_an_order_of_the_query_stands_behind_the_table_s(lib: Library) -> None:
    browser = browse(lib, "kind:sample sort:-duration", sort="name")
    assert names(browser)[-3:] == ["kick two", "pad", "snare"]
    assert names(browse(lib, "kind:sample sort:-duration"))[0].startswith("<img")


def test_setting_the_query_in_python_lists_anew(browser: SampleBrowser) -> None:
    stamp = browser._stamp
    browser.selection = [id_of(browser.library, "snare.wav")]
    browser.refresh()
    assert browser.selection
    browser.query = "name:pad"
    assert browser.count == 1
    assert browser.selection == [], "nothing is done to what is no longer seen"
    assert browser._stamp > stamp


def test_unknown_arguments_raise(lib: Library) -> None:
    with pytest.raises(ParameterError, match="colour"):
        SampleBrowser(lib, colour="red")
    with pytest.raises(ParameterError, match="browse takes"):
        browse("data/library")  # type: ignore[arg-type]


def test_rows_come_in_pages(browser: SampleBrowser) -> None:
    rows = ask(browser, "rows", start=1, stop=3)[0]["rows"]
    assert len(rows) == 2
    assert {"id", "name", "label", "confidence", "family", "rating", "favourite", "tags", "frames"} <= set(rows[0])
    assert ask(browser, "rows", start=100, stop=120)[0]["rows"] == []


def test_a_row_that_was_removed_meanwhile_is_gone_and_the_rest_stays(browser: SampleBrowser, lib: Library) -> None:
    lib.delete(id_of(lib, "pad.wav"))
    lib.purge()
    rows = ask(browser, "rows", start=0, stop=10)[0]["rows"]
    assert [row.get("gone", False) for row in rows].count(True) == 1
    assert ask(browser, "refresh")[0]["count"] == 4


def test_a_list_stays_within_itself(lib: Library) -> None:
    lib.collection("kit").add([id_of(lib, "snare.wav"), id_of(lib, "kick one.wav")])
    browser = al.browse(lib.collection("kit"))
    assert names(browser) == ["snare", "kick one"]
    ask(browser, "find", query="label:kick")
    assert names(browser) == ["kick one"]
    lib.collection("kit").add([id_of(lib, "kick two.wav")])
    ask(browser, "refresh")
    assert names(browser) == ["kick one", "kick two"]


def test_refresh_shows_what_came_meanwhile(browser: SampleBrowser, lib: Library, tmp_path: Path) -> None:
    lib.add(write_audio(tmp_path / "late.wav", tone(0.3, 700), subtype="PCM_16"), "sample")
    assert browser.count == 5
    assert ask(browser, "refresh")[0]["count"] == 6


# ---- doing -----------------------------------------------------------------------------------------


def test_every_act_reaches_the_library_and_is_one_step_back(browser: SampleBrowser, lib: Library) -> None:
    one, two = id_of(lib, "kick one.wav"), id_of(lib, "kick two.wav")
    ask(browser, "favour", ids=[one, two], on=True)
    ask(browser, "rate", ids=[one], stars=4)
    ask(browser, "label", ids=[one, two], label="rim")
    ask(browser, "reject", ids=[two], on=True)
    ask(browser, "collect", ids=[two, one], name=" kit ")
    sound = lib.sound(one)
    assert (sound.favourite, sound.rating, sound.label) == (True, 4, "rim")
    assert [tag.label for tag in lib.sound(two).tags if tag.role == "tag"] == ["reject"]
    assert lib.collection("kit").sounds.ids == [two, one]
    for _ in range(5):
        ask(browser, "undo")
    assert (sound.favourite, sound.rating, sound.label) == (False, None, "kick")
    assert "kit" not in lib.collections
    with pytest.raises(RuntimeError, match="nothing to take back"):
        ask(browser, "undo")
    for _ in range(5):
        ask(browser, "redo")
    assert (sound.favourite, sound.rating, sound.label) == (True, 4, "rim")
    assert lib.collection("kit").sounds.ids == [two, one]
    ask(browser, "undo")
    assert "kit" not in lib.collections


def test_undo_leaves_alone_what_others_did(browser: SampleBrowser, lib: Library) -> None:
    one = id_of(lib, "kick one.wav")
    ask(browser, "rate", ids=[one], stars=2)
    lib.favour(one)
    ask(browser, "undo")
    assert lib.sound(one).favourite
    assert lib.sound(one).rating is None
    ask(browser, "rate", ids=[one], stars=3)
    lib.rate(one, 5)
    with pytest.raises(RuntimeError, match="changed since"):
        ask(browser, "undo")
    assert lib.sound(one).rating == 5


def test_a_new_act_forgets_what_could_be_done_again(browser: SampleBrowser, lib: Library) -> None:
    one = id_of(lib, "kick one.wav")
    ask(browser, "rate", ids=[one], stars=2)
    ask(browser, "undo")
    ask(browser, "favour", ids=[one], on=True)
    with pytest.raises(RuntimeError, match="nothing to do again"):
        ask(browser, "redo")


def test_an_act_without_effect_is_no_step(browser: SampleBrowser, lib: Library) -> None:
    one = id_of(lib, "kick one.wav")
    ask(browser, "rate", ids=[one], stars=2)
    ask(browser, "rate", ids=[one], stars=2)
    ask(browser, "undo")
    assert lib.sound(one).rating is None


def test_views_are_told_the_rows_that_changed(browser: SampleBrowser, lib: Library) -> None:
    one = id_of(lib, "kick one.wav")
    ask(browser, "favour", ids=[one], on=True)
    [event] = browser.events  # type: ignore[attr-defined]
    assert event["event"] == "rows"
    assert [(row["id"], row["favourite"]) for row in event["rows"]] == [(one, True)]
    assert (event["undo"], event["redo"]) == (1, 0)


@pytest.mark.parametrize(
    ("method", "params"),
    [("rate", {"stars": 9}), ("label", {"label": "  "}), ("collect", {"name": " "}), ("favour", {"on": "yes"})],
)
def test_bad_values_are_refused_and_nothing_changes(
    browser: SampleBrowser, lib: Library, method: str, params: dict[str, Any]
) -> None:
    before = len(lib.history())
    with pytest.raises(RuntimeError):
        ask(browser, method, ids=[id_of(lib, "snare.wav")], **params)
    with pytest.raises(RuntimeError):
        ask(browser, method, ids=[], **params)
    assert len(lib.history()) == before


def test_only_requests_can_be_asked(browser: SampleBrowser) -> None:
    with pytest.raises(RuntimeError, match="answers no request"):
        ask(browser, "close")


def test_proposals_are_accepted_each_with_its_label_in_one_step(browser: SampleBrowser, lib: Library) -> None:
    one, pad = id_of(lib, "kick one.wav"), id_of(lib, "pad.wav")
    ask(browser, "accept", labels={one: "tom", pad: "synth"})
    assert (lib.sound(one).label, lib.sound(pad).label) == ("tom", "synth")
    ask(browser, "undo")
    assert (lib.sound(one).label, lib.sound(pad).label) == ("kick", None)


# ---- the selection ---------------------------------------------------------------------------------


def test_the_selection_is_a_list_of_sounds_and_a_table(browser: SampleBrowser, lib: Library) -> None:
    pytest.importorskip("pandas")
    browser.selection = [id_of(lib, "snare.wav"), "0" * 64, id_of(lib, "kick one.wav")]
    assert [sound.name for sound in browser.selected] == ["snare", "kick one"]
    assert list(browser.to_frame()["label"]) == ["snare", "kick"]
    browser.selection = []
    assert len(browser.to_frame()) == 5


def test_too_many_are_not_selected_at_once(browser: SampleBrowser) -> None:
    assert len(ask(browser, "ids", start=0, stop=4)[0]["ids"]) == 4
    with pytest.raises(RuntimeError, match="at most 5000"):
        ask(browser, "ids", start=0, stop=100_000)


# ---- hearing ---------------------------------------------------------------------------------------


def test_samples_come_as_they_are_and_a_bad_file_does_not_bar_the_others(browser: SampleBrowser, lib: Library) -> None:
    sound, lost = lib.sound("snare.wav"), lib.sound("pad.wav")
    lost.path.unlink()
    told, buffers = ask(browser, "hear", ids=[lost.id, sound.id])
    bad, good = told["sounds"]
    assert "pad" in bad["error"]
    assert (good["frames"], good["sent"], good["offered"]) == (sound.frames, sound.frames, None)
    samples = np.frombuffer(buffers[good["at"]], np.float32).reshape(good["channels"], -1)
    np.testing.assert_array_equal(samples, sound.audio().samples)


def test_of_a_long_sound_the_beginning_comes_and_the_rest_is_offered(lib: Library, tmp_path: Path) -> None:
    long = lib.add(write_audio(tmp_path / "long.wav", Audio(np.zeros((2, 30 * 8000), np.float32), 8000)), "sample")
    browser = browse(lib)
    told, buffers = ask(browser, "hear", ids=[long.id])
    [row] = told["sounds"]
    assert row["sent"] == 1 << 17 < row["frames"]
    assert row["offered"]["id"] == long.id
    assert len(buffers[0]) == 4 * 2 * (1 << 17)
    ask(browser, "audio", source=long.id, chunk=1)


def test_the_gain_matches_loudness_and_never_passes_full_scale() -> None:
    rng = np.random.default_rng(1)
    loud = np.clip(rng.normal(0, 0.2, (1, 2 * RATE)), -0.99, 0.99).astype(np.float32)
    level = level_of(loud, RATE)
    assert level.measure == "LUFS"
    assert level.value is not None
    assert not level.limited
    after = level_of(loud * np.float32(10 ** (level.gain_db / 20)), RATE)
    assert after.value == pytest.approx(-18, abs=0.11)
    click = np.zeros((1, RATE // 10), np.float32)
    click[0, :4] = 0.5
    short = level_of(click, RATE)
    assert short.measure == "RMS"
    assert short.limited
    assert np.abs(click).max() * 10 ** (short.gain_db / 20) <= 1.0
    assert short.gain_db == pytest.approx(6.0, abs=0.05)
    beginning = level_of(click, RATE, whole=False)
    assert beginning.gain_db <= 0
    silence = level_of(np.zeros((2, RATE), np.float32), RATE)
    assert (silence.measure, silence.gain_db) == ("silence", 0.0)


def test_more_than_two_channels_are_heard_by_the_first_two() -> None:
    heard = hear(Audio(np.arange(3 * 100, dtype=np.float32).reshape(3, 100) / 300, RATE))
    assert heard.samples.shape == (2, 100)


def test_thumbnails_show_the_wave(lib: Library, browser: SampleBrowser) -> None:
    sound = lib.sound("kick one.wav")
    picture = thumbnail(sound)
    assert picture.shape == (2, THUMB)
    top = float(sound.audio().samples.max())
    assert picture[0].max() == round(128 + 127 * top)
    assert picture[0, 0] > picture[0, -1] >= 128 >= picture[1, -1]
    told, buffers = ask(browser, "thumbs", ids=[sound.id, lib.sound("pad.wav").id])
    assert len(told["ids"]) == len(buffers) == 2
    assert bytes(buffers[0]) == picture.tobytes()


# ---- neighbours ------------------------------------------------------------------------------------


def test_neighbours_are_listed_and_left_again(lib: Library) -> None:
    report = al.process(lib.query("kind:sample"), recipe={"steps": [{"stage": "embed"}]})
    report.wait()
    browser = browse(lib)
    one = id_of(lib, "kick one.wav")
    found, _ = ask(browser, "similar", sound=one)
    rows = ask(browser, "rows", start=0, stop=10)[0]["rows"]
    assert found["count"] == len(rows) == 5
    assert rows[0]["id"] == one
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert browser.like == "kick one"
    assert ask(browser, "back")[0]["count"] == 5
    assert browser.like == ""


def test_without_embeddings_the_page_is_told(browser: SampleBrowser, lib: Library) -> None:
    with pytest.raises(RuntimeError, match="embed"):
        ask(browser, "similar", sound=id_of(lib, "snare.wav"))
    assert browser.count == 5


# ---- the classifier --------------------------------------------------------------------------------


def test_proposals_of_the_kernel_are_what_classify_says_and_are_not_stored(
    browser: SampleBrowser, lib: Library
) -> None:
    pad = lib.sound("pad.wav")
    [said] = al.stages.classify(pad.source())
    [told] = ask(browser, "propose", ids=[pad.id])[0]["proposals"]
    assert (told["label"], told["confidence"]) == (said.label, said.confidence)
    assert pad.label is None


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 88200, 96000])
def test_the_page_s_filters_are_soxr_s(rate: int, rng: np.random.Generator) -> None:
    found = filter_bank(rate)
    assert found is not None
    signal = rng.standard_normal(rate // 4).astype(np.float32)
    wanted = soxr.resample(signal, rate, 32000, quality="HQ")
    taps = found.bank.shape[1]
    padded = np.concatenate([np.zeros(found.left), signal, np.zeros(taps + 2)])
    at = np.arange(len(wanted)) * found.down
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps)[at // found.up]
    made = (windows * found.bank[at % found.up]).sum(axis=1)
    made[: len(found.first)] = found.first @ signal[:taps]
    np.testing.assert_allclose(made, wanted, atol=2e-6)


def test_odd_rates_are_left_to_the_kernel(browser: SampleBrowser, lib: Library) -> None:
    assert ask(browser, "resampler", rate=44_101)[0] == {"up": 0}
    told, buffers = ask(browser, "prepared", ids=[id_of(lib, "snare.wav")])
    assert not told["sounds"][0]["silent"]
    assert np.abs(np.frombuffer(buffers[0], np.float32)).max() == pytest.approx(1.0)


# ---- without a kernel ------------------------------------------------------------------------------


def test_the_static_view_shows_rows_and_plays_and_runs_nothing(lib: Library) -> None:
    lib.tag(id_of(lib, HOSTILE.removesuffix(".wav")), "<script>alert(1)</script>")
    html = browse(lib).static_html()
    assert len(html.encode()) < 300_000
    assert "<img src=x" not in html
    assert "<script" not in html
    assert "&lt;img src=x onerror" in html
    assert "data:audio/mpeg;base64," in html
    assert html.count("data:image/png;base64,") == 5


def test_an_empty_list_has_a_static_view_too(lib: Library) -> None:
    assert "0 sounds" in browse(lib, "name:nothing").static_html()


def test_a_static_view_of_broken_files_stands(lib: Library) -> None:
    for sound in lib.query(""):
        sound.path.unlink()
    assert "kick one" in browse(lib).static_html()


def test_errors_are_audiolab_s(browser: SampleBrowser) -> None:
    with pytest.raises(AudiolabError):
        browser.ids(0, 50_000)
    with pytest.raises(CatalogError):
        browser.redo()

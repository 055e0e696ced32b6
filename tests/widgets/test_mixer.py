"""`StemMixer`: its state, its mix, its bounce."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mixing import RATE, Page, song_of, tempo

from audiolab.audio import Audio, open_source, quantize
from audiolab.errors import ParameterError
from audiolab.library import Library, Sound
from audiolab.widgets.mixer import StemMixer, mix


@pytest.fixture
def lib(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "lib", actor="tester") as library:
        yield library


@pytest.fixture
def song(lib: Library, tmp_path: Path) -> Sound:
    return song_of(lib, tmp_path)


def expected(song: Sound, **factors: tuple[float, float]) -> np.ndarray:
    """The mix by numpy: factors of left and right for each stem."""
    total = np.zeros((2, song.frames))
    for name, (left, right) in factors.items():
        samples = song.stems[name].audio().samples
        total += np.array([[left], [right]]) * (samples if len(samples) == 2 else np.repeat(samples, 2, axis=0))
    return total


def test_at_rest_the_mix_is_the_song(song: Sound) -> None:
    mixer = mix(song)
    assert mixer.mix["drums"] == {"gain_db": 0.0, "pan": 0.0, "muted": False, "solo": False}
    np.testing.assert_allclose(Audio.from_source(mixer.mixed()).samples, song.audio().samples, atol=2e-7)
    assert repr(mixer) == "StemMixer('song')"


def test_settings_are_checked(song: Sound) -> None:
    mixer = mix(song, mix={"bass": {"pan": 0.5}})
    mixer.set("drums", gain_db=-6, muted=True)
    assert mixer.mix["drums"] == {"gain_db": -6.0, "pan": 0.0, "muted": True, "solo": False}
    assert mixer.mix["bass"]["pan"] == 0.5
    for bad, why in (
        ({"piano": {}}, "no stem 'piano'"),
        ({"bass": {"volume": 1}}, "'volume'"),
        ({"bass": {"gain_db": 40}}, "between -60 and 12"),
        ({"bass": {"gain_db": float("nan")}}, "between"),
        ({"bass": {"pan": True}}, "between -1 and 1"),
        ({"bass": {"solo": 1}}, "True or False"),
    ):
        with pytest.raises(ParameterError, match=why):
            mixer.mix = bad
    assert mixer.mix["bass"]["pan"] == 0.5, "what was refused changed nothing"
    mixer.reset()
    assert mixer.mix["bass"]["pan"] == 0.0
    with pytest.raises(ParameterError, match="StemMixer knows no volume"):
        StemMixer(song, volume=3)


def test_bounce_equals_the_sum(song: Sound, lib: Library) -> None:
    tempo(lib, song)
    mixer = mix(song)
    mixer.mix = {"drums": {"gain_db": -3.0, "pan": -0.25}, "bass": {"pan": 0.6}, "vocals": {"muted": True}}
    made = mixer.bounce()
    half = 10 ** (-3 / 20)
    truth = expected(song, drums=(half, 0.75 * half), bass=(0.4, 1.0))
    np.testing.assert_array_equal(made.audio().samples, quantize(truth.astype(np.float32), 24))
    assert (made.name, made.kind, made.format, made.subtype) == ("song without vocals", "sample", "FLAC", "PCM_24")
    assert made.parent == song
    assert made.facts["mix"]["drums"]["gain_db"] == -3.0
    assert "drums -3.0 dB 25% left, bass +0.0 dB 60% right; without vocals" in str(made.explain())
    assert made.tempo_map is not None
    lib.undo()
    assert made.id not in lib.query("").ids


def test_solo_of_several_and_a_part(song: Sound) -> None:
    mixer = mix(song)
    mixer.set("drums", solo=True)
    mixer.set("vocals", solo=True, gain_db=6)
    made = mixer.bounce("loud", start=1.0, stop=2.5)
    louder = 10 ** (6 / 20)
    truth = expected(song, drums=(1, 1), vocals=(louder, louder))[:, RATE : round(2.5 * RATE)]
    np.testing.assert_allclose(made.audio().samples, truth, atol=2e-7)
    assert made.facts["begins_at"] == 1.0
    with pytest.raises(ParameterError, match="start before stop"):
        mixer.bounce(start=3.0, stop=2.0)
    mixer.set("drums", muted=True)
    mixer.set("vocals", muted=True)
    with pytest.raises(ParameterError, match="all are muted"):
        mixer.bounce()


def test_beyond_full_scale_it_becomes_float(lib: Library, tmp_path: Path) -> None:
    song = song_of(lib, tmp_path, level=0.9, name="loud")
    mixer = mix(song)
    mixer.set("drums", gain_db=12)
    made = mixer.bounce()
    factor = 10 ** (12 / 20)
    truth = expected(song, drums=(factor, factor), bass=(1, 1), vocals=(1, 1))
    assert np.abs(truth).max() > 1.5
    assert made.subtype == "FLOAT"
    np.testing.assert_allclose(made.audio().samples, truth, atol=1e-6)


def test_what_the_page_asks(song: Sound, lib: Library) -> None:
    mixer = mix(song)
    page = Page(mixer)
    told = page.ask("tracks")["result"]
    assert [track["stem"] for track in told["stems"]] == ["drums", "bass", "vocals"]
    assert {track["sound"]["frames"] for track in told["stems"]} == {song.frames}
    chunk = page.ask("audio", source="stem:vocals", chunk=0)
    assert chunk["result"]["frames"] == song.frames
    samples = np.frombuffer(page.sent[-1][1][0], np.float32).reshape(2, -1)
    np.testing.assert_array_equal(samples, song.stems["vocals"].audio().samples)
    assert page.ask("begin_bounce", name="  ")["result"]["name"] == "song mix"
    mixer._bouncing.join()
    made = page.events("bounce")[-1]["made"]
    assert lib.sound(made["id"]).name == "song mix"
    assert 0 < page.events("bounce")[0]["share"] <= 1
    assert "start before stop" in page.ask("begin_bounce", start=9.0)["error"]


def test_a_bounce_can_be_stopped(song: Sound, lib: Library) -> None:
    mixer = mix(song)
    page = Page(mixer)
    before = lib.query("").ids
    mixer._stop.is_set = lambda: True  # stopped before its first block
    page.ask("begin_bounce")
    mixer._bouncing.join()
    assert "stopped" in page.events("bounce")[-1]["failed"]
    assert lib.query("").ids == before
    assert not list(lib.tmp_dir.iterdir())


def test_static_view_and_hostile_name(song: Sound, lib: Library) -> None:
    lib.rename(song.id, "<img src=x onerror=globalThis.__hacked=1>")
    html = mix(song).static_html()
    assert "<img src=x" not in html
    assert html.count("data:image/svg+xml") == 4
    assert "data:audio/mpeg" in html
    assert len(html) < 300_000


def test_no_stems(lib: Library, tmp_path: Path) -> None:
    path = Audio(np.zeros((1, RATE), np.float32), RATE).write(tmp_path / "bare.wav")
    with pytest.raises(ParameterError, match=r"al.process\(song, recipe='stems'\)"):
        mix(lib.add(path, kind="song"))
    with pytest.raises(ParameterError, match="not str"):
        mix("song")
    assert open_source(path).frames == RATE

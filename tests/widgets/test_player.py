"""`Player`, chunks and outlines, without a browser."""

from __future__ import annotations

import base64
import io
import re
import shutil
import time

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from audiolab.audio import Audio, Peaks, open_source
from audiolab.errors import ParameterError
from audiolab.library import Library
from audiolab.library.peakcache import kept_peaks
from audiolab.widgets.outlines import outline_of, rough_outline
from audiolab.widgets.player import Player
from audiolab.widgets.sounding import CHUNK, Offered


def _chunks(player: Player, frames: int, order=None) -> np.ndarray:
    found = {}
    for index in order or range(-(-frames // CHUNK)):
        facts, (data,) = player.audio(source="sound", chunk=index)
        found[index] = np.frombuffer(data, np.float32).reshape(facts["channels"], facts["frames"])
    return np.concatenate([found[index] for index in sorted(found)], axis=1)


@pytest.mark.parametrize("order", [None, [2, 0, 1], [0, 2, 1]])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_chunks_are_the_file(tmp_path, rng, order, suffix):
    samples = rng.uniform(-1, 1, (2 * CHUNK + 777, 2)).astype(np.float32)
    path = tmp_path / f"noise.{suffix}"
    sf.write(path, samples, 44100, subtype="PCM_24")
    truth = sf.read(path, dtype="float32")[0].T
    np.testing.assert_array_equal(_chunks(Player(path), truth.shape[1], order), truth)


def test_levels_above_full_scale_stay():
    loud = np.full((1, 1000), 2.5, np.float32)
    player = Player((loud, 44100))
    np.testing.assert_array_equal(_chunks(player, 1000), loud)
    assert player.peaks(source="sound", bins=10)[0]["peak"] == pytest.approx(2.5, rel=1e-3)


def test_of_many_channels_two_are_heard_and_that_is_said():
    many = np.arange(6, dtype=np.float32)[:, None].repeat(100, 1) / 10
    player = Player((many, 48000))
    assert player._sound["channels"] == 2
    assert player._sound["all_channels"] == 6
    np.testing.assert_array_equal(_chunks(player, 100), many[:2])


def test_empty_sound():
    player = Player((np.zeros((1, 0), np.float32), 44100))
    assert player.peaks(source="sound", bins=100)[0]["bins"] == 0
    assert player.audio(source="sound", chunk=0)[0]["frames"] == 0
    assert "data-audiolab-static" in player.static_html()


@pytest.mark.parametrize("chunk", [-1, 1, 99])
def test_chunks_that_are_not_there(chunk):
    with pytest.raises(ParameterError, match="no chunk"):
        Offered(Audio(np.zeros((1, 100), np.float32), 8000), "x").chunk(chunk)


def test_what_was_not_offered_is_refused():
    player = Player((np.zeros((1, 10), np.float32), 8000))
    for ask in (lambda: player.audio(source="/etc/passwd", chunk=0), lambda: player.peaks(source="other", bins=3)):
        with pytest.raises(ParameterError, match="has no sound"):
            ask()


@given(st.integers(1, 5000), st.integers(1, 700))
def test_outlines_enclose_the_samples(frames, bins):
    samples = np.random.default_rng(frames).uniform(-1, 1, (2, frames)).astype(np.float32)
    facts, (data,) = Player((samples, 8000)).peaks(source="sound", bins=bins)
    high, low = np.frombuffer(data, np.float32).reshape(2, facts["bins"])
    assert facts["bins"] == min(bins, frames)
    assert high.max() == pytest.approx(samples.max(), abs=1e-4)
    assert low.min() == pytest.approx(samples.min(), abs=1e-4)
    edges = np.arange(facts["bins"]) * frames // facts["bins"]
    assert (high >= np.maximum.reduceat(samples.max(axis=0), edges) - 1e-6).all()
    assert (low <= np.minimum.reduceat(samples.min(axis=0), edges) + 1e-6).all()


def test_outlines_are_kept_and_damaged_ones_made_anew(tmp_path, rng):
    path = tmp_path / "a.wav"
    sf.write(path, rng.uniform(-0.5, 0.5, 30000), 44100)
    with Library(tmp_path / "lib") as lib:
        sound = lib.add(path, kind="sample")
        first = outline_of(sound, wait=True)
        kept = list((tmp_path / "lib" / "cache" / "peaks").glob("*.npz"))
        assert len(kept) == 1
        kept[0].write_bytes(b"torn")
        again = outline_of(sound, wait=True)
        np.testing.assert_array_equal(first.peaks.levels[256], again.peaks.levels[256])
        assert Peaks.load(kept[0]).frames == 30000


def test_songs_have_their_outline_when_they_are_added(tmp_path, rng):
    path = tmp_path / "song.wav"
    sf.write(path, rng.uniform(-0.5, 0.5, 8000 * 61), 8000)
    with Library(tmp_path / "lib") as lib:
        song = lib.add(path, kind="song")
        assert kept_peaks(lib.path, song.content_id).frames == 8000 * 61
        shutil.rmtree(lib.path / "cache" / "peaks")
        (lib.path / "cache" / "peaks").write_text("no folder")
        assert outline_of(song, wait=True).exact, "that it cannot be kept is no reason not to draw it"


def test_where_seeking_is_slow_the_rough_outline_is_still_quick(rng):
    class Slow(Audio):
        def blocks(self, size=1 << 16, *, start=0, stop=None):
            time.sleep(0.05)
            yield from super().blocks(size, start=start, stop=stop)

    source = Slow(np.full((1, 800_000), 0.5, np.float32), 8000)
    began = time.perf_counter()
    outline = rough_outline(source)
    assert time.perf_counter() - began < 2
    np.testing.assert_array_equal(outline.between(source, 0, source.frames, 50)[0], 0.5)


def test_a_long_sound_is_drawn_roughly_first(tmp_path):
    rate, seconds = 8000, 400
    samples = np.repeat(np.linspace(0, 1, seconds), rate).astype(np.float32)
    path = tmp_path / "long.wav"
    sf.write(path, samples, rate)
    source = open_source(path)
    rough = rough_outline(source).between(source, 0, source.frames, 100)
    exact = outline_of(source, wait=True).between(source, 0, source.frames, 100)
    np.testing.assert_allclose(rough[0], exact[0], atol=0.02)


def test_static_view_is_small_and_plays(tmp_path, rng):
    samples = rng.uniform(-0.7, 0.7, (2, 44100 * 90)).astype(np.float32)
    html = Player(Audio(samples, 44100, name="<script>x</script>")).static_html()
    assert len(html) < 300_000
    assert "<script" not in html
    data = base64.b64decode(re.search(r"data:audio/mpeg;base64,([^\"]+)", html)[1])
    assert sf.info(io.BytesIO(data)).duration == pytest.approx(12, abs=0.2)
    assert "data:image/svg+xml" in html


def test_loops_and_layers_are_checked():
    sound = (np.zeros((1, 8000), np.float32), 8000)
    with pytest.raises(ParameterError, match=r"between 0 and 1\.000 s"):
        Player(sound, loop=(0.5, 3))
    with pytest.raises(ParameterError, match="'bars'"):
        Player(sound, layers=["bars"])
    player = Player(sound, loop=(0.25, 0.5), layers=["beats"])
    assert player.loop == (0.25, 0.5)


def test_spectrograms_are_pictures():
    player = Player((np.zeros((1, 80000), np.float32), 8000))
    _, (png,) = player.spectrum(source="sound", start=0, stop=40000, width=300)
    assert png.startswith(b"\x89PNG")
    with pytest.raises(ParameterError, match="too short"):
        player.spectrum(source="sound", start=0, stop=10)


def test_a_closed_player_gives_nothing():
    player = Player((np.zeros((1, 10), np.float32), 8000))
    player.close()
    with pytest.raises(ParameterError):
        player.audio(source="sound", chunk=0)

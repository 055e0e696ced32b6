"""Pictures show what is there; previews play at their true level; nothing hostile gets through."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import soundfile as sf

from audiolab.audio import Audio
from audiolab.synth import noise, silence, tone
from audiolab.widgets.html import Html, image, table
from audiolab.widgets.pictures import bar_chart, piano_roll, spectrogram, waveform
from audiolab.widgets.preview import audio_player, loudest_span, preview_mp3

PNG = b"\x89PNG\r\n\x1a\n"


def _pixels(png: bytes) -> np.ndarray:
    from matplotlib import image as reader

    return reader.imread(io.BytesIO(png))[..., :3]


def _ink_height(png: bytes) -> float:
    """Share of the height that the coloured wave covers (axes and text are grey or black)."""
    pixels = _pixels(png)
    coloured = pixels.max(axis=2) - pixels.min(axis=2) > 0.25
    rows = np.flatnonzero(coloured.any(axis=1))
    return (rows[-1] - rows[0]) / pixels.shape[0] if len(rows) else 0.0


def test_waveform_keeps_the_true_level():
    heights = [_ink_height(waveform(tone(amplitude=a, seconds=0.3), axis=False)) for a in (0.1, 0.4, 0.8)]
    assert heights[0] < heights[1] < heights[2]
    assert heights[2] / heights[1] == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize(
    "sound", [silence(0.5), silence(1 / 44100), tone(seconds=1 / 44100), noise(0.01), tone(seconds=3, sample_rate=8000)]
)
def test_pictures_of_odd_sounds_are_pictures(sound):
    assert waveform(sound).startswith(PNG)
    assert spectrogram(sound).startswith(PNG)


def test_the_same_sound_gives_the_same_picture():
    assert waveform(noise(0.2)) == waveform(noise(0.2))
    assert spectrogram(noise(0.2)) == spectrogram(noise(0.2))


def test_spectrogram_shows_pitch_as_height():
    def bright_row(frequency: float) -> int:
        pixels = _pixels(spectrogram(tone(frequency, seconds=1.0)))
        middle = pixels[:, pixels.shape[1] // 3 : pixels.shape[1] // 2]
        return int(np.argmax((middle[..., 0] - middle[..., 2]).sum(axis=1)))  # loud is orange, the margin is white

    assert bright_row(4000) < bright_row(1000) < bright_row(150)


def test_piano_roll_and_bars_draw_even_nothing():
    notes = [{"start": 0.0, "end": 0.5, "pitch": 60, "velocity": 90}]
    assert piano_roll({"bass": notes, "drums": []}, duration=1.0) != piano_roll({}, duration=1.0)
    assert bar_chart({"kick": 3, "snare": 1}).startswith(PNG)


def test_preview_is_the_loudest_stretch_at_its_own_level():
    quiet, loud = noise(40, amplitude=0.01).samples, tone(1000, 10, amplitude=0.2 * 2**0.5).samples
    sound = Audio(np.concatenate([quiet, loud, quiet], axis=1), 44100)
    start, stop = loudest_span(sound, 10)
    assert abs(start / 44100 - 40) <= 1
    assert stop - start == 441000
    decoded, rate = sf.read(io.BytesIO(preview_mp3(sound, seconds=8)))
    assert rate == 44100
    assert abs(len(decoded) / rate - 8) < 0.1
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000, 192000])
def test_previews_of_any_rate(rate):
    decoded, got = sf.read(io.BytesIO(preview_mp3(tone(440, 0.5, rate))))
    assert got in {32000, 44100, 48000}
    spectrum = np.abs(np.fft.rfft(decoded * np.hanning(len(decoded))))
    assert np.argmax(spectrum) * got / len(decoded) == pytest.approx(440, abs=4)


def test_players_and_tables_escape_names():
    hostile = "<script>alert(1)</script>\"'"
    for html in (audio_player(tone(seconds=0.1), label=hostile), image(PNG, hostile), table((hostile,), [(hostile,)])):
        assert "<script>" not in html
        assert not re.search(r'="[^"]*<script', html)
    assert table(("a",), [(Html("<b>x</b>"), None, 0.123456)]).count("<b>x</b>") == 1


def test_a_player_holds_the_sound_itself():
    html = audio_player(tone(seconds=0.2), label="x")
    data = base64.b64decode(re.search(r"base64,([^\"]+)", html).group(1))
    assert sf.info(io.BytesIO(data)).format == "MP3"
    assert len(html) < 20_000

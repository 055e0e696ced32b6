"""Pictures that can be opened, and a gallery that can be heard and holds nothing but text where names stand."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import soundfile

from audiolab.errors import AudioError
from audiolab.training.data import render
from audiolab.training.gallery import write_gallery
from audiolab.training.manifest import Entry
from audiolab.training.pictures import confusion_matrix
from audiolab.training.reporting import write_report

LABELS = ("kick", "snare", "<b>")
NAME = "<script>alert('x') & \"two\".wav"


def predictions() -> tuple[list[Entry], np.ndarray, np.ndarray]:
    truth = np.array([0] * 10 + [1] * 10 + [2] * 10)
    p = np.full((30, 3), 0.1)
    p[np.arange(30), truth] = 0.8
    for row, share in ((0, 0.9), (1, 0.7), (12, 0.6)):  # two kicks taken for <b>, one snare for kick
        other = 2 if row < 10 else 0
        p[row] = (1 - share) / 2
        p[row, other] = share
    return [Entry(Path("/home/me/secret") / NAME, "pack <1>", LABELS[t]) for t in truth], p, truth


def test_rows_of_the_confusion_matrix_are_true_labels():
    _, p, truth = predictions()
    table = confusion_matrix(p.argmax(axis=1), truth, 3)
    assert table.tolist() == [[8, 0, 2], [1, 9, 0], [0, 0, 10]]


def test_the_gallery_plays_and_escapes(tmp_path: Path):
    entries, p, truth = predictions()

    def read(entry: Entry) -> np.ndarray:
        return render("kick", 1, 1)

    shown = write_gallery(tmp_path / "errors.html", entries, p, truth, LABELS, title="A & B", read=read)
    page = (tmp_path / "errors.html").read_text()
    assert shown == 3
    assert "<script" not in page
    assert "secret" not in page  # a gallery may be given away: no folders in it
    assert "&lt;script&gt;" in page
    assert "pack &lt;1&gt;" in page
    assert "A &amp; B" in page
    assert page.index("kick taken for &lt;b&gt;") < page.index("snare taken for kick")
    assert page.index(">0.90<") < page.index(">0.70<")  # the most certain first
    sounds = re.findall(r'src="data:audio/flac;base64,([^"]+)"', page)
    assert len(sounds) == 3
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds[0])))
    assert rate == 22_050
    assert 0.05 < len(samples) / rate <= 1.51
    assert np.abs(samples).max() > 0.5
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched


def test_a_sound_that_is_gone_is_said(tmp_path: Path):
    entries, p, truth = predictions()

    def read(entry: Entry) -> np.ndarray:
        raise AudioError("'x.wav' <is> gone")

    write_gallery(tmp_path / "errors.html", entries, p, truth, LABELS, title="t", read=read)
    assert "&#x27;x.wav&#x27; &lt;is&gt; gone" in (tmp_path / "errors.html").read_text()


def test_a_report_is_two_pictures_and_a_page(tmp_path: Path):
    entries, p, truth = predictions()
    paths = write_report(tmp_path / "r", entries, p, truth, LABELS, title="t", read=lambda entry: render("kick", 1, 1))
    assert [path.name for path in paths] == ["confusions.png", "calibration.png", "errors.html"]
    for path in paths[:2]:
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) > 5000

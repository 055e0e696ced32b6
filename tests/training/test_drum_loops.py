"""Loops for the drum head: the same for a seed, hits where they say; and the head that learns from them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from audiolab.audio import write_audio
from audiolab.audio.core import Audio
from audiolab.stages.classification.encoder import MODEL_FOLDER, get_encoder
from audiolab.stages.classification.head import load_head
from audiolab.stages.classification.preparing import RATE
from audiolab.training.data import render
from audiolab.training.drum_head import (
    Examples,
    class_thresholds,
    f_by_class,
    fit_drum_head,
    halves,
    loop_examples,
    main,
)
from audiolab.training.drum_loops import render_drum_loop
from audiolab.training.manifest import Entry
from audiolab.training.settings import load_config

DRUMS = ("kick", "snare", "clap", "rim", "closed_hat", "open_hat", "crash", "ride", "tom", "percussion", "cowbell")


@pytest.fixture(scope="module")
def kits():
    def sounds(label, first):
        made = [np.asarray(render(label, first + i, 5), np.float64) for i in range(2)]
        return [wave / np.abs(wave).max() for wave in made]

    return {f"kit {n}": {label: sounds(label, 10 * n) for label in DRUMS} for n in range(2)}


def test_loops_are_seeded_finite_and_in_order(kits):
    for seed in range(6):
        loop, again = (render_drum_loop(np.random.default_rng(seed), kits) for _ in range(2))
        assert np.array_equal(loop.samples, again.samples)
        assert loop.hits == again.hits
        assert np.isfinite(loop.samples).all()
        assert 0.09 < np.abs(loop.samples).max() <= 1.0
        times = [time for time, _ in loop.hits]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] < len(loop.samples) / RATE
        assert {label for _, label in loop.hits} <= set(DRUMS)


def test_many_hits_fall_together_as_in_songs(kits):
    together = total = 0
    for seed in range(30):
        times = np.array([time for time, _ in render_drum_loop(np.random.default_rng(seed), kits).hits])
        groups = np.split(times, np.flatnonzero(np.diff(times) > 0.03) + 1)
        total += len(groups)
        together += sum(len(group) > 1 for group in groups)
    assert 0.2 < together / total < 0.6


def test_a_kit_that_lacks_drums_leaves_them_out(kits):
    only = {"small": {"kick": kits["kit 0"]["kick"], "closed_hat": kits["kit 0"]["closed_hat"]}}
    labels = {label for seed in range(8) for _, label in render_drum_loop(np.random.default_rng(seed), only).hits}
    assert labels <= {"kick", "closed_hat"}
    assert "kick" in labels


def test_every_loud_hit_alone_is_heard_in_the_loop(kits):
    loop = render_drum_loop(np.random.default_rng(3), {"k": {"kick": kits["kit 0"]["kick"]}})
    for time, _ in loop.hits:
        at = int(time * RATE)
        assert np.abs(loop.samples[at : at + 1600]).max() > 0.05 * np.abs(loop.samples).max()


def test_examples_of_loops_are_cuts_with_their_classes(kits):
    config = load_config("default")
    found = loop_examples(kits, dict(config.drums), get_encoder(), loops=4, seed=7)
    assert found.vectors.shape == (len(found.struck), 128)
    assert len(found.struck) > 60
    assert found.struck[:, list(config.drums).index("kick")].mean() > 0.1
    again = loop_examples(kits, dict(config.drums), get_encoder(), loops=4, seed=7)
    assert np.array_equal(found.vectors, again.vectors)


def test_a_head_learns_what_is_separable(rng):
    vectors = rng.standard_normal((600, 8)).astype(np.float32)
    struck = np.stack([vectors[:, 0] > 0.5, vectors[:, 1] + vectors[:, 2] > 0], axis=1)
    weight, bias = fit_drum_head(Examples(vectors, struck), np.ones(600))
    assert (weight.shape, bias.shape) == ((8, 2), (2,))
    assert (f_by_class(vectors @ weight + bias > 0, struck) > 0.9).all()


def test_a_class_without_examples_is_never_heard(rng):
    vectors = rng.standard_normal((50, 4)).astype(np.float32)
    struck = np.stack([vectors[:, 0] > 0, np.zeros(50, bool)], axis=1)
    weight, bias = fit_drum_head(Examples(vectors, struck), np.ones(50))
    assert not weight[:, 1].any()
    assert bias[1] < -5


def test_thresholds_have_the_best_f():
    logits = np.array([[-2.0], [-1.0], [0.5], [1.0], [2.0]])
    struck = np.array([[False], [True], [True], [True], [True]])
    (place,) = class_thresholds(logits, struck)
    assert -2.0 < place <= -1.0
    assert f_by_class(logits >= place, struck).tolist() == [1.0]


def test_sources_that_share_recordings_stay_together():
    config = load_config("default")
    names = ["avl_drumkits", "hydrogen_kits", "lmms", "sonic_pi", "web_audio_samples"]
    entries = [Entry(MODEL_FOLDER / f"{name}.wav", name, "kick") for name in names]
    kits = {name: {"kick": [np.ones(10)] * (5 + i)} for i, name in enumerate(names)}
    first, second = halves(kits, entries, config)
    assert set(first) | set(second) == set(names)
    assert not set(first) & set(second)
    for pair in ({"avl_drumkits", "hydrogen_kits"}, {"lmms", "sonic_pi"}):
        assert pair <= set(first) or pair <= set(second)


@pytest.mark.slow
def test_refitting_changes_the_drum_head_only(tmp_path):
    """A small manifest of rendered sounds, through the command line."""
    folder, data = tmp_path / "model", tmp_path / "data"
    data.mkdir()
    shutil.copytree(MODEL_FOLDER, folder)
    rows = ["path,source,label,licence,may_ship"]
    for source in ("lmms", "web_audio_samples"):
        for label in DRUMS:
            for number in range(2):
                path = f"{source}-{label}-{number}.wav"
                wave = np.asarray(render(label, number + len(source), 3), np.float32)
                write_audio(data / path, Audio(wave[None] / np.abs(wave).max(), RATE))
                rows.append(f"{path},{source},{label},CC0,yes")
    (data / "manifest.csv").write_text("\n".join(rows) + "\n")
    assert main(["--data", str(data), "--to", str(folder), "--loops", "12", "--rendered", "3"]) == 0
    before, after = (load_head(place / "head.npz") for place in (MODEL_FOLDER, folder))
    assert (folder / "encoder.onnx").read_bytes() == (MODEL_FOLDER / "encoder.onnx").read_bytes()
    assert np.array_equal(before.weight, after.weight)
    assert before.encoder == after.encoder
    assert not np.array_equal(before.drum_weight, after.drum_weight)
    scores = json.loads((folder / "scores.json").read_text())["drum_loops"]
    assert scores["loops"] == 12
    assert all(0 < row["threshold"] < 1 for row in scores["classes"].values())
    assert "12 loops" in (folder / "MODEL_CARD.md").read_text()
    assert main(["--data", str(tmp_path / "nowhere"), "--to", str(folder)]) == 1

"""Batches, targets, and a whole small training that must learn, twice the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from audiolab.audio import Audio, write_audio
from audiolab.errors import ParameterError
from audiolab.stages.classification.encoder import Encoder, read_verified
from audiolab.stages.classification.head import load_head
from audiolab.training.bench import train
from audiolab.training.data import RENDERED, Batches, collect, render
from audiolab.training.fitting import fit, judge
from audiolab.training.manifest import Entry
from audiolab.training.mixing import blend, mix_batch, spoil, warp
from audiolab.training.network import BANDS, STEPS
from audiolab.training.settings import (
    ClassifierConfig,
    ModelConfig,
    TrainingConfig,
    UnknownConfig,
    from_layout,
    load_config,
    to_layout,
)

SMALL = ClassifierConfig(
    seed=3, labels=("kick", "closed_hat", "bass"), drums={"kick": ("kick",), "hat": ("closed_hat",)}, rendered=10,
    variants=2, folds=2, model=ModelConfig(width=8, dropout=0.0), unknown=UnknownConfig(precision=0.5),
    training=TrainingConfig(epochs=4, batches=12, batch_size=24, together=0.3, bleed=0.2, learning_rate=0.005),
)  # fmt: skip


def rendered(numbers: range) -> list[Entry]:
    return [Entry(Path(f"{label}-{i}"), RENDERED, label) for label in SMALL.labels for i in numbers]


def test_mixed_targets_follow_loudness():
    g = torch.Generator().manual_seed(0)
    power = torch.rand(64, BANDS, STEPS, generator=g)
    presence = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    labels = torch.zeros(64, dtype=torch.long), torch.ones(64, dtype=torch.long)
    mixed, shares, drums = mix_batch((power, 7 * power), labels, presence, g, together=1.0, bleed=0.0)
    assert torch.allclose(shares.sum(dim=1), torch.ones(64))
    assert (shares[:, 0] >= 0.5 - 1e-6).all()  # the second is never louder
    assert (drums[:, 0] == 1).all()
    assert 0 < drums[:, 1].mean() < 1  # very quiet seconds are not asked for
    assert (mixed >= power).all()
    alone, shares, drums = mix_batch((power, power), labels, presence, g, together=0.0, bleed=0.0)
    assert torch.equal(alone, power)
    assert (shares[:, 0] == 1).all()
    assert not drums[:, 1].any()


def test_spoiled_maps_stay_finite_and_not_negative():
    g = torch.Generator().manual_seed(1)
    power = torch.rand(32, BANDS, STEPS, generator=g) ** 4
    spoiled = spoil(power, g)
    assert torch.isfinite(spoiled).all()
    assert (spoiled >= 0).all()
    assert not torch.equal(spoiled, power)


def test_batches_repeat_with_the_seed_and_differ_between_epochs():
    sounds = collect(rendered(range(4)), SMALL, variants=2)
    one, two = Batches(sounds, SMALL), Batches(sounds, SMALL)
    first, again, later = next(iter(one))[0], next(iter(two))[0], next(iter(one))[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, later)


def test_unusable_files_are_named_not_hidden(tmp_path: Path):
    write_audio(tmp_path / "good.wav", Audio(render("kick", 0, 0), 32_000))
    write_audio(tmp_path / "silent.wav", Audio(np.zeros(9000, np.float32), 44_100))
    (tmp_path / "text.wav").write_text("no audio in here " * 99)
    names = ("good.wav", "silent.wav", "text.wav")
    sounds = collect([Entry(tmp_path / name, "s", "kick") for name in names], SMALL, variants=1)
    assert [entry.path.name for entry in sounds.entries] == ["good.wav"]
    assert len(sounds.left_out) == 2
    assert all(any(name in line for line in sounds.left_out) for name in names[1:])


def test_maps_are_kept_between_runs(tmp_path: Path):
    first = collect(rendered(range(2)), SMALL, variants=2, cache=tmp_path)
    assert len(list(tmp_path.glob("maps-*.npy"))) == 1
    again = collect(rendered(range(2)), SMALL, variants=2, cache=tmp_path)
    assert torch.equal(first.pool.maps, again.pool.maps)
    collect(rendered(range(3)), SMALL, variants=2, cache=tmp_path)
    assert len(list(tmp_path.glob("maps-*.npy"))) == 2


def test_a_small_training_learns_and_repeats():
    train = collect(rendered(range(10)), SMALL, variants=2)
    test = collect(rendered(range(50, 62)), SMALL, variants=1)
    first, again = (judge(fit(train, SMALL, precision="32-true"), test) for _ in range(2))
    assert np.array_equal(first.logits, again.logits)
    assert (first.logits.argmax(axis=1) == test.labels).mean() > 0.7  # a third would be chance


@pytest.mark.slow
def test_a_whole_training_makes_a_model_and_goes_on_after_a_stop(tmp_path: Path):
    lines = ["path,source,label,licence,may_ship,dup_group,repository"]
    for source in range(4):
        for label in SMALL.labels:
            for number in range(8):
                name = f"{source}-{label}-{number}.wav"
                write_audio(tmp_path / name, Audio(render(label, 100 * source + number, 8), 32_000))
                lines.append(f"{name},source{source},{label},CC0-1.0,{'no' if source == 3 else 'yes'},,some/where")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    config = SMALL.model_copy(update={"loops": 6})
    done = train(tmp_path, config, work=tmp_path / "w", to=tmp_path / "m")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "w").rglob("fold-*.npz")}
    assert len(kept) == 2
    assert not list((tmp_path / "w").rglob("*.ckpt"))
    again = train(tmp_path, config, work=tmp_path / "w", to=tmp_path / "m", resume=True)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert again.scores["out_of_fold"] == done.scores["out_of_fold"]
    head = load_head(read_verified("head.npz", tmp_path / "m"))
    assert head.labels == SMALL.labels
    assert Encoder(read_verified("encoder.onnx", tmp_path / "m")).sha256 == head.encoder
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text()
    assert "source0" in card
    assert "6 loops" in card
    assert "source3 |" not in card  # never learned from, so not credited as if it were
    assert "out_of_fold: cnn" in done.to_dict()["summary"]
    index = json.loads((tmp_path / "m" / "model.json").read_text())
    assert set(index["sha256"]) == {"encoder.onnx", "head.npz", "trained_on.npz", "config.yaml"}
    with np.load(tmp_path / "m" / "trained_on.npz") as file:
        assert len(file["hashes"]) == 72  # without those that may not ship


def test_configs_are_checked(tmp_path: Path):
    assert load_config("default").folds >= 2
    for text, message in (
        ("data: {labels: [a, b], drums: {x: [c]}}", "drum head"),
        ("data: {labels: [a, b], fold: 3}", r"data.fold'; did you mean data.folds"),
        ("data: {labels: [a, b], folds: 1}", "data.folds: Input should be greater"),
        ("data: {labels: [a, a]}", "twice"),
        ("model: {width: many}\ndata: {labels: [a, b]}", "model.width"),
        ("labels: [a]", "sections"),
        ("[", "no classifier"),
    ):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(ParameterError, match=message):
            load_config(path)
    with pytest.raises(ParameterError, match="default"):
        load_config("no such")


def test_a_configuration_written_and_read_is_the_same():
    assert from_layout(to_layout(SMALL)) == SMALL.seeded(SMALL.seed)
    default = load_config("default")
    assert from_layout(to_layout(default)) == default


def test_blended_maps_lie_between_their_two_and_targets_follow():
    g = torch.Generator().manual_seed(3)
    maps = torch.arange(8.0)[:, None, None].expand(8, BANDS, STEPS)
    shares, drums = torch.eye(8), torch.eye(8)
    mixed, mixed_shares, mixed_drums = blend(maps, shares, drums, g, alpha=0.4)
    assert torch.allclose(mixed_shares.sum(dim=1), torch.ones(8))
    assert (mixed_shares.diagonal() >= 0.5).all()
    assert torch.allclose(mixed[:, 0, 0], mixed_shares @ torch.arange(8.0))  # weights of maps and targets are one
    other = mixed_shares - torch.diag(mixed_shares.diagonal())
    assert torch.equal(mixed_drums, torch.maximum(drums, (other > 0.3).float()))


def test_warped_maps_keep_their_start_and_move_a_band_a_little():
    g = torch.Generator().manual_seed(4)
    maps = torch.full((64, BANDS, STEPS), -1.75)
    maps[:, 30, :40] = 1.75
    warped = warp(maps, g, strength=0.05)
    assert warped.shape == maps.shape
    unmoved = torch.isclose(warped, maps, atol=1e-5).all(dim=2).all(dim=1)
    assert 0.05 < unmoved.float().mean() < 0.6
    centres = (warped[:, :, 5] + 1.75).argmax(dim=1)
    assert (centres - 30).abs().max() in (1, 2)
    ends = (warped.amax(dim=1) > -1).sum(dim=1)
    assert 35 <= ends.min() < 40 < ends.max() <= 45

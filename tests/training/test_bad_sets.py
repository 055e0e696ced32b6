"""Sets that cannot be split, learned from or read: a clear error, or a report that names what was left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_fitting import SMALL

from audiolab.audio import Audio, write_audio
from audiolab.errors import ParameterError
from audiolab.training.data import RENDERED, render
from audiolab.training.hashing import content_hashes, data_hash
from audiolab.training.manifest import Entry
from audiolab.training.scoring import best_threshold
from audiolab.training.splitting import BY_SOURCE, prepare_entries, split_folds

FEW = SMALL.model_copy(update={"rendered": 1, "variants": 1})


def sounds(folder: Path, source: str, counts: dict[str, int], **told: str) -> list[Entry]:
    entries = []
    for label, count in counts.items():
        for number in range(count):
            path = folder / f"{source}-{label}-{number}.wav"
            write_audio(path, Audio(render(label, number, len(source)), 32_000))
            entries.append(Entry(path, source, label, **told))
    return entries


def test_one_source_is_split_at_random_and_says_so(tmp_path: Path):
    entries = sounds(tmp_path, "only", {"kick": 4, "bass": 4})
    entries = [Entry(e.path, e.source, e.label, dup_group=f"g{i // 2}") for i, e in enumerate(entries)]
    data = prepare_entries(entries, FEW, None)
    assert data.how != BY_SOURCE
    assert "'only'" in data.how
    assert "flatter" in data.how
    recorded = data.folds[[e.source != RENDERED for e in data.sounds.entries]]
    assert set(recorded.tolist()) == {0, 1}
    for first, second in zip(recorded[::2].tolist(), recorded[1::2].tolist(), strict=True):
        assert first == second  # near-duplicates stay together


def test_fewer_sources_than_folds_give_fewer_folds(tmp_path: Path):
    entries = sounds(tmp_path, "a", {"kick": 2, "bass": 2}) + sounds(tmp_path, "bb", {"kick": 2, "bass": 2})
    split = split_folds(entries, FEW.model_copy(update={"folds": 5}))
    assert (split.count, split.how) == (2, BY_SOURCE)
    assert {split.folds[i] for i, e in enumerate(entries) if e.source == "a"} != {
        split.folds[i] for i, e in enumerate(entries) if e.source == "bb"
    }


def test_thin_labels_and_unreadable_files_are_named(tmp_path: Path):
    entries = sounds(tmp_path, "a", {"kick": 2, "bass": 1}) + sounds(tmp_path, "bb", {"kick": 2})
    (tmp_path / "text.wav").write_text("no audio " * 99)
    entries.append(Entry(tmp_path / "text.wav", "bb", "kick"))
    config = FEW.model_copy(update={"labels": ("kick", "bass", "closed_hat", "gong"), "drums": {}})
    notes = "\n".join(prepare_entries(entries, config, None, notes=("line 7: gone.wav: no such file",)).notes)
    for said in (
        "gone.wav",
        "text.wav",
        "'bass' has a single recording",
        "'closed_hat' has no recording",
        "'gong' has no sound",
    ):
        assert said in notes


def test_nothing_to_learn_from_is_an_error(tmp_path: Path):
    with pytest.raises(ParameterError, match=r"no sound to learn from$"):
        prepare_entries([], FEW, None)
    mute = sounds(tmp_path, "a", {"kick": 1}, may_ship="no")
    with pytest.raises(ParameterError, match="measuring only"):
        prepare_entries(mute, FEW, None)
    write_audio(tmp_path / "silence.wav", Audio(np.zeros(9000, np.float32), 44_100))
    with pytest.raises(ParameterError, match="can be heard"):
        prepare_entries([Entry(tmp_path / "silence.wav", "a", "kick")], FEW, None)
    with pytest.raises(ParameterError, match="cannot be split"):
        prepare_entries(sounds(tmp_path, "b", {"kick": 1}), FEW, None)


def test_a_poor_classifier_still_gets_a_threshold():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 200)
    truth = rng.integers(0, 4, 200)
    threshold, reached = best_threshold(p, truth, 0.99)
    assert 0 <= threshold < 1
    kept = p.max(axis=1) >= threshold
    assert kept.sum() >= 20
    assert reached == pytest.approx((p.argmax(axis=1) == truth)[kept].mean())
    assert reached < 0.99


def test_hashes_know_content_not_names_or_formats(tmp_path: Path):
    one = sounds(tmp_path, "a", {"kick": 1})[0]
    wave = np.round(render("kick", 0, 1) * 20000) / 32768
    write_audio(tmp_path / "x.wav", Audio(wave.astype(np.float32), 32_000), subtype="PCM_16")
    write_audio(tmp_path / "y.flac", Audio(wave.astype(np.float32), 32_000), subtype="PCM_16")
    write_audio(tmp_path / "z.wav", Audio((0.5 * wave).astype(np.float32), 32_000))
    found = content_hashes(
        [Entry(tmp_path / name, "s", "kick") for name in ("x.wav", "y.flac", "z.wav", "gone.wav")] + [one]
    )
    assert found[0] == found[1] != 0
    assert len(set(found[[0, 2, 4]].tolist())) == 3
    assert found[3] == 0
    entries = [Entry(tmp_path / name, "s", "kick") for name in ("x.wav", "z.wav")]
    assert data_hash(entries, found[[0, 2]]) == data_hash(entries[::-1], found[[2, 0]])
    assert data_hash(entries, found[[0, 2]]) != data_hash(entries, found[[0, 4]])

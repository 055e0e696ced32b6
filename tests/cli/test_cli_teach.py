"""What to tag next, teaching and retagging from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiolab.audio import Audio, write_audio
from audiolab.library import Library
from audiolab.runs.embedding_missing import embed_missing
from audiolab.stages.classification import find_model

RATE = 32_000


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Six noises and tones, embedded and never classified."""
    t = np.arange(RATE // 3) / RATE
    rng = np.random.default_rng(5)
    with Library(tmp_path / "library") as made:
        for number in range(6):
            tone = np.sin(2 * np.pi * 90 * (number + 1) ** 2 * t)
            sound = (tone if number % 2 else rng.standard_normal(t.size)) * np.exp(-t * (5 + 9 * number)) / 4
            made.add(write_audio(tmp_path / f"sound {number}.wav", Audio(sound[None].astype(np.float32), RATE)))
        assert embed_missing(made, made.query("kind:sample").ids, find_model()) == {}
    return tmp_path / "library"


def test_the_loop_from_proposal_to_retag(cli, library):
    said = cli("uncertain", 3, "--library", library, "--json")
    assert said.code == 0, said.err
    assert len(said.json["samples"]) == 3
    assert said.json["looked_at"] == 6
    first = said.json["samples"][0]
    assert first["proposal"]["reason"]
    plain = cli("uncertain", 3, "--library", library)
    assert first["id"][:12] in plain.out
    with Library(library) as opened:
        for number, sample in enumerate(said.json["samples"]):
            opened.sound(sample["id"]).tag("kick" if number else "buzz", role="label")
        opened.sound(said.json["samples"][1]["id"]).tag("buzz", role="label")
    taught = cli("train", "--from-library", library, "--no-mlflow", "--name", "mine", "--promote", "--json")
    assert taught.code == 0, taught.err
    assert taught.json["model"]["name"] == "mine"
    assert taught.json["report"]["new_labels"] == ["buzz"]
    assert taught.json["promoted"]
    plan = cli("retag", "--library", library, "--json")
    assert plan.code == 0, plan.err
    assert plan.json["model"]["name"] == "mine"
    assert not plan.json["applied"]
    assert plan.json["changes"] == []
    assert plan.json["left_out"] == ["6 samples were never classified: run a recipe with `classify` on them"]
    assert "never classified" in cli("retag", "--apply", "--library", library).out


def test_wrong_use_says_what_would_help(cli, library, tmp_path):
    nothing = cli("train", "--from-library", library, "--no-mlflow")
    assert nothing.code == 2
    assert "tag some sounds first" in nothing.err
    both = cli("train", "--from-library", library, "--data", tmp_path)
    assert both.code == 2
    nobody = cli("retag", "--model", "nobody", "--library", library)
    assert nobody.code == 1
    assert "there is no classifier 'nobody'" in nobody.err
    empty = cli("uncertain", "--library", tmp_path / "empty")
    assert empty.code == 2
    assert "there are no samples" in empty.err

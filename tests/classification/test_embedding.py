"""Embeddings: unit length, the same alone or in a batch, close for close sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drum_sounds import RATE, bass_note, closed_hat, kick, snare

from audiolab.audio import Audio, write_audio
from audiolab.stages import embed, get_stage
from audiolab.stages.base import SoundInput, StageInput
from audiolab.stages.classification import get_encoder


def test_vectors_have_unit_length_and_carry_the_encoder():
    vectors = embed([(make(), RATE) for make in (kick, snare, closed_hat)])
    assert vectors.values.shape == (3, get_encoder().dimensions)
    assert vectors.values.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors.values, axis=1), 1, atol=1e-5)
    assert vectors.encoder == get_encoder().sha256


def test_silence_is_the_zero_vector_among_others():
    values = embed([(kick(), RATE), (np.zeros(5000, np.float32), RATE), (kick(), RATE)]).values
    assert not values[1].any()
    assert np.array_equal(values[0], values[2])


def test_batch_equals_single():
    sounds = [(make(), RATE) for make in (kick, snare, closed_hat, bass_note)] * 10
    together = embed(sounds).values
    alone = np.concatenate([embed(sound).values for sound in sounds[:4]])
    assert np.abs(together[:4] - alone).max() < 1e-5
    assert np.array_equal(together, embed(sounds).values)


def test_a_quieter_late_copy_is_nearer_than_another_drum(tmp_path: Path):
    copy = np.concatenate((np.zeros(3000, np.float32), 0.2 * snare()))
    path = write_audio(tmp_path / "copy.wav", Audio(copy, RATE))
    original, other, late = embed([(snare(), RATE), (kick(), RATE), path]).values
    assert original @ late > 0.95
    assert original @ other < original @ late - 0.3


def test_stage_gives_one_vector_per_sound_in_order(tmp_path: Path):
    stage = get_stage("embed")
    sounds = tuple(
        SoundInput(str(i), "s", "sample", Audio(make(), RATE)) for i, make in enumerate((snare, kick, closed_hat))
    )
    resolved = stage.resolve(stage.params())
    output = stage.run(StageInput(sounds, tmp_path), resolved)
    assert output.vectors is not None
    assert resolved.weights == output.vectors.encoder == output.document["encoder"]
    assert np.allclose(output.vectors.values, embed([s.source for s in sounds]).values)
    empty = stage.run(StageInput((), tmp_path), resolved)
    assert empty.vectors is not None
    assert empty.vectors.values.shape == (0, get_encoder().dimensions)

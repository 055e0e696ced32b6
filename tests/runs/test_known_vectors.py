"""`classify` takes embeddings that `embed` has left: the same results under the same keys, with half of the work."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from taught_library import HITS, make_library, recipe, run_here, samples_by_song

from audiolab.library import Library
from audiolab.stages.classification import encoder as encoder_module


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    (folder / "other").mkdir()
    library, made = Library(folder / "library", actor="tester"), make_library(folder / "other", songs=1)
    [song] = made.songs
    copy = library.add(song.path, kind="song")
    steps = recipe(len(HITS))["steps"]
    run_here(library, [copy], {"name": "no embeddings", "steps": [steps[0], steps[2]]})
    made.close()
    library.close()
    return folder


@pytest.fixture
def both(template, tmp_path):
    """A library that was classified with embeddings at hand, and one without."""
    shutil.copytree(template, tmp_path / "t")
    with Library(tmp_path / "t" / "other" / "library") as first, Library(tmp_path / "t" / "library") as second:
        yield first, second


def test_results_and_keys_are_the_same_with_and_without(both):
    found = [library.latest_result(library.songs[0].id, "classify") for library in both]
    assert found[0].key == found[1].key
    assert found[0].document == found[1].document
    assert found[0].needs == found[1].needs == {}
    assert [library.encoders() == {} for library in both] == [False, True]
    first, second = ([(s.id, s.label, s.confidence) for s in samples_by_song(library)[0]] for library in both)
    assert first == second


def test_the_encoder_does_not_run_twice(both, monkeypatch):
    _, library = both
    song = library.songs[0]
    runs = []
    plain = encoder_module.Encoder.__call__
    monkeypatch.setattr(encoder_module.Encoder, "__call__", lambda self, sounds: runs.append(1) or plain(self, sounds))
    steps = recipe(len(HITS))["steps"]
    other = {"name": "other", "steps": [*steps[:2], {"stage": "classify", "params": {"unknown_below": 0.0}}]}
    assert run_here(library, [song], other) == {"reused": 1, "done": 2}
    assert len(runs) == 1  # embed alone
    assert all(sample.label != "unknown" for sample in song.samples)


def test_damaged_embeddings_are_made_again(both):
    library, _ = both
    song = library.songs[0]
    [media] = library.latest_result(song.id, "embed").media
    path = library.media.local(media)
    damaged = io.BytesIO()
    np.save(damaged, np.zeros((2, 3), np.float32))
    path.chmod(0o644)
    path.write_bytes(damaged.getvalue())
    steps = recipe(len(HITS))["steps"]
    other = {"name": "other", "steps": [{"stage": "classify", "params": {"unknown_below": 0.0}}]}
    before = [sample.confidence for sample in song.samples]
    assert run_here(library, [song], {"name": "x", "steps": [steps[0], *other["steps"]]})["done"] == 1
    assert [sample.confidence for sample in song.samples] == pytest.approx(before)

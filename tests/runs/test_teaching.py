"""Teaching: from tags in a library to a head on the shelf."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from taught_library import HITS, make_library, samples_by_song

from audiolab.audio import open_source
from audiolab.config import get_settings
from audiolab.errors import ParameterError
from audiolab.library import Library
from audiolab.runs import teach
from audiolab.runs.labelled import labelled
from audiolab.stages.classification import get_encoder, get_head
from audiolab.stages.classification.shelf import current, entries, put


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    make_library(folder).close()
    return folder / "library"


@pytest.fixture
def library(template, tmp_path):
    shutil.copytree(template, tmp_path / "library")
    with Library(tmp_path / "library", actor="tester") as found:
        yield found


def tag_all(library: Library) -> None:
    for samples in samples_by_song(library):
        for sample, label in zip(samples, HITS, strict=True):
            sample.tag({"cowbell": "clonk"}.get(label, label), role="label")


def test_a_library_teaches_its_words_and_the_shelf_keeps_them(library):
    tag_all(library)
    taught = teach(library, mlflow=False)
    report = taught.report
    assert report.new_labels == ("clonk",)
    assert report.counts == {"clap": 2, "clonk": 2, "closed_hat": 4, "kick": 4, "snare": 2, "tom": 2}
    assert report.groups["kick"] == 2
    assert 0 < report.scored <= 16
    assert set(report.before) == set(report.after) == {"accuracy", "balanced", "log_loss", "ece"}
    assert taught.embedded == 0
    assert not taught.promoted
    assert current().id == "shipped"
    assert taught.entry.name == "library"
    assert taught.entry.origin["library"] == library.id
    head = get_head(taught.entry.model)
    assert head.labels == (*get_head("shipped").labels, "clonk")
    assert np.array_equal(head.drum_weight, get_head("shipped").drum_weight)
    assert taught.promote().promoted
    assert current().id == taught.entry.id
    assert taught.roll_back().id == "shipped"
    document = json.loads(json.dumps(taught.to_dict()))
    assert document["report"]["counts"]["clonk"] == 2
    assert "clonk" in taught._repr_html_()
    again = teach(library, mlflow=False)
    assert again.entry.id == taught.entry.id  # the same tags give the same bytes


def test_what_people_rejected_or_put_aside_is_not_learned_and_is_named(library):
    tag_all(library)
    first, second = samples_by_song(library)
    first[0].tag("reject")
    library.delete([first[1]])
    second[0].untag("kick")
    for sample in second[4:6]:
        sample.tag("favourite sound")
    library.songs[0].tag("vocal")
    taught = teach(library, mlflow=False)
    assert taught.report.counts["kick"] == 2
    assert taught.report.counts["snare"] == 1
    left = "\n".join(taught.report.left_out)
    assert "1 labelled sounds tagged `reject`" in left
    assert "of kind song" in left
    assert "the free tag 'favourite sound' of 2 sounds" in left
    named = teach(library, labels="favourite sound", mlflow=False)
    assert named.report.counts == {"favourite sound": 2}
    assert named.report.unscored == ("favourite sound",)


def test_a_query_and_a_library_without_tags(library):
    with pytest.raises(ParameterError, match="tag some sounds first"):
        teach(library, mlflow=False)
    with pytest.raises(ParameterError, match="tag some sounds first"):
        labelled(library)
    tag_all(library)
    song = sorted(library.songs, key=lambda found: found.name)[0]
    taught = teach(library, f"song:{song.id}", mlflow=False)
    assert sum(taught.report.counts.values()) == len(HITS) - 1
    assert "clonk (1): a new label needs 2 examples" in taught.report.left_out
    assert taught.report.scored == 0
    assert "nothing can be said of other songs" in str(taught)
    assert any("outside the query" in line for line in taught.report.left_out)
    with pytest.raises(ParameterError, match=r"tag some sounds first.*outside the query"):
        teach(library, "bpm:1..2", mlflow=False)


def test_missing_embeddings_are_made_and_kept(library, tmp_path):
    from taught_library import hit

    from audiolab.audio import Audio, write_audio
    from audiolab.stages.classification.preparing import RATE

    for number in range(2):
        path = write_audio(tmp_path / f"new {number}.wav", Audio(hit("clap", 5000 + number)[None], RATE))
        library.add(path, kind="sample").tag("clap")
    first, _ = samples_by_song(library)
    first[0].tag("kick")
    with library.store.transaction() as session:
        from sqlalchemy import delete

        from audiolab.library.models import VectorRow

        session.execute(delete(VectorRow).where(VectorRow.sound_id == first[0].id))
    before = library.encoders()[get_encoder().sha256]
    taught = teach(library, mlflow=False)
    assert taught.embedded == 3
    assert taught.report.counts == {"clap": 2, "kick": 1}
    assert library.encoders()[get_encoder().sha256] == before + 3
    assert library.fsck(deep=True).clean


def test_labelled_gives_files_that_sound_like_the_samples(library):
    tag_all(library)
    first, _ = samples_by_song(library)
    library.query("name:loose")[0].tag("kick")
    reading = labelled(library)
    assert len(reading.entries) == 2 * len(HITS) + 1
    assert {entry.label for entry in reading.entries} == {"kick", "snare", "closed_hat", "tom", "clap", "clonk"}
    assert len({entry.source for entry in reading.entries}) == 3
    audio = first[2].audio()
    [entry] = [
        item for item in reading.entries
        if item.label == "closed_hat" and open_source(item.path).frames == audio.frames
        and np.array_equal(next(iter(open_source(item.path).blocks(audio.frames)))[0], audio.samples[0])
    ]  # fmt: skip
    times = {item.path: item.path.stat().st_mtime_ns for item in reading.entries}
    assert {item.path: item.path.stat().st_mtime_ns for item in labelled(library).entries} == times
    assert entry.path.is_relative_to(library.path / "cache")
    assert library.fsck().clean


def test_a_damaged_model_on_the_way_is_an_error_not_another_head(library):
    tag_all(library)
    taught = teach(library, mlflow=False, promote=True)
    path = get_settings().path(get_settings().models_dir) / "classifier" / taught.entry.id / "head.npz"
    path.write_bytes(b"x")
    from audiolab.errors import ModelError

    get_head.__globals__["_head"].cache_clear()
    with pytest.raises(ModelError, match=r"head\.npz"):
        teach(library, mlflow=False)
    assert [item.name for item in entries()] == ["library", "shipped"]


def test_mlflow_keeps_every_version(library):
    mlflow = pytest.importorskip("mlflow")
    from audiolab.training.registry import promote

    tag_all(library)
    taught = teach(library, name="first")
    again = teach(library, "label:kick,snare", name="second")
    assert (taught.mlflow["version"], again.mlflow["version"]) == ("1", "2")
    assert taught.entry.origin["mlflow"] == taught.mlflow
    home = get_settings().path("mlruns")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    run = client.get_run(taught.mlflow["run"])
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "teaching"
    assert run.data.params["new_labels"] == "clonk"
    assert run.data.params["encoder"] == taught.entry.encoder
    assert run.data.metrics["after.accuracy"] == pytest.approx(taught.report.after["accuracy"])
    [head] = home.joinpath("artifacts").rglob(f"{run.info.run_id}/**/head.npz")
    assert head.read_bytes() == get_head_bytes(taught)
    assert (head.parent / "labels.json").is_file()
    assert put(head.parent, name="from mlflow").id == taught.entry.id  # it is a model's folder
    promote("audiolab-head/1")
    assert current().id == taught.entry.id
    version = client.get_model_version("audiolab-head", "1")
    assert version.run_id == run.info.run_id
    assert version.tags["name"] == "first"
    assert not (home.parent / "mlruns" / "0").exists()  # nothing lies where MLflow would put it by itself


def get_head_bytes(taught) -> bytes:
    return (taught.entry.folder / "head.npz").read_bytes()

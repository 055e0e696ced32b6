"""The benchmark of a folder: oracles are perfect, bad files are named, CSV and JAMS agree, MLflow gets it all."""

from __future__ import annotations

import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from audiolab.audio import write_audio
from audiolab.benchmarking import SCORERS, bench, log_bench
from audiolab.benchmarking.tables import AnnotationError
from audiolab.errors import ParameterError
from audiolab.stages.base import Cut
from audiolab.stages.notes import Note
from audiolab.synth import tone

from .conftest import beat_rows, note_rows, write_song

GM = {"kick": 36, "snare": 38, "clap": 39, "closed_hat": 42, "open_hat": 46, "tom": 47, "crash": 49}


@pytest.fixture
def oracle(monkeypatch, laid_out):
    """Put stages in place that know the truth."""
    from audiolab import stages

    _, song = laid_out
    rate = song.sample_rate

    def midi(path, **params):
        if params["preset"] == "drums":
            notes = [Note(hit.frame / rate, hit.frame / rate + 0.1, GM[hit.label], 100) for hit in song.hits]
        else:
            notes = [Note(start, end, pitch, 100) for start, end, pitch in note_rows(song, path.stem)]
        return SimpleNamespace(notes=notes)

    def slice_sound(path, **params):
        frames = song.onsets("drums" if path.stem == "mix" else path.stem)
        return SimpleNamespace(cuts=[Cut(int(frame), int(frame) + 100) for frame in frames], sample_rate=rate)

    beats = beat_rows(song)
    document = {
        "tempo": {"bpm": song.bpm}, "meter": "4/4", "beats": [time for time, _ in beats],
        "downbeats": [time for time, place in beats if place == 1], "key": {"tonic": "A", "mode": "minor"},
    }  # fmt: skip

    def separate(mix, **params):
        class Found(SimpleNamespace):
            def __getitem__(self, name):
                return song.stems[name]

        return Found(stems=song.stems, engine="oracle")

    monkeypatch.setattr(stages, "midi", midi)
    monkeypatch.setattr(stages, "slice", slice_sound)
    monkeypatch.setattr(stages, "analyze", lambda path, **params: SimpleNamespace(to_dict=lambda: document))
    monkeypatch.setattr(stages, "separate", separate)


def test_fed_with_the_truth_every_score_is_perfect(oracle, laid_out):
    top, _ = laid_out
    for stage in ("slice", "midi", "analyze", "drums"):
        found = bench(stage, top, baseline=False)
        assert not found.failed
        scores = {k: v for k, v in found.mean.items() if k not in {"seconds", "start_error_ms"} and v is not None}
        assert set(scores.values()) == {1.0}, stage
        assert len(scores) >= 3
    assert bench("slice", top, baseline=False).mean["start_error_ms"] == pytest.approx(0.0, abs=1e-6)
    assert bench("drums", top, baseline=False).pooled["all_f"] == 1.0
    assert {item["name"] for item in bench("midi", top, baseline=False).items} == {
        "short song/bass", "short song/other", "short song/vocals",
    }  # fmt: skip


def test_exact_stems_are_infinite_and_the_mix_is_not(oracle, laid_out):
    top, _ = laid_out
    found = bench("separate", top)
    (item,) = found.items
    for stem in ("drums", "bass", "other", "vocals"):
        assert item[f"{stem}_si_sdr"] == item[f"{stem}_sdr"] == math.inf
        assert item[f"mix_{stem}_si_sdr"] < 3
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["items"][0]["bass_sdr"] == 300.0


def test_csv_and_jams_of_the_same_truth_give_the_same_scores(laid_out, tmp_path):
    top, song = laid_out
    folder = tmp_path / "jams" / "short song"
    folder.mkdir(parents=True)
    rows = {
        "onset": [(hit.frame / song.sample_rate, 0.0, hit.label) for hit in song.hits],
        "beat": [(time, 0.0, place) for time, place in beat_rows(song)],
        "tempo": [(0.0, song.mix.duration, song.bpm)],
        "key_mode": [(0.0, song.mix.duration, "A:minor")],
    }

    def jams(name, rows):
        annotations = [
            {
                "namespace": space,
                "data": [{"time": t, "duration": d, "value": v, "confidence": None} for t, d, v in found],
            }
            for space, found in rows.items()
        ]
        (folder / f"{name}.jams").write_text(json.dumps({"annotations": annotations}))

    jams("mix", rows)
    jams("bass", {"note_midi": [(start, end - start, pitch) for start, end, pitch in note_rows(song, "bass")]})
    for file in (top / "short song").glob("*.flac"):
        shutil.copy(file, folder)
    for stage in ("slice", "analyze", "drums"):
        ours, theirs = bench(stage, top, baseline=False), bench(stage, folder.parent, baseline=False)
        assert {k: v for k, v in ours.mean.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in theirs.mean.items() if k != "seconds"}, nan_ok=True
        )
        assert ours.data_hash != theirs.data_hash
    ours = next(i for i in bench("midi", top, baseline=False).items if i["name"].endswith("bass"))
    (theirs,) = bench("midi", folder.parent, baseline=False).items
    assert ours["f"] == pytest.approx(theirs["f"])


def test_real_stages_do_well_on_a_rendered_song(laid_out):
    top, _ = laid_out
    assert bench("slice", top).mean["f"] > 0.9
    analysis = bench("analyze", top).mean
    assert (analysis["tempo_accuracy_1"], analysis["beat_f"] > 0.95) == (1.0, True)
    assert 0 <= analysis["librosa_beat_f"] <= 1


def test_bad_annotations_are_named_and_the_others_go_on(oracle, laid_out, tmp_path):
    top, _song = laid_out
    shutil.copytree(top / "short song", tmp_path / "good")
    shutil.copytree(top / "short song", tmp_path / "bad")
    (tmp_path / "bad" / "onsets.csv").write_text("0.5,kick\nsoon,snare\n")
    (tmp_path / "bare").mkdir()
    write_audio(tmp_path / "bare" / "tune.wav", tone(440, 0.2))
    found = bench("slice", tmp_path, baseline=False)
    assert [item["name"] for item in found.items] == ["good/drums"]
    assert [row["name"] for row in found.failed] == ["bad"]
    assert "onsets.csv" in found.failed[0]["why"]
    assert "line 2" in found.failed[0]["why"]
    assert [row["name"] for row in found.skipped] == ["bare/tune"]
    assert "onsets.csv (time[,label])" in found.skipped[0]["why"]


def test_a_folder_without_any_annotation_and_wrong_use(tmp_path, laid_out):
    write_audio(tmp_path / "tune.wav", tone(440, 0.2))
    for stage in SCORERS:
        if stage != "lyrics":  # needs weights before it looks at the folder
            with pytest.raises(AnnotationError, match=r"nothing in .* to score"):
                bench(stage, tmp_path)
    with pytest.raises(ParameterError, match="there are: separate, slice"):
        bench("mixdown", tmp_path)
    with pytest.raises(ParameterError, match="it takes"):
        bench("slice", laid_out[0], params={"sensitivty": 0.5})


def test_stem_of_another_length_is_a_clear_error(oracle, laid_out, tmp_path):
    top, song = laid_out
    shutil.copytree(top / "short song", tmp_path / "song")
    write_audio(tmp_path / "song" / "bass.flac", song.stems["bass"].cut(0, 1000))
    found = bench("separate", tmp_path)
    assert "bass.flac" in found.failed[0]["why"]
    assert not found.items


def test_lyrics_are_scored_against_words_and_times(monkeypatch, tmp_path):
    from audiolab import stages
    from audiolab.benchmarking import benching
    from audiolab.stages.base import Resolved
    from audiolab.stages.words import LyricsParams

    write_audio(tmp_path / "a.wav", tone(440, 0.5))
    (tmp_path / "a.words.csv").write_text("start,end,word\n0.1,0.2,hello\n0.3,0.4,world\n")
    words = [SimpleNamespace(start=0.1, end=0.2, word="hello"), SimpleNamespace(start=0.35, end=0.4, word="word")]
    sheet = SimpleNamespace(text="Hello, word", words=words, language="en")
    monkeypatch.setattr(stages, "lyrics", lambda path, **params: sheet)
    monkeypatch.setattr(benching, "_resolved", lambda scorer, params: Resolved(LyricsParams()))
    found = bench("lyrics", tmp_path)
    assert found.mean["wer"] == 0.5
    assert found.items[0]["word_matched"] == 0.5
    assert found.mean["word_median_abs_s"] == pytest.approx(0.0)


def test_written_as_csv_and_json(oracle, laid_out, tmp_path):
    import csv

    found = bench("analyze", laid_out[0], baseline=False)
    with found.write(tmp_path / "out" / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["short song", "mean"]
    assert float(rows[1]["beat_f"]) == 1.0
    document = json.loads(found.write(tmp_path / "a.json").read_text())
    assert document["mean"]["beat_f"] == 1.0
    assert set(document) >= {"stage", "data", "params", "items", "mean", "skipped", "seconds"}
    with pytest.raises(ParameterError, match=r"\.csv or \.json"):
        found.write(tmp_path / "a.xlsx")


def test_mlflow_gets_parameters_metrics_and_the_document(oracle, laid_out, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    found = bench("drums", laid_out[0], params={"drum_threshold": 0.25})
    first, second = log_bench(found, uri), log_bench(found, uri)
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("bench/drums")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_id for run in runs} == {first, second}
    run = client.get_run(first)
    assert run.data.metrics["pooled.all_f"] == 1.0
    assert run.data.metrics["mean.KD_f"] == 1.0
    assert run.data.params["params.drum_threshold"] == "0.25"
    assert run.data.params["data_hash"] == found.data_hash
    assert len(run.data.params["weights"]) == 64
    assert run.info.status == "FINISHED"
    assert [a.path for a in client.list_artifacts(first)] == ["bench.json"]
    local = client.download_artifacts(first, "bench.json", str(tmp_path))
    with open(local) as file:
        assert json.load(file)["pooled"]["all_f"] == 1.0


def test_data_hash_changes_with_an_annotation(oracle, laid_out, tmp_path):
    top, _song = laid_out
    shutil.copytree(top, tmp_path / "copy")
    before = bench("analyze", tmp_path / "copy", baseline=False)
    assert before.data_hash == bench("analyze", top, baseline=False).data_hash, "the place does not matter"
    (tmp_path / "copy" / "short song" / "tempo.txt").write_text("113\n")
    assert bench("analyze", tmp_path / "copy", baseline=False).data_hash != before.data_hash


@pytest.mark.shared
def test_mdb_is_read_as_it_is(shared_data):
    found = bench("slice", shared_data / "music" / "mdb", baseline=False)
    assert len(found.items) == 7
    assert not found.skipped
    assert not found.failed
    assert found.mean["f"] > 0.97


@pytest.mark.shared
def test_other_sets_are_found(shared_data):
    from audiolab.benchmarking import find_songs

    def kinds(folder):
        return {s.name: set(s.mix.files) for s in find_songs(shared_data / "music" / folder)}

    assert kinds("madmom")["sample"] == {"beats", "onsets", "tempo"}
    assert kinds("madmom")["stereo_sample"] == {"notes"}
    assert kinds("vocadito")["vocadito_1"] == {"notes", "lyrics"}
    assert kinds("lyrics")["Fantasma_-_Los_Rombos"] == {"lyrics", "words"}
    for song in find_songs(shared_data / "music" / "lyrics"):
        assert len(song.mix.truth(["lyrics", "words"]).words) > 50


def test_mean_leaves_out_what_could_not_be_scored(laid_out, tmp_path, oracle):
    song = laid_out[1]
    write_song(song, tmp_path / "a")
    found = bench("drums", tmp_path, baseline=False)
    assert np.isnan(found.items[0]["TT_f"]), "the short song has no tom"
    assert found.mean["TT_f"] is None
    assert found.to_dict()["items"][0]["TT_f"] is None
    assert found.mean["all_f"] == 1.0

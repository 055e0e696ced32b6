"""`similar`: from a sound, a file and memory; filters, trash, aspects, the kept copy, the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import alike_making as making
import numpy as np
import pytest

import audiolab as al
from audiolab.audio import Audio, write_audio
from audiolab.errors import AudioError, CatalogError, ParameterError
from audiolab.library import Library
from audiolab.library.vectors import MEASURED
from audiolab.stages.analysis.aspects import ASPECTS
from audiolab.stages.classification.encoder import get_encoder

DRUMS = ("kick", "snare", "clap", "closed_hat", "open_hat", "tom")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A library of 24 hits, described and embedded, and one silent sound; closed."""
    folder = tmp_path_factory.mktemp("alike")
    with Library(folder / "lib") as lib:
        sounds = [(f"{what} {take}", making.hit(what, take)) for what in DRUMS for take in range(4)]
        sounds.append(("nothing", Audio(np.zeros((1, 8000), np.float32), making.RATE)))
        making.embed(lib, making.add(lib, folder, sounds))
    return folder / "lib"


@pytest.fixture
def lib(made, tmp_path):
    shutil.copytree(made, tmp_path / "lib")
    with Library(tmp_path / "lib") as opened:
        yield opened


def test_the_nearest_are_other_takes_of_the_same_drum(lib):
    for what in DRUMS:
        found = al.similar(lib.sound(f"{what} 0.wav"), 3)
        assert {sound.name.split()[0] for sound in found} == {what}
        assert list(found.scores) == sorted(found.scores, reverse=True)
        assert all(
            why["timbre"] == pytest.approx(score, abs=1e-4) for why, score in zip(found.why, found.scores, strict=True)
        )
        assert found.encoder == get_encoder().sha256


def test_never_itself_nor_silence_nor_the_trash(lib):
    sound = lib.sound("kick 0.wav")
    names = {found.name for found in al.similar(sound, 100)}
    assert len(names) == 23
    assert not names & {"kick 0", "nothing"}
    lib.delete(lib.sound("kick 1.wav"))
    assert len(al.similar(sound, 100)) == 22
    lib.restore(lib.trash)
    assert len(al.similar(sound, 100)) == 23
    silent = al.similar(lib.sound("nothing.wav"), 5)
    assert len(silent) == 0
    assert "silence" in silent.notes[0]


def test_a_file_audio_and_an_array_find_the_sound_that_they_are(lib, tmp_path):
    audio = making.hit("snare", 2)
    path = write_audio(tmp_path / "query.wav", audio, subtype="FLOAT")
    for what in (path, str(path), audio, (audio.samples, audio.sample_rate), "snare 2.wav", lib.sound("snare 2.wav")):
        found = al.similar(lib, what, 2)
        if isinstance(what, al.Audio | tuple | Path) or what == str(path):
            assert found[0].name == "snare 2"
            assert found.scores[0] == pytest.approx(1, abs=1e-4)
        else:
            assert found[0].name.startswith("snare")
            assert found[0].name != "snare 2"


def test_a_query_chooses_who_may_be_found(lib, monkeypatch):
    lib.tag([lib.sound(f"tom {take}.wav") for take in range(3)], "reject")
    sound = lib.sound("kick 0.wav")
    every = [found.id for found in al.similar(sound, 100)]
    rejected = al.similar(sound, 100, query="tag:reject")
    assert [found.id for found in rejected] == [i for i in every if i in lib.query("tag:reject")]
    rest = al.similar(sound, 100, query="^tag:reject")
    assert [found.id for found in rest] == [i for i in every if i not in lib.query("tag:reject")]
    monkeypatch.setattr("audiolab.runs.neighbours._MASKED", 1)  # the way of queries that find very much
    again = al.similar(sound, 4, query="^tag:reject")
    assert [found.id for found in again] == [found.id for found in rest][:4]
    assert again.scores == rest.scores[:4]


def test_aspects_change_the_order_as_they_say(lib, tmp_path):
    tones = [(f"bass {pitch}", Audio(al_bass(pitch), making.RATE)) for pitch in (36, 38, 48)]
    making.embed(lib, making.add(lib, tmp_path, tones))
    sound = lib.sound("bass 36.wav")
    assert al.similar(sound, 1, timbre=0, pitch=1)[0].name == "bass 48"
    found = al.similar(sound, 30, timbre=1, envelope=0.5, pitch=0.5)
    assert found.weights == {"timbre": 0.5, "envelope": 0.25, "pitch": 0.25}
    for score, why in zip(found.scores, found.why, strict=True):
        assert score == pytest.approx(0.5 * why["timbre"] + 0.25 * why["envelope"] + 0.25 * why["pitch"], abs=2e-4)
    short = al.similar(lib.sound("closed_hat 0.wav"), 3, timbre=0, envelope=1)
    assert {name.split()[0] for name in (s.name for s in short)} == {"closed_hat"}


def al_bass(pitch):
    from audiolab.synth import instruments

    return np.asarray(instruments.bass(making.RATE, pitch, 0.6), np.float32)[None, :] * np.float32(0.5)


def test_sounds_without_aspects_are_named_and_left_out(lib, tmp_path):
    [fresh] = making.add(lib, tmp_path, [("tom 9", making.hit("tom", 9))])
    making.embed(lib, [fresh], "embed")
    sound = lib.sound("tom 0.wav")
    assert fresh in al.similar(sound, 30)
    weighed = al.similar(sound, 30, envelope=1)
    assert fresh not in weighed
    assert "1 sounds have no envelope" in weighed.notes[0]
    assert len(al.similar(fresh, 5, envelope=1)) == 5  # its own are measured now


def test_a_sound_that_was_never_embedded_is_listened_to(lib, tmp_path):
    [fresh] = making.add(lib, tmp_path, [("clap 9", making.hit("clap", 9))])
    assert al.similar(fresh, 3, envelope=0.2)[0].name.startswith("clap")


def test_new_vectors_and_purged_sounds_are_seen_at_once(lib, tmp_path):
    sound = lib.sound("kick 0.wav")
    assert len(al.similar(sound, 100)) == 23
    new = making.add(lib, tmp_path, [("kick 7", making.hit("kick", 7))])
    making.embed(lib, new)
    assert new[0] in al.similar(sound, 100)
    lib.delete(new)
    lib.purge()
    assert len(al.similar(sound, 100)) == 23


def test_the_kept_copy_serves_two_processes_and_is_replaced_when_vectors_change(lib, tmp_path):
    encoder = get_encoder().sha256
    first = lib.kept_vectors(encoder)
    assert first.path.is_file()
    code = (
        "import sys; from audiolab.library import Library\n"
        f"lib = Library({str(lib.path)!r}); kept = lib.kept_vectors({encoder!r}); print(kept.stamp, len(kept.ids))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told == [first.stamp, "25"]
    making.embed(lib, making.add(lib, tmp_path, [("kick 8", making.hit("kick", 8))]))
    second = lib.kept_vectors(encoder)
    assert second.stamp != first.stamp
    assert len(second.ids) == 26
    assert first.values.shape == (25, second.values.shape[1])
    ids, values = lib.vectors(encoder, second.ids.tolist())
    assert ids == second.ids.tolist()
    assert np.array_equal(values, second.values)
    second.path.write_bytes(b"torn")
    assert np.array_equal(lib.kept_vectors(encoder).values, values)


def test_aspects_are_no_embeddings(lib):
    assert ASPECTS.startswith(MEASURED)
    assert list(lib.encoders()) == [get_encoder().sha256]
    assert len(lib.vectors(ASPECTS)[0]) == 25
    assert lib.query("kind:sample").to_frame(vectors=True).vector.notna().sum() == 25


def test_without_embeddings_it_says_what_to_do(tmp_path):
    with Library(tmp_path / "lib") as empty:
        [sound] = making.add(empty, tmp_path, [("kick", making.hit("kick", 0))])
        with pytest.raises(CatalogError, match="no embeddings"):
            al.similar(sound)
        making.embed(empty, [sound], "describe")
        with pytest.raises(CatalogError, match="no embeddings"):
            al.similar(sound)
        assert len(empty.query("has:vector")) == 0


def test_wrong_questions_say_what_is_wrong(lib, tmp_path):
    sound = lib.sound("kick 0.wav")
    for wrong in (
        lambda: al.similar(3),
        lambda: al.similar(lib),
        lambda: al.similar(sound, 3, 4),
        lambda: al.similar(sound, -1),
        lambda: al.similar(sound, timbre=-1),
        lambda: al.similar(sound, timbre=0),
    ):
        with pytest.raises(ParameterError):
            wrong()
    with pytest.raises(CatalogError, match=r"nowhere\.wav"):
        al.similar(lib, "nowhere.wav")
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError):
        al.similar(lib, tmp_path / "text.wav")


def test_it_shows_in_a_notebook_and_on_the_command_line(lib, tmp_path):
    found = al.similar(lib.sound("kick 0.wav"), 3, envelope=0.5)
    html = found._repr_html_()
    assert "3 sounds like kick 0" in html
    assert "envelope" in html
    assert found.to_dict()["neighbours"][0]["why"].keys() == {"timbre", "envelope", "pitch"}
    lib.close()
    command = [sys.executable, "-m", "audiolab.cli", "similar", "kick 0.wav", "--library", str(lib.path), "-n", "3"]
    told = subprocess.run([*command, "--json", "--envelope", "0.5"], capture_output=True, text=True, check=True)
    document = json.loads(told.stdout)
    assert [row["id"] for row in document["neighbours"]] == found.ids
    assert document["weights"] == pytest.approx({"timbre": 2 / 3, "envelope": 1 / 3})
    plain = subprocess.run(command, capture_output=True, text=True, check=True)
    assert plain.stdout.count("kick") == 3
    wrong = subprocess.run([*command, "--timbre", "-1"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2

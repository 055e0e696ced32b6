"""Reading what people wrote down: all forms of it, and clear words about bad files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audiolab.audio import TempoMap, write_audio
from audiolab.benchmarking.folder import find_songs
from audiolab.benchmarking.jams_files import read_jams
from audiolab.benchmarking.tables import AnnotationError
from audiolab.benchmarking.truth import parse_key, read_truth
from audiolab.stages.notes import Note, Track, write_midi
from audiolab.synth import tone


def written(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text", ["0.5,KD\n1.0,SD\n", "time;label\n0.5;KD\n1.0;SD\n", "# by hand\n0.5\tKD\n\n1.0\tSD\n", "1.0 SD\n0.5 KD\n"]
)
def test_onsets_in_any_table(tmp_path, text):
    truth = read_truth({"onsets": written(tmp_path, "onsets.csv", text)})
    assert truth.onsets == ((0.5, "KD"), (1.0, "SD"))


def test_beats_give_tempo_meter_and_downbeats(tmp_path):
    rows = "\n".join(f"{0.5 * i:.3f},{i % 3 + 1}" for i in range(12))
    truth = read_truth({"beats": written(tmp_path, "beats.csv", rows)})
    assert truth.bpm == pytest.approx(120)
    assert truth.meter == 3
    assert truth.downbeats.tolist() == [0.0, 1.5, 3.0, 4.5]
    alone = read_truth({"beats": written(tmp_path, "beats.csv", "0.1\n0.6\n")})
    assert alone.positions is None
    assert alone.downbeats is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "start,end,pitch\n0.5,1.0,57\n"),
        ("a.csv", "pitch,duration,onset\n57,0.5,0.5\n"),
        ("a.csv", "0.5,1.0,57\n"),
        ("a.csv", "0.5,220.0,0.5\n"),  # as Tony writes it
        ("a.csv", "start,end,hertz\n0.5,1.0,220\n"),
        ("a.notes", "0.5\t57\t0.5\t80\n"),  # madmom
    ],
)
def test_notes_in_any_order(tmp_path, name, text):
    assert read_truth({"notes": written(tmp_path, name, text)}).notes == (pytest.approx((0.5, 1.0, 57.0)),)


def test_notes_of_a_midi_file_are_those_written(tmp_path):
    notes = [Note(0.25, 0.75, 40, 90), Note(0.5, 1.0, 64, 70)]
    time, hit = TempoMap.constant(120), Track("d", [Note(0.5, 0.6, 36, 99)], is_drum=True)
    path = write_midi(tmp_path / "a.mid", [Track("a", notes), hit], time, duration=2.0)
    assert read_truth({"notes": path}).notes == (
        pytest.approx((0.25, 0.75, 40), abs=1e-3), pytest.approx((0.5, 1.0, 64), abs=1e-3),
    )  # fmt: skip
    drums = write_midi(tmp_path / "drums.mid", [hit], time, duration=2.0)
    ((time, label),) = read_truth({"onsets": drums}).onsets
    assert (time, label) == (pytest.approx(0.5, abs=1e-3), "36")


@pytest.mark.parametrize(
    ("text", "key"),
    [("A minor", "A minor"), ("Am", "A minor"), ("a", "A minor"), ("F#:maj", "F# major"), ("Bb", "Bb major"),
     ("C dur", "C major"), ("H", None), ("A lydian", None), ("", None)],
)  # fmt: skip
def test_keys(text, key):
    assert parse_key(text) == key


def test_word_times_without_words_take_them_from_the_lyrics(tmp_path):
    times = written(tmp_path, "words.csv", "word_start,word_end,line_end\n0.5,0.9,nan\n1.0,1.4,1.4\n")
    lyrics = written(tmp_path, "lyrics.txt", "hello\nworld\n")
    truth = read_truth({"words": times, "lyrics": lyrics})
    assert truth.words == ((0.5, 0.9, "hello"), (1.0, 1.4, "world"))
    with pytest.raises(AnnotationError, match="2 words have times but no text"):
        read_truth({"words": times})
    named = written(tmp_path, "named.csv", "start,end,word\n0.5,0.9,hello\n1,1.4,world\n")
    truth = read_truth({"words": named})
    assert truth.words == ((0.5, 0.9, "hello"), (1.0, 1.4, "world"))
    assert truth.lyrics == "hello world"


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("onsets", "0.5,KD\nabc,SD\n", "line 2: 'abc' is not a number"),
        ("onsets", "label,when\nKD,0.5\n", "line 1: no column 'time'"),
        ("onsets", "-0.5,KD\n", "line 1: time -0.5 lies before the start"),
        ("onsets", "nan,KD\n", "line 1: 'nan' is not a finite number"),
        ("onsets", "", "is empty"),
        ("onsets", "# nothing yet\n", "comments only"),
        ("beats", "time,position\n", "a header and no rows"),
        ("beats", "0.5,1\n0.5,2\n", "line 2: beats must be in order"),
        ("beats", "0.5,0\n", "line 1: a position in the bar"),
        ("tempo", "fast\n", "a header and no rows"),
        ("tempo", "3000\n", "line 1: a tempo lies between"),
        ("key", "loud\n", "line 1: 'loud' is not a key"),
        ("notes", "0.5,0.4,60\n", "line 1: the note ends at 0.4 s"),
        ("notes", "0.5,1.4\n", "line 1: there is no column 3"),
        ("notes", "start,pitch\n1,60\n", "line 1: notes need the columns"),
        ("notes", "start,end,pitch\n1,2,440\n", "line 2: 440 is not a MIDI pitch"),
        ("words", "0.5,0.4,la\n", "line 1: the word ends"),
    ],
)
def test_bad_files_are_named_with_the_line(tmp_path, kind, text, said):
    path = written(tmp_path, f"{kind}.csv", text)
    with pytest.raises(AnnotationError, match=said) as error:
        read_truth({kind: path})
    assert f"{kind}.csv" in str(error.value)


def test_bad_midi_and_binary_files(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"MThd nonsense")
    with pytest.raises(AnnotationError, match=r"a\.mid.*not a MIDI file"):
        read_truth({"notes": tmp_path / "a.mid"})
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(AnnotationError, match=r"b\.csv.*UTF-8"):
        read_truth({"onsets": tmp_path / "b.csv"})


def test_jams_written_by_its_own_package(tmp_path):
    jams = pytest.importorskip("jams")
    file = jams.JAMS()
    file.file_metadata.duration = 10.0
    rows = {
        "beat": [(0.5, 0.0, 1), (1.0, 0.0, 2), (1.5, 0.0, 1)],
        "onset": [(0.5, 0.0, "KD")],
        "tempo": [(0.0, 10.0, 120.0)],
        "key_mode": [(0.0, 10.0, "F#:minor")],
        "note_hz": [(0.5, 0.5, 220.0)],
        "lyrics": [(0.5, 0.2, "la"), (0.8, 0.2, "li")],
        "segment_open": [(0.0, 10.0, "verse")],
    }
    for namespace, found in rows.items():
        annotation = jams.Annotation(namespace=namespace)
        for time, duration, value in found:
            annotation.append(time=time, duration=duration, value=value, confidence=0.9)
        file.annotations.append(annotation)
    path = tmp_path / "song.jams"
    file.save(str(path))
    truth = read_jams(path)
    assert truth.beats.tolist() == [0.5, 1.0, 1.5]
    assert truth.positions == (1, 2, 1)
    assert truth.onsets == ((0.5, "KD"),)
    assert (truth.tempo, truth.key) == (120.0, "F# minor")
    assert truth.notes == (pytest.approx((0.5, 1.0, 57.0)),)
    assert truth.lyrics == "la\nli"
    assert truth.words == ((0.5, 0.7, "la"), (0.8, 1.0, "li"))


def test_jams_with_columns_instead_of_records(tmp_path):
    data = {"time": [0.5, 1.0], "duration": [0.0, 0.0], "value": [None, None], "confidence": [None, None]}
    path = written(
        tmp_path, "a.jams", json.dumps({"annotations": [{"namespace": "beat", "data": data}], "file_metadata": {}})
    )
    assert read_jams(path).beats.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "no list `annotations`"),
        ('{"annotations": [{"namespace": "beat", "data": []}]}', "namespace beat: the annotation is empty"),
        ('{"annotations": [{"namespace": "tempo", "data": [{"time": 0, "duration": 1, "value": "fast"}]}]}',
         "'fast' is not a number"),
        ('{"annotations": [{"namespace": "beat", "data": [{"at": 0}]}]}', "observation 1: no time"),
        ('{"annotations": [{"namespace": "note_midi", "data": [{"time": 0, "duration": 0, "value": 60}]}]}',
         "has duration 0"),
    ],
)  # fmt: skip
def test_bad_jams(tmp_path, text, said):
    with pytest.raises(AnnotationError, match=said) as error:
        read_jams(written(tmp_path, "x.jams", text))
    assert "x.jams" in str(error.value)


def test_folders_of_files_and_folders_of_songs(tmp_path):
    sound = tone(440, 0.2)
    for path in ("rock/mix.wav", "rock/drums.wav", "rock/bass.wav", "files/one.wav", "files/one_drums.wav",
                 "files/two.wav", "single/take 3.wav", "stems only/drums.wav"):  # fmt: skip
        (tmp_path / path).parent.mkdir(exist_ok=True)
        write_audio(tmp_path / path, sound)
    for path in ("rock/beats.csv", "rock/bass.notes.csv", "files/one.beats", "files/two_notesA1.csv",
                 "files/two.txt", "single/onsets.csv", "stems only/onsets.csv",
                 "files/onsets.csv", "files/.hidden"):  # fmt: skip
        (tmp_path / path).write_text("0.1\n")
    songs = {song.name: song for song in find_songs(tmp_path)}
    assert list(songs) == ["files/one", "files/two", "rock", "single/take 3", "stems only"]
    assert set(songs["rock"].tracks) == {"mix", "drums", "bass"}
    assert set(songs["rock"].tracks["mix"].files) == {"beats"}
    assert set(songs["rock"].tracks["bass"].files) == {"notes"}
    assert set(songs["files/one"].tracks) == {"mix", "drums"}
    assert set(songs["files/one"].mix.files) == {"beats"}
    assert set(songs["files/two"].mix.files) == {"notes", "lyrics"}
    assert set(songs["single/take 3"].mix.files) == {"onsets"}
    assert songs["stems only"].mix is None
    assert set(songs["stems only"].tracks["drums"].files) == {"onsets"}
    with pytest.raises(AnnotationError, match="not a folder"):
        find_songs(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AnnotationError, match="no audio in"):
        find_songs(tmp_path / "empty")


def test_files_come_before_jams(tmp_path):
    write_audio(tmp_path / "a.wav", tone(440, 0.2))
    written(tmp_path, "a.tempo.txt", "90\n")
    rows = [
        {"namespace": n, "data": [{"time": 0, "duration": 1, "value": v}]}
        for n, v in (("tempo", 120), ("key_mode", "C"))
    ]
    written(tmp_path, "a.jams", json.dumps({"annotations": rows}))
    (song,) = find_songs(tmp_path)
    truth = song.mix.truth(["tempo", "key", "beats"])
    assert (truth.tempo, truth.key, truth.beats) == (90.0, "C major", None)
    assert np.isclose(truth.bpm, 90)

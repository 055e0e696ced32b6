"""One MIDI file for all stems of a song."""

from __future__ import annotations

import mido
import pretty_midi
import pytest

from audiolab.audio import Audio, TempoMap, write_audio
from audiolab.audio.tempo_map import Segment
from audiolab.errors import ParameterError
from audiolab.stages.notes import multitrack
from audiolab.stages.notes.midi_file import TICKS_PER_BEAT, TickMap
from audiolab.stages.notes.multitrack import stem_of
from audiolab.synth import render_song


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    """Files of a short song's stems, and the song."""
    song = render_song(bars=4, name="Tune")
    folder = tmp_path_factory.mktemp("stems")
    return song, [write_audio(folder / f"Tune_{name}.wav", song.stems[name]) for name in ("drums", "bass", "other")]


def on_ticks(track) -> list[tuple[int, int]]:
    """Absolute tick and pitch of every beginning."""
    now, found = 0, []
    for message in track:
        now += message.time
        if message.type == "note_on" and message.velocity > 0:
            found.append((now, message.note))
    return sorted(found)


def test_every_stem_is_a_track_and_reads_back_to_the_tick(stems, tmp_path):
    song, files = stems
    found = multitrack(files, tmp_path / "tune.mid")
    assert found.tempo_map.bpm() == pytest.approx(song.bpm, rel=0.01)
    assert not found.remarks
    file = mido.MidiFile(found.midi)
    assert (file.type, file.ticks_per_beat) == (1, TICKS_PER_BEAT)
    assert [track.name for track in file.tracks] == ["tempo", "drums", "bass", "other"]
    ticks = TickMap(found.tempo_map, song.mix.duration)
    for part, track in zip(found.parts, file.tracks[1:], strict=True):
        assert len(part.notes) > 8
        expected = sorted((ticks.tick_at(note.start), note.pitch) for note in part.notes)
        for (tick, pitch), (true_tick, true_pitch) in zip(on_ticks(track), expected, strict=True):
            assert (abs(tick - true_tick) <= 1, pitch) == (True, true_pitch)
    channels = {m.channel for m in file.tracks[1] if m.type == "note_on"}
    assert channels == {9}, "drums on channel 10"
    tempos = [m.tempo for m in file.tracks[0] if m.type == "set_tempo"]
    assert tempos[-1] == pytest.approx(60e6 / found.tempo_map.bpm(), abs=1)


def test_another_reader_agrees(stems, tmp_path):
    song, files = stems
    found = multitrack(files, tmp_path / "tune.mid", bpm=song.bpm)
    read = pretty_midi.PrettyMIDI(str(found.midi))
    assert [(i.name, i.program, i.is_drum) for i in read.instruments] == [
        ("drums", 0, True), ("bass", 33, False), ("other", 4, False),
    ]  # fmt: skip
    tick = 60 / song.bpm / TICKS_PER_BEAT
    for part, instrument in zip(found.parts, read.instruments, strict=True):
        starts = sorted(note.start for note in part.notes)
        assert sorted(note.start for note in instrument.notes) == pytest.approx(starts, abs=1.01 * tick)


def test_a_tempo_map_with_drift_is_the_files(stems, tmp_path):
    _, files = stems
    drifting = TempoMap((Segment(0.25, 0.0, 110.0), Segment(0.25 + 8 * 60 / 110, 8.0, 114.0)), 3)
    found = multitrack(files[:2], tmp_path / "tune.mid", tempo_map=drifting)
    times, bpms = pretty_midi.PrettyMIDI(str(found.midi)).get_tempo_changes()
    after = [bpm for time, bpm in zip(times, bpms, strict=True) if time >= 0.25 - 1e-3]
    assert after == pytest.approx([110.0, 114.0], rel=1e-4)
    meters = [m for m in mido.MidiFile(found.midi).tracks[0] if m.type == "time_signature"]
    assert meters[-1].numerator == 3


def test_stems_of_other_lengths_and_names(stems, tmp_path):
    song, files = stems
    short = write_audio(tmp_path / "riff.wav", song.stems["bass"].cut(0, 3 * 44100))
    found = multitrack([short, files[0]], tmp_path / "out" / "tune.mid")
    assert [part.document["name"] for part in found.parts] == ["riff", "drums"]
    assert found.parts[0].document["preset"] == "other"
    named = multitrack({"bass": Audio(song.stems["bass"].samples, 44100)}, tmp_path / "b.mid", bpm=112)
    assert named.parts[0].document["preset"] == "bass"
    assert named.to_dict()[0]["track"] == "bass"


def test_wrong_use(stems, tmp_path):
    _, files = stems
    with pytest.raises(ParameterError, match=r"must end in \.mid"):
        multitrack(files, tmp_path / "tune.wav")
    with pytest.raises(ParameterError, match="at least one"):
        multitrack([], tmp_path / "tune.mid")
    with pytest.raises(ParameterError, match="it takes"):
        multitrack(files[:1], tmp_path / "tune.mid", bpm=112, loud=True)
    assert not list(tmp_path.iterdir())


def test_the_stem_is_the_last_word():
    names = ("My Song_drums.flac", "bass 2.wav", "Bass Song.wav", "vocals", "x_lead.wav")
    assert [stem_of(name) for name in names] == ["drums", "bass", None, "vocals", None]

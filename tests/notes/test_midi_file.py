"""What was written is read back with mido and with pretty_midi."""

from __future__ import annotations

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.audio import TempoMap
from audiolab.errors import ExportError, ParameterError
from audiolab.stages.notes import Note, Track, write_midi
from audiolab.stages.notes.midi_file import TickMap


def read(path):
    """Note and bar times in seconds, by an own reading of mido's messages."""
    file = mido.MidiFile(path)
    tempos, meters = [], []
    tick = 0
    for message in file.tracks[0]:
        tick += message.time
        if message.type == "set_tempo":
            tempos.append((tick, message.tempo))
        if message.type == "time_signature":
            meters.append((tick, message.numerator, message.denominator))

    def seconds(at):
        total, last, tempo = 0.0, 0, 500000
        for when, value in tempos:
            if when >= at:
                break
            total += (when - last) * tempo / 1e6 / file.ticks_per_beat
            last, tempo = when, value
        return total + (at - last) * tempo / 1e6 / file.ticks_per_beat

    end = sum(message.time for message in file.tracks[0])
    bars = []
    for (at, upper, lower), following in zip(meters, [*meters[1:], (end + 1, 0, 0)], strict=True):
        bars += [seconds(at) for at in range(at, following[0], upper * 4 * file.ticks_per_beat // lower)]
    notes = []
    for track in file.tracks[1:]:
        tick, sounding = 0, {}
        for message in track:
            tick += message.time
            if message.type == "note_on":
                assert (message.channel, message.note) not in sounding, "a key sounds twice"
                sounding[message.channel, message.note] = (tick, message.velocity)
            elif message.type == "note_off":
                start, velocity = sounding.pop((message.channel, message.note))
                notes.append((seconds(start), seconds(tick), message.note, velocity))
        assert not sounding
    return sorted(notes), np.array(bars), file


def melody(duration: float, *, count: int = 40) -> tuple[Note, ...]:
    times = np.random.default_rng(2).uniform(0, duration - 0.05, count)
    return tuple(Note(float(t), float(t) + 0.04, 30 + i, 1 + i) for i, t in enumerate(sorted(times)))


def assert_times(path, notes, tolerance=1e-3):
    expected = sorted((note.start, note.end, note.pitch, note.velocity) for note in notes)
    got, _, _ = read(path)
    assert [row[2:] for row in got] == [row[2:] for row in expected]
    assert np.abs(np.array([row[:2] for row in got]) - np.array([row[:2] for row in expected])).max() <= tolerance
    other = sorted(
        (note.start, note.end, note.pitch, note.velocity)
        for instrument in pretty_midi.PrettyMIDI(str(path)).instruments
        for note in instrument.notes
    )
    assert [row[2:] for row in other] == [row[2:] for row in expected]
    assert np.abs(np.array([row[:2] for row in other]) - np.array([row[:2] for row in expected])).max() <= tolerance


@settings(max_examples=40)
@given(bpm=st.floats(50, 300), first=st.floats(0, 4), meter=st.sampled_from([3, 4, 5, 7]), duration=st.floats(6, 90))
def test_notes_within_a_millisecond_and_bars_on_the_downbeats(tmp_path_factory, bpm, first, meter, duration):
    path = tmp_path_factory.mktemp("m") / "x.mid"
    tempo_map = TempoMap.constant(bpm, first_downbeat=first, beats_per_bar=meter)
    notes = melody(duration)
    write_midi(path, [Track("lead", notes)], tempo_map, duration=duration)
    assert_times(path, notes)
    _, bars, _ = read(path)
    downbeats = tempo_map.downbeats(duration - 0.002)
    downbeats = downbeats[(downbeats > 0.0076)]
    distance = np.abs(bars[:, None] - downbeats[None, :]).min(axis=0)
    assert distance.max(initial=0) < 1e-3


def test_a_song_that_drifts(tmp_path):
    rng = np.random.default_rng(0)
    beats = 0.83 + np.cumsum(0.5 + 0.02 * np.sin(np.arange(300) / 20) + 0.004 * rng.standard_normal(300))
    tempo_map = TempoMap.from_beats(beats, first_downbeat=1, tolerance=0.01)
    assert len(tempo_map.segments) > 5
    duration = float(beats[-1])
    notes = melody(duration)
    path = write_midi(tmp_path / "drift.mid", [Track("x", notes)], tempo_map, duration=duration)
    assert_times(path, notes)
    downbeats = tempo_map.downbeats(duration - 0.01)
    bars = read(path)[1]
    assert np.abs(bars[:, None] - downbeats[None, :]).min(axis=0).max() < 1e-3
    estimated = pretty_midi.PrettyMIDI(str(path)).get_downbeats()  # up to the last note
    downbeats = downbeats[downbeats < estimated[-1] + 0.1]
    assert len(downbeats) > 70
    assert np.abs(estimated[:, None] - downbeats[None, :]).min(axis=0).max() < 1e-3


def test_two_hours_at_an_awkward_tempo_do_not_drift(tmp_path):
    tempo_map = TempoMap.constant(123.456789, first_downbeat=0.3)
    duration = 7200.0
    notes = tuple(Note(float(t), float(t) + 1, 60, 64) for t in range(0, 7190, 7))
    path = write_midi(tmp_path / "long.mid", [Track("x", notes)], tempo_map, duration=duration)
    got, bars, _ = read(path)
    assert max(abs(a[0] - b.start) for a, b in zip(got, notes, strict=True)) < 1e-3
    downbeats = tempo_map.downbeats(duration - 1)
    assert np.abs(bars[1 : len(downbeats) + 1] - downbeats).max() < 1e-3


@pytest.mark.parametrize(
    ("first", "meter"),
    [
        (0.0, [(0, 4, 4)]),
        (0.5, [(0, 1, 4), (960, 4, 4)]),
        (1.1, [(0, 2, 4), (1920, 4, 4)]),
        (1.9, [(0, 4, 4), (3840, 4, 4)]),
        (0.12, [(0, 1, 16), (240, 4, 4)]),
        (0.2, [(0, 1, 8), (480, 4, 4)]),
        (0.005, [(0, 4, 4)]),
    ],
)
def test_the_lead_in_is_a_bar_of_its_own(tmp_path, first, meter):
    tempo_map = TempoMap.constant(120, first_downbeat=first)
    path = write_midi(tmp_path / "a.mid", [Track("x")], tempo_map, duration=10)
    file = mido.MidiFile(path)
    tick, found, tempos = 0, [], []
    for message in file.tracks[0]:
        tick += message.time
        if message.type == "time_signature":
            found.append((tick, message.numerator, message.denominator))
        if message.type == "set_tempo":
            tempos.append((tick, message.tempo))
    assert found == meter
    assert tempos[-1][1] == 500000
    assert tempos[0][0] == 0
    assert all(60e6 / tempo < 1001 for _, tempo in tempos)
    assert file.ticks_per_beat == 960


def test_a_constant_tempo_is_one_event():
    assert TickMap(TempoMap.constant(120), 3600).tempos == [(0, 500000)]
    assert TickMap(TempoMap.constant(120, first_downbeat=1.0), 60).tempos == [(0, 500000)]


def test_tracks_programs_and_drums(tmp_path):
    tracks = [Track(f"part {i}", [Note(0.1 * i, 1, 60, 64)], program=i) for i in range(3)]
    tracks.append(Track("drums", [Note(0.5, 0.6, 36, 100)], is_drum=True))
    path = write_midi(tmp_path / "all.mid", tracks, TempoMap.constant(100), duration=2)
    song = pretty_midi.PrettyMIDI(str(path))
    assert [(i.name, i.program, i.is_drum) for i in song.instruments] == [
        ("part 0", 0, False), ("part 1", 1, False), ("part 2", 2, False), ("drums", 0, True),
    ]  # fmt: skip
    assert mido.MidiFile(path).length == pytest.approx(2, abs=1e-3)


def test_more_tracks_than_channels(tmp_path):
    tracks = [Track(str(i), [Note(0, 1, 60, 64)]) for i in range(20)]
    path = write_midi(tmp_path / "many.mid", tracks, TempoMap.constant(100), duration=2)
    assert len(pretty_midi.PrettyMIDI(str(path)).instruments) == 20


def test_bends_of_single_notes(tmp_path):
    bent = Note(0.5, 1.5, 60, 90, (0.0, 1 / 3, 2 / 3, 5.0, -5.0))
    over = [Note(2.0, 3.0, 60, 90, (0.5, 0.5)), Note(2.5, 3.5, 64, 90, (0.5, 0.5))]
    path = write_midi(tmp_path / "b.mid", [Track("x", [bent, *over])], TempoMap.constant(120), duration=4)
    (instrument,) = pretty_midi.PrettyMIDI(str(path)).instruments
    assert [(round(b.time, 3), b.pitch) for b in instrument.pitch_bends] == [
        (0.5, 0), (0.75, 1365), (1.0, 2731), (1.25, 8191), (1.5, 0),
    ]  # fmt: skip
    assert (101, 0) in [(c.number, c.value) for c in instrument.control_changes]


def test_one_key_sounds_once(tmp_path):
    notes = [
        Note(0.0, 2.0, 60, 50), Note(1.0, 1.5, 60, 60), Note(1.5, 1.5, 60, 70),
        Note(3.0, 3.2, 62, 10), Note(3.0, 3.5, 62, 20), Note(3.5, 4.0, 62, 30),
    ]  # fmt: skip
    path = write_midi(tmp_path / "o.mid", [Track("x", notes)], TempoMap.constant(120), duration=5)
    got = [(round(s, 2), round(e, 2), p, v) for s, e, p, v in read(path)[0]]
    assert got == [
        (0.0, 1.0, 60, 50), (1.0, 1.5, 60, 60), (1.5, 1.5, 60, 70), (3.0, 3.5, 62, 20), (3.5, 4.0, 62, 30),
    ]  # fmt: skip


def test_names_that_midi_cannot_hold(tmp_path):
    path = write_midi(tmp_path / "n.mid", [Track("Bü \U0001f941\nx", [])], TempoMap.constant(120), duration=1)
    assert mido.MidiFile(path).tracks[1].name == "Bü ?\nx"


@pytest.mark.parametrize(
    "note",
    [
        Note(1, 0.5, 60, 64), Note(0, 1, 128, 64), Note(0, 1, -1, 64), Note(0, 1, 60, 0), Note(0, 1, 60, 128),
        Note(float("nan"), 1, 60, 64), Note(0, float("inf"), 60, 64),
    ],
)  # fmt: skip
def test_impossible_notes(tmp_path, note):
    with pytest.raises(ParameterError, match="lead"):
        write_midi(tmp_path / "x.mid", [Track("lead", [note])], TempoMap.constant(120), duration=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ExportError, match="cannot write"):
        write_midi(tmp_path / "no" / "x.mid", [], TempoMap.constant(120), duration=1)


def test_the_same_notes_give_the_same_bytes(tmp_path):
    for name in "ab":
        write_midi(tmp_path / f"{name}.mid", [Track("x", melody(20))], TempoMap.constant(99.5), duration=20)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()

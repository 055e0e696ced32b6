from __future__ import annotations

import json

import numpy as np
import pytest

from audiolab.audio import Audio
from audiolab.errors import ParameterError
from audiolab.stages.notes import DRUM_KEYS, MidiParams, drum_notes
from audiolab.stages.notes.drums import DRUM_THRESHOLDS, tom_key
from audiolab.stages.notes.presets import settings_for

RATE = 44100


def slices(*starts: float, peak_db: float = -6.0) -> dict:
    samples = [{"start": round(s * RATE), "stop": round((s + 0.3) * RATE), "peak_db": peak_db} for s in starts]
    return {"sample_rate": RATE, "samples": samples}


def item(label: str = "unknown", **drums: float) -> dict:
    return {"label": label, "confidence": 0.9, "drums": drums}


def pitches(*items: dict, **options) -> list[list[int]]:
    made = drum_notes(slices(*range(len(items))), {"items": list(items)}, None, **{"threshold": 0.5, **options})
    return [[note.pitch for note in made if int(note.start) == index] for index in range(len(items))]


def test_each_class_has_its_general_midi_key():
    expected = {"kick": 36, "rim": 37, "snare": 38, "clap": 39, "closed_hat": 42, "open_hat": 46, "tom": 47,
                "crash": 49, "ride": 51, "cowbell": 56, "percussion": 63}  # fmt: skip
    assert dict(DRUM_KEYS) == expected
    assert pitches(*(item(**{name: 0.9}) for name in expected)) == [[key] for key in expected.values()]


def test_every_class_above_the_threshold_is_a_note():
    assert pitches(item("kick", kick=0.9, closed_hat=0.6, snare=0.4)) == [[36, 42]]
    assert pitches(item("kick", kick=0.9, closed_hat=0.6, snare=0.4), threshold=0.3) == [[36, 38, 42]]
    assert pitches(item("kick", kick=0.9, closed_hat=0.6), threshold=0.95) == [[36]]


def test_cymbals_are_told_apart_by_the_labels():
    crash = {**item(cymbal=0.9), "top": [["crash", 0.5], ["ride", 0.2]]}
    ride = {**item(cymbal=0.9, kick=0.8), "top": [["ride", 0.5]]}
    assert pitches(crash, ride, item(cymbal=0.9)) == [[49], [36, 51], [49]]


def test_a_hat_is_open_or_closed():
    assert pitches(item(closed_hat=0.7, open_hat=0.8), item(closed_hat=0.9, open_hat=0.8)) == [[46], [42]]


def test_a_cut_that_is_no_drum_gives_nothing():
    assert pitches(item("bass", kick=0.1), item("unknown"), item("vocal")) == [[], [], []]


def test_velocity_follows_level_and_probability():
    samples = slices(0, 1, 2)
    for sample, level in zip(samples["samples"], (-3.0, -23.0, -63.0), strict=True):
        sample["peak_db"] = level
    labels = {"items": [item(kick=0.8, closed_hat=0.6), item(kick=0.9), item(kick=0.9)]}
    made = drum_notes(samples, labels, None, threshold=0.5)
    assert [(note.pitch, note.velocity) for note in made] == [(36, 127), (42, 111), (36, 40), (36, 4)]
    for sample in samples["samples"]:
        del sample["peak_db"]
        sample["onset_strength"] = 0.25 if sample["start"] else 1.0
    made = drum_notes(samples, labels, None, threshold=0.5)
    assert [note.velocity for note in made if note.pitch == 36] == [127, 64, 64]


def test_times_are_those_of_the_cuts():
    made = drum_notes(slices(0.25, 1.5), {"items": [item(kick=1), item(snare=1)]}, None, threshold=0.5)
    assert [(note.start, round(note.end, 6)) for note in made] == [(0.25, 0.35), (1.5, 1.6)]


def test_toms_by_their_pitch():
    time = np.arange(RATE) / RATE
    for hertz, key in ((80, 45), (130, 47), (220, 50)):
        wave = np.sin(2 * np.pi * hertz * time) * np.exp(-8 * time) + 0.1 * np.sin(2 * np.pi * 3000 * time)
        sound = Audio(wave.astype(np.float32), RATE)
        assert tom_key(sound, 0, RATE) == key
        made = drum_notes(slices(0.0), {"items": [item(tom=0.9)]}, sound, threshold=0.5)
        assert [note.pitch for note in made] == [key]
    assert tom_key(Audio(np.zeros(RATE, np.float32), RATE), 0, RATE) == 47
    assert tom_key(sound, RATE - 10, RATE) == 47


def test_nothing_and_what_does_not_belong_together():
    assert drum_notes(slices(), {"items": []}, None, threshold=0.5) == []
    with pytest.raises(ParameterError, match="2 slices but 1 labels"):
        drum_notes(slices(0, 1), {"items": [item()]}, None, threshold=0.5)


def test_each_class_has_its_own_threshold():
    thresholds = dict.fromkeys(DRUM_THRESHOLDS, 0.5)
    made = pitches(item(kick=0.4, closed_hat=0.4, snare=0.6), threshold={**thresholds, "closed_hat": 0.3})
    assert made == [[38, 42]]
    crash = {**item(cymbal=0.4), "top": [["crash", 0.5]]}
    assert pitches(crash, threshold={**thresholds, "cymbal": 0.3}) == [[49]]
    assert pitches(crash, threshold=thresholds) == [[]]


def test_hats_exclude_each_other_by_how_far_they_are_above_their_thresholds():
    thresholds = {**dict.fromkeys(DRUM_THRESHOLDS, 0.5), "closed_hat": 0.6, "open_hat": 0.2}
    assert pitches(item(closed_hat=0.7, open_hat=0.5), threshold=thresholds) == [[46]]


def test_thresholds_as_parameters():
    assert settings_for(MidiParams(), "drums").drum_thresholds == dict(DRUM_THRESHOLDS)
    assert set(settings_for(MidiParams(drum_threshold=0.25), "drums").drum_thresholds.values()) == {0.25}
    mixed = settings_for(MidiParams(drum_threshold=0.25, drum_thresholds={"snare": 0.9}), "drums").drum_thresholds
    assert (mixed["snare"], mixed["kick"]) == (0.9, 0.25)
    for bad in ({"snair": 0.5}, {"snare": 0.0}, {"snare": 1.5}):
        with pytest.raises(ValueError, match=r"snair|above 0"):
            MidiParams(drum_thresholds=bad)


def test_default_thresholds_are_those_that_were_found():
    from audiolab.stages.classification import get_head
    from audiolab.stages.classification.encoder import MODEL_FOLDER

    found = json.loads((MODEL_FOLDER / "scores.json").read_text())["drum_loops"]["classes"]
    assert {name: round(row["threshold"], 2) for name, row in found.items()} == dict(DRUM_THRESHOLDS)
    assert tuple(DRUM_THRESHOLDS) == get_head().drums


@pytest.mark.shared
def test_real_drum_stems_hold_their_hits(shared_data):
    """Songs that nothing was fitted to; the floors lie a little below what was measured (docs/midi.md)."""
    from audiolab.benchmarking import bench

    pooled = bench("drums", shared_data / "music" / "mdb", baseline=False).pooled
    assert pooled["all_f"] > 0.83
    assert pooled["HH_f"] > 0.8
    assert pooled["KD_f"] > 0.96
    assert pooled["SD_f"] > 0.8

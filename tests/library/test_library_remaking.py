"""What the catalog tells of a result that is to be made again, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import library_making as making
import pytest

from audiolab.library import remaking
from audiolab.library.clock import utc_now


@pytest.fixture
def song(lib, tmp_path):
    song = lib.add(making.wav(tmp_path / "song.wav", 1, 1.0), kind="song")
    for record in (making.analysis(song), making.separation(lib, song)):
        lib.fold(record)
    drums = song.stems["drums"]
    lib.fold(making.slicing(drums, [(0, 800), (800, 900)]))
    lib.fold(making.classifying(drums.samples, [("kick", 0.9)]))
    return song


def test_what_a_result_made(lib, song):
    drums = song.stems["drums"]
    with lib.store.transaction(write=False) as session:
        made = remaking.made_by(session, drums.result_key)
        assert {row.id for row in made} == {stem.id for stem in song.stems.values()}
        assert remaking.cuts_of(session, drums.samples.result_key) == [(0, 800), (800, 900)]
        assert remaking.cuts_of(session, drums.result_key) is None
        assert remaking.set_key(session, drums.samples.id) == drums.samples.result_key
        assert remaking.set_key(session, "ab" * 32) is None
        keys = remaking.result_keys(session)
        assert len(keys) == 4
        assert {sound_id for _, sound_id in keys} == {song.id, drums.id}
        assert remaking.keys_like(session, keys[0][0][:10]) == [keys[0][0]]
        assert remaking.keys_like(session, keys[0][0][:4]) == []
        assert remaking.keys_like(session, "100%_'") == []


def test_corrections_that_were_taken_back_are_remembered(lib, song):
    song.edit("analyze", meter="3/4")
    song.edit("analyze", meter="5/4")
    lib.set_overlay(song.id, "analyze", None)
    lib.set_overlay(song.id, "midi", {"bpm": 1})
    with lib.store.transaction(write=False) as session:
        assert remaking.past_overlays(session, song.id, "analyze") == [{"meter": "5/4"}, {"meter": "3/4"}]


def test_labels_are_those_of_the_moment(lib, song):
    drums = song.stems["drums"]
    first, second = drums.samples
    result = lib.latest_result(drums.id, "classify")
    moments = [utc_now()]
    first.tag("rim")
    second.tag("dusty", role="tag")
    moments.append(utc_now())
    second.untag("kick")
    first.tag("clap", 0.5)
    moments.append(utc_now())
    lib.undo()
    moments.append(utc_now())
    with lib.store.transaction(write=False) as session:
        found = [remaking.labels_then(session, result, at) for at in moments]
        assert remaking.labels_then(session, result, datetime(2020, 1, 1, tzinfo=UTC)) == ([{}, {}], [set(), set()])
        assert remaking.labels_then(session, result, utc_now() + timedelta(days=1)) == found[3]
    assert found[0] == ([{}, {}], [set(), set()])
    assert found[1] == ([{"rim": 1.0}, {}], [set(), set()])
    assert found[2] == ([{"clap": 0.5, "rim": 1.0}, {}], [set(), {"kick"}])
    assert list(found[2][0][0]) == ["clap", "rim"]
    assert found[3] == ([{"rim": 1.0}, {}], [set(), {"kick"}])

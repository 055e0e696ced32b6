"""The time that a run has left, by a clock that the test moves."""

from __future__ import annotations

import pytest

from audiolab.runs.progress import left_text
from audiolab.runs.remaining import Remaining

STAGES = ("separate", "slice", "midi")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def places(workers: int) -> dict[str, tuple[str, int]]:
    return dict.fromkeys(STAGES, ("", workers))


def do(remaining: Remaining, song: int, job: str, stage: str, seconds: float | None) -> None:
    remaining.opened(song, job, stage)
    remaining.begun(job)
    remaining.ended(song, job, stage, seconds)


def whole_song(remaining: Remaining, song: int, scale: float = 1.0) -> None:
    """10 s to separate; 4 stems with 1 s to slice and 2 s to MIDI each: 22 s of work."""
    do(remaining, song, f"separate:{song}", "separate", 10 * scale)
    for stem in range(4):
        do(remaining, song, f"slice:{song}{stem}", "slice", 1 * scale)
        do(remaining, song, f"midi:{song}{stem}", "midi", 2 * scale)
    remaining.over(song)


def test_nothing_is_said_before_it_was_measured():
    clock = Clock()
    remaining = Remaining(STAGES, [100.0, 100.0], clock=clock)
    assert remaining.left(places(1)) is None
    remaining.opened(0, "s", "separate")
    remaining.begun("s")
    clock.now += 5
    assert remaining.left(places(1)) is None
    remaining.ended(0, "s", "separate", 10.0)
    remaining.opened(0, "x", "slice")
    assert remaining.left(places(1)) is None, "stages that come later are not known either"


def test_songs_that_have_not_begun_are_planned_for_with_all_their_jobs():
    remaining = Remaining(STAGES, [100.0] * 10, clock=Clock())
    whole_song(remaining, 0)
    assert remaining.left(places(1)) == pytest.approx(9 * 22)
    assert remaining.left(places(2)) == pytest.approx(9 * 22 / 2)


def test_long_songs_are_given_more():
    remaining = Remaining(STAGES, [100.0, 300.0], clock=Clock())
    whole_song(remaining, 0)
    assert remaining.left(places(1)) == pytest.approx(66)


def test_one_song_cannot_use_all_workers_all_the_time():
    remaining = Remaining(STAGES, [100.0, 100.0], clock=Clock())
    whole_song(remaining, 0)
    # 10 s alone, then four stems at a time: 4 of 1 s, 4 of 2 s.
    assert remaining.left(places(8)) == pytest.approx(10 + 1 + 2)


def test_the_work_of_open_songs_is_taken_off_as_it_is_done():
    clock = Clock()
    remaining = Remaining(STAGES, [100.0, 100.0], clock=clock)
    whole_song(remaining, 0)
    remaining.opened(1, "s", "separate")
    assert remaining.left(places(1)) == pytest.approx(22)
    remaining.begun("s")
    clock.now += 4
    assert remaining.left(places(1)) == pytest.approx(18), "the clock goes on"
    assert remaining.left(places(1), {"s": 0.2}) == pytest.approx(28), "a fifth in 4 s: this one takes 20 s"
    remaining.ended(1, "s", "separate", 20.0)
    for stem in range(4):
        remaining.opened(1, f"x{stem}", "slice")
    assert remaining.left(places(1)) == pytest.approx(12)
    do(remaining, 1, "x0", "slice", 1.0)
    assert remaining.left(places(1)) == pytest.approx(11)


def test_a_job_that_waits_again_has_everything_before_it():
    clock = Clock()
    remaining = Remaining(STAGES, [100.0, 100.0], clock=clock)
    whole_song(remaining, 0)
    remaining.opened(1, "s", "separate")
    remaining.begun("s")
    clock.now += 9
    remaining.again("s")
    assert remaining.left(places(1)) == pytest.approx(22)


def test_a_job_that_says_how_far_it_is_measures_its_stage():
    clock = Clock()
    remaining = Remaining(("separate",), [100.0, 100.0], clock=clock)
    remaining.opened(0, "s", "separate")
    remaining.begun("s")
    clock.now += 10
    assert remaining.left({"separate": ("", 1)}, {"s": 0.01}) is None, "a hundredth says too little"
    assert remaining.left({"separate": ("", 1)}, {"s": 0.25}) == pytest.approx(30 + 40)


def test_what_earlier_runs_measured_counts_until_there_is_better():
    remaining = Remaining(STAGES, [100.0, 100.0], {"separate": 0.2, "slice": 0.02, "midi": 0.0}, clock=Clock())
    assert remaining.left(places(1)) == pytest.approx(44)
    whole_song(remaining, 0)
    assert remaining.left(places(1)) == pytest.approx(22)


def test_kinds_of_workers_do_not_help_each_other():
    remaining = Remaining(STAGES, [100.0] * 11, clock=Clock())
    whole_song(remaining, 0)
    with_gpu = {"separate": ("GPU", 1), "slice": ("CPU", 4), "midi": ("CPU", 4)}
    assert remaining.left(with_gpu) == pytest.approx(100), "ten songs on one GPU"


def test_a_run_told_from_second_to_second_ends_when_it_said():
    """Two workers, songs of differing length and luck: what is promised halfway is right within a quarter."""
    clock = Clock()
    lengths = [60.0 + 20 * (i % 7) for i in range(40)]
    remaining = Remaining(STAGES, lengths, clock=clock)
    promised = []
    for song in range(0, 40, 2):
        for each in (song, song + 1):
            whole_song(remaining, each, scale=lengths[each] / 100 * (1.1 if each % 3 else 0.8))
        clock.now += sum(22 * lengths[each] / 100 * (1.1 if each % 3 else 0.8) for each in (song, song + 1)) / 2
        promised.append((clock.now, remaining.left(places(2))))
    end = clock.now
    for now, left in promised[4:-1]:
        assert left is not None
        assert left == pytest.approx(end - now, rel=0.25)
    assert promised[-1][1] == 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "time left not known yet"),
        (0.2, "about 0:00 left"),
        (72.4, "about 1:12 left"),
        (3671, "about 1:01:11 left"),
    ],
)
def test_times_in_words(seconds, said):
    assert left_text(seconds) == said

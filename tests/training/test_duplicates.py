"""Copies of a recording are found whatever was done to them; other hits of the same drum are not copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr

from audiolab.audio import Audio, write_audio
from audiolab.training.duplicates import Duplicates, Pair, agreement, check_content, find_duplicates, linked_sources
from audiolab.training.manifest import Entry, check_no_leak, fold_numbers, link_groups

RATE = 44_100


def hit(kind: str, seed: int) -> np.ndarray:
    """One hit of a drum: its modes and envelope are the drum's, phase, balance and noise are the hit's."""
    rng, t = np.random.default_rng((seed, 5)), np.arange(int(0.4 * RATE)) / RATE
    pitch, ring, rattle = {"snare": (190, 0.08, 1.0), "hat": (7300, 0.02, 1.5), "tom": (120, 0.2, 0.6)}[kind]
    x = sum(
        rng.uniform(0.6, 1.4)
        * np.exp(-t / ring / (1 + n / 2))
        * np.sin(2 * np.pi * pitch * ratio * t + rng.uniform(0, 6))
        for n, ratio in enumerate((1, 1.59, 2.14))
    )
    x = x + rattle * np.exp(-t / 0.06) * rng.standard_normal(len(t))
    return (0.5 * x / np.abs(x).max()).astype(np.float32)


def save(path: Path, x: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_audio(path, Audio(np.atleast_2d(x).astype(np.float32), rate))


def softer(x):
    return 0.07 * x, RATE, ".wav"


def trimmed(x):
    part = x[150 : int(0.25 * RATE)].copy()
    part[-900:] *= np.linspace(1, 0, 900)
    return np.concatenate((np.zeros(3000), part)), RATE, ".wav"


def slower_rate(x):
    return soxr.resample(x, RATE, 22_050), 22_050, ".wav"


def few_bits(x):
    return np.round(x * 127) / 127, RATE, ".wav"


def one_channel(x):
    return np.stack((x, np.roll(hit("hat", 99), 50) * 0.5)), RATE, ".wav"


def turned(x):
    return -x, RATE, ".wav"


def mp3_of_it(x):
    return 0.4 * x[100:], RATE, ".mp3"


def vorbis(x):
    return 0.8 * x, RATE, ".ogg"


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> list[Entry]:
    folder = tmp_path_factory.mktemp("others")
    return [
        Entry(save(folder / f"{kind}{n}.wav", hit(kind, n)), "others", kind)
        for kind in ("snare", "hat", "tom")
        for n in range(5)
    ]


@pytest.mark.parametrize(
    "change", [softer, trimmed, slower_rate, few_bits, one_channel, turned, mp3_of_it, vorbis], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("kind", ["snare", "tom"])
def test_a_planted_leak_is_found(tmp_path: Path, others, change, kind):
    x, rate, suffix = change(hit(kind, 0))
    copy = Entry(save(tmp_path / f"copy{suffix}", x, rate), "elsewhere", "clap")
    [line] = check_content(others, [copy])
    assert line == f"copy{suffix} of elsewhere is the same recording as {kind}0.wav of others"


def test_other_hits_of_a_drum_are_no_copies(others):
    found = find_duplicates(others)
    assert found.pairs == ()
    assert found.twins == {}
    assert len(set(found.groups.tolist())) == len(others)


def test_groups_join_chains_and_splits_keep_them_whole(tmp_path: Path, others):
    x = hit("snare", 1)
    copies = [
        Entry(save(tmp_path / "b.wav", 0.2 * x), "second", "snare"),
        Entry(save(tmp_path / "c.ogg", 0.9 * x), "third", "snare"),
    ]
    rest = [
        Entry(save(tmp_path / f"{s}{n}.wav", hit("tom", 50 + n)), s, "tom")
        for n, s in enumerate(("second", "third") * 3)
    ]
    entries = [*others, *copies, *rest]
    found = find_duplicates(entries)
    assert len(found.pairs) == 3
    assert len(set(found.twins.values())) == 1
    assert len(found.between_sources()) == 3
    groups = link_groups(entries, (), found.twins)
    rows = [entries.index(others[1]), *(entries.index(copy) for copy in copies)]
    assert len(set(groups[rows].tolist())) == 1
    folds = fold_numbers(entries, groups, 2)
    for fold in (0, 1):
        train = [e for e, f in zip(entries, folds, strict=True) if f != fold]
        test = [e for e, f in zip(entries, folds, strict=True) if f == fold]
        assert check_no_leak(train, test, twins=found.twins) == []
    plain = fold_numbers(entries, link_groups(entries), 2)
    train = [e for e, f in zip(entries, plain, strict=True) if f == 0]
    test = [e for e, f in zip(entries, plain, strict=True) if f == 1]
    assert check_no_leak(train, test, twins=found.twins)  # by source alone it leaks


def test_the_result_is_kept_until_a_file_changes(tmp_path: Path, others):
    entries = [*others[:3], Entry(save(tmp_path / "a.wav", 0.3 * hit("snare", 0)), "x", "snare")]
    first = find_duplicates(entries, cache=tmp_path / "cache")
    assert find_duplicates(entries, cache=tmp_path / "cache") == first
    assert len(list((tmp_path / "cache").iterdir())) == 1
    save(tmp_path / "a.wav", hit("snare", 77)[:9000])
    assert find_duplicates(entries, cache=tmp_path / "cache").pairs == ()


def test_what_cannot_be_heard_is_named(tmp_path: Path, others):
    (tmp_path / "text.wav").write_text("no sound " * 50)
    silent = save(tmp_path / "silent.wav", np.zeros(4000))
    made = Entry(Path("kick-1"), "rendered", "kick")
    entries = [others[0], Entry(tmp_path / "text.wav", "x", "kick"), Entry(silent, "x", "kick"), made]
    found = find_duplicates(entries)
    assert found.pairs == ()
    assert len(found.left_out) == 2
    assert "text.wav" in found.left_out[0]
    assert "silent.wav" in found.left_out[1]
    assert find_duplicates([]) == Duplicates((), ())


def test_sources_that_share_much_are_linked_and_the_column_is_compared():
    entries = [Entry(Path(f"{s}{n}"), s, "kick", dup_group="d1" if n == 0 else "") for s in "abcd" for n in range(50)]
    pairs = [Pair(n, 50 + n, 1.0, 0.0) for n in range(4)]  # a and b share 4, b and c 3, c and d 2
    pairs += [Pair(60 + n, 100 + n, 1.0, 0.0) for n in range(3)] + [Pair(110 + n, 150 + n, 1.0, 0.0) for n in range(2)]
    found = Duplicates(tuple(entries), tuple(pairs))
    assert linked_sources(found) == (("a", "b", "c"),)
    assert linked_sources(found, share=0.07) == (("a", "b"),)
    assert linked_sources(found, least=2) == (("a", "b", "c", "d"),)
    counts = agreement(found)
    assert counts == {"both": 1, "here": len(pairs) - 1, "there": 5}  # a0 and b0; the column joins all four firsts

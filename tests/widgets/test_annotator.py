"""`Annotator` without a browser: what the page asks, what the library keeps, undo, the queue, the static view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library, Record, Sound
from audiolab.library.fsck import fsck
from audiolab.library.ids import hash_text, view_id
from audiolab.widgets import annotate
from audiolab.widgets.annotator import Annotator
from audiolab.widgets.snapping import zero_crossing

RATE = 8000
HOSTILE = "<img src=x onerror=globalThis.__hacked=1>"
SPANS = [(0, 800), (1000, 1800), (2000, 2800), (4000, 4400)]
LABELS = [("kick", 0.9), ("snare", 0.55), ("unknown", 0.2), ("kick", 0.8)]


def wave(path: Path, seed: int = 1, seconds: float = 4.0) -> Path:
    values = np.random.default_rng(seed).integers(-8000, 8000, int(seconds * RATE)) / 32768
    sf.write(path, values, RATE, subtype="PCM_16")
    return path


def cut(lib: Library, sound: Sound, spans: list[tuple[int, int]] = SPANS, tag: str = "1") -> None:
    key = hash_text("slice", sound.id, tag)
    cuts = [{"id": view_id(sound.id, a, b), "start": a, "stop": b, "facts": {}} for a, b in spans]
    from datetime import UTC, datetime

    lib.fold(
        _kept(lib, Record(key=key, stage="slice", version=1, sound_id=sound.id, cuts=cuts, made_at=datetime.now(UTC)))
    )


def classify(lib: Library, sound: Sound) -> None:
    from datetime import UTC, datetime

    samples = lib.samples_of(sound.id)
    tags = [
        {"sound_id": each.id, "label": label, "confidence": sure, "top": [[label, sure], ["tom", sure / 2]]}
        for each, (label, sure) in zip(samples, LABELS, strict=True)
    ]
    key = hash_text("classify", samples.id)
    record = Record(
        key=key, stage="classify", version=1, engine="head", sound_id=sound.id, set_id=samples.id, tags=tags,
        made_at=datetime.now(UTC),
    )  # fmt: skip
    lib.fold(_kept(lib, record))


def _kept(lib: Library, record: Record) -> Record:
    record.write(lib.record_path(record.key))
    return record


@pytest.fixture
def lib(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "lib", actor="tester") as library:
        yield library


@pytest.fixture
def song(lib: Library, tmp_path: Path) -> Sound:
    sound = lib.add(wave(tmp_path / "song.wav"), kind="song")
    cut(lib, sound)
    classify(lib, sound)
    return sound


class Page:
    """What a view does: asks, and hears events."""

    def __init__(self, widget: Annotator) -> None:
        self.widget = widget
        self.sent: list[dict[str, Any]] = []
        widget.send = lambda content, buffers=None: self.sent.append(content)  # type: ignore[method-assign]

    def ask(self, method: str, **params: Any) -> Any:
        self.widget._receive(None, {"id": "1", "method": method, "params": params}, [])
        answer = next(each for each in reversed(self.sent) if each.get("id") == "1")
        if "error" in answer:
            raise ParameterError(answer["error"])
        return answer["result"]

    @property
    def state(self) -> dict[str, Any]:
        return next(each for each in reversed(self.sent) if each.get("event") == "state")


def spans(sound: Sound) -> list[tuple[int | None, int | None]]:
    return [(sample.start, sample.stop) for sample in sound.samples]


class TestRegions:
    def test_what_is_shown(self, song: Sound) -> None:
        widget = annotate(song)
        assert [(each["start"], each["stop"]) for each in widget.regions] == SPANS
        assert widget.regions[1]["proposal"] == {
            "label": "snare",
            "confidence": 0.55,
            "top": [["snare", 0.55], ["tom", 0.275]],
        }
        assert widget.regions[1]["mine"] is None
        frame = widget.to_frame()
        assert list(frame["label"]) == ["kick", "snare", "unknown", "kick"]
        assert frame["stop_s"][0] == 0.1

    def test_each_action_is_one_step_and_undo_outlives_the_kernel(self, lib: Library, song: Sound) -> None:
        page = Page(annotate(song))
        first = song.samples[0].id
        before = len(lib.history())
        page.ask("add", start=6000, stop=5000)
        page.ask("move", region=page.widget.selected, start=5000, stop=6100)
        page.ask("label", region=page.widget.selected, label="rim")
        page.ask("split", region=page.widget.selected, at=5500)
        page.ask("remove", region=first)
        page.ask("label", region=page.widget.selected, label="tom")
        page.ask("label", region=page.widget.selected, label="kick")  # corrects the word before: still one step
        assert len(lib.history()) == before + 7
        assert spans(song) == [*SPANS[1:], (5000, 5500), (5500, 6100)]
        assert page.widget.sound.samples[3].label == "rim"
        lib.close()
        with Library(lib.path, actor="tester") as again:  # a restart of the kernel
            same = again.sound(song.id)
            page = Page(annotate(same))
            for _ in range(7):
                page.ask("undo")
            assert spans(same) == SPANS
            answer = page.ask("undo")
            assert "nothing to undo" in answer["said"]
            for _ in range(7):
                page.ask("redo")
            assert spans(same) == [*SPANS[1:], (5000, 5500), (5500, 6100)]
            assert same.samples[0].label == "kick"
            assert fsck(again, deep=True).clean

    def test_undo_reaches_no_other_sound(self, lib: Library, song: Sound, tmp_path: Path) -> None:
        other = lib.add(wave(tmp_path / "other.wav", 2), kind="song")
        page = Page(annotate(song))
        page.ask("label", region=song.samples[0].id, label="rim")
        other.tag("theirs")
        page.ask("undo")
        assert song.samples[0].label == "kick"
        assert [tag.label for tag in other.tags] == ["theirs"]
        page.ask("undo")  # that the song was added is not taken back from here
        assert lib.sound_row(song.id).deleted_at is None

    def test_the_state_goes_to_all_views(self, song: Sound) -> None:
        page = Page(annotate(song))
        page.ask("add", start=5000, stop=6000)
        assert [each["start"] for each in page.state["regions"]][-1] == 5000
        assert page.state["open"] == 5

    @pytest.mark.parametrize(
        ("method", "params", "told"),
        [
            ("add", {"start": 5, "stop": 5}, "no part of it"),
            ("move", {"region": "0", "start": 900, "stop": 800}, "no part of it"),
            ("move", {"region": "0", "start": 1000, "stop": 1800}, "already"),
            ("split", {"region": "0", "at": 0}, "between its edges"),
            ("label", {"region": "0", "label": "  "}, "empty"),
            ("label", {"region": "nobody", "label": "x"}, "no sound"),
            ("remove", {"region": "song"}, "not a slice"),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(
        self, lib: Library, song: Sound, method: str, params: dict[str, Any], told: str
    ) -> None:
        page, history = Page(annotate(song)), len(lib.history())
        known = {"0": song.samples[0].id, "song": song.id}
        params = {name: known.get(value, value) for name, value in params.items()}
        with pytest.raises(ParameterError, match=told):
            page.ask(method, **params)
        assert len(lib.history()) == history
        assert spans(song) == SPANS

    def test_a_sample_of_its_own_is_one_region(self, lib: Library, tmp_path: Path) -> None:
        loop = lib.add(wave(tmp_path / "loop.wav", 3, 1.0), kind="sample")
        page = Page(annotate(loop))
        assert [(each["id"], each["whole"]) for each in page.widget.regions] == [(loop.id, True)]
        page.ask("label", region=loop.id, label="fx")
        assert loop.label == "fx"
        with pytest.raises(ParameterError, match="not a slice"):
            page.ask("move", region=loop.id, start=5, stop=100)
        page.ask("add", start=100, stop=200)
        assert len(page.widget.regions) == 2


class TestSnapping:
    def test_zero_crossings_frame_by_frame(self, lib: Library, tmp_path: Path) -> None:
        times = np.arange(RATE * 2) / RATE
        sf.write(tmp_path / "sine.wav", 0.5 * np.sin(2 * np.pi * 100 * times + 0.3), RATE, subtype="PCM_24")
        sound = lib.add(tmp_path / "sine.wav", kind="song")
        truth = sound.audio().samples[0]
        page = Page(annotate(sound))
        page.widget.snap_zero = True
        page.ask("add", start=4011, stop=8023)
        for frame in spans(sound)[0]:
            assert frame is not None
            assert truth[frame - 1] * truth[frame] <= 0 or truth[frame] * truth[frame + 1] <= 0
            assert abs(truth[frame]) <= min(abs(truth[frame - 1]), abs(truth[frame + 1]))
        assert abs(spans(sound)[0][0] - 4011) <= 40  # type: ignore[operator]

    def test_none_within_reach(self, lib: Library, tmp_path: Path) -> None:
        sf.write(tmp_path / "dc.wav", np.full(RATE, 0.25), RATE)
        sound = lib.add(tmp_path / "dc.wav", kind="song")
        assert zero_crossing(sound.source(), 4000) is None
        page = Page(annotate(sound))
        page.widget.snap_zero = True
        page.ask("add", start=1000, stop=2000)
        assert spans(sound) == [(1000, 2000)]

    def test_beats_and_onsets(self, lib: Library, song: Sound) -> None:
        page = Page(annotate(song))
        page.widget.grid = "beat"
        with pytest.raises(ParameterError, match="beats of 'song' are not known"):
            page.ask("add", start=1, stop=5000)
        song.correct_tempo(bpm=120)
        page.ask("add", start=3900, stop=8100)
        assert spans(song)[4] == (4000, 8000)
        page.widget.grid = "quarter"
        page.ask("move", region=page.widget.selected, start=4000, stop=7200)
        assert spans(song)[4] == (4000, 7000)
        page.widget.grid = "onset"
        page.ask("move", region=page.widget.selected, start=2100, stop=7000)
        assert (2000, 7000) in spans(song)
        page.ask("move", region=page.widget.selected, start=2111, stop=7000, snap=False)
        assert (2111, 7000) in spans(song)


class TestLabels:
    def test_accept_correct_and_take_back(self, song: Sound) -> None:
        page = Page(annotate(song))
        snare = song.samples[1]
        page.ask("accept", region=snare.id)
        assert (snare.label, snare.label_source) == ("snare", "human")
        page.ask("label", region=snare.id, label="clap")
        assert snare.label == "clap"
        page.ask("unlabel", region=snare.id)
        assert (snare.label, snare.label_source) == ("snare", "model")
        page.ask("reject", region=snare.id)
        assert next(each for each in page.state["regions"] if each["id"] == snare.id)["rejected"]
        page.ask("reject", region=snare.id)
        assert [str(tag) for tag in snare.tags] == ["snare (model 0.55)"]
        page.ask("add", start=5000, stop=6000)
        with pytest.raises(ParameterError, match="no model has said"):
            page.ask("accept", region=page.widget.selected)

    def test_digits(self, song: Sound) -> None:
        song.samples[0].tag("my own word", role="label")
        widget = annotate(song)
        assert widget.labels[0] == "my own word"
        assert len(widget.labels) == 9
        assert "unknown" not in widget._choices
        assert annotate(song, labels=["a", "b"]).labels == ["a", "b"]
        for wrong in (["a"] * 2, [""], list("abcdefghij")):
            with pytest.raises(ParameterError, match="digit keys"):
                widget.labels = wrong


class TestQueue:
    def test_the_least_sure_region_first(self, song: Sound) -> None:
        page = Page(annotate(song))
        seen = []
        for _ in range(4):
            assert page.ask("next")["play"]
            seen.append(page.widget.region.label)  # type: ignore[union-attr]
            page.ask("label", region=page.widget.selected, label="rim")
        assert seen == ["unknown", "snare", "kick", "kick"]
        assert "all regions" in page.ask("next")["said"]

    def test_a_list_over_several_sounds(self, lib: Library, song: Sound, tmp_path: Path) -> None:
        other = lib.add(wave(tmp_path / "other.wav", 2), kind="song")
        theirs = other.cut(0.5, 1.0)
        page = Page(annotate([song.samples[1], theirs, song.samples[3]]))
        assert (page.widget.sound, page.widget.selected) == (song, song.samples[1].id)
        page.ask("label", region=page.widget.selected, label="rim")
        page.ask("next")
        assert (page.widget.sound, page.widget.selected) == (other, theirs.id)
        page.ask("move", region=theirs.id, start=4100, stop=8000)
        page.ask("next")
        assert page.widget.selected == song.samples[3].id
        assert "last one" in page.ask("next")["said"]
        page.ask("next", by=-1)
        assert page.widget.region.start == 4100  # type: ignore[union-attr]
        page.ask("undo")
        assert page.widget.selected == theirs.id
        page.ask("undo")  # of the sound before: it is shown again
        assert (page.widget.sound, page.widget.selected) == (song, song.samples[1].id)
        assert song.samples[1].label == "snare"

    def test_what_a_library_is_least_sure_of(self, lib: Library, song: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
        from audiolab import runs
        from audiolab.runs.proposals import Proposal, Proposals

        def unsure(library: Library, n: int, query: str) -> Proposals:
            left = [each for each in song.samples if each.label_source != "human"][:n]
            if not left:
                raise ParameterError("all samples have labels")
            told = tuple(Proposal(each.id, "tom", (("tom", 0.4), ("rim", 0.3)), 0.1, "tom or rim") for each in left)
            rows = [library.sound_row(each.id) for each in left]
            return Proposals(library, rows, proposals=told, model="shipped", looked_at=4, without=0)

        monkeypatch.setattr(runs, "uncertain", unsure, raising=False)
        page = Page(annotate(lib, n=3))
        assert page.widget.regions[0]["proposal"]["label"] == "tom"
        for _ in range(4):
            page.ask("accept", region=page.widget.selected)
            page.ask("next")
        assert [each.label for each in song.samples] == ["tom"] * 4
        assert "last one" in page.ask("next")["said"]
        with pytest.raises(ParameterError, match="all samples have labels"):
            annotate(lib)
        song.samples[0].untag("tom")
        again = Page(annotate(lib))  # after a restart another queue: undo still knows what this person did
        again.ask("undo")
        again.ask("undo")
        assert song.samples[3].label_source == "model"

    @pytest.mark.parametrize("what", [[], "text", 5, [1], np.zeros(5)])
    def test_what_cannot_be_annotated(self, what: Any) -> None:
        with pytest.raises(ParameterError):
            annotate(what)


class TestOnsets:
    def test_marks(self, lib: Library, song: Sound) -> None:
        page = Page(annotate(song))
        state = page.ask("state")
        assert (state["onsets"], state["marked"]) == ([0, 1000, 2000, 4000], False)
        page.ask("onsets", frames=[0, 1000, 2000, 4000, 5000], at=5000)
        assert lib.marked_onsets(song) == [0, 0.125, 0.25, 0.5, 0.625]
        assert page.state["marked"]
        page.ask("undo")
        assert not page.state["marked"]
        page.widget.grid = "onset"
        assert page.ask("onsets", frames=[1100], at=1100)["at"] == 1000
        page.ask("forget_onsets")
        assert lib.marked_onsets(song) is None


class TestStandingAndTraits:
    def test_hostile_names_are_text(self, lib: Library, song: Sound) -> None:
        song.rename(HOSTILE)
        song.samples[0].tag(HOSTILE, role="label")
        html = annotate(song).static_html()
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html
        assert len(html.encode()) < 300_000
        assert "data:image/svg+xml" in html
        assert "data:audio/mpeg" in html

    def test_unknown_words(self, song: Sound) -> None:
        with pytest.raises(ParameterError, match="knows no colour"):
            Annotator(song, colour="red")
        widget = annotate(song)
        with pytest.raises(Exception, match="grid"):
            widget.grid = "bar"
        with pytest.raises(CatalogError):
            widget.library.sound("gone")

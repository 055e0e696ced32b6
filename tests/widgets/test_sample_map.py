"""`SampleMap` without a browser: points, colours, choosing, collecting, hearing, the static view."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library, Record
from audiolab.library.ids import hash_text, view_id
from audiolab.stages.classification.encoder import get_encoder
from audiolab.widgets import sound_map
from audiolab.widgets.map_groups import group, map_svg
from audiolab.widgets.sample_map import SampleMap

RATE = 8000
HOSTILE = "<img src=x onerror=globalThis.__hacked=1>"
LABELS = ("kick", "snare", HOSTILE)
COUNT = 60


def fill(lib: Library, folder: Path, songs: int = 2, count: int = COUNT) -> None:
    """Songs that are cut into samples with labels and embeddings in three bunches."""
    rng = np.random.default_rng(5)
    encoder = get_encoder()
    for number in range(songs):
        path = folder / f"song{number}.wav"
        sf.write(path, rng.integers(-8000, 8000, RATE * 20) / 32768, RATE, subtype="PCM_16")
        song = lib.add(path, kind="song")
        key = hash_text("slice", song.id)
        cuts = [
            {"id": view_id(song.id, i * 100, i * 100 + 400), "start": i * 100, "stop": i * 100 + 400, "facts": {}}
            for i in range(count)
        ]
        now = datetime.now(UTC)
        _keep(lib, Record(key=key, stage="slice", version=1, sound_id=song.id, cuts=cuts, made_at=now))
        samples = lib.samples_of(song.id)
        bunch = np.arange(count) % 3
        values = rng.standard_normal((count, 32)) * 0.1 + np.eye(32)[bunch * 7] * 2
        values = np.pad(values, ((0, 0), (0, 96)))
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        np.save(lib.tmp_dir / "v.npy", values.astype("<f4"))
        vectors = {
            "encoder": encoder.sha256,
            "media": lib.media.put(lib.tmp_dir / "v.npy", ".npy"),
            "sound_ids": samples.ids,
        }
        _keep(
            lib,
            Record(
                key=hash_text("e", key),
                stage="embed",
                version=1,
                sound_id=song.id,
                set_id=samples.id,
                vectors=vectors,
                made_at=now,
            ),
        )
        tags = [
            {"sound_id": each.id, "label": LABELS[i % 3], "confidence": 0.3 + i / 100, "top": []}
            for i, each in enumerate(samples)
        ]
        _keep(
            lib,
            Record(
                key=hash_text("c", key),
                stage="classify",
                version=1,
                sound_id=song.id,
                set_id=samples.id,
                tags=tags,
                made_at=now,
            ),
        )


def _keep(lib: Library, record: Record) -> None:
    record.write(lib.record_path(record.key))
    lib.fold(record)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("map")
    with Library(folder / "lib", actor="tester") as lib:
        fill(lib, folder)
        yield lib


class Page:
    """What a view does."""

    def __init__(self, made: SampleMap) -> None:
        self.player = made.player
        self.sent: list[tuple[dict[str, Any], list[Any]]] = []
        made.player.send = lambda content, buffers=None: self.sent.append((content, list(buffers or ())))

    def call(self, method: str, **params: Any) -> tuple[dict[str, Any], list[Any]]:
        self.player._receive(None, {"id": "1", "method": method, "params": params}, [])
        content, buffers = next(each for each in reversed(self.sent) if each[0].get("id") == "1")
        if "error" in content:
            raise ParameterError(content["error"])
        return content["result"], buffers

    @property
    def selection(self) -> dict[str, Any]:
        return next(content for content, _ in reversed(self.sent) if content.get("event") == "selection")


def test_points_lie_where_the_library_says(filled: Library) -> None:
    made = sound_map(filled)
    assert len(made.ids) == 2 * COUNT
    assert made.scatter.widget.opacity == 0.85
    page = Page(made)
    facts, (data,) = page.call("places")
    places = np.frombuffer(data, "<f4").reshape(-1, 2)
    assert facts["count"] == len(places)
    from audiolab.runs.mapping import place_on_map

    placed = place_on_map(filled)
    np.testing.assert_array_equal(places, placed.places[[placed.ids.index(i) for i in made.ids]])
    told, _ = page.call("facts", index=3)
    sound = filled.sound(made.ids[3])
    assert (told["name"], told["label"], told["song"]) == (sound.name, sound.label, sound.song.name)  # type: ignore[union-attr]
    assert made.current == sound.id
    for wrong in (-1, 2 * COUNT):
        with pytest.raises(ParameterError, match="no point"):
            page.call("facts", index=wrong)


def test_what_is_heard_is_the_sample(filled: Library) -> None:
    made = sound_map(filled)
    page = Page(made)
    told, buffers = page.call("hear", ids=["0", "5"])
    for each, name in zip(told["sounds"], (0, 5), strict=True):
        heard = np.frombuffer(buffers[each["at"]], np.float32).reshape(each["channels"], each["sent"])
        np.testing.assert_array_equal(heard, filled.sound(made.ids[name]).audio().samples)
        assert each["id"] == str(name)


def test_a_query_and_errors(filled: Library, tmp_path: Path) -> None:
    made = sound_map(filled, "label:kick")
    assert len(made.ids) == 2 * COUNT // 3
    with pytest.raises(ParameterError, match="none of which is on the map"):
        sound_map(filled, "kind:song")
    with pytest.raises(ParameterError, match="colours"):
        sound_map(filled, color_by="size")
    with Library(tmp_path / "empty") as empty, pytest.raises(CatalogError, match="`embed`"):
        sound_map(empty)


def test_choosing_goes_both_ways(filled: Library) -> None:
    made = sound_map(filled)
    page = Page(made)
    seen: list[list[str]] = []
    made.observe(lambda change: seen.append(list(change["new"])), "selection")
    made.scatter.widget.selection = np.array([2, 4], "uint32")  # what a lasso does
    assert made.selection == [made.ids[2], made.ids[4]]
    assert page.selection["count"] == 2
    assert [row["index"] for row in page.selection["rows"]] == [2, 4]
    made.selection = [made.ids[7]]
    assert made.scatter.selection().tolist() == [7]
    page.call("choose", indexes=[8], add=True)
    assert made.selection == [made.ids[7], made.ids[8]]
    page.call("choose", indexes=[7], add=True)
    assert made.selection == [made.ids[8]]
    assert list(made.to_frame()["id"]) == [made.ids[8]]
    assert seen[0] == [made.ids[2], made.ids[4]]
    with pytest.raises(ParameterError, match="not on this map"):
        made.selection = [made.ids[1], "nobody"]
    assert made.selection == [made.ids[1]]
    page.call("choose", indexes=[])
    assert made.selection == []


def test_collecting_is_one_step(filled: Library) -> None:
    made = sound_map(filled)
    page = Page(made)
    with pytest.raises(ParameterError, match="nothing is chosen"):
        page.call("collect", name="kit")
    made.choose_group(0)
    assert len(made.selection) == made.groups.counts[0]  # type: ignore[union-attr]
    with pytest.raises(ParameterError, match="name"):
        page.call("collect", name=" ")
    steps = len(filled.history())
    told, _ = page.call("collect", name=HOSTILE)
    assert told == {"name": HOSTILE, "count": len(made.selection)}
    assert len(filled.history()) == steps + 1
    assert {sound.label for sound in filled.collection(HOSTILE)} == {made.groups.names[0]}  # type: ignore[union-attr]
    assert page.call("collections")[0]["names"] == [HOSTILE]
    filled.undo()
    assert HOSTILE not in list(filled.collections)


def test_colours(filled: Library) -> None:
    made = sound_map(filled)
    assert {each["name"] for each in made.player._legend} == set(LABELS)
    made.color_by = "song"
    assert {each["name"] for each in made.player._legend} == {"song0", "song1"}
    made.player.color_by = "confidence"
    assert (made.color_by, made.player._legend) == ("confidence", [])
    assert len(made.player._scale) == 6
    assert made.scatter.widget.color_by == "valueA"
    with pytest.raises(ParameterError, match="legend"):
        made.choose_group(0)


def test_groups_of_many_values() -> None:
    values = [f"label {i % 20:02}" for i in range(200)] + [""] * 5
    found = group(values, nothing="no label")
    assert len(found.names) == 14
    assert (found.names[-2], found.names[-1]) == ("8 others", "no label")
    assert sum(found.counts) == 205
    assert found.counts[-1] == 5
    assert group(["a"], nothing="-").names == ("a",)


def test_static_view_is_small_and_safe(filled: Library) -> None:
    html = sound_map(filled, color_by="label").static_html()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    assert "data:image/svg+xml" in html
    places = np.random.default_rng(1).standard_normal((20_000, 2)).astype(np.float32)
    picture, drawn = map_svg(places, group([str(i % 5) for i in range(20_000)], nothing="-"))
    assert len(picture) * 4 / 3 < 200_000
    assert 5000 < drawn <= 8000


def test_nothing_is_loaded_from_elsewhere() -> None:
    """The plot must work without a network: no font, script or style of its bundle comes from a server."""
    import jscatter

    folder = Path(jscatter.__file__).parent
    code = (folder / "bundle.js").read_text() + (folder / "bundle.css").read_text()
    for word in ("cdn.", "unpkg.com", "jsdelivr", "esm.sh", "googleapis", "@import url", "importScripts("):
        assert word not in code, word

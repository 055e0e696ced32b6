"""Provenance as a graph and its picture: complete, small for big songs, safe, named for screen readers."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import library_making as making
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.library.graph import Edge, Graph, Node
from audiolab.library.picture import draw

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def song(lib, tmp_path):
    """A song that was analysed, separated, cut and labelled."""
    song = lib.add(making.wav(tmp_path / "Größe.wav", 1, 2.0), kind="song")
    lib.fold(making.analysis(song, 120.0))
    lib.fold(making.separation(lib, song))
    drums = song.stems["drums"]
    lib.fold(making.slicing(drums, [(i * 10, i * 10 + 10) for i in range(300)]))
    lib.fold(making.classifying(drums.samples, [("kick", 0.9), ("snare", 0.4), ("rim", 0.5)]))
    return song


def edges(graph):
    nodes = graph.by_id
    return {(nodes[e.source].caption, nodes[e.target].caption, e.what) for e in graph.edges}


def test_a_song_shows_all_that_was_made_of_it(song):
    song.stems["drums"].samples[7].tag("clap")
    song.correct_tempo(factor=2)
    graph = song.library.provenance(song)
    assert edges(graph) == {
        ("file", "song", "added as"),
        ("song", "analyze v1", "worked on"),
        ("song", "separate v1", "worked on"),
        ("separate v1", "stem", "made"),
        ("stem", "slice v1", "worked on"),
        ("slice v1", "300 samples", "cut"),
        ("300 samples", "classify v1", "worked on"),
        ("song", "by hand: 1 edit", "edited by"),
    }
    samples = next(node for node in graph.nodes if node.kind == "samples")
    assert samples.count == 300
    assert samples.data["labels"] == {"kick": 100, "rim": 100, "snare": 99, "clap": 1}
    assert samples.data["by_hand"] == 1
    assert len(graph.nodes) == 10
    assert graph.roots() == [f"file:{song.id}"]
    document = graph.to_dict()
    assert json.loads(json.dumps(document)) == document
    assert len(json.dumps(document)) < 20_000
    assert "300 samples" in str(graph)
    assert song.library.provenance("Größe").focus == song.id


def test_a_sample_shows_the_way_to_it_and_not_the_rest(song):
    sample = song.stems["drums"].samples[3]
    graph = song.library.provenance(sample)
    captions = [node.caption for node in graph.nodes]
    assert captions.count("stem") == 1
    assert ("300 samples", "sample", "holds") in edges(graph)
    assert graph.focus == sample.id
    bass = song.library.provenance(song.stems["bass"])
    assert "slice v1" not in [node.caption for node in bass.nodes]
    assert [node.title for node in bass.nodes if node.caption == "stem"] == ["bass"]


def test_what_a_newer_separation_superseded_is_folded(song):
    lib = song.library
    lib.fold(making.separation(lib, song, 2, at=9))
    graph = lib.provenance(song)
    old = [node for node in graph.nodes if not node.current]
    assert {node.caption for node in old} == {"separate v1", "stem", "300 samples"}
    picture = graph.to_svg()
    assert "2 sounds, 300 samples" in picture
    assert "1 older result<" in picture
    shown = lib.provenance(song.stems["drums"]).to_svg()
    assert "older results" not in shown


def test_a_result_that_looked_at_another_says_so(song):
    lib, drums = song.library, song.stems["drums"]
    found = lib.latest_result(song.id, "analyze")
    record = making.slicing(drums, [(0, 100)], 7, at=8, needs={"analyze": "ab" * 32})
    lib.fold(record)
    graph = lib.provenance(song)
    assert Edge(found.key, record.key, "read") in graph.edges


def test_stems_that_were_added_hang_on_their_song(lib, tmp_path):
    for index, name in enumerate(("drums", "bass")):
        making.wav(tmp_path / "song" / f"{name}.wav", index, 0.5)
    song = lib.add(stems=tmp_path / "song")
    assert ("song", "stem", "added with") in edges(lib.provenance(song))


def test_many_results_and_stems_stay_readable(song):
    lib = song.library
    for minute in range(2, 12):
        lib.fold(making.classifying(song.stems["drums"].samples, [("kick", 0.5)], minute, at=20 + minute))
    graph = lib.provenance(song)
    assert sum(node.caption == "classify v1" for node in graph.nodes) == 11
    picture = graph.to_svg()
    assert "and 10 older" in picture
    assert len(picture) < 40_000


def test_the_chain_up_has_a_picture_too(song):
    told = song.stems["drums"].samples[0].explain()
    graph = told.graph()
    assert [node.caption for node in graph.nodes if node.kind in {"file", "sound"}] == [
        "file",
        "song",
        "stem",
        "sample",
    ]
    assert ("separate v1", "stem", "made") in edges(graph)
    assert ("slice v1", "sample", "cut") in edges(graph)
    assert told._repr_svg_().startswith("<svg ")
    assert "made by" in told._repr_html_()


def rects(svg):
    return [{name: float(rect.get(name)) for name in ("x", "y", "width", "height")} for rect in svg.iter(f"{SVG}rect")]


def test_boxes_lie_inside_and_do_not_cover_each_other(song):
    svg = ElementTree.fromstring(song.library.provenance(song).to_svg())
    found = rects(svg)
    assert len(found) == 9
    width, height = float(svg.get("width")), float(svg.get("height"))
    for i, a in enumerate(found):
        assert a["x"] >= 0
        assert a["y"] >= 0
        assert a["x"] + a["width"] <= width
        assert a["y"] + a["height"] <= height
        for b in found[:i]:
            apart = (
                a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
                or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
            )  # fmt: skip
            assert apart


def test_everything_has_a_name_for_screen_readers(song):
    svg = ElementTree.fromstring(song.library.provenance(song).to_svg())
    assert "Größe" in svg.find(f"{SVG}title").text
    assert svg.find(f"{SVG}title").get("id") == svg.get("aria-labelledby")
    assert svg.find(f"{SVG}desc").get("id") == svg.get("aria-describedby")
    assert "300 samples" in svg.find(f"{SVG}desc").text
    for group in svg.iter(f"{SVG}g"):
        assert group.get("role") == "img"
        assert group.get("aria-label") == group.find(f"{SVG}title").text


texts = st.text(st.characters(codec=None), max_size=60)


@settings(max_examples=80, deadline=None)
@given(title=texts, caption=texts, lines=st.lists(texts, max_size=12), fan=st.integers(0, 30))
def test_any_text_makes_a_well_formed_picture(title, caption, lines, fan):
    """Names are data: no markup, control sign or half of a pair gets out."""
    nodes = [Node("a", "sound", caption, title, tuple(lines))]
    nodes += [Node(f"b{i}", "samples", title, caption, tuple(lines[:2])) for i in range(fan)]
    graph = Graph(title, "a", tuple(nodes), tuple(Edge("a", f"b{i}", "holds") for i in range(fan)))
    svg = ElementTree.fromstring(draw(graph).encode())
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} <= {
        "svg", "title", "desc", "style", "path", "g", "rect", "text",
    }  # fmt: skip
    assert len(list(svg.iter(f"{SVG}rect"))) <= 16
    page = graph._repr_html_()
    assert page.count("<svg ") == 1
    assert "<script" not in page

"""Provenance as a graph: files, sounds, sample sets, results and people's edits, and what came from what.

The samples of a set are one node with a count, so the graph of a song with thousands of samples stays small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from audiolab.library.text import clean_json, shorten

__all__ = ["Edge", "Graph", "Node", "NodeKind", "engine_lines"]

NodeKind: TypeAlias = Literal["file", "sound", "samples", "result", "edit"]
TREE = frozenset({"added as", "added with", "worked on", "made", "cut", "holds", "edited by"})
"""Edges that say where a node hangs; `read` (a result looked at another one) goes across."""


@dataclass(frozen=True, slots=True)
class Node:
    """One thing.

    Attributes
    ----------
    id : str
        Id of the sound or set, key of the result, `file:` and a hash, or `edit:` and the sound.
    kind : str
        file, sound, samples (a set of them), result (one job), or edit (what people said of one sound).
    caption : str
        What it is: `stem`, `separate v2`.
    title : str
        Its name.
    lines : tuple of str
        The most telling facts.
    count : int
        How many things it stands for.
    current : bool
        False for what a newer result has superseded.
    data : mapping
        Everything else that is known, for programs.
    """

    id: str
    kind: NodeKind
    caption: str
    title: str
    lines: tuple[str, ...] = ()
    count: int = 1
    current: bool = True
    data: Mapping[str, Any] = field(default_factory=dict)


def engine_lines(engine: str, weights: str | None) -> list[str]:
    """Name engine and weights, where there is a choice."""
    named = [] if engine == "builtin" else [f"engine {engine}"]
    return [*named, *([f"weights {weights[:8]}"] if weights else [])]


@dataclass(frozen=True, slots=True)
class Edge:
    """From a node to what came of it.

    `what` is added as (file to sound), added with (song to a stem that came with it), worked on (sound or samples to
    result), made, cut (result to what it made), holds (samples to a single one), edited by (sound to edits) or read
    (result to a later one that looked at it).
    """

    source: str
    target: str
    what: str


@dataclass(frozen=True, slots=True)
class Graph:
    """How things came from each other.

    Attributes
    ----------
    focus : str
        The node that was asked for.
    """

    title: str
    focus: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def node(self, identity: str) -> Node:
        """Give a node by its id; raises `KeyError`."""
        return self.by_id[identity]

    @property
    def by_id(self) -> dict[str, Node]:
        """All nodes by id."""
        return {node.id: node for node in self.nodes}

    def children(self) -> dict[str, list[str]]:
        """Give for each node what hangs on it, each node once."""
        seen: set[str] = set()
        below: dict[str, list[str]] = {node.id: [] for node in self.nodes}
        for edge in self.edges:
            if edge.what in TREE and edge.target not in seen and edge.source in below and edge.target in below:
                seen.add(edge.target)
                below[edge.source].append(edge.target)
        return below

    def roots(self) -> list[str]:
        """Give the nodes that hang on nothing."""
        hung = {target for targets in self.children().values() for target in targets}
        return [node.id for node in self.nodes if node.id not in hung]

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        names = ("id", "kind", "caption", "title", "lines", "count", "current", "data")
        return dict(
            clean_json(
                {
                    "title": self.title,
                    "focus": self.focus,
                    "nodes": [{name: getattr(node, name) for name in names} for node in self.nodes],
                    "edges": [{"source": e.source, "target": e.target, "what": e.what} for e in self.edges],
                }
            )
        )

    def to_svg(self) -> str:
        """Draw it; see `audiolab.library.picture`."""
        from audiolab.library.picture import draw

        return draw(self)

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        from audiolab.library.picture import as_html

        return as_html(self)

    def __str__(self) -> str:
        below, nodes = self.children(), self.by_id

        def lines(identity: str, depth: int) -> Iterator[str]:
            node = nodes[identity]
            title = shorten(node.title, 60)
            known = f" ({'; '.join(node.lines)})" if node.lines else ""
            mark = " *" if identity == self.focus else ""
            old = "" if node.current else " [older]"
            yield f"{'  ' * depth}{node.caption}{': ' if title else ''}{title}{known}{old}{mark}"
            for child in below[identity]:
                yield from lines(child, depth + 1)

        return "\n".join(line for root in self.roots() for line in lines(root, 0))

    def __repr__(self) -> str:
        return f"<Graph of {shorten(self.title, 40)!r}: {len(self.nodes)} nodes, {len(self.edges)} edges>"

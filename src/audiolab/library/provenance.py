"""How a sound came to be, step by step, up to the file that was added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library.graph import Edge, Graph, Node, engine_lines
from audiolab.library.models import ResultRow, SoundRow
from audiolab.library.tables import seconds_text
from audiolab.library.tags import Tag, tags_of
from audiolab.library.text import clean_json, shorten

__all__ = ["Provenance", "Step", "chain_graph", "explain"]


@dataclass(frozen=True, slots=True)
class Step:
    """One job: what was done, with what, and when."""

    stage: str
    version: int
    engine: str
    weights: str | None
    params: Mapping[str, Any]
    profile: Mapping[str, Any]
    notes: tuple[str, ...]
    seconds: float
    made_at: datetime
    key: str
    run: str | None

    def __str__(self) -> str:
        parts = [f"{self.stage} v{self.version}", f"engine {self.engine}"]
        if self.weights:
            parts.append(f"weights {self.weights[:12]}")
        parts += [f"{name}={value}" for name, value in self.params.items()]
        when = f"{self.made_at:%Y-%m-%d %H:%M:%S} UTC in {self.seconds:.2f} s"
        on = ", ".join(f"{name} {value}" for name, value in self.profile.items())
        lines = [", ".join(parts), f"on {when}" + (f" ({on})" if on else "")]
        return "\n".join([*lines, *(f"note: {text}" for text in self.notes)])


@dataclass(frozen=True, slots=True)
class Provenance:
    """How one sound came to be.

    Attributes
    ----------
    made : Step or None
        The job that made it; None for what was added.
    cut : tuple of int or None
        First and last (exclusive) frame in the parent, for samples that are views.
    file : mapping or None
        The file, for sounds that have one: media hash, format, and for added ones name, origin and time.
    tags : tuple of str
        What was said of it, and by whom.
    results : tuple of Step
        What else was done on it, oldest first.
    parent : Provenance or None
        Where it was taken from.
    """

    id: str
    name: str
    kind: str
    stem: str | None
    made: Step | None
    cut: tuple[int, int] | None
    sample_rate: int
    file: Mapping[str, Any] | None
    tags: tuple[str, ...]
    results: tuple[Step, ...]
    parent: Provenance | None

    @property
    def original(self) -> Provenance:
        """The end of the chain: what was added to the library."""
        return self if self.parent is None else self.parent.original

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        document = asdict(self)
        _dates_to_text(document)
        return dict(clean_json(document))

    def graph(self) -> Graph:
        """Give the chain as a graph, with what was done at each step."""
        return chain_graph(self)

    def _repr_svg_(self) -> str:
        return self.graph().to_svg()

    def _repr_html_(self) -> str:
        steps = f"<details><summary>step by step</summary><pre>{escape(str(self))}</pre></details>"
        return self.graph()._repr_html_() + steps

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        kind = f"{self.kind} {self.stem}" if self.stem and self.kind != "sample" else self.kind
        lines = [f"{shorten(self.name)} [{kind} {self.id[:12]}]"]
        if self.cut is not None:
            start, stop = (at / self.sample_rate for at in self.cut)
            how = "cut" if self.made else "cut by hand"
            lines.append(
                f"  {how}: frames {self.cut[0]} to {self.cut[1]} ({seconds_text(start)} to {seconds_text(stop)} at "
                f"{self.sample_rate} Hz)"
            )
        if self.made is not None:
            lines += _indent(f"made by {self.made}", 2)
        if self.file is not None:
            lines.append("  file: " + ", ".join(f"{name} {value}" for name, value in self.file.items() if value))
        if self.tags:
            lines.append("  tags: " + ", ".join(self.tags))
        for step in self.results:
            lines += _indent(f"then {step}", 2)
        if self.parent is not None:
            above = self.parent._lines()
            lines += ["  from " + above[0], *("  " + line for line in above[1:])]
        return lines


def explain(session: Session, sound_id: str) -> Provenance:
    """Follow a sound back to what was added.

    Raises
    ------
    CatalogError
        If the sound or one of its ancestors is missing.
    """
    row = session.get(SoundRow, sound_id)
    if row is None:
        raise CatalogError(f"the library has no sound {sound_id[:12]!r}")
    made = session.get(ResultRow, row.result_key) if row.result_key else None
    results = session.scalars(
        select(ResultRow).where(ResultRow.sound_id == row.id).order_by(ResultRow.used_at, ResultRow.key)
    )
    file = None
    if row.media is not None:
        file = {
            "name": row.original_name,
            "origin": row.origin if row.origin != row.original_name else None,
            "made from": row.made_facts.get("made_from"),
            "format": f"{row.format} {row.subtype}".strip(),
            "rate": row.sample_rate,
            "channels": row.channels,
            "frames": row.frames,
            "media": row.media,
            "content": row.content_id,
            "added": f"{row.added_at:%Y-%m-%d %H:%M:%S} UTC" if row.result_key is None else None,
        }
    return Provenance(
        id=row.id,
        name=row.name,
        kind=row.kind,
        stem=row.stem,
        made=_step(made) if made else None,
        cut=None if row.start is None or row.stop is None else (row.start, row.stop),
        sample_rate=row.sample_rate,
        file=file,
        tags=tuple(_told(tag) for tag in tags_of(session, row.id)),
        results=tuple(_step(result) for result in results),
        parent=explain(session, row.parent_id) if row.parent_id else None,
    )


def chain_graph(chain: Provenance) -> Graph:
    """Turn a chain into a graph: the file at one end, the sound at the other, and on each what else was found."""
    steps: list[Provenance] = []
    at: Provenance | None = chain
    while at is not None:
        steps.append(at)
        at = at.parent
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    for step in reversed(steps):
        if step.file is not None and step.made is None:
            form = ", ".join(str(step.file[name]) for name in ("format", "added") if step.file.get(name))
            name = str(step.file.get("name") or step.name)
            nodes[f"file:{step.id}"] = Node(f"file:{step.id}", "file", "file", name, (form,), data=dict(step.file))
            edges.append(Edge(f"file:{step.id}", step.id, "added as"))
        made = step.made
        if made is not None and step.parent is not None:
            nodes[made.key] = _step_node(made)
            edges += [
                Edge(step.parent.id, made.key, "worked on"),
                Edge(made.key, step.id, "cut" if step.cut else "made"),
            ]
        elif step.parent is not None:
            edges.append(Edge(step.parent.id, step.id, "cut by hand" if step.cut else "added with"))
        lines = [f"frames {step.cut[0]} to {step.cut[1]}"] if step.cut else []
        lines += list(step.tags[:4])
        nodes[step.id] = Node(
            step.id, "sound", step.kind, step.name, tuple(lines), data={"id": step.id, "stem": step.stem}
        )
        for result in step.results:
            nodes.setdefault(result.key, _step_node(result))
            edges.append(Edge(step.id, result.key, "worked on"))
    return Graph(chain.name, chain.id, tuple(nodes.values()), tuple(dict.fromkeys(edges)))


def _step_node(step: Step) -> Node:
    lines = engine_lines(step.engine, step.weights)
    lines += [shorten(f"{name} {value}", 36) for name, value in list(step.params.items())[:3]]
    data = {"key": step.key, "stage": step.stage, "version": step.version, "params": dict(step.params)}
    return Node(step.key, "result", f"{step.stage} v{step.version}", "", tuple(lines), data=data)


def _told(tag: Tag) -> str:
    return f"{tag}" if tag.model is None else f"{str(tag)[:-1]}, {tag.stage} {tag.model})"


def _step(row: ResultRow) -> Step:
    return Step(
        row.stage,
        row.version,
        row.engine,
        row.weights,
        row.params,
        row.profile,
        tuple(map(str, row.notes)),
        row.seconds,
        row.made_at,
        row.key,
        row.run_id,
    )


def _indent(text: str, by: int) -> list[str]:
    lines = text.splitlines()
    return [" " * by + lines[0], *(" " * (by + 2) + line for line in lines[1:])]


def _dates_to_text(value: Any) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, datetime):
                value[name] = item.isoformat()
            else:
                _dates_to_text(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _dates_to_text(item)

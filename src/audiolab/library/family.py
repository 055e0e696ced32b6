"""The graph of everything that was made from a sound, and of what it was made from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.library.derived import BY_HAND, FACTS_OF, chunks
from audiolab.library.graph import Edge, Graph, Node, engine_lines
from audiolab.library.models import DocumentRow, ResultRow, SetItemRow, SetRow, SoundRow, TagRow
from audiolab.library.overlaying import require
from audiolab.library.tables import seconds_text
from audiolab.library.text import shorten

__all__ = ["family_graph"]

_TOLD = ("bpm", "key", "lufs", "notes", "segments", "words", "samples", "null_db", "language")
"""Facts of a result that its node shows first."""
_BARE = "without label"


def family_graph(session: Session, sound_id: str) -> Graph:
    """Give what a sound came from, up to the file that was added, and all that was made from it.

    Raises
    ------
    CatalogError
        If there is no such sound.
    """
    return _Family(session, require(session, sound_id)).graph()


# ---- nodes --------------------------------------------------------------------------------------


def sound_node(row: SoundRow) -> Node:
    """Make the node of a sound."""
    lines = [seconds_text(row.duration)]
    if row.bpm:
        lines.append(f"{row.bpm:.4g} bpm{f', {row.key}' if row.key else ''}")
    if row.label:
        lines.append(f"{row.label} ({row.label_source})")
    if row.start is not None and row.stop is not None:
        lines.append(f"frames {row.start} to {row.stop}")
    data = {
        "id": row.id, "kind": row.kind, "stem": row.stem, "label": row.label, "bpm": row.bpm, "key": row.key,
        "duration": row.duration, "start": row.start, "stop": row.stop, "media": row.media,
        "content_id": row.content_id, "format": f"{row.format} {row.subtype}".strip(),
        "deleted": row.deleted_at is not None,
    }  # fmt: skip
    return Node(row.id, "sound", row.kind, row.name, tuple(lines), current=row.current, data=data)


def file_node(row: SoundRow) -> Node:
    """Make the node of the file that a sound was added from."""
    name = row.original_name or f"{(row.media or '')[:12]}{row.suffix}"
    form = ", ".join(
        filter(None, (f"{row.format} {row.subtype}".strip(), f"{row.sample_rate} Hz", f"{row.channels} ch"))
    )
    data = {
        "name": row.original_name,
        "origin": row.origin,
        "media": row.media,
        "size": row.size,
        "added": row.added_at.isoformat(),
    }
    return Node(f"file:{row.id}", "file", "file", name, (form, f"added {row.added_at:%Y-%m-%d}"), data=data)


def result_node(row: ResultRow, *, current: bool = True) -> Node:
    """Make the node of a result."""
    lines = engine_lines(row.engine, row.weights)
    facts = {name: row.facts[name] for name in _TOLD if row.facts.get(name) is not None}
    if facts:
        lines.append(", ".join(f"{name} {_short(value)}" for name, value in list(facts.items())[:2]))
    data = {
        "key": row.key, "stage": row.stage, "version": row.version, "engine": row.engine, "weights": row.weights,
        "params": row.params, "profile": row.profile, "notes": list(row.notes), "seconds": row.seconds,
        "made_at": row.made_at.isoformat(), "run": row.run_id, "facts": row.facts,
    }  # fmt: skip
    return Node(row.key, "result", f"{row.stage} v{row.version}", "", tuple(lines), current=current, data=data)


def edit_node(sound_id: str, changes: Sequence[str], data: Mapping[str, Any]) -> Node:
    """Make the node of what people said of a sound."""
    count = len(changes)
    caption = f"by hand: {count} edit{'' if count == 1 else 's'}"
    return Node(f"edit:{sound_id}", "edit", caption, "", tuple(changes), count=count, data=data)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, dict)):
        return str(len(value))
    return shorten(str(value), 20)


# ---- the family ---------------------------------------------------------------------------------


class _Family:
    """Collects the nodes around one sound."""

    def __init__(self, session: Session, focus: SoundRow) -> None:
        self.session, self.focus = session, focus
        self.rows: dict[str, SoundRow] = {}
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.held: dict[str, str] = {}  # the node that stands for a sample, by its id

    def graph(self) -> Graph:
        self._up()
        self._down()
        self._sounds()
        results = self._results()
        self._reads(results)
        self._edits()
        return Graph(self.focus.name, self.focus.id, tuple(self.nodes.values()), tuple(dict.fromkeys(self.edges)))

    def _up(self) -> None:
        """Find the ancestors, the oldest first."""
        chain = [self.focus]
        while chain[-1].parent_id is not None:
            chain.append(require(self.session, chain[-1].parent_id))
        self.above = {row.id for row in chain[1:]}
        self.rows.update({row.id: row for row in reversed(chain)})

    def _down(self) -> None:
        """Find what was made below the focus; samples without anything below them are left to their sets."""
        todo, views = [self.focus.id], []
        while todo:
            found: list[SoundRow] = []
            for ids in chunks(todo):
                below = select(SoundRow).where(SoundRow.parent_id.in_(ids), SoundRow.deleted_at.is_(None))
                found += self.session.scalars(below.order_by(SoundRow.added_at, SoundRow.stem, SoundRow.id))
            views += [row for row in found if row.start is not None]
            self.rows.update({row.id: row for row in found if row.start is None})
            todo = [row.id for row in found]
        parents = {row.parent_id for row in self.rows.values()}
        self.rows.update({row.id: row for row in views if row.id in parents})
        self.views = {row.id: row for row in views}

    def _sounds(self) -> None:
        made = {row.result_key for row in self.rows.values() if row.result_key}
        for row in self.rows.values():
            if row.result_key is None and row.media is not None:
                self._add(file_node(row))
                self._edge(f"file:{row.id}", row.id, "added as")
            self._add(sound_node(row))
        self._sets()
        for key in made:
            result = self.session.get(ResultRow, key)
            if result is not None:
                self._result(result)
        for row in self.rows.values():
            if row.result_key is not None and row.start is None:
                self._edge(row.result_key, row.id, "made")
            elif row.start is not None:
                self._edge(self.held.get(row.id, row.parent_id or ""), row.id, "holds")
            elif row.parent_id is not None:
                self._edge(row.parent_id, row.id, "added with")

    def _sets(self) -> None:
        """One node a sample set, with its labels counted; cuts that are in no set form one more."""
        below = [sound_id for sound_id in self.rows if sound_id not in self.above] + [self.focus.parent_id or ""]
        loose = {i: row for i, row in self.views.items() if i not in self.rows}
        for ids in chunks(below):
            sets = select(SetRow).where(SetRow.parent_id.in_(ids)).order_by(SetRow.used_at, SetRow.id)
            for found in self.session.scalars(sets):
                items = select(SoundRow).join(SetItemRow, SetItemRow.sound_id == SoundRow.id)
                rows = list(
                    self.session.scalars(items.where(SetItemRow.set_id == found.id, SoundRow.deleted_at.is_(None)))
                )
                if found.parent_id in self.above and self.focus.id not in {row.id for row in rows}:
                    continue
                for row in rows:
                    loose.pop(row.id, None)
                parent = self.rows[found.parent_id]
                current = found.superseded_by is None and parent.current
                self._samples(found.id, rows, current=current, facts=found.facts)
                result = self.session.get(ResultRow, found.result_key)
                if result is not None:
                    self._result(result)
                    self._edge(result.key, found.id, "cut")
        by_parent: dict[str, list[SoundRow]] = defaultdict(list)
        for cut in loose.values():
            by_parent[cut.parent_id or ""].append(cut)
        for above, cuts in by_parent.items():
            self._samples(f"cuts:{above}", cuts, current=any(cut.current for cut in cuts), facts={})
            self._edge(above, f"cuts:{above}", "holds")

    def _samples(self, identity: str, rows: Sequence[SoundRow], *, current: bool, facts: Mapping[str, Any]) -> None:
        labels = Counter(row.label or _BARE for row in rows)
        ranked = dict(sorted(labels.items(), key=lambda item: (-item[1], item[0])))
        told = [f"{count} {label}" for label, count in list(ranked.items())[:5]] if set(ranked) != {_BARE} else []
        if len(ranked) > 5:
            told.append(f"and {len(ranked) - 5} more label{'s' if len(ranked) > 6 else ''}")
        people = self._touched([row.id for row in rows])
        if people:
            told.append(f"{people} edited by hand")
        for row in rows:
            self.held.setdefault(row.id, identity)
        data = {"labels": ranked, "by_hand": people, "facts": dict(facts)}
        caption = f"{len(rows)} sample{'' if len(rows) == 1 else 's'}"
        self._add(Node(identity, "samples", caption, "", tuple(told), len(rows), current, data))

    def _touched(self, ids: Sequence[str]) -> int:
        """Count the sounds that a person tagged or corrected."""
        found: set[str] = set()
        for part in chunks(ids):
            tags = select(TagRow.sound_id).where(TagRow.sound_id.in_(part), TagRow.source == "human")
            found.update(self.session.scalars(tags))
            edits = select(DocumentRow.sound_id).where(
                DocumentRow.sound_id.in_(part), ~DocumentRow.kind.startswith(FACTS_OF)
            )
            found.update(self.session.scalars(edits))
        return len(found)

    def _results(self) -> list[ResultRow]:
        """All results on the sounds and sets below; of those above only what led here, and their own facts."""
        found: list[ResultRow] = []
        sets = {node.id for node in self.nodes.values() if node.kind == "samples"}
        for ids in chunks(self.rows):
            rows = select(ResultRow).where(ResultRow.sound_id.in_(ids)).order_by(ResultRow.used_at, ResultRow.key)
            found += self.session.scalars(rows)
        newest: dict[tuple[str, str], str] = {}
        for row in found:
            newest[row.set_id or row.sound_id, row.stage] = row.key
        makers = {edge.source for edge in self.edges if edge.what in {"made", "cut"}}
        kept = []
        for row in found:
            foreign = (row.set_id is not None and row.set_id not in sets) or self._elsewhere(row)
            if row.key in makers or not foreign:
                self._result(row, current=newest[row.set_id or row.sound_id, row.stage] == row.key)
                kept.append(row)
        return kept

    def _elsewhere(self, row: ResultRow) -> bool:
        """Say whether a result on an ancestor made something beside the way to the focus."""
        if row.sound_id not in self.above:
            return False
        made = select(SoundRow.id).where(SoundRow.result_key == row.key).limit(1)
        return self.session.scalar(made) is not None

    def _result(self, row: ResultRow, *, current: bool | None = None) -> None:
        if row.key not in self.nodes or current is not None:
            shown = True if current is None else current
            self.nodes[row.key] = result_node(row, current=shown)
        owner = row.set_id if row.set_id in self.nodes else row.sound_id
        if owner in self.nodes:
            self._edge(str(owner), row.key, "worked on")

    def _reads(self, results: Iterable[ResultRow]) -> None:
        """Say which earlier results a result looked at: the newest that was there, of its set, sound or ancestors."""
        listed = list(results)
        for row in listed:
            for stage in row.needs:
                places = [row.set_id, row.sound_id]
                owner = self.rows.get(row.sound_id)
                while owner is not None and owner.parent_id:
                    places.append(owner.parent_id)
                    owner = self.rows.get(owner.parent_id)
                seen = [
                    (places.index(place), -other.made_at.timestamp(), other.key)
                    for other in listed
                    if other.stage == stage and other.key != row.key and other.made_at <= row.made_at
                    for place in (other.set_id or other.sound_id, other.sound_id)
                    if place in places
                ]
                if seen:
                    self._edge(min(seen)[2], row.key, "read")

    def _edits(self) -> None:
        changes: dict[str, list[str]] = defaultdict(list)
        data: dict[str, dict[str, Any]] = defaultdict(dict)
        for ids in chunks(self.rows):
            documents = select(DocumentRow).where(DocumentRow.sound_id.in_(ids), ~DocumentRow.kind.startswith(FACTS_OF))
            for row in self.session.scalars(documents.order_by(DocumentRow.updated_at, DocumentRow.kind)):
                by = "" if row.source == "human" else f" ({row.source})"
                changes[row.sound_id].append(_told(row.kind, row.body) + by)
                data[row.sound_id][row.kind] = row.body
            tags = select(TagRow).where(TagRow.sound_id.in_(ids), TagRow.source == "human")
            for tag in self.session.scalars(tags.order_by(TagRow.created_at, TagRow.label)):
                changes[tag.sound_id].append(f"{'not ' if tag.denied else ''}tagged {shorten(tag.label, 30)}")
        for sound_id, told in changes.items():
            self._add(edit_node(sound_id, told, data[sound_id]))
            self._edge(sound_id, f"edit:{sound_id}", "edited by")

    def _add(self, node: Node) -> None:
        self.nodes.setdefault(node.id, node)

    def _edge(self, source: str, target: str, what: str) -> None:
        self.edges.append(Edge(source, target, what))


def _told(kind: str, body: Mapping[str, Any]) -> str:
    if kind == "name":
        return "renamed"
    if kind == BY_HAND:
        return "cut by hand" if "moved_from" not in body else "edges moved by hand"
    if kind == "fields":
        words = [f"{name} {_short(value)}" for name, value in body.items() if name in {"rating", "favourite"}]
        return ", ".join(words + (["note"] if body.get("note") else [])) or "fields"
    return f"{kind} corrected: {', '.join(list(body)[:4])}"

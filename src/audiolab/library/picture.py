"""Drawing a provenance graph as SVG: columns from left to right, one box a thing, readable in light and dark.

Own boxes carry their own background, so the picture needs no theme; where the system is dark, they are dark. All text
is data and escaped; every box has a name for screen readers, and the picture a description.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from html import escape

from audiolab.library.graph import Graph, Node
from audiolab.library.text import shorten

__all__ = ["as_html", "draw"]

_GAP_X, _GAP_Y, _PAD, _LINE = 44, 12, 9, 15
_MIN_WIDTH, _MAX_WIDTH = 96, 216
_MOST = 14
"""Boxes below one box; more are counted."""
_EDGE = 14
_LINES = 8
_STYLE = """
{id} text{{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-size:11px;fill:#1f2328}}
{id} .c{{font-size:10px;fill:#57606a}}
{id} .t{{font-size:12px;font-weight:600}}
{id} rect{{stroke-width:1;fill:#f6f8fa;stroke:#8c959f}}
{id} .file rect{{fill:#f6f8fa}}
{id} .sound rect{{fill:#ddf4ff;stroke:#218bff}}
{id} .samples rect{{fill:#dafbe1;stroke:#2da44e}}
{id} .result rect{{fill:#fff8c5;stroke:#bf8700}}
{id} .edit rect{{fill:#ffeff7;stroke:#d1449c}}
{id} .old rect{{stroke-dasharray:4 3}}
{id} .focus rect{{stroke-width:2.5}}
{id} path{{fill:none;stroke:#818b98;stroke-width:1.3}}
{id} path.e{{stroke-dasharray:3 3}}
@media (prefers-color-scheme:dark){{
{id} text{{fill:#e6edf3}}
{id} .c{{fill:#9da7b3}}
{id} .file rect{{fill:#21262d;stroke:#8b949e}}
{id} .sound rect{{fill:#0c2d4d;stroke:#4493f8}}
{id} .samples rect{{fill:#0f2f1b;stroke:#3fb950}}
{id} .result rect{{fill:#33280a;stroke:#d29922}}
{id} .edit rect{{fill:#3a1530;stroke:#db61a2}}
}}
"""


@dataclass(slots=True)
class _Box:
    kind: str
    caption: str
    title: str
    lines: tuple[str, ...]
    current: bool
    focus: bool
    below: list[_Box] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    depth: int = 0

    @property
    def height(self) -> float:
        return 2 * _PAD + _LINE * (1 + bool(self.title) + len(self.lines)) - 4

    @property
    def told(self) -> str:
        """Its name for screen readers and as a tooltip."""
        old = "" if self.current else "older: "
        named = f"{old}{self.caption}{f' {self.title}' if self.title else ''}"
        return _clean("; ".join([named, *self.lines]))


def as_html(graph: Graph) -> str:
    """Give the picture for a notebook: it scrolls where it is wider than the page, with the same as text below."""
    return (
        f'<div style="overflow-x:auto;max-width:100%">{draw(graph)}</div>'
        f"<details><summary>as text</summary><pre>{escape(_tame(str(graph)))}</pre></details>"
    )


def draw(graph: Graph) -> str:
    """Give a graph as an SVG document."""
    boxes = _boxes(graph)
    everything = [box for root in boxes for box in _walk(root)]
    width, height = _place(boxes, everything)
    title = _clean(f"How {graph.title} was made, and what was made from it")
    told = _described(everything)
    mark = (
        "al"
        + blake2b(
            repr((title, told, [box.told for box in everything])).encode("utf-8", "replace"), digest_size=5
        ).hexdigest()
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{mark}" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="group" aria-labelledby="{mark}-t" aria-describedby="{mark}-d">',
        f'<title id="{mark}-t">{escape(title)}</title><desc id="{mark}-d">{escape(told)}</desc>',
        f"<style>{_STYLE.format(id='#' + mark)}</style>",
        *(_line(box, child) for box in everything for child in box.below),
        *(_drawn(box) for box in everything),
        "</svg>",
    ]
    return "".join(parts)


# ---- what is shown ------------------------------------------------------------------------------


def _boxes(graph: Graph) -> list[_Box]:
    nodes, below = graph.by_id, graph.children()

    def box(identity: str) -> _Box:
        node = nodes[identity]
        made = _Box(node.kind, node.caption, node.title, _few(node.lines), node.current, identity == graph.focus)
        children = [nodes[child] for child in below[identity]]
        plain = [child for child in children if child.kind == "result" and not below[child.id]]
        others = [child for child in children if child not in plain]
        if plain:
            made.below.append(_found(plain))
        shown = [child for child in others if _wanted(child)]
        made.below += [box(child.id) for child in shown[:_MOST]]
        rest = shown[_MOST:] + [child for child in others if not _wanted(child)]
        if rest:
            made.below.append(_folded(rest))
        return made

    def _wanted(node: Node) -> bool:
        """Leave out what was superseded with all that came of it, unless the focus is in there."""
        inside = list(_below(node.id))
        return (
            node.id == graph.focus
            or graph.focus in inside
            or node.kind != "result"
            or any(nodes[i].current for i in inside if nodes[i].kind in {"sound", "samples"})
        )

    def _below(identity: str) -> Iterator[str]:
        for child in below[identity]:
            yield child
            yield from _below(child)

    def _folded(rest: list[Node]) -> _Box:
        inside = [nodes[i] for node in rest for i in (node.id, *_below(node.id))]
        sounds = sum(node.kind == "sound" for node in inside)
        samples = sum(node.count for node in inside if node.kind == "samples")
        counted = [f"{count} {what}" for count, what in ((sounds, "sounds"), (samples, "samples")) if count]
        lines = [*sorted({node.caption for node in rest})[:5], ", ".join(counted)]
        old = not any(node.current for node in inside if node.kind in {"sound", "samples"})
        title = f"{len(rest)} {'more' if not old else 'older result' if len(rest) == 1 else 'older results'}"
        return _Box(rest[0].kind, title, "", tuple(filter(None, lines)), not old, False)

    return [box(root) for root in graph.roots()]


def _few(lines: tuple[str, ...]) -> tuple[str, ...]:
    return lines if len(lines) <= _LINES else (*lines[: _LINES - 1], f"and {len(lines) - _LINES + 1} more")


def _found(results: list[Node]) -> _Box:
    """Put results that made no sounds into one box, the newest of each stage."""
    newest = {str(node.data.get("stage", node.id)): node for node in results}
    older = len(results) - len(newest)
    if len(newest) == 1:
        (node,) = newest.values()
        lines = [*node.lines]
        caption = node.caption
    else:
        lines = [f"{node.caption}{f': {node.lines[-1]}' if _tells(node) else ''}" for node in newest.values()]
        caption = f"{len(newest)} results"
    if older:
        lines.append(f"and {older} older")
    return _Box("result", caption, "", _few(tuple(lines)), True, False)


def _tells(node: Node) -> bool:
    """Say whether the last line of a result is what it found, not how."""
    return bool(node.lines) and not node.lines[-1].startswith(("engine ", "weights "))


def _described(boxes: list[_Box]) -> str:
    kinds = {"file": "files", "sound": "sounds", "samples": "sample sets", "result": "jobs", "edit": "edits"}
    found = Counter(box.kind for box in boxes)
    counts = [f"{found[kind]} {name}" for kind, name in kinds.items() if found[kind]]
    tree = ". ".join(f"{box.told}{f', then {len(box.below)} below' if box.below else ''}" for box in boxes[:60])
    return _clean(f"From left to right: {', '.join(counts)}. {tree}.")


# ---- where it lies ------------------------------------------------------------------------------


def _walk(box: _Box) -> Iterator[_Box]:
    yield box
    for child in box.below:
        yield from _walk(child)


def _place(roots: list[_Box], everything: list[_Box]) -> tuple[float, float]:
    """Give every box its place and the size of the whole: columns by depth, parents in the middle of their own."""
    columns: dict[int, float] = {}

    def measure(box: _Box, depth: int) -> None:
        box.depth = depth
        texts = [_text_width(box.caption, 10), _text_width(box.title, 12.6), *(_text_width(t, 11) for t in box.lines)]
        columns[depth] = max(columns.get(depth, 0), min(_MAX_WIDTH, max(_MIN_WIDTH, max(texts) + 2 * _PAD)))
        for child in box.below:
            measure(child, depth + 1)

    def settle(box: _Box, top: float) -> float:
        """Place a box and all below it from `top` on; give where the next may begin."""
        bottom = top
        for child in box.below:
            bottom = settle(child, bottom)
        if box.below:
            first, last = box.below[0], box.below[-1]
            middle = (first.y + last.y + last.height) / 2
            box.y = max(top, middle - box.height / 2)
        else:
            box.y = top
        return max(bottom, box.y + box.height + _GAP_Y)

    bottom = float(_EDGE)
    for root in roots:
        measure(root, 0)
    for root in roots:
        bottom = settle(root, bottom)
    starts, x = {}, float(_EDGE)
    for depth in sorted(columns):
        starts[depth] = x
        x += columns[depth] + _GAP_X
    for box in everything:
        box.x, box.width = starts[box.depth], columns[box.depth]
    return x - _GAP_X + _EDGE, bottom - _GAP_Y + _EDGE


def _text_width(text: str, size: float) -> float:
    return sum(_sign_width(sign) for sign in text) * size


def _sign_width(sign: str) -> float:
    if unicodedata.combining(sign):
        return 0.0
    if unicodedata.east_asian_width(sign) in {"W", "F"} or ord(sign) > 0x1F000:
        return 1.05
    if sign in "ilI.,:;'|!jtf() ":
        return 0.38
    if sign in "mwMW@%_—":
        return 0.92
    return 0.72 if sign.isupper() else 0.64


def _fit(text: str, size: float, width: float) -> str:
    """Cut a text that is wider than its box."""
    text, used = _clean(text), 0.0
    if _text_width(text, size) <= width:
        return text
    for index, sign in enumerate(text):
        used += _sign_width(sign) * size
        if used > width - size:
            return text[:index].rstrip() + "…"
    return text


# ---- drawing ------------------------------------------------------------------------------------


def _drawn(box: _Box) -> str:
    classes = " ".join([box.kind, *(["old"] if not box.current else []), *(["focus"] if box.focus else [])])
    room, y = box.width - 2 * _PAD, box.y + _PAD + 8
    rows = [("c", _fit(box.caption, 10, room))]
    if box.title:
        rows.append(("t", _fit(box.title, 12.6, room)))
    rows += [("", _fit(line, 11, room)) for line in box.lines]
    texts = "".join(
        f'<text x="{box.x + _PAD:.1f}" y="{y + index * _LINE:.1f}"{f" class={chr(34)}{name}{chr(34)}" if name else ""}>'
        f"{escape(text)}</text>"
        for index, (name, text) in enumerate(rows)
    )
    return (
        f'<g class="{classes}" role="img" aria-label="{escape(box.told)}"><title>{escape(box.told)}</title>'
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="6"/>{texts}</g>'
    )


def _line(box: _Box, child: _Box) -> str:
    x1, y1 = box.x + box.width, box.y + box.height / 2
    x2, y2 = child.x, child.y + child.height / 2
    bend = (x2 - x1) / 2
    kind = ' class="e"' if child.kind == "edit" else ""
    curve = f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    head = (
        "" if child.kind == "edit" else f"M{x2 - 6:.1f} {y2 - 4:.1f}L{x2 - 0.5:.1f} {y2:.1f}L{x2 - 6:.1f} {y2 + 4:.1f}"
    )
    return f'<path{kind} d="{curve}{head}" aria-hidden="true"/>'


def _clean(text: str) -> str:
    return shorten(text, 4000)


def _tame(text: str) -> str:
    return "\n".join(shorten(line, 300) for line in text.split("\n"))

"""The error gallery: one HTML file in which the worst confusions can be heard. It needs nothing but a browser."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.errors import AudiolabError
from audiolab.stages.classification.preparing import RATE
from audiolab.training.manifest import Entry

__all__ = ["write_gallery"]

_PAIRS = 16
_EACH = 6
_SECONDS = 1.5
_RATE = 22_050

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222;
  background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
.lead { color: #555 } .cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .8rem }
.card { border: 1px solid #ddd; border-radius: 6px; padding: .6rem .7rem; overflow-wrap: anywhere }
.card audio { width: 100%; height: 2.2rem; margin: .4rem 0 } .source { color: #666; font-size: .85em }
table { border-collapse: collapse; font-size: .9em } td { padding: 0 .5rem .1rem 0 }
.bar { display: inline-block; height: .65em; background: #3b76af } .bar.true { background: #3d8f5f }
nav a { margin-right: .9rem; white-space: nowrap }
"""


def write_gallery(
    path: Path,
    entries: Sequence[Entry],
    probabilities: NDArray[np.float64],
    truth: NDArray[np.int64],
    labels: Sequence[str],
    *,
    title: str,
    read: Callable[[Entry], NDArray[np.float32]],
) -> int:
    """Write the page.

    Parameters
    ----------
    path : path
        The HTML file.
    entries : sequence of Entry
        Sounds, in the order of the rows of `probabilities`; only their file names are shown, never their folders.
    probabilities, truth, labels
        What was said, and what is true.
    title : str
        Heading.
    read : callable
        Gives a sound at `RATE`, mono.

    Returns
    -------
    int
        Number of sounds on the page: of the most frequent confusions those that were said with most confidence.
    """
    said = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(said != truth)
    pairs: dict[tuple[int, int], list[int]] = {}
    for index in wrong.tolist():
        pairs.setdefault((int(truth[index]), int(said[index])), []).append(index)
    confidence = probabilities.max(axis=1)
    worst = sorted(pairs.items(), key=lambda item: (-confidence[item[1]].sum(), item[0]))[:_PAIRS]
    sections, links, shown = [], [], 0
    for number, ((true, other), indices) in enumerate(worst):
        ranked = sorted(indices, key=lambda i: (-confidence[i], i))[:_EACH]
        cards = [_card(entries[i], probabilities[i], true, labels, read) for i in ranked]
        name = f"{escape(labels[true])} taken for {escape(labels[other])}"
        total = int((truth == true).sum())
        links.append(f'<a href="#c{number}">{name} ({len(indices)})</a>')
        sections.append(
            f'<h2 id="c{number}">{name}: {len(indices)} of {total}</h2>\n<div class="cards">{"".join(cards)}</div>'
        )
        shown += len(ranked)
    lead = (
        f"{len(wrong)} of {len(truth)} sounds got another label than their folder or manifest says. The most frequent "
        f"and most confident confusions first; of each the {_EACH} sounds that were said with most confidence. "
        "Some of these labels are wrong, not the classifier: listen."
    )
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>"
        f'<p class="lead">{lead}</p><nav>{" ".join(links)}</nav>\n' + "\n".join(sections) + "\n</body></html>\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    return shown


def _card(
    entry: Entry,
    row: NDArray[np.float64],
    true: int,
    labels: Sequence[str],
    read: Callable[[Entry], NDArray[np.float32]],
) -> str:
    best = np.argsort(-row, kind="stable")[:3].tolist()
    lines = []
    for index in dict.fromkeys([*best, true]):
        kind = "bar true" if index == true else "bar"
        width = max(1, round(80 * float(row[index])))
        lines.append(
            f"<tr><td>{escape(labels[index])}</td><td>{row[index]:.2f}</td>"
            f'<td><span class="{kind}" style="width:{width}px"></span></td></tr>'
        )
    try:
        sound = f'<audio controls preload="none" src="data:audio/flac;base64,{_encoded(read(entry))}"></audio>'
    except AudiolabError as error:
        sound = f"<p>cannot be played: {escape(str(error))}</p>"
    return (
        f'<div class="card"><b>{escape(entry.path.name)}</b><br><span class="source">{escape(entry.source)}</span>'
        f"{sound}<table>{''.join(lines)}</table></div>\n"
    )


def _encoded(mono: NDArray[np.float32]) -> str:
    """Give the beginning of a sound as small FLAC, in base64."""
    import soundfile
    import soxr

    level = np.abs(mono)
    peak = float(level.max(initial=0.0))
    start = int(np.argmax(level >= 0.01 * peak)) if peak else 0
    part = mono[max(0, start - RATE // 100) :][: round(_SECONDS * RATE)]
    small = soxr.resample(part, RATE, _RATE, quality="MQ") if part.size else np.zeros(1, np.float32)
    top = float(np.abs(small).max(initial=0.0))
    file = io.BytesIO()
    soundfile.write(file, small * (0.9 / top) if top else small, _RATE, format="FLAC", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode("ascii")

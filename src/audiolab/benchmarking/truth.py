"""What people wrote down about a sound, and how it is read from files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiolab.benchmarking.midi_files import drum_hits, read_notes
from audiolab.benchmarking.tables import AnnotationError, Table, read_table, read_text

__all__ = ["KINDS", "Truth", "parse_key", "read_truth"]

Times: TypeAlias = NDArray[np.float64]
Notes: TypeAlias = tuple[tuple[float, float, float], ...]
"""Start, end (seconds) and MIDI pitch, which may lie between two keys."""
Words: TypeAlias = tuple[tuple[float, float, str], ...]

KINDS = ("onsets", "beats", "tempo", "key", "notes", "lyrics", "words")


@dataclass(frozen=True, slots=True)
class Truth:
    """The annotations of one sound; what nobody wrote down is None."""

    onsets: tuple[tuple[float, str], ...] | None = None
    """Time and label ("" where there is none)."""
    beats: Times | None = None
    positions: tuple[int, ...] | None = None
    """Place of each beat in its bar, 1 for the downbeat."""
    tempo: float | None = None
    key: str | None = None
    """As mir_eval writes it: `A minor`."""
    notes: Notes | None = None
    lyrics: str | None = None
    words: Words | None = None

    @property
    def bpm(self) -> float | None:
        """The tempo as written, else from the median interval of the beats."""
        if self.tempo is not None or self.beats is None or len(self.beats) < 2:
            return self.tempo
        return 60.0 / float(np.median(np.diff(self.beats)))

    @property
    def downbeats(self) -> Times | None:
        """Beats at place 1."""
        if self.beats is None or self.positions is None:
            return None
        return np.asarray(self.beats[np.array(self.positions) == 1])

    @property
    def meter(self) -> int | None:
        """Beats of most bars; None if there is no whole bar."""
        if self.positions is None:
            return None
        starts = [index for index, place in enumerate(self.positions) if place == 1]
        lengths = np.diff(starts)
        return int(np.bincount(lengths).argmax()) if len(lengths) else None


def read_truth(files: Mapping[str, Path]) -> Truth:
    """Read files by the kind of truth that they hold (see `KINDS`).

    Raises
    ------
    AnnotationError
        If a file is not what its name says; the message names file and line.
    """
    values: dict[str, object] = {}
    for kind, path in files.items():
        if path.suffix.lower() == ".jams":
            continue
        values.update(_READERS[kind](path))
    if "words" in files and "words" not in values:
        values["words"] = _timed_words(read_table(files["words"]), values.get("lyrics"))
    if "lyrics" not in values and values.get("words"):
        values["lyrics"] = " ".join(word for _, _, word in values["words"])  # type: ignore[attr-defined]
    return Truth(**values)  # type: ignore[arg-type]


def _onsets(path: Path) -> dict[str, object]:
    if path.suffix.lower() in {".mid", ".midi"}:
        return {"onsets": drum_hits(path)}
    table = read_table(path)
    time = table.required(0, "time", "onset", "start")
    label = table.column("label", "class", "instrument") if table.header else 1
    rows = [
        (row.time(time, "time"), row.cells[label] if label is not None and label < len(row.cells) else "")
        for row in table.rows
    ]
    return {"onsets": tuple(sorted(rows))}


def _beats(path: Path) -> dict[str, object]:
    table = read_table(path)
    time = table.required(0, "time", "beat_time", "start")
    place = table.column("position", "beat", "place") if table.header else 1
    times = np.array([row.time(time, "time") for row in table.rows])
    late = np.flatnonzero(np.diff(times) <= 0)
    if len(late):
        row = table.rows[int(late[0]) + 1]
        raise row.fail("beats must be in order of time")
    positions: list[int] = []
    for row in table.rows:
        if place is None or place >= len(row.cells):
            break
        value = row.number(place, "position in the bar")
        if value < 1 or value != int(value):
            raise row.fail(f"a position in the bar is 1, 2, 3..., not {row.cells[place]!r}")
        positions.append(int(value))
    return {"beats": times, "positions": tuple(positions) if len(positions) == len(times) else None}


def _tempo(path: Path) -> dict[str, object]:
    """Read the tempo. Madmom's files hold two and the share of the first: the likelier one counts."""
    row = read_table(path).rows[0]
    tempo = row.number(0, "bpm")
    if len(row.cells) >= 3 and row.number(2, "share of the first tempo") < 0.5:
        tempo = row.number(1, "bpm")
    if not 5 <= tempo <= 1000:
        raise row.fail(f"a tempo lies between 5 and 1000 bpm, not {tempo:g}")
    return {"tempo": tempo}


_KEY = re.compile(r"^([A-Ga-g])([#b♯♭]?)\s*[:\s]?\s*(major|minor|maj|min|dur|moll|m|)$", re.IGNORECASE)


def parse_key(text: str) -> str | None:
    """Read `A minor`, `Am`, `a`, `F#:maj`, `Bb` as mir_eval writes keys, or None."""
    match = _KEY.match(text.strip())
    if match is None:
        return None
    tonic, accidental, mode = match.groups()
    accidental = accidental.replace("♯", "#").replace("♭", "b")
    if mode == "m" or mode.lower() in {"minor", "min", "moll"} or (not mode and tonic.islower()):
        return f"{tonic.upper()}{accidental} minor"
    return f"{tonic.upper()}{accidental} major"


def _key(path: Path) -> dict[str, object]:
    text = next(line for line in read_text(path).splitlines() if line.strip()).strip()
    key = parse_key(text.strip('"'))
    if key is None:
        raise AnnotationError(f"{str(path)!r}, line 1: {text!r} is not a key such as `A minor` or `F# major`")
    return {"key": key}


def _notes(path: Path) -> dict[str, object]:
    if path.suffix.lower() in {".mid", ".midi"}:
        return {"notes": read_notes(path)}
    table = read_table(path)
    return {"notes": tuple(sorted(_note_rows(table, madmom=path.suffix.lower() == ".notes")))}


def _note_rows(table: Table, *, madmom: bool) -> list[tuple[float, float, float]]:
    """Read notes in one of three orders.

    With a header by name (start, end or duration, pitch or hertz). Without: start, end, MIDI pitch; in madmom's
    `.notes` start, MIDI pitch, duration; as Tony and vocadito write them start, hertz, duration (known by a third
    column in which no value can be a pitch: all at most 12).
    """
    tony = not table.header and not madmom and all(row.number(2, "pitch") <= 12 for row in table.rows)
    start = table.required(0, "start", "time", "onset")
    end, length = table.column("end", "stop", "offset"), table.column("duration", "length")
    pitch, hertz = table.column("pitch", "midi", "note"), table.column("hertz", "hz", "frequency")
    if madmom:
        pitch, length = 1, 2
    elif tony:
        hertz, length = 1, 2
    elif not table.header:
        end, pitch = 1, 2
    if (end is None and length is None) or (pitch is None and hertz is None):
        raise AnnotationError(
            f"{str(table.path)!r}, line 1: notes need the columns start, end (or duration) and pitch (or hertz), "
            f"not {', '.join(table.header)!r}"
        )
    rows = []
    for row in table.rows:
        begin = row.time(start, "start")
        stop = row.number(end, "end") if end is not None else begin + row.number(length or 0, "duration")
        if stop <= begin:
            raise row.fail(f"the note ends at {stop:g} s, not after its start at {begin:g} s")
        value = row.number(pitch, "pitch") if pitch is not None else row.number(hertz or 0, "hertz")
        if pitch is None:
            if value <= 0:
                raise row.fail(f"a pitch lies above 0 Hz, not at {value:g}")
            value = 69.0 + 12.0 * float(np.log2(value / 440.0))
        if not 0 <= value <= 127:
            raise row.fail(f"{value:g} is not a MIDI pitch (0 to 127)")
        rows.append((begin, stop, value))
    return rows


def _lyrics(path: Path) -> dict[str, object]:
    return {"lyrics": read_text(path)}


def _words(path: Path) -> dict[str, object]:
    """Read words that carry their text; times alone are joined to the lyrics later."""
    table = read_table(path)
    if table.header and table.column("word", "text", "label") is None:
        return {}
    return {"words": _timed_words(table, None)}


def _timed_words(table: Table, lyrics: object) -> Words:
    start, end = table.required(0, "start", "word_start", "time"), table.required(1, "end", "word_end", "stop")
    text = table.column("word", "text", "label") if table.header else 2
    texts: Sequence[str] | None = lyrics.split() if text is None and isinstance(lyrics, str) else None
    if text is None and (texts is None or len(texts) != len(table.rows)):
        there = "no lyrics lie beside it" if texts is None else f"the lyrics have {len(texts)} words"
        raise AnnotationError(
            f"{str(table.path)!r}, line 1: {len(table.rows)} words have times but no text, and {there}: "
            "add a column `word`"
        )
    words = []
    for index, row in enumerate(table.rows):
        begin, stop = row.time(start, "start"), row.time(end, "end")
        if stop < begin:
            raise row.fail(f"the word ends at {stop:g} s, before its start at {begin:g} s")
        if texts is None and text is not None and text >= len(row.cells):
            raise row.fail("there is no column 3 (word)")
        words.append((begin, stop, texts[index] if texts is not None else row.cells[text or 0]))
    return tuple(words)


_READERS: Mapping[str, Callable[[Path], dict[str, object]]] = {
    "onsets": _onsets,
    "beats": _beats,
    "tempo": _tempo,
    "key": _key,
    "notes": _notes,
    "lyrics": _lyrics,
    "words": _words,
}

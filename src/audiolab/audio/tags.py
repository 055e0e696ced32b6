"""Tags that a file carries: ID3, Vorbis comments, MP4 atoms (through tinytag) and RIFF chunks (our own reader)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiolab.audio.riff import Cue, RiffInfo, read_riff
from audiolab.audio.units import Bpm, Frames
from audiolab.errors import AudioError

if TYPE_CHECKING:
    from tinytag import TinyTag

__all__ = ["Tags", "read_tags"]

_MAX_TEXT = 10_000
_MAX_WORDS = 64
_KEY_FIELDS = ("initial_key", "initialkey", "key", "tkey", "IKEY")
# Musical keys in every common spelling: Am, F# minor, Bb, Des dur, 8A, Camelot and Open Key (1m, 12d).
_LIKE_A_KEY = re.compile(r"(?i)[a-h](#|b|♯|♭|is|es|s)?[\s_-]*(major|maj|minor|min|dur|moll|m)?|(1[0-2]|0?[1-9])[abmd]")
_WORD_FIELDS = ("keywords", "keyword", "tags", "grouping", "category", "subject", "IKEY", "ISBJ")


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says about itself; anything it does not say is None (or empty)."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    date: str | None = None
    genre: str | None = None
    comment: str | None = None
    publisher: str | None = None
    """Record label or maker of the pack."""
    keywords: tuple[str, ...] = ()
    """Words that say what it is: of keyword, grouping and category fields, in their order."""
    bpm: Bpm | None = None
    key: str | None = None
    loop: bool | None = None
    """True for a loop by its `acid` or `smpl` chunk, False for a declared one-shot."""
    one_shot: bool | None = None
    root_note: int | None = None
    """MIDI number."""
    loop_start: Frames | None = None
    loop_stop: Frames | None = None
    """Exclusive."""
    beats: int | None = None
    cues: tuple[Cue, ...] = ()
    description: str | None = None
    """From the broadcast extension (`bext`), as are the next two."""
    originator: str | None = None
    time_reference: Frames | None = None
    artwork: bool = False
    raw: Mapping[str, str] = field(default_factory=dict)
    """Every text found, by its name in lower case (RIFF codes in capitals)."""

    def to_dict(self) -> dict[str, Any]:
        """Give what is known as JSON: no None, no empty values."""
        document: dict[str, Any] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            if name == "cues":
                value = [{"position": cue.position, "label": cue.label, "length": cue.length} for cue in value]
            elif name == "keywords":
                value = list(value)
            elif name == "raw":
                value = dict(value)
            if value not in (None, [], {}) and not (name == "artwork" and not value):
                document[name] = value
        return document


def read_tags(path: str | Path) -> Tags:
    """Read the tags of an audio file. A file without tags, or with damaged ones, gives what can be read.

    Raises
    ------
    AudioError
        If the file cannot be opened.
    """
    path = Path(path)
    tiny, artwork = _read_tiny(path)
    riff = read_riff(path)
    raw = {**tiny, **riff.info}

    def first(*names: str) -> str | None:
        return next((raw[name] for name in names if raw.get(name)), None)

    acid, loop = riff.acid, riff.loops[0] if riff.loops else None
    is_loop, one_shot = _loop_or_one_shot(riff)
    bext = riff.bext
    key = next((text for text in map(raw.get, _KEY_FIELDS) if text and _LIKE_A_KEY.fullmatch(text.strip())), None)
    return Tags(
        title=first("title", "INAM"),
        artist=first("artist", "IART"),
        album=first("album", "IPRD"),
        date=first("year", "ICRD", "date", "originaldate") or ((bext.date or None) if bext else None),
        genre=first("genre", "IGNR"),
        comment=first("comment", "ICMT"),
        publisher=first("publisher", "organization", "label", "IPUB"),
        keywords=_keywords(raw, key),
        bpm=_number(first("bpm", "IBPM", "tempo"))
        or (acid.bpm if acid and acid.bpm > 0 and not acid.one_shot else None),
        key=key,
        loop=is_loop,
        one_shot=one_shot,
        root_note=_root_note(riff),
        loop_start=loop.start if loop else None,
        loop_stop=loop.stop if loop else None,
        beats=acid.beats if acid and acid.beats and not acid.one_shot else None,
        cues=riff.cues,
        description=(bext.description or None) if bext else None,
        originator=(bext.originator or None) if bext else None,
        time_reference=bext.time_reference if bext else None,
        artwork=artwork,
        raw=raw,
    )


def _read_tiny(path: Path) -> tuple[dict[str, str], bool]:
    from tinytag import TinyTag, TinyTagException

    try:
        # Without its name tinytag goes by the first bytes, so a file with a wrong suffix is read too.
        with path.open("rb") as file:
            tag = TinyTag.get(file_obj=file, duration=False, image=True)
    except TinyTagException:
        return {}, False
    except OSError as error:
        raise AudioError(f"{str(path)!r} cannot be opened: {error}") from None
    return _texts(tag), tag.images.any is not None


def _texts(tag: TinyTag) -> dict[str, str]:
    texts: dict[str, str] = {}
    named = ("title", "artist", "album", "albumartist", "composer", "genre", "year", "comment", "track", "disc")
    for name in named:
        if (value := getattr(tag, name)) not in (None, ""):
            texts[name] = str(value)[:_MAX_TEXT].strip()
    for name, values in tag.other.items():
        if values:
            texts.setdefault(str(name).lower(), "; ".join(map(str, values))[:_MAX_TEXT].strip())
    return {name: text for name, text in texts.items() if text}


def _keywords(raw: Mapping[str, str], key: str | None) -> tuple[str, ...]:
    """Give the words of all fields that list words; `IKEY` is meant for these, but some tools keep the key there."""
    found: dict[str, str] = {}
    for name in _WORD_FIELDS:
        text = raw.get(name, "")
        if name == "IKEY" and text == key:
            continue
        for word in re.split(r"[;,|/\n\0]", text[:_MAX_TEXT]):
            if word.strip():
                found.setdefault(word.strip().casefold(), word.strip())
    return tuple(list(found.values())[:_MAX_WORDS])


def _number(text: str | None) -> float | None:
    """Read the first number of a text such as "128", "128.00" or "127,5 BPM"; 0 and absurd ones are no tempo."""
    match = re.search(r"\d{1,6}(?:[.,]\d{1,6})?", text or "")
    value = float(match.group().replace(",", ".")) if match else 0.0
    return value if 5 <= value <= 1000 else None


def _loop_or_one_shot(riff: RiffInfo) -> tuple[bool | None, bool | None]:
    if riff.acid is not None:
        return not riff.acid.one_shot, riff.acid.one_shot
    # A smpl loop of a sustained note says nothing about one-shots, but it loops.
    return (True, None) if riff.loops else (None, None)


def _root_note(riff: RiffInfo) -> int | None:
    if riff.acid is not None and riff.acid.root_note is not None:
        return riff.acid.root_note
    if riff.root_note is not None:
        return riff.root_note
    return riff.instrument.note if riff.instrument else None

"""What was sung: words and lines with their times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from audiolab.audio import Seconds, atomic_path

__all__ = ["Evidence", "Line", "LyricSheet", "Word"]


@dataclass(frozen=True, slots=True)
class Word:
    """One word, times in seconds of the sound."""

    start: Seconds
    end: Seconds
    word: str
    """With the space or punctuation that belongs to it."""
    probability: float
    """What the model gives the word, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the engine knows about the segment that a line comes from."""

    average_log_probability: float
    """Of its tokens."""
    compression_ratio: float
    """Length of its text over that length compressed: high for loops."""
    no_speech_probability: float


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of words as the model grouped them."""

    start: Seconds
    end: Seconds
    text: str
    words: tuple[Word, ...] = ()
    flags: tuple[str, ...] = ()
    """Why this may have been made up; see `flags`. Empty for a line without doubts."""
    evidence: Evidence | None = None
    """None for known lyrics, and for lines that a person wrote."""


@dataclass(frozen=True, slots=True)
class LyricSheet:
    """The lyrics of one sound."""

    path: str
    """The file, or the name of a sound in memory."""
    language: str | None
    """Two-letter code, or None if there was no voice."""
    language_probability: float | None
    """None if the language was given."""
    engine: str
    model: str
    lines: tuple[Line, ...]
    duration: Seconds
    files: tuple[Path, ...] = ()
    """What was written."""
    remarks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All lines, one below the other."""
        return "\n".join(line.text for line in self.lines)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order."""
        return tuple(word for line in self.lines for word in line.words)

    def document(self) -> dict[str, Any]:
        """Give what the stage hands to the library."""
        return {
            "language": self.language,
            "language_probability": self.language_probability,
            "engine": self.engine,
            "model": self.model,
            "duration": self.duration,
            "segments": [
                {
                    "start": round(line.start, 3),
                    "end": round(line.end, 3),
                    "text": line.text,
                    "flags": list(line.flags),
                    "words": [
                        {
                            "start": round(word.start, 3),
                            "end": round(word.end, 3),
                            "word": word.word,
                            "probability": round(word.probability, 4),
                        }
                        for word in line.words
                    ],
                    **_evidence(line),
                }
                for line in self.lines
            ],
        }

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab lyrics --json` prints."""
        document = {"path": self.path, **self.document()}
        if self.files:
            document["files"] = [str(file) for file in self.files]
        if self.remarks:
            document["remarks"] = list(self.remarks)
        return document

    def to_json(self, path: str | Path) -> Path:
        """Write `to_dict` to a file."""
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return Path(path)

    @classmethod
    def from_document(cls, document: Mapping[str, Any], path: str = "") -> LyricSheet:
        """Read a document (the library's, perhaps edited by hand) back."""
        lines = tuple(
            Line(
                float(item["start"]),
                float(item["end"]),
                str(item["text"]),
                tuple(
                    Word(float(w["start"]), float(w["end"]), str(w["word"]), float(w["probability"]))
                    for w in item.get("words", ())
                ),
                tuple(item.get("flags", ())),
                Evidence(**item["evidence"]) if item.get("evidence") else None,
            )
            for item in document["segments"]
        )
        return cls(
            path or str(document.get("path", "")),
            document.get("language"),
            document.get("language_probability"),
            str(document.get("engine", "")),
            str(document.get("model", "")),
            lines,
            float(document.get("duration", max((line.end for line in lines), default=0.0))),
        )

    def __len__(self) -> int:
        return len(self.lines)

    def __repr__(self) -> str:
        return f"LyricSheet({self.path!r}, {len(self.lines)} lines, language {self.language})"


def _evidence(line: Line) -> dict[str, Any]:
    if line.evidence is None:
        return {}
    return {"evidence": {name: round(value, 4) for name, value in asdict(line.evidence).items()}}

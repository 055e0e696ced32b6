"""Tags from the names of folders and files, by a rule that the user gives: `{pack}/{label}/{name}_{bpm}_{key}`.

Each part between slashes stands for a folder, the last one for the file without its suffix; rules are laid on from the
right, so that a rule of two parts looks at the file and the folder that it is in. A part is made of texts and places:

    {label}   what the sound is (folder words such as `Closed Hats` become standard labels)
    {tag}     a free tag; may come several times
    {pack}    the pack: kept as a fact, and as a free tag
    {bpm}     a tempo: 128, 127.5, 128bpm
    {key}     a musical key: Am, F#min, 8A
    {name}    the name of the sound
    {_}, *    anything, not kept; * also nothing

The name takes as much as it can, other places as little: `{pack}_{name}_{tag}` finds in `Acme_Big_Kick_dry` the pack
`Acme`, the name `Big_Kick` and the tag `dry`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from audiolab.errors import ParameterError
from audiolab.library.embedded import parse_bpm, parse_key
from audiolab.library.labelwords import tidy_label
from audiolab.library.text import clean_text, fold_text

__all__ = ["Matched", "Rule", "parse_rule"]

_PLACES = ("label", "tag", "pack", "bpm", "key", "name", "_")
_ONCE = frozenset({"label", "pack", "bpm", "key", "name"})
_MAX_TEXT = 1000
_LONGEST = {"bpm": 12, "key": 12}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """`text`, `*`, or the name of a place."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Matched:
    """What a rule found in a path."""

    label: str | None = None
    tags: tuple[str, ...] = ()
    pack: str | None = None
    bpm: float | None = None
    key: str | None = None
    name: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What of it counts as facts of the sound."""
        found = {"bpm": self.bpm, "key": self.key, "pack": self.pack}
        return {name: value for name, value in found.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Give what was found as JSON, nothing else."""
        named = {"label": self.label, "tags": list(self.tags), "name": self.name, **self.facts}
        return {name: value for name, value in named.items() if value not in (None, [])}

    def __str__(self) -> str:
        words = [f"{name}={', '.join(value) if name == 'tags' else value}" for name, value in self.to_dict().items()]
        return "; ".join(words) or "nothing to keep"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was understood; `str` gives its text."""

    text: str
    parts: tuple[tuple[_Token, ...], ...] = field(repr=False)

    def match(self, path: str | Sequence[str]) -> Matched | None:
        """Lay the rule on a path within the folder that was added.

        Parameters
        ----------
        path : str or sequence of str
            With `/` between its parts; the file's suffix is not looked at.

        Returns
        -------
        Matched or None
            None if the path does not fit.
        """
        listed = path.split("/") if isinstance(path, str) else list(path)
        if len(listed) < len(self.parts):
            return None
        listed = [clean_text(part) for part in listed]
        listed[-1] = _without_suffix(listed[-1])
        found: list[tuple[str, str]] = []
        for tokens, text in zip(self.parts, listed[-len(self.parts) :], strict=True):
            if (values := _match_part(tokens, text)) is None:
                return None
            found += values
        return _collect(found)

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=64)
def parse_rule(text: str) -> Rule:
    """Understand a rule.

    Raises
    ------
    ParameterError
        If it cannot be understood; the message says where, counted from 1.
    """
    if not text or not text.strip():
        raise ParameterError("the rule is empty; an example: {pack}/{label}/{name}_{bpm}")
    if len(text) > _MAX_TEXT:
        raise ParameterError(f"the rule has {len(text)} signs, more than {_MAX_TEXT}")
    parts, seen, at = [], set[str](), 0
    for part in text.split("/"):
        if not part:
            raise _error(text, at, "a part between slashes is empty")
        parts.append(_tokens(text, part, at, seen))
        at += len(part) + 1
    if not seen - {"_"}:
        raise _error(text, 0, "it keeps nothing: name at least one of " + ", ".join(f"{{{p}}}" for p in _PLACES[:-1]))
    return Rule(text, tuple(parts))


def _tokens(rule: str, part: str, at: int, seen: set[str]) -> tuple[_Token, ...]:
    tokens: list[_Token] = []
    index = 0
    while index < len(part):
        sign, here = part[index], at + index
        if sign == "}":
            raise _error(rule, here, "this } closes nothing")
        if sign == "*":
            token, step = _Token("*"), 1
        elif sign == "{":
            end = part.find("}", index)
            if end < 0:
                raise _error(rule, here, "this { is not closed")
            name = part[index + 1 : end].strip().lower()
            if name not in _PLACES:
                known = ", ".join(_PLACES)
                raise _error(rule, here, f"there is no place {{{part[index + 1 : end]}}}; there are {known}")
            if name in _ONCE and name in seen:
                raise _error(rule, here, f"{{{name}}} comes twice; only {{tag}} and {{_}} may")
            seen.add(name)
            token, step = _Token(name), end + 1 - index
        else:
            end = next((i for i in range(index, len(part)) if part[i] in "{}*"), len(part))
            token, step = _Token("text", fold_text(part[index:end])), end - index
        if tokens and token.kind != "text" and tokens[-1].kind != "text":
            fits = {token.kind, tokens[-1].kind}
            if not fits & {"bpm", "key"} or len(fits) < 2:
                raise _error(rule, here, "two places side by side leave open where one ends; put a sign between them")
        tokens.append(token)
        index += step
    return tuple(tokens)


def _error(rule: str, at: int, why: str) -> ParameterError:
    return ParameterError(f"the rule {rule!r} is wrong at sign {at + 1}: {why}")


def _without_suffix(name: str) -> str:
    """Leave out a suffix as files have; `Kick 1.5` keeps its point, as a suffix begins with a letter or is short."""
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix[1:].isalnum() and not suffix[1:].isdigit() else name


def _match_part(tokens: Sequence[_Token], text: str) -> list[tuple[str, str]] | None:
    """Match from the right; what was tried in vain is remembered, so that no text can make it slow."""
    failed: set[tuple[int, int]] = set()

    def match(index: int, stop: int) -> list[tuple[str, str]] | None:
        if index < 0:
            return [] if stop == 0 else None
        if (index, stop) in failed:
            return None
        token = tokens[index]
        for start in _starts(token, text, stop, first=index == 0):
            before = match(index - 1, start)
            if before is not None:
                return before if token.kind in {"text", "*", "_"} else [*before, (token.kind, text[start:stop])]
        failed.add((index, stop))
        return None

    return match(len(tokens) - 1, len(text))


def _starts(token: _Token, text: str, stop: int, *, first: bool) -> Sequence[int]:
    """Give where a token that ends at `stop` may begin, the best first."""
    if token.kind == "text":
        # Compared without case and in one form, so a text may be written longer or shorter than in the rule.
        sizes = range(max(1, len(token.text) // 4), 2 * len(token.text) + 3)
        return [stop - size for size in sizes if size <= stop and fold_text(text[stop - size : stop]) == token.text]
    if token.kind in _LONGEST:
        read = parse_bpm if token.kind == "bpm" else parse_key
        low = max(0, stop - _LONGEST[token.kind])
        return [at for at in range(low, stop) if _alone(text, at, stop, token.kind) and read(text[at:stop]) is not None]
    if first:
        return [0] if stop > 0 or token.kind == "*" else []
    starts = range(stop if token.kind == "*" else stop - 1, -1, -1)
    return starts[::-1] if token.kind == "name" else starts


def _alone(text: str, start: int, stop: int, kind: str) -> bool:
    """Say whether a number or key is not a piece of a longer one (or of a word)."""
    before, after = text[start - 1 : start], text[stop : stop + 1]
    if kind == "bpm":
        return not (before.isdigit() or before in {".", ","} or after.isdigit()) and text[start].isdigit()
    return not (before.isalnum() or after.isalnum())


def _collect(found: Sequence[tuple[str, str]]) -> Matched | None:
    values = {kind: " ".join(text.split()) for kind, text in found if kind != "tag"}
    tags = [" ".join(text.split())[:255] for kind, text in found if kind == "tag"]
    pack = values.get("pack", "")[:255] or None
    kept = [tag for tag in [*tags, pack] if tag]
    return Matched(
        label=tidy_label(values["label"]) or None if "label" in values else None,
        tags=tuple(dict.fromkeys(kept)),
        pack=pack,
        bpm=parse_bpm(values["bpm"]) if "bpm" in values else None,
        key=parse_key(values["key"]) if "key" in values else None,
        name=values.get("name") or None,
    )

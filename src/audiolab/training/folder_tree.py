"""A folder tree of sounds as a labelled set: folders say the labels, the top folders are the sources.

`Pack One/Drums/03 - Closed Hats/x.wav` is a closed_hat of the source `Pack One`. What folders are called in sample
packs stands in `configs/synonyms.yaml`, the same table that queries and the library use.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from audiolab.config import get_settings, shipped_folder
from audiolab.errors import ParameterError
from audiolab.training.manifest import Entry, Reading

__all__ = ["AUDIO_SUFFIXES", "LabelWords", "read_tree"]

AUDIO_SUFFIXES = frozenset(
    {
        ".wav", ".wave", ".bwf", ".w64", ".rf64", ".flac", ".aif", ".aiff", ".aifc", ".mp3", ".ogg", ".oga", ".opus",
        ".m4a", ".mp4", ".aac", ".caf", ".au", ".snd", ".wma", ".wv",
    }
)  # fmt: skip
_SHORT = 2
"""Words of so few letters (`ch`, `oh`, `cp`) and numbers (`808`) count only where they are the whole name."""
_LONGEST = 5


class LabelWords:
    """What the names of folders mean.

    Parameters
    ----------
    labels : iterable of str
        The labels that there are; a name may also be one of them as it stands.
    table : mapping, optional
        For each label the words that mean it; default: synonyms.yaml, the user's or the shipped.
    """

    def __init__(self, labels: Iterable[str], table: Mapping[str, Iterable[str]] | None = None) -> None:
        known = set(labels)
        self._table = {
            key: label
            for label, words in (_listed() if table is None else table).items()
            if label in known
            for word in words
            if (key := "_".join(_words(word)))
        }
        self._table |= {"_".join(_words(label)): label for label in sorted(known) if _words(label)}

    def whole(self, name: str) -> str | None:
        """Give the label that a name means as a whole, such as `Closed Hats`; None if it means none."""
        return self._table.get("_".join(_words(name)))

    def labels_in(self, name: str) -> set[str]:
        """Give all labels that a folder's name says: none, one, or several if it is not clear.

        Words may stand apart (`Open and Closed Hats` says two labels); longer finds hide the shorter ones inside
        them (`Bass Drum` is no bass).
        """
        if (label := self.whole(name)) is not None:
            return {label}
        words = _words(re.sub(r"([a-z])([A-Z])", r"\1 \2", name))[:12]
        found: dict[frozenset[int], str] = {}
        for size in range(1, min(_LONGEST, len(words)) + 1):
            for places in combinations(range(len(words)), size):
                if size > 2 and places[-1] - places[0] >= size:  # three and more words must stand together
                    continue
                key = "_".join(words[place] for place in places)
                if key in self._table and len(key) > _SHORT and not key.isdigit():
                    found[frozenset(places)] = self._table[key]
        return {label for places, label in found.items() if not any(places < other for other in found)}


def _words(text: str) -> list[str]:
    """Give the words of a name without case and signs; hi-hats are hats, however they are written."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    joined = re.sub(r"[\W_]+", "_", plain).strip("_")
    joined = re.sub(r"(?:^|(?<=_))hi_?hat(s?)(?=_|$)", r"hat\1", joined)
    return joined.split("_") if joined else []


def _listed() -> dict[str, list[str]]:
    own = get_settings().path("configs") / "synonyms.yaml"
    path = own if own.is_file() else shipped_folder("configs") / "synonyms.yaml"
    try:
        content: Any = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ParameterError(f"{str(path)!r} cannot be read: {error}") from error
    if not isinstance(content, Mapping) or not all(isinstance(words, list) for words in content.values()):
        raise ParameterError(f"{str(path)!r} must give for each word a list of words that mean it")
    return {str(label): [str(word) for word in words] for label, words in content.items()}


def read_tree(path: str | Path, labels: Iterable[str]) -> Reading:
    """Read a folder tree as a labelled set.

    The deepest folder whose name says a label gives it. The source is the top folder, or `path` itself where the
    top folder is the one that says the label (else every label would be a source of its own).

    Parameters
    ----------
    path : path
        The folder; sub-folders are read at any depth, links to folders are not followed.
    labels : iterable of str
        Labels to look for.

    Returns
    -------
    Reading
        Entries in the order of their paths; `left_out` names every other file and why it is not there.

    Raises
    ------
    ParameterError
        If there is no such folder.
    """
    root = Path(path)
    if not root.is_dir():
        raise ParameterError(f"{str(root)!r} is no folder")
    words = LabelWords(labels)
    entries: list[Entry] = []
    left_out: list[str] = []

    def refused(error: OSError) -> None:
        left_out.append(f"{error.filename}: {error.strerror}")

    for folder, folders, files in os.walk(root, onerror=refused):
        folders.sort()
        here = Path(folder)
        left_out += [
            f"{(here / name).relative_to(root)}: a link to a folder, not followed"
            for name in folders
            if (here / name).is_symlink()
        ]
        label, source, trouble = _meaning(here.relative_to(root).parts, words, root.resolve().name)
        for name in sorted(files):
            file = here / name
            reason = _refused(file) or trouble
            if reason:
                left_out.append(f"{file.relative_to(root)}: {reason}")
            else:
                entries.append(Entry(file, source, label))
    return Reading(tuple(entries), tuple(left_out))


def _refused(file: Path) -> str:
    if file.name.startswith("."):
        return "a hidden file"
    if file.suffix.lower() not in AUDIO_SUFFIXES:
        return "not an audio file by its name"
    if not file.is_file():
        return "a link to nothing, or no file"
    return "" if file.stat().st_size else "an empty file"


def _meaning(parts: tuple[str, ...], words: LabelWords, root: str) -> tuple[str, str, str]:
    """Give label, source and what is wrong for the files of a folder."""
    for depth in range(len(parts) - 1, -1, -1):
        said = words.labels_in(parts[depth])
        if len(said) > 1:
            return "", "", f"its folder {parts[depth]!r} says {' and '.join(sorted(said))}"
        if said:
            return said.pop(), parts[0] if depth else root, ""
    return "", "", "no folder above it says a label"

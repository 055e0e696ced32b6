"""Models that are a folder of files: Whisper for CTranslate2 (the engine faster-whisper)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audiolab.errors import ModelError

__all__ = ["files_of", "model_files"]

_NEEDED = ("model.bin", "config.json", "tokenizer.json")
# Without its tokenizer a loader would ask a model hub.
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
_OPTIONAL = ("preprocessor_config.json",)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def model_files(folder: Path) -> list[Path]:
    """Give the files of a CTranslate2 folder that make up the model; anything else in it is left behind.

    Raises
    ------
    ModelError
        If one is missing or empty.
    """
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    vocabularies = [name for name in _VOCABULARIES if (folder / name).is_file()]
    if missing or not vocabularies:
        lacking = [*missing, *([] if vocabularies else [" or ".join(_VOCABULARIES)])]
        raise ModelError(f"{str(folder)!r} is no model folder of CTranslate2: it lacks {', '.join(lacking)}")
    optional = [name for name in _OPTIONAL if (folder / name).is_file()]
    files = [folder / name for name in (*_NEEDED, *vocabularies, *optional)]
    for file in files:
        if file.stat().st_size == 0:
            raise ModelError(f"{str(file)!r} is empty (0 bytes): was a download cut off?")
    return sorted(files)


def files_of(folder: Path, record: Mapping[str, Any]) -> dict[Path, str]:
    """Give the files of an imported folder with the hashes that its note says.

    Raises
    ------
    ModelError
        If a file is gone, was added, or the note names something outside.
    """
    noted = record["files"]
    if not isinstance(noted, dict) or not all(_FILE.fullmatch(name) for name in noted):
        raise ModelError(f"the note of {str(folder)!r} is damaged; delete it and import the folder again.")
    here = {path.name for path in folder.iterdir()}
    if here != set(noted):
        what = ", ".join(sorted(here ^ set(noted)))
        raise ModelError(f"{str(folder)!r} has changed since it was imported ({what}); delete it and import it again.")
    return {folder / name: str(digest) for name, digest in sorted(noted.items())}

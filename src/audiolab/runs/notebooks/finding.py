"""Which notebook is meant: a path, or a name below notebooks/."""

from __future__ import annotations

import difflib
from pathlib import Path

from audiolab.config import get_settings, shipped_folder
from audiolab.errors import ParameterError

__all__ = ["find_notebook"]


def find_notebook(name: str | Path) -> Path:
    """Find a notebook: a path, or a name below the user's notebooks/, else below the shipped ones.

    Raises
    ------
    ParameterError
        If there is none; the message has the nearest name, or all of them.
    """
    given = Path(name).expanduser()
    wanted = given if given.suffix == ".ipynb" else given.with_name(f"{given.name}.ipynb")
    own = (get_settings().path("notebooks"), shipped_folder("notebooks"))
    # A batch notebook may also be called by its bare name: `audiolab batch tag_samples`.
    folders = (Path(), get_settings().home, *own, *(folder / "batch" for folder in own))
    for folder in folders:
        if (folder / wanted).is_file():
            return (folder / wanted).resolve()
    known = sorted(
        path.relative_to(folder).with_suffix("").as_posix() for folder in own for path in folder.rglob("*.ipynb")
    )
    known = [name for name in dict.fromkeys(known) if ".ipynb_checkpoints" not in name]
    asked = given.with_suffix("").as_posix()
    bare = {name.rpartition("/")[2]: name for name in known}
    close = difflib.get_close_matches(asked, known, 1) or [
        bare[name] for name in difflib.get_close_matches(asked, bare, 1)
    ]
    hint = f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}"
    raise ParameterError(f"there is no notebook {str(name)!r}{hint}")

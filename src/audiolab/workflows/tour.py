"""`tour`: the song that the teaching notebooks share, processed once, so that each of them also works alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from audiolab.config import get_settings
from audiolab.library import Library, Sound
from audiolab.runs import Run, RunReport, process
from audiolab.synth import demo_song
from audiolab.workflows.demo import write_truth

__all__ = ["tour"]


def tour(
    folder: str | Path = "data/tour",
    *,
    recipe: str = "full",
    follow: Callable[[Run], RunReport] = Run.progress,
    client: Any = None,
) -> Sound:
    """Give the demo song in a library of its own, with all that a recipe makes of it.

    The first call renders the song and processes it (a minute or two); later ones find both.

    Parameters
    ----------
    folder : path-like
        Gets `song/` and `library/`; relative paths start at the project.
    recipe : str
        What to do to it, if it was not done yet.
    follow, client
        See `song_to_kit`.

    Returns
    -------
    Sound
        The song; `song.library` is the library.
    """
    place = get_settings().path(folder)
    library = Library(place / "library")
    file = place / "song" / "demo song.flac"
    if not file.is_file():
        file = write_truth(demo_song(), place / "song")
    song = library.add_report(file, "song").sound
    done = any(
        run.recipe.get("name") == recipe and run.status == "done" and song.id in run.sound_ids
        for run in library.run_rows()
    )
    if not done:
        follow(process(song, recipe, client=client))
    return song

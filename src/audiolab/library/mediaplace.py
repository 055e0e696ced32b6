"""Where the files of a library are: in its folder, or behind a URL that `media.json` in the folder names."""

from __future__ import annotations

import json
from pathlib import Path

from audiolab.audio import atomic_path
from audiolab.config import get_settings
from audiolab.errors import CatalogError
from audiolab.library.places import DATABASE, MARKER
from audiolab.library.remote import clean_url

__all__ = ["MEDIA_MARKER", "chosen_media", "mark_media"]

MEDIA_MARKER = "media.json"


def chosen_media(folder: Path, media: str | None) -> str | None:
    """Give the URL of a library's files; None for those inside its folder.

    Parameters
    ----------
    folder : Path
        The library's folder; it may be a new one.
    media : str, optional
        What the caller asks for.

    Raises
    ------
    CatalogError
        If the library has its files inside, and a URL is asked for.
    ParameterError
        If the URL is none, or holds a secret.
    """
    asked = None if media is None else clean_url(media)
    marker = folder / MEDIA_MARKER
    if marker.exists():
        try:
            return asked or clean_url(json.loads(marker.read_text("utf-8"))["media"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogError(f"{str(marker)!r} is damaged ({error}); give the media URL (media=...)") from error
    if (folder / DATABASE).exists() or (folder / MARKER).exists():
        if asked is not None:
            raise CatalogError(
                f"{str(folder)!r} has its files inside; to move them to a URL make a backup and load that with the URL"
            )
        return None
    settings = get_settings()
    if asked is None and settings.media is not None and folder == settings.path(settings.library).absolute():
        return clean_url(settings.media)
    return asked


def mark_media(folder: Path, url: str) -> None:
    """Note the URL in the folder; it holds no secret."""
    marker = folder / MEDIA_MARKER
    text = json.dumps({"media": url})
    if marker.exists() and marker.read_text("utf-8") == text:
        return
    with atomic_path(marker) as temporary:
        temporary.write_text(text, encoding="utf-8")

"""Where the files of a library are: in its folder, or behind a URL that `media.json` in the folder names."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from sqlalchemy import exists, select

from audiolab.audio import atomic_path
from audiolab.config import get_settings
from audiolab.errors import CatalogError, ParameterError
from audiolab.library.models import MetaRow, SoundRow
from audiolab.library.places import DATABASE, MARKER
from audiolab.library.remote import RemoteFolder, clean_url
from audiolab.library.remote_records import RemoteRecords
from audiolab.library.store import Store

__all__ = ["MEDIA_MARKER", "chosen_media", "mark_media", "note_media", "prepare_media", "settle_media"]

MEDIA_MARKER = "media.json"
_META = "media"


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


def prepare_media(folder: Path, url: str, *, catalog_inside: bool, files: str | None) -> None:
    """Make sure that a new library can have its files at a URL, before anything of it is made.

    Raises
    ------
    CatalogError
        If the server does not take them, or has those of another library.
    ParameterError
        If files are to stay where they lie.
    """
    if files == "reference":
        raise ParameterError(
            "files='reference' leaves files where only this host sees them; with a media URL they are copied there"
        )
    if (folder / MEDIA_MARKER).exists():
        return
    remote = RemoteRecords(RemoteFolder(url, patience=min(get_settings().media_patience, 5.0)))
    if catalog_inside and remote.taken():
        raise CatalogError(f"{url} holds the media of another library; give each a URL of its own")
    flag = f"seen-{secrets.token_hex(8)}"
    remote.raise_flag(flag)
    remote.lower_flag(flag)
    folder.mkdir(parents=True, exist_ok=True)
    mark_media(folder, url)


def settle_media(store: Store, url: str | None) -> str | None:
    """Compare with what a catalog on PostgreSQL says, which may have been made by another host; give the URL.

    Raises
    ------
    CatalogError
        If its files lie in another host's folder, and a URL is asked for.
    """
    if store.path is not None:
        return url  # the folder has said all
    with store.transaction(write=False) as session:
        row = session.get(MetaRow, _META)
        used = session.scalar(select(exists().where(SoundRow.id.is_not(None))))
    known = None if row is None else str(row.value["url"])
    if url is not None and known is None and used:
        raise CatalogError(
            f"the library of {store.where!r} has its files in a folder; to move them to a URL make a backup and load "
            "that with the URL"
        )
    if url is not None and url != known:
        note_media(store, url)
    return url or known


def note_media(store: Store, url: str | None) -> None:
    """Note in a catalog where its files are; None: in the folder."""
    with store.transaction() as session:
        if url is not None:
            session.merge(MetaRow(key=_META, value={"url": url}))
        elif (row := session.get(MetaRow, _META)) is not None:
            session.delete(row)


def mark_media(folder: Path, url: str) -> None:
    """Note the URL in the folder; it holds no secret."""
    marker = folder / MEDIA_MARKER
    text = json.dumps({"media": url})
    if marker.exists() and marker.read_text("utf-8") == text:
        return
    with atomic_path(marker) as temporary:
        temporary.write_text(text, encoding="utf-8")

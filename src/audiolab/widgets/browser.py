"""`SampleBrowser`: thousands of samples in a table that is heard, searched and sorted out by keyboard."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np
import traitlets
from numpy.typing import NDArray
from sqlalchemy import select

from audiolab.errors import AudiolabError, ParameterError
from audiolab.library import Library, Sound, SoundList
from audiolab.library.collections import Collection
from audiolab.library.derived import chunks
from audiolab.library.models import SoundRow
from audiolab.widgets.base import Reply, request
from audiolab.widgets.browser_edits import BrowserEdits
from audiolab.widgets.browser_rows import PAGE, Listing, known_labels, query_listing
from audiolab.widgets.browser_sound import hear_many, thumbnail, thumbnails_png
from audiolab.widgets.browser_tagging import BrowserTagging
from audiolab.widgets.html import Html, image, table
from audiolab.widgets.preview import audio_player

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SampleBrowser", "browse"]

Browsable: TypeAlias = "Library | Collection | SoundList"
_QUICK = ["kick", "snare", "clap", "closed_hat", "open_hat", "tom", "crash", "percussion", "bass"]
_MOST_SELECTED = 5000
_KEPT_THUMBS = 20_000
_MOST_OPEN = 8
_SHOWN = 30
_PREVIEW = 5.0
_NEIGHBOURS = 100


class SampleBrowser(BrowserEdits, BrowserTagging):
    """Sounds of a library in a table: arrow keys play them, single keys sort them out.

    Rows, waveforms and samples come from the library in pages, when they are looked at: 100,000 sounds open as fast
    as 100. The keys are listed by `?` when the table has the focus.

    Parameters
    ----------
    sounds : Library, Collection or SoundList
        What to browse. Of a collection or list the query finds only sounds that are in it.
    query : str
        In the query language; default for a library: its samples.
    sort : str
        A field of the query language to sort by, `-` before it for descending order.
    tagger : {"kernel", "browser"}
        Where the classifier runs that proposes labels (key G): in Python, or in the page.
    matched : bool
        Play everything at -18 LUFS (RMS below 0.4 s) as far as full scale allows. The gain is shown.

    Attributes
    ----------
    query, sort, tagger, matched
        As above; may be set.
    selection : list of str
        Ids of the selected sounds, in the order of the table.
    count : int
        Number of sounds found.
    like : str
        Name of the sound whose neighbours are listed; empty while a query is.
    quick : list of str
        Labels that Alt+1 to Alt+9 give.
    error : str
        The last error.

    Examples
    --------
    >>> import audiolab as al
    >>> browser = al.browse(al.Library("data/library"), "label:kick")  # doctest: +SKIP
    >>> browser.selected.to_frame()  # doctest: +SKIP
    """

    view: ClassVar[str] = "browser"

    query = traitlets.Unicode("").tag(sync=True)
    sort = traitlets.Unicode("").tag(sync=True)
    selection: traitlets.List[str] = traitlets.List(traitlets.Unicode()).tag(sync=True)
    count = traitlets.Int(0).tag(sync=True)
    like = traitlets.Unicode("").tag(sync=True)
    quick: traitlets.List[str] = traitlets.List(traitlets.Unicode(), _QUICK, maxlen=9).tag(sync=True)
    matched = traitlets.Bool(False).tag(sync=True)
    tagger = traitlets.Enum(("kernel", "browser"), "kernel").tag(sync=True)
    _stamp = traitlets.Int(0).tag(sync=True)
    """Number of the listing: rows of another one are of no use."""

    def __init__(self, sounds: Browsable, *, query: str | None = None, sort: str = "", **traits: Any) -> None:
        self.library, self._ids_within, own = _opened(sounds)
        text = own if query is None else query
        self._thumbs: OrderedDict[str, NDArray[np.uint8]] = OrderedDict()
        self._listing = query_listing(self.library, text, sort, within=self._ids_within())
        self._listed = (text, sort)
        super().__init__(query=text, sort=sort, count=len(self._listing), **traits)

    # ---- what is listed ------------------------------------------------------------------------

    @traitlets.observe("query", "sort")
    def _asked(self, change: Any) -> None:
        asked = (self.query, self.sort)
        if asked == self._listed:
            return
        try:
            self._list(*asked)
        except AudiolabError as error:
            self.error = str(error)
            self.query, self.sort = self._listed
            raise

    def _list(self, query: str, sort: str) -> None:
        """Ask the library; nothing changes if the query is wrong."""
        self._show(query_listing(self.library, query, sort, within=self._ids_within()), like="")
        if query != self._listed[0]:
            self.selection = []  # nothing is done to sounds that are no longer seen
        self._listed = (query, sort)
        self.query, self.sort = query, sort

    def _show(self, listing: Listing, *, like: str) -> None:
        self._listing = listing
        with self.hold_sync():
            self.count, self.like = len(listing), like
            self._stamp += 1

    @request
    def find(self, query: str, sort: str | None = None) -> Reply:
        """List what a query finds."""
        self._list(query, self.sort if sort is None else sort)
        return self._said()

    @request
    def refresh(self) -> Reply:
        """Ask the library again: others, or a run, may have changed it."""
        self._list(*self._listed)
        return self._said()

    @request
    def similar(self, sound: str) -> Reply:
        """List the sounds that are most like one, the nearest first; `back` brings the query's list back."""
        from audiolab.runs.neighbours import similar

        asked = self.library.sound(sound)
        found = similar(asked, _NEIGHBOURS)
        ids = [asked.id, *found.ids]
        scores = {asked.id: 1.0, **dict(zip(found.ids, (round(score, 4) for score in found.scores), strict=True))}
        self._show(Listing(self.library, ids, scores), like=asked.name)
        return self._said()

    @request
    def back(self) -> Reply:
        """List again what the query finds."""
        return self.refresh()

    def _said(self) -> Reply:
        return {"count": self.count, "stamp": self._stamp}

    @request
    def rows(self, start: int, stop: int) -> Reply:
        """Give a part of the rows."""
        return {"stamp": self._stamp, "start": start, "rows": self._listing.rows(start, min(stop, start + PAGE))}

    @request
    def ids(self, start: int, stop: int) -> Reply:
        """Give ids of rows."""
        if stop - start > _MOST_SELECTED:
            raise ParameterError(f"at most {_MOST_SELECTED} sounds can be selected at once: ask for fewer")
        return {"ids": self._listing.ids(start, stop)}

    @request
    def place(self, sound: str) -> Reply:
        """Say where a sound is in the list."""
        return {"place": self._listing.place(sound)}

    @request
    def words(self) -> Reply:
        """Give the labels and collections to choose from."""
        collections = [name for name in self.library.collections if self.library.collection(name).query is None]
        return {"labels": known_labels(self.library), "collections": collections}

    # ---- what is seen and heard ----------------------------------------------------------------

    @request
    def thumbs(self, ids: Sequence[str]) -> Reply:
        """Give waveforms as bytes; none for sounds that cannot be read (playing them says why)."""
        found = [(sound_id, picture) for sound_id in ids if (picture := self._thumb(sound_id)) is not None]
        return {"ids": [sound_id for sound_id, _ in found]}, [picture.tobytes() for _, picture in found]

    def _thumb(self, sound_id: str) -> NDArray[np.uint8] | None:
        known = self._thumbs.pop(sound_id, None)
        if known is None:
            try:
                known = thumbnail(self.library.sound(sound_id))
            except AudiolabError:
                return None
        self._thumbs[sound_id] = known
        while len(self._thumbs) > _KEPT_THUMBS:
            self._thumbs.popitem(last=False)
        return known

    @request
    def hear(self, ids: Sequence[str]) -> Reply:
        """Give samples and levels of a few sounds; of a long one its beginning, the rest through `audio`."""
        return hear_many(ids, self.library.sound, self._offer_rest)

    def _offer_rest(self, sound: Sound) -> dict[str, Any]:
        """Offer a long sound; those before it are closed but for the last few."""
        told = self.offer(sound)
        for key in list(self._offered)[:-_MOST_OPEN]:
            self.withdraw(key)
        return told

    # ---- in Python -----------------------------------------------------------------------------

    @property
    def found(self) -> SoundList:
        """All sounds of the list."""
        return self._sounds(self._listing.ids(0, len(self._listing)), f"sounds found by {self.query!r}")

    @property
    def selected(self) -> SoundList:
        """The selected sounds, in the order of the table."""
        return self._sounds(self.selection, "selected sounds")

    def _sounds(self, ids: Sequence[str], title: str) -> SoundList:
        rows: dict[str, SoundRow] = {}
        with self.library.store.transaction(write=False) as session:
            for part in chunks(ids):
                rows |= {row.id: row for row in session.scalars(select(SoundRow).where(SoundRow.id.in_(part)))}
        return SoundList(self.library, [rows[sound_id] for sound_id in ids if sound_id in rows], title)

    def to_frame(self) -> pd.DataFrame:
        """Give the selected sounds as a table; without a selection all that are listed."""
        return (self.selected if self.selection else self.found).to_frame()

    # ---- how it looks --------------------------------------------------------------------------

    def _name(self) -> str:
        return f"{self.count} sounds like {self.like}" if self.like else f"{self.count} sounds: {self.query or 'all'}"

    def _standing(self) -> Html:
        rows = [row for row in self._listing.rows(0, _SHOWN) if "id" in row]
        thumbs = [self._thumb(row["id"]) for row in rows]
        drawn = iter(thumbnails_png([picture for picture in thumbs if picture is not None]))
        head = ("", "name", "label", "song", "length", "bpm", "key", "rating", "tags")
        cells = [
            (
                Html(image(next(drawn), f"{row['name']} waveform")) if picture is not None else "",
                ("★ " if row["favourite"] else "") + row["name"], _label(row),
                " / ".join(filter(None, (row["song"], row["stem"]))) or None,
                f"{row['frames'] / row['sample_rate']:.2f} s", row["bpm"], row["key"],
                "★" * (row["rating"] or 0) or None, ", ".join(row["tags"]) or None,
            )
            for row, picture in zip(rows, thumbs, strict=True)
        ]  # fmt: skip
        more = self.count - len(rows)
        title = Html(f"<p><b>{escape(self._name())}</b>{f', the first {len(rows)} of them' if more > 0 else ''}</p>")
        return title + Html(table(head, cells)) + self._preview(rows)

    def _preview(self, rows: Sequence[dict[str, Any]]) -> Html:
        """Give a player of the first sound that can be read."""
        for row in rows[:3]:
            try:
                source = self.library.sound(row["id"]).source()
                player = audio_player(source, label=row["name"], seconds=_PREVIEW)
            except AudiolabError:
                continue
            return Html(f"<p>{escape(row['name'])}<br>{player}</p>")
        return Html("")


def browse(
    sounds: Browsable, query: str | None = None, *, sort: str = "", tagger: Literal["kernel", "browser"] = "kernel",
    matched: bool = False,
) -> SampleBrowser:  # fmt: skip
    """Browse sounds: hear them by arrow keys, search, label, rate, reject and collect them.

    Parameters
    ----------
    sounds : Library, Collection or SoundList
        What to browse.
    query : str, optional
        What to list (see docs/query.md); default: the samples of a library, all of a collection or list.
    sort : str
        A field to sort by, `-` before it for descending order.
    tagger : {"kernel", "browser"}
        Where the classifier runs that proposes labels.
    matched : bool
        Whether to play everything equally loud.

    Returns
    -------
    SampleBrowser
        Its `selection` and `selected` follow what is selected in the table.

    Raises
    ------
    QueryError
        If the query cannot be understood.
    """
    return SampleBrowser(sounds, query=query, sort=sort, tagger=tagger, matched=matched)


def _opened(sounds: Browsable) -> tuple[Library, Callable[[], list[str] | None], str]:
    """Give the library, what to stay within whenever it is asked (None: all), and the query if none is given."""
    if isinstance(sounds, Library):
        return sounds, lambda: None, "kind:sample"
    if isinstance(sounds, Collection):
        return sounds.library, lambda: sounds.sounds.ids, ""
    if isinstance(sounds, SoundList):
        ids = sounds.ids
        return sounds.library, lambda: ids, ""
    raise ParameterError(f"browse takes a Library, a Collection or a list of sounds, not {type(sounds).__name__}")


def _label(row: dict[str, Any]) -> str | None:
    if not row["label"]:
        return None
    sure = "" if row["source"] == "human" else f" {row['confidence']:.2f}"
    return f"{row['label']}{sure}"

"""`MapPlayer`: the panel beside the map of sounds."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets

from audiolab.errors import ParameterError
from audiolab.widgets.base import Reply, request
from audiolab.widgets.browser_sound import hear_many
from audiolab.widgets.drawings import svg_image
from audiolab.widgets.html import Html, table
from audiolab.widgets.map_groups import SCALE, map_svg
from audiolab.widgets.sounding import SoundingWidget

if TYPE_CHECKING:
    from audiolab.widgets.sample_map import SampleMap

__all__ = ["COLORS", "MapPlayer"]

COLORS = ("label", "song", "confidence")
"""What the colours of the map may say."""
_LISTED = 200


class MapPlayer(SoundingWidget):
    """The panel beside the map: what sounds, the legend, what is chosen. It takes the arrow keys.

    Attributes
    ----------
    color_by : str
        As on the map.
    hover : bool
        Whether a sound is heard when the pointer is over it.
    """

    view: ClassVar[str] = "map_player"
    _scatter = traitlets.Unicode().tag(sync=True)
    _count = traitlets.Int().tag(sync=True)
    _legend = traitlets.List(traitlets.Dict()).tag(sync=True)
    _scale = traitlets.List(traitlets.Unicode()).tag(sync=True)
    color_by = traitlets.Enum(COLORS, "label").tag(sync=True)
    hover = traitlets.Bool(True).tag(sync=True)
    matched = traitlets.Bool(False).tag(sync=True)

    def __init__(self, owner: SampleMap) -> None:
        super().__init__(_scatter=owner.scatter.widget.model_id, _count=len(owner.ids))
        self.map = owner
        traitlets.link((owner, "color_by"), (self, "color_by"))

    # ---- for the map ---------------------------------------------------------------------------

    def show_colors(self) -> None:
        """Show what the colours say."""
        groups = self.map.groups
        self._legend = [] if groups is None else groups.legend
        self._scale = list(SCALE) if groups is None else []

    def show_selection(self) -> None:
        """Tell the views that something else is chosen."""
        self.tell("selection", **self._chosen())

    def _chosen(self) -> dict[str, Any]:
        ids = self.map.selection
        rows = [{"index": self.map.place_of[i], **self.map.facts[self.map.place_of[i]]} for i in ids[:_LISTED]]
        return {"count": len(ids), "rows": rows}

    # ---- for the page --------------------------------------------------------------------------

    @request
    def places(self) -> Reply:
        """Give all coordinates as float32."""
        places = np.ascontiguousarray(self.map.places, "<f4")
        return {"count": len(places)}, [places.tobytes()]

    @request
    def selected(self) -> Reply:
        """Give what is chosen: how many, and the first of them."""
        return self._chosen()

    @request
    def facts(self, index: int) -> Reply:
        """Say what a point is; it is the current one from now on."""
        self._check(index)
        self.map.current = self.map.ids[index]
        return {"index": index, **self.map.facts[index]}

    @request
    def hear(self, ids: Sequence[str]) -> Reply:
        """Give samples and levels of a few points, by their number; see `SampleBrowser.hear`."""
        for name in ids:
            self._check(int(name))
        return hear_many(ids, lambda name: self.map.library.sound(self.map.ids[int(name)]), self.offer)

    @request
    def choose(self, indexes: Sequence[int], add: bool = False) -> Reply:
        """Choose points, in the place of others or besides them; one that is chosen already is no longer then."""
        for index in indexes:
            self._check(index)
        ids = [self.map.ids[index] for index in indexes]
        before = self.map.selection if add else []
        self.map.selection = [i for i in before if i not in ids] + [i for i in ids if i not in before]
        return {"count": len(self.map.selection)}

    @request
    def choose_group(self, number: int) -> Reply:
        """Choose all of a group of the legend."""
        self.map.choose_group(number)
        return {"count": len(self.map.selection)}

    @request
    def collections(self) -> Reply:
        """Give the names of the collections that sounds can be added to."""
        library = self.map.library
        return {"names": [name for name in library.collections if library.collection(name).query is None]}

    @request
    def collect(self, name: str) -> Reply:
        """Add what is chosen to a collection."""
        if not name.strip():
            raise ParameterError("give the collection a name")
        made = self.map.collect(name)
        return {"name": made.name, "count": len(made)}

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self.map.ids):
            raise ParameterError(f"the map has no point {index}")

    # ---- without a kernel ----------------------------------------------------------------------

    def _name(self) -> str:
        return f"map of {len(self.map.ids)} sounds"

    def _standing(self) -> Html:
        groups = self.map.groups or self.map.by_value["label"]
        picture, drawn = map_svg(self.map.places, groups)
        some = f", {drawn} of them drawn" if drawn < len(self.map.ids) else ""
        head = f"<p><b>{len(self.map.ids)} sounds</b> by {escape(str(self.map.about.get('method')))}{some}</p>"
        rows = [
            (Html(f'<span style="color:{color}">&#9679;</span>'), name[:80], count)
            for name, color, count in zip(groups.names, groups.colors, groups.counts, strict=True)
        ]
        chosen = self._chosen()
        listed = ""
        if chosen["count"]:
            found = [(row["name"], row["label"], row["confidence"], row["song"]) for row in chosen["rows"][:25]]
            listed = f"<p>{chosen['count']} chosen</p>" + table(("name", "label", "confidence", "song"), found)
        return Html(head + svg_image(picture, self._name()) + table(("", "group", "sounds"), rows) + listed)

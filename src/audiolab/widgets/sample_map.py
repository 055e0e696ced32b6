"""`SampleMap`: all sounds on a plane, like beside like; hear them, choose them with a lasso, collect them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import traitlets
from numpy.typing import NDArray
from sqlalchemy import select

from audiolab.errors import MissingDependency, ParameterError
from audiolab.library import Library, SoundList
from audiolab.library.collections import Collection
from audiolab.library.derived import chunks
from audiolab.library.models import SoundRow
from audiolab.runs.mapping import SoundMap, place_on_map
from audiolab.widgets.map_groups import SCALE, Groups, group
from audiolab.widgets.map_player import COLORS, MapPlayer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SampleMap", "sound_map"]

_HEIGHT = 480


def sound_map(library: Library, query: str = "", *, color_by: str = "label") -> SampleMap:
    """Show the map of a library: sounds that are alike lie near each other.

    Places are those of `al.runs.place_on_map`: kept in the library, made now if there are none yet (some seconds for
    1,000 sounds), and sounds that are new are placed by their neighbours.

    Parameters
    ----------
    library : Library
        Whose sounds.
    query : str
        Only what it finds, such as `kind:sample label:kick`.
    color_by : {"label", "song", "confidence"}
        What the colours say at first.

    Returns
    -------
    SampleMap

    Raises
    ------
    CatalogError
        If the library has no embeddings: let the stage `embed` run.
    ParameterError
        If the query finds nothing that is on the map.
    """
    return SampleMap(library, query, color_by=color_by)


class SampleMap(ipywidgets.HBox):  # type: ignore[misc]
    """The map of a library: hover or arrow keys play, a click or a lasso chooses, and what is chosen is collected.

    Parameters
    ----------
    library, query, color_by
        See `sound_map`.

    Attributes
    ----------
    selection : list of str
        Ids of the sounds that are chosen, by lasso, click, legend, or by setting it.
    current : str
        Id of the sound that was heard last; empty for none.
    color_by : {"label", "song", "confidence"}
        What the colours say.
    scatter : jscatter.Scatter
        The plot, for all that jupyter-scatter can do besides.
    player : MapPlayer
        The panel beside it.
    """

    selection = traitlets.List(traitlets.Unicode())
    current = traitlets.Unicode("")
    color_by = traitlets.Enum(COLORS, "label")

    def __init__(self, library: Library, query: str = "", *, color_by: str = "label") -> None:
        if color_by not in COLORS:
            raise ParameterError(f"the colours say one of {', '.join(COLORS)}, not {color_by!r}")
        jscatter = _jscatter()
        self.library, self.query = library, query
        placed = place_on_map(library)
        rows = _rows_on_map(library, placed, query)
        self.ids = [placed.ids[row] for row in rows]
        self.places = placed.places[rows]
        self.about = placed.about
        self.place_of = {sound_id: index for index, sound_id in enumerate(self.ids)}
        self.facts = _facts(library, self.ids)
        self._quiet = False
        groups = {name: self._groups(name) for name in ("label", "song")}
        self.scatter = self._plot(jscatter, groups)
        self.by_value = groups
        self.player = MapPlayer(self)
        super().__init__([self.scatter.widget.show(), self.player])
        self.scatter.widget.layout = ipywidgets.Layout(width="62%", min_width="300px")
        self.player.layout = ipywidgets.Layout(width="38%", min_width="260px")
        self.scatter.widget.observe(self._lassoed, "selection")
        self.observe(self._chosen, "selection")
        self.observe(self._recolor, "color_by")
        self.color_by = color_by
        self._recolor()

    # ---- what a notebook does with it ----------------------------------------------------------

    @property
    def sounds(self) -> SoundList:
        """The sounds that are chosen."""
        return SoundList(self.library, [self.library.sound_row(i) for i in self.selection], "chosen sounds")

    def to_frame(self) -> pd.DataFrame:
        """Give what is chosen as a pandas table; see `SoundList.to_frame`."""
        return self.sounds.to_frame()

    def collect(self, name: str, sounds: Sequence[str] | None = None) -> Collection:
        """Add what is chosen to a collection; one step in the history.

        Raises
        ------
        ParameterError
            If nothing is chosen, or the name is empty.
        """
        ids = list(self.selection if sounds is None else sounds)
        if not ids:
            raise ParameterError("nothing is chosen: draw a lasso around sounds, or click one")
        return self.library.collection(name.strip()).add(ids)

    def static_html(self) -> str:
        """Give the static view: a picture of the map with its legend, and what is chosen."""
        return self.player.static_html()

    def close(self) -> None:
        """Close the map and what it has opened."""
        if hasattr(self, "player"):  # it may never have come into being
            self.player.close()
            self.scatter.widget.close()
        super().close()

    def _ipython_display_(self, **_: Any) -> None:
        from IPython.display import display

        display({"text/html": self.static_html(), "text/plain": repr(self)}, raw=True)
        live = self._repr_mimebundle_() if self.player._bundle else None
        if live:
            display({**live, "text/html": "<!-- live view -->", "text/plain": ""}, raw=True)

    def __repr__(self) -> str:
        return f"<map of {len(self.ids)} sounds by {self.about.get('method')}, {len(self.selection)} chosen>"

    # ---- points and colours --------------------------------------------------------------------

    def _groups(self, name: str) -> Groups:
        values = [str(facts[name] or "") for facts in self.facts]
        return group(values, nothing="no label" if name == "label" else "no song")

    def _plot(self, jscatter: Any, groups: dict[str, Groups]) -> Any:
        import pandas as pd

        # Groups go to the plot by number: names of labels and songs are shown by our own legend, as text.
        columns: dict[str, Any] = {"x": self.places[:, 0], "y": self.places[:, 1]}
        for name, found in groups.items():
            codes = [f"g{number:02}" for number in range(len(found.names))]
            columns[name] = pd.Categorical([codes[number] for number in found.of], categories=codes)
        columns["confidence"] = np.array([facts["confidence"] or 0.0 for facts in self.facts], np.float32)
        size = int(np.clip(90 / max(len(self.ids), 1) ** 0.35, 3, 8))
        middle, reach = _frame(self.places)
        plot = jscatter.Scatter(data=pd.DataFrame(columns), x="x", y="y", height=_HEIGHT)
        plot.x(scale=(middle[0] - reach, middle[0] + reach))
        plot.y(scale=(middle[1] - reach, middle[1] + reach))
        plot.axes(False)
        plot.legend(False)
        plot.tooltip(False)
        plot.size(default=size)
        plot.opacity(default=0.85, unselected=0.3)
        plot.widget.opacity = 0.85  # without this the scale for densities stays, whose first value is next to nothing
        plot.lasso(initiator=False)
        return plot

    @property
    def groups(self) -> Groups | None:
        """The groups that the colours show; None for a scale."""
        return self.by_value.get(self.color_by)

    def _recolor(self, *_: Any) -> None:
        groups = self.groups
        if groups is None:
            self.scatter.color(by="confidence", map=list(SCALE), norm=(0.0, 1.0))
        else:
            colors = {f"g{number:02}": color for number, color in enumerate(groups.colors)}
            self.scatter.color(by=self.color_by, map=colors)
        self.player.show_colors()

    # ---- choosing ------------------------------------------------------------------------------

    def _lassoed(self, change: Any) -> None:
        if self._quiet:
            return
        found = change["new"]
        self._set([] if found is None else [self.ids[int(index)] for index in found])

    def _set(self, ids: list[str]) -> None:
        self._quiet = True
        try:
            self.selection = ids
        finally:
            self._quiet = False
        self.player.show_selection()

    def _chosen(self, change: Any) -> None:
        """Show on the plot what Python chose."""
        if self._quiet:
            return
        unknown = [sound_id for sound_id in change["new"] if sound_id not in self.place_of]
        if unknown:
            self._set([sound_id for sound_id in change["new"] if sound_id in self.place_of])
            raise ParameterError(f"{len(unknown)} of these sounds are not on this map, such as {unknown[0][:12]}")
        self.show_on_plot()
        self.player.show_selection()

    def show_on_plot(self) -> None:
        """Mark what is chosen on the plot."""
        self._quiet = True
        try:
            self.scatter.selection([self.place_of[sound_id] for sound_id in self.selection])
        finally:
            self._quiet = False

    def choose_group(self, number: int) -> None:
        """Choose all sounds of a group of the legend."""
        groups = self.groups
        if groups is None or not 0 <= number < len(groups.names):
            raise ParameterError("there is no such group in the legend")
        self.selection = [self.ids[row] for row in np.flatnonzero(groups.of == number)]


def _frame(places: NDArray[np.float32]) -> tuple[tuple[float, float], float]:
    """Give the middle of all points, and how far to show around it: a square with a margin."""
    low, high = places.min(axis=0), places.max(axis=0)
    middle = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2)
    return middle, float(max(high - low)) / 2 * 1.08 or 1.0


def _jscatter() -> Any:
    if find_spec("jscatter") is None:
        raise MissingDependency("the map needs jupyter-scatter: pip install 'audiolab[notebooks]'")
    import jscatter

    return jscatter


def _rows_on_map(library: Library, placed: SoundMap, query: str) -> list[int]:
    if not query.strip():
        return list(range(len(placed)))
    wanted = set(library.query(query).ids)
    rows = [row for row, sound_id in enumerate(placed.ids) if sound_id in wanted]
    if not rows:
        raise ParameterError(
            f"{query!r} finds {len(wanted)} sounds, none of which is on the map of {len(placed)}: only sounds with "
            "embeddings are (the stage `embed` makes them)"
        )
    return rows


def _facts(library: Library, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Give what is said of each point."""
    columns = (
        SoundRow.id, SoundRow.name, SoundRow.label, SoundRow.label_confidence, SoundRow.label_source, SoundRow.song_id,
        SoundRow.duration,
    )  # fmt: skip
    found: dict[str, Any] = {}
    with library.store.transaction(write=False) as session:
        for part in chunks(ids):
            found.update({row.id: row for row in session.execute(select(*columns).where(SoundRow.id.in_(part)))})
    songs = library.names({row.song_id for row in found.values() if row.song_id})
    return [
        {
            "name": found[i].name,
            "label": found[i].label,
            "confidence": found[i].label_confidence,
            "source": found[i].label_source,
            "song": songs.get(found[i].song_id),
            "duration": found[i].duration,
        }
        for i in ids
    ]

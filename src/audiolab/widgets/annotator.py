"""`Annotator`: cut, move, split, label; hear what the model is least sure of, and say what it is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from audiolab.audio import Frames
from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library, Sound
from audiolab.library.ops import Action
from audiolab.widgets.annotating_queue import queue_of
from audiolab.widgets.annotating_regions import REJECT, label_choices, regions_of, root_of, unsure_first
from audiolab.widgets.base import Reply, request
from audiolab.widgets.html import Html, table
from audiolab.widgets.snapping import GRIDS, grid_frames, nearest, zero_crossing
from audiolab.widgets.sounding import SoundingWidget
from audiolab.widgets.standing import standing_sound

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Annotator", "annotate"]

_DIGITS = 9
_MODES = ("regions", "onsets")
_SHOWN = 40


def annotate(sounds: Any, *, n: int = 20, query: str = "", labels: Sequence[str] = ()) -> Annotator:
    """Annotate a sound, or go through several: regions, onsets, labels; all of it is kept in the library at once.

    Parameters
    ----------
    sounds : Sound, SampleSet, list of Sound, Collection or Library
        A song or stem: its samples are regions on its waveform. A sample: its place in what it was cut from. Several:
        one after the other. A library: the samples of which the model is least sure (`al.uncertain`).
    n : int
        Of a library: how many at a time.
    query : str
        Of a library: only what it finds.
    labels : sequence of str, optional
        The labels on the digit keys 1 to 9; default: those used most here, then the taxonomy's.

    Returns
    -------
    Annotator

    Raises
    ------
    ParameterError
        If there is nothing to annotate.
    """
    return Annotator(sounds, n=n, query=query, labels=labels)


class Annotator(SoundingWidget):
    """Regions and onsets on a waveform: add, move, split, remove, snap, label; accept or correct the model's proposals.

    Every action is one transaction of the library with one step in its history, so nothing has to be saved, and undo
    and redo go on after a reload of the page or a restart of the kernel. They reach what was done to the sounds shown
    here, nothing else.

    Parameters
    ----------
    sounds, n, query, labels
        See `annotate`.

    Attributes
    ----------
    selected : str
        Id of the region that is chosen; empty for none.
    mode : {"regions", "onsets"}
        What is edited.
    snap_zero : bool
        Whether edges go to the nearest zero crossing (within 10 ms), frame by frame on the real samples.
    grid : {"none", "beat", "quarter", "onset"}
        What edges snap to before that.
    labels : list of str
        The labels on the keys 1 to 9.
    autoplay : bool
        Whether the next region sounds by itself.
    """

    view: ClassVar[str] = "annotator"
    _sound = traitlets.Dict().tag(sync=True)
    _choices = traitlets.List(traitlets.Unicode()).tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    mode = traitlets.Enum(_MODES, "regions").tag(sync=True)
    snap_zero = traitlets.Bool(False).tag(sync=True)
    grid = traitlets.Enum(GRIDS, "none").tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    autoplay = traitlets.Bool(True).tag(sync=True)

    def __init__(self, sounds: Any, *, n: int = 20, query: str = "", labels: Sequence[str] = (), **traits: Any) -> None:
        super().__init__(**traits)
        sound, self._queue = queue_of(sounds, n=n, query=query)
        self.library: Library = self._queue.library
        self._choices = label_choices(self.library)
        self.labels = list(labels) or self._choices[:_DIGITS]
        self._roots: set[str] = set()
        if sound is None:
            sound = root_of(self.library.sound(str(self._queue.current)))
            self.selected = str(self._queue.current)
        self._show(sound)

    @traitlets.validate("labels")
    def _check_labels(self, proposal: Any) -> list[str]:
        labels = [str(label).strip() for label in proposal["value"]]
        if len(labels) > _DIGITS or "" in labels or len(set(labels)) < len(labels):
            raise ParameterError(f"the digit keys take up to {_DIGITS} different labels, not {labels}")
        return labels

    # ---- what is shown -------------------------------------------------------------------------

    @property
    def sound(self) -> Sound:
        """The sound whose waveform is shown."""
        return self.library.sound(str(self._sound["id"]))

    @property
    def regions(self) -> list[dict[str, Any]]:
        """The regions of this sound in order of time, with frames, labels and proposals."""
        return regions_of(self.sound, self._queue.top)

    @property
    def region(self) -> Sound | None:
        """The region that is chosen."""
        return self.library.sound(self.selected) if self.selected else None

    def to_frame(self) -> pd.DataFrame:
        """Give the regions as a pandas table: id, name, start_s, stop_s, label, source, confidence, proposal."""
        from audiolab.library.frames import frame_of, need

        need("pandas", "a table")
        rate, found = self.sound.sample_rate, self.regions
        columns: dict[str, list[Any]] = {name: [each[name] for each in found] for name in ("id", "name")}
        columns["start_s"] = [each["start"] / rate for each in found]
        columns["stop_s"] = [each["stop"] / rate for each in found]
        columns |= {name: [each[name] for each in found] for name in ("label", "source", "confidence", "by_hand")}
        columns["proposal"] = [(each["proposal"] or {}).get("label") for each in found]
        return frame_of(columns)

    def _show(self, sound: Sound) -> None:
        self._roots.add(sound.id)
        if self._sound.get("id") != sound.id:
            self._sound = {**self.offer(sound), "kind": sound.kind, "stem": sound.stem}

    def _state(self) -> dict[str, Any]:
        sound, regions = self.sound, self.regions
        if self.selected not in {region["id"] for region in regions}:
            self.selected = ""
        marked = self.library.marked_onsets(sound)
        onsets = sound.onsets if marked is None else marked
        return {
            "sound": sound.id,
            "regions": regions,
            "onsets": [round(time * sound.sample_rate) for time in onsets],
            "marked": marked is not None,
            "queue": {"at": self._queue.at, "length": len(self._queue), "endless": self._queue.more > 0},
            "open": len(unsure_first(regions)),
        }

    def _tell(self, **more: Any) -> dict[str, Any]:
        """Tell all views how things stand now; give it for the one who asked."""
        state = self._state()
        self.tell("state", **state)
        return {"selected": self.selected, **more}

    @request
    def state(self) -> Reply:
        """Give what is shown: regions, onsets, the place in the queue."""
        return self._state()

    @request
    def marks(self) -> Reply:
        """Give beats and bars in seconds."""
        sound = self.sound
        tempo = sound.tempo_map
        if tempo is None:
            return {"beats": [], "downbeats": []}
        both = {"beats": tempo.beats(sound.duration), "downbeats": tempo.downbeats(sound.duration)}
        return {name: [float(time) for time in times if 0 <= time <= sound.duration] for name, times in both.items()}

    # ---- cutting -------------------------------------------------------------------------------

    def _snapped(self, frame: Frames, *, snap: bool = True) -> Frames:
        """Give where an edge that is set at a frame falls."""
        sound = self.sound
        frame = min(max(int(frame), 0), sound.frames)
        if not snap:
            return frame
        if self.grid != "none":
            frame = nearest(grid_frames(sound, self.grid), frame) or frame
        if self.snap_zero:
            frame = zero_crossing(self.offered(sound.id).source, frame) or frame
        return frame

    @request
    def add(self, start: int, stop: int, snap: bool = True) -> Reply:
        """Cut a region out; frames."""
        made = self.library.add_slice(
            self.sound, self._snapped(min(start, stop), snap=snap), self._snapped(max(start, stop), snap=snap)
        )
        self.selected = made.id
        return self._tell()

    @request
    def move(self, region: str, start: int, stop: int, snap: bool = True) -> Reply:
        """Move the edges of a region; only those that changed are snapped."""
        row = self.library.sound_row(region)
        first = row.start if start == row.start else self._snapped(start, snap=snap)
        after = row.stop if stop == row.stop else self._snapped(stop, snap=snap)
        made = self.library.move_slice(region, int(first or 0), int(after or 0))
        self._queue.note(region, made.id)
        self.selected = made.id
        return self._tell()

    @request
    def split(self, region: str, at: int, snap: bool = True) -> Reply:
        """Split a region; the second part is chosen then, since nobody has said yet what it is."""
        first, second = self.library.split_slice(region, self._snapped(at, snap=snap))
        self._queue.note(region, first.id)
        self.selected = second.id
        return self._tell()

    @request
    def remove(self, region: str) -> Reply:
        """Take a region away; the one after it is chosen."""
        ids = [each["id"] for each in self.regions]
        at = ids.index(region) if region in ids else 0
        self.library.remove_slices(region)
        left = [each for each in ids if each != region]
        self.selected = left[min(at, len(left) - 1)] if left else ""
        return self._tell()

    # ---- saying what it is ---------------------------------------------------------------------

    @request
    def label(self, region: str, label: str) -> Reply:
        """Say what a region is, in the place of what a person said of it before."""
        label = label.strip()
        if not label:
            raise ParameterError("a label must not be empty")
        self.library.relabel(region, label)
        if label not in self._choices:
            self._choices = [*self._choices, label]
        self.selected = region
        return self._tell()

    @request
    def accept(self, region: str) -> Reply:
        """Take the model's word for it."""
        found = next((each for each in self.regions if each["id"] == region), None)
        if found is None or found["proposal"] is None:
            raise ParameterError("no model has said what this is: press a digit, or classify it first")
        return self.label(region, str(found["proposal"]["label"]))

    @request
    def unlabel(self, region: str) -> Reply:
        """Take away what a person said of a region."""
        self.library.relabel(region, None)
        return self._tell()

    @request
    def reject(self, region: str) -> Reply:
        """Say that a region is not wanted, or no longer so."""
        there = any(tag.label == REJECT and not tag.denied for tag in self.library.tags_of(region))
        if there:
            self.library.untag(region, REJECT)
        else:
            self.library.tag(region, REJECT, role="tag")
        return self._tell()

    # ---- onsets --------------------------------------------------------------------------------

    @request
    def onsets(self, frames: Sequence[int], at: int | None = None) -> Reply:
        """Mark all onsets; `at` is the frame that was set just now, which snaps."""
        sound = self.sound
        wanted = {int(frame) for frame in frames}
        if at is not None:
            wanted.discard(int(at))
            wanted.add(at := self._snapped(at))
        self.library.mark_onsets(sound, [frame / sound.sample_rate for frame in sorted(wanted)])
        return self._tell(at=at)

    @request
    def forget_onsets(self) -> Reply:
        """Take all marks away; what slicing found counts again."""
        self.library.mark_onsets(self.sound, None)
        return self._tell()

    # ---- back and on ---------------------------------------------------------------------------

    @request
    def undo(self) -> Reply:
        """Take back the last action on the sounds that are or were shown here."""
        return self._back(self.library.undo, "took back")

    @request
    def redo(self) -> Reply:
        """Do again what was taken back."""
        return self._back(self.library.redo, "did again")

    def _back(self, step: Any, how: str) -> Reply:
        try:
            (action,) = step(within=self._reach())
        except CatalogError as error:
            if not str(error).startswith("there is nothing"):
                raise
            return self._tell(said=str(error))
        self._show_changed(action)
        return self._tell(said=f"{how}: {', '.join(action.what)}")

    def _reach(self) -> list[str]:
        sounds = [self.library.sound(i) for i in (*self._queue.ids, *self._queue.lately())]
        return sorted(self._roots | {root_of(sound).id for sound in sounds})

    def _show_changed(self, action: Action) -> None:
        """Show what an undo has changed."""
        known = self.library.names(target for target in action.targets if ":" not in target)
        changed = [self.library.sound(target) for target in action.targets if target in known]
        alive = [sound for sound in changed if self.library.sound_row(sound.id).deleted_at is None]
        if not alive:
            return
        here = [sound for sound in alive if root_of(sound).id == self._sound["id"]]
        chosen = next((sound for sound in here or alive if sound.start is not None), (here or alive)[0])
        self._show(root_of(chosen))
        for sound in changed:
            if sound.id in self._queue.ids and chosen.id not in self._queue.ids:
                self._queue.note(sound.id, chosen.id)
        if chosen.id in self._queue.ids:
            self._queue.at = self._queue.ids.index(chosen.id)
        self.selected = chosen.id if chosen.start is not None or chosen.kind == "sample" else ""

    @request
    def next(self, by: int = 1) -> Reply:
        """Go on to the next sample of the queue, or to the region here of which the model is least sure; or back."""
        if len(self._queue):
            found = self._queue.step(by)
            if found is None:
                return self._tell(said="this is the first" if by < 0 else "that was the last one")
            sound = self.library.sound(found)
            self._show(root_of(sound))
            self.selected = found
            return self._tell(play=True)
        order = [each for each in unsure_first(self.regions) if each != self.selected]
        if not order:
            return self._tell(said="all regions of this sound have labels by you")
        self.selected = order[0 if by > 0 else -1]
        return self._tell(play=True)

    # ---- without a kernel ----------------------------------------------------------------------

    def _name(self) -> str:
        return str(self._sound["name"])

    def _standing(self) -> Html:
        sound, regions = self.sound, self.regions
        rate = sound.sample_rate
        spans = [(each["start"] / rate, each["stop"] / rate, each["label"] or "") for each in regions]
        picture = standing_sound(sound, spans=spans)
        rows = [
            (
                f"{each['start'] / rate:.3f} to {each['stop'] / rate:.3f} s",
                each["label"],
                "you" if each["mine"] is not None else each["source"],
                each["confidence"] if each["source"] == "model" else None,
                "rejected" if each["rejected"] else "",
            )
            for each in regions[:_SHOWN]
        ]
        more = f"<p>and {len(regions) - _SHOWN} more</p>" if len(regions) > _SHOWN else ""
        head = f"<p><b>{escape(sound.name)}</b>: {len(regions)} regions, {len(unsure_first(regions))} not judged</p>"
        return Html(head + picture + table(("where", "label", "by", "confidence", ""), rows) + more)

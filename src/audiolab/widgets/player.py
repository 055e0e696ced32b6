"""`Player`: one sound to see and hear."""

from __future__ import annotations

from typing import Any, ClassVar

import traitlets

from audiolab.audio import BlockSource
from audiolab.errors import ParameterError
from audiolab.library import Sound
from audiolab.widgets.base import Reply, request
from audiolab.widgets.html import Html
from audiolab.widgets.sounding import SoundingWidget, as_audio
from audiolab.widgets.standing import standing_sound

__all__ = ["Player"]

_LAYERS = ("beats", "onsets", "words")


class Player(SoundingWidget):
    """See and hear a sound: waveform, spectrogram on demand, zoom, loop, beats, onsets and words; at its true level.

    Parameters
    ----------
    sound : Sound, Audio, BlockSource, path or (array, sample_rate)
        What to play.
    loop : (float, float), optional
        Seconds of a loop.
    layers : sequence of {"beats", "onsets", "words"}, optional
        What to mark on the waveform, as far as it is known.

    Attributes
    ----------
    position : float or None
        Where the last view was paused, in seconds; setting it moves all views.
    playing : bool
        Whether a view plays; see `play` and `pause`.
    loop : tuple of float or None
        The loop in seconds.
    layers : list of str
        What is marked.

    Raises
    ------
    ParameterError
        If a layer is unknown or a loop lies outside the sound.
    """

    view: ClassVar[str] = "player"
    _sound = traitlets.Dict().tag(sync=True)
    _layers = traitlets.List(traitlets.Unicode()).tag(sync=True)
    position = traitlets.Float(None, allow_none=True).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    loop: Any = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=None, allow_none=True).tag(
        sync=True
    )
    layers = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        sound: Sound | BlockSource | Any,
        *,
        loop: tuple[float, float] | None = None,
        layers: list[str] | tuple[str, ...] = (),
        **traits: Any,
    ) -> None:
        super().__init__(**traits)
        self.sound = as_audio(sound)
        self._sound = self.offer(self.sound, key="sound")
        self._layers = _known_layers(self.sound)
        self.layers = list(layers)
        self.loop = loop

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self._sound["frames"] / self._sound["sample_rate"])

    @traitlets.validate("layers")
    def _check_layers(self, proposal: Any) -> list[str]:
        unknown = [name for name in proposal["value"] if name not in _LAYERS]
        if unknown:
            raise ParameterError(f"a player marks {', '.join(_LAYERS)}, not {', '.join(map(repr, unknown))}")
        return list(proposal["value"])

    @traitlets.validate("loop")
    def _check_loop(self, proposal: Any) -> tuple[float, float] | None:
        loop = proposal["value"]
        if loop is None:
            return None
        start, stop = float(loop[0]), float(loop[1])
        if not 0 <= start < stop <= self.duration + 1e-6:
            raise ParameterError(f"a loop lies between 0 and {self.duration:.3f} s, start before stop, not {loop}")
        return start, stop

    def play(self) -> None:
        """Play in all views; browsers allow that only after a first click on the page."""
        self.tell("command", what="play")

    def pause(self) -> None:
        """Pause all views."""
        self.tell("command", what="pause")

    @request
    def marks(self) -> Reply:
        """Give beats, onsets and words in seconds."""
        if not isinstance(self.sound, Sound):
            return {"beats": [], "downbeats": [], "onsets": [], "words": []}
        tempo = self.sound.tempo_map
        words = (self.sound.lyrics or {}).get("segments", ())
        onsets = [(sample.start or 0) / sample.sample_rate for sample in self.sound.samples]
        return {
            "beats": [] if tempo is None else _inside(tempo.beats(self.duration), self.duration),
            "downbeats": self._downbeats(),
            "onsets": sorted(onsets),
            "words": [word for segment in words for word in segment.get("words", ())],
        }

    def _name(self) -> str:
        return str(self._sound["name"])

    def _standing(self) -> Html:
        return Html(standing_sound(self.sound, lines=self._downbeats()))

    def _downbeats(self) -> list[float]:
        tempo = self.sound.tempo_map if isinstance(self.sound, Sound) else None
        return [] if tempo is None else _inside(tempo.downbeats(self.duration), self.duration)


def _known_layers(sound: Sound | BlockSource) -> list[str]:
    if not isinstance(sound, Sound):
        return []
    known = {
        "beats": sound.tempo_map is not None,
        "onsets": len(sound.samples) > 0,
        "words": bool((sound.lyrics or {}).get("segments")),
    }
    return [name for name, there in known.items() if there]


def _inside(times: Any, duration: float) -> list[float]:
    return [float(time) for time in times if 0 <= time <= duration]

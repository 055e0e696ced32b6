"""`mix`: all stems of a song on one desk."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar

import traitlets

from audiolab.audio import Mixed
from audiolab.errors import AudiolabError, ParameterError
from audiolab.library import Sound
from audiolab.library.scratch import scratch_folder
from audiolab.widgets.base import Reply, request
from audiolab.widgets.bouncing import part_of, rendered_to
from audiolab.widgets.html import Html, table
from audiolab.widgets.mix_state import MixState, checked_mix, default_name, mixed, said
from audiolab.widgets.pictures import STEM_COLORS
from audiolab.widgets.sounding import SoundingWidget
from audiolab.widgets.standing import standing_sound

__all__ = ["StemMixer", "color_of", "mix", "song_with_stems"]

_OTHER_COLORS = ("#8e6c8a", "#6a994e", "#bc6c25", "#5c677d", "#b56576", "#2a9d8f")
_SAMPLE_SECONDS = 15.0
_TELL_SECONDS = 0.15


class StemMixer(SoundingWidget):
    """All stems of a song in sync: mute, solo, gain, balance, level; A/B against the original; bounce of the mix.

    Parameters
    ----------
    song : Sound
        A song that has stems, or one of the stems.
    mix : mapping, optional
        Settings to begin with, by stem: `{"drums": {"gain_db": -3.0}}`.

    Attributes
    ----------
    mix : dict
        `gain_db` (-60 to 12), `pan` (-1 left to 1 right), `muted` and `solo` of every stem. Setting it moves all
        views; what is left out is at rest.
    original : bool
        Whether the song itself is heard in the place of the mix.

    Raises
    ------
    ParameterError
        If the song has no stems, or a setting is out of range.
    """

    view: ClassVar[str] = "mixer"
    mix = traitlets.Dict().tag(sync=True)
    original = traitlets.Bool(False).tag(sync=True)

    def __init__(self, song: Sound, *, mix: Mapping[str, Mapping[str, Any]] | None = None, **traits: Any) -> None:
        self.song = song_with_stems(song)
        self.stems = dict(self.song.stems)
        _check_alike(self.song, self.stems)
        self._bouncing: threading.Thread | None = None
        self._stop = threading.Event()
        super().__init__(**traits)
        self.mix = dict(mix or {})
        if not mix:
            self.mix = checked_mix({}, list(self.stems))

    @traitlets.validate("mix")
    def _check_mix(self, proposal: Any) -> MixState:
        return checked_mix(proposal["value"], list(self.stems))

    def set(self, stem: str, **settings: Any) -> None:
        """Change settings of one stem: `mixer.set("drums", gain_db=-3, muted=False)`."""
        now = self.mix.get(stem, {})
        self.mix = {**self.mix, stem: {**now, **settings}}

    def reset(self) -> None:
        """Bring all stems to rest: 0 dB, middle, neither muted nor soloed."""
        self.mix = checked_mix({}, list(self.stems))

    def mixed(self) -> Mixed:
        """Give the present mix as a source, exactly as it is heard."""
        return mixed(self.mix, {name: stem.source() for name, stem in self.stems.items()}, f"{self.song.name} mix")

    def bounce(self, name: str | None = None, *, start: float | None = None, stop: float | None = None) -> Sound:
        """Render the present mix into the library and give the new sound; see also the button in the view.

        Parameters
        ----------
        name : str, optional
            Its name; by default the song's, and which stems are in it.
        start, stop : float, optional
            Seconds, for a part of the song.

        Returns
        -------
        Sound
            Under 15 s a sample, else a song; its parent is the song, and `explain` says how it was mixed. 24-bit
            FLAC, or float WAV where it goes beyond full scale. `library.undo()` takes it away again.

        Raises
        ------
        ParameterError
            If nothing is heard, or the part lies outside the song.
        """
        self._stop.clear()
        return self._bounce(dict(self.mix), name, start, stop)

    def _bounce(self, state: MixState, name: str | None, start: float | None, stop: float | None) -> Sound:
        whole = mixed(state, {stem: sound.source() for stem, sound in self.stems.items()}, f"{self.song.name} mix")
        part = part_of(whole, start, stop)
        library, told = self.song.library, [0.0]

        def progress(share: float) -> None:
            if time.monotonic() - told[0] > _TELL_SECONDS:
                told[0] = time.monotonic()
                self.tell("bounce", share=round(share, 3))

        facts: dict[str, Any] = {"mix": state}
        if start:
            facts["begins_at"] = start
        with scratch_folder(library.tmp_dir, "add") as folder:
            path = rendered_to(folder, part, progress, self._stop.is_set)
            return library.add_bounce(
                path,
                self.song,
                name=name or default_name(self.song.name, state),
                kind="sample" if part.frames / part.sample_rate < _SAMPLE_SECONDS else "song",
                made_from=f"mix of {said(state)}",
                facts=facts,
            )

    # ---- what the page asks --------------------------------------------------------------------

    @request
    def tracks(self) -> Reply:
        """Give the stems and the song, for playing and drawing."""
        stems = [
            {"stem": name, "color": color_of(name, index), "sound": self.offer(sound, key=f"stem:{name}")}
            for index, (name, sound) in enumerate(self.stems.items())
        ]
        return {"name": self.song.name, "original": self.offer(self.song, key="original"), "stems": stems}

    @request
    def begin_bounce(self, name: str = "", start: float | None = None, stop: float | None = None) -> Reply:
        """Bounce in a thread; events `bounce` tell how far it is, and in the end the sound or what went wrong."""
        if self._bouncing is not None and self._bouncing.is_alive():
            raise ParameterError("a bounce is under way; wait for it or stop it")
        state = dict(self.mix)
        part_of(self.mixed(), start, stop)  # what is wrong with it is said at once
        self._stop.clear()
        self._bouncing = threading.Thread(target=self._bounce_later, args=(state, name.strip() or None, start, stop))
        self._bouncing.start()
        return {"name": name.strip() or default_name(self.song.name, state)}

    @request
    def stop_bounce(self) -> Reply:
        """Stop the bounce that is under way."""
        self._stop.set()
        return {}

    def _bounce_later(self, state: MixState, name: str | None, start: float | None, stop: float | None) -> None:
        try:
            made = self._bounce(state, name, start, stop)
        except AudiolabError as error:
            self.tell("bounce", failed=str(error))
        except Exception as error:  # told to the page: nobody else hears it
            self.tell("bounce", failed=f"{type(error).__name__}: {error}")
        else:
            self.tell("bounce", share=1.0, made={"id": made.id, "name": made.name, "kind": made.kind})

    # ---- how it looks --------------------------------------------------------------------------

    def _name(self) -> str:
        return self.song.name

    def _standing(self) -> Html:
        rows = []
        for index, (name, stem) in enumerate(self.stems.items()):
            picture = standing_sound(stem, seconds=0, width=640, height=56, color=color_of(name, index))
            state = self.mix[name]
            marks = [word for word in ("muted", "solo") if state[word]]
            rows.append((name, Html(picture), f"{state['gain_db']:+.1f} dB", f"{state['pan']:+.2f}", ", ".join(marks)))
        head = ("stem", "waveform", "gain", "pan", "")
        song = standing_sound(self.song, width=720, height=80)
        return Html(f"<b>{escape(self.song.name)}</b><br>{song}{table(head, rows)}")


def mix(song: Sound, *, mix: Mapping[str, Mapping[str, Any]] | None = None) -> StemMixer:
    """Open the mixer of a song: hear all its stems together, change them, compare, bounce; see `StemMixer`.

    Parameters
    ----------
    song : Sound
        A song with stems, or one of these.
    mix : mapping, optional
        Settings to begin with, by stem.
    """
    return StemMixer(song, mix=mix)


def song_with_stems(sound: Sound) -> Sound:
    """Give the song of a sound.

    Raises
    ------
    ParameterError
        If it is no sound of a library, or its song has no stems; the message says how to make them.
    """
    if not isinstance(sound, Sound):
        raise ParameterError(f"give a song of a library (lib.add(file)), not {type(sound).__name__}")
    song = sound.song if sound.kind == "stem" else sound
    if song is None or not song.stems:
        raise ParameterError(
            f"{sound.name!r} has no stems: make them with al.process(song, recipe='stems').wait(), or add a song "
            "with its stems by lib.add(stems=folder)"
        )
    return song


def color_of(stem: str, index: int) -> str:
    """Give the colour of a stem, the same in all views."""
    return STEM_COLORS.get(stem, _OTHER_COLORS[index % len(_OTHER_COLORS)])


def _check_alike(song: Sound, stems: Mapping[str, Sound]) -> None:
    for name, stem in stems.items():
        if (stem.sample_rate, stem.frames) != (song.sample_rate, song.frames):
            raise ParameterError(
                f"{song.name!r} cannot be mixed in sync: the song has {song.frames} frames at {song.sample_rate} Hz, "
                f"{name!r} {stem.frames} at {stem.sample_rate} Hz; separate it again"
            )

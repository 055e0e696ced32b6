"""`LyricsView`: the words of a song follow its music; doubts are seen, words corrected and cut out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, ClassVar

import traitlets

from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Sound
from audiolab.widgets.base import Reply, request
from audiolab.widgets.edit_history import EditHistory
from audiolab.widgets.html import Html, table
from audiolab.widgets.sounding import SoundingWidget
from audiolab.widgets.standing import standing_sound
from audiolab.widgets.word_edits import LYRICS, Lines, WordEdits, chops, is_word_edit, lyrics_of, revision_of

__all__ = ["FLAG_REASONS", "LyricsView"]

FLAG_REASONS: Mapping[str, str] = {
    "compression-ratio": "the text repeats itself like a loop; recognisers do that where they hear nothing",
    "no-speech": "the recogniser itself thinks that nobody sings here",
    "low-probability": "the recogniser is unsure of these words",
    "outside-voice": "words are timed where no voice was found",
    "repeat": "the same line again and again: a chorus, or a loop of the recogniser",
    "stock-phrase": "a phrase that recognisers learnt from subtitles of films",
    "unaligned": "nothing of this line was found in the sound; its times are guessed",
}
"""Why a line may not have been sung, by the flag of the stage `lyrics`."""
DOUBTFUL = 0.5
"""Words less probable than this are marked."""
_VOICES = ("vocals", "lead vocals", "voice")
_MOST_LINES = 400


class LyricsView(SoundingWidget):
    """Words that follow the music: click to jump, correct texts and times, cut words out as samples.

    Corrections lie over what was recognised, in the library, with undo; a new transcription does not overwrite them.

    Parameters
    ----------
    sound : Sound
        A song or stem that has lyrics.
    hear : {"song", "voice"}
        What is played: the whole, or the stem that sings.

    Attributes
    ----------
    hear : str
        What is played.
    selection : list of (int, int)
        Line and number (from 0) of the chosen words.

    Raises
    ------
    ParameterError
        If there are no lyrics; the message says how to make some.
    """

    view: ClassVar[str] = "lyrics"
    hear = traitlets.Unicode("song").tag(sync=True)
    selection: Any = traitlets.List().tag(sync=True)

    def __init__(self, sound: Sound, *, hear: str = "song", **traits: Any) -> None:
        self.sound = sound
        carrier = lyrics_of(sound) if isinstance(sound, Sound) else None
        if carrier is None:
            raise ParameterError(_no_lyrics(sound))
        self.carrier = carrier
        self.voice = _voice_of(sound, carrier)
        self._edits = WordEdits(carrier)
        self.chopped: list[Sound] = []
        super().__init__(**traits)
        self.hear = hear

    @traitlets.validate("hear")
    def _check_hear(self, proposal: Any) -> str:
        if proposal["value"] not in {"song", "voice"}:
            raise ParameterError(f"lyrics are heard with the song or the voice, not {proposal['value']!r}")
        return str(proposal["value"])

    @traitlets.validate("selection")
    def _check_selection(self, proposal: Any) -> list[list[int]]:
        chosen = [[int(line), int(word)] for line, word in proposal["value"]]
        lines = self._edits.lines()
        for line, word in chosen:
            if not (0 <= line < len(lines) and 0 <= word < len(lines[line].get("words", ()))):
                raise ParameterError(f"there is no word {word} in line {line}")
        return chosen

    # ---- what the page asks --------------------------------------------------------------------

    @request
    def tracks(self) -> Reply:
        """Give what can be played."""
        voice = None if self.voice == self.sound else self.offer(self.voice, key="voice")
        return {"name": self.sound.name, "song": self.offer(self.sound, key="song"), "voice": voice}

    @request
    def words(self) -> Reply:
        """Give the lines with their words, their doubts and the reasons for these."""
        lines = self._edits.lines()
        history = self._history().counts()
        return {
            "lines": lines,
            "revision": revision_of(lines),
            "language": (self.sound.library.effective(self.carrier.id, LYRICS) or {}).get("language"),
            "reasons": dict(FLAG_REASONS),
            "doubtful": DOUBTFUL,
            "undo": history[0],
            "redo": history[1],
        }

    @request
    def edit_word(
        self,
        line: int,
        word: int,
        *,
        text: str | None = None,
        start: float | None = None,
        end: float | None = None,
        revision: str | None = None,
    ) -> Reply:
        """Give a word another text or other times (seconds). Lines and words count from 0."""
        return self._change(
            revision, lambda lines: self._edits.edit(lines, line, word, text=text, start=start, end=end)
        )

    @request
    def insert_word(
        self, line: int, word: int, text: str, *, start: float, end: float, revision: str | None = None
    ) -> Reply:
        """Put a word in, before the word of that number."""
        return self._change(revision, lambda lines: self._edits.insert(lines, line, word, text, start=start, end=end))

    @request
    def remove_word(self, line: int, word: int, revision: str | None = None) -> Reply:
        """Take a word away."""
        return self._change(revision, lambda lines: self._edits.remove(lines, line, word))

    @request
    def remove_line(self, line: int, revision: str | None = None) -> Reply:
        """Take a line away, such as one that nobody sang."""
        return self._change(revision, lambda lines: self._edits.remove_line(lines, line))

    @request
    def accept_line(self, line: int, revision: str | None = None) -> Reply:
        """Say that a doubtful line is right."""
        return self._change(revision, lambda lines: self._edits.accept(lines, line))

    @request
    def undo(self) -> Reply:
        """Take the last correction or chop of this song's words back."""
        self._history().undo()
        return self._told()

    @request
    def redo(self) -> Reply:
        """Do again what was last taken back."""
        self._history().redo()
        return self._told()

    @request
    def chop(
        self,
        words: Sequence[Sequence[int]] | None = None,
        together: bool = False,
        padding: float = 0.02,
        revision: str | None = None,
    ) -> Reply:
        """Cut words out of the voice as samples named by them; `chopped` holds them then. One undo takes all away.

        Parameters
        ----------
        words : sequence of (line, word), optional
            Which; default: the selection.
        together : bool
            Neighbours become one sample: a phrase.
        padding : float
            Seconds kept before and after, at most half of the gap.
        """
        if not 0 <= padding <= 5:
            raise ParameterError(f"padding lies between 0 and 5 s, not {padding}")
        lines = self._edits.lines()
        if revision is not None and revision != revision_of(lines):
            raise ParameterError("the words were changed elsewhere meanwhile; they are shown anew, nothing was cut")
        chosen = self.selection if words is None else words
        voice = self.voice
        cuts = chops(lines, chosen, rate=voice.sample_rate, frames=voice.frames, padding=padding, together=together)
        self.chopped = voice.library.cut(voice, cuts, label="vocal")
        self._told()
        return {"chops": [{"id": made.id, "name": made.name, "seconds": made.duration} for made in self.chopped]}

    def _history(self) -> EditHistory:
        return EditHistory(self.carrier.library, [self.carrier.id], self._mine)

    def _mine(self, op: Any) -> bool:
        if op.target == self.carrier.id:
            return is_word_edit(op)
        after = op.after or {}
        if op.what != "add" or after.get("parent") != self.voice.id or "start" not in after:
            return False
        try:  # other hands cut this voice, too; a chop knows its word
            return "word" in self.carrier.library.sound_row(op.target).facts
        except CatalogError:
            return False

    def _change(self, revision: str | None, work: Callable[[Lines], None]) -> Reply:
        self._edits.change(revision, work)
        return self._told()

    def _told(self) -> Reply:
        """Let all views show the words anew."""
        lines = self._edits.lines()
        still = [
            [line, word] for line, word in self.selection
            if line < len(lines) and word < len(lines[line].get("words", ()))
        ]  # fmt: skip
        if still != self.selection:
            self.selection = still
        self.tell("words")
        return {"revision": revision_of(lines)}

    # ---- how it looks --------------------------------------------------------------------------

    def _name(self) -> str:
        return self.sound.name

    def _standing(self) -> Html:
        lines = self._edits.lines()
        rows = []
        for line in lines[:_MOST_LINES]:
            reasons = "; ".join(f"{flag}: {FLAG_REASONS.get(flag, 'in doubt')}" for flag in line.get("flags", ()))
            rows.append((f"{line['start']:.2f}\u00a0s", Html(_marked(line)), reasons))
        more = f"<p>and {len(lines) - _MOST_LINES} more lines</p>" if len(lines) > _MOST_LINES else ""
        return Html(
            f"<b>{escape(self.sound.name)}</b><br>{standing_sound(self.sound, height=60)}"
            f"{table(('from', 'words', 'doubts'), rows)}{more}"
        )


def _marked(line: Mapping[str, Any]) -> str:
    words = line.get("words", ())
    if not words:
        return escape(str(line.get("text", "")))
    return " ".join(
        f"<u>{escape(str(word['word']).strip())}</u>"
        if float(word.get("probability", 1.0)) < DOUBTFUL
        else escape(str(word["word"]).strip())
        for word in words
    )


def _voice_of(sound: Sound, carrier: Sound) -> Sound:
    """Give the sound that sings alone, as long as the carrier: a vocals stem if there is one."""
    song = sound.song or sound
    stems = song.stems if carrier.kind != "sample" else {}
    if carrier.kind == "stem":
        return carrier
    return next((stems[name] for name in _VOICES if name in stems), carrier)


def _no_lyrics(sound: Any) -> str:
    if not isinstance(sound, Sound):
        return f"give a sound of a library (lib.add(file)), not {type(sound).__name__}"
    return (
        f"{sound.name!r} has no lyrics: write them down with al.process(song, recipe='full').wait() (its stage "
        "`lyrics`; that needs Whisper's weights: `audiolab models pull small`)"
    )

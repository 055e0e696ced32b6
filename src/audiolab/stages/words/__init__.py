"""Words: the stage `lyrics` and the files that lyrics are written to."""

from audiolab.stages.words.files import lyrics
from audiolab.stages.words.formats import FORMATS, write_lyrics
from audiolab.stages.words.hearing import Heard, HeardWord, Transcriber
from audiolab.stages.words.sheet import Line, LyricSheet, Word
from audiolab.stages.words.stage import Lyrics, LyricsParams
from audiolab.stages.words.transcribing import transcribe

__all__ = [
    "FORMATS",
    "Heard",
    "HeardWord",
    "Line",
    "LyricSheet",
    "Lyrics",
    "LyricsParams",
    "Transcriber",
    "Word",
    "lyrics",
    "transcribe",
    "write_lyrics",
]

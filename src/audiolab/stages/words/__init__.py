"""Words: the stage `lyrics` and the files that lyrics are written to."""

from audiolab.stages.words.aligning import align_text
from audiolab.stages.words.files import lyrics
from audiolab.stages.words.formats import FORMATS, write_lyrics
from audiolab.stages.words.hearing import Aligner, Heard, HeardWord, Transcriber
from audiolab.stages.words.measuring import wer, word_times
from audiolab.stages.words.sheet import Line, LyricSheet, Word
from audiolab.stages.words.stage import Lyrics, LyricsParams
from audiolab.stages.words.transcribing import transcribe

__all__ = [
    "FORMATS",
    "Aligner",
    "Heard",
    "HeardWord",
    "Line",
    "LyricSheet",
    "Lyrics",
    "LyricsParams",
    "Transcriber",
    "Word",
    "align_text",
    "lyrics",
    "transcribe",
    "wer",
    "word_times",
    "write_lyrics",
]

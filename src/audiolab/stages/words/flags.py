"""Signs that a line was made up by the recogniser rather than sung.

Lines are marked, never dropped: a chorus repeats, and quiet words are sung, too.

compression-ratio   the text of its segment compresses by more than 2.4: loops
no-speech           the model itself thinks that there is no speech (above 0.6) and is unsure of its words
low-probability     the mean log probability of the tokens is below -1
outside-voice       words are timed where no voice was handed over
repeat              the third or later time in a row that the same line comes (or the fourth of two or three lines
                    by turns), or a line that loops in itself
unaligned           the text was given, and nothing of the line was found: its times are guessed
stock-phrase        what recognisers learnt from subtitles of films ("thanks for watching")
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from audiolab.stages.words.hearing import Heard

__all__ = ["FLAGS", "doubts", "normalized", "repeats"]

FLAGS = ("compression-ratio", "no-speech", "low-probability", "outside-voice", "repeat", "stock-phrase", "unaligned")

# The first three thresholds are those with which Whisper itself tries again.
_COMPRESSION, _NO_SPEECH, _LOG_PROBABILITY = 2.4, 0.6, -1.0
_IN_A_ROW = 3
_LOOPS = 4
# What Whisper says where nobody does: endings and credits of the subtitled videos that it learnt from. Reported in
# M. Barański et al., "Investigation of Whisper ASR Hallucinations Induced by Non-Speech Audio", ICASSP 2025
# (arXiv 2501.11378), in discussion 679 of openai/whisper, and in issues of projects that use it. Without accents and
# punctuation; a line is flagged if it contains one. None is a likely line of a song, so "thank you" is not among them.
_STOCK: Mapping[str, tuple[str, ...]] = {
    "en": (
        "thanks for watching",
        "thank you for watching",
        "please subscribe",
        "like and subscribe",
        "subscribe to my channel",
        "see you in the next video",
        "subtitles by",
        "subtitled by",
        "transcription by",
        "captions by",
    ),
    "any": ("amara org",),
    "de": ("untertitel der amara", "untertitelung", "untertitel im auftrag des", "untertitel von"),
    "fr": ("sous titrage", "sous titres realises", "sous titres par", "merci d avoir regarde"),
    "es": ("subtitulos realizados", "subtitulos por", "gracias por ver el video", "suscribete al canal"),
    "pt": ("legendas pela comunidade", "obrigado por assistir", "inscreva se no canal"),
    "it": ("sottotitoli creati", "sottotitoli e revisione", "grazie per aver guardato"),
    "nl": ("ondertitels ingediend", "ondertiteling", "bedankt voor het kijken"),
    "tr": ("altyazi m k", "izlediginiz icin tesekkur", "abone olmayi unutmayin"),
    "ru": ("субтитры сделал", "субтитры создавал", "редактор субтитров", "спасибо за просмотр"),
    "ja": ("ご視聴ありがとうございました", "チャンネル登録"),
    "ko": ("시청해주셔서 감사합니다", "구독과 좋아요"),
    "zh": ("请不吝点赞", "字幕由"),
}


def normalized(text: str) -> str:
    """Give the words of a text in lower case, without accents and punctuation."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(re.findall(r"\w+", plain.casefold()))


_PHRASES = tuple(normalized(phrase) for phrases in _STOCK.values() for phrase in phrases)


def doubts(heard: Heard, text: str) -> list[str]:
    """Give the flags that a segment earns by itself; `text` is the line made of it."""
    flags = []
    if heard.compression_ratio > _COMPRESSION:
        flags.append("compression-ratio")
    unsure = heard.average_log_probability < _LOG_PROBABILITY
    if unsure:
        flags.append("low-probability")
    if heard.no_speech_probability > _NO_SPEECH and unsure:
        flags.append("no-speech")
    plain = normalized(text)
    if any(phrase in plain for phrase in _PHRASES):
        flags.append("stock-phrase")
    if _loops(plain.split()):
        flags.append("repeat")
    return flags


def _loops(words: Sequence[str]) -> bool:
    """Say whether a group of one to six words comes four times in a row, and makes up most of the text."""
    for size in range(1, 7):
        for first in range(len(words) - size * _LOOPS + 1):
            times = 1
            while words[first : first + size] == words[first + times * size : first + (times + 1) * size]:
                times += 1
            if times >= _LOOPS and times * size * 2 > len(words) and times * size >= 2 * _LOOPS:
                return True
    return False


def repeats(texts: Sequence[str]) -> list[bool]:
    """Say for each line whether it is the third or later in a row with the same words.

    Groups of two or three lines count, too, from their fourth time on.
    """
    plain = [normalized(text) for text in texts]
    found = [False] * len(plain)
    for size, allowed in ((1, _IN_A_ROW - 1), (2, _LOOPS - 1), (3, _LOOPS - 1)):
        run = 0
        for index in range(size, len(plain)):
            run = run + 1 if plain[index] and plain[index] == plain[index - size] else 0
            found[index] = found[index] or run > (allowed - 1) * size
    return found

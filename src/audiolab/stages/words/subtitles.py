r"""Lyrics as subtitles: SRT, WebVTT with the words' times, and ASS with karaoke tags.

References
----------
WebVTT: W3C, "WebVTT: The Web Video Text Tracks Format" (cue timestamps must lie inside the cue and rise).
ASS: the format "Sub Station Alpha v4.00+"; `\k` gives how many hundredths of a second a syllable takes.
"""

from __future__ import annotations

from collections.abc import Iterator

from audiolab.audio import Seconds
from audiolab.stages.words.sheet import Line, LyricSheet

__all__ = ["one_line", "to_ass", "to_srt", "to_vtt"]

_ASS_HEAD = """[Script Info]
Title: {title}
ScriptType: v4.00+
WrapStyle: 0
ScaledBorderAndShadow: yes
PlayResX: 1280
PlayResY: 720

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Karaoke,Arial,56,&H0000D7FF,&H00FFFFFF,&H00000000,&H64000000,-1,0,0,0,100,100,0,0,1,3,1,2,40,40,60,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def one_line(text: str) -> str:
    """Give a text without line breaks and doubled spaces."""
    return " ".join(text.split())


def _cues(sheet: LyricSheet, per_second: int) -> Iterator[tuple[int, int, Line]]:
    """Give each line's start and end in whole ticks: none ends before it starts or after the next starts."""
    for index, line in enumerate(sheet.lines):
        start = _ticks(line.start, per_second)
        end = max(_ticks(line.end, per_second), start + 1)
        if index + 1 < len(sheet.lines):
            end = max(min(end, _ticks(sheet.lines[index + 1].start, per_second)), start + 1)
        yield start, end, line


def _ticks(time: Seconds, per_second: int) -> int:
    return max(round(time * per_second), 0)


def _spaced(line: Line) -> list[str]:
    """Give the words' texts, each with the space before it where the line has one; joined they are the line.

    Languages without spaces stay without; words that do not make up the line (edited by hand) get a space each.
    """
    own = "".join(word.word for word in line.words)
    if one_line(own) != one_line(line.text):
        own = ""
    texts: list[str] = []
    before = ""
    for word in line.words:
        apart = not own or word.word[:1].isspace() or before[-1:].isspace()
        texts.append((" " if texts and apart else "") + one_line(word.word))
        before = word.word
    return texts


def _clock(milliseconds: int, comma: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{comma}{rest:03d}"


def to_srt(sheet: LyricSheet) -> str:
    """Give SubRip subtitles, one for each line."""
    blocks = [
        f"{index}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{one_line(line.text).replace('-->', '→')}\n"
        for index, (start, end, line) in enumerate(_cues(sheet, 1000), 1)
    ]
    return "\n".join(blocks)


def to_vtt(sheet: LyricSheet) -> str:
    """Give WebVTT subtitles, one for each line; a timestamp before each word lets players light it up."""
    blocks = ["WEBVTT\n"]
    for start, end, line in _cues(sheet, 1000):
        blocks.append(f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_vtt_text(start, end, line)}\n")
    return "\n".join(blocks)


def _vtt_text(start: int, end: int, line: Line) -> str:
    if not line.words:
        return _vtt_escaped(one_line(line.text))
    parts, last = [], start
    for word, text in zip(line.words, _spaced(line), strict=True):
        time = _ticks(word.start, 1000)
        stamp = ""
        if last < time < end:
            stamp, last = f"<{_clock(time, '.')}>", time
        space = " " if text.startswith(" ") else ""
        parts.append(space + stamp + _vtt_escaped(text.strip()))
    return "".join(parts)


def _vtt_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def to_ass(sheet: LyricSheet) -> str:
    """Give ASS subtitles with a karaoke tag for each word.

    The hundredths of all tags of a line add up to the line's length: they are differences of rounded times, and pauses
    have tags of their own. Braces and backslashes, the format's own signs, become brackets and slashes.
    """
    rows = []
    for start, end, line in _cues(sheet, 100):
        text = _karaoke(start, end, line) if line.words else _ass_escaped(one_line(line.text))
        rows.append(f"Dialogue: 0,{_ass_clock(start)},{_ass_clock(end)},Karaoke,,0,0,0,,{text}")
    title = _ass_escaped(one_line(sheet.path)) or "lyrics"
    return "\n".join([_ASS_HEAD.format(title=title) + "\n".join(rows), ""]) if rows else _ASS_HEAD.format(title=title)


def _karaoke(start: int, end: int, line: Line) -> str:
    parts, at = [], start
    for index, (word, text) in enumerate(zip(line.words, _spaced(line), strict=True)):
        begins = min(max(_ticks(word.start, 100), at), end)
        # The last word takes what is left, so that the line is whole when it goes.
        stops = end if index + 1 == len(line.words) else min(max(_ticks(word.end, 100), begins), end)
        space = " " if text.startswith(" ") else ""
        pause = f"{{\\k{begins - at}}}" if begins > at else ""
        parts.append(f"{space}{pause}{{\\k{stops - begins}}}{_ass_escaped(text.strip())}")
        at = stops
    return "".join(parts)


def _ass_escaped(text: str) -> str:
    return text.translate(str.maketrans("{}\\", "()/"))


def _ass_clock(hundredths: int) -> str:
    seconds, rest = divmod(hundredths, 100)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:02d}"

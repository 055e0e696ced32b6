"""Lyrics of a plain file: `audiolab.stages.lyrics("vocals.wav", to="out")`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audiolab import weights
from audiolab.audio import Block, BlockSource, as_source
from audiolab.config import available_cores
from audiolab.errors import ParameterError
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.words.choosing import SUGGESTED, find_weights
from audiolab.stages.words.formats import DEFAULT_FORMATS, check_formats, write_lyrics
from audiolab.stages.words.known import read_text
from audiolab.stages.words.sheet import LyricSheet
from audiolab.stages.words.stage import Lyrics, LyricsParams, make_engine, remarks_on, write_down
from audiolab.stages.words.whisper_engine import require_whisper

__all__ = ["lyrics"]


def lyrics(
    sound: BlockSource | str | Path | tuple[Block, int],
    *,
    to: str | Path | None = None,
    formats: Sequence[str] = DEFAULT_FORMATS,
    progress: Progress | None = None,
    text_file: str | Path | None = None,
    **params: Any,
) -> LyricSheet:
    """Write down what is sung in a sound, best in its vocal stem; or find when known lyrics are sung.

    Parameters
    ----------
    sound : path, Audio, BlockSource or (array, sample_rate)
        Mono or stereo, any rate.
    to : path-like, optional
        A folder, which gets `<name>.txt` and so on.
    formats : sequence of str
        What to write there; see `FORMATS`.
    progress : Progress, optional
        Called with work done and work in all.
    text_file : path-like, optional
        Known lyrics, UTF-8, instead of `text`.
    **params
        Fields of `LyricsParams`: engine, model, language, beam_size, dtype, gate_db, downmix, text. With engine or
        model named, missing official weights of openai-whisper are fetched first (unless AUDIOLAB_OFFLINE is set).

    Returns
    -------
    LyricSheet
        Lines and words with their times; no lines if there is no voice.

    Raises
    ------
    StageSkipped
        If neither engine nor model was named and there are no weights on this machine.
    ModelError
        If the named weights are not here and cannot be fetched; the message tells the two ways to get them.
    MissingDependency
        If the engine's package is not installed.
    AudioError
        If the file cannot be read, or has more than two channels and `downmix` is off.
    ParameterError
        If a parameter is unknown or out of range, or Whisper knows no such language.
    """
    if text_file is not None:
        if params.get("text") is not None:
            raise ParameterError("lyrics: give text or text_file, not both")
        params["text"] = _read(text_file)
    wanted = _params(params)
    if wanted.text is not None:
        read_text(wanted.text)
    check_formats(formats)
    source = as_source(sound)
    hook = progress or no_progress
    _fetch(wanted, hook)
    resolved = Lyrics().resolve(wanted)
    resolved = replace(resolved, profile={**resolved.profile, "threads": str(available_cores())})
    chosen = resolved.params
    assert isinstance(chosen, LyricsParams)
    lines, language, probability = write_down(source, make_engine(resolved), chosen, hook)
    path = str(sound) if isinstance(sound, (str, Path)) else source.name
    sheet = LyricSheet(
        path,
        language,
        probability,
        resolved.engine,
        chosen.model,
        tuple(lines),
        source.frames / source.sample_rate,
        remarks=remarks_on(lines),
    )
    if to is None:
        return sheet
    name = Path(source.name).stem.replace("/", "_") or "lyrics"
    return replace(sheet, files=write_lyrics(sheet, to, name, formats=formats))


def _read(path: str | Path) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParameterError(f"{str(path)!r} is no text in UTF-8 ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise ParameterError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def _fetch(wanted: LyricsParams, hook: Progress) -> None:
    """Get named official weights of openai-whisper; faster-whisper's are never fetched."""
    if wanted.engine == "faster-whisper" or (wanted.engine, wanted.model) == ("auto", "auto"):
        return
    if find_weights(wanted.model, wanted.engine) is None:
        require_whisper()
        weights.ensure(SUGGESTED if wanted.model == "auto" else wanted.model, lambda done, total: hook(0.0, 1.0))


def _params(params: dict[str, Any]) -> LyricsParams:
    from pydantic import ValidationError

    try:
        return LyricsParams(**params)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ParameterError(f"lyrics: {problems}; it takes {', '.join(LyricsParams.model_fields)}") from error

"""The format `jams`: for each song, stem or sample one JAMS file (schema 0.3) with all that is known about it.

Beats, tempo, key, notes, lyrics, tags, and the places where samples were cut. Each annotation names who made it: stage,
version, engine and weights, or a person. What JAMS has no place for lies in the sandboxes, so that reading the file
back (`Library.import_jams`) loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar

import numpy as np

from audiolab.audio import TempoMap, atomic_path
from audiolab.exporters.base import Exporter, ExportJob, ExportOptions, Item
from audiolab.exporters.lineage import tool_version
from audiolab.exporters.musical import stem_title
from audiolab.exporters.names import clean_name
from audiolab.library import Sound
from audiolab.library.onset_marks import ONSETS
from audiolab.library.text import clean_json

__all__ = ["JamsExporter", "to_jams"]

_VERSION = "0.3.5"
"""Of the JAMS schema that is written."""
_DATA_SOURCES = {"human": "manual annotation", "model": "program", "import": "import"}


class JamsOptions(ExportOptions):
    """`jams` has no options."""


class JamsExporter(Exporter):
    """A JAMS file for every sound of the choice."""

    name: ClassVar[str] = "jams"
    summary: ClassVar[str] = "a JAMS file for each song, stem and sample: beats, tempo, key, notes, lyrics, tags"
    options: ClassVar[type[ExportOptions]] = JamsOptions

    def run(self, job: ExportJob, options: ExportOptions) -> list[Item]:
        """Write the files."""
        items = []
        for done, sound in enumerate(job.choice.sounds, 1):
            card = job.cards.of(sound)
            named = clean_name(sound.name) if sound.kind == "sample" else stem_title(card, job.cards.song(card))
            path = job.names.claim("", named, ".jams")
            document = to_jams(sound)
            with atomic_path(job.folder / path, sync=False) as temporary:
                text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
                temporary.write_text(text, encoding="utf-8", errors="replace", newline="")
            namespaces = [annotation["namespace"] for annotation in document["annotations"]]
            items.append(Item(path, "jams", card, {"namespaces": sorted(set(namespaces))}))
            job.progress(done, len(job.choice.sounds))
        return items


def to_jams(sound: Sound) -> dict[str, Any]:
    """Give a sound's JAMS document."""
    annotations = [
        *_music(sound),
        *(note for owner, stem in _owners(sound) for note in _cuts(owner, stem)),
        *(note for owner, stem in _owners(sound) for note in _notes(owner, stem)),
        *_lyrics(sound),
        *_tags(sound),
    ]
    embedded = sound.embedded
    about = {
        "title": str(embedded.get("title") or sound.name),
        "artist": str(embedded.get("artist") or ""),
        "release": str(embedded.get("album") or ""),
        "duration": sound.duration,
        "identifiers": {"audiolab": sound.id},
        "jams_version": _VERSION,
    }
    known = {
        "format": 1, "version": tool_version(), "id": sound.id, "content_id": sound.content_id, "kind": sound.kind,
        "stem": sound.stem, "name": sound.name, "original_name": sound.original_name, "sample_rate": sound.sample_rate,
        "frames": sound.frames,
    }  # fmt: skip
    return dict(clean_json({"file_metadata": about, "annotations": annotations, "sandbox": {"audiolab": known}}))


def _owners(sound: Sound) -> Iterator[tuple[Sound, str | None]]:
    """Give the sound itself, and the stems of a song by name."""
    yield sound, None
    if sound.kind == "song":
        for name, stem in sound.stems.items():
            yield stem, name


# ---- annotations --------------------------------------------------------------------------------


def _annotation(
    sound: Sound, namespace: str, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any], **sandbox: Any
) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "time": 0.0,
        "duration": sound.duration,
        "annotation_metadata": metadata,
        "data": [{"time": 0.0, "duration": 0.0, "confidence": None, **row} for row in rows],
        "sandbox": {name: value for name, value in sandbox.items() if value is not None},
    }


def _made_by(sound: Sound, stage: str) -> dict[str, Any]:
    """Say who made a stage's document: the stage, and a person who corrected it."""
    result = sound.library.latest_result(sound.id, stage)
    corrected = sound.library.overlay(sound.id, stage) is not None
    annotator: dict[str, Any] = {"corrected_by_hand": corrected}
    tools = f"audiolab {tool_version()}"
    if result is not None:
        annotator |= {"stage": stage, "version": result.version, "engine": result.engine, "weights": result.weights}
        weights = f", weights {result.weights}" if result.weights else ""
        tools += f", {stage} v{result.version}, engine {result.engine}{weights}"
    source = "manual annotation" if result is None else "program, corrected by hand" if corrected else "program"
    return _metadata(source, tools, annotator, str(result.version) if result is not None else "")


def _metadata(source: str, tools: str, annotator: Mapping[str, Any], version: str = "") -> dict[str, Any]:
    return {
        "curator": {"name": "audiolab", "email": ""},
        "annotator": {name: value for name, value in annotator.items() if value is not None},
        "annotation_tools": tools,
        "annotation_rules": "",
        "validation": "",
        "corpus": "",
        "version": version,
        "data_source": source,
    }


def _music(sound: Sound) -> Iterator[dict[str, Any]]:
    """Beats with their place in the bar, tempo and key."""
    document = sound.library.effective(sound.id, "analyze")
    made = _made_by(sound, "analyze")
    tempo_map = sound.tempo_map
    if document is None:
        song = sound.song
        made = _made_by(song, "analyze") if song is not None else made
        document = {}
    beats = [float(time) for time in document.get("beats") or ()]
    if not beats and tempo_map is not None:
        beats = tempo_map.beats(sound.duration).tolist()
    if beats:
        places = _places(beats, document, tempo_map)
        rows = [{"time": time, "value": place} for time, place in zip(beats, places, strict=True)]
        shown = tempo_map.to_dict() if tempo_map is not None else None
        yield _annotation(sound, "beat", rows, made, tempo_map=shown, meter=document.get("meter"))
    whole = {"time": 0.0, "duration": sound.duration}
    tempo = document.get("tempo") or {}
    bpm = tempo.get("bpm") or sound.bpm
    if bpm:
        sure = float(tempo.get("confidence") or 0.0) if "confidence" in tempo else 1.0
        yield _annotation(
            sound, "tempo", [{**whole, "value": float(bpm), "confidence": min(1.0, max(0.0, sure))}], made
        )
    key = document.get("key") or {}
    if isinstance(key, Mapping) and key.get("tonic"):
        value = f"{str(key['tonic'])[:1].upper()}{str(key['tonic'])[1:]}:{key.get('mode') or 'major'}"
        yield _annotation(sound, "key_mode", [{**whole, "value": value, "confidence": key.get("confidence")}], made)
    elif sound.key:
        minor = sound.key.endswith("m")
        value = f"{sound.key.removesuffix('m')}:{'minor' if minor else 'major'}"
        yield _annotation(sound, "key_mode", [{**whole, "value": value}], made)


def _places(beats: Sequence[float], document: Mapping[str, Any], tempo_map: TempoMap | None) -> list[int | None]:
    """Give the place of each beat in its bar, 1 for downbeats; None where bars are unknown."""
    if tempo_map is not None:
        numbers = np.rint(tempo_map.beat_at(np.array(beats))).astype(int)
        return [int(number % tempo_map.beats_per_bar) + 1 for number in numbers]
    downbeats = [float(time) for time in document.get("downbeats") or ()]
    places: list[int | None] = []
    for time in beats:
        first = any(abs(time - other) < 1e-6 for other in downbeats)
        before = places[-1] if places else None
        places.append(1 if first else None if before is None else before + 1)
    return places


def _cuts(sound: Sound, stem: str | None) -> Iterator[dict[str, Any]]:
    """Give where samples were cut, as onsets (or those that a person marked) and as labelled segments."""
    marked = sound.library.marked_onsets(sound)
    if marked is not None:
        by_hand = [{"time": time, "value": "onset", "confidence": 1.0} for time in marked]
        yield _annotation(sound, "onset", by_hand, _made_by(sound, ONSETS), stem=stem)
    samples = sound.samples
    if not len(samples):
        return
    made = _made_by(sound, "slice")
    rows = []
    for row in samples._rows:
        start, stop = (row.start or 0) / row.sample_rate, (row.stop or 0) / row.sample_rate
        strength = row.facts.get("onset_strength")
        rows.append((start, stop - start, row.label or "sample", row.label_confidence, strength))
    if marked is None:
        onsets = [{"time": time, "value": label, "confidence": strength} for time, _, label, _, strength in rows]
        yield _annotation(sound, "onset", onsets, made, stem=stem)
    segments = [
        {"time": time, "duration": length, "value": label, "confidence": sure} for time, length, label, sure, _ in rows
    ]
    yield _annotation(sound, "segment_open", segments, made, stem=stem)


def _notes(sound: Sound, stem: str | None) -> Iterator[dict[str, Any]]:
    document = sound.library.effective(sound.id, "midi")
    notes = [_timed(note, "pitch") for note in (document or {}).get("notes") or []]
    if document is None or not notes:
        return
    notes.sort(key=lambda pair: float(pair[0]["time"]))
    about = {name: value for name, value in document.items() if name != "notes"}
    rows, rest = [row for row, _ in notes], [more for _, more in notes]
    yield _annotation(sound, "note_midi", rows, _made_by(sound, "midi"), stem=stem, fields=rest, document=about)


def _timed(item: Mapping[str, Any], named: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give an observation with the value of that name, and what else is known of it."""
    start = max(0.0, float(item.get("start") or 0.0))
    end = max(start, float(item.get("end") or start))
    rest = {name: value for name, value in item.items() if name not in {"start", "end", named}}
    if start + (end - start) != end:
        rest["end"] = end  # a length cannot say it to the last bit
    return {"time": start, "duration": end - start, "value": item.get(named)}, rest


def _lyrics(sound: Sound) -> Iterator[dict[str, Any]]:
    """Lines, then single words with the number of their line."""
    for owner, stem in _owners(sound):
        document = owner.library.effective(owner.id, "lyrics")
        if document is None:
            continue
        made, about = _made_by(owner, "lyrics"), {k: v for k, v in document.items() if k != "segments"}
        segments = sorted(document.get("segments") or [], key=lambda line: float(line.get("start") or 0.0))
        lines, line_fields = [], []
        words: list[tuple[dict[str, Any], dict[str, Any], int]] = []
        for number, line in enumerate(segments):
            row, more = _timed(line, "text")
            lines.append({**row, "value": str(row["value"] or "")})
            line_fields.append({name: value for name, value in more.items() if name != "words"})
            for word in line.get("words") or ():
                row, more = _timed(word, "word")
                row |= {"value": str(row["value"] or ""), "confidence": more.pop("probability", None)}
                words.append((row, more, number))
        if lines:
            yield _annotation(
                sound, "lyrics", lines, made, stem=stem, level="lines", fields=line_fields, document=about
            )
        if words:
            words.sort(key=lambda item: float(item[0]["time"]))
            rows, numbers = [row for row, _, _ in words], [number for _, _, number in words]
            fields = [more for _, more, _ in words]
            yield _annotation(sound, "lyrics", rows, made, stem=stem, level="words", lines=numbers, fields=fields)
        return


def _tags(sound: Sound) -> Iterator[dict[str, Any]]:
    """One annotation for each who said something: people, imports, each model."""
    tags = [tag for tag in sound.tags if not tag.denied]
    denied = {tag.label for tag in sound.tags if tag.denied}
    tags = [tag for tag in tags if tag.source == "human" or tag.label not in denied]
    whole = {"time": 0.0, "duration": sound.duration}
    for (source, stage, model), said in groupby(tags, key=lambda tag: (tag.source, tag.stage, tag.model)):
        listed = list(said)
        rows = [{**whole, "value": tag.label, "confidence": tag.confidence} for tag in listed]
        tools = f"audiolab {tool_version()}" + (f", {stage} {model}" if model else "")
        annotator = {"source": source, "stage": stage or None, "model": model}
        made = _metadata(_DATA_SOURCES[source], tools, annotator)
        yield _annotation(sound, "tag_open", rows, made, roles=[tag.role for tag in listed])

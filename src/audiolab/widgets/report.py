"""The sections of a run's report. The notebook batch/run_report.ipynb shows them one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from audiolab.library import Sound
from audiolab.runs import Run
from audiolab.widgets.html import Html, image, table
from audiolab.widgets.pictures import STEM_COLORS, bar_chart, piano_roll, spectrogram, waveform
from audiolab.widgets.preview import audio_player

__all__ = [
    "analysis_section",
    "facts_section",
    "header_section",
    "lyrics_section",
    "midi_section",
    "problems_section",
    "provenance_section",
    "samples_section",
    "songs_of",
    "stems_section",
    "times_section",
]

_NOTE = "border-left:4px solid #edae49;background:#fff8e6;padding:6px 12px;margin:6px 0;color:#222"
_FAIL = "border-left:4px solid #d1495b;background:#fdeaec;padding:6px 12px;margin:6px 0;color:#222"
EXAMPLES = 6
MAX_LABELS = 24
MAX_NAMES = 12


def songs_of(run: Run) -> list[Sound]:
    """Give the sounds that the run was started on."""
    return [run.library.sound(sound_id) for sound_id in run.library.run_row(run.id).sound_ids]


def header_section(run: Run) -> Html:
    """Say what was done, to what, and how it went; what fell back stands first and loud."""
    report = run.report
    named = [song.name for song in songs_of(run)]
    names = ", ".join(named[:MAX_NAMES]) + (f" and {len(named) - MAX_NAMES} more" if len(named) > MAX_NAMES else "")
    rows: list[Sequence[Any]] = [
        ("songs", names),
        ("recipe", report.recipe),
        ("status", report.status),
        ("jobs", ", ".join(f"{n} {status}" for status, n in sorted(report.counts.items()))),
        ("music", f"{report.audio_seconds:.1f} s"),
    ]
    if took := report.took():
        rows.append(("took", took))
    if report.dashboard:
        address = escape(report.dashboard)
        rows.append(("Dask's pages", Html(f'<a href="{address}" target="_blank">{address}</a>')))
    notes = "".join(f'<div style="{_NOTE}"><b>note</b> {escape(note)}</div>' for note in report.notes)
    return Html(f"<h1>{escape(names)}</h1>{notes}{table(('', ''), rows)}")


def facts_section(song: Sound) -> Html:
    """Say what is known of a song: length, format, tempo, key, loudness."""
    document = song.library.effective(song.id, "analyze") or {}
    tempo, key = document.get("tempo") or {}, document.get("key") or {}
    duration = song.frames / song.sample_rate
    candidates = ", ".join(_candidate(item) for item in tempo.get("candidates", ()))
    rows: list[Sequence[Any]] = [
        ("length", f"{duration:.2f} s"),
        ("format", f"{song.format} {song.subtype}, {song.sample_rate} Hz, {song.channels} channels"),
        ("tempo", _value(tempo.get("bpm"), "bpm", tempo.get("confidence"))),
        ("other tempos", candidates or None),
        ("meter", document.get("meter")),
        ("key", _value(_key_name(key), "", key.get("confidence"))),
        ("loudness", _value(document.get("lufs"), "LUFS", None) if document.get("lufs") is not None else None),
        ("true peak", _value(document.get("true_peak_db"), "dBTP", None)),
    ]
    return Html(f"<h2>{escape(song.name)}</h2>{table(('', ''), rows)}")


def analysis_section(song: Sound) -> Html:
    """Show the song: facts, waveform with bars, spectrogram, a player."""
    document = song.library.effective(song.id, "analyze") or {}
    source = song.source()
    picture = waveform(source, beats=document.get("beats", ()), downbeats=document.get("downbeats", ()))
    return facts_section(song) + Html(
        f"{image(picture, 'waveform with bar lines')}{image(spectrogram(source), 'spectrogram')}"
        f"<p>{audio_player(source, label=song.name)}</p>"
    )


def _candidate(item: Any) -> str:
    if isinstance(item, dict):
        return f"{item['bpm']:.1f} ({item.get('confidence', item.get('score', 0)):.2f})"
    return f"{item[0]:.1f} ({item[1]:.2f})" if isinstance(item, (list, tuple)) else f"{item:.1f}"


def _key_name(key: dict[str, Any]) -> str | None:
    if not key.get("tonic"):
        return None
    return f"{key['tonic']} {key['mode']} (Camelot {key['camelot']})"


def _value(value: Any, unit: str, confidence: float | None) -> str | None:
    if value is None:
        return None
    text = (f"{value:.2f} {unit}" if isinstance(value, float) else f"{value} {unit}").strip()
    return text + (f", confidence {confidence:.2f}" if confidence is not None else "")


def stems_section(song: Sound) -> Html:
    """Show each stem: level, share, waveform, spectrogram, a player."""
    if not song.stems:
        return Html("<h3>Stems</h3><p>none</p>")
    rows = []
    for name, stem in song.stems.items():
        facts = stem.facts
        source = stem.source()
        color = STEM_COLORS.get(name, "#30638e")
        pictures = image(waveform(source, color=color, height=80, width=560), f"{name} waveform") + image(
            spectrogram(source, height=100, width=560), f"{name} spectrogram"
        )
        level = facts.get("level_lufs")
        said = [
            f"<b>{escape(name)}</b>",
            "silent" if level is None else f"{level:.1f} LUFS",
            f"{facts['energy_share']:.0%} of the energy" if "energy_share" in facts else "",
            f"{facts['silence_share']:.0%} silence" if "silence_share" in facts else "",
            f"bleed {facts['bleed_db']:.0f} dB from {facts['bleed_from']}" if facts.get("bleed_from") else "",
            audio_player(source, label=f"{song.name} {name}"),
        ]
        rows.append((Html("<br>".join(part for part in said if part)), Html(pictures)))
    return Html("<h3>Stems</h3>" + table(("stem", "waveform and spectrogram"), rows))


def samples_section(song: Sound) -> Html:
    """Show the samples by label: how many, how sure, and the surest of each to listen to."""
    samples = [sample for sound in _carriers(song) for sample in sound.samples]
    if not samples:
        return Html("<h3>Samples</h3><p>none were cut</p>")
    groups: dict[str, list[Sound]] = {}
    for sample in samples:
        groups.setdefault(sample.label or "untagged", []).append(sample)
    order = sorted(groups, key=lambda label: (label in {"unknown", "untagged"}, -len(groups[label])))
    rows = []
    for label in order[:MAX_LABELS]:
        group = sorted(groups[label], key=lambda sample: -(sample.confidence or 0.0))
        where = Counter(sample.stem or (sample.parent.stem if sample.parent else None) or "song" for sample in group)
        mean = sum(sample.confidence or 0.0 for sample in group) / len(group)
        sounds = "".join(_sample_card(sample) for sample in group[:EXAMPLES])
        stems = ", ".join(f"{count} {stem}" for stem, count in where.most_common())
        rows.append(
            (
                Html(f"<b>{escape(label)}</b>"),
                len(group),
                f"{mean:.2f}",
                stems,
                Html(f'<div style="max-width:680px">{sounds}</div>'),
            )
        )
    picture = image(
        bar_chart({label: len(groups[label]) for label in order[:MAX_LABELS]}, unit="samples"), "samples by label"
    )
    head = ("label", "samples", "mean confidence", "from", f"the {EXAMPLES} surest")
    return Html(f"<h3>Samples by label ({len(samples)})</h3>{picture}{table(head, rows)}")


def _sample_card(sample: Sound) -> str:
    source = sample.source()
    picture = image(waveform(source, width=150, height=36, axis=False), sample.name, width=150)
    player = audio_player(source, label=sample.name, seconds=3.0, compact=True)
    start = f" at {sample.start / sample.sample_rate:.2f} s" if sample.start is not None else ""
    caption = f"{sample.confidence or 0:.2f}{start}"
    return (
        '<div style="display:inline-block;margin:2px 8px 2px 0;vertical-align:top;width:215px">'
        f"{picture}<br>{player}<br><small>{escape(caption)}</small></div>"
    )


def midi_section(song: Sound) -> Html:
    """Show all notes of the song as one piano roll, and a table of the tracks."""
    found = {(sound.stem or sound.kind): song.library.effective(sound.id, "midi") for sound in _carriers(song)}
    tracks = {name: document for name, document in found.items() if document and document.get("notes")}
    if not tracks:
        return Html("<h3>MIDI</h3><p>no notes</p>")
    document = song.library.effective(song.id, "analyze") or {}
    notes = {name: track["notes"] for name, track in tracks.items()}
    duration = song.frames / song.sample_rate
    rows = [
        (name, len(track["notes"]), "General MIDI drums" if track.get("drums") else "notes", track.get("bpm"))
        for name, track in tracks.items()
    ]
    picture = piano_roll(notes, duration=duration, downbeats=document.get("downbeats", ()))
    return Html(f"<h3>MIDI</h3>{image(picture, 'piano roll')}{table(('track', 'notes', 'kind', 'bpm'), rows)}")


def lyrics_section(song: Sound) -> Html:
    """Show the words with their times, doubtful ones marked."""
    found = song.lyrics
    if not found or not found.get("segments"):
        return Html("<h3>Lyrics</h3><p>none (see “Skipped and failed” for the reason)</p>")
    rows = [(f"{s['start']:.2f} s", s["text"].strip(), ", ".join(s.get("flags", ()))) for s in found["segments"]]
    return Html(f"<h3>Lyrics ({escape(str(found.get('language')))})</h3>{table(('from', 'words', 'doubts'), rows)}")


def problems_section(run: Run, *, most: int | None = None) -> Html:
    """Say what was skipped or failed, and why; `most` of them, or all."""
    report = run.report
    parts = []
    for status, style in (("failed", _FAIL), ("skipped", _NOTE)):
        for entry in report.reasons(status):
            sounds = entry["sound"] if isinstance(entry["sound"], str) else ", ".join(entry["sound"])
            said = f"<b>{status}</b> {escape(entry['stage'])} of {escape(sounds)}: {escape(entry['why'])}"
            parts.append(f'<div style="{style}">{said}</div>')
    more = f"<p>and {len(parts) - most} more</p>" if most is not None and len(parts) > most else ""
    return Html("<h2>Skipped and failed</h2>" + ("".join(parts[:most]) + more or "<p>nothing</p>"))


def times_section(run: Run) -> Html:
    """Show the seconds of work by stage."""
    report = run.report
    seconds = dict(report.stage_seconds)
    if not seconds:
        return Html("<h2>Times</h2><p>all results were there already; no stage had to work</p>")
    rows = [(stage, f"{value:.2f}", sum(job.stage == stage for job in report.done)) for stage, value in seconds.items()]
    picture = image(bar_chart(seconds, unit="seconds of work"), "seconds by stage")
    return Html(f"<h2>Times</h2>{picture}{table(('stage', 'seconds', 'jobs'), rows)}")


def provenance_section(song: Sound) -> Html:
    """Show how one sample of the song was made, back to the file that was added."""
    samples = [sound.samples[0] for sound in _carriers(song) if len(sound.samples)]
    sound = samples[0] if samples else next(iter(song.stems.values()), song)
    return Html(f"<h3>How “{escape(sound.name)}” was made</h3><pre>{escape(str(sound.explain()))}</pre>")


def _carriers(song: Sound) -> Iterable[Sound]:
    return [song, *song.stems.values()]

"""Sounds rendered by rule, with known truth: test signals, instruments and the demo song."""

from audiolab.synth.note_source import NoteSource
from audiolab.synth.signals import chord, metronome, noise, pulse_train, silence, sweep, tone
from audiolab.synth.song import Hit, Note, RenderedSong, demo_song, render_song

__all__ = [
    "Hit",
    "Note",
    "NoteSource",
    "RenderedSong",
    "chord",
    "demo_song",
    "metronome",
    "noise",
    "pulse_train",
    "render_song",
    "silence",
    "sweep",
    "tone",
]

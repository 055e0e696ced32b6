"""Notes: the stage `midi` and the one writer of MIDI files."""

from audiolab.stages.notes.drums import DRUM_KEYS, drum_notes
from audiolab.stages.notes.files import Transcription, midi
from audiolab.stages.notes.midi_file import Note, Track, write_midi
from audiolab.stages.notes.multitrack import Multitrack, multitrack
from audiolab.stages.notes.presets import PRESETS, MidiParams
from audiolab.stages.notes.stage import Midi
from audiolab.stages.notes.transcribing import notes_of, transcribe

__all__ = [
    "DRUM_KEYS",
    "PRESETS",
    "Midi",
    "MidiParams",
    "Multitrack",
    "Note",
    "Track",
    "Transcription",
    "drum_notes",
    "midi",
    "multitrack",
    "notes_of",
    "transcribe",
    "write_midi",
]

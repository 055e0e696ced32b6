"""The format `midi`: for each song a file with all stems as tracks, and a file for each stem."""

from __future__ import annotations

from typing import ClassVar

from audiolab.errors import ExportError
from audiolab.exporters.base import Exporter, ExportJob, ExportOptions, Item
from audiolab.exporters.musical import midi_of
from audiolab.exporters.names import clean_name

__all__ = ["MidiExporter"]


class MidiOptions(ExportOptions):
    """`midi` has no options."""


class MidiExporter(Exporter):
    """MIDI files of songs and stems. A single song lies at the top; several get a folder each."""

    name: ClassVar[str] = "midi"
    summary: ClassVar[str] = "a MIDI file for each stem, and one with all of a song's stems as tracks"
    options: ClassVar[type[ExportOptions]] = MidiOptions

    def run(self, job: ExportJob, options: ExportOptions) -> list[Item]:
        """Write the files.

        Raises
        ------
        ExportError
            If there are no notes: the stage midi was not run, or found none.
        """
        chosen = [*job.choice.songs, *job.choice.stems]
        items: list[Item] = []
        for done, sound in enumerate(chosen, 1):
            several = sound.kind == "song" and len(chosen) > 1
            folder = job.names.claim("", clean_name(sound.name), "") if several else ""
            items += midi_of(job, sound, folder)
            job.progress(done, len(chosen))
        if not items:
            raise ExportError("there are no notes to export: run the stage midi on the songs first")
        return items

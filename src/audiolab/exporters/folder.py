"""The format `folder`: WAV files sorted by label, stems, MIDI and lyrics, for any DAW or sampler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from audiolab.errors import ExportError
from audiolab.exporters.base import Exporter, ExportJob, ExportOptions, Item
from audiolab.exporters.lineage import Lineage, tool_version
from audiolab.exporters.musical import lyrics_of, midi_of, stem_title
from audiolab.exporters.names import clean_name
from audiolab.exporters.sounds_out import Traits, note_name, traits_of, write_wav
from audiolab.exporters.template import DEFAULT_TEMPLATE, Template
from audiolab.library import Sound

__all__ = ["FolderExporter", "FolderOptions"]

_SUBTYPES = {16: "PCM_16", 24: "PCM_24", "float": "FLOAT"}
Part = Literal["samples", "stems", "midi", "lyrics", "mix"]


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


class FolderOptions(ExportOptions):
    """Options of `folder`."""

    template: str = Field(DEFAULT_TEMPLATE, description="How samples are named; see `audiolab.exporters.template`")
    bits: Annotated[Literal[16, 24, "float"], BeforeValidator(_number)] = Field(
        24, description="Bits of the WAV files; float keeps what is beyond full scale"
    )
    include: tuple[Part, ...] = Field(
        ("samples", "stems", "midi", "lyrics"), description="What a song brings along; mix is the song itself"
    )


class FolderExporter(Exporter):
    """WAV files in `samples/<label>/` and `stems/`, MIDI in `midi/`, words in `lyrics/`.

    A single song, or any choice of samples and stems, lies at the top; several songs get a folder each.
    """

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "WAV files by label, stems, MIDI and lyrics, with a manifest"
    options: ClassVar[type[ExportOptions]] = FolderOptions

    def run(self, job: ExportJob, options: ExportOptions) -> list[Item]:
        """Write everything.

        Raises
        ------
        ExportError
            If no file comes of it.
        """
        assert isinstance(options, FolderOptions)
        work = _Work(job, options)
        songs = job.choice.songs
        alone = len(job.choice.sounds) == 1
        plans: list[tuple[str, Sound]] = []
        for song in songs:
            folder = "" if alone else job.names.claim("", clean_name(song.name), "")
            plans.append((folder, song))
        work.plan(plans)
        items: list[Item] = []
        for folder, song in plans:
            items += work.song(song, folder)
        for stem in job.choice.stems:
            items += work.stem(stem)
        items += work.samples(job.choice.samples, "")
        work.tell_clipping()
        if not items:
            raise ExportError(f"nothing came of the export: the sounds hold none of {', '.join(options.include)}")
        return items


class _Work:
    """One run of the exporter."""

    def __init__(self, job: ExportJob, options: FolderOptions) -> None:
        self.job, self.options = job, options
        self.template = Template(options.template)
        self.lineage = Lineage()
        self.version = tool_version()
        self.done = self.total = 0
        self.clipped: dict[str, int] = {}

    def plan(self, songs: Sequence[tuple[str, Sound]]) -> None:
        """Count the WAV files to come."""
        choice = self.job.choice
        self.total = len(choice.samples) + len(choice.stems)
        for _, song in songs:
            stems = list(song.stems.values())
            self.total += len(stems) + sum(len(sound.samples) for sound in (song, *stems))

    def song(self, song: Sound, folder: str) -> list[Item]:
        """Write what a song brings along."""
        include, items = self.options.include, []
        stems = list(song.stems.values())
        samples = [sample for sound in (song, *stems) for sample in sound.samples]
        bare = not stems and not samples
        if "samples" in include:
            items += self.samples(samples, folder)
        if "stems" in include:
            items += [self.wav(stem, _join(folder, "stems"), stem_title(stem), "stem") for stem in stems]
        if "midi" in include:
            items += midi_of(self.job, song, _join(folder, "midi"))
        if "lyrics" in include:
            items += lyrics_of(self.job, song, _join(folder, "lyrics"))
        if "mix" in include or (bare and not items):
            if "mix" not in include:
                self.job.notes.append(f"{song.name}: not processed yet, so only the song itself was written")
            items.append(self.wav(song, folder, stem_title(song), "song"))
        return items

    def stem(self, stem: Sound) -> list[Item]:
        """Write a stem that was chosen itself, with its notes."""
        items = [self.wav(stem, "stems", stem_title(stem), "stem")]
        if "midi" in self.options.include:
            items += midi_of(self.job, stem, "midi")
        return items

    def samples(self, samples: Iterable[Sound], folder: str) -> list[Item]:
        """Write samples into a folder for each label; numbers run within files that are otherwise named the same."""
        items: list[Item] = []
        counts: Counter[tuple[str, str]] = Counter()
        for sample in samples:
            traits = traits_of(sample)
            label_folder = _join(folder, "samples", clean_name(sample.label or "unknown", max_bytes=60))
            values = self._values(sample, traits)
            group = (label_folder, self.template.name(values, fallback=sample.id[:10]))
            counts[group] += 1
            stem = self.template.name({**values, "n": counts[group]}, fallback=sample.id[:10])
            items.append(self.wav(sample, label_folder, stem, "sample", traits))
        return items

    @staticmethod
    def _values(sample: Sound, traits: Traits) -> dict[str, Any]:
        song = sample.song
        return {
            # Long names of songs must leave room for what follows.
            "song": clean_name(song.name, fallback="", max_bytes=60) if song is not None else None,
            "stem": sample.stem,
            "label": sample.label or "unknown",
            "name": clean_name(sample.name, fallback="", max_bytes=60),
            "bpm": traits.bpm,
            "key": traits.key,
            "root_note": note_name(traits.root_note),
            "id": sample.id,
            "confidence": sample.confidence,
        }

    def wav(self, sound: Sound, folder: str, stem: str, kind: str, traits: Traits | None = None) -> Item:
        """Write one WAV file."""
        traits = traits or traits_of(sound)
        path = self.job.names.claim(folder, stem, ".wav")
        target = self.job.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        subtype = _SUBTYPES[self.options.bits]
        clipped = write_wav(target, sound, subtype=subtype, traits=traits, lineage=self.lineage, version=self.version)
        if clipped:
            self.clipped[path] = clipped
        self.done += 1
        self.job.progress(min(self.done, self.total), self.total)
        facts: dict[str, Any] = {"subtype": subtype, "bpm": traits.bpm, "key": traits.key}
        if kind == "sample":
            facts |= {"root_note": traits.root_note, "loop": traits.loop}
        return Item(path, kind, sound, facts)

    def tell_clipping(self) -> None:
        """Note which files lost what was beyond full scale."""
        for path, count in self.clipped.items():
            self.job.notes.append(
                f"{path}: {count} samples beyond full scale were clipped; bits='float' keeps them as they are"
            )


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)

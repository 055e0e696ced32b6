"""The format `folder`: WAV files sorted by label, stems, MIDI and lyrics, for any DAW or sampler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from audiolab.errors import ExportError
from audiolab.exporters.base import Exporter, ExportJob, ExportOptions, Item
from audiolab.exporters.cards import Card
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
        items: list[Item] = []
        for plan in work.plan(job.choice.songs):
            items += work.song(plan)
        for stem in job.choice.stems:
            items += work.stem(stem)
        items += work.samples(job.cards.all(job.choice.samples), "")
        if not items:
            raise ExportError(f"nothing came of the export: the sounds hold none of {', '.join(options.include)}")
        return items


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a song brings along, and the folder for it."""

    song: Sound
    folder: str
    stems: list[Card]
    samples: list[Card]


class _Work:
    """One run of the exporter."""

    def __init__(self, job: ExportJob, options: FolderOptions) -> None:
        self.job, self.options, self.cards = job, options, job.cards
        self.template = Template(options.template)
        self.done = self.total = 0

    def plan(self, songs: Sequence[Sound]) -> list[_Plan]:
        """Look up what each song brings along, and count the WAV files to come."""
        choice, include = self.job.choice, self.options.include
        plans = []
        for song in songs:
            stems = list(song.stems.values())
            samples = [sample for sound in (song, *stems) for sample in sound.samples]
            alone = len(choice.sounds) == 1
            folder = "" if alone else self.job.names.claim("", clean_name(song.name), "")
            plans.append(_Plan(song, folder, self.cards.all(stems), self.cards.all(samples)))
            self.total += len(stems) * ("stems" in include) + len(samples) * ("samples" in include)
        self.total += len(choice.samples) + len(choice.stems)
        return plans

    def song(self, plan: _Plan) -> list[Item]:
        """Write what a song brings along."""
        include, folder, items = self.options.include, plan.folder, []
        if "samples" in include:
            items += self.samples(plan.samples, folder)
        if "stems" in include:
            items += [self.wav(stem, _join(folder, "stems"), self._title(stem), "stem") for stem in plan.stems]
        if "midi" in include:
            items += midi_of(self.job, plan.song, _join(folder, "midi"))
        if "lyrics" in include:
            items += lyrics_of(self.job, plan.song, _join(folder, "lyrics"))
        bare = not plan.stems and not plan.samples and not items
        if "mix" in include or bare:
            card = self.cards.of(plan.song)
            if "mix" not in include:
                self.job.notes.append(f"{card.name}: not processed yet, so only the song itself was written")
            items.append(self.wav(card, folder, self._title(card), "song"))
        return items

    def stem(self, stem: Sound) -> list[Item]:
        """Write a stem that was chosen itself, with its notes."""
        card = self.cards.of(stem)
        items = [self.wav(card, "stems", self._title(card), "stem")]
        if "midi" in self.options.include:
            items += midi_of(self.job, stem, "midi")
        return items

    def samples(self, samples: Iterable[Card], folder: str) -> list[Item]:
        """Write samples into a folder for each label; numbers run within files that are otherwise named the same."""
        items: list[Item] = []
        counts: Counter[tuple[str, str]] = Counter()
        for sample in samples:
            traits = traits_of(sample, self.cards.song(sample))
            label_folder = _join(folder, "samples", clean_name(sample.label or "unknown", max_bytes=60))
            values = self._values(sample, traits)
            group = (label_folder, self.template.name(values, fallback=sample.id[:10]))
            counts[group] += 1
            stem = self.template.name({**values, "n": counts[group]}, fallback=sample.id[:10])
            items.append(self.wav(sample, label_folder, stem, "sample", traits))
        return items

    def _values(self, sample: Card, traits: Traits) -> dict[str, Any]:
        song = self.cards.song(sample)
        return {
            # Long names of songs must leave room for what follows.
            "song": clean_name(song.name, fallback="", max_bytes=60) if song is not None else None,
            "stem": sample.stem,
            "label": sample.label or "unknown",
            "take": _take(sample),
            "name": clean_name(sample.name, fallback="", max_bytes=60),
            "bpm": traits.bpm,
            "key": traits.key,
            "root_note": note_name(traits.root_note),
            "id": sample.id,
            "confidence": sample.confidence,
        }

    def _title(self, sound: Card) -> str:
        return stem_title(sound, self.cards.song(sound))

    def wav(self, sound: Card, folder: str, stem: str, kind: str, traits: Traits | None = None) -> Item:
        """Write one WAV file."""
        traits = traits or traits_of(sound, self.cards.song(sound))
        path = self.job.names.claim(folder, stem, ".wav")
        subtype = _SUBTYPES[self.options.bits]
        if clipped := write_wav(self.job, path, sound, subtype=subtype, traits=traits):
            self.job.notes.append(
                f"{path}: {clipped} samples beyond full scale were clipped; bits='float' keeps them as they are"
            )
        self.done += 1
        self.job.progress(min(self.done, self.total), max(self.total, 1))
        facts: dict[str, Any] = {"subtype": subtype, "bpm": traits.bpm, "key": traits.key}
        if kind == "sample":
            facts |= {"root_note": traits.root_note, "loop": traits.loop}
        return Item(path, kind, sound, facts)


def _take(sample: Card) -> str | None:
    group, number = sample.facts.get("take_group"), sample.facts.get("take_number")
    if not isinstance(group, str) or not isinstance(number, int):
        return None
    return f"{clean_name(group, fallback='', max_bytes=60).replace(' ', '_')}_rr{number}"


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)

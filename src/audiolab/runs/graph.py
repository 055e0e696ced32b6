"""From a recipe and what the catalog holds to the jobs that are ready now.

Planning is a pure look at the catalog and at what has ended in this run. Stems and samples appear as
earlier jobs end, so planning is repeated after each job; a run is over when nothing is ready and nothing runs.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audiolab.errors import CatalogError
from audiolab.library import Library, Record, SampleSet, Sound
from audiolab.library.models import SoundRow
from audiolab.runs.jobs import JobSpec, JobStatus, SoundSpec
from audiolab.runs.keys import document_hash, result_key
from audiolab.runs.recipe import Recipe, Step
from audiolab.stages.base import Need, Stage
from audiolab.stages.registry import get_stage

__all__ = ["Ended", "Planned", "Planner", "job_id", "label_of", "spec_of", "specs_of"]


def job_id(stage: str, sound_id: str) -> str:
    """Name a job within its run."""
    return f"{stage}:{sound_id}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job of this run ended."""

    status: JobStatus
    key: str | None = None
    why: str = ""
    notes: tuple[str, ...] = ()
    by_worker: bool = False
    """Whether a worker ended it, and has logged so."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A job that can start now, or that has just been found to end without work (`ended`)."""

    id: str
    stage: str
    sound: Sound
    set_id: str | None
    spec: JobSpec | None
    ended: Ended | None = None


class _Seen:
    """What one look at the catalog has shown: several steps ask for the same stems and slices."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._stems: dict[str, list[Sound]] = {}
        self._cuts: dict[str, list[Sound]] = {}

    def stems_of(self, song: Sound, key: str) -> list[Sound]:
        """Give the stems of a song that a result has made."""
        if key not in self._stems:
            self._stems[key] = list(song.stems_of(key))
        return self._stems[key]

    def cut_by_hand(self, sound: Sound) -> list[Sound]:
        """Give the slices that people cut from a sound, without those that a slicing has made, too."""
        if sound.id not in self._cuts:
            cuts = list(self._library.hand_slices(sound.id))
            members = set(self._library.samples_of(sound.id).ids) if cuts else set()
            self._cuts[sound.id] = [cut for cut in cuts if cut.id not in members]
        return self._cuts[sound.id]


@dataclass(slots=True)
class Planner:
    """Plans the jobs of one run.

    Parameters
    ----------
    library : Library
        The driver's own connection.
    run_id : str
        The run.
    recipe : Recipe
        Checked.
    resolutions : mapping
        What `resolve_stage` said for each stage.
    """

    library: Library
    run_id: str
    recipe: Recipe
    resolutions: Mapping[str, Mapping[str, Any]]
    ended: dict[str, Ended] = field(default_factory=dict)
    _seen: _Seen = field(init=False)
    _needed: dict[str, tuple[Need, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen = _Seen(self.library)

    def plan(self, song: Sound, known: Container[str] = ()) -> list[Planned]:
        """Find the jobs of a song (or of a stem or sample that is processed by itself) that are ready.

        Parameters
        ----------
        song : Sound
            What the run was asked to process.
        known : container of str, optional
            Ids of jobs that were found before and have not ended: they are not looked at again.
        """
        found = []
        self._seen = _Seen(self.library)
        for step in self.recipe.steps:
            stage = get_stage(step.stage)
            for sound, sample_set in self._units(step, stage, song, known):
                planned = self._plan_job(stage, song, sound, sample_set)
                if planned is not None:
                    found.append(planned)
        return found

    # ---- units -----------------------------------------------------------------------------------

    def _units(
        self, step: Step, stage: Stage, song: Sound, known: Container[str]
    ) -> Iterator[tuple[Sound, SampleSet | None]]:
        """Find what a step can work on now and nobody has found before; sets of thousands are not read for nothing."""

        def new(sound: Sound) -> bool:
            identity = job_id(step.stage, sound.id)
            return identity not in self.ended and identity not in known and not self._waits(stage, song, sound)

        for sound in self._sounds(step, song):
            if not step.wants(sound.kind, sound.stem):
                continue
            if stage.unit != "set":
                if stage.takes.accepts(sound.kind, sound.stem) and new(sound):
                    yield sound, None
            elif sound.kind == "sample":
                if new(sound):
                    yield sound, None
            else:
                if new(sound) and (samples := self._samples(step, sound)) is not None:
                    yield sound, samples
                # What people cut belongs to no set, so each is a unit of its own.
                for cut in self._seen.cut_by_hand(sound):
                    if new(cut):
                        yield cut, None

    def _sounds(self, step: Step, song: Sound) -> list[Sound]:
        """List the song itself, then its stems: those that this run made if the recipe makes any."""
        maker = self._maker("sounds", step)
        if maker is None:
            return [song, *song.stems.values()]
        made = self.ended.get(job_id(maker.stage, song.id))
        if made is None or made.key is None:
            return [song]
        return [song, *self._seen.stems_of(song, made.key)]

    def _samples(self, step: Step, sound: Sound) -> SampleSet | None:
        maker = self._maker("cuts", step)
        if maker is None or not maker.wants(sound.kind, sound.stem):
            return self.library.samples_of(sound.id) or None  # cut by an earlier run, or never
        made = self.ended.get(job_id(maker.stage, sound.id))
        return None if made is None or made.key is None else self.library.sample_set(made.key)

    def _maker(self, product: Any, before: Step) -> Step | None:
        for step in self.recipe.steps:
            if step is before:
                return None
            if product in get_stage(step.stage).makes:
                return step
        return None

    # ---- one job ---------------------------------------------------------------------------------

    def _plan_job(self, stage: Stage, song: Sound, sound: Sound, samples: SampleSet | None) -> Planned | None:
        identity = job_id(stage.name, sound.id)
        set_id = samples.id if samples is not None else None

        def over(status: JobStatus, why: str) -> Planned:
            return Planned(identity, stage.name, sound, set_id, None, Ended(status, None, why))

        resolution = self.resolutions[stage.name]
        if resolution["status"] != "ready":
            return over(resolution["status"], resolution["why"])
        if stage.unit == "set" and samples is not None and len(samples) == 0:
            return over("skipped", "nothing was cut from this sound")
        needs: dict[str, Any] = {}
        for need, owner, state in self._needs(stage, song, sound):
            if need.saves:
                continue
            document = self.library.effective(owner.id, need.stage) if state == "look" else None
            if document is not None:
                needs[need.stage] = document
            elif need.required:
                return over("skipped", f"it needs {need.stage!r}, which gave no result for {owner.name!r}")
        sounds = (sound,) if samples is None else tuple(samples)
        try:
            specs = specs_of(sounds)
        except CatalogError as error:
            return over("failed", str(error))
        key = result_key(
            sounds=[spec.key for spec in specs],
            stage=stage.name,
            version=stage.version,
            params=resolution["params"],
            engine=resolution["engine"],
            weights=resolution["weights"],
            needs={name: document_hash(document) for name, document in needs.items()},
        )
        if self.library.has_result(key):
            result = self.library.result(key)
            notes = tuple(result.notes or ()) if result is not None else ()
            return Planned(identity, stage.name, sound, set_id, None, Ended("reused", key, "", notes))
        spec = JobSpec(
            run=self.run_id,
            key=key,
            library=str(self.library.path),
            media=self.library.media_url,
            stage=stage.name,
            version=stage.version,
            params=resolution["params"],
            engine=resolution["engine"],
            weights=resolution["weights"],
            profile=resolution["profile"],
            notes=tuple(resolution["notes"]),
            sound_id=sound.id,
            set_id=set_id,
            sounds=specs,
            needs=needs,
            vectors=self._vectors(stage, set_id or sound.id, [spec.id for spec in specs]),
            label=label_of(song, sound),
        )
        return Planned(identity, stage.name, sound, set_id, spec)

    def _vectors(self, stage: Stage, unit: str, ids: list[str]) -> tuple[str, str] | None:
        """Find embeddings of just these sounds that an earlier result has left, if the stage can use them."""
        for need in stage.needs:
            result = self.library.latest_result(unit, need.stage) if need.saves else None
            if result is None or result.version != get_stage(need.stage).version:
                continue
            try:
                found = Record.read(self.library.record_path(result.key)).vectors
            except CatalogError:
                continue  # without them the stage makes its own
            if found is not None and list(found.sound_ids) == ids:
                return found.encoder, found.media
        return None

    def _waits(self, stage: Stage, song: Sound, sound: Sound) -> bool:
        """Say whether this run still makes what a job needs."""
        if self.resolutions[stage.name]["status"] != "ready":
            return False
        return any(state == "wait" for _, _, state in self._needs(stage, song, sound))

    def _needs(self, stage: Stage, song: Sound, sound: Sound) -> Iterator[tuple[Need, Sound, str]]:
        """Give what a job needs, of which sound, and where that stands."""
        if stage.name not in self._needed:
            resolution = self.resolutions[stage.name]
            self._needed[stage.name] = tuple(stage.needs_for(stage.params(**resolution["params"])))
        for need in self._needed[stage.name]:
            # A stem that is processed by itself still has a song, whose results an earlier run may have left.
            owner = (sound.song or song) if need.of == "song" else sound
            yield need, owner, self._need(need, owner) if owner.id in (song.id, sound.id) else "look"

    def _need(self, need: Need, owner: Sound) -> str:
        """Say `wait` while this run still makes the need, `look` when the catalog may have it, else `none`."""
        maker = get_stage(need.stage)
        # What the maker does not take it never makes; sets are of samples and belong to whatever was cut.
        taken = maker.unit == "set" or maker.takes.accepts(owner.kind, owner.stem)
        for step in self.recipe.steps:
            if taken and step.stage == need.stage and step.wants(owner.kind, owner.stem):
                ended = self.ended.get(job_id(need.stage, owner.id))
                if ended is None:
                    return "wait"
                return "look" if ended.key is not None else "none"
        return "look"


def label_of(song: Sound, sound: Sound) -> str:
    """Give what people call a sound of a song."""
    return sound.name if sound.id == song.id or sound.name.startswith(song.name) else f"{song.name}: {sound.name}"


def spec_of(sound: Sound) -> SoundSpec:
    """Find the file a sound lies in and, for views, where."""
    return specs_of((sound,))[0]


def specs_of(sounds: Sequence[Sound]) -> tuple[SoundSpec, ...]:
    """Find the files that sounds lie in; a set of thousands costs a few questions to the catalog, not thousands.

    Raises
    ------
    CatalogError
        If a sound is gone, or has neither a file nor a parent.
    """
    if not sounds:
        return ()
    rows = sounds[0].library.sound_rows(sound.id for sound in sounds)
    carriers: dict[str, Sound] = {}
    return tuple(_spec(sound, rows, carriers) for sound in sounds)


def _spec(sound: Sound, rows: Mapping[str, SoundRow], carriers: dict[str, Sound]) -> SoundSpec:
    row = rows.get(sound.id)
    if row is None:
        raise CatalogError(f"the library has no sound {sound.id[:12]!r}")
    start, stop, carrier = sound.start, sound.stop, sound
    while carrier.media is None:
        parent = _parent(carrier, carriers)
        if parent is None:
            raise CatalogError(f"{row.name!r} has neither a file nor a parent; run `audiolab fsck`")
        if carrier is not sound and start is not None and stop is not None:
            start, stop = start + (carrier.start or 0), stop + (carrier.start or 0)
        carrier = parent
    return SoundSpec(
        id=sound.id,
        key=sound.id,
        name=row.name,
        kind=sound.kind,
        stem=sound.stem,
        media=carrier.media,
        start=start if carrier is not sound else None,
        stop=stop if carrier is not sound else None,
        facts=dict(row.facts),
        path=_referred(carrier),
    )


def _parent(sound: Sound, known: dict[str, Sound]) -> Sound | None:
    """Give what a sound was cut from; what was never changes, so it is looked up once."""
    if sound.parent_id is None:
        return None
    if sound.parent_id not in known:
        known[sound.parent_id] = sound.library.sound(sound.parent_id)
    return known[sound.parent_id]


def _referred(carrier: Sound) -> str | None:
    """Give the file itself if the library only refers to it."""
    media = carrier.library.media
    if carrier.media is None or carrier.library.files != "reference" or media.stored(carrier.media) is not None:
        return None
    try:
        return str(media.local(carrier.media))
    except CatalogError:
        return None  # the worker says that it is missing

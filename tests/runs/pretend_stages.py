"""Small stages with known behaviour, for tests of the runner: it must not care what a stage does."""

from __future__ import annotations

import time
from collections import Counter
from typing import ClassVar, Literal

from audiolab.audio import Audio, write_audio
from audiolab.errors import AudioError
from audiolab.stages.base import (
    Cut,
    Need,
    NewSound,
    NewTag,
    Params,
    Resolved,
    Stage,
    StageInput,
    StageOutput,
    StageSkipped,
    Takes,
)

CALLS: Counter[str] = Counter()
SONG, STEM, SAMPLE = (Takes(frozenset({kind})) for kind in ("song", "stem", "sample"))


class MeasureParams(Params):
    factor: float = 1.0


class Measure(Stage):
    """Says how long a song is."""

    name = "measure"
    version = 1
    params = MeasureParams
    unit = "song"
    takes = SONG

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        CALLS[self.name] += 1
        return StageOutput(document={"length": job.sound.source.frames * resolved.params.factor})


class HalvesParams(Params):
    fail_on: str = ""
    crash_on: str = ""
    slow: float = 0.0


class Halves(Stage):
    """Makes two stems: the song's samples halved, twice."""

    name = "halves"
    version = 1
    params = HalvesParams
    unit = "song"
    takes = SONG
    makes = frozenset({"sounds", "document"})

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        CALLS[self.name] += 1
        if resolved.params.fail_on and resolved.params.fail_on in job.sound.name:
            raise AudioError(f"{job.sound.name!r} is the song that this stage refuses")
        if resolved.params.crash_on and resolved.params.crash_on in job.sound.name:
            raise ZeroDivisionError("a fault of ours")
        steps = 100
        for step in range(steps):
            job.progress(step, steps)
            time.sleep(resolved.params.slow / steps)
        audio = Audio.from_source(job.sound.source)
        sounds = []
        for name in ("left half", "right half"):
            path = write_audio(job.scratch / f"{name}.wav", audio.with_(audio.samples / 2), subtype="FLOAT")
            sounds.append(NewSound(path, "stem", name, stem=name))
        job.progress(steps, steps)
        return StageOutput(document={"stems": 2}, sounds=tuple(sounds))


class CutsParams(Params):
    count: int = 3


class Cuts(Stage):
    """Cuts a stem into equal parts."""

    name = "cuts"
    version = 1
    params = CutsParams
    unit = "stem"
    takes = STEM
    makes = frozenset({"cuts", "document"})

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        CALLS[self.name] += 1
        count = resolved.params.count
        size = job.sound.source.frames // max(count, 1)
        cuts = tuple(Cut(i * size, (i + 1) * size, {"part": i}) for i in range(count))
        return StageOutput(document={"cuts": count}, cuts=cuts)


class NamesParams(Params):
    label: Literal["kick", "snare"] = "kick"


class Names(Stage):
    """Tags all samples of a set alike."""

    name = "names"
    version = 1
    params = NamesParams
    unit = "set"
    takes = SAMPLE
    makes = frozenset({"tags", "document"})

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        CALLS[self.name] += 1
        tags = tuple(NewTag(i, resolved.params.label, 0.75) for i in range(len(job.sounds)))
        return StageOutput(document={"items": len(job.sounds)}, tags=tags)


class Summary(Stage):
    """Needs the song's measure and, if there, the names."""

    name = "summary"
    version = 1
    params = Params
    unit = "stem"
    takes = STEM
    needs: ClassVar = (Need("measure", of="song"), Need("names", required=False))

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        CALLS[self.name] += 1
        return StageOutput(document={"length": job.needs["measure"]["length"], "named": job.needs.get("names")})


class Absent(Stage):
    """Cannot run on this machine."""

    name = "absent"
    version = 1
    params = Params
    unit = "song"
    takes = SONG

    def resolve(self, params: Params) -> Resolved:
        raise StageSkipped("its weights are not here: pull them")

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        raise AssertionError("must not be called")


STAGES = {stage.name: stage for stage in (Measure, Halves, Cuts, Names, Summary, Absent)}

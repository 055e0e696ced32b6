"""Stages with faults, as an installed plugin brings them: found by entry point in every worker process."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import threading
import time
import warnings
from pathlib import Path
from typing import Literal

from audiolab.audio import Audio, write_audio
from audiolab.errors import AudioError
from audiolab.stages.base import Cut, NewSound, NewTag, Params, Resolved, Stage, StageInput, StageOutput, Takes

Fault = Literal["none", "kill once", "crash", "hog", "raise", "slow", "big", "talk"]


class FaultyParams(Params):
    fault: Fault = "none"
    on: str = ""
    """Part of the name of the sounds that the fault befalls; empty: all."""
    marks: str = ""
    """Folder in which a fault leaves that it has happened."""


def fault(job: StageInput, params: FaultyParams, name: str) -> None:
    """Do harm."""
    if params.fault == "none" or params.on not in job.sound.name:
        return
    if params.fault == "raise":
        raise AudioError(f"{job.sound.name!r} is one of the songs that fail")
    if params.fault == "slow":
        for step in range(60):
            job.progress(step, 60)
            time.sleep(0.05)
    elif params.fault == "talk":
        talk(job.sound.name)
    elif params.fault == "crash":
        ctypes.string_at(0)  # as a decoder in C crashes on a poisoned file
    elif params.fault == "hog":
        held = []
        for _ in range(400):
            held.append(bytearray(os.urandom(1 << 16) * 160))  # 10 MB each, really written
            time.sleep(0.02)
    elif params.fault == "kill once":
        mark = Path(params.marks) / f"{name}-{job.sound.key}"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def talk(name: str) -> None:
    """Say things as libraries do: by the logger, as a warning, from a thread; with a password."""
    library = logging.getLogger("some.library")
    library.info("%s is not worth mentioning", name)
    for part in range(3):
        library.warning("%s: part %d from s3://user:geheim@host/bucket?token=abc", name, part)
        time.sleep(0.2)
    warnings.warn(f"{name} is odd", RuntimeWarning, stacklevel=1)
    thread = threading.Thread(target=library.error, args=("%s: said by a thread", name))
    thread.start()
    thread.join()


class FaultySong(Stage):
    """Makes one stem of a song."""

    name = "faulty-song"
    version = 1
    params = FaultyParams
    unit = "song"
    takes = Takes(frozenset({"song"}))
    makes = frozenset({"sounds", "document"})

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        fault(job, resolved.params, self.name)
        audio = Audio.from_source(job.sound.source)
        if resolved.params.fault == "big" and resolved.params.on in job.sound.name:
            audio = Audio(audio.samples.repeat(40, axis=1), audio.sample_rate)
        path = write_audio(job.scratch / "half.wav", audio.with_(audio.samples / 2), subtype="FLOAT")
        return StageOutput(document={"frames": audio.frames}, sounds=(NewSound(path, "stem", "half", stem="half"),))


class FaultyStem(Stage):
    """Cuts a stem in three."""

    name = "faulty-stem"
    version = 1
    params = FaultyParams
    unit = "stem"
    takes = Takes(frozenset({"stem"}))
    makes = frozenset({"cuts", "document"})

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        fault(job, resolved.params, self.name)
        size = job.sound.source.frames // 3
        return StageOutput(document={"cuts": 3}, cuts=tuple(Cut(i * size, (i + 1) * size, {}) for i in range(3)))


class FaultySet(Stage):
    """Tags samples."""

    name = "faulty-set"
    version = 1
    params = FaultyParams
    unit = "set"
    takes = Takes(frozenset({"sample"}))
    makes = frozenset({"tags", "document"})

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        fault(job, resolved.params, self.name)
        tags = tuple(NewTag(i, "kick", 0.75) for i in range(len(job.sounds)))
        return StageOutput(document={"items": len(job.sounds)}, tags=tags)

"""`rebuild`: make a result again from what the library remembers of it, and compare.

The same stage, version, parameters, engine and weights work on the same sounds, in a scratch folder. Nothing in the
library changes, but a stored file that is missing or damaged comes back if the new bytes have its hash, and a
result that differs is kept, as a new one, if that was asked for.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from audiolab.errors import AudioError, AudiolabError, Cancelled, CatalogError, RunError
from audiolab.library import Library, Record, Sound
from audiolab.library import remaking as catalog
from audiolab.library.ids import derived_id, hash_text
from audiolab.library.media import copy_and_hash, hash_file
from audiolab.library.models import ResultRow, SoundRow
from audiolab.library.ops import note
from audiolab.library.text import shorten
from audiolab.runs.comparing import (
    AUDIO_TOLERANCE,
    audio_difference,
    first_difference,
    profile_differences,
    vector_difference,
)
from audiolab.runs.jobs import JobSpec
from audiolab.runs.keys import document_hash
from audiolab.runs.rebuilt import Failure, RebuildReport, Rebuilt, RebuiltSound, Status
from audiolab.runs.then import spec_then
from audiolab.runs.worker import job_scratch, make_record, open_sound
from audiolab.stages.base import Progress, Resolved, Stage, StageInput, StageOutput, StageSkipped, no_progress
from audiolab.stages.registry import get_stage

__all__ = ["rebuild", "rebuild_all"]


def rebuild(
    library: Library, what: Sound | str, *, keep: bool = False, anyway: bool = False, progress: Progress = no_progress
) -> Rebuilt:
    """Make a derived sound, or a result, again from its record and compare it with what is stored.

    Parameters
    ----------
    what : Sound or str
        A sound (all sounds of its result are made, since they come together), its id or name; or the key of a
        result or the beginning of it (8 digits or more), such as that of an analysis, of which the documents are
        compared.
    keep : bool
        Keep a result that differs, as a new one, which counts from then on.
    anyway : bool
        Go on with another version of the stage, other parameters or weights, or where an earlier result that it was
        made with cannot be found any more.

    Returns
    -------
    Rebuilt
        Equal bytes are promised under an equal compute profile; else samples differ by at most 1e-4.

    Raises
    ------
    RunError
        If there is nothing to make (it was added, or is a view), or it cannot be made here; the message says why.
    """
    return _Rebuilder(library, keep=keep, anyway=anyway, progress=progress).make(_key_of(library, what))


def rebuild_all(
    library: Library,
    query: str = "",
    *,
    documents: bool = False,
    keep: bool = False,
    anyway: bool = False,
    progress: Progress = no_progress,
) -> RebuildReport:
    """Make all derived sounds again, or those that a query finds; one that fails never stops the others.

    Parameters
    ----------
    documents : bool
        With them all other results on the sounds that are found: analyses, cuts, tags, notes, lyrics.
    """
    started, report = time.perf_counter(), RebuildReport()
    wanted: set[str] = set()
    found: set[str] = set()
    for sound in library.query(query or "current:any"):
        found.add(sound.id)
        report.views += sound.media is None
        report.added += sound.media is not None and sound.result_key is None
        if sound.media is not None and sound.result_key is not None:
            wanted.add(sound.result_key)
    with library.store.transaction(write=False) as session:
        listed = catalog.result_keys(session)
    keys = [key for key, sound_id in listed if key in wanted or (documents and sound_id in found)]
    worker = _Rebuilder(library, keep=keep, anyway=anyway, progress=no_progress)
    for done, key in enumerate(keys):
        progress(done, len(keys))
        try:
            report.results.append(worker.make(key))
        except Cancelled:
            raise
        except AudiolabError as error:
            row = library.result(key)
            name = library.sound_row(row.sound_id).name if row else ""
            report.failed.append(Failure(key, row.stage if row else "", name, str(error)))
    progress(len(keys), len(keys))
    report.seconds = time.perf_counter() - started
    return report


def _key_of(library: Library, what: Sound | str) -> str:
    """Give the key of the result to make."""
    if isinstance(what, str):
        with library.store.transaction(write=False) as session:
            keys = catalog.keys_like(session, what)
        if len(keys) == 1:
            return keys[0]
        what = library.sound(what)
    called = f"{shorten(what.name)!r} ({what.kind} {what.id[:12]})"
    if what.start is not None and what.stop is not None:
        parent = what.parent
        assert parent is not None
        cut = f"; audiolab rebuild {what.result_key[:12]} makes the cut again" if what.result_key else ""
        raise RunError(
            f"{called} is a view: frames {what.start} to {what.stop} of {shorten(parent.name)!r} ({parent.id[:12]}): "
            f"there is nothing to make; rebuild or verify its parent: audiolab rebuild {parent.id[:12]}{cut}"
        )
    if what.result_key is None:
        raise RunError(
            f"{called} was added, not made: there is nothing to rebuild. If its file is lost, add that file again "
            "(`audiolab add`, or `audiolab relink`): it is known by its content"
        )
    return what.result_key


@dataclass(slots=True)
class _Rebuilder:
    library: Library
    keep: bool
    anyway: bool
    progress: Progress
    _done: dict[str, Rebuilt] = field(default_factory=dict)

    def make(self, key: str) -> Rebuilt:
        """Make one result again, after those whose sounds it works on, if their files are not there."""
        if key in self._done:
            return self._done[key]
        row = self.library.result(key)
        if row is None:
            raise RunError(f"the library does not know the result {key[:12]}; rebuild takes what a stage has made")
        of = self.library.sound(row.sound_id)
        where = f"{row.stage} of {shorten(of.name)!r}"
        stage, now, notes = self._stage(row, where)
        before = self._inputs(row, of)
        spec = spec_then(self.library, row, of, now, notes, anyway=self.anyway)
        started = time.perf_counter()
        with job_scratch(self.library.path) as scratch:
            job = StageInput(
                sounds=tuple(open_sound(sound, self.library.media) for sound in spec.sounds),
                scratch=scratch,
                needs=spec.needs,
                progress=self.progress,
            )
            try:
                output = stage.run(job, Resolved(now.params, now.engine, now.weights, now.profile, ()))
                made = self._compare(row, of, output, now, scratch)
            except StageSkipped as reason:
                raise RunError(f"{where}: this time the stage found nothing to do: {reason}") from reason
            except AudiolabError:
                raise
            except OSError as error:
                raise RunError(f"{where} cannot be made again: {error}; is the disk full?") from error
            except Exception as error:
                # A fault of ours in one stage must not stop the others.
                raise RunError(
                    f"{where}: {type(error).__name__}: {error} (a fault in audiolab; please report it)"
                ) from error
            made = replace(made, notes=(*notes, *made.notes), before=before, seconds=time.perf_counter() - started)
            if self.keep and made.status in {"close", "different"}:
                made = replace(made, kept=self._keep(spec, output, scratch, made))
        self._done[key] = made
        return made

    # ---- what it is made of ----------------------------------------------------------------------

    def _stage(self, row: ResultRow, where: str) -> tuple[Stage, Resolved, list[str]]:
        """Find stage, parameters, engine and weights as they were, or refuse."""
        notes: list[str] = []

        def other(text: str) -> None:
            if not self.anyway:
                raise RunError(f"{where} {text}; pass anyway=True (--anyway) to compare all the same")
            notes.append(f"{where} {text}")

        stage = get_stage(row.stage)
        if stage.version != row.version:
            other(f"was made by version {row.version} of the stage, and this audiolab has version {stage.version}")
        try:
            asked = stage.params(**row.params)
        except ValueError as error:
            raise RunError(f"{where}: the stage does not take the parameters of then any more: {error}") from error
        try:
            now = stage.resolve_as_then(asked, row.weights)
        except (AudiolabError, ValueError) as error:
            raise RunError(f"{where} cannot be made again here: {error}") from error
        if now.engine != row.engine:
            other(f"was made by the engine {row.engine!r}, and now {now.engine!r} would do it")
        if now.weights != row.weights:
            then, here = ((weights or "none")[:16] for weights in (row.weights, now.weights))
            other(f"was made with the weights {then}, which are not here (here: {here}; see `audiolab models ls`)")
        if difference := first_difference(row.params, now.params.model_dump(mode="json")):
            other(f"would get other parameters ({difference})")
        return stage, now, notes

    def _inputs(self, row: ResultRow, of: Sound) -> tuple[Rebuilt, ...]:
        """Make sure that the files are there, and undamaged, that the job worked on."""
        carrier = of.carrier
        state, called = self._state(carrier.media), f"the file of {shorten(carrier.name)!r} ({carrier.id[:12]})"
        if state == "here":
            return ()
        if carrier.result_key is None:
            raise RunError(
                f"{called} is {state}, and it was added, not made: find it with `audiolab relink`, or add it again"
                f"{self._more(carrier.media)}"
            )
        before = self.make(carrier.result_key)
        if self._state(carrier.media) != "here":
            found = "; ".join(map(str, before.sounds))
            raise RunError(f"{called} is {state}, and what {before.stage} makes now is not equal to it ({found})")
        return (before,)

    def _state(self, media: str | None) -> Literal["here", "missing", "damaged"]:
        if media is None or not self.library.media.exists(media):
            return "missing"
        return "here" if self.library.media.digest(media) == media else "damaged"

    def _more(self, media: str | None) -> str:
        """Give what the media store says of a file that is not there."""
        try:
            self.library.media.local(media or "")
        except CatalogError as error:
            return f" ({error})"
        return ""

    # ---- comparing -------------------------------------------------------------------------------

    def _compare(self, row: ResultRow, of: Sound, output: StageOutput, now: Resolved, scratch: Path) -> Rebuilt:
        profile = profile_differences(row.profile, now.profile)
        with self.library.store.transaction(write=False) as session:
            stored = {sound.id: sound for sound in catalog.made_by(session, row.key)}
        sounds, differences = [], []
        for new in output.sounds:
            known = stored.pop(derived_id(row.key, new.name), None)
            if known is None:
                differences.append(f"a sound {new.name!r} that it did not make then")
            else:
                sounds.append(self._sound(known, new.path, scratch, equal_profile=not profile))
        differences += [f"the sound {lost.name!r} is not made any more" for lost in stored.values()]
        others, notes = self._others(row, output, now, equal_profile=not profile)
        differences += others
        found: Status = "equal" if not differences else "different"
        if stored or len(sounds) < len(output.sounds):
            raise RunError(f"{row.stage} of {shorten(of.name)!r} makes other sounds now: {'; '.join(differences)}")
        length = sum(known.frames / known.sample_rate for known in map(self.library.sound_row, [s.id for s in sounds]))
        return Rebuilt(
            row.key, row.stage, row.version, of.name, profile, tuple(sounds), tuple(differences), found, 0.0, length,
            tuple(notes),
        )  # fmt: skip

    def _sound(self, known: SoundRow, new: Path, scratch: Path, *, equal_profile: bool) -> RebuiltSound:
        assert known.media is not None
        state, remade = self._state(known.media), hash_file(new)
        status: Status
        difference: float | None = None
        if state != "here":
            if remade == known.media:
                self._put_back(new, known, scratch)
                status, why = "restored", f"its file was {state} and is back, the same bytes"
            else:
                status, why = (
                    "different",
                    f"its file is {state}, and the new one has other bytes: not put back",
                )
        elif remade == known.media:
            status, difference, why = "equal", 0.0, "the same bytes"
        else:
            apart = audio_difference(self.library.media.local(known.media), new)
            difference = None if isinstance(apart, str) else apart
            within = difference is not None and difference <= (0.0 if equal_profile else AUDIO_TOLERANCE)
            status = "close" if within else "different"
            why = apart if isinstance(apart, str) else f"samples differ by at most {apart:.3g}"
            if difference == 0:
                why = "the same samples, but other bytes in the file"
            elif equal_profile:
                why += ", though the compute profile is equal"
        return RebuiltSound(known.id, known.name, status, state, difference, why, known.media, remade)

    def _put_back(self, new: Path, known: SoundRow, scratch: Path) -> None:
        """Put the missing file into the store, or the good bytes in the place of damaged ones, atomically."""
        assert known.media is not None
        copy = scratch / f"back-{known.media[:16]}"
        copy_and_hash(new, copy)
        damaged = self.library.media.stored(known.media)
        if damaged is not None:
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(copy, damaged)
        else:
            self.library.media.put(copy, known.suffix)
        with self.library.store.transaction() as session:
            note(session, self.library.actor, "repair", known.id, after={"media": known.media, "from": "rebuild"})

    def _others(
        self, row: ResultRow, output: StageOutput, now: Resolved, *, equal_profile: bool
    ) -> tuple[list[str], list[str]]:
        """Compare all that is not audio: where it differs, and what could not be compared."""
        then, document = dict(row.document), dict(output.document)
        if not equal_profile:
            then.pop("profile", None), document.pop("profile", None)
        found = [first_difference(then, document, "document")]
        found.append(first_difference(row.facts, dict(output.facts), "facts"))
        with self.library.store.transaction(write=False) as session:
            cuts = catalog.cuts_of(session, row.key)
        if output.cuts is not None or cuts is not None:
            spans = [[cut.start, cut.stop] for cut in output.cuts or ()]
            found.append(first_difference([list(span) for span in cuts or ()], spans, "cuts"))
        try:
            record = Record.read(self.library.record_path(row.key))
        except CatalogError as error:
            notes = [f"{error}; its tags and vectors were not compared"] if output.tags or output.vectors else []
            return [text for text in found if text], notes
        members = [sound.id for sound in self._members(row)] if output.tags or output.each else []
        tags = [[tag.sound_id, tag.label, tag.confidence] for tag in record.tags]
        found.append(
            first_difference(tags, [[members[tag.sound], tag.label, tag.confidence] for tag in output.tags], "tags")
        )
        each = [dict(facts) for facts in output.each]
        found.append(first_difference([dict(item.facts) for item in record.each], each, "facts of samples"))
        if record.vectors is not None and output.vectors is not None:
            found.append(self._vectors(record.vectors.media, output.vectors.values, equal_profile=equal_profile))
        return [text for text in found if text], []

    def _members(self, row: ResultRow) -> list[Sound]:
        if row.set_id is None:
            return [self.library.sound(row.sound_id)]
        with self.library.store.transaction(write=False) as session:
            return list(self.library.sample_set(cast("str", catalog.set_key(session, row.set_id))))

    def _vectors(self, media: str, values: Any, *, equal_profile: bool) -> str | None:
        try:
            then = np.load(self.library.media.local(media), allow_pickle=False)
        except (CatalogError, OSError, ValueError) as error:
            return f"vectors: the stored ones cannot be read: {error}"
        apart = vector_difference(then, np.asarray(values, np.float32))
        if isinstance(apart, str):
            return f"vectors: {apart}"
        allowed = 0.0 if equal_profile else AUDIO_TOLERANCE
        return None if apart <= allowed else f"vectors: apart by at most {apart:.3g}"

    # ---- keeping ---------------------------------------------------------------------------------

    def _keep(self, spec: JobSpec, output: StageOutput, scratch: Path, made: Rebuilt) -> str:
        """Keep what was made now as a result of its own, which counts from now on; the old one stays."""
        prints = [sound.remade for sound in made.sounds] or [document_hash(output.document)]
        key = hash_text("remade", spec.key, *prints)
        try:
            record = make_record(replace(spec, key=key), output, self.library.media, scratch, made.seconds)
            note = f"made again from the result {spec.key[:12]}, from which it differs"
            record = record.model_copy(update={"run": None, "notes": (*record.notes, note)})
            self.library.keep_record(record)
        except (OSError, AudioError) as error:
            raise RunError(f"the new result of {spec.stage} cannot be kept: {error}") from error
        self.library.fold(record)
        return key

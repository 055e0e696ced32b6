"""What making results again has shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from audiolab.library.tables import html_table
from audiolab.library.text import clean_json, shorten
from audiolab.runs.comparing import AUDIO_TOLERANCE

__all__ = ["Failure", "RebuildReport", "Rebuilt", "RebuiltSound", "Status"]

Status: TypeAlias = Literal["equal", "close", "different", "restored"]
"""equal: the same bytes (of a document: the same values). close: the same samples in a file of other bytes or, under
another compute profile, samples within the tolerance. different: neither. restored: the stored file was missing or
damaged, and the same bytes are back.
"""
_RANK: dict[str, int] = {"equal": 0, "close": 1, "restored": 2, "different": 3}


@dataclass(frozen=True, slots=True)
class RebuiltSound:
    """One sound of a result that was made again."""

    id: str
    name: str
    status: Status
    stored: Literal["here", "missing", "damaged"]
    """How its file was found."""
    difference: float | None
    """Largest absolute difference of the samples; None if there was nothing to compare with."""
    why: str
    media: str
    """Hash of the stored file, as it should be."""
    remade: str
    """Hash of the new one."""

    def __str__(self) -> str:
        return f"{shorten(self.name, 40)} [{self.id[:12]}]: {self.status}{f', {self.why}' if self.why else ''}"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A result that was made again and compared."""

    key: str
    stage: str
    version: int
    of: str
    """Name of the sound that the job worked on."""
    profile: Mapping[str, tuple[Any, Any]]
    """Where the compute profiles differ: then and now; empty if they are equal."""
    sounds: tuple[RebuiltSound, ...]
    differences: tuple[str, ...]
    """Where document, facts, cuts, tags or vectors differ."""
    found: Status
    """What documents, cuts, tags and vectors show."""
    seconds: float
    audio_seconds: float
    notes: tuple[str, ...] = ()
    kept: str | None = None
    """Key of the new result, if it was kept."""
    before: tuple[Rebuilt, ...] = ()
    """What had to be made again first."""

    @property
    def same_profile(self) -> bool:
        """Whether the compute profiles are equal, so that equal bytes are promised."""
        return not self.profile

    @property
    def status(self) -> Status:
        """The worst of all; of a result with sounds, the audio decides."""
        states = [sound.status for sound in self.sounds] or [self.found]
        return max(states, key=lambda state: _RANK[state])

    @property
    def ok(self) -> bool:
        """Whether the promise holds: equal bytes, or another profile and within the tolerance."""
        return self.status != "different"

    @property
    def difference(self) -> float | None:
        """Largest difference of any sample."""
        return max((sound.difference for sound in self.sounds if sound.difference is not None), default=None)

    def __str__(self) -> str:
        head = f"{self.stage} v{self.version} of {shorten(self.of, 40)!r} (result {self.key[:12]}): {self.status}"
        lines = [f"{head}, {self.seconds:.2f} s"]
        if self.profile:
            apart = "; ".join(f"{name} {then}, now {now}" for name, (then, now) in self.profile.items())
            lines.append(f"  another compute profile ({apart}): differences up to {AUDIO_TOLERANCE:g} are allowed")
        else:
            lines.append("  an equal compute profile: equal bytes are promised")
        lines += [f"  {sound}" for sound in self.sounds]
        lines += [f"  differs: {text}" for text in self.differences]
        lines += [f"  note: {text}" for text in self.notes]
        if self.kept:
            lines.append(f"  kept as the new result {self.kept[:12]}")
        for made in self.before:
            lines += [f"  first: {line}" if i == 0 else f"  {line}" for i, line in enumerate(str(made).splitlines())]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        document = {
            "key": self.key,
            "stage": self.stage,
            "version": self.version,
            "of": self.of,
            "status": self.status,
            "ok": self.ok,
            "profile_equal": self.same_profile,
            "profile": {name: {"then": then, "now": now} for name, (then, now) in self.profile.items()},
            "difference": self.difference,
            "sounds": [
                {name: getattr(sound, name) for name in RebuiltSound.__slots__} for sound in self.sounds
            ],
            "differences": list(self.differences),
            "notes": list(self.notes),
            "kept": self.kept,
            "seconds": round(self.seconds, 4),
            "audio_seconds": round(self.audio_seconds, 4),
            "before": [made.to_dict() for made in self.before],
        }  # fmt: skip
        return dict(clean_json(document))

    def _repr_html_(self) -> str:
        return html_table(
            f"{self.stage} v{self.version} of {self.of}: {self.status}",
            ("sound", "status", "difference", ""),
            [(sound.name, sound.status, _apart(sound.difference), sound.why) for sound in self.sounds]
            or [("document", self.found, "", text) for text in self.differences or ("",)],
            note=str(self).splitlines()[1].strip(),
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A result that could not be made again."""

    key: str
    stage: str
    of: str
    why: str


@dataclass(slots=True)
class RebuildReport:
    """Many results made again."""

    results: list[Rebuilt] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    views: int = 0
    """Samples that are views: nothing to make."""
    added: int = 0
    """Sounds that were added: nothing to make."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether everything could be made again and is as it was."""
        return not self.failed and all(made.ok for made in self.results)

    @property
    def sounds(self) -> int:
        """Number of sounds made."""
        return sum(len(made.sounds) for made in self.results)

    @property
    def counts(self) -> dict[str, int]:
        """Number of sounds (of results without sounds: of results) by status, and of what failed."""
        counted = Counter(state for made in self.results for state in _states(made))
        return {**dict(sorted(counted.items())), **({"failed": len(self.failed)} if self.failed else {})}

    @property
    def rates(self) -> dict[str, float]:
        """Sounds and seconds of audio made in a second."""
        spent = self.seconds or 1e-9
        return {
            "sounds_per_second": self.sounds / spent,
            "audio_seconds_per_second": sum(made.audio_seconds for made in self.results) / spent,
        }

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {
            "ok": self.ok,
            "results": [made.to_dict() for made in self.results],
            "failed": [{name: getattr(item, name) for name in Failure.__slots__} for item in self.failed],
            "sounds": self.sounds,
            "views": self.views,
            "added": self.added,
            "counts": self.counts,
            "seconds": round(self.seconds, 3),
            **{name: round(value, 3) for name, value in self.rates.items()},
        }

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        for made in self.results:
            what = f"{made.stage} v{made.version}"
            for sound in made.sounds:
                yield f"{made.of} / {sound.name}", what, sound.status, _apart(sound.difference), sound.why
            if not made.sounds:
                yield made.of, what, made.found, "", "; ".join(made.differences)
        for item in self.failed:
            yield item.of, item.stage, "failed", "", item.why

    def _summary(self) -> str:
        counted = ", ".join(f"{count} {state}" for state, count in self.counts.items()) or "nothing to make"
        rate = self.rates
        return (
            f"{counted} in {self.seconds:.1f} s: {rate['sounds_per_second']:.2f} sounds a second, "
            f"{rate['audio_seconds_per_second']:.1f} s of audio a second; "
            f"{self.views} views and {self.added} added sounds have nothing to make"
        )

    def __str__(self) -> str:
        rows = [
            f"{state:9}  {apart or '-':>8}  {stage:12}  {shorten(name)}{f'  ({why})' if why else ''}"
            for name, stage, state, apart, why in self._rows()
        ]
        return "\n".join([*rows, self._summary()])

    def _repr_html_(self) -> str:
        header = ("sound", "made by", "status", "difference", "")
        return html_table("made again", header, self._rows(), note=self._summary())


def _states(made: Rebuilt) -> list[str]:
    return [sound.status for sound in made.sounds] or [made.found]


def _apart(difference: float | None) -> str:
    return "" if difference is None else f"{difference:.1e}" if difference else "0"

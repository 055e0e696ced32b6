"""Records: the small file that a worker leaves under a result key once all media of a job are stored.

A record holds everything that the catalog needs to know about a job, so derived rows can be rebuilt from
records alone. Writing one is the job's commit: it appears whole or not at all.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from audiolab.audio import atomic_path
from audiolab.errors import CatalogError
from audiolab.library.clock import as_utc, utc_now
from audiolab.library.text import clean_json, clean_text, shorten

__all__ = [
    "Record",
    "RecordedCut",
    "RecordedFacts",
    "RecordedSound",
    "RecordedTag",
    "RecordedVectors",
    "record_path",
]

_HEX = re.compile(r"[0-9a-f]{8,128}")
_MAX_BYTES = 1 << 30


def _hex(value: str) -> str:
    if not _HEX.fullmatch(value):
        raise ValueError("must be 8 to 128 hex digits")
    return value


Hex = Annotated[str, AfterValidator(_hex)]
Json = Annotated[dict[str, Any], BeforeValidator(clean_json)]
Name = Annotated[str, AfterValidator(clean_text)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordedSound(_Part):
    """A sound that the job made; its media is already stored."""

    id: Hex
    media: Hex
    suffix: Annotated[str, Field(max_length=16)]
    content_id: Hex | None = None
    kind: Literal["song", "stem", "sample"]
    name: Name
    stem: Annotated[Name, Field(max_length=64)] | None = None
    sample_rate: Annotated[int, Field(gt=0)]
    channels: Annotated[int, Field(gt=0)]
    frames: Annotated[int, Field(ge=0)]
    format: Annotated[str, Field(max_length=64)] = ""
    subtype: Annotated[str, Field(max_length=64)] = ""
    facts: Json = Field(default_factory=dict)


class RecordedCut(_Part):
    """A view of the job's sound: frames `start` (inclusive) to `stop` (exclusive)."""

    id: Hex
    start: Annotated[int, Field(ge=0)]
    stop: Annotated[int, Field(gt=0)]
    facts: Json = Field(default_factory=dict)


class RecordedFacts(_Part):
    """Facts that the job found about one of its sounds."""

    sound_id: Hex
    facts: Json = Field(default_factory=dict)


class RecordedTag(_Part):
    """A label that the job gave to a sound."""

    sound_id: Hex
    label: Annotated[Name, Field(min_length=1, max_length=255)]
    confidence: Annotated[float, Field(ge=0, le=1)]
    top: tuple[tuple[Name, float], ...] = ()


class RecordedVectors(_Part):
    """Embeddings as an .npy file (float32, shape (sounds, dimensions)) in the media store."""

    encoder: Hex
    media: Hex
    sound_ids: tuple[Hex, ...]


class Record(_Part):
    """What one finished job left.

    `sound_id` is the sound that the job worked on, or the parent of the sample set `set_id`.
    """

    format: Literal[1] = 1
    key: Hex
    stage: Annotated[str, Field(min_length=1, max_length=64)]
    version: int
    params: Json = Field(default_factory=dict)
    engine: Annotated[str, Field(max_length=128)] = "builtin"
    weights: Annotated[str, Field(max_length=128)] | None = None
    profile: Json = Field(default_factory=dict)
    notes: tuple[Name, ...] = ()
    seconds: float = 0.0
    made_at: Annotated[datetime, AfterValidator(as_utc)] = Field(default_factory=utc_now)
    run: Annotated[str, Field(max_length=128)] | None = None
    sound_id: Hex
    set_id: Hex | None = None
    needs: Json = Field(default_factory=dict)
    """Hashes of the effective values of the earlier results that the stage saw, by stage."""
    status: Literal["done"] = "done"
    document: Json = Field(default_factory=dict)
    facts: Json = Field(default_factory=dict)
    each: tuple[RecordedFacts, ...] = ()
    """Facts of single sounds of the set."""
    sounds: tuple[RecordedSound, ...] = ()
    cuts: tuple[RecordedCut, ...] | None = None
    tags: tuple[RecordedTag, ...] = ()
    vectors: RecordedVectors | None = None

    @property
    def media(self) -> list[str]:
        """Hashes of all files that the job left."""
        hashes = [sound.media for sound in self.sounds]
        return [*hashes, self.vectors.media] if self.vectors else hashes

    def write(self, path: str | Path) -> Path:
        """Write the record to its place (see `record_path`), atomically; an older one is replaced.

        Raises
        ------
        CatalogError
            If the disk is full or read-only.
        """
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                temporary.write_text(self.model_dump_json(), encoding="utf-8")
        except OSError as error:
            raise CatalogError(f"cannot write the record {path.name}: {error}; is the disk full?") from error
        return path

    @classmethod
    def read(cls, path: str | Path) -> Record:
        """Read a record.

        Raises
        ------
        CatalogError
            If it is missing, torn, or not a record of this format; the message names the file.
        """
        path = Path(path)
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise CatalogError(f"{path.name!r} is no record: it is larger than 1 GB")
            record = cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise CatalogError(f"the record {path.name!r} cannot be read: {error.strerror or error}") from error
        except (ValidationError, UnicodeDecodeError, RecursionError) as error:
            what = error.errors()[0] if isinstance(error, ValidationError) else None
            where = f"{'.'.join(map(str, what['loc'])) or 'file'}: {what['msg']}" if what else str(error)
            raise CatalogError(
                f"{path.name!r} is torn or no record of audiolab ({shorten(where, 120)}); "
                "delete it and run the job again"
            ) from error
        if path.stem != record.key:
            raise CatalogError(f"{path.name!r} holds the record of another result ({record.key}); was it renamed?")
        return record


def record_path(library: str | Path, key: str) -> Path:
    """Give the place of a result's record in a library's folder: `records/<first two digits>/<key>.json`."""
    if not _HEX.fullmatch(key):
        raise CatalogError(f"{shorten(key)!r} is no result key (hex digits)")
    return Path(library) / "records" / key[:2] / f"{key}.json"

"""Tags: who said what about a sound. What a person says is never overwritten or removed by a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.cardmaking import word_value
from audiolab.library.cardrows import CardRow
from audiolab.library.clock import utc_now
from audiolab.library.derived import chunks, refresh_labels
from audiolab.library.models import SoundRow, TagRow
from audiolab.library.ops import note
from audiolab.library.text import clean_text

__all__ = ["STANDARD_LABELS", "Role", "Tag", "add_tags", "human_tag", "put_human_tag", "remove_tags", "tags_of"]

Role: TypeAlias = Literal["label", "tag"]
STANDARD_LABELS = frozenset(
    {
        "bass", "brass", "clap", "closed_hat", "cowbell", "crash", "fx", "guitar", "keys", "kick", "open_hat",
        "percussion", "ride", "rim", "snare", "strings", "synth", "tom", "vocal", "unknown",
    }
)  # fmt: skip
"""Words that always say what a sound is; others do if a model of this library uses them."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A label on a sound.

    Attributes
    ----------
    source : str
        human, model or import.
    role : str
        `label`: says what the sound is. `tag`: a free word.
    denied : bool
        A person said that this label is wrong; models cannot bring it back.
    top : tuple
        What a model found likely, (label, probability), before any rule.
    """

    label: str
    source: str
    role: str
    confidence: float
    created_at: datetime
    denied: bool = False
    stage: str = ""
    model: str | None = None
    top: tuple[tuple[str, float], ...] = ()
    result_key: str | None = None

    def __str__(self) -> str:
        sure = "" if self.source == "human" else f" {self.confidence:.2f}"
        return f"{'not ' if self.denied else ''}{self.label} ({self.source}{sure})"


def tags_of(session: Session, sound_id: str) -> list[Tag]:
    """Give all tags of a sound: people's first, then by confidence."""
    rows = session.scalars(select(TagRow).where(TagRow.sound_id == sound_id))
    rank = {"human": 0, "import": 1, "model": 2}
    ordered = sorted(rows, key=lambda row: (rank[row.source], -row.confidence, row.label, row.stage))
    return [_tag(row) for row in ordered]


def add_tags(
    session: Session,
    actor: str,
    sound_ids: Iterable[str],
    label: str,
    *,
    confidence: float = 1.0,
    role: Role | None = None,
) -> None:
    """Let a person give sounds a label.

    Parameters
    ----------
    role : {"label", "tag"}, optional
        Default: `label` if the word is a standard label or one that a model of this library uses, else `tag`.

    Raises
    ------
    ParameterError
        If the label is empty or too long, or the confidence outside 0 to 1.
    """
    label = _checked(label)
    if not 0 <= confidence <= 1:
        raise ParameterError(f"confidence must lie between 0 and 1, not {confidence}")
    if role not in {None, "label", "tag"}:
        raise ParameterError(f"role must be 'label' or 'tag', not {role!r}")
    role = role or _role(session, label)
    ids = _known(session, sound_ids)
    now = utc_now()
    known: dict[str, TagRow] = {}
    for part in chunks(ids):
        same = (TagRow.source == "human", TagRow.stage == "", TagRow.label == label)
        known.update(
            {row.sound_id: row for row in session.scalars(select(TagRow).where(TagRow.sound_id.in_(part), *same))}
        )
    for sound_id in ids:
        row = known.get(sound_id)
        before = None if row is None else _state(row)
        if row is None:
            row = TagRow(sound_id=sound_id, source="human", stage="", label=label)
            session.add(row)
        row.role, row.denied, row.confidence, row.created_at = role, False, confidence, now
        note(session, actor, "tag", sound_id, before=before, after=_state(row))
    refresh_labels(session, ids)


def remove_tags(session: Session, actor: str, sound_ids: Iterable[str], label: str) -> int:
    """Let a person take a label away; a model's label is denied, so that tagging again does not bring it back.

    Returns
    -------
    int
        Number of sounds that had it.
    """
    label = _checked(label)
    ids = _known(session, sound_ids)
    changed = 0
    for sound_id in ids:
        rows = session.scalars(select(TagRow).where(TagRow.sound_id == sound_id, TagRow.label == label)).all()
        human = next((row for row in rows if row.source == "human"), None)
        others = [row for row in rows if row.source != "human"]
        if not others and (human is None or human.denied):
            continue
        if human is not None and human.denied:
            continue
        changed += 1
        before = None if human is None else _state(human)
        if others:
            if human is None:
                human = TagRow(sound_id=sound_id, source="human", stage="", label=label, role=others[0].role)
                session.add(human)
            human.denied, human.confidence, human.created_at = True, 1.0, utc_now()
            note(session, actor, "untag", sound_id, before=before or {"label": label}, after=_state(human))
        elif human is not None:
            session.delete(human)
            note(session, actor, "untag", sound_id, before=before, after={"label": label})
    refresh_labels(session, ids)
    return changed


def _checked(label: str) -> str:
    label = clean_text(label).strip()
    if not label or len(label) > 255:
        raise ParameterError(f"a label must have 1 to 255 signs, not {len(label)}")
    return label


def _role(session: Session, label: str) -> Role:
    if label in STANDARD_LABELS:
        return "label"
    used = exists().where(CardRow.label == word_value(label))  # a label of some sound is a label of any
    return "label" if session.scalar(select(used)) else "tag"


def _known(session: Session, sound_ids: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(sound_ids))
    found: set[str] = set()
    for ids in chunks(wanted):
        found.update(session.scalars(select(SoundRow.id).where(SoundRow.id.in_(ids))))
    if missing := next((sound_id for sound_id in wanted if sound_id not in found), None):
        raise CatalogError(f"the library has no sound {missing[:12]!r}")
    return wanted


def _state(row: TagRow) -> Mapping[str, Any]:
    at = row.created_at.isoformat()
    return {"label": row.label, "role": row.role, "denied": row.denied, "confidence": row.confidence, "at": at}


def human_tag(session: Session, sound_id: str, label: str) -> dict[str, Any] | None:
    """Give what a person said with a word about a sound, as the history keeps it; None if nobody did."""
    row = session.get(TagRow, (sound_id, "human", "", label))
    return None if row is None else dict(_state(row))


def put_human_tag(session: Session, sound_id: str, label: str, state: Mapping[str, Any] | None) -> None:
    """Bring what a person said with a word back to a state that the history has kept."""
    row = session.get(TagRow, (sound_id, "human", "", label))
    if state is None:
        if row is not None:
            session.delete(row)
        return
    if row is None:
        row = TagRow(sound_id=sound_id, source="human", stage="", label=label)
        session.add(row)
    row.role, row.denied, row.confidence = state["role"], state["denied"], state["confidence"]
    row.created_at = datetime.fromisoformat(state["at"]) if "at" in state else utc_now()


def _tag(row: TagRow) -> Tag:
    top = tuple((str(label), float(share)) for label, share in row.top or ())
    return Tag(
        row.label,
        row.source,
        row.role,
        row.confidence,
        row.created_at,
        row.denied,
        row.stage,
        row.model,
        top,
        row.result_key,
    )

"""Words and facts that come with a file: from the names of its folders by a rule, and from its keywords."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from audiolab.library.clock import utc_now
from audiolab.library.foldertags import Matched
from audiolab.library.models import SoundRow, TagRow

__all__ = ["give_facts", "give_tags"]


def give_tags(session: Session, row: SoundRow, label: str | None, tags: Iterable[str]) -> dict[str, Any]:
    """Hang import tags on a sound; what people and models said stays. Gives what is new."""
    wanted = [(word, "tag") for word in tags]
    if label is not None:
        wanted.append((label, "label"))
    new: dict[str, Any] = {}
    for word, role in wanted:
        known = session.get(TagRow, (row.id, "import", "", word))
        if known is not None and known.role == role:
            continue
        if known is None:
            known = TagRow(sound_id=row.id, source="import", stage="", label=word)
            session.add(known)
        known.role, known.denied, known.confidence, known.created_at = role, False, 1.0, utc_now()
        if role == "label":
            new["label"] = word
        else:
            new.setdefault("tags", []).append(word)
    return new


def give_facts(row: SoundRow, found: Matched) -> dict[str, Any]:
    """Write what a rule found about a sound to its facts; gives what is new. The caller refreshes the facts."""
    new = {name: value for name, value in found.facts.items() if row.made_facts.get(name) != value}
    if new:
        row.made_facts = {**row.made_facts, **new}
    return new

"""Words and facts that come with a file: from the names of its folders by a rule, and from its keywords."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from audiolab.library.clock import utc_now
from audiolab.library.foldertags import Matched
from audiolab.library.models import SoundRow, TagRow

__all__ = ["give_facts", "give_tags", "import_state"]


def give_tags(session: Session, row: SoundRow, label: str | None, tags: Iterable[str]) -> list[tuple[str, str]]:
    """Hang import tags on a sound; what people and models said stays. Gives what is new, with its roles."""
    wanted = [(word, "tag") for word in tags if word != label]
    if label is not None:
        wanted.append((label, "label"))
    return [(word, role) for word, role in wanted if _put_tag(session, row.id, word, role)]


def _put_tag(session: Session, sound_id: str, word: str, role: str) -> bool:
    known = session.get(TagRow, (sound_id, "import", "", word))
    if known is not None and known.role == role:
        return False
    if known is None:
        known = TagRow(sound_id=sound_id, source="import", stage="", label=word)
        session.add(known)
    known.role, known.denied, known.confidence, known.created_at = role, False, 1.0, utc_now()
    return True


def import_state(facts: Mapping[str, Any], words: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Give what an import changed as the history keeps it: facts, `label` and `tags`."""
    listed = list(words)
    labels, tags = ([word for word, role in listed if role == wanted] for wanted in ("label", "tag"))
    return {**facts, **({"label": labels[0]} if labels else {}), **({"tags": tags} if tags else {})}


def give_facts(row: SoundRow, found: Matched) -> dict[str, Any]:
    """Write what a rule found about a sound to its facts; gives what is new. The caller refreshes the facts."""
    new = {name: value for name, value in found.facts.items() if row.made_facts.get(name) != value}
    if new:
        row.made_facts = {**row.made_facts, **new}
    return new

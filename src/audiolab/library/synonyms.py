"""Words that find others: `bd` finds kick. Some are shipped (configs/synonyms.yaml), a library has its own besides."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import ParameterError
from audiolab.library.cardmaking import word_value
from audiolab.library.labelwords import listed_words, word_key
from audiolab.library.models import SynonymRow
from audiolab.library.ops import note
from audiolab.library.text import clean_text, shorten

__all__ = ["own_synonyms", "set_synonym", "synonyms_of"]


def synonyms_of(session: Session) -> dict[str, tuple[str, ...]]:
    """Give for each word (as `word_key` writes it) those that it finds besides, shipped ones and the library's own."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for word, means in (*listed_words(), *own_synonyms(session).items()):
        found[word_key(word)].append(word_value(means))
    return {word: tuple(dict.fromkeys(means)) for word, means in found.items()}


def own_synonyms(session: Session) -> dict[str, str]:
    """Give the words that this library's user has added, and what each means."""
    rows = session.execute(select(SynonymRow.word, SynonymRow.means).order_by(SynonymRow.word))
    return dict(rows.all())


def set_synonym(session: Session, actor: str, word: str, means: str | None) -> None:
    """Let a word find another from now on; None takes it away.

    Raises
    ------
    ParameterError
        If a word is empty or too long, or the two are the same.
    """
    word = _checked(word)
    row = session.get(SynonymRow, word)
    before = None if row is None else {"word": word, "means": row.means}
    if means is None:
        if row is None:
            raise ParameterError(f"{shorten(word)!r} is no synonym of this library")
        session.delete(row)
        note(session, actor, "synonym", f"synonym:{word}", before=before)
        return
    means = _checked(means)
    if means == word:
        raise ParameterError(f"{shorten(word)!r} finds itself already")
    if row is None:
        session.add(SynonymRow(word=word, means=means))
    else:
        row.means = means
    note(session, actor, "synonym", f"synonym:{word}", before=before, after={"word": word, "means": means})


def _checked(word: str) -> str:
    word = word_value(clean_text(word))
    if not word:
        raise ParameterError("a synonym must have a word")
    return word

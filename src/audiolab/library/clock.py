"""The time, always aware of its zone."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["as_utc", "utc_now"]


def utc_now() -> datetime:
    """Give the time in UTC."""
    return datetime.now(UTC)


def as_utc(moment: datetime) -> datetime:
    """Give the same moment in UTC; one without a zone is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

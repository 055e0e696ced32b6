"""Listening to a scheduler's topics. Dask keeps one handler a topic and client; several runs share a client."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["LOGS", "PROGRESS", "RUNS", "listen", "unlisten"]

PROGRESS = "audiolab-progress"
"""How far jobs are, told by workers."""
RUNS = "audiolab-runs"
"""Which runs there are and how much they want, told by drivers."""
LOGS = "audiolab-logs"
"""What jobs log, told by workers."""

Handler = Callable[[dict[str, Any]], None]
log = logging.getLogger(__name__)
_LOCK = threading.Lock()
_LISTENING: WeakKeyDictionary[Any, dict[str, list[Handler]]] = WeakKeyDictionary()


def listen(client: Any, topic: str, handler: Handler) -> None:
    """Give a topic's messages to a handler, beside those that listen already."""
    with _LOCK:
        handlers = _LISTENING.setdefault(client, {}).setdefault(topic, [])
        handlers.append(handler)
        first = len(handlers) == 1
    if not first:
        return

    def dispatch(event: Any) -> None:
        message = event[1]
        if not isinstance(message, dict):
            return
        with _LOCK:
            now = list(handlers)
        for each in now:
            try:
                each(message)
            except Exception:
                log.exception("a message of %s was not understood", topic)

    client.subscribe_topic(topic, dispatch)


def unlisten(client: Any, topic: str, handler: Handler) -> None:
    """Stop that; the subscription stays for those who come later."""
    with _LOCK, contextlib.suppress(ValueError):
        _LISTENING.get(client, {}).get(topic, []).remove(handler)

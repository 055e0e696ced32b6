"""Widgets without a page: what they send is kept in a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiolab.library import Library


class Page:
    """Stands for the page of a widget: asks like it, and keeps what it is told."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.messages: list[dict[str, Any]] = []
        widget.send = lambda content, buffers=None: self.messages.append({**content, "buffers": buffers or []})

    def ask(self, method: str, *, buffers: list[bytes] | None = None, **params: Any) -> dict[str, Any]:
        """Give the result; an error that goes back to the page is raised as RuntimeError."""
        self.widget._receive(None, {"id": "1", "method": method, "params": params}, buffers or [])
        answer = next(message for message in reversed(self.messages) if message.get("id") == "1")
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return {**answer["result"], "buffers": answer["buffers"]}

    def told(self, event: str) -> list[dict[str, Any]]:
        """Give the events of that name."""
        return [message for message in self.messages if message.get("event") == event]


@pytest.fixture
def page() -> Callable[[Any], Page]:
    return Page


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "library", actor="tester") as made:
        yield made


def wav(path: Path, seconds: float = 0.2, *, seed: int = 1, rate: int = 8000) -> bytes:
    """Write a short noise and give the bytes of the file."""
    import soundfile as sf

    sf.write(path, 0.3 * np.random.default_rng(seed).standard_normal(int(seconds * rate)), rate, format="WAV")
    return path.read_bytes()


@pytest.fixture
def wav_bytes(tmp_path: Path) -> Callable[..., bytes]:
    return lambda seconds=0.2, seed=1, rate=8000: wav(tmp_path / f"made-{seed}.wav", seconds, seed=seed, rate=rate)

"""What all widgets share: requests, errors, the bundle, the static view."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import traitlets

from audiolab.errors import ParameterError
from audiolab.widgets import bundle as bundles
from audiolab.widgets.base import LabWidget, request
from audiolab.widgets.html import Html
from audiolab.widgets.player import Player
from audiolab.widgets.standing import standing_html


class Counter(LabWidget):
    """A widget for tests."""

    view = "counter"
    count = traitlets.Int(0).tag(sync=True)

    @request
    def add(self, by: int, buffers: Any = ()) -> dict[str, int]:
        self.count += by + sum(len(buffer) for buffer in buffers)
        return {"count": self.count}

    @request
    def fail(self, how: str) -> None:
        raise ParameterError("the file is no sound") if how == "told" else ZeroDivisionError("bug")

    def secret(self) -> None:
        raise AssertionError("not for the page")

    def _standing(self) -> Html:
        return Html("<b>counted</b>")


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch):
    """Give a function that asks a widget as the page would, and gives the answer."""

    def ask(widget: LabWidget, method: str, buffers: Any = (), **params: Any) -> tuple[dict[str, Any], list[Any]]:
        sent: list[tuple[dict[str, Any], list[Any]]] = []
        monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append((content, list(buffers or ()))))
        widget._receive(None, {"id": "1", "method": method, "params": params}, list(buffers))
        assert len(sent) == 1
        assert sent[0][0]["id"] == "1"
        return sent[0]

    return ask


def test_requests_are_answered(talk):
    widget = Counter()
    assert talk(widget, "add", by=2)[0]["result"] == {"count": 2}
    assert talk(widget, "add", buffers=[b"abc"], by=0)[0]["result"] == {"count": 5}


def test_errors_go_back_to_who_asked(talk):
    widget = Counter()
    assert talk(widget, "fail", how="told")[0]["error"] == "the file is no sound"
    assert talk(widget, "fail", how="bug")[0]["error"] == "ZeroDivisionError: bug"
    assert "missing" in talk(widget, "add")[0]["error"]


@pytest.mark.parametrize("method", ["secret", "close", "_receive", "__init__", "set_trait", "nothing", "send"])
def test_the_page_can_call_nothing_else(talk, method):
    assert "answers no request" in talk(Counter(), method)[0]["error"]


def test_unknown_arguments_raise_and_say_what_there_is():
    with pytest.raises(ParameterError, match=r"knows no colour; it has .*count"):
        Counter(colour="red")
    with pytest.raises(ParameterError, match="knows no colour"):
        Player((np.zeros((1, 10), np.float32), 8000), colour="red")


def test_state_holds_no_code_and_no_audio():
    samples = np.zeros((2, 44100 * 60), np.float32)
    state = Player((samples, 44100)).get_state()
    assert sum(len(str(value)) for value in state.values()) < 5000


def test_without_a_bundle_the_static_view_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(bundles, "STATIC", tmp_path)
    (tmp_path / "why_missing.txt").write_text("Node.js was <not> found")
    widget = Counter()
    assert widget._bundle == ""
    html = widget.static_html()
    assert "<b>counted</b>" in html
    assert "Node.js was &lt;not&gt; found" in html
    with pytest.raises(ParameterError, match="no views: Node"):
        widget.bundle()


def test_static_views_have_a_limit():
    with pytest.raises(ParameterError, match="300000 are allowed"):
        standing_html(Html("x" * 300_001), "id", name="big")


def test_display_shows_the_static_view_and_then_the_live_one(monkeypatch):
    import IPython.display

    shown: list[dict[str, str]] = []
    monkeypatch.setattr(IPython.display, "display", lambda data, **_: shown.append(data))
    widget = Counter()
    widget._bundle = "key"
    widget._ipython_display_()
    assert "counted" in shown[0]["text/html"]
    assert widget._standing_id in shown[0]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown[1]
    widget._bundle = ""
    shown.clear()
    widget._ipython_display_()
    assert len(shown) == 1

"""`LabWidget`: what all widgets share: messages, errors, the static view."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias
from uuid import uuid4

import anywidget
import traitlets

from audiolab.errors import AudiolabError, ParameterError
from audiolab.widgets.bundle import STUB, load_bundle, why_missing
from audiolab.widgets.html import Html
from audiolab.widgets.standing import standing_html

__all__ = ["Buffers", "LabWidget", "Reply", "request"]

Buffers: TypeAlias = Sequence[bytes | memoryview]
Reply: TypeAlias = "Mapping[str, Any] | tuple[Mapping[str, Any], Buffers] | None"
log = logging.getLogger("audiolab.widgets")


def request(method: Callable[..., Reply]) -> Callable[..., Reply]:
    """Mark a method that the page may call: by keyword, with JSON values; `buffers` gets binary ones if it asks.

    It gives a mapping of JSON values, or a pair of that and a list of buffers.
    """
    method._is_request = True  # type: ignore[attr-defined]
    return method


class LabWidget(anywidget.AnyWidget):
    """Base of audiolab's widgets.

    A subclass names its view in `view`, marks what the page may ask with `request`, and says in `_standing` how it
    looks without a kernel. State that Python and page share is in traits with `sync=True`: small values only, never
    audio. Whatever changes a library is a request, so that errors come back to the one who asked.

    Attributes
    ----------
    error : str
        The last error, as it stands under the widget.
    """

    _esm: ClassVar[str] = STUB
    view: ClassVar[str] = ""
    """Name of the view in the bundle."""

    _view = traitlets.Unicode().tag(sync=True)
    _bundle = traitlets.Unicode().tag(sync=True)
    _standing_id = traitlets.Unicode().tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    _displayed = False

    def __init__(self, **traits: Any) -> None:
        unknown = sorted(name for name in traits if not self.has_trait(name))
        if unknown:
            known = sorted(name for name in self.traits(sync=True) if not name.startswith("_"))
            raise ParameterError(f"{type(self).__name__} knows no {', '.join(unknown)}; it has {', '.join(known)}")
        bundle = load_bundle()
        super().__init__(_view=self.view, _bundle=bundle.key if bundle else "", _standing_id=uuid4().hex[:12], **traits)
        self.on_msg(self._receive)

    # ---- messages ------------------------------------------------------------------------------

    def _receive(self, _: Any, content: Mapping[str, Any], buffers: Buffers) -> None:
        """Answer one request of the page; whatever goes wrong goes back to it."""
        asked, name = content.get("id"), str(content.get("method"))
        if asked is None:
            return
        try:
            method = getattr(type(self), name, None)
            if not getattr(method, "_is_request", False):
                raise ParameterError(f"{type(self).__name__} answers no request {name!r}")
            params = dict(content.get("params") or {})
            if buffers:
                params["buffers"] = buffers
            found = getattr(self, name)(**params)
        except AudiolabError as error:
            self.send({"id": asked, "error": str(error)})
        except Exception as error:
            log.exception("%s: request %s", type(self).__name__, name)
            self.send({"id": asked, "error": f"{type(error).__name__}: {error}"})
        else:
            result, out = found if isinstance(found, tuple) else (found, ())
            self.send({"id": asked, "result": result or {}}, buffers=list(out))

    def tell(self, event: str, buffers: Buffers = (), **values: Any) -> None:
        """Tell all views of this widget that something has happened."""
        self.send({"event": event, **values}, buffers=list(buffers))

    @request
    def bundle(self) -> Reply:
        """Give the code of the views."""
        found = load_bundle()
        if found is None:
            raise ParameterError(f"no views: {why_missing()}")
        return {"key": found.key}, [found.code]

    # ---- how it looks --------------------------------------------------------------------------

    def _standing(self) -> Html:
        """Give the static view: pictures, a short playable preview, tables."""
        raise NotImplementedError

    def _name(self) -> str:
        return type(self).__name__

    def static_html(self) -> str:
        """Give the static view as HTML that needs neither kernel nor network, at most 300 kB."""
        note = "" if self._bundle else f"Only the static view is shown: {why_missing()}"
        return standing_html(self._standing(), self._standing_id, name=self._name(), note=note)

    def _ipython_display_(self, **_: Any) -> None:
        """Show the static view and the live one after it, which hides the former as soon as it stands."""
        from IPython.display import display

        data = {"text/html": self.static_html(), "text/plain": repr(self)}
        display(data, raw=True, display_id=self._standing_id)
        self._displayed = True
        if self._bundle:
            live = self._repr_mimebundle_()
            if live:
                data = live[0] if isinstance(live, tuple) else live
                # Where widgets cannot be shown, nothing but the static view is to be seen.
                display({**data, "text/html": "<!-- live view -->", "text/plain": ""}, raw=True)

    def refresh_standing(self) -> None:
        """Replace the static view where it was shown: call it when something has come to an end."""
        if self._displayed:
            from IPython.display import update_display

            data = {"text/html": self.static_html(), "text/plain": repr(self)}
            update_display(data, raw=True, display_id=self._standing_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name()!r})"

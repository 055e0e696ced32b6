"""A folder of models of its own, small models with known hashes, and a server with faults."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from audiolab.config import get_settings
from audiolab.weights import File, Member, Model, fetching, store

BODY = bytes(range(256)) * 9000  # 2.3 MB: several reads
OTHER = b"another network" * 1000


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Server:
    """What the server gives, how it misbehaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: int | None = None
    ranges: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server():
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name, wanted = self.path.lstrip("/"), self.headers.get("Range")
            state.requests.append((name, wanted))
            if name not in state.files:
                self.send_error(404)
                return
            body, first = state.files[name], 0
            if wanted and state.ranges:
                first = int(wanted.removeprefix("bytes=").rstrip("-"))
                if first >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body) - first))
            self.end_headers()
            stop = len(body) if state.cut_after is None else min(len(body), first + state.cut_after)
            self.wfile.write(body[first:stop])

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def models_dir(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    monkeypatch.setenv("AUDIOLAB_MODELS_DIR", str(folder))
    monkeypatch.delenv("AUDIOLAB_OFFLINE", raising=False)
    monkeypatch.delenv("AUDIOLAB_MODELS_URL", raising=False)
    for scheme in ("http", "https", "all"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)
    fetching._unreachable.clear()
    get_settings.cache_clear()
    yield folder
    get_settings.cache_clear()
    fetching._unreachable.clear()


@pytest.fixture
def small_models(models_dir, monkeypatch):
    """`one`: a single file; `bag`: two networks, the first in two formats, the second known by eight digits."""
    one = Model(
        "one", "whisper", (Member("one", (File("one.pt", "http://localhost:9/one.pt", digest(BODY), len(BODY)),)),),
        "MIT", "a test",
    )  # fmt: skip
    bag = Model(
        "bag", "demucs",
        (
            Member("aaaa", (
                File("aaaa.safetensors", "http://localhost:9/aaaa.safetensors", digest(OTHER)),
                File(f"aaaa-{digest(BODY)[:8]}.th", "http://localhost:9/a.th", digest(BODY)[:8]),
            )),
            Member("bbbb", (File("bbbb.th", "http://localhost:9/bbbb.th", digest(BODY + b"b")[:8]),)),
        ),
        "MIT", "a test", ((1.0, 0.0), (0.0, 1.0)),
    )  # fmt: skip
    models = {"one": one, "bag": bag}
    monkeypatch.setattr(store, "MODELS", models)
    monkeypatch.setattr(fetching, "MODELS", models)
    return models_dir


@pytest.fixture
def mirror(small_models, server, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_MODELS_URL", server.url)
    get_settings.cache_clear()
    return server

from __future__ import annotations

import time

import pytest

from audiolab import weights
from audiolab.config import get_settings
from audiolab.errors import ModelError
from audiolab.weights import fetching
from audiolab.weights.fetching import _Unreachable

from .conftest import BODY, OTHER, digest


def test_right_file_is_fetched_once_with_progress(mirror, small_models):
    mirror.files["one.pt"] = BODY
    steps = []
    found = weights.pull("one", lambda done, total: steps.append((done, total)))
    assert found.path.read_bytes() == BODY
    assert found.sha256 == digest(BODY)
    assert found.path == small_models / "whisper" / "one.pt"
    assert steps[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert len(steps) > 3
    assert weights.find("one").paths == found.paths
    weights.pull("one")
    assert len(mirror.requests) == 1
    assert not list(small_models.rglob("*.part"))


def test_wrong_content_never_gets_the_name(mirror, small_models):
    mirror.files["one.pt"] = BODY[:-1] + b"!"
    with pytest.raises(ModelError, match=r"wrong content.*models import"):
        weights.pull("one")
    assert weights.find("one") is None
    assert not [path for path in small_models.rglob("*") if path.is_file()]


def test_cut_connection_is_resumed_where_it_broke(mirror, small_models):
    mirror.files["one.pt"], mirror.cut_after = BODY, 1_500_000
    with pytest.raises(ModelError, match=r"cut after 1\.5 of 2\.3 MB.*again"):
        weights.pull("one")
    assert weights.find("one") is None
    assert next(row for row in weights.listing() if row.name == "one").state == "partly"
    mirror.cut_after = None
    first = []
    weights.pull("one", lambda done, total: first.append(done))
    assert first[0] == 1_500_000
    assert mirror.requests[-1] == ("one.pt", "bytes=1500000-")
    assert weights.find("one").path.read_bytes() == BODY


def test_a_server_that_cannot_resume_sends_all_of_it(mirror, small_models):
    mirror.files["one.pt"], mirror.cut_after, mirror.ranges = BODY, 1_500_000, False
    with pytest.raises(ModelError, match="cut"):
        weights.pull("one")
    mirror.cut_after = None
    assert weights.pull("one").path.read_bytes() == BODY


@pytest.mark.parametrize("left", [BODY, BODY + b"too much", b"x" * 1000], ids=["whole", "too long", "other content"])
def test_whatever_an_earlier_try_left(mirror, small_models, left):
    mirror.files["one.pt"] = BODY
    part = small_models / "whisper" / "one.pt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    if left == b"x" * 1000:
        with pytest.raises(ModelError, match="wrong content"):
            weights.pull("one")
        assert not part.exists()
    assert weights.pull("one").path.read_bytes() == BODY
    assert not part.exists()
    if left == BODY:
        assert mirror.requests == []


def test_a_bag_takes_the_preferred_format_and_falls_back(mirror, small_models):
    second = f"aaaa-{digest(BODY)[:8]}.th"
    mirror.files |= {second: BODY, "bbbb.th": BODY + b"b"}
    found = weights.pull("bag")
    assert [path.name for path in found.paths] == [second, "bbbb.th"]
    assert found.hashes == (digest(BODY), digest(BODY + b"b"))
    assert found.bag == weights.Bag(("aaaa", "bbbb"), ((1.0, 0.0), (0.0, 1.0)))
    assert len(found.sha256) == 64
    for path in found.paths:
        path.unlink()
    mirror.files["aaaa.safetensors"] = OTHER
    assert weights.pull("bag").paths[0].name == "aaaa.safetensors"


def test_no_network_is_a_quick_clear_error_and_is_tried_once(small_models):
    begin = time.perf_counter()
    with pytest.raises(ModelError, match=r"localhost:9.*models pull one.*models import"):
        weights.pull("one")
    assert time.perf_counter() - begin < fetching.CONNECT_SECONDS + 1
    with pytest.raises(ModelError, match="before"):
        weights.ensure("one")


def test_a_name_that_resolves_nowhere_costs_seconds_not_minutes(small_models, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_MODELS_URL", "http://weights.invalid")
    monkeypatch.setattr(fetching, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(fetching.socket, "getaddrinfo", lambda *_: time.sleep(2))
    get_settings.cache_clear()
    begin = time.perf_counter()
    with pytest.raises(ModelError, match="not found in time"):
        weights.pull("one")
    assert time.perf_counter() - begin < 1


def test_a_server_that_answers_nothing_counts_as_unreachable(small_models, monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AUDIOLAB_MODELS_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(fetching, "READ_SECONDS", 0.3)
        get_settings.cache_clear()
        with pytest.raises(ModelError, match="timed out"):
            weights.pull("one")


def test_again_forgets_what_was_unreachable(mirror, small_models):
    mirror.files["one.pt"] = BODY
    host = mirror.url.removeprefix("http://")
    fetching._unreachable[host] = "no route"
    with pytest.raises(ModelError, match="no route"):
        weights.pull("one")
    assert mirror.requests == []
    assert weights.pull("one", again=True).path.is_file()


def test_offline_never_asks_the_network(mirror, small_models, monkeypatch):
    mirror.files["one.pt"] = BODY
    monkeypatch.setenv("AUDIOLAB_OFFLINE", "1")
    get_settings.cache_clear()
    with pytest.raises(ModelError, match="AUDIOLAB_OFFLINE"):
        weights.pull("one")
    assert mirror.requests == []


def test_offline_is_fine_with_weights_that_are_here(mirror, small_models, monkeypatch):
    mirror.files["one.pt"] = BODY
    weights.pull("one")
    monkeypatch.setenv("AUDIOLAB_OFFLINE", "1")
    get_settings.cache_clear()
    assert weights.ensure("one").path.is_file()


def test_missing_on_the_server(mirror, small_models):
    with pytest.raises(ModelError, match="404"):
        weights.pull("one")


def test_unknown_names_and_bad_mirrors(mirror, small_models, monkeypatch):
    with pytest.raises(ModelError, match="knows no weights 'tinny'"):
        weights.pull("tinny")
    monkeypatch.setenv("AUDIOLAB_MODELS_URL", "file:///etc")
    get_settings.cache_clear()
    with pytest.raises(Exception, match="http"):
        weights.pull("one")


def test_cancelling_keeps_what_came(mirror, small_models):
    mirror.files["one.pt"] = BODY

    class Stop(Exception):
        pass

    def hook(done, total):
        if done > 1_000_000:
            raise Stop

    with pytest.raises(Stop):
        weights.pull("one", hook)
    assert weights.find("one") is None
    assert weights.pull("one").path.read_bytes() == BODY
    assert mirror.requests[-1][1] is not None


def test_two_processes_do_not_write_one_file(mirror, small_models):
    fcntl = pytest.importorskip("fcntl")
    part = small_models / "whisper" / "one.pt.part"
    part.parent.mkdir(parents=True)
    with part.open("a+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ModelError, match="another process"):
            weights.pull("one")


def test_unreachable_is_a_model_error():
    assert issubclass(_Unreachable, ModelError)

"""How runs on one scheduler leave room for each other."""

from __future__ import annotations

from types import SimpleNamespace

from audiolab.runs import topics
from audiolab.runs.sharing import Others


def heard(others: Others, run: str, songs: int, jobs: int) -> None:
    others.hear({"run": run, "songs": songs, "jobs": jobs})


def test_a_run_alone_takes_all():
    others = Others("me")
    heard(others, "me", 1, 1)
    assert not others.any()
    assert others.room(200, 4) is None


def test_a_long_run_leaves_what_a_short_one_wants_and_keeps_one():
    others = Others("me")
    heard(others, "short", 1, 1)
    assert others.room(200, 4) == 3
    heard(others, "short", 1, 2)
    assert others.room(200, 4) == 2
    heard(others, "short", 1, 9)
    assert others.room(200, 4) == 1
    heard(others, "short", 1, 0)
    assert others.room(200, 4) == 3, "between two jobs its place is kept"
    assert others.room(200, 1) == 1


def test_runs_of_like_length_share_as_it_comes():
    others = Others("me")
    heard(others, "other", 60, 8)
    assert others.room(100, 4) is None
    assert others.room(120, 4) == 1
    assert others.room(5, 4) is None, "a short run does not step back"


def test_who_is_over_or_silent_is_forgotten():
    now = 100.0
    others = Others("me", lambda: now)
    heard(others, "a", 1, 1)
    heard(others, "b", 1, 1)
    assert others.room(200, 4) == 2
    heard(others, "a", 0, 0)
    assert others.room(200, 4) == 3
    now += 11
    assert others.room(200, 4) is None


def test_several_runs_of_one_client_hear_the_same_topic():
    handlers: dict[str, object] = {}

    class Client(SimpleNamespace):
        __hash__ = object.__hash__

        def subscribe_topic(self, topic, handler):
            handlers[topic] = handler

    client, first, second = Client(), [], []
    topics.listen(client, "topic", first.append)
    topics.listen(client, "topic", second.append)
    handlers["topic"]((0.0, {"n": 1}))
    topics.unlisten(client, "topic", first.append)
    handlers["topic"]((0.0, {"n": 2}))
    assert (first, second) == ([{"n": 1}], [{"n": 1}, {"n": 2}])
    handlers["topic"]((0.0, "not ours"))
    topics.unlisten(client, "topic", first.append)  # a second time does no harm
    topics.unlisten(client, "topic", second.append)
    topics.listen(client, "topic", first.append)
    handlers["topic"]((0.0, {"n": 3}))
    assert first[-1] == {"n": 3}

"""One conformance test for every media store, and what may go wrong with remote ones."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from flaky_proxy import flaky
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from s3_server import KEYS, Bucket, s3, s3_endpoint

from audiolab.errors import CatalogError, MissingDependency, ParameterError
from audiolab.library import Library
from audiolab.library.media import FileMediaStore, MediaStore, hash_bytes
from audiolab.library.mediacache import MediaCache
from audiolab.library.remote import RemoteFolder, clean_url
from audiolab.library.remote_media import RemoteMediaStore

__all__ = ["s3", "s3_endpoint"]
KINDS = ("file", "remote file", "remote memory", "s3")


def _file(folder: Path, data: bytes, suffix: str = ".wav") -> Path:
    path = folder / f"{secrets.token_hex(8)}{suffix}"
    path.write_bytes(data)
    return path


def _make(kind: str, folder: Path) -> MediaStore:
    if kind == "file":
        return FileMediaStore(folder / "store")
    url = f"file://{folder}/remote" if kind == "remote file" else f"memory://{secrets.token_hex(8)}"
    return RemoteMediaStore(RemoteFolder(url, patience=1), MediaCache(folder / "cache", 10**9))


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    if request.param == "s3":
        bucket = request.getfixturevalue("s3")
        return RemoteMediaStore(RemoteFolder(bucket.url, patience=1), MediaCache(tmp_path / "cache", 10**9))
    return _make(request.param, tmp_path)


def test_what_every_store_does(store: MediaStore, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    path = _file(tmp_path, data)
    media = store.put(path, ".FLAC")
    assert media == hash_bytes(data)
    assert not path.exists(), "a file that was put is gone"
    assert store.exists(media)
    assert store.local(media).read_bytes() == data
    assert store.local(media).suffix == ".flac"
    assert store.size(media) == len(data)
    assert store.digest(media) == media
    assert media in store.url(media)
    found = store.stored(media)
    assert found is not None
    assert found.read_bytes() == data
    again = _file(tmp_path, data)
    assert store.put(again, ".wav") == media, "the same content is stored once"
    assert not again.exists()
    assert [(file.hash, file.suffix, file.size) for file in store.files()] == [(media, ".flac", len(data))]
    others = [os.urandom(size) for size in (0, 1, 5000)]
    store.put_all([(_file(tmp_path, part), ".bin", hash_bytes(part)) for part in [*others, others[1]]])
    assert {file.hash for file in store.files()} == {media, *map(hash_bytes, others)}
    assert all(store.local(hash_bytes(part)).read_bytes() == part for part in others)
    assert store.remove(media)
    assert not store.exists(media)
    assert not store.remove(media)
    assert store.stored(media) is None
    for ask in (store.local, store.size, store.digest, store.url):
        with pytest.raises(CatalogError, match="missing"):
            ask(media)
    with pytest.raises(CatalogError, match="is no media hash"):
        store.exists("../../etc/passwd")
    with pytest.raises(CatalogError, match="cannot store"):
        store.put(tmp_path / "not there.wav", ".wav")


def test_two_writers_of_one_content(store: MediaStore, tmp_path: Path) -> None:
    data = os.urandom(500_000)
    paths = [_file(tmp_path, data) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda path: store.put(path, ".wav"), paths)) == {hash_bytes(data)}
    assert [(file.hash, file.size) for file in store.files()] == [(hash_bytes(data), len(data))]
    assert store.local(hash_bytes(data)).read_bytes() == data
    assert store.digest(hash_bytes(data)) == hash_bytes(data)


class StoresAgree(RuleBasedStateMachine):
    """A file store and two remote ones do as a dict does, whatever is asked of them."""

    data = st.binary(max_size=40)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="audiolab-stores-"))
        self.stores = [_make(kind, self.folder / kind) for kind in KINDS[:3]]
        self.known: dict[str, bytes] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(data=data, suffix=st.sampled_from([".wav", ".flac", ".npy", "", "/../x"]))
    def put(self, data: bytes, suffix: str) -> None:
        for store in self.stores:
            assert store.put(_file(self.folder, data), suffix) == hash_bytes(data)
        self.known[hash_bytes(data)] = data

    @precondition(lambda self: self.known)
    @rule(at=st.integers(0, 1000))
    def remove(self, at: int) -> None:
        media = sorted(self.known)[at % len(self.known)]
        assert [store.remove(media) for store in self.stores] == [True] * 3
        del self.known[media]

    @precondition(lambda self: self.known)
    @rule(at=st.integers(0, 1000))
    def forget_the_copy(self, at: int) -> None:
        media = sorted(self.known)[at % len(self.known)]
        for store in self.stores[1:]:
            store.cache.drop(media)

    @rule(data=data)
    def look(self, data: bytes) -> None:
        media = hash_bytes(data)
        assert {store.exists(media) for store in self.stores} == {media in self.known}

    @invariant()
    def hold_the_same(self) -> None:
        for store in self.stores:
            assert {file.hash: file.size for file in store.files()} == {m: len(d) for m, d in self.known.items()}
            assert all(store.local(media).read_bytes() == data for media, data in self.known.items())


StoresAgree.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestStoresAgree = StoresAgree.TestCase


# ---- the cache -------------------------------------------------------------------------------------


def test_copies_are_bounded_and_the_least_recently_used_goes(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path / "cache", 3000, in_use=5)
    store = RemoteMediaStore(RemoteFolder(f"file://{tmp_path}/remote"), cache)
    media = [store.put(_file(tmp_path, bytes([i]) * 1000), ".bin") for i in range(3)]
    for age, one in zip((300, 200, 100), media, strict=True):
        path = cache.find(one)
        assert path is not None
        os.utime(path, (time.time() - age,) * 2)
    assert store.local(media[0]).exists()  # used now: the second is the oldest
    fourth = store.put(_file(tmp_path, b"4" * 1000), ".bin")
    kept = [one for one in [*media, fourth] if list((tmp_path / "cache" / one[:2]).glob(f"{one}*"))]
    assert kept == [media[0], media[2], fourth]
    assert cache.size() == 3000
    assert store.local(media[1]).read_bytes() == b"\1" * 1000, "what went is fetched again"
    assert cache.size() == 3000


def test_what_is_in_use_stays_beyond_the_limit_and_what_is_held_for_good(tmp_path: Path) -> None:
    remote = RemoteFolder(f"file://{tmp_path}/remote")
    store = RemoteMediaStore(remote, MediaCache(tmp_path / "cache", 1500, in_use=60))
    media = [store.put(_file(tmp_path, bytes([i]) * 1000), ".bin") for i in range(3)]
    assert store.cache.size() == 3000
    held = tmp_path / "held"
    held.mkdir()
    strict = RemoteMediaStore(remote, MediaCache(tmp_path / "cache", 0, in_use=0), hold=held)
    paths = [strict.local(one) for one in media]
    strict.put(_file(tmp_path, b"new"), ".bin")
    assert {path.parent for path in paths} == {held}
    assert [path.read_bytes() for path in paths] == [bytes([i]) * 1000 for i in range(3)]


def test_a_cache_without_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RemoteMediaStore(RemoteFolder(f"file://{tmp_path}/remote"), MediaCache(tmp_path / "cache", 10**6))
    media = store.put(_file(tmp_path, b"data"), ".bin")
    store.cache.drop(media)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CatalogError, match="No space left on device; is the disk full"):
        store.local(media)


# ---- faults ----------------------------------------------------------------------------------------


def test_a_damaged_object_is_noticed_and_named(s3: Bucket, tmp_path: Path) -> None:
    store = RemoteMediaStore(RemoteFolder(s3.url), MediaCache(tmp_path / "cache", 10**9))
    media = store.put(_file(tmp_path, b"as it was"), ".wav")
    store.cache.drop(media)
    s3.write(f"media/{media[:2]}/{media}.wav", b"as it wos")
    with pytest.raises(CatalogError, match=rf"{s3.url}/media/{media[:2]}/{media}\.wav is damaged") as caught:
        store.local(media)
    assert hash_bytes(b"as it wos")[:12] in str(caught.value)
    assert store.digest(media) == hash_bytes(b"as it wos")
    assert not list((tmp_path / "cache" / media[:2]).glob("*")), "a damaged copy is not kept"
    # One of another size is seen at once, and replaced by the next writer.
    s3.write(f"media/{media[:2]}/{media}.wav", b"torn")
    assert store.put(_file(tmp_path, b"as it was"), ".wav") == media
    assert s3.read(f"media/{media[:2]}/{media}.wav") == b"as it was"


@pytest.mark.parametrize("fault", ["500", "503", "hang up"])
def test_a_server_that_fails_for_a_while_is_waited_for(s3, tmp_path, monkeypatch, fault):
    with flaky(s3.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = RemoteMediaStore(RemoteFolder(s3.url, patience=20), MediaCache(tmp_path / "cache", 10**9))
        data = os.urandom(300_000)
        proxy.fail(fault, 2)
        media = store.put(_file(tmp_path, data), ".wav")
        store.cache.drop(media)
        proxy.fail(fault, 2)
        assert store.local(media).read_bytes() == data
        assert proxy.failed == 4
        assert s3.read(f"media/{media[:2]}/{media}.wav") == data


@pytest.mark.parametrize("fault", ["500", "hang up"])
def test_a_server_that_goes_on_failing_is_named_and_nothing_is_half_written(s3, tmp_path, monkeypatch, fault):
    with flaky(s3.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = RemoteMediaStore(RemoteFolder(s3.url, patience=1), MediaCache(tmp_path / "cache", 10**9))
        kept = store.put(_file(tmp_path, b"kept"), ".wav")
        store.cache.drop(kept)
        proxy.fail(fault, 10_000)
        path = _file(tmp_path, os.urandom(300_000))
        with pytest.raises(CatalogError, match=rf"at {s3.url}: .*did not answer as it should for 1 s"):
            store.put(path, ".wav")
        assert path.exists(), "what could not be stored is still there"
        with pytest.raises(CatalogError, match="did not answer as it should"):
            store.local(kept)
        assert not [found for found in (tmp_path / "cache").rglob("*") if found.is_file()]
        proxy.fail(fault, 0)
        assert [file.hash for file in store.files()] == [kept]
        assert store.local(kept).read_bytes() == b"kept"


def test_an_upload_that_stops_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = RemoteFolder(f"file://{tmp_path}/remote", patience=0)
    store = RemoteMediaStore(remote, MediaCache(tmp_path / "cache", 10**9))

    def half(source: str, target: str) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:5])
        raise BrokenPipeError(32, "the line is dead")

    whole, remote._fs.put_file = remote._fs.put_file, half
    with pytest.raises(CatalogError, match="the line is dead"):
        store.put(_file(tmp_path, b"1234567890"), ".bin")
    remote._fs.put_file = lambda source, target: Path(target).write_bytes(b"12345")  # says that all went well
    with pytest.raises(CatalogError, match="5 of 10 bytes arrived"):
        store.put(_file(tmp_path, b"1234567890"), ".bin")
    assert not [path for path in (tmp_path / "remote").rglob("*") if path.is_file()]
    remote._fs.put_file = whole
    assert store.digest(store.put(_file(tmp_path, b"1234567890"), ".bin")) == hash_bytes(b"1234567890")


# ---- URLs and secrets ------------------------------------------------------------------------------


def test_what_a_killed_upload_left_is_named_and_taken_away_a_day_later(tmp_path: Path) -> None:
    url = (tmp_path / "share").as_uri()
    sf.write(tmp_path / "sine.wav", np.sin(np.arange(4410) / 10), 44100)
    with Library(tmp_path / "library", media=url) as lib:
        lib.add(tmp_path / "sine.wav", kind="sample")
        if (child := os.fork()) == 0:
            remote = RemoteFolder(url)
            remote._fs.pipe_file = lambda place, data: (Path(place).write_bytes(data[:10]), os._exit(9))
            remote.write("media/ab/file.wav", bytes(100))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        (part,) = (tmp_path / "share/media/ab").glob(".*.part")
        assert lib.fsck(deep=True).clean, "somebody may be writing it"
        os.utime(part, (time.time() - 100_000,) * 2)
        (problem,) = lib.fsck().problems
        assert (problem.kind, problem.what) == ("leftover", f"media/ab/{part.name}")
        (fix,) = lib.repair().fixes
        assert fix.done
        assert not part.exists()
        assert [path.read_bytes() for path in (tmp_path / "library/lost+found").rglob(part.name)] == [bytes(10)]
        assert lib.fsck(deep=True).clean


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIAKEY:s3cr3t@bucket/x", "s3://AKIAs3cr3t@bucket/x", "sftp://me:s3cr3t@host/x",
        "https://host/x?X-Amz-Signature=s3cr3t", "s3://bucket/x#s3cr3t",
    ],
)  # fmt: skip
def test_a_url_with_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ParameterError, match="neither keys nor options") as caught:
        RemoteFolder(url)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "bucket/x", "/some/folder", "s3://", "://x", "simplecache::s3://bucket/x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ParameterError, match="a media URL is like"):
        clean_url(url)


def test_a_protocol_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def lacking(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", lacking)
    with pytest.raises(MissingDependency, match=r"pip install 'audiolab\[s3\]'"):
        RemoteFolder("s3://bucket/x")
    monkeypatch.undo()
    with pytest.raises(ParameterError, match="nonsense"):
        RemoteFolder("nonsense://bucket/x")


@pytest.mark.parametrize(
    "error",
    [
        lambda secret: OSError(f"http://user:{secret}@host:9000/b refused"),
        lambda secret: ValueError(f"GET https://host/b?X-Amz-Signature={secret}&x=1 failed"),
        lambda secret: PermissionError(f"the key {secret} is not known"),
    ],
)
def test_errors_do_not_repeat_secrets(error: Callable[[str], Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["AWS_SECRET_ACCESS_KEY"])
    remote = RemoteFolder("memory://secretive", patience=0)

    def raising(*_: Any, **__: Any) -> None:
        raise error(KEYS["AWS_SECRET_ACCESS_KEY"])

    monkeypatch.setattr(remote._fs, "cat_file", raising, raising=False)
    with pytest.raises(CatalogError) as caught:
        remote.read("x")
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)
    assert caught.value.__cause__ is None, "a traceback would show it"


def test_a_bucket_that_is_not_there(s3: Bucket, tmp_path: Path) -> None:
    store = RemoteMediaStore(RemoteFolder("s3://no-such-bucket/x", patience=1), MediaCache(tmp_path / "cache", 10**9))
    with pytest.raises(CatalogError, match="does the bucket exist"):
        store.put(_file(tmp_path, b"x"), ".wav")

"""moto's S3 server on loopback in a process of its own, with a bucket; it can be stopped and its answers spoiled.

In tests use the fixture `s3` (one bucket a test). AWS_* variables name it to this process and to its children.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it is also used by programs of their own
from free_ports import free_port

__all__ = ["KEYS", "Bucket", "s3", "s3_endpoint", "serve"]

KEYS = {
    "AWS_ACCESS_KEY_ID": "testing-key",
    "AWS_SECRET_ACCESS_KEY": "s3cr3t-testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_SECONDS = 60


@contextlib.contextmanager
def serve(host: str = "127.0.0.1", port: int | None = None) -> Iterator[str]:
    """Start a server and give its address; it forgets everything in the end."""
    port = port or free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + _SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
                break
            assert process.poll() is None, "moto's server does not start"
            assert time.monotonic() < until, "moto's server does not answer"
            time.sleep(0.1)
        yield f"http://{host}:{port}"
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class Bucket:
    """A bucket of a running server."""

    endpoint: str
    name: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}/studio"

    def client(self) -> Any:
        import boto3

        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1")

    def names(self, prefix: str = "studio/") -> list[str]:
        """Names below the URL."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [item["Key"].removeprefix("studio/") for page in pages for item in page.get("Contents", ())]

    def written(self, prefix: str) -> dict[str, Any]:
        """When the objects were written whose names begin so."""
        answer = self.client().list_objects_v2(Bucket=self.name, Prefix=f"studio/{prefix}")
        return {item["Key"]: item["LastModified"] for item in answer.get("Contents", ())}

    def read(self, key: str) -> bytes:
        data: bytes = self.client().get_object(Bucket=self.name, Key=f"studio/{key}")["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        self.client().put_object(Bucket=self.name, Key=f"studio/{key}", Body=data)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    pytest.importorskip("s3fs", reason="needs s3fs (pip install 'audiolab[s3]')")
    pytest.importorskip("moto.server", reason="needs moto's server (pip install 'audiolab[test]')")
    with serve() as endpoint:
        yield endpoint


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bucket:
    """A new bucket, named to fsspec by the environment."""
    from audiolab.config import get_settings

    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AUDIOLAB_MEDIA_CACHE", str(tmp_path / "cache"))
    get_settings.cache_clear()
    bucket = Bucket(s3_endpoint, f"b{secrets.token_hex(8)}")
    bucket.client().create_bucket(Bucket=bucket.name)
    return bucket

"""The main host of test_hosts.py: catalog on PostgreSQL, S3 server, scheduler and driver in one network namespace.

    python hosts_child.py FOLDER ADDRESS

Tells the test in lines of JSON how far it is, and ends with what it has found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "library"))
import numpy as np
import postgres
import s3_server

from audiolab.audio import Audio, write_audio
from audiolab.library import Library
from audiolab.runs import process
from audiolab.runs.cluster import connect

STAGES = ("faulty-song", "faulty-stem", "faulty-set")
RECIPE = {
    "name": "hosts",
    "steps": [{"stage": name, "params": {"fault": "slow"} if name == STAGES[0] else {}} for name in STAGES],
}


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def state(library: Library) -> Any:
    sounds = list(library.query(""))
    rows = sorted((s.id, s.kind, s.name, s.stem or "", s.media or "", s.frames, s.start or 0) for s in sounds)
    tags = sorted((s.id, t.label, t.source, t.confidence) for s in sounds for t in s.tags)
    return [rows, tags]


def workers_of(client: Any) -> dict[str, str]:
    """Addresses of workers by the names of their hosts."""
    known = client.scheduler_info(n_workers=-1)["workers"]
    return {str(worker["name"]).partition("-")[0]: address for address, worker in known.items()}


def hosts_of(client: Any) -> set[str]:
    return set(workers_of(client))


def watch(client: Any, seen: list[list[str]], over: threading.Event) -> None:
    """Note each change of which hosts have workers."""
    while not over.wait(0.2):
        now = sorted(hosts_of(client))
        if not seen or seen[-1] != now:
            seen.append(now)
            if now == ["left"]:
                tell(now="gone")


def wait_for(client: Any, hosts: set[str], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while hosts_of(client) != hosts:
        if time.monotonic() > until:
            raise TimeoutError(f"workers are on {hosts_of(client)}, not on {hosts}")
        time.sleep(0.2)


def run(folder: Path, name: str, database: str, media: str, client: Any, *, disturbed: bool) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    with Library(folder / "libraries" / name, database=database, media=media) as library:
        os.environ["AUDIOLAB_DATABASE"] = database
        from audiolab.config import get_settings

        get_settings.cache_clear()
        songs = []
        for index in range(4):
            audio = Audio(rng.uniform(-0.5, 0.5, (1, 9000)).astype(np.float32), 8000)
            songs.append(library.add(write_audio(folder / f"song {index}.wav", audio), "song"))
        began, before = time.monotonic(), workers_of(client)
        seen, over = list[list[str]](), threading.Event()
        threading.Thread(target=watch, args=(client, seen, over), daemon=True).start()
        started = process(songs, RECIPE, client=client)
        if disturbed:
            while not [row for row in library.job_rows(started.id) if row.progress and row.status == "running"]:
                time.sleep(0.1)
            tell(now="in the middle")
        report = started.wait(250)
        seconds = time.monotonic() - began
        left, clean = state(library), str(library.fsck(deep=True))
        if disturbed:
            wait_for(client, {"left", "right"})
            after = workers_of(client)
            again = process(songs[0], {"name": "again", "steps": [{"stage": STAGES[0]}]}, client=client).wait(60)
        over.set()
        return {
            "hosts": seen,
            "new": sorted(name for name in before if disturbed and before[name] != after[name]),
            "status": report.status,
            "jobs": len(report.done),
            "seconds": round(seconds, 1),
            "state": left,
            "clean": clean,
            "again": again.status if disturbed else "",
            "inside": [path.name for path in (folder / "libraries" / name / "media").rglob("*") if path.is_file()],
        }


def main(folder: Path, address: str) -> None:
    scheduler = f"tcp://{address}:8786"
    with postgres.server() as server, s3_server.serve(address, 9000) as endpoint:
        assert endpoint == os.environ["AWS_ENDPOINT_URL"]
        import boto3

        boto3.client("s3").create_bucket(Bucket="music")
        command = [sys.executable, "-m", "dask", "scheduler", "--host", address, "--port", "8786", "--no-dashboard"]
        process_ = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    client = connect(scheduler)
                    break
                except Exception:
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.5)
            tell(now="ready")
            wait_for(client, {"left", "right"})
            with postgres.database(server) as one, postgres.database(server) as two:
                calm = run(folder, "calm", one, "s3://music/calm", client, disturbed=False)
                tell(now="calm", **{key: value for key, value in calm.items() if key != "state"})
                other = run(folder, "disturbed", two, "s3://music/disturbed", client, disturbed=True)
            equal = calm.pop("state") == other.pop("state")
            tell(now="end", calm=calm, disturbed=other, equal=equal)
            client.close()
        finally:
            process_.terminate()
            process_.wait(20)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

"""The side of the kill tests that is killed: a warm process that forks one child for each trial.

It reads one JSON object a line: `op`, `folder`, `source`, and `at_event` (kill at that write or system call) or
`after` (kill after so many seconds). It answers one line: how the child ended, what it had acknowledged, how many
events and seconds there were. What is acknowledged goes straight to the kernel, so a kill cannot take it back.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from audiolab.library import Library, taking

BATCH = 3
"""Files in one transaction of an add: few, so that kills fall between and into several."""
Ack = Callable[[str], None]
WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "COMMIT", "BEGIN IMMEDIATE")


def singles(lib: Library) -> list[str]:
    """Ids of the sounds that belong to nothing, by name, with or without the trash."""
    found = {sound.id: sound for sound in [*lib.query("kind:sample"), *lib.trash] if sound.parent is None}
    return sorted((i for i, sound in found.items() if sound.kind == "sample"), key=lambda i: found[i].original_name)


def add(folder: Path, source: Path, ack: Ack) -> None:
    """Add a folder with files and a zip; each file is acknowledged by the progress."""
    with patch.multiple(taking, BATCH=BATCH, _BATCH_SECONDS=600.0), Library(folder, actor="tester") as lib:
        report = lib.add_report(source, progress=lambda done, total: ack(f"done {done:g}"))
        if report.failed:
            raise AssertionError(str(report))


def tag(folder: Path, source: Path, ack: Ack) -> None:
    """Tags in batches, and the other small edits of a day."""
    with Library(folder, actor="tester") as lib:
        ids = singles(lib)
        for number in range(6):
            lib.tag(ids[number : number + 4], f"word {number}")
            ack(f"tag {number}")
        lib.tag(ids, "kick")
        ack("label")
        lib.untag(ids[:3], "word 2")
        ack("untag")
        lib.rename(ids[0], "Neuer Name")
        ack("rename")
        lib.collection("kit").add(ids[:5])
        ack("collect")


def delete(folder: Path, source: Path, ack: Ack) -> None:
    """To the trash and back: a song with all that was made from it, and single sounds."""
    with Library(folder, actor="tester") as lib:
        song = next(sound for sound in [*lib.songs, *lib.trash] if sound.kind == "song")
        lib.delete(song)
        ack("delete song")
        lib.restore(song)
        ack("restore song")
        ids = singles(lib)
        for number, sound_id in enumerate(ids):
            lib.delete(sound_id)
            ack(f"delete {number}")
        for number in range(0, len(ids), 2):
            lib.restore(ids[number])
            ack(f"restore {number}")


def purge(folder: Path, source: Path, ack: Ack) -> None:
    """Empty the trash for good: a stem's family, and single sounds."""
    with Library(folder, actor="tester") as lib:
        lib.purge()
        ack("purge")


def undo(folder: Path, source: Path, ack: Ack) -> None:
    """Take back what was done to many sounds at once, and do it again."""
    with Library(folder, actor="tester") as lib:
        lib.set_fields(singles(lib), rating=4, note="gut")
        ack("fields")
        lib.undo()
        ack("undo")
        lib.redo()
        ack("redo")


def migrate(folder: Path, source: Path, ack: Ack) -> None:
    """Open a library of an older schema."""
    with Library(folder, actor="tester"):
        ack("open")


def backup(folder: Path, source: Path, ack: Ack) -> None:
    """Copy the library, in use, to a folder beside it."""
    with Library(folder, actor="tester") as lib:
        lib.backup(folder.with_name(f"{folder.name} backup"))
        ack("backup")


OPERATIONS: dict[str, Callable[[Path, Path, Ack], None]] = {
    "add": add,
    "tag": tag,
    "delete": delete,
    "purge": purge,
    "undo": undo,
    "migrate": migrate,
    "backup": backup,
    "backup again": backup,
}


class Events:
    """Counts what changes the disk, before and after each, and kills this process at one of them."""

    def __init__(self, at: int | None) -> None:
        self.count, self.at = 0, at

    def happen(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, module: Any, name: str) -> None:
        real = getattr(module, name)

        def hooked(*args: Any, **kwargs: Any) -> Any:
            self.happen()
            result = real(*args, **kwargs)
            self.happen()
            return result

        setattr(module, name, hooked)

    def listen(self) -> None:
        for name in ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir", "link"):
            self.around(os, name)
        connect = sqlite3.connect

        def connected(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection = connect(*args, **kwargs)
            connection.set_trace_callback(lambda sql: self.happen() if sql.lstrip().startswith(WRITES) else None)
            return connection

        sqlite3.connect = connected  # type: ignore[assignment]


def trial(order: dict[str, Any], log: Path) -> dict[str, Any]:
    """Fork, let the child do one operation, kill it where the order says."""
    log.unlink(missing_ok=True)
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        play(order, log)
    if order.get("after") is not None:
        time.sleep(order["after"])
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    events = next((int(line.split()[1]) for line in lines if line.startswith("EVENTS ")), None)
    return {
        "killed": os.WIFSIGNALED(status),
        "code": None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status),
        "acknowledged": [line.removeprefix("ack ") for line in lines if line.startswith("ack ")],
        "error": "\n".join(line for line in lines if line.startswith("|")),
        "events": events,
        "seconds": time.perf_counter() - started,
    }


def play(order: dict[str, Any], log: Path) -> None:
    """The child's whole life."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    code = 0
    try:
        events = Events(order.get("at_event"))
        events.listen()
        OPERATIONS[order["op"]](
            Path(order["folder"]), Path(order["source"]), lambda line: os.write(file, f"ack {line}\n".encode()) and None
        )
        os.write(file, f"EVENTS {events.count}\n".encode())
    except BaseException:
        code = 3
        os.write(file, "".join(f"|{line}\n" for line in traceback.format_exc().splitlines()).encode())
    finally:
        os._exit(code)


def main() -> None:
    """Import everything once, then serve trials until the input ends."""
    home = Path(tempfile.mkdtemp(prefix="audiolab-kills-"))
    try:
        with Library(home / "warm", actor="tester") as lib:
            lib.add_report(Path(sys.argv[1]))
        for line in sys.stdin:
            sys.stdout.write(json.dumps(trial(json.loads(line), home / "log")) + "\n")
            sys.stdout.flush()
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()

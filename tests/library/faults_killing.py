"""The side of the kill tests that looks at what a kill left: libraries to begin with, states to compare, trials."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults_child import BATCH, OPERATIONS, singles
from library_making import keep, separation, slicing, wav
from sqlalchemy import select

from audiolab.library import Library
from audiolab.library.cards import stale
from audiolab.library.loading import load_backup
from audiolab.library.models import Base, Utc

__all__ = ["ALLOWED", "Killing", "State", "state_of", "trial_points"]

FILES = 8
State = dict[str, Any]
ALLOWED = {"add": {"orphaned"}}
"""What fsck may name after a kill: media files whose rows did not come; adding again takes them up."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+]+")
_REBUILT = {"meta", "card", "card_word", "card_text", "run", "job"}


def state_of(lib: Library, *, times: bool = False) -> State:
    """Everything that a person would miss: all rows but for what is derived or says when."""
    found: State = {}
    with lib.store.transaction(write=False) as session:
        for table in Base.metadata.sorted_tables:
            if table.name in _REBUILT:
                continue
            columns = [column for column in table.columns if column.name not in {"group", "undoes"}]
            rows = []
            for row in session.execute(select(*columns)):
                values = {
                    column.name: value is not None if isinstance(column.type, Utc) and not times else value
                    for column, value in zip(columns, row, strict=True)
                }
                if table.name == "ops":
                    values.pop("id")
                text = repr(sorted(values.items()))
                rows.append(text if times else _MOMENT.sub("MOMENT", text))
            found[table.name] = rows if table.name == "ops" else sorted(rows)
    return found


def difference(one: State, other: State) -> str:
    """The first rows that only one of two states has, for the message of a failed test."""
    lines = []
    for table in one:
        for sign, rows in (
            ("-", Counter(one[table]) - Counter(other[table])),
            ("+", Counter(other[table]) - Counter(one[table])),
        ):
            lines += [f"{sign} {table} {row[:400]}" for row in list(rows)[:3]]
    return "\n".join(lines)


def without_history(state: State) -> State:
    """The state without `ops`: doing a thing again adds to the history."""
    return {table: rows for table, rows in state.items() if table != "ops"}


def trial_points(seed: str, count: int, events: int, seconds: float) -> Iterator[dict[str, float | int]]:
    """Where to kill: by turns at a write or system call, and at a moment, spread over the undisturbed run."""
    chance = random.Random(seed)
    half = (count + 1) // 2
    for number in range(count):
        # One point in each part of the run, at random within the part.
        place = (number // 2 + chance.random()) / half
        if number % 2 == 0:
            yield {"at_event": 1 + int(place * events)}
        else:
            yield {"after": place * seconds}


@dataclass
class Outcome:
    """What all trials of one operation showed."""

    trials: int = 0
    killed: int = 0
    steps: Counter[int] = field(default_factory=Counter)
    """How many steps had been acknowledged when the kill came."""
    clean: int = 0
    named: Counter[str] = field(default_factory=Counter)
    """What fsck named."""


class Killing:
    """Trials of one operation.

    Parameters
    ----------
    op : str
        Its name in `faults_child.OPERATIONS`.
    root : Path
        A folder for it alone.
    """

    def __init__(self, op: str, root: Path) -> None:
        self.op, self.root = op, root
        self.source = _source(root / "in")
        self.base = _base(op, root / "base", root)
        self.earlier: State | None = None
        """What the backup that is there already holds."""
        if op == "backup again":
            self.earlier = _backed_up(root / "base")
        self.states, self.end = self._undisturbed()
        self.outcome = Outcome()

    @contextmanager
    def child(self) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
        """Start the warm process; gives a function that has one trial done."""
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("faults_child.py"), self.source],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(order: dict[str, Any]) -> dict[str, Any]:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        try:
            yield ask
        finally:
            process.stdin.close()
            process.wait(30)
            process.stdout.close()

    def run(self, count: int, *, seed: int = 0, progress: Callable[[int], None] | None = None) -> Outcome:
        """Kill it at `count` points and check what each leaves."""
        with self.child() as ask:
            measured = [self._trial(ask, {}) for _ in range(3)]
            assert not any(answer["killed"] for answer in measured)
            seconds = sorted(answer["seconds"] for answer in measured)[1]
            events = measured[0]["events"]
            for number, point in enumerate(trial_points(f"{self.op} {seed}", count, events, seconds)):
                answer = self._trial(ask, point)
                while not answer["killed"] and "after" in point:  # it was faster than when it was measured
                    point["after"] *= 0.8
                    answer = self._trial(ask, point)
                self.outcome.trials += 1
                self.outcome.killed += answer["killed"]
                if progress is not None:
                    progress(number + 1)
        return self.outcome

    def _trial(self, ask: Callable[[dict[str, Any]], dict[str, Any]], point: dict[str, Any]) -> dict[str, Any]:
        folder = self.root / "trial"
        for old in (folder, _target(folder)):
            shutil.rmtree(old, ignore_errors=True)
        if self.base is not None:
            shutil.copytree(self.base, folder)
        if self.earlier is not None:
            shutil.copytree(_target(self.root / "base"), _target(folder))
        answer = ask({"op": self.op, "folder": str(folder), "source": str(self.source), **point})
        assert answer["killed"] or answer["code"] == 0, f"{point}: {answer['error']}"
        try:
            self._check(folder, answer)
        except Exception as error:
            error.add_note(f"{self.op} killed at {point}; acknowledged: {answer['acknowledged']}")
            raise
        return answer

    def _check(self, folder: Path, answer: dict[str, Any]) -> None:
        acknowledged = len(answer["acknowledged"])
        if self.op == "migrate":
            _check_file(folder / "library.db")
        with Library(folder, actor="tester") as lib:
            assert lib.warnings == []
            with lib.store.transaction(write=False) as session:
                assert stale(session) == []  # what queries look through fits what is there
            state = state_of(lib, times=self.op == "migrate")
            close = self.states[acknowledged : acknowledged + 2]
            assert state in close, difference(close[0], state)
            report = lib.fsck(deep=True)
            named = [problem.kind for problem in report.problems]
            assert set(named) <= ALLOWED.get(self.op, set()), str(report)
            assert len(named) <= BATCH or self.op != "add", str(report)
            assert list(lib.tmp_dir.iterdir()) == []
            assert list(folder.glob("backups/.*")) == []
        if answer["killed"]:
            self.outcome.steps[acknowledged] += 1
            self.outcome.named.update(named)
            self.outcome.clean += not named
        if self.op.startswith("backup"):
            self._check_backup(folder, bool(acknowledged))
        self._again(folder)

    def _again(self, folder: Path) -> None:
        """Doing it again completes it."""
        OPERATIONS[self.op](folder, self.source, lambda line: None)
        with Library(folder, actor="tester") as lib:
            report = lib.fsck(deep=True)
            assert report.clean, str(report)
            state = without_history(state_of(lib))
            assert state == self.end, difference(self.end, state)
        if self.op.startswith("backup"):
            self._check_backup(folder, True)

    def _check_backup(self, folder: Path, done: bool) -> None:
        """A backup is whole or is none; an earlier one stays until the new one takes its place."""
        if not (_target(folder) / "library.db").exists():
            assert not done
            assert self.earlier is None
            return
        loaded = folder.with_name("loaded")
        try:
            assert load_backup(_target(folder), loaded).fsck.clean
            with Library(loaded, actor="tester") as lib:
                assert lib.warnings == []
                report = lib.fsck(deep=True)
                assert report.clean, str(report)
                found = state_of(lib)
            close = [self.states[0]] if done or self.earlier is None else [self.earlier, self.states[0]]
            assert found in close, difference(close[0], found)
        finally:
            shutil.rmtree(loaded, ignore_errors=True)

    def _undisturbed(self) -> tuple[list[State], State]:
        """The states after each acknowledged step of a run that nobody disturbs."""
        folder = self.root / "undisturbed"
        times = self.op == "migrate"
        states: list[State] = []
        if self.base is not None:
            shutil.copytree(self.base, folder)
        if self.op != "migrate":
            with Library(folder, actor="tester") as lib:
                states.append(state_of(lib, times=times))

        def acknowledged(line: str) -> None:
            with Library(folder, actor="tester") as lib:
                states.append(state_of(lib, times=times))

        OPERATIONS[self.op](folder, self.source, acknowledged)
        with Library(folder, actor="tester") as lib:
            assert lib.fsck(deep=True).clean
            end = without_history(state_of(lib))
        if self.op == "migrate":
            states = [states[0], states[0]]  # whoever opens it, upgrades it
        return states, end


def _source(folder: Path) -> Path:
    for seed in range(FILES):
        wav(folder / f"{seed:02} ключ.wav", seed, 0.1)
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        for seed in range(FILES, FILES + 3):
            archive.write(wav(folder.parent / "packed.wav", seed, 0.1), f"deep/{seed}.wav")
    return folder


def _base(op: str, folder: Path, root: Path) -> Path | None:
    if op == "add":
        return None
    if op == "migrate":
        with zipfile.ZipFile(Path(__file__).parent / "schemas" / "0001.zip") as archive:
            archive.extractall(folder)
        return folder
    with Library(folder, actor="tester") as lib:
        song = lib.add(wav(root / "song.wav", 99, 1.0), kind="song")
        keep(lib, separation(lib, song))
        keep(lib, slicing(song.stems["drums"], [(0, 800), (1000, 1800), (2000, 2800), (4000, 4400)]))
        for seed in range(100, 100 + FILES):
            lib.add(wav(root / "singles" / f"{seed}.wav", seed, 0.1))
        if op == "purge":
            lib.delete(singles(lib)[::2])
            lib.delete([song.stems["drums"], song.stems["bass"]])
    return folder


def _target(folder: Path) -> Path:
    return folder.with_name(f"{folder.name} backup")


def _check_file(database: Path) -> None:
    """Before anyone opens the library anew: the file is whole, and of one schema or the other; so are copies of it."""
    for copied in database.parent.glob("backups/library*.db"):
        with sqlite3.connect(copied) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        connection.close()
    copy = database.with_name("copy")
    copy.mkdir()
    try:
        for path in database.parent.glob("library.db*"):
            if path.is_file():
                shutil.copy(path, copy)
        with sqlite3.connect(copy / database.name) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT count(*) FROM alembic_version").fetchall() == [(1,)]
        connection.close()
    finally:
        shutil.rmtree(copy)


def _backed_up(folder: Path) -> State:
    """Back a library up, change it, and give what the backup holds."""
    with Library(folder, actor="tester") as lib:
        state = state_of(lib)
        lib.backup(_target(folder))
        lib.tag(singles(lib), "later")
        lib.add(wav(folder.with_name("later.wav"), 999, 0.1))
        song = lib.songs[0]
        keep(lib, slicing(song.stems["bass"], [(0, 700)], 2, at=9))
    return state

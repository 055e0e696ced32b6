"""The library's figures: adding, opening, queries, bytes, checking and rebuilding, on SQLite and PostgreSQL.

    python benchmarks/campaign_library.py                        10,000 and 100,000 sounds, 10,000 files, SQLite
    python benchmarks/campaign_library.py --postgres             and a PostgreSQL server of its own beside it
    python benchmarks/campaign_library.py --database URL         or one of yours (it must let databases be made)
    python benchmarks/campaign_library.py --sounds 2000 --files 200 --rounds 1 --times 3        a quick look

Everything is made by the script in a temporary folder (`--folder` chooses where: the disk counts). `--json FILE` keeps
all numbers. Queries are asked `--times` times each in a warm process. look: asked, counted, and the first 50 sounds
read as a table shows them; ids: asked, and the ids of all read.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from library_synthetic import RATE, Maker, fill

from audiolab.library import Library, Record
from audiolab.library.cards import rebuild
from audiolab.library.ids import hash_text, view_id
from audiolab.library.media import hash_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "library"))

QUERIES = {
    "everything": "",
    "kind": "kind:sample",
    "label": "label:kick",
    "tag, common": "tag:dusty",
    "tag, rare": "tag:{rare}",
    "^tag": "^tag:dusty",
    "text, one word": "{word}",
    "text, rare word": "{rare_word}",
    "text, beginning of a word": "{prefix}",
    "text, phrase": '"big room"',
    "text, no match": "zzyzx",
    "name": "name:{word}",
    "song": "song:{word}",
    "stem": "stem:drums",
    "artist": "artist:{word}",
    "genre": "genre:house",
    "year": "year:1990..1999",
    "note": "note:{word}",
    "lyrics": "lyrics:{word}",
    "sung word": "word:{word}",
    "bpm": "bpm:120..124",
    "key": "key:Am",
    "key, compatible": "key:~Am",
    "duration": "duration:..0.5",
    "root": "root:A2",
    "shape": "shape:loop",
    "brightness": "brightness:6000..",
    "attack": "attack:..2ms",
    "added": "added:2023-02",
    "collection": "collection:kit",
    "saved search": 'collection:"sure kicks"',
    "source": "source:human",
    "confidence": "confidence:0.95..",
    "rating": "rating:4..",
    "favourite": "favourite:yes",
    "has": "has:lyrics",
    "^has": "^has:label",
    "or": "label:kick , tag:reject",
    "compound of 4": "kind:sample label:kick,snare bpm:100..140 ^tag:dusty",
    "compound with text": "kind:sample {word} ^tag:reject brightness:3000..",
    "sort and limit": "label:kick sort:-bpm limit:20",
    "sort everything": "sort:-duration limit:50",
}


def median_of(what: Callable[[], Any], times: int) -> dict[str, float]:
    """Do it once to warm up, then measure; give median and worst in seconds."""
    what()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        what()
        seconds.append(time.perf_counter() - started)
    return {"median": statistics.median(seconds), "worst": max(seconds)}


# ---- adding ---------------------------------------------------------------------------------------


def write_files(folder: Path, count: int) -> int:
    """Write short files (0.3 s, 16 bit, mono), and give their bytes."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(count):
        sf.write(folder / f"{number:06}.wav", chance.integers(-9000, 9000, RATE * 3 // 10).astype("i2"), RATE)
    return sum(path.stat().st_size for path in folder.iterdir())


def read_plainly(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        path.read_bytes()


def read_and_hash(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        hash_file(path)


def adding(root: Path, files: int, rounds: int) -> dict[str, Any]:
    """Add files to a new library beside reading and hashing them, by turns; then check the last library."""
    source, seconds = root / "in", {"read": [], "hash": [], "add": [], "add again": []}
    size = write_files(source, files)
    clear: Callable[[], None] = lambda: shutil.rmtree(root / "added", ignore_errors=True)  # noqa: E731
    for _ in range(rounds):
        for what, do in (("read", read_plainly), ("hash", read_and_hash)):
            started = time.perf_counter()
            do(source)
            seconds[what].append(time.perf_counter() - started)
        clear()
        with Library(root / "added") as lib:
            for what in ("add", "add again"):
                started = time.perf_counter()
                lib.add(source)
                seconds[what].append(time.perf_counter() - started)
    with Library(root / "added") as lib:
        shallow, deep = lib.fsck(), lib.fsck(deep=True)
        assert shallow.clean, str(shallow)
        assert len(lib) == files
    clear()
    shutil.rmtree(source)
    rates = {f"{what}, files/s": files / statistics.median(found) for what, found in seconds.items()}
    return {
        "files": files, "megabytes": size / 1e6, "rounds": rounds, **rates,
        "fsck, sounds/s": files / shallow.seconds, "fsck --deep, MB/s": size / 1e6 / deep.seconds,
    }  # fmt: skip


# ---- a synthetic library ----------------------------------------------------------------------------


def words() -> dict[str, str]:
    """Choose the words to ask for, common and rare ones; the same at every size."""
    maker = Maker()
    common, rare = maker.words[0], maker.words[-1]
    return {"word": common, "rare_word": rare, "prefix": common[:3], "rare": maker.free[-1]}


def names_of_first(lib: Library, query: str) -> int:
    found = lib.query(query)
    count = len(found)
    assert all(row["id"] for row in islice(found.to_dicts(), 50))
    return count


def queries(lib: Library, times: int) -> dict[str, Any]:
    """Ask one query of each kind."""
    rows, asked = {}, words()
    for what, pattern in QUERIES.items():
        query = pattern.format(**asked)
        rows[what] = {
            "query": query, "found": len(lib.query(query)),
            "look": median_of(lambda query=query: names_of_first(lib, query), times),
            "ids": median_of(lambda query=query: lib.query(query).ids, times),
        }  # fmt: skip
    return rows


OPEN = """
import sys, time
started = time.perf_counter()
from audiolab.library import Library
imported = time.perf_counter()
lib = Library(sys.argv[1], database=sys.argv[2] or None)
opened = time.perf_counter()
len(lib.query("label:kick"))
print(opened - imported, time.perf_counter() - started)
"""


def opening(folder: Path, database: str | None, times: int = 5) -> dict[str, float]:
    """Open it in fresh processes; give the median of opening, and of all from import to a first query."""
    found = []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", OPEN, folder, database or ""], capture_output=True, text=True, check=True
        )
        found.append([float(value) for value in done.stdout.split()])
    opened, ready = zip(*found, strict=True)
    return {"open": statistics.median(opened), "import, open, first query": statistics.median(ready)}


def sizes(folder: Path, lib: Library) -> dict[str, float]:
    """Give the bytes of the catalog, by table with its indexes where the database can tell."""
    if lib.store.path is None:
        return {name: float(size) for name, size in lib.store.sizes().items()}
    found = {"library.db": float((folder / "library.db").stat().st_size)}
    connection = sqlite3.connect(folder / "library.db")
    with contextlib.suppress(sqlite3.OperationalError):  # this SQLite has no dbstat
        owner = dict(connection.execute("SELECT name, tbl_name FROM sqlite_master"))
        for name, size in connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"):
            table = owner.get(name, name)
            table = "card_text" if table.startswith("card_text") else table
            found[table] = found.get(table, 0.0) + size
    connection.close()
    return found


def synthetic(root: Path, count: int, times: int, database: str | None) -> dict[str, Any]:
    """Make a library of `count` sounds and measure it."""
    folder = root / f"lib{count}"
    started = time.perf_counter()
    with Library(folder, database=database) as lib:
        fill(lib, count)
    built = time.perf_counter() - started
    with Library(folder, database=database) as lib:
        table = queries(lib, times)
        started = time.perf_counter()
        with lib.store.transaction() as session:
            cards = rebuild(session)
        rebuilt = time.perf_counter() - started
        one = lib.query("label:kick")[0]
        tagging = median_of(lambda: (one.tag("measured"), one.untag("measured")), times)
        bytes_ = sizes(folder, lib)
    result = {
        "sounds": count, "database": "PostgreSQL" if database else "SQLite", "built in": built,
        "opening": opening(folder, database), "queries": table, "cards rebuilt, sounds/s": cards / rebuilt,
        "tag and untag": tagging, "bytes": bytes_,
        "bytes a sound": (bytes_["library.db"] if database is None else sum(bytes_.values())) / count,
    }  # fmt: skip
    shutil.rmtree(folder)
    return result


# ---- rows rebuilt from records ------------------------------------------------------------------------


def rebuilding(root: Path, sets: int, cuts: int = 100) -> dict[str, float]:
    """Leave the records of `sets` sliced, tagged songs and let a library that has only the songs fold them."""
    labels = ["kick", "snare", "closed_hat", "tom", "clap"]
    with Library(root / "records") as lib:
        for number in range(sets):
            samples = np.random.default_rng(number).integers(-9000, 9000, cuts * 1000).astype("i2")
            sf.write(root / "song.wav", samples, 8000)
            song = lib.add(root / "song.wav", kind="song")
            ids = [view_id(song.id, at * 1000, at * 1000 + 900) for at in range(cuts)]
            spans = [{"id": i, "start": n * 1000, "stop": n * 1000 + 900, "facts": {}} for n, i in enumerate(ids)]
            tags = [{"sound_id": i, "label": labels[n % 5], "confidence": 0.8} for n, i in enumerate(ids)]
            key = hash_text("slice", number)
            for record in (
                Record(key=hash_text("a", number), stage="analyze", version=1, sound_id=song.id, facts={"bpm": 120.0}),
                Record(key=key, stage="slice", version=1, sound_id=song.id, cuts=spans),
                Record(key=hash_text("c", number), stage="classify", version=1, sound_id=song.id,
                       set_id=hash_text("set", key), tags=tags),
            ):  # fmt: skip
                record.write(lib.record_path(record.key))
    started = time.perf_counter()
    with Library(root / "records") as lib:
        seconds = time.perf_counter() - started
        assert lib.warnings == []
        assert len(lib.query("kind:sample label:kick")) == sets * cuts // 5
        report = lib.fsck()
        assert report.clean, str(report)
    shutil.rmtree(root / "records")
    return {
        "records": 3 * sets, "samples": sets * cuts, "records/s": 3 * sets / seconds,
        "samples with tags/s": sets * cuts / seconds, "fsck, sounds/s": report.sounds / report.seconds,
    }  # fmt: skip


# ---- tables ---------------------------------------------------------------------------------------------


def ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}" if seconds < 0.1 else f"{1000 * seconds:.0f}"


def show_plain(title: str, values: dict[str, float]) -> None:
    print(f"\n### {title}\n\n| what | value |\n|---|---|")
    for what, value in values.items():
        print(
            f"| {what} | {value:,.1f} |" if isinstance(value, float) and value < 100 else f"| {what} | {value:,.0f} |"
        )


def show_synthetic(results: list[dict[str, Any]]) -> None:
    """Print one table of queries and one of the rest, the sizes side by side."""
    name = results[0]["database"]
    heads = [f"{result['sounds']:,}" for result in results]
    print(f"\n### {name}: one query of each kind, ms (median / worst)\n")
    columns = [f"{head}: found | look | ids" for head in heads]
    print(f"| kind | query | {' | '.join(columns)} |{' growth |' * (len(results) > 1)}")
    print("|---" * (2 + 3 * len(results) + (len(results) > 1)) + "|")
    for kind in QUERIES:
        cells = []
        for result in results:
            row = result["queries"][kind]
            cells.append(f"{row['found']:,}")
            cells += [f"{ms(row[how]['median'])} / {ms(row[how]['worst'])}" for how in ("look", "ids")]
        if len(results) > 1:
            first, last = (result["queries"][kind]["look"]["median"] for result in (results[0], results[-1]))
            cells.append(f"{last / first:.1f}")
        query = results[-1]["queries"][kind]["query"].replace("|", "\\|") or " "
        print(f"| {kind} | `{query}` | {' | '.join(cells)} |")
    worst = max((row["look"]["median"], kind) for kind, row in results[-1]["queries"].items())
    print(f"\nSlowest median at {heads[-1]}: {ms(worst[0])} ms ({worst[1]}).")
    print(f"\n### {name}: the rest\n\n| what | {' | '.join(heads)} |{' growth |' * (len(results) > 1)}")
    print("|---" * (1 + len(results) + (len(results) > 1)) + "|")
    line(results, "opening in a fresh process, ms", lambda result: 1000 * result["opening"]["open"])
    line(results, "with import and a first query, ms", lambda r: 1000 * r["opening"]["import, open, first query"])
    line(results, "tag and untag one sound, ms", lambda result: 1000 * result["tag and untag"]["median"])
    line(results, "cards rebuilt, sounds/s", lambda result: result["cards rebuilt, sounds/s"])
    line(results, "bytes a sound", lambda result: result["bytes a sound"])
    for table in sorted(results[-1]["bytes"], key=lambda table: -results[-1]["bytes"][table]):
        if table != "library.db" and results[-1]["bytes"][table] > 0.005 * sum(results[-1]["bytes"].values()):
            line(results, f"- {table}", lambda result, table=table: result["bytes"].get(table, 0) / result["sounds"])


def line(results: list[dict[str, Any]], what: str, value: Callable[[dict[str, Any]], float]) -> None:
    values = [value(result) for result in results]
    growth = f" {values[-1] / values[0]:.2f} |" if len(values) > 1 and values[0] else ""
    print(f"| {what} | {' | '.join(f'{each:,.0f}' if each >= 100 else f'{each:.1f}' for each in values)} |{growth}")


@contextlib.contextmanager
def server_of(arguments: argparse.Namespace) -> Iterator[str | None]:
    if arguments.postgres:
        from postgres import server

        with server(careful=True) as url:
            yield url
    else:
        yield arguments.database


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=int, nargs="+", default=[10_000, 100_000], help="sizes, multiples of 100")
    parser.add_argument("--files", type=int, default=10_000, help="files to add; 0: leave that out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--sets", type=int, default=100, help="songs of 100 samples to rebuild from records")
    parser.add_argument("--postgres", action="store_true", help="start a PostgreSQL server")
    parser.add_argument("--database", help="URL of a PostgreSQL server")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {}

    def keep() -> None:
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))

    with tempfile.TemporaryDirectory(dir=arguments.folder) as name, server_of(arguments) as url:
        root = Path(name)
        if arguments.files:
            results["adding"] = adding(root, arguments.files, arguments.rounds)
            show_plain(f"Adding {arguments.files:,} files of 0.3 s, medians of {arguments.rounds}", results["adding"])
            keep()
        if arguments.sets:
            results["rebuilding"] = rebuilding(root, arguments.sets)
            show_plain("Rows rebuilt from records", results["rebuilding"])
            keep()
        results["SQLite"] = [synthetic(root, count, arguments.times, None) for count in arguments.sounds]
        show_synthetic(results["SQLite"])
        keep()
        if url is not None:
            from postgres import database

            results["PostgreSQL"] = []
            for count in arguments.sounds:
                with database(url) as own:
                    results["PostgreSQL"].append(synthetic(root, count, arguments.times, own))
            show_synthetic(results["PostgreSQL"])
            keep()


if __name__ == "__main__":
    main()

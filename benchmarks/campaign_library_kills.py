"""kill -9 at many random points of add, tag, delete, migrate and backup. `--points N --seed S --only OP --json FILE`.

Every trial must hold what `tests/library/faults_killing.py` asserts; the first that does not stops the campaign and
says where it was killed. The table counts what was seen.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "library"))


def main() -> None:
    from faults_child import OPERATIONS
    from faults_killing import Killing

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(OPERATIONS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print(
        "| operation | kills | acknowledged steps before the kill | fsck clean | fsck named | records lost | seconds |"
    )
    print("|---|---|---|---|---|---|---|")
    for op in OPERATIONS:
        if arguments.only not in {None, op}:
            continue
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as name:
            outcome = Killing(op, Path(name)).run(arguments.points, seed=arguments.seed)
        steps = sorted(outcome.steps.elements())
        row = {
            "operation": op,
            "kills": outcome.killed,
            "steps": [steps[0], steps[len(steps) // 2], steps[-1]],
            "clean": outcome.clean,
            "named": dict(outcome.named),
            "lost": 0,  # a lost record would have ended the campaign
            "seconds": time.perf_counter() - started,
        }
        rows.append(row)
        named = ", ".join(f"{kind} {count}" for kind, count in sorted(outcome.named.items())) or "nothing"
        low, middle, high = row["steps"]
        print(
            f"| {op} | {row['kills']} | {low} to {high}, median {middle} | {row['clean']} | {named} | 0 "
            f"| {row['seconds']:.0f} |",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

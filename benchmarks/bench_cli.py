"""How long people wait before anything happens: `import audiolab`, `audiolab --help`, `audiolab doctor`.

    python benchmarks/bench_cli.py [--json FILE]

Medians of 5 in fresh processes. Prints a table with the machine it ran on.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

CASES = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import audiolab": [sys.executable, "-c", "import audiolab"],
    "import audiolab; Library": [sys.executable, "-c", "import audiolab; audiolab.Library"],
    "audiolab --help": [sys.executable, "-m", "audiolab.cli", "--help"],
    "audiolab doctor": [sys.executable, "-m", "audiolab.cli", "doctor"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(5):  # alternating, so that a busy moment hits all alike
        for name, command in CASES.items():
            started = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, medians of 5")
    for name, median in medians.items():
        print(f"  {name:28} {median:6.3f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(medians, indent=1))


if __name__ == "__main__":
    main()

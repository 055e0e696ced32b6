"""The process that is killed in the middle of a retag: the one of the library's kill tests, with one operation more."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "library"))
import faults_child

from audiolab.library import Library
from audiolab.runs import retag


def retagged(folder: Path, source: Path, ack: Callable[[str], None]) -> None:
    """Retag with the model whose id is the file's stem."""
    with Library(folder, actor="tester") as library:
        done = retag(library, dry_run=False, model=source.stem)
        ack(f"retagged {len(done.changes)}")


if __name__ == "__main__":
    faults_child.OPERATIONS["retag"] = retagged
    faults_child.main()

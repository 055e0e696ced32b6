"""Re-make the tables of this experiment: train five models, judge unheard sources, write results.md.

    python experiments/first_classifier/run.py [--data DIR] [--ship]

The model goes to experiments/runs/first_classifier/model; with --ship to where the package keeps its own.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from audiolab.stages.classification.encoder import MODEL_FOLDER
from audiolab.training.__main__ import main as train
from audiolab.training.card import score_tables

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def main() -> int:
    shared = Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=shared / "data" / "oneshots")
    parser.add_argument("--config", default="default")
    parser.add_argument("--ship", action="store_true")
    options = parser.parse_args()
    runs = ROOT / "experiments" / "runs" / "first_classifier"
    folder = MODEL_FOLDER if options.ship else runs / "model"
    command = ["--data", str(options.data), "--config", options.config, "--work", str(runs), "--to", str(folder)]
    if status := train(command):
        return status
    scores = json.loads((folder / "scores.json").read_text())
    (HERE / "results.md").write_text("\n".join(["# Results", "", *score_tables(scores)]) + "\n")
    print(f"tables: {HERE / 'results.md'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

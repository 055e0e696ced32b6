"""Re-make the tables of this experiment: train five models, judge unheard sources, write results.md.

    python experiments/first_classifier/run.py [--data DIR] [--ship] [--mlflow]

The model goes to experiments/runs/first_classifier/model; with --ship to where the package keeps its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from audiolab.errors import AudiolabError
from audiolab.stages.classification.encoder import MODEL_FOLDER
from audiolab.training.bench import train
from audiolab.training.card import score_tables
from audiolab.training.settings import load_config

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def main() -> int:
    shared = Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=shared / "data" / "oneshots")
    parser.add_argument("--config", default="default")
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--mlflow", action="store_true", help="log to mlruns/")
    options = parser.parse_args()
    runs = ROOT / "experiments" / "runs" / "first_classifier"
    folder = MODEL_FOLDER if options.ship else runs / "model"
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("audiolab.training").setLevel(logging.INFO)
    try:
        train(options.data, load_config(options.config), work=runs, to=folder, resume=True, track=options.mlflow)
    except AudiolabError as error:
        print(f"first_classifier: {error}", file=sys.stderr)
        return 1
    scores = json.loads((folder / "scores.json").read_text())
    (HERE / "results.md").write_text("\n".join(["# Results", "", *score_tables(scores)]) + "\n")
    print(f"tables: {HERE / 'results.md'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

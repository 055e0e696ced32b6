"""`python -m audiolab.training --data DIR`: train, cross-validate, calibrate, export, and write the card."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import sys
from pathlib import Path

from audiolab.errors import AudiolabError
from audiolab.stages.classification.encoder import MODEL_FOLDER
from audiolab.training.settings import ClassifierConfig, load_config


def main(arguments: list[str] | None = None) -> int:
    """Run the training from the command line."""
    parser = argparse.ArgumentParser(prog="python -m audiolab.training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv, or the manifest")
    parser.add_argument("--config", default="default", help="name in configs/classifier/, or a YAML file")
    parser.add_argument("--work", type=Path, default=Path("experiments/runs/classifier"), help="intermediate results")
    parser.add_argument("--to", type=Path, default=MODEL_FOLDER, help="folder for encoder.onnx, head.npz, card, scores")
    parser.add_argument("--mlflow", metavar="URI", help="log to MLflow, such as sqlite:///mlruns/mlflow.db")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--loops", type=int, default=600, help="loops to fit the drum head on; 0 keeps the training's")
    parser.add_argument("--train-only", action="store_true", help="stop before calibration and export")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("audiolab.training").setLevel(logging.INFO)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    import torch

    from audiolab.training.running import Run, cross_validate, prepare_data, train_final

    torch.set_num_threads(options.threads)
    try:
        config = load_config(options.config)
        run = Run(config, options.work, _key(config, options.data), options.mlflow)
        data = prepare_data(options.data, config, options.work)
        crossed = cross_validate(run, data)
        final = train_final(run, data)
        if not options.train_only:
            from audiolab.training.drum_head import refit
            from audiolab.training.finishing import finish

            summary = finish(run, data, crossed, final, options.to)["summary"]
            if options.loops:
                refit(options.data, config, options.to, loops=options.loops)
            print(json.dumps(summary, indent=1))
    except AudiolabError as error:
        print(f"audiolab: {error}", file=sys.stderr)
        return 1
    return 0


def _key(config: ClassifierConfig, data: Path) -> str:
    """Name the folder of intermediate results by what they depend on, but for the code."""
    manifest = data / "manifest.csv" if data.is_dir() else data
    digest = hashlib.sha256(config.model_dump_json(exclude={"unknown"}).encode())
    if manifest.is_file():
        digest.update(manifest.read_bytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    raise SystemExit(main())

"""Train one model with Lightning, and let it judge held-out sounds."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from audiolab.training.data import SoundData, Sounds
from audiolab.training.module import ClassifierModule
from audiolab.training.settings import ClassifierConfig

__all__ = ["Judged", "fit", "judge"]


@dataclass(frozen=True)
class Judged:
    """What a model says of some sounds."""

    vectors: NDArray[np.float32]
    logits: NDArray[np.float32]
    drums: NDArray[np.float32]
    """Logits of the drum head."""


def fit(
    train: Sounds, config: ClassifierConfig, *, held_out: Sounds | None = None, run_name: str = "classifier",
    mlflow_uri: str | None = None, precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed", watch: bool = False,
) -> ClassifierModule:  # fmt: skip
    """Train trunk and heads from scratch.

    Parameters
    ----------
    train : Sounds
        What to learn from.
    config : ClassifierConfig
        Everything else.
    held_out : Sounds, optional
        Scored at the end (after every fifth epoch if `watch`); never learned from, never used to choose an epoch.
    run_name : str
        Name of the run in MLflow.
    mlflow_uri : str, optional
        Where MLflow keeps its runs; None logs nothing.
    precision : str
        Lightning's name; bf16-mixed is over twice as fast on CPUs that have it and right on those that have not.
    watch : bool
        Score along the way.
    """
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    module = ClassifierModule(config).to(memory_format=torch.channels_last)
    epochs = config.training.epochs
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(num_workers|IterableDataset|LeafSpec|isinstance|srun).*")
        trainer = lightning.Trainer(
            max_epochs=epochs, accelerator="auto", devices=1, precision=precision,
            logger=_logger(mlflow_uri, run_name, config), enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, gradient_clip_val=2.0, num_sanity_val_steps=0, log_every_n_steps=20,
            check_val_every_n_epoch=5 if watch else epochs, limit_val_batches=1.0 if held_out is not None else 0,
            callbacks=[_Say()] if watch else [],
        )  # fmt: skip
        trainer.fit(module, datamodule=SoundData(train, held_out, config))
    return module.cpu().eval()


class _Say(lightning.Callback):
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        values = {k: round(float(v), 3) for k, v in trainer.callback_metrics.items()}
        logging.getLogger("audiolab.training").info("epoch %s: %s", trainer.current_epoch + 1, values)


def _logger(uri: str | None, run_name: str, config: ClassifierConfig) -> Any:
    if uri is None:
        return False
    from lightning.pytorch.loggers import MLFlowLogger

    logger = MLFlowLogger(
        experiment_name="classifier", run_name=run_name, tracking_uri=uri, artifact_location=_artifacts(uri)
    )
    logger.log_hyperparams(config.model_dump(include={"seed", "rendered", "variants", "model", "training"}))
    return logger


def _artifacts(uri: str) -> str | None:
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).resolve().parent / "artifacts").as_uri()


@torch.inference_mode()
def judge(module: ClassifierModule, sounds: Sounds, batch: int = 256) -> Judged:
    """Let a model judge untouched sounds."""
    parts = []
    for start in range(0, len(sounds.entries), batch):
        maps = sounds.pool.maps[start : start + batch, 0].float()
        parts.append([part.float().numpy() for part in module(maps)])
    vectors, logits, drums = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Judged(vectors, logits, drums)

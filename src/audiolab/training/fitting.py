"""Train one model with Lightning, and let it judge held-out sounds."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Checkpoint
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.errors import ModelError, ParameterError
from audiolab.training.data import Sounds
from audiolab.training.module import ClassifierModule
from audiolab.training.settings import ClassifierConfig
from audiolab.training.sound_data import SoundData

__all__ = ["Judged", "fit", "judge", "make_trainer", "quieten"]


@dataclass(frozen=True)
class Judged:
    """What a model says of some sounds."""

    vectors: NDArray[np.float32]
    logits: NDArray[np.float32]
    drums: NDArray[np.float32]
    """Logits of the drum head."""


def fit(
    train: Sounds, config: ClassifierConfig, *, held_out: Sounds | None = None, precision: str | None = None,
    watch: bool = False, logger: Any = False, checkpoint: Path | None = None, resume: bool = False,
    teachers: Sequence[ClassifierModule] = (),
) -> ClassifierModule:  # fmt: skip
    """Train trunk and heads from scratch.

    Parameters
    ----------
    train : Sounds
        What to learn from.
    config : ClassifierConfig
        Everything else.
    held_out : Sounds, optional
        Scored at the end (after every epoch if `watch`); never learned from, never used to choose an epoch.
    precision : str, optional
        Lightning's name, instead of the configuration's; bf16-mixed is over twice as fast on CPUs that have it and
        right on those that have not.
    watch : bool
        Score along the way, and say how it goes.
    logger : Lightning logger or False
        Takes the curves.
    checkpoint : path, optional
        File that keeps the state after every epoch, so that a training that was stopped can go on.
    resume : bool
        Go on from that file if it is there. Batches and dropout depend on seed, epoch and step alone, so the weights
        become the same as without the stop.
    teachers : sequence of ClassifierModule
        Trained networks whose answers are a part of the targets; they must not have heard what is held out.

    Raises
    ------
    ModelError
        If the checkpoint is damaged or of another configuration.
    """
    if held_out is not None and not held_out.entries:
        held_out = None
    quieten()
    lightning.seed_everything(config.training_seed, workers=True, verbose=False)
    module = ClassifierModule.of(config).to(memory_format=torch.channels_last)
    module.ensemble = tuple(teachers)
    callbacks: list[Any] = [_Seed(config.training_seed)]
    if watch:
        callbacks.append(_Say())
    if checkpoint is not None:
        callbacks.append(_Keep(checkpoint))
    options: dict[str, Any] = {"limit_val_batches": 1.0 if held_out is not None else 0}
    if not watch:
        options["check_val_every_n_epoch"] = config.training.epochs
    if precision is not None:
        options["precision"] = precision
    state = checkpoint if resume and checkpoint is not None and checkpoint.is_file() else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(num_workers|IterableDataset|LeafSpec|isinstance|srun).*")
        warnings.filterwarnings("ignore", message=".*(zero-element|val_dataloader|WeightAveraging).*")
        trainer = make_trainer(config, logger=logger, callbacks=callbacks, **options)
        data = SoundData.of(train, held_out, config)
        if state is None:
            trainer.fit(module, datamodule=data)
        else:
            _go_on(trainer, module, data, state)
    return module.cpu().eval()


def _go_on(trainer: Any, module: ClassifierModule, data: SoundData, state: Path) -> None:
    """Go on from a checkpoint; only tensors and plain values are read from it, nothing in it is executed."""
    import pickle

    log = logging.getLogger("audiolab.training")
    try:
        kept = torch.load(state, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError) as error:
        first = str(error).split("\n", 1)[0]
        raise ModelError(f"checkpoint {str(state)!r} is damaged or not of audiolab; remove it ({first})") from None
    told = kept.get("hyper_parameters") if isinstance(kept, dict) else None
    if not isinstance(told, dict) or any(told.get(name, value) != value for name, value in module.hparams.items()):
        raise ModelError(f"checkpoint {str(state)!r} is of another configuration; remove it")
    log.info("going on after epoch %s", kept.get("epoch", -1) + 1)
    trainer.fit(module, datamodule=data, ckpt_path=str(state), weights_only=True)


def make_trainer(config: ClassifierConfig, *, callbacks: Sequence[Any] = (), **options: Any) -> lightning.Trainer:
    """Make Lightning's trainer from the configuration's section `trainer`; `options` come before it.

    Raises
    ------
    ParameterError
        If Lightning has no such option or does not take its value.
    """
    quieten()
    ours: dict[str, Any] = {
        "accelerator": "auto", "devices": 1, "enable_progress_bar": False,
        "enable_model_summary": False, "num_sanity_val_steps": 0, "log_every_n_steps": min(20, config.training.batches),
    }  # fmt: skip
    given = {name: value for name, value in config.trainer.items() if value is not None}
    try:
        made = _made(given)
        mine = made.pop("callbacks", None) or []
        every = [*(mine if isinstance(mine, list) else [mine]), *callbacks]
        keeps = any(isinstance(callback, Checkpoint) for callback in every)
        merged = ours | {"enable_checkpointing": keeps} | made | options
        return lightning.Trainer(max_epochs=config.training.epochs, callbacks=every, **merged)
    except (TypeError, ValueError, MisconfigurationException) as error:
        raise ParameterError(f"trainer: {error}") from None


def quieten() -> None:
    """Let Lightning say only what is wrong."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _made(given: dict[str, Any]) -> dict[str, Any]:
    """Turn options that name classes (callbacks, plugins) into objects of them, anew for every trainer."""
    if not any(isinstance(value, (dict, list)) for value in given.values()):
        return dict(given)
    parser = _parser()
    whole = parser.parse_object({"trainer": given})
    made = vars(parser.instantiate_classes(whole).trainer)
    return {name: made[name] for name in given}


@cache
def _parser() -> Any:
    from lightning.pytorch.cli import LightningArgumentParser

    parser = LightningArgumentParser(exit_on_error=False)
    parser.add_lightning_class_args(lightning.Trainer, "trainer")
    return parser


class _Seed(lightning.Callback):
    """Dropout of a step depends on the seed and the step alone.

    Not at the beginning of an epoch: Lightning leaves that hook out in the first epoch after going on.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        torch.manual_seed(self.seed * 1_000_003 + trainer.global_step)


class _Say(lightning.Callback):
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        values = {k: round(float(v), 3) for k, v in trainer.callback_metrics.items()}
        logging.getLogger("audiolab.training").info("epoch %s: %s", trainer.current_epoch + 1, values)


class _Keep(Checkpoint):
    """Keeps the state after every epoch; the file is whole at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path) as temporary:
            trainer.save_checkpoint(temporary)


@torch.inference_mode()
def judge(module: ClassifierModule, sounds: Sounds, batch: int = 256) -> Judged:
    """Let a model judge untouched sounds."""
    parts = []
    for start in range(0, len(sounds.entries), batch):
        maps = sounds.pool.maps[start : start + batch, 0].float()
        parts.append([part.float().numpy() for part in module(maps)])
    vectors, logits, drums = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Judged(vectors, logits, drums)

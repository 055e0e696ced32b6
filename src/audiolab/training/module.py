"""The Lightning module: trunk, label head and drum head trained together."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from audiolab.training.network import DIMENSIONS, Trunk
from audiolab.training.settings import ClassifierConfig, ModelConfig, TrainingConfig

__all__ = ["SHARPNESS", "ClassifierModule", "RunningMean"]

SHARPNESS = 16.0
"""Embeddings have unit length; heads see them this much longer, and the export folds it into their weights."""
_MODEL, _TRAINING = ModelConfig(), TrainingConfig()


class ClassifierModule(lightning.LightningModule):
    """One trunk, two linear heads.

    Parameters
    ----------
    labels : list of str
        Outputs of the label head.
    drums : dict
        Outputs of the drum head, and the labels that stand for each.
    width : int
        Channels after the second layer of the trunk.
    dropout : float
        Before the embedding.
    learning_rate : float
        Highest rate of the one cycle.
    weight_decay : float
        Of matrices and kernels; biases and norms have none.
    smoothing : float
        Share of every target that is spread over all labels.
    drum_weight : float
        Weight of the drum head's loss.
    ema_decay : float
        Decay of the running mean of the weights that is kept at the end; 0 keeps the last weights.
    teachers : int
        Networks of other seeds, trained on the same sounds first, that this one also learns from.
    distill : float
        Share of the targets that they give.
    """

    def __init__(
        self,
        labels: list[str],
        drums: dict[str, list[str]],
        *,
        width: int = _MODEL.width,
        dropout: float = _MODEL.dropout,
        learning_rate: float = _TRAINING.learning_rate,
        weight_decay: float = _TRAINING.weight_decay,
        smoothing: float = _TRAINING.smoothing,
        drum_weight: float = _TRAINING.drum_weight,
        ema_decay: float = _TRAINING.ema_decay,
        teachers: int = _TRAINING.teachers,
        distill: float = _TRAINING.distill,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.labels, self.drums = tuple(labels), tuple(drums)
        self.trunk_options: dict[str, Any] = {name: self.hparams[name] for name in ModelConfig.model_fields}
        self.trunk = Trunk(**self.trunk_options)
        self.label_head = nn.Linear(DIMENSIONS, len(labels))
        self.drum_head = nn.Linear(DIMENSIONS, len(drums))
        self.ensemble: tuple[ClassifierModule, ...] = ()
        """The trained teachers; in a tuple, so that they are no part of the weights."""
        count = len(labels)
        self.accuracy = MulticlassAccuracy(count, average="micro")
        self.top_3 = MulticlassAccuracy(count, average="micro", top_k=min(3, count))
        self.f1 = MulticlassF1Score(count, average="macro")

    @classmethod
    def of(cls, config: ClassifierConfig) -> ClassifierModule:
        """Make the module that a configuration describes."""
        t = config.training
        return cls(
            list(config.labels), {name: list(members) for name, members in config.drums.items()},
            learning_rate=t.learning_rate, weight_decay=t.weight_decay, smoothing=t.smoothing,
            drum_weight=t.drum_weight, ema_decay=t.ema_decay, teachers=t.teachers,
            distill=t.distill, **config.model.model_dump(),
        )  # fmt: skip

    def forward(self, decibels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give embeddings, label logits and drum logits for log-mel maps."""
        vectors = self.trunk(decibels)
        return vectors, self.label_head(SHARPNESS * vectors), self.drum_head(SHARPNESS * vectors)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:  # noqa: D102
        maps, shares, drums = batch
        if self.ensemble:
            shares, drums = self._taught(maps, shares, drums)
        _, labels, presence = self(maps)
        loss_labels = functional.cross_entropy(labels, shares, label_smoothing=self.hparams["smoothing"])
        loss = loss_labels
        if self.drums:
            loss_drums = functional.binary_cross_entropy_with_logits(presence, drums)
            loss = loss + self.hparams["drum_weight"] * loss_drums * len(self.drums) / 2
            self.log("train/loss_drums", loss_drums, on_step=False, on_epoch=True)
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/loss_labels", loss_labels, on_step=False, on_epoch=True)
        hits = (labels.detach().argmax(dim=1) == shares.argmax(dim=1)).float().mean()
        self.log("train/accuracy", hits, on_step=False, on_epoch=True)
        return loss

    @torch.no_grad()
    def _taught(self, decibels: Tensor, shares: Tensor, drums: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the targets with what the teachers say of the same batch (Hinton et al. 2015)."""
        heard = [teacher(decibels) for teacher in self.ensemble]
        labels = torch.stack([logits.float().softmax(dim=1) for _, logits, _ in heard]).mean(dim=0)
        presence = torch.stack([logits.float().sigmoid() for _, _, logits in heard]).mean(dim=0)
        share = self.hparams["distill"]
        return (1 - share) * shares + share * labels, (1 - share) * drums + share * presence

    def on_fit_start(self) -> None:
        """Bring the teachers to where the batches are."""
        for teacher in self.ensemble:
            teacher.to(self.device).eval()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: D102
        maps, labels = batch
        _, logits, _ = self(maps)
        self.log("held_out/loss", functional.cross_entropy(logits, labels), on_epoch=True, batch_size=len(labels))
        for name, metric in (("accuracy", self.accuracy), ("top_3", self.top_3), ("f1", self.f1)):
            metric(logits, labels)
            self.log(f"held_out/{name}", metric, on_epoch=True, batch_size=len(labels))

    def configure_optimizers(self) -> Any:  # noqa: D102
        decayed = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        rate = self.hparams["learning_rate"]
        optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": self.hparams["weight_decay"]}, {"params": others, "weight_decay": 0}],
            lr=rate,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.15)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_callbacks(self) -> list[Any]:
        """Keep a running mean of the weights, if asked for."""
        decay = self.hparams["ema_decay"]
        return [RunningMean(decay)] if decay else []


class RunningMean(WeightAveraging):
    """Exponential running mean of weights and norms; validation and the end of training use it.

    Parameters
    ----------
    decay : float
        Weight of the past. It is lower in the beginning, (1 + n) / (10 + n) after n steps, so that nothing of
        the random start is left in the mean of a short training.
    """

    def __init__(self, decay: float) -> None:
        def average(mean: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
            keep = min(decay, (1 + int(count)) / (10 + int(count)))
            return now.clone() if not mean.is_floating_point() else keep * mean + (1 - keep) * now

        super().__init__(avg_fn=average)

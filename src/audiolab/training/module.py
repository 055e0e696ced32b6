"""The Lightning module: trunk, label head and drum head trained together."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from audiolab.training.network import DIMENSIONS, Trunk, to_decibels
from audiolab.training.settings import ClassifierConfig

__all__ = ["ClassifierModule"]

SHARPNESS = 16.0
"""Embeddings have unit length; heads see them this much longer, and the export folds it into their weights."""


class ClassifierModule(lightning.LightningModule):
    """One trunk, two linear heads.

    Parameters
    ----------
    config : ClassifierConfig
        Sizes, learning rate, epochs.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(**config.model.model_dump())
        self.label_head = nn.Linear(DIMENSIONS, len(config.labels))
        self.drum_head = nn.Linear(DIMENSIONS, len(config.drums))
        count = len(config.labels)
        self.accuracy = MulticlassAccuracy(count, average="micro")
        self.top_3 = MulticlassAccuracy(count, average="micro", top_k=3)
        self.f1 = MulticlassF1Score(count, average="macro")

    def forward(self, decibels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give embeddings, label logits and drum logits for log-mel maps."""
        vectors = self.trunk(decibels)
        return vectors, self.label_head(SHARPNESS * vectors), self.drum_head(SHARPNESS * vectors)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:  # noqa: D102
        power, shares, drums = batch
        _, labels, presence = self(to_decibels(power))
        t = self.config.training
        loss_labels = functional.cross_entropy(labels, shares, label_smoothing=t.smoothing)
        loss_drums = functional.binary_cross_entropy_with_logits(presence, drums)
        loss = loss_labels + t.drum_weight * loss_drums * len(self.config.drums) / 2
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: D102
        maps, labels = batch
        _, logits, _ = self(maps)
        for name, metric in (("accuracy", self.accuracy), ("top_3", self.top_3), ("f1", self.f1)):
            metric(logits, labels)
            self.log(f"held_out/{name}", metric, on_epoch=True)

    def configure_optimizers(self) -> Any:  # noqa: D102
        t = self.config.training
        decayed = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": t.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=t.learning_rate,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, t.learning_rate, total_steps=t.epochs * t.batches, pct_start=0.15
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

"""The Lightning data module: labelled sounds of a folder, manifest or query as mixed batches and held-out sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader, TensorDataset

from audiolab.errors import ParameterError
from audiolab.training.data import Batches, Sounds
from audiolab.training.settings import ClassifierConfig, TrainingConfig
from audiolab.training.splitting import prepare_data

__all__ = ["SoundData"]

_DEFAULTS = {name: field.default for name, field in ClassifierConfig.model_fields.items()}
_TRAINING = TrainingConfig()


class SoundData(lightning.LightningDataModule):
    """Batches for training, and untouched held-out sounds for validation.

    Parameters
    ----------
    labels : list of str
        What sounds may be called; sounds with other labels are left out, and named.
    drums : dict
        Classes of the drum head, and the labels that stand for each.
    what : str, optional
        A folder tree, a manifest, or a folder with one.
    linked : list of lists of str
        Sources that share recordings.
    folds : int
        Parts that whole sources are dealt into.
    held_out : int, optional
        The part that is not learned from but judged; None learns from all.
    seed : int
        Of rendered sounds and of variants.
    rendered : int
        Sounds that code renders, for each label.
    variants : int
        Waveform variants of each sound, the first untouched.
    batches, batch_size : int
        Steps in an epoch, sounds in a step.
    together, bleed : float
        Shares of sounds with a second one struck at the same time, and with another one in the background.
    warp : float
        How far maps are stretched in time and frequency; 0 leaves them alone.
    mixup : float
        Parameter of the blending of maps; 0 blends none.
    work : str, optional
        Folder that keeps mel maps between runs.
    """

    def __init__(
        self,
        labels: list[str],
        drums: dict[str, list[str]],
        *,
        what: str | None = None,
        linked: list[list[str]] = [],  # noqa: B006  (never changed; jsonargparse shows it)
        folds: int = _DEFAULTS["folds"],
        held_out: int | None = None,
        seed: int = _DEFAULTS["seed"],
        rendered: int = _DEFAULTS["rendered"],
        variants: int = _DEFAULTS["variants"],
        batches: int = _TRAINING.batches,
        batch_size: int = _TRAINING.batch_size,
        together: float = _TRAINING.together,
        bleed: float = _TRAINING.bleed,
        warp: float = _TRAINING.warp,
        mixup: float = _TRAINING.mixup,
        work: str | None = None,
    ) -> None:
        super().__init__()
        self.what, self.held_out_fold, self.work = what, held_out, work
        training = {
            "batches": batches, "batch_size": batch_size, "together": together, "bleed": bleed,
            "warp": warp, "mixup": mixup,
        }  # fmt: skip
        self.config = ClassifierConfig.model_validate(
            {
                "labels": labels, "drums": drums, "linked": linked, "folds": folds, "seed": seed,
                "rendered": rendered, "variants": variants, "training": training,
            }
        )  # fmt: skip
        self.train: Sounds | None = None
        self.held_out: Sounds | None = None

    @classmethod
    def of(cls, train: Sounds, held_out: Sounds | None, config: ClassifierConfig) -> SoundData:
        """Make a data module of sounds in memory."""
        data = cls(list(config.labels), {name: list(members) for name, members in config.drums.items()})
        data.train, data.held_out, data.config = train, held_out, config
        return data

    def setup(self, stage: str) -> None:
        """Read the sounds and split them, unless they are in memory.

        Raises
        ------
        ParameterError
            If no set was named, or the held-out part does not exist.
        """
        if self.train is not None:
            return
        if self.what is None:
            raise ParameterError("no sounds were named: give --data a folder, a manifest or a library query")
        prepared = prepare_data(Path(self.what), self.config, Path(self.work) if self.work else None)
        if self.held_out_fold is None:
            self.train = prepared.sounds
            return
        if not 0 <= self.held_out_fold < prepared.count:
            raise ParameterError(f"held_out is {self.held_out_fold}; the parts are 0 to {prepared.count - 1}")
        self.train = prepared.sounds.part(prepared.folds != self.held_out_fold)
        self.held_out = prepared.sounds.part(prepared.folds == self.held_out_fold)

    def _epoch(self) -> int:
        return int(self.trainer.current_epoch) if self.trainer is not None else 0

    def train_dataloader(self) -> DataLoader[Any]:
        """Give mixed batches (decibel maps, label shares, drum targets); they depend on seed and epoch alone."""
        assert self.train is not None
        return DataLoader(Batches(self.train, self.config, self._epoch), batch_size=None, num_workers=0)

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """Give held-out sounds as they are (maps in decibels, labels); nothing if nothing is held out."""
        if self.held_out is None or not self.held_out.entries:
            return []
        maps = self.held_out.pool.maps[:, 0].float()
        pairs = TensorDataset(maps, torch.from_numpy(self.held_out.labels))
        return [DataLoader(pairs, batch_size=256, num_workers=0)]

"""The options of `audiolab train`: LightningCLI reads YAML files and the command line, checks types, fills defaults."""

from __future__ import annotations

import contextlib
import inspect
import io
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from lightning import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from audiolab.config import find_config
from audiolab.errors import ParameterError
from audiolab.training.fitting import quieten
from audiolab.training.module import ClassifierModule
from audiolab.training.settings import ClassifierConfig, from_layout
from audiolab.training.sound_data import SoundData

__all__ = ["Options", "TrainingCLI", "read_options"]


@dataclass(frozen=True)
class Options:
    """What a command line asked for."""

    config: ClassifierConfig
    what: str | None
    """The labelled set, as `--data` named it."""
    resolved: str
    """Every option with its value, as YAML that makes the same run again."""


class TrainingCLI(LightningCLI):
    """LightningCLI with the section `calibration`; labels and drums are told once, in `data`."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what comes after training."""
        parser.link_arguments("data.labels", "model.labels")
        parser.link_arguments("data.drums", "model.drums")
        unknown = "Below the confidence from which out-of-fold precision is this high a sound is `unknown`."
        parser.add_argument("--calibration.unknown_precision", type=float, default=0.7, help=unknown)
        loops = "Rendered loops that the drum head is fitted on again; 0 keeps the training's."
        parser.add_argument("--calibration.loops", type=int, default=0, help=loops)

    def before_instantiate_classes(self) -> None:
        """Check ranges, and what options mean together."""
        dumped = self.parser.dump(self.config, skip_none=True, skip_link_targets=True, format="yaml")
        self.document = {key: value for key, value in yaml.safe_load(dumped).items() if key != "config"}
        plain = inspect.signature(Trainer).parameters
        told = {k: v for k, v in self.document["trainer"].items() if k == "max_epochs" or v != plain[k].default}
        self.checked = from_layout(self.document | {"trainer": told}, "training options")

    def instantiate_classes(self) -> None:
        """Check that the classes take their arguments; runs make modules and trainers of their own, one a fold."""
        self.config_init = self.parser.instantiate_classes(self.config)
        self.datamodule, self.model = self.config_init["data"], self.config_init["model"]


def read_options(arguments: Sequence[str], configs: Sequence[str | Path] = ("default",)) -> Options:
    """Read YAML files and options that override them.

    Parameters
    ----------
    arguments : sequence of str
        As on a command line: `--model.width 64`, `--trainer.max_epochs=3`, `--print_config`.
    configs : sequence of str or path
        YAML files, or names in configs/classifier/; later ones override earlier ones.

    Raises
    ------
    ParameterError
        If an option does not exist or does not take its value; the message says which.
    SystemExit
        After `--print_config` and `--help`.
    """
    from jsonargparse import ArgumentError

    files = [find_config("classifier", name) for name in configs]
    for file in files:
        _read(file)
    line = [*(f"--config={file}" for file in files), *arguments]
    out = io.StringIO()
    before = sys.argv
    try:
        sys.argv = before[:1]  # LightningCLI takes a list of arguments beside a command line for a mistake
        with warnings.catch_warnings(), contextlib.redirect_stderr(out):
            warnings.simplefilter("ignore")
            quieten()
            cli = TrainingCLI(
                ClassifierModule, SoundData, run=False, args=line, save_config_callback=None,
                seed_everything_default=2026,
                parser_kwargs={"exit_on_error": False, "prog": "audiolab train"},
            )  # fmt: skip
    except ArgumentError as error:
        raise ParameterError(f"training options: {_plainly(str(error))}") from None
    except ParameterError:
        raise
    except (TypeError, ValueError) as error:
        raise ParameterError(f"training options: {_plainly(str(error))}") from None
    finally:
        sys.argv = before
    document = cli.document
    resolved = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return Options(cli.checked, document.get("data", {}).get("what"), resolved)


def _read(file: Path) -> None:
    """Refuse what is no YAML mapping, with the file's name."""
    try:
        document: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{file.name} is no classifier configuration: {error}") from None
    if not isinstance(document, dict):
        raise ParameterError(f"{file.name} is no classifier configuration: it holds no sections")


def _plainly(message: str) -> str:
    """Give the lines of jsonargparse's message that say what is wrong, without its usage."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("usage:", "tip:", "error:", "Expected one of"))]
    return " ".join(kept or lines)

"""The options of `audiolab train`: every one can be overridden, and every mistake is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from audiolab.errors import ParameterError
from audiolab.training.bench import check_options
from audiolab.training.fitting import make_trainer
from audiolab.training.options import read_options
from audiolab.training.settings import from_layout, load_config


def test_the_default_file_gives_the_default_configuration():
    found = read_options([])
    assert found.config == load_config("default")
    assert found.what is None


def test_every_section_can_be_overridden_and_the_result_makes_the_same_run_again(tmp_path: Path):
    found = read_options(
        [
            "--model.width", "24", "--trainer.max_epochs=3", "--data.seed", "5", "--seed_everything", "7",
            "--data.labels", "[kick, snare, bass]", "--data.drums", "{kick: [kick], snare: [snare]}",
            "--calibration.unknown_precision", "0.9", "--trainer.accumulate_grad_batches", "2", "--data.what", "set",
        ]
    )  # fmt: skip
    config = found.config
    assert (config.model.width, config.training.epochs, config.seed, config.training_seed) == (24, 3, 5, 7)
    assert config.labels == ("kick", "snare", "bass")
    assert config.unknown.precision == 0.9
    assert config.trainer["accumulate_grad_batches"] == 2
    assert found.what == "set"
    (tmp_path / "again.yaml").write_text(found.resolved)
    assert read_options([], [tmp_path / "again.yaml"]) == found
    assert from_layout(yaml.safe_load(found.resolved)).model == config.model


def test_later_files_override_earlier_ones(tmp_path: Path):
    (tmp_path / "wide.yaml").write_text("model: {width: 96}\n")
    found = read_options([], ["default", tmp_path / "wide.yaml"])
    assert found.config.model.width == 96
    assert found.config.labels == load_config("default").labels


def test_callbacks_of_lightning_are_made_anew_for_every_trainer():
    given = ["--trainer.callbacks+=LearningRateMonitor", "--trainer.callbacks.logging_interval=epoch"]
    config = read_options(given).config
    one, other = (make_trainer(config, logger=False) for _ in range(2))
    monitors = [[c for c in t.callbacks if type(c).__name__ == "LearningRateMonitor"] for t in (one, other)]
    assert [len(found) for found in monitors] == [1, 1]
    assert monitors[0][0] is not monitors[1][0]
    assert monitors[0][0].logging_interval == "epoch"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model.widht", "3"], "model.widht"),
        (["--model.width", "abc"], 'model.width": Expected'),
        (["--model.width", "1"], "model.width: Input should be greater"),
        (["--data.folds", "1"], "data.folds: Input should be greater"),
        (["--trainer.max_epochs", "x"], "trainer.max_epochs"),
        (["--trainer.precision", "99"], "trainer.precision"),
        (["stray"], "stray"),
        (["--data.drums", "{x: [nothing]}"], "labels that there are not: nothing"),
        (["--data.labels", "[kick]"], "data.labels"),
    ],
)
def test_mistakes_are_named(arguments: list[str], message: str):
    with pytest.raises(ParameterError) as caught:
        read_options(arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_none_are_refused(tmp_path: Path):
    for text in ("[", "just text", "- a\n- b"):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(ParameterError, match=r"bad\.yaml"):
            read_options([], [tmp_path / "bad.yaml"])
    with pytest.raises(ParameterError, match="default"):
        read_options([], ["no such"])


def test_what_only_fails_after_hours_fails_at_once():
    with pytest.raises(ParameterError, match="trainer"):
        check_options(read_options(["--trainer.accelerator", "no such device"]).config)
    with pytest.raises(ParameterError, match="max_epochs"):
        check_options(read_options(["--trainer.max_steps", "10"]).config)


def test_the_configuration_is_printed(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        read_options(["--print_config"])
    assert left.value.code == 0
    assert yaml.safe_load(capsys.readouterr().out)["model"]["width"] == load_config("default").model.width

"""A training that is killed and goes on ends with the weights of one that never was; one seed, one result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_fitting import SMALL, rendered

from audiolab.errors import ModelError
from audiolab.training.data import collect
from audiolab.training.fitting import fit
from audiolab.training.network import BANDS, STEPS
from audiolab.training.settings import ClassifierConfig

CHILD = """
import sys, time
from pathlib import Path
import lightning, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from test_resuming import config, sounds
from audiolab.training.fitting import fit
from audiolab.training.running import save_module

folder, decay, slow = Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "slow"
if slow:  # a place to be killed: after two epochs, in the middle of the third
    step = lightning.LightningModule.optimizer_step
    def waiting(self, *arguments, **options):
        if self.current_epoch == 2 and self.global_step >= 28:
            (folder / "here").touch()
            time.sleep(600)
        return step(self, *arguments, **options)
    lightning.LightningModule.optimizer_step = waiting
module = fit(sounds(), config(decay), checkpoint=folder / "state.ckpt", resume=True, held_out=sounds(100))
save_module(module, folder / "done.safetensors")
"""


def config(decay: float) -> ClassifierConfig:
    training = SMALL.training.model_copy(update={"ema_decay": decay})
    model = SMALL.model.model_copy(update={"dropout": 0.2})
    return SMALL.model_copy(update={"training": training, "model": model})


def sounds(first: int = 0):
    return collect(rendered(range(first, first + 4)), SMALL, variants=2)


def child(folder: Path, decay: float, how: str) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).parent)
    return subprocess.Popen([sys.executable, "-c", CHILD, here, str(folder), str(decay), how])


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path, decay: float):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    assert child(whole, decay, "fast").wait(300) == 0
    process = child(killed, decay, "slow")
    deadline = time.monotonic() + 300
    while not (killed / "here").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    assert (killed / "state.ckpt").is_file()
    assert not (killed / "done.safetensors").exists()
    assert child(killed, decay, "fast").wait(300) == 0
    one, other = (load_file(folder / "done.safetensors") for folder in (whole, killed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_one_seed_gives_one_model_and_another_seed_another(precision: str):
    heard = sounds()
    short = config(0.9).model_copy(
        update={"training": config(0.9).training.model_copy(update={"epochs": 2, "batches": 4})}
    )
    first, again, other = (fit(heard, short.seeded(seed), precision=precision).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["label_head.weight"], other["label_head.weight"])


def test_the_running_mean_is_not_the_last_weights(tmp_path: Path):
    heard = sounds()
    last, mean = (fit(heard, config(decay), precision="32-true").state_dict() for decay in (0.0, 0.9))
    assert not torch.equal(last["label_head.weight"], mean["label_head.weight"])


def test_checkpoints_are_plain_and_foreign_ones_are_refused(tmp_path: Path):
    heard = sounds()
    short = config(0.9).model_copy(
        update={"training": config(0.9).training.model_copy(update={"epochs": 1, "batches": 2})}
    )
    path = tmp_path / "state.ckpt"
    fit(heard, short, checkpoint=path)
    kept = torch.load(path, weights_only=True)  # nothing in it is executed
    assert kept["epoch"] == 0
    wider = short.model_copy(update={"model": short.model.model_copy(update={"width": 12})})
    with pytest.raises(ModelError, match="another configuration"):
        fit(heard, wider, checkpoint=path, resume=True)
    path.write_bytes(b"PK\x03\x04 no checkpoint")
    with pytest.raises(ModelError, match="damaged"):
        fit(heard, short, checkpoint=path, resume=True)


def test_teachers_move_the_targets_but_are_no_part_of_the_model():
    heard = sounds()
    plain = SMALL.training.model_copy(update={"epochs": 1, "batches": 3, "teachers": 1, "distill": 0.8})
    config_ = SMALL.model_copy(update={"training": plain})
    teacher = fit(heard, config_.seeded(77), precision="32-true")
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    alone = fit(heard, config_, precision="32-true")
    taught = fit(heard, config_, precision="32-true", teachers=[teacher])
    assert not torch.equal(alone.label_head.weight, taught.label_head.weight)
    assert taught.state_dict().keys() == alone.state_dict().keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in teacher.state_dict().items())
    shares, drums = torch.eye(3)[:2], torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    mixed, struck = taught._taught(torch.zeros(2, BANDS, STEPS), shares, drums)
    assert torch.allclose(mixed.sum(dim=1), torch.ones(2))
    assert ((struck >= 0) & (struck <= 1)).all()

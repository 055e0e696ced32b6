"""The engine demucs: equal to upstream in every mode, and what it does when memory runs out."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from separation_cases import SOURCES, Passing, save_th, small_network, song

from audiolab.audio import Audio
from audiolab.errors import ModelError, ParameterError
from audiolab.stages.separation import Options, Separate, SeparateParams, get_engine, rest_of, separate
from audiolab.stages.separation.half_precision import cpu_has_bfloat16, to_bfloat16
from audiolab.stages.separation.htdemucs import Demucs
from audiolab.stages.separation.placing import Placed

pytest.importorskip("demucs", reason="demucs is not installed")
RATE = 44100
REAL = {"channels": 48, "bottom_channels": 512, "depth": 4, "t_layers": 5, "t_heads": 8, "nfft": 4096}
REAL |= {"dconv_comp": 8, "dconv_mode": 3, "t_hidden_scale": 4.0, "segment": Fraction(39, 5)}
bfloat16_here = pytest.mark.skipif(not cpu_has_bfloat16(), reason="this CPU does not multiply bfloat16 itself")


def upstream(model: Any, mix: np.ndarray, *, overlap: float = 0.25, shifts: int = 0) -> np.ndarray:
    """What demucs' own Separator does with a whole file."""
    import torch
    from demucs import apply

    wave = torch.from_numpy(mix)
    reference = wave.mean(0)
    mean, deviation = reference.mean(), reference.std() + 1e-8
    # The networks draw from the global generator, too, between upstream's shifts.
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "random", random.Random(0))
        out = apply.apply_model(model, ((wave - mean) / deviation)[None], shifts=shifts, split=True, overlap=overlap)
    return (out[0] * deviation + mean).numpy()


def ours(engine: Demucs, mix: np.ndarray) -> np.ndarray:
    blocks = list(engine.blocks(Audio(mix, RATE)))
    return np.stack([np.concatenate([block[name] for block in blocks], axis=1) for name in engine.stems()])


def far(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to upstream's peak."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(("seconds", "shifts", "overlap"), [(4.3, 1, 0.25), (3.1, 3, 0.5), (0.3, 2, 0.1)])
def test_shifts_equal_upstream_with_the_same_seed(seconds: float, shifts: int, overlap: float) -> None:
    network, mix = small_network(3), song(seconds)
    expected = upstream(network, mix, overlap=overlap, shifts=shifts)
    assert far(ours(Demucs([network], shifts=shifts, overlap=overlap), mix), expected) <= 1e-5
    assert far(ours(Demucs([network], overlap=overlap), mix), expected) > 1e-3, "shifts change something"


def test_bag_with_shifts_equals_upstream() -> None:
    from demucs.apply import BagOfModels

    networks, mix = [small_network(4), small_network(5)], song(3.7)
    expected = upstream(BagOfModels(networks), mix, shifts=2)
    assert far(ours(Demucs(networks, shifts=2), mix), expected) <= 1e-5


def test_six_stems_equal_upstream() -> None:
    network, mix = small_network(7, sources=[*SOURCES, "guitar", "piano"]), song(2.2)
    engine = Demucs([network])
    assert engine.stems() == (*SOURCES, "guitar", "piano")
    assert far(ours(engine, mix), upstream(network, mix)) <= 1e-5


@bfloat16_here
def test_bfloat16_is_close_to_upstream() -> None:
    network, mix = small_network(3), song(4.3)
    expected = upstream(network, mix)
    assert 0 < far(ours(Demucs([to_bfloat16(network)], dtype="bfloat16"), mix), expected) <= 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=bfloat16_here)])
def test_real_size_equals_upstream(dtype: str) -> None:
    """A network of htdemucs' own size, its stems within 10 dB of the mix."""
    network, mix = small_network(1, **REAL), song(11.0)
    assert sum(p.numel() for p in network.parameters()) > 41e6
    expected = upstream(network, mix)
    levels = 10 * np.log10((expected**2).mean(axis=(1, 2)) / (mix**2).mean())
    assert np.abs(levels).max() < 10, levels
    if dtype == "bfloat16":
        to_bfloat16(network)
    assert far(ours(Demucs([network], dtype=dtype, threads=2), mix), expected) <= (1e-5 if dtype == "float32" else 1e-2)


def test_whole_song_in_one_segment_shorter_than_a_block() -> None:
    network, mix = small_network(3), song(1.0)
    assert far(ours(Demucs([network], segment=1.2), mix), ours(Demucs([network]), mix)) > 0
    with pytest.raises(ParameterError, match=r"segment 9 s is longer than the model's own 1\.5"):
        Demucs([network], segment=9.0)
    assert far(ours(Demucs([network]), mix), upstream(network, mix)) <= 1e-5, "a shorter segment leaves no trace"


def test_only_one_stem_runs_only_the_networks_that_matter() -> None:
    networks, mix = [small_network(seed) for seed in (4, 5)], song(2.7)
    mixing = ((1.0, 1.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    whole = ours(Demucs(networks, mixing=mixing, shifts=1), mix)
    calls: list[int] = []
    for number, network in enumerate(networks):
        network.register_forward_hook(lambda *_, number=number: calls.append(number))
    engine = Demucs(networks, mixing=mixing, shifts=1, only="vocals")
    assert engine.stems() == ("vocals",)
    assert np.array_equal(ours(engine, mix), whole[3:])
    assert set(calls) == {1}
    with pytest.raises(ParameterError, match="no stem 'choir'; it gives drums, bass, other, vocals"):
        Demucs(networks, only="choir")


@pytest.mark.parametrize("stem", ["vocals", "drums"])
@pytest.mark.parametrize("engine", ["demucs", "spectral"])
def test_two_stems_add_up_to_the_song(tmp_path: Path, checkpoint: Path, engine: str, stem: str) -> None:
    mix = song(2.5)
    found = separate(
        Audio(mix, RATE, "song"), to=tmp_path, engine=engine, model=str(checkpoint), two_stems=stem, dtype="float32"
    )
    rest = {"vocals": "instrumental", "drums": "no_drums"}[stem]
    assert list(found.stems) == [stem, rest] == [stem, rest_of(stem)]
    assert found.null_db == -240.0
    assert np.array_equal(found[stem].samples + found[rest].samples, mix)
    all_stems = separate(Audio(mix, RATE, "song"), engine=engine, model=str(checkpoint), dtype="float32")
    # In the full set folding gave the stem its share of what the engine left over.
    assert np.corrcoef(found[stem].samples.ravel(), all_stems[stem].samples.ravel())[0, 1] > 0.5
    with pytest.raises(ParameterError, match="already there"):
        separate(Audio(mix, RATE, "song"), to=tmp_path, engine=engine, model=str(checkpoint), two_stems=stem)
    with pytest.raises(ParameterError, match="no stem 'choir'"):
        separate(Audio(mix, RATE, "song"), engine=engine, model=str(checkpoint), two_stems="choir")


def test_presets_are_resolved_before_anything_is_hashed(checkpoint: Path) -> None:
    stage = Separate()

    def resolved(**params: Any) -> Any:
        return stage.resolve(SeparateParams(engine="demucs", model=str(checkpoint), **params))

    plain, best, fast = resolved(), resolved(preset="best"), resolved(preset="fast")
    assert (plain.params.overlap, plain.params.shifts) == (0.25, 0)
    assert (best.params.overlap, best.params.shifts, best.params.dtype) == (0.5, 2, "float32")
    assert (fast.params.overlap, fast.params.shifts) == (0.1, 0)
    assert plain.params.dtype == plain.profile["dtype"] == ("bfloat16" if cpu_has_bfloat16() else "float32")
    assert resolved(preset="best", overlap=0.25, shifts=0, dtype="auto") == plain
    again = stage.resolve(best.params)
    assert again == best, "resolving twice changes nothing"


def test_the_process_loads_a_model_once(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from audiolab.stages.kept import KeptModels
    from audiolab.stages.separation import htdemucs

    loads: list[object] = []
    original = htdemucs.load_networks
    monkeypatch.setattr(htdemucs, "load_networks", lambda found: loads.append(found) or original(found))
    monkeypatch.setattr(htdemucs, "KEPT", KeptModels(lambda device: 10**9))
    for _ in range(3):
        separate(Audio(song(0.5), RATE, "x"), engine="demucs", model=str(checkpoint), dtype="float32")
    assert len(loads) == 1
    other = save_th(small_network(8), tmp_path, "0ther")
    get_engine("demucs").build(Options(model=str(other)))
    get_engine("demucs").build(Options(model=str(checkpoint)))
    assert len(loads) == 2, "there is room for both"
    monkeypatch.setattr(htdemucs, "KEPT", KeptModels(lambda device: 0))
    for _ in range(2):
        get_engine("demucs").build(Options(model=str(checkpoint)))
    assert len(loads) == 4, "without room it is used and not kept"


class Narrow(Passing):
    """A device that runs out of memory beyond a length, or from some call on."""

    def __init__(self, longest: float, calls: int = 10**9) -> None:
        self.longest, self.left, self.where = longest, calls, "cpu"

    def to(self, device: str) -> Narrow:
        self.where = device
        return self

    def __call__(self, mix: Any) -> Any:
        import torch

        if self.where != "cpu":
            self.left -= 1
            if self.left < 0 or mix.shape[-1] > self.longest * self.samplerate:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return super().__call__(mix)


@pytest.fixture
def a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tensors "go to" a card that is not there."""
    import torch

    original: Callable[..., Any] = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **kw: self if args == ("cuda",) else original(self))


@pytest.mark.usefixtures("a_card")
@pytest.mark.parametrize(
    ("card", "profile", "says"),
    [
        ((1.5, 10**9), {"device": "cuda"}, "^$"),
        ((0.8, 10**9), {"device": "cuda", "segment": "0.75"}, r"segments of 0\.75 s instead of 1\.5 s"),
        ((0.0, 10**9), {"device": "cpu"}, "given up for the CPU: not even"),
        ((1.5, 2), {"device": "cpu"}, "in the middle of the song"),
    ],
)
def test_out_of_memory(
    monkeypatch: pytest.MonkeyPatch, card: tuple[float, int], profile: dict[str, str], says: str
) -> None:
    import re

    from audiolab.stages.separation import placing

    monkeypatch.setattr(placing, "_SHORTEST", 0.5)
    mix = song(4.0)
    engine = Demucs([Narrow(*card)], device="cuda")
    mean = mix.mean()
    assert np.allclose(ours(engine, mix), (mix - mean) / 4 + mean, atol=1e-6), "whatever is given up, nothing is lost"
    assert re.search(says, " ".join(engine.remarks))
    assert engine.profile == {"dtype": "float32", **profile}


@pytest.mark.usefixtures("a_card")
def test_other_faults_of_a_device_are_not_hidden() -> None:
    class Broken(Narrow):
        def __call__(self, mix: Any) -> Any:
            raise RuntimeError("CUDA error: device-side assert triggered")

    placed = Placed(Broken(1.0), device="cuda")
    with pytest.raises(RuntimeError, match="device-side"):
        placed.settle()


def test_what_was_given_up_is_in_the_result(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Demucs, "remarks", property(lambda self: ("separate: cuda is given up for the CPU",)))
    found = separate(Audio(song(0.5), RATE, "x"), engine="demucs", model=str(checkpoint), dtype="float32")
    assert found.notes == ("separate: cuda is given up for the CPU",)
    assert found.profile["device"] == "cpu"


def test_a_device_that_is_not_there_is_an_error(checkpoint: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ModelError, match="device 'cuda' is not there"):
        Separate().resolve(SeparateParams(engine="demucs", model=str(checkpoint), device="cuda"))


@pytest.mark.slow
def test_on_a_graphics_card() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    network, mix = small_network(3), song(4.3)
    expected = upstream(network, mix)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    assert far(ours(Demucs([network], device="cuda"), mix), expected) <= 1e-4
    assert far(ours(Demucs([network], device="cuda", dtype="bfloat16"), mix), expected) <= 1e-2


def test_memory_is_kept_only_while_a_song_is_separated() -> None:
    """The allocator's settings are the process's: whoever comes last puts them back, and pages go back, too."""
    from audiolab.stages.separation import allocation

    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    with allocation.kept_memory(), allocation.kept_memory():
        before = process.memory_info().rss
        held = np.ones(30_000_000)
        del held
        kept = process.memory_info().rss - before
    assert allocation._users == 0
    left = process.memory_info().rss - before
    assert left < 100e6
    assert kept >= left


def test_a_model_of_another_rate_gives_back_the_songs_own() -> None:
    network, mix = small_network(3, samplerate=22050), song(3.0)
    stems = ours(Demucs([network]), mix)
    assert stems.shape == (4, *mix.shape)
    low = song(3.0, 22050)
    blocks = list(Demucs([network]).blocks(Audio(low, 22050)))
    exact = np.concatenate([block["drums"] for block in blocks], axis=1)
    # Below the model's Nyquist frequency both ways are the same.
    heard = Audio(stems[0], RATE).resample(22050).samples[:, : exact.shape[1]]
    assert np.corrcoef(heard.ravel(), exact.ravel())[0, 1] > 0.9

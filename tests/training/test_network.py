"""Front end against known tones, and torch against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiolab.stages.classification.encoder import Encoder as OnnxEncoder
from audiolab.stages.classification.encoder import read_verified
from audiolab.stages.classification.head import load_head
from audiolab.stages.classification.preparing import FRAMES, RATE
from audiolab.training.export import encoder_of, export_encoder, head_of
from audiolab.training.mixing import loudness
from audiolab.training.module import ClassifierModule
from audiolab.training.network import BANDS, RANGES, STEPS, Encoder, FrontEnd, band_centres, to_decibels
from audiolab.training.settings import ClassifierConfig, ModelConfig


@pytest.fixture(scope="module")
def module() -> ClassifierModule:
    torch.manual_seed(5)
    config = ClassifierConfig(labels=("a", "b", "c"), drums={"a": ("a",)}, model=ModelConfig(width=8))
    made = ClassifierModule.of(config)
    for layer in made.modules():  # batch norms that do something
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
    return made.eval()


def sounds(n: int = 5) -> np.ndarray:
    rng = np.random.default_rng(11)
    t = np.arange(FRAMES) / RATE
    out = rng.standard_normal((n, FRAMES)) * np.exp(-np.outer(rng.uniform(1, 40, n), t))
    out += np.sin(2 * np.pi * np.outer(rng.uniform(40, 4000, n), t))
    return (out / np.abs(out).max(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("hertz", [60.0, 200.0, 1000.0, 3000.0, 9000.0])
def test_a_tone_lights_the_band_at_its_pitch(hertz):
    tone = torch.sin(2 * torch.pi * hertz * torch.arange(FRAMES) / RATE)[None]
    band = int(FrontEnd().power(tone)[0, :, STEPS // 2].argmax())
    centres = np.concatenate([band_centres(*part) for part in RANGES])
    assert band == int(np.abs(centres - hertz).argmin())


def test_maps_have_their_shape_and_do_not_depend_on_level():
    front_end = FrontEnd()
    quiet, loud = (front_end(torch.from_numpy(gain * sounds())) for gain in (0.01, 1.0))
    assert quiet.shape == (5, BANDS, STEPS)
    assert torch.allclose(quiet, loud, atol=1e-3)


def test_both_ranges_join_without_a_step_for_noise():
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((8, FRAMES)).astype(np.float32))
    power = FrontEnd().power(noise).mean(dim=(0, 2))
    centres = np.concatenate([band_centres(*part) for part in RANGES])
    density = power.numpy() / (700 + centres)  # mel bands are as wide as 700 Hz plus their centre, but for a factor
    last, first = RANGES[0][0] - 1, RANGES[0][0]
    spacing = [np.diff([*band_centres(*part)[:2]])[0] / (700 + band_centres(*part)[0]) for part in RANGES]
    assert np.isclose(density[last] / spacing[0], density[first] / spacing[1], rtol=0.15)


def test_silence_is_finite():
    assert torch.isfinite(Encoder(width=8).eval()(torch.zeros(1, FRAMES))).all()
    assert torch.isfinite(to_decibels(torch.zeros(1, BANDS, STEPS))).all()


def test_a_hat_of_a_kicks_power_is_louder():
    power = torch.zeros(2, BANDS, STEPS)
    power[0, 2], power[1, -5] = 1.0, 1.0
    kick, hat = loudness(power)
    assert hat > 10 * kick


def test_torch_and_onnxruntime_agree(module):
    encoder = encoder_of(module)
    data = export_encoder(encoder)
    runtime = OnnxEncoder(data)
    with torch.inference_mode():
        expected = encoder(torch.from_numpy(sounds(40))).numpy()
    got = runtime(list(sounds(40)))
    assert np.abs(got - expected).max() < 1e-4
    assert np.abs(np.linalg.norm(got, axis=1) - 1).max() < 1e-5
    assert b"/" + b"src/" not in data


def test_exported_heads_agree_with_the_module(module):
    encoder = encoder_of(module)
    head = load_head(head_of(module, "0" * 64, temperature=2.0, unknown_below=0.3).to_bytes())
    with torch.inference_mode():
        audio = torch.from_numpy(sounds())
        vectors, logits, drums = module(encoder.front_end(audio))
    assert np.allclose(head.probabilities(vectors.numpy()), torch.softmax(logits / 2.0, dim=1).numpy(), atol=1e-5)
    assert np.allclose(head.drum_probabilities(vectors.numpy()), torch.sigmoid(drums).numpy(), atol=1e-5)


def test_the_shipped_graph_has_the_same_front_end(module):
    """The shipped file's spectra come from this code: its filters and windows are those of today."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load_from_string(read_verified("encoder.onnx")).graph
    shipped = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    for name, value in FrontEnd().state_dict().items():
        [found] = [array for key, array in shipped.items() if key.endswith(f"front_end.{name}")]
        assert np.allclose(found, value.numpy(), atol=1e-6), name

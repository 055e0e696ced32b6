"""Small Demucs checkpoints in the official formats, and songs with known stems."""

from __future__ import annotations

import hashlib
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

SOURCES = ["drums", "bass", "other", "vocals"]
SMALL = {
    "sources": SOURCES,
    "channels": 8,
    "nfft": 4096,
    "dconv_comp": 4,
    "depth": 4,
    "t_layers": 1,
    "t_heads": 2,
    "t_dropout": 0.0,
    "segment": Fraction(3, 2),
    "samplerate": 44100,
}


def small_network(seed: int = 0, **changes: Any) -> Any:
    """Build a small HTDemucs with random weights, its last layers scaled so that stems are as loud as the mix."""
    import torch
    from demucs.htdemucs import HTDemucs

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = HTDemucs(**{**SMALL, **changes}).eval()
        noise = torch.randn(1, network.audio_channels, int(network.samplerate * network.segment))
        with torch.no_grad():
            out = network(noise)
            scale = 1.0 / out.pow(2).mean(dim=(0, 2, 3)).sqrt().mean()
            for layers in (network.decoder, network.tdecoder):
                layers[-1].conv_tr.weight *= scale
                layers[-1].conv_tr.bias *= scale
    return network


def package_of(network: Any) -> dict[str, Any]:
    """What the official files hold."""
    args, kwargs = network._init_args_kwargs
    state = {key: value.detach().clone() for key, value in network.state_dict().items()}
    return {"klass": type(network), "args": args, "kwargs": kwargs, "state": state, "training_args": {"epochs": 360}}


def save_th(network: Any, folder: Path, signature: str) -> Path:
    """Write SIG-<first 8 of sha256>.th, as upstream does."""
    import torch

    buffer = io.BytesIO()
    torch.save(package_of(network), buffer)
    path = folder / f"{signature}-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.th"
    path.write_bytes(buffer.getvalue())
    return path


def _encode(value: Any) -> Any:
    if isinstance(value, Fraction):
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(item) for item in value]
    return value


def save_safetensors(network: Any, folder: Path, signature: str) -> Path:
    """Write SIG.safetensors with class and arguments as JSON, as upstream does."""
    from safetensors.torch import save_file

    package = package_of(network)
    metadata = {
        "klass": f"{package['klass'].__module__}.{package['klass'].__name__}",
        "args": json.dumps(_encode(package["args"])),
        "kwargs": json.dumps(_encode(package["kwargs"])),
    }
    path = folder / f"{signature}.safetensors"
    save_file({key: value.contiguous() for key, value in package["state"].items()}, str(path), metadata=metadata)
    return path


class Passing:
    """Looks like a network of demucs and gives each stem a quarter of its input."""

    samplerate, segment, audio_channels, sources = 44100, 1.5, 2, SOURCES

    def to(self, device: str) -> Passing:
        return self

    def valid_length(self, frames: int) -> int:
        return int(self.segment * self.samplerate)

    def __call__(self, mix: Any) -> Any:
        return (mix / 4)[:, None].expand(-1, 4, -1, -1)


def song(seconds: float = 4.0, rate: int = 44100, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Render kick and noise hits, a bass line, chords and a gliding lead on the 16-bit grid."""
    rng = np.random.default_rng(seed)
    n = max(1, round(seconds * rate))
    t = np.arange(n) / rate
    beat = t % 0.5
    drums = 0.35 * np.exp(-beat * 30) * np.sin(2 * np.pi * 55 * beat) + 0.1 * np.exp(-((t + 0.25) % 0.5) * 60) * (
        rng.standard_normal(n)
    )
    bass = 0.15 * np.sin(2 * np.pi * 82.4 * t)
    chords = sum(0.05 * np.sin(2 * np.pi * f * t) for f in (261.6, 329.6, 392.0))
    lead = 0.12 * np.sin(2 * np.pi * 500 * t + 6 * np.sin(2 * np.pi * 5.5 * t))
    left = drums + bass + 1.2 * chords + lead
    right = drums + bass + 0.8 * chords + lead
    out = np.stack([left, right])[:channels]
    return (np.rint(out * 32768) / 32768).astype(np.float32)

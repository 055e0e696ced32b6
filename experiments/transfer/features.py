"""Features of frozen encoders that were trained for other things: YAMNet, Basic Pitch, Whisper."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from audiolab.audio import Audio, atomic_path
from audiolab.errors import AudiolabError, ModelError
from audiolab.stages.classification.preparing import RATE
from audiolab.training.data import waveform
from audiolab.training.manifest import Entry
from audiolab.training.settings import ClassifierConfig

Feature = Callable[[np.ndarray], np.ndarray]
_FRAMES = 172
"""Steps in time of Basic Pitch's maps."""


def yamnet(path: Path) -> Feature:
    """The 1024 numbers before YAMNet's last layer, of the first 0.975 s at 16 kHz."""
    import warnings

    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Interpreter(str(path), experimental_preserve_all_tensors=True)
    model.allocate_tensors()
    into = model.get_input_details()[0]
    [place] = [d["index"] for d in model.get_tensor_details() if d["name"].endswith("global_average_pooling2d/Mean")]

    def feature(x: np.ndarray) -> np.ndarray:
        model.set_tensor(into["index"], _fitted(x, RATE, 16_000, int(into["shape"][-1])).reshape(into["shape"]))
        model.invoke()
        return np.array(model.get_tensor(place), np.float32).reshape(-1)

    return feature


def basic_pitch() -> Feature:
    """Basic Pitch's convolutional maps before its outputs: means over time in 22 ranges of pitch, and maxima."""
    import basic_pitch as package
    import onnx
    import onnxruntime

    path = Path(package.__file__).parent / "saved_models" / "icassp_2022" / "nmp.onnx"
    graph = onnx.load(str(path))
    wanted = [node.output[0] for node in graph.graph.node if node.op_type == "Relu"]
    graph.graph.output.extend([onnx.ValueInfoProto(name=name) for name in wanted])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    [into] = session.get_inputs()

    def feature(x: np.ndarray) -> np.ndarray:
        audio = _fitted(x, RATE, 22_050, int(into.shape[1]))
        parts = []
        for maps in session.run(wanted, {into.name: audio[None, :, None]}):
            plane = maps[0]
            channels = int(np.argmin(plane.shape))
            plane = np.moveaxis(plane, channels, 0)
            plane = plane if plane.shape[1] == _FRAMES else plane.swapaxes(1, 2)  # channels, time, pitch
            ranges = np.array_split(plane.mean(axis=1), 22, axis=1)
            parts += [part.mean(axis=1) for part in ranges] + [plane.max(axis=(1, 2))]
        return np.concatenate(parts).astype(np.float32)

    return feature


def whisper() -> Feature:
    """Mean and maximum over time of Whisper's encoder; raises where its weights are not at hand."""
    import torch

    from audiolab.stages.words.whisper_engine import load_model
    from audiolab.weights.store import find, two_ways

    weights = find("tiny")
    if weights is None:
        raise ModelError(f"its weights are not at hand; {two_ways('tiny')}")
    model = load_model(weights)
    from whisper.audio import log_mel_spectrogram, pad_or_trim

    @torch.inference_mode()
    def feature(x: np.ndarray) -> np.ndarray:
        audio = torch.from_numpy(_fitted(x, RATE, 16_000, 32_000))
        found = model.encoder(log_mel_spectrogram(pad_or_trim(audio))[None])[0, :100]
        return torch.cat((found.mean(dim=0), found.amax(dim=0))).numpy()

    return feature


def _fitted(x: np.ndarray, rate: int, wanted: int, n: int) -> np.ndarray:
    """Bring a sound to another rate, its peak to 1 and its length to n."""
    y = Audio(x[: 4 * rate], rate, "sound").resample(wanted).samples[0] if x.size else x
    top = float(np.abs(y).max(initial=0.0))
    start = int(np.argmax(np.abs(y) >= 0.01 * top)) if top else 0
    out = np.zeros(n, np.float32)
    part = y[start : start + n]
    out[: part.size] = part / max(top, 1e-9)
    return out


def features_of(
    name: str, make: Callable[[], Feature], entries: Sequence[Entry], config: ClassifierConfig, cache: Path
) -> np.ndarray:
    """One row for each sound, kept between runs under the names of the files."""
    key = hashlib.sha256(json.dumps([name, config.seed, [str(e.path) for e in entries]]).encode()).hexdigest()[:16]
    path = cache / f"{name}-{key}.npy"
    if path.is_file():
        return np.load(path, allow_pickle=False)
    feature = make()
    rows = np.stack([feature(waveform(entry, config)) for entry in entries])
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    return rows


def at_hand(weights: Path) -> tuple[dict[str, Callable[[], Feature]], list[str]]:
    """Which encoders can be used here, and a line for each that cannot."""
    found: dict[str, Callable[[], Feature]] = {}
    missing = []
    model = weights / "yamnet_tflite" / "yamnet.tflite"
    if model.is_file():
        found["YAMNet"] = lambda: yamnet(model)
    else:
        missing.append("YAMNet: yamnet_tflite/yamnet.tflite is not in --weights")
    for name, make in (("Basic Pitch", basic_pitch), ("Whisper tiny", whisper)):
        try:
            ready = make()
        except (ImportError, AudiolabError) as error:
            missing.append(f"{name}: {str(error).splitlines()[0]}")
        else:
            found[name] = lambda ready=ready: ready
    return found, missing

"""From a trained module to the files that the stages read: encoder.onnx, head.npz and their hashes."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.errors import ModelError
from audiolab.stages.classification.encoder import Encoder as OnnxEncoder
from audiolab.stages.classification.head import Head
from audiolab.stages.classification.preparing import FRAMES
from audiolab.training.module import SHARPNESS, ClassifierModule
from audiolab.training.network import Encoder

__all__ = ["MAX_BYTES", "encoder_of", "export_encoder", "head_of", "write_model"]

MAX_BYTES = 3_000_000
"""Encoder and head together."""
_TOLERANCE = 1e-4


def encoder_of(module: ClassifierModule) -> Encoder:
    """Give front end and trained trunk as one module."""
    encoder = Encoder(**module.trunk_options)
    encoder.trunk.load_state_dict(module.trunk.state_dict())
    return encoder.eval()


def export_encoder(encoder: Encoder) -> bytes:
    """Write the encoder as ONNX (opset 18, any number of sounds) and check it against torch.

    Raises
    ------
    ModelError
        If onnxruntime and torch differ by more than 1e-4.
    """
    example = torch.from_numpy(np.random.default_rng(7).uniform(-1, 1, (3, FRAMES)).astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program: Any = torch.onnx.export(
            encoder, (example,), input_names=["audio"], output_names=["embedding"], opset_version=18, dynamo=True,
            dynamic_shapes={"audio": {0: torch.export.Dim("sounds", min=1)}},
            optimize=False,  # the optimizer would fold the cosines into megabytes of constants
            verbose=False,
        )  # fmt: skip
    proto = program.model_proto
    for node in proto.graph.node:  # traces of where each node came from: half of the file, and machine paths
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
    del proto.metadata_props[:]
    proto.doc_string = ""
    del proto.graph.metadata_props[:]
    data: bytes = proto.SerializeToString()
    with torch.inference_mode():
        expected = encoder(example).numpy()
    got = OnnxEncoder(data)(list(example.numpy()))
    difference = float(np.abs(got - expected).max())
    if not difference <= _TOLERANCE:
        raise ModelError(f"the exported encoder differs from torch by {difference:.2g}")
    return data


def head_of(
    module: ClassifierModule,
    encoder_hash: str,
    *,
    temperature: float,
    unknown_below: float,
    drum_shifts: NDArray[np.float32] | None = None,
) -> Head:
    """Give the trained heads, calibrated; `drum_shifts` are taken off the logits of the drum head."""
    state = {name: tensor.detach().float().numpy() for name, tensor in module.state_dict().items()}
    return Head(
        encoder=encoder_hash,
        labels=module.labels,
        drums=module.drums,
        weight=SHARPNESS * state["label_head.weight"].T,
        bias=state["label_head.bias"],
        drum_weight=SHARPNESS * state["drum_head.weight"].T,
        drum_bias=state["drum_head.bias"] - (0.0 if drum_shifts is None else drum_shifts),
        temperature=temperature,
        unknown_below=unknown_below,
    )


def write_model(
    folder: Path,
    encoder: bytes,
    head: Head,
    *,
    beside: Mapping[str, bytes] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write both files and their hashes.

    Parameters
    ----------
    folder : path
        Where to; what its model.json says of other files and things stays, unless a file is gone or was changed.
    encoder, head : bytes, Head
        The model.
    beside : mapping, optional
        Further files that belong to it, by name.
    about : mapping, optional
        What else model.json says.

    Raises
    ------
    ModelError
        If encoder and head are larger than 3 MB together.
    """
    files = {"encoder.onnx": encoder, "head.npz": head.to_bytes()}
    total = sum(map(len, files.values()))
    if total > MAX_BYTES:
        raise ModelError(f"encoder and head have {total:,} bytes; at most {MAX_BYTES:,} may ship")
    files |= dict(beside or {})
    folder.mkdir(parents=True, exist_ok=True)
    kept = _kept(folder)
    for name, data in files.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(data)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    index = kept | dict(about or {}) | {"sha256": kept.get("sha256", {}) | hashes}
    index |= {"labels": list(head.labels), "drums": list(head.drums), "encoder": head.encoder}
    with atomic_path(folder / "model.json") as temporary:
        temporary.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _kept(folder: Path) -> dict[str, Any]:
    """Give what a folder's model.json says, of files only what is still as it says."""
    try:
        index = dict(json.loads((folder / "model.json").read_text(encoding="utf-8")))
        listed = dict(index.pop("sha256"))
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    same = {
        name: digest
        for name, digest in listed.items()
        if (folder / name).is_file() and hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    }
    return index | {"sha256": same}

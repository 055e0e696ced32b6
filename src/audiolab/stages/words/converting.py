"""From an official Whisper checkpoint to a folder for faster-whisper, without any network.

The tensors are handed to CTranslate2's own model specification; `tokenizer.json` is built from the ranks that
openai-whisper brings along, so that both engines cut text into the same tokens.

References
----------
CTranslate2 4 (MIT), `ctranslate2.specs.WhisperSpec`. The merges of a byte-pair encoding follow from its ranks: a
token was made of the two parts that are left when only merges of lower rank are done.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from audiolab.errors import ExportError, MissingDependency, ModelError
from audiolab.stages.words.whisper_engine import load_model
from audiolab.weights import Weights

__all__ = ["Quantization", "convert", "tokenizer_json"]

Quantization = Literal["float32", "float16", "int8"]


def convert(weights: Weights, folder: str | Path, *, quantization: Quantization = "float16") -> Path:
    """Write a checkpoint as a CTranslate2 model folder, to be imported for the engine faster-whisper.

    Parameters
    ----------
    weights : Weights
        An official checkpoint, found by `audiolab.weights.find`.
    folder : path-like
        A new folder: model.bin, config.json, vocabulary.json, tokenizer.json, preprocessor_config.json.
    quantization : {"float16", "float32", "int8"}
        How numbers are stored; float16 is how official checkpoints store them.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ModelError
        If the file is no Whisper checkpoint.
    ExportError
        If the folder exists already or cannot be written.
    MissingDependency
        If openai-whisper or faster-whisper is not installed.
    """
    try:
        import ctranslate2  # noqa: F401 - asked for before anything is loaded
    except ImportError as error:
        raise MissingDependency(
            "converting needs the package faster-whisper, which is not installed: pip install 'audiolab[lyrics-fast]'"
        ) from error
    target = Path(folder)
    if target.exists():
        raise ExportError(f"{str(target)!r} exists already; give a new folder")
    model = load_model(weights)
    spec = _spec(model)
    try:
        spec.validate()
    except ValueError as error:
        raise ModelError(f"{weights.name} does not fit CTranslate2's Whisper: {error}") from error
    spec.optimize(quantization=quantization)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            made = Path(scratch) / "model"
            made.mkdir()
            spec.save(str(made))
            text = tokenizer_json(multilingual=model.is_multilingual, num_languages=model.num_languages)
            (made / "tokenizer.json").write_text(text, "utf-8")
            settings = {"feature_size": model.dims.n_mels, "sampling_rate": 16_000, "hop_length": 160, "n_fft": 400}
            (made / "preprocessor_config.json").write_text(json.dumps({**settings, "chunk_length": 30}), "utf-8")
            shutil.move(made, target)
    except OSError as error:
        raise ExportError(f"cannot write {str(target)!r}: {error.strerror or error}") from error
    return target


def _spec(model: Any) -> Any:
    from ctranslate2.specs import WhisperSpec
    from whisper.tokenizer import get_tokenizer

    dims, state = model.dims, {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    spec = WhisperSpec(dims.n_audio_layer, dims.n_audio_head, dims.n_text_layer, dims.n_text_head)
    tensors = _Tensors(state)
    encoder, decoder = spec.encoder, spec.decoder
    for name in ("conv1", "conv2"):
        tensors.linear(getattr(encoder, name), f"encoder.{name}")
    encoder.position_encodings.encodings = state["encoder.positional_embedding"]
    tensors.norm(encoder.layer_norm, "encoder.ln_post")
    decoder.embeddings.weight = state["decoder.token_embedding.weight"]
    decoder.projection.weight = state["decoder.token_embedding.weight"]
    decoder.position_encodings.encodings = state["decoder.positional_embedding"]
    tensors.norm(decoder.layer_norm, "decoder.ln")
    for part, side in (("encoder", encoder), ("decoder", decoder)):
        for index, layer in enumerate(side.layer):
            prefix = f"{part}.blocks.{index}"
            tensors.attention(layer.self_attention, f"{prefix}.attn", cross=False)
            if part == "decoder":
                tensors.attention(layer.attention, f"{prefix}.cross_attn", cross=True)
            tensors.norm(layer.ffn.layer_norm, f"{prefix}.mlp_ln")
            tensors.linear(layer.ffn.linear_0, f"{prefix}.mlp.0")
            tensors.linear(layer.ffn.linear_1, f"{prefix}.mlp.2")
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages)
    spec.register_vocabulary(_vocabulary(tokenizer, dims.n_vocab))
    spec.config.suppress_ids = sorted(tokenizer.non_speech_tokens)
    spec.config.suppress_ids_begin = [*tokenizer.encode(" "), tokenizer.eot]
    spec.config.lang_ids = list(tokenizer.all_language_tokens) if model.is_multilingual else []
    spec.config.alignment_heads = [(int(layer), int(head)) for layer, head in model.alignment_heads.indices().T]
    return spec


class _Tensors:
    """Puts arrays of the checkpoint where the specification wants them."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = state

    def linear(self, spec: Any, name: str) -> None:
        spec.weight = self.state[f"{name}.weight"]
        spec.bias = self.state[f"{name}.bias"]

    def norm(self, spec: Any, name: str) -> None:
        spec.gamma, spec.beta = self.state[f"{name}.weight"], self.state[f"{name}.bias"]

    def attention(self, spec: Any, name: str, *, cross: bool) -> None:
        """Query, key and value become one matrix; for cross attention query alone, key and value joined."""
        import numpy as np

        self.norm(spec.layer_norm, f"{name}_ln")
        weight = {part: self.state[f"{name}.{part}.weight"] for part in ("query", "key", "value")}
        bias = {part: self.state[f"{name}.{part}.bias"] for part in ("query", "value")}
        bias["key"] = np.zeros_like(bias["query"])  # keys have none
        for linear, parts in zip(
            spec.linear, (("query",), ("key", "value")) if cross else (("query", "key", "value"),), strict=False
        ):
            linear.weight = np.concatenate([weight[part] for part in parts])
            linear.bias = np.concatenate([bias[part] for part in parts])
        self.linear(spec.linear[-1], f"{name}.out")


def _byte_signs() -> dict[int, str]:
    """Give the sign by which byte-level encodings write each byte: itself if it can be printed, else from 256 on."""
    printed = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    signs = {byte: chr(byte) for byte in printed}
    for byte in range(256):
        if byte not in signs:
            signs[byte] = chr(256 + len(signs) - len(printed))
    return signs


def _specials(tokenizer: Any) -> dict[str, int]:
    return dict(sorted(tokenizer.special_tokens.items(), key=lambda item: int(item[1])))


def _vocabulary(tokenizer: Any, size: int) -> list[str]:
    signs = _byte_signs()
    first = min(tokenizer.special_tokens.values())
    plain = (tokenizer.encoding.decode_single_token_bytes(token) for token in range(first))
    tokens = ["".join(signs[byte] for byte in text) for text in plain]
    tokens += list(_specials(tokenizer))
    if len(tokens) != size:
        raise ModelError(f"the checkpoint has {size} tokens and openai-whisper's tokenizer {len(tokens)}")
    return tokens


def tokenizer_json(*, multilingual: bool, num_languages: int) -> str:
    """Give Whisper's tokenizer in the format of the package tokenizers."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from whisper.tokenizer import get_tokenizer

    source = get_tokenizer(multilingual, num_languages=num_languages)
    signs = _byte_signs()
    first = min(source.special_tokens.values())
    ranks = {source.encoding.decode_single_token_bytes(token): token for token in range(first)}

    def written(text: bytes) -> str:
        return "".join(signs[byte] for byte in text)

    merges = [
        (written(left), written(right))
        for text, rank in sorted(ranks.items(), key=lambda item: item[1])
        if len(text) > 1
        for left, right in [_parts(text, rank, ranks)]
    ]
    model = models.BPE(vocab={written(text): rank for text, rank in ranks.items()}, merges=merges)
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    specials = _specials(source)
    made.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in specials])
    assert all(made.token_to_id(text) == token for text, token in specials.items())
    return str(made.to_str())


def _parts(text: bytes, rank: int, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes]:
    """Give the two parts that the merge of this rank joined."""
    parts = [bytes([byte]) for byte in text]
    while len(parts) > 2:
        lowest, at = min((ranks.get(a + b, rank), i) for i, (a, b) in enumerate(pairwise(parts)))
        if lowest >= rank:
            raise ModelError("openai-whisper's ranks are no byte-pair encoding")
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts[0], parts[1]

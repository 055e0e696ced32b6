"""A tiny Whisper checkpoint in the official file format that says the same words in every window."""

from __future__ import annotations

import pytest

DIMS = {
    "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 64, "n_audio_head": 2, "n_audio_layer": 1,
    "n_vocab": 51865, "n_text_ctx": 448, "n_text_state": 64, "n_text_head": 2, "n_text_layer": 2,
}  # fmt: skip
WORDS = " Sing along with me"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Random but for the decoder's output: its positions alone decide which token comes next.

    Attention and perceptrons add nothing to the residual stream, so the position's own vector, which is that of
    the wanted token, wins. The cross attention still has its (random) patterns, which word times are read from.
    """
    pytest.importorskip("whisper")
    torch = pytest.importorskip("torch")
    from whisper.model import ModelDimensions, Whisper
    from whisper.tokenizer import get_tokenizer

    tokenizer = get_tokenizer(True, num_languages=99, language="es", task="transcribe")
    torch.manual_seed(7)
    model = Whisper(ModelDimensions(**DIMS))
    said = [tokenizer.timestamp_begin, *tokenizer.encode(WORDS), tokenizer.timestamp_begin + 50, tokenizer.eot]
    wanted = [tokenizer.to_language_token("es"), tokenizer.transcribe, *said]
    wanted += [tokenizer.eot] * (DIMS["n_text_ctx"] - len(wanted))
    with torch.no_grad():
        table = torch.nn.functional.normalize(torch.randn(DIMS["n_vocab"], DIMS["n_text_state"]), dim=1)
        model.decoder.token_embedding.weight.copy_(table)
        model.decoder.positional_embedding.copy_(100 * table[wanted])
        model.decoder.ln.weight.fill_(10.0)
        for block in model.decoder.blocks:
            for layer in (block.attn.out, block.cross_attn.out, block.mlp[2]):
                layer.weight.zero_()
                layer.bias.zero_()
    path = tmp_path_factory.mktemp("weights") / "scripted.pt"
    state = {name: tensor.half() for name, tensor in model.state_dict().items()}
    torch.save({"dims": DIMS, "model_state_dict": state}, path)
    return path


@pytest.fixture(scope="session")
def folder(checkpoint, tmp_path_factory):
    """The same network as a folder for faster-whisper."""
    pytest.importorskip("faster_whisper", reason="needs faster-whisper: pip install 'audiolab[lyrics-fast]'")
    from audiolab.stages.words.converting import convert
    from audiolab.weights import Weights, hash_file

    found = Weights("scripted", "custom", (checkpoint,), (hash_file(checkpoint),), "")
    return convert(found, tmp_path_factory.mktemp("converted") / "scripted-fast", quantization="float32")

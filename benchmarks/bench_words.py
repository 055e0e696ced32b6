"""How fast lyrics are: openai-whisper's own `transcribe()` against audiolab's stage, with both engines.

    python benchmarks/bench_words.py [--seconds 150] [--repeats 5] [--threads 1] [--json FILE]
    python benchmarks/bench_words.py --model small       # with real weights that are here, instead of made ones

Without `--model` the weights are made up: architecture and size of Whisper `tiny` in the official file format, every
matrix random and dense, but the decoder's output follows a script (a fixed text in every window, then the end), because
plain random weights never stop. What that can show: the time of encoder, decoder and word alignment for a given number
of words, and what is saved by never playing silence to the model. What it cannot show: anything about right words, nor
how many words (or made-up ones) the official weights would say in a window of silence. The script is therefore run with
many words in every window and with one word in every window: a real model's gain on a song with rests lies between.

All sides get the same samples at 16 kHz, the same language, greedy decoding and word times; each row's variants take
turns, medians are given, and ratios are to openai-whisper's `transcribe()` on the whole file.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from audiolab import weights
from audiolab.audio import Audio
from audiolab.stages.words import transcribe
from audiolab.stages.words.converting import convert
from audiolab.stages.words.faster_engine import FasterWhisperEngine
from audiolab.stages.words.whisper_engine import WhisperEngine

RATE = 16_000
TINY = {
    "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 384, "n_audio_head": 6, "n_audio_layer": 4,
    "n_vocab": 51865, "n_text_ctx": 448, "n_text_state": 384, "n_text_head": 6, "n_text_layer": 4,
}  # fmt: skip
MANY = (
    " I went down to the river when the morning light was new, and the water told a story that I always thought I knew;"
    " so I left my coat behind me, let the summer rain fall through, every road that I have taken "
    "brings me slowly back to you"
)
ONE = " Yeah"
RESTED = ("openai-whisper transcribe()", "audiolab, whisper", "audiolab, faster-whisper int8")
COLUMNS = {"sound": 12, "script": 16, "variant": 34, "words": 5, "seconds": 8, "ratio": 6}


def scripted(text: str, path: Path) -> Path:
    """Write a checkpoint that says `text` in every window."""
    import torch
    from whisper.model import ModelDimensions, Whisper
    from whisper.tokenizer import get_tokenizer

    tokenizer = get_tokenizer(True, num_languages=99, language="en", task="transcribe")
    torch.manual_seed(7)
    model = Whisper(ModelDimensions(**TINY))
    said = [tokenizer.timestamp_begin, *tokenizer.encode(text), tokenizer.timestamp_begin + 1400, tokenizer.eot]
    wanted = [tokenizer.to_language_token("en"), tokenizer.transcribe, *said]
    wanted += [tokenizer.eot] * (TINY["n_text_ctx"] - len(wanted))
    with torch.no_grad():
        table = torch.nn.functional.normalize(torch.randn(TINY["n_vocab"], TINY["n_text_state"]), dim=1)
        model.decoder.token_embedding.weight.copy_(table)
        model.decoder.positional_embedding.copy_(100 * table[wanted])
        model.decoder.ln.weight.fill_(30.0)
        # Small, not zero: nothing is cheaper than in a real model, and the position still decides.
        for block in model.decoder.blocks:
            for layer in (block.attn.out, block.cross_attn.out, block.mlp[2]):
                layer.weight.mul_(0.01)
                layer.bias.zero_()
    torch.save({"dims": TINY, "model_state_dict": {k: v.half() for k, v in model.state_dict().items()}}, path)
    return path


def vocal(seconds: float, rests: bool) -> np.ndarray:
    """Make a voice-like stem: phrases of 3.6 s with a breath between; with rests every other 15 s are near silence."""
    rng = np.random.default_rng(3)
    at = np.arange(round(seconds * RATE)) / RATE
    knots = np.arange(0, seconds + 1, 0.5)
    pitch = 220 * 2 ** (np.interp(at, knots, rng.integers(0, 12, len(knots))) / 12)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wave = sum(np.sin(k * phase) / k for k in range(1, 8))
    wave *= 0.08 * (1 + 0.3 * np.sin(2 * np.pi * 4 * at)) * (at % 4 < 3.6)
    if rests:
        wave = np.where(at % 30 < 15, wave, 1e-4 * rng.standard_normal(len(at)))
    return np.asarray(wave, np.float32)


def timed(work: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Run the variants in turns; give the median seconds of each."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, run in work.items():
            begun = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - begun)
    return {name: median(values) for name, values in taken.items()}


def variants(found: weights.Weights, folder: weights.Weights, audio: np.ndarray, threads: int) -> dict[str, Any]:
    """Give what is compared; each returns the number of words."""
    import torch
    import whisper

    ours = WhisperEngine(found, threads=threads)
    fast = {dtype: FasterWhisperEngine(folder, dtype=dtype, threads=threads) for dtype in ("float32", "int8")}
    sound = Audio(audio[None], RATE, "vocal")

    def upstream() -> int:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            result = whisper.transcribe(
                ours.model, audio, language="en", word_timestamps=True, condition_on_previous_text=False, fp16=False
            )
        return sum(len(segment["words"]) for segment in result["segments"])

    def faster_alone() -> int:
        segments, _ = fast["int8"].model.transcribe(
            audio, language="en", beam_size=1, word_timestamps=True, condition_on_previous_text=False
        )
        return sum(len(segment.words) for segment in segments)

    def stage(engine: Any) -> Callable[[], int]:
        return lambda: sum(len(line.words) for line in transcribe(sound, engine, language="en")[0])

    return {
        "openai-whisper transcribe()": upstream,
        "audiolab, whisper": stage(ours),
        "audiolab, faster-whisper float32": stage(fast["float32"]),
        "audiolab, faster-whisper int8": stage(fast["int8"]),
        "faster-whisper transcribe() int8": faster_alone,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", help="real weights of Whisper that are here, e.g. small")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        scripts = {"real": ""} if options.model else {"49 words": MANY, "one word": ONE}
        for number, (script, text) in enumerate(scripts.items()):
            if options.model:
                found = weights.find(options.model)
                if found is None:
                    parser.error(f"{options.model} is not here: {weights.two_ways(options.model)}")
            else:
                path = scripted(text, Path(scratch) / f"script{number}.pt")
                found = weights.Weights(path.stem, "custom", (path,), (weights.hash_file(path),), "made up")
            made = convert(found, Path(scratch) / f"folder{number}")
            files = tuple(sorted(made.iterdir()))
            hashes = tuple(weights.hash_file(file) for file in files)
            folder = weights.Weights(made.name, "ctranslate2", files, hashes, "made up", folder=made)
            for name, rests in (("dense vocal", False), ("half rests", True)):
                if script == "one word" and not rests:
                    continue
                work = variants(found, folder, vocal(options.seconds, rests), options.threads)
                if rests:
                    work = {variant: run for variant, run in work.items() if variant in RESTED}
                words = {variant: run() for variant, run in work.items()}  # also compiles the alignment, fills caches
                seconds = timed(work, options.repeats)
                first = seconds["openai-whisper transcribe()"]
                for variant, value in seconds.items():
                    rows.append(
                        {"sound": name, "script": script, "variant": variant, "words": words[variant],
                         "seconds": round(value, 3), "ratio": round(value / first, 3)}
                    )  # fmt: skip
                    print("  ".join(str(rows[-1][key]).ljust(width) for key, width in COLUMNS.items()), flush=True)
    which = f"real weights {options.model}" if options.model else "made-up weights of tiny's size"
    print(f"{options.seconds:g} s of sound, medians of {options.repeats}, {options.threads} thread(s); {which}")
    if not options.model:
        print(
            "They show the cost of encoder, decoder and word alignment and what skipped silence saves; not whether the"
        )
        print("official weights would hear the right words, nor how much they would say in silence.")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

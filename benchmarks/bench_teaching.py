"""Speed of proposing, retagging and undoing over many embeddings. `--sounds N --set N --json FILE`.

The library is made of records, as workers leave them, with random embeddings; nothing is decoded.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from audiolab.config import get_settings
from audiolab.library import Library, Record
from audiolab.library.ids import view_id
from audiolab.runs import retag, uncertain
from audiolab.stages.classification import find_model, get_head
from audiolab.stages.classification.shelf import put


def key(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=32).hexdigest()


def make(folder: Path, sounds: int, size: int) -> Library:
    """Fold sets of `size` cuts with embeddings and labels."""
    library, model = Library(folder / "library"), find_model("shipped")
    head, rng = get_head(model), np.random.default_rng(0)
    for number in range(-(-sounds // size)):
        path = folder / f"{number}.wav"
        sf.write(path, rng.integers(-9000, 9000, 100 * size).astype("i2"), 8000)
        song = library.add(path, kind="song")
        cuts = [{"id": view_id(song.id, 100 * i, 100 * i + 90), "start": 100 * i, "stop": 100 * i + 90, "facts": {}}
                for i in range(size)]  # fmt: skip
        library.fold(Record(key=key("slice", number), stage="slice", version=1, sound_id=song.id, cuts=cuts))
        vectors = rng.standard_normal((size, head.weight.shape[0])).astype("<f4")
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        file = library.tmp_dir / "vectors.npy"
        np.save(file, vectors)
        set_id, ids = song.samples.id, [cut["id"] for cut in cuts]
        held = {"encoder": model.encoder, "media": library.media.put(file, ".npy"), "sound_ids": ids}
        library.fold(Record(key=key("embed", number), stage="embed", version=1, sound_id=song.id, set_id=set_id,
                            vectors=held))  # fmt: skip
        p = head.probabilities(vectors)
        best = p.argmax(axis=1)
        tags = [{"sound_id": i, "label": head.labels[b], "confidence": float(p[n, b])}
                for n, (i, b) in enumerate(zip(ids, best.tolist(), strict=True))]  # fmt: skip
        items = [{"label": tag["label"], "confidence": tag["confidence"], "kind": "one-shot"} for tag in tags]
        record = Record(key=key("classify", number), stage="classify", version=1, sound_id=song.id, set_id=set_id,
                        tags=tags, document={"items": items}, weights=model.weights,
                        params={"unknown_below": None, "downmix": False})  # fmt: skip
        record.write(library.record_path(record.key))
        library.fold(record)
    return library


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sounds", type=int, default=100_000)
    parser.add_argument("--set", type=int, default=500, help="samples in a set")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {"sounds": options.sounds}

    def timed(name: str, work: Any) -> Any:
        started = time.perf_counter()
        result = work()
        found[name] = round(time.perf_counter() - started, 3)
        print(f"{name:32} {found[name]:8.3f} s")
        return result

    with tempfile.TemporaryDirectory() as folder:
        os.environ["AUDIOLAB_MODELS_DIR"] = str(Path(folder) / "models")  # a shelf of its own
        get_settings.cache_clear()
        library = timed("making the library", lambda: make(Path(folder), options.sounds, options.set))
        head = get_head("shipped")
        changed = dataclasses.replace(head, bias=head.bias + np.linspace(-0.5, 0.5, head.bias.size, dtype=np.float32))
        model = put({"head.npz": changed.to_bytes()}, name="bench").id
        timed("uncertain, 20 of all", lambda: uncertain(library, 20))
        timed("uncertain, again", lambda: uncertain(library, 20))
        plan = timed("retag, dry run", lambda: retag(library, model=model))
        print(f"{len(plan.changes)} labels change")
        timed("retag, applied", plan.apply)
        timed("undo", library.undo)
        library.close()
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

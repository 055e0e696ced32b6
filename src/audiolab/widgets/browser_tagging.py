"""Labels that the classifier proposes in the browser: computed in the kernel, or in the page by the same model.

Proposals are shown, never stored: a model's tags belong to a result of a run, so that they can be explained, made
again and replaced. What a person accepts becomes a person's label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, gcd
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from audiolab.errors import AudiolabError, ParameterError
from audiolab.library import Library
from audiolab.stages.classification.choosing import find_model
from audiolab.stages.classification.head import get_head
from audiolab.stages.classification.model_files import ENCODER, read_verified
from audiolab.stages.classification.preparing import FRAMES, RATE, listen, prepare
from audiolab.stages.classification.stage import classify
from audiolab.stages.classification.taxonomy import UNKNOWN, load_taxonomy
from audiolab.widgets.base import Reply, request
from audiolab.widgets.bundle import find_bundle, why_missing
from audiolab.widgets.sounding import SoundingWidget

__all__ = ["RUNTIME", "RUNTIME_WASM", "BrowserTagging", "FilterBank", "filter_bank"]

RUNTIME, RUNTIME_WASM = "audiolab-onnx.js", "audiolab-onnx.wasm"
_MOST = 64
_REACH = 160
"""Frames on either side that soxr's filter reaches at most, at the lower of both rates."""
_MOST_PHASES = 2000
_BEGIN = 8


@dataclass(frozen=True, eq=False)
class FilterBank:
    """The filters by which a rate is brought to the encoder's, with both as up : down in lowest terms.

    Output frame m is the product of row `m * down % up` of `bank` with the input from `m * down // up - left` on; the
    first ones are those of the rows of `first` with the input from 0 on.
    """

    bank: NDArray[np.float32]
    first: NDArray[np.float32]
    up: int
    down: int
    left: int


@lru_cache(maxsize=16)
def filter_bank(rate: int) -> FilterBank | None:
    """Measure soxr's filters, so that the page resamples by the same ones; None for odd rates: it would be huge."""
    common = gcd(rate, RATE)
    up, down = RATE // common, rate // common
    if up > _MOST_PHASES or down > _MOST_PHASES:
        return None
    reach = ceil(_REACH * max(1.0, rate / RATE))
    # One impulse for each place that a frame can have among the output's; far enough apart, all in one signal.
    spacing = down * ceil(2 * reach / down) + 1
    places = reach + spacing * np.arange(down)
    signal = np.zeros(int(places[-1]) + reach + 1, np.float32)
    signal[places] = 1.0
    out = soxr.resample(signal, rate, RATE, quality="HQ")
    at = np.arange(len(out)) * down
    nearest = np.clip(np.rint((at / up - reach) / spacing).astype(int), 0, down - 1)
    offset = at - places[nearest] * up + reach * up
    response = np.zeros(2 * reach * up + 1, np.float32)
    inside = (offset >= 0) & (offset < len(response))
    response[offset[inside]] = out[inside]
    # Row p, tap j is the response p / up frames after the frame `left - j` before.
    heard = np.flatnonzero(np.abs(response) > 1e-8)
    left = min(reach - 1, ceil((heard[-1] - reach * up) / up) + 1)
    right = min(reach - 1, ceil((reach * up - heard[0]) / up) + 1)
    steps = np.arange(-left, right + 1)
    rows = np.arange(up)[:, None] - steps[None, :] * up + reach * up
    return FilterBank(np.ascontiguousarray(response[rows]), _first(rate, len(steps)), up, down, left)


def _first(rate: int, taps: int) -> NDArray[np.float32]:
    """Measure the first outputs by themselves: soxr begins with a slightly other filter."""
    first = np.zeros((_BEGIN, taps), np.float32)
    for at in range(taps):
        signal = np.zeros(taps + 1, np.float32)
        signal[at] = 1.0
        found = soxr.resample(signal, rate, RATE, quality="HQ")[:_BEGIN]
        first[: len(found), at] = found
    return first


class BrowserTagging(SoundingWidget):
    """Requests for proposals, and for all that the page needs to compute them itself."""

    library: Library

    @request
    def propose(self, ids: Sequence[str]) -> Reply:
        """Classify a few sounds in the kernel."""
        proposals: list[dict[str, Any]] = []
        for sound_id in ids[:_MOST]:
            try:
                [found] = classify(self.library.sound(sound_id).source(), downmix=True)
            except AudiolabError as error:
                proposals.append({"id": sound_id, "error": str(error)})
                continue
            proposals.append({"id": sound_id, **found.item()})
        return {"proposals": proposals}

    @request
    def runtime(self) -> Reply:
        """Give the code of onnxruntime-web, which is in a file of its own because few pages need it."""
        return {}, [_built(RUNTIME)]

    @request
    def runtime_wasm(self) -> Reply:
        """Give onnxruntime's WebAssembly."""
        return {}, [_built(RUNTIME_WASM)]

    @request
    def classifier(self) -> Reply:
        """Give the classifier: the encoder's graph, and the head's weights (float32, dimensions by labels)."""
        model = find_model()
        head, taxonomy = get_head(model), load_taxonomy()
        told = {
            "weights": model.weights, "name": model.name, "labels": list(head.labels), "frames": FRAMES, "rate": RATE,
            "dimensions": head.weight.shape[0], "temperature": head.temperature, "unknown_below": head.unknown_below,
            "unknown": UNKNOWN, "families": {label: taxonomy.family(label) for label in (*head.labels, UNKNOWN)},
        }  # fmt: skip
        arrays = [np.ascontiguousarray(array, np.float32).tobytes() for array in (head.weight, head.bias)]
        return told, [read_verified(ENCODER, model.encoder_folder), *arrays]

    @request
    def resampler(self, rate: int) -> Reply:
        """Give the filters from a rate to the encoder's; none for odd rates, see `prepared`."""
        found = filter_bank(rate)
        if found is None:
            return {"up": 0}
        told = {"up": found.up, "down": found.down, "left": found.left, "taps": found.bank.shape[1]}
        return told, [found.bank.tobytes(), found.first.tobytes()]

    @request
    def prepared(self, ids: Sequence[str]) -> Reply:
        """Give the encoder's input of sounds that the page cannot prepare itself: odd rates, long ones."""
        told: list[dict[str, Any]] = []
        buffers: list[bytes] = []
        for sound_id in ids[:_MOST]:
            try:
                heard = listen(self.library.sound(sound_id).source())
            except AudiolabError as error:
                told.append({"id": sound_id, "error": str(error)})
                continue
            samples = prepare(heard.mono, heard.sample_rate)
            told.append({"id": sound_id, "silent": samples is None, "at": len(buffers)})
            buffers.append((np.zeros(0, np.float32) if samples is None else samples).tobytes())
        return {"sounds": told}, buffers


def _built(name: str) -> bytes:
    path = find_bundle(name)
    if path is None:
        raise ParameterError(f"{name} is not here: {why_missing()}; use tagger='kernel'")
    return path.read_bytes()

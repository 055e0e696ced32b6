"""Basic Pitch's own ONNX network, run on a stream: audio in, activations of 88 pitches out.

The audio path is upstream's, step by step: the mean of the channels, soxr "HQ" to 22,050 Hz, windows of
43,844 samples that overlap by 30 frames, 15 frames dropped at both ends of each. Windows are run one by
one, several at a time on several threads: then every value is upstream's to the bit, which batches do not
give (on digital silence they differ by 0.03), and threads change nothing. Only a few windows are held;
what grows with the length is the activations (61 kB a second; contours, 91 kB a second, go to a temporary file
for sounds of more than ten minutes).

References
----------
R. M. Bittner et al., "A Lightweight Instrument-Agnostic Model for Polyphonic Note Transcription and
Multipitch Estimation", ICASSP 2022; package `basic-pitch` 0.4.0 (Apache-2.0), `basic_pitch.inference`.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import BlockSource, Mono, resample_blocks
from audiolab.errors import AudioError, MissingDependency, ModelError
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.kept import file_size, kept
from audiolab.weights import hash_file

__all__ = [
    "FRAME_HOP",
    "MODEL_RATE",
    "MODEL_SHA256",
    "WINDOW_FRAMES",
    "WINDOW_HOP",
    "Activations",
    "Contours",
    "Spool",
    "activations",
    "find_model",
]

MODEL_RATE = 22_050
MODEL_SHA256 = "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec"
"""Of `saved_models/icassp_2022/nmp.onnx` in basic-pitch 0.4.0."""
FRAME_HOP = 256
_FRAMES_PER_SECOND = MODEL_RATE // FRAME_HOP
_WINDOW = 2 * MODEL_RATE - FRAME_HOP
_OVERLAP_FRAMES = 30
WINDOW_HOP = _WINDOW - _OVERLAP_FRAMES * FRAME_HOP
"""Samples between the beginnings of windows."""
WINDOW_FRAMES = 172 - _OVERLAP_FRAMES
"""Frames kept of each window."""
_LEAD = _OVERLAP_FRAMES * FRAME_HOP // 2
_SPOOL_SECONDS = 600.0
"""Contours of longer sounds go to a temporary file: they take 330 MB an hour."""
_INPUT = "serving_default_input_2:0"
_NOTE, _ONSET, _CONTOUR = (f"StatefulPartitionedCall:{i}" for i in (1, 2, 0))


class Contours(Protocol):
    """An array of rows, or a `Spool`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    def __getitem__(self, place: tuple[slice, slice], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Activations:
    """What the network says about a sound, one row a frame, values 0 to 1.

    Frames of one window are 256/22050 s apart; see `creation.frame_times` for their times.
    """

    note: NDArray[np.float32]
    """Is the pitch sounding: shape (frames, 88), column 0 is MIDI pitch 21."""
    onset: NDArray[np.float32]
    """Does it begin: shape (frames, 88)."""
    contour: Contours | None
    """Pitch in thirds of a semitone: shape (frames, 264); None if not asked for, on disk if the sound is long."""
    samples: int
    """Length of the sound at 22,050 Hz."""
    level: NDArray[np.float32]
    """RMS of each frame less its mean, so without an offset (DC): shape (frames,)."""

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.samples / MODEL_RATE

    def as_upstream(self) -> Activations:
        """Give the frames that upstream keeps: 86 a second of the 86.58 that there are, so the end is lost."""
        frames = int(np.floor(self.samples * (_FRAMES_PER_SECOND / MODEL_RATE)))
        # Rows of a spool beyond the end are never asked for.
        contour = self.contour if self.contour is None or isinstance(self.contour, Spool) else self.contour[:frames, :]
        return Activations(self.note[:frames], self.onset[:frames], contour, self.samples, self.level[:frames])


class Spool:
    """Rows of float32 in a temporary file without a name, read back by slices.

    Three quarters of what the network says are contours, and each is looked at once, where a note is.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._file = tempfile.TemporaryFile(prefix="audiolab-")  # noqa: SIM115 - lives as long as the object

    def append(self, rows: NDArray[np.float32]) -> None:
        """Add rows at the end."""
        self._file.write(np.ascontiguousarray(rows, np.float32).tobytes())

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._file.tell() // (4 * self.width), self.width

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[np.float32]:
        rows, columns = place
        first, last, _ = rows.indices(self.shape[0])
        self._file.flush()
        held = os.pread(self._file.fileno(), max(last - first, 0) * 4 * self.width, first * 4 * self.width)
        return np.frombuffer(held, np.float32).reshape(-1, self.width)[:, columns]


def find_model() -> Path:
    """Find `nmp.onnx` in the installed package, without importing that.

    Raises
    ------
    MissingDependency
        If basic-pitch is not installed.
    ModelError
        If the file is gone or is not the one of basic-pitch 0.4.0.
    """
    spec = find_spec("basic_pitch")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependency(
            "MIDI of pitched sounds needs the model in the package basic-pitch, which is not installed. Install it "
            "without its dependencies (it asks for TensorFlow): pip install --no-deps basic-pitch==0.4.0"
        )
    path = Path(next(iter(spec.submodule_search_locations))) / "saved_models" / "icassp_2022" / "nmp.onnx"
    if not path.is_file():
        raise ModelError(f"{str(path)!r} is gone: install basic-pitch again (pip install --no-deps basic-pitch==0.4.0)")
    if hash_file(path) != MODEL_SHA256:
        raise ModelError(
            f"{str(path)!r} is not the model of basic-pitch 0.4.0 (sha256 {MODEL_SHA256[:12]}…): "
            "install it again (pip install --no-deps --force-reinstall basic-pitch==0.4.0)"
        )
    return path


@kept(expected=lambda path: file_size(path))  # noqa: PLW0108 - a builder's arguments have no star
def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def activations(
    source: BlockSource, *, contours: bool = True, threads: int = 1, progress: Progress = no_progress
) -> Activations:
    """Run the network over a whole sound.

    Parameters
    ----------
    source : BlockSource
        Any rate, any number of channels (their mean is taken).
    contours : bool
        Whether to keep the contours, which pitch bends are read from.
    threads : int
        Windows run at a time; the result is the same for any number.
    progress : Progress
        Called after each window with seconds done and in all.

    Raises
    ------
    AudioError
        If the sound has no frames.
    MissingDependency, ModelError
        See `find_model`.
    """
    if source.frames == 0:
        raise AudioError(f"{source.name!r} holds no audio (0 frames)")
    session = _session(find_model())
    # librosa.resample rounds the length up, so this does too
    samples = math.ceil(source.frames * (MODEL_RATE / source.sample_rate))
    names = [_NOTE, _ONSET, _CONTOUR] if contours else [_NOTE, _ONSET]
    windows = -(-(samples + _LEAD) // WINDOW_HOP)
    frames = _all_frames(samples)
    duration = source.frames / source.sample_rate
    kept: list[Any] = [np.empty(frames, np.float32)]
    kept += [np.empty((frames, 88), np.float32) for _ in range(2)]
    if contours:
        kept.append(Spool(264) if duration > _SPOOL_SECONDS else np.empty((frames, 264), np.float32))

    def run(window: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        outputs = session.run(names, {_INPUT: window[None, :, None]})
        half = _OVERLAP_FRAMES // 2
        return [_levels(window), *(output[0, half:-half] for output in outputs)]

    for index, outputs in enumerate(_in_order(run, _windows(source, samples), threads)):
        at = index * WINDOW_FRAMES
        for target, rows in zip(kept, outputs, strict=True):
            if isinstance(target, Spool):
                target.append(rows[: max(frames - at, 0)])
            else:
                target[at : at + WINDOW_FRAMES] = rows[: max(frames - at, 0)]
        progress(duration * (index + 1) / windows, duration)
    return Activations(kept[1], kept[2], kept[3] if contours else None, samples, kept[0])


def _levels(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the RMS of the kept frames of a window."""
    samples = window[_LEAD : _LEAD + WINDOW_FRAMES * FRAME_HOP].astype(np.float64)
    levels: NDArray[np.float64] = samples.reshape(WINDOW_FRAMES, FRAME_HOP).std(axis=1)
    return levels.astype(np.float32)


def _all_frames(samples: int) -> int:
    """Count the frames whose centre lies inside the sound (upstream keeps some less)."""
    windows, rest = divmod(samples, WINDOW_HOP)
    return windows * WINDOW_FRAMES + min(-(-rest // FRAME_HOP), WINDOW_FRAMES)


def _in_order(
    run: Callable[[NDArray[np.float32]], list[NDArray[np.float32]]],
    windows: Iterator[NDArray[np.float32]],
    threads: int,
) -> Iterator[list[NDArray[np.float32]]]:
    """Yield what `run` makes of each window, in order, with a few more windows under way than threads."""
    if threads <= 1:
        yield from map(run, windows)
        return
    with ThreadPoolExecutor(threads, "basic-pitch") as pool:
        under_way: deque[Future[list[NDArray[np.float32]]]] = deque()
        try:
            for window in windows:
                under_way.append(pool.submit(run, window))
                if len(under_way) > 2 * threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def _windows(source: BlockSource, samples: int) -> Iterator[NDArray[np.float32]]:
    """Yield windows of 43,844 samples; half an overlap of silence comes before the first sample."""
    blocks = resample_blocks(Mono(source).blocks(), 1, source.sample_rate, MODEL_RATE, samples, quality="HQ")
    held = np.zeros(_LEAD, np.float32)
    for block in blocks:
        held = np.concatenate([held, block[0]])
        while len(held) >= _WINDOW:
            yield held[:_WINDOW]
            held = held[WINDOW_HOP:]
    while len(held):
        yield np.pad(held[:_WINDOW], (0, max(_WINDOW - len(held), 0)))
        held = held[WINDOW_HOP:]

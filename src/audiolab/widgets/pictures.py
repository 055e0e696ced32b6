"""Pictures of sounds as PNG bytes: waveform, spectrogram, piano roll. The static view of every widget."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import BlockSource, Mono, Resampled
from audiolab.audio.peaks import Peaks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["STEM_COLORS", "bar_chart", "piano_roll", "spectrogram", "waveform"]

STEM_COLORS = {"drums": "#d1495b", "bass": "#30638e", "other": "#3c887e", "vocals": "#edae49"}
_INK, _PALE = "#33415c", "#8d99ae"
_DPI = 100


def waveform(
    source: BlockSource,
    *,
    width: int = 900,
    height: int = 120,
    color: str = "#30638e",
    beats: Sequence[float] = (),
    downbeats: Sequence[float] = (),
    spans: Sequence[tuple[float, float]] = (),
    axis: bool = True,
) -> bytes:
    """Draw the waveform of a sound: its true level, full scale from bottom to top.

    Parameters
    ----------
    source : BlockSource
        The sound, of any length; it is read once, in blocks.
    width, height : int
        Pixels.
    color : str
        Of the wave.
    beats, downbeats : sequence of float
        Times in seconds to mark by thin and thicker lines.
    spans : sequence of (float, float)
        Parts in seconds to shade (samples, words).
    axis : bool
        Whether to draw the time axis.

    Returns
    -------
    bytes
        A PNG.
    """
    figure, axes = _canvas(width, height, axis=axis)
    duration = source.frames / source.sample_rate
    columns = max(2, min(width, source.frames))
    if source.frames:
        peaks = Peaks.from_source(source).slice(0, source.frames, columns)
        low, high = peaks[..., 0].min(axis=0), peaks[..., 1].max(axis=0)
        times = np.linspace(0, duration, len(low))
        axes.fill_between(times, low, high, color=color, linewidth=0.4, step="mid")
        top = float(max(np.abs(low).max(), np.abs(high).max()))
        if top > 1:
            axes.axhspan(1, top, color="#d1495b", alpha=0.2)
    for index, (start, stop) in enumerate(spans):
        axes.axvspan(start, stop, color=_PALE, alpha=0.28 if index % 2 else 0.12, linewidth=0)
    axes.vlines(list(beats), -1, 1, color=_PALE, linewidth=0.5, alpha=0.6)
    axes.vlines(list(downbeats), -1, 1, color=_INK, linewidth=0.9, alpha=0.8)
    axes.set_xlim(0, max(duration, 1e-3))
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    return _png(figure)


def spectrogram(
    source: BlockSource, *, width: int = 900, height: int = 150, floor_db: float = -80.0, bare: bool = False
) -> bytes:
    """Draw a log-frequency spectrogram (40 Hz to 16 kHz), `floor_db` to 0 dB below the loudest point.

    Only as many frames as there are pixels are analysed, so an hour costs little more than a minute. `bare` leaves
    the axes out: the picture then fits below a waveform of the same span.
    """
    figure, axes = _canvas(width, height, axis=not bare)
    if bare:
        figure.set_layout_engine("none")
        axes.set_position((0, 0, 1, 1))
    rate = min(source.sample_rate, 44100)
    duration = source.frames / source.sample_rate
    levels = _log_spectra(source, rate, columns=width // 2)
    top = levels.max(initial=-200.0)
    low, high = 40.0, min(16000.0, rate / 2)
    axes.imshow(
        np.clip(levels - top, floor_db, 0) if top > -180 else np.full_like(levels, floor_db),
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=floor_db,
        vmax=0,
        extent=(0.0, max(duration, 1e-3), math.log2(low), math.log2(high)),
        interpolation="nearest",
    )
    ticks = [f for f in (100, 1000, 10000) if low < f < high]
    axes.set_yticks([math.log2(f) for f in ticks], [f"{f / 1000:g}k" if f >= 1000 else str(f) for f in ticks])
    return _png(figure)


def _log_spectra(
    source: BlockSource, rate: int, *, columns: int, n_fft: int = 4096, bands: int = 120
) -> NDArray[np.float64]:
    """Give levels in dB, shape (bands, columns): windows spread evenly over the sound."""
    signal = Mono(source) if source.sample_rate == rate else Mono(Resampled(source, rate, "MQ"))
    frames = signal.frames
    columns = max(1, min(columns, frames // 256 + 1))
    centers = ((np.arange(columns) + 0.5) * frames / columns).astype(int)
    edges = np.geomspace(40, min(16000, rate / 2), bands + 1) / rate * n_fft
    window = np.hanning(n_fft)
    result = np.full((bands, columns), -200.0)
    tail = np.zeros(n_fft, np.float32)
    position, column = 0, 0
    padding = [np.zeros((1, n_fft), np.float32)]
    for block in (*_one_by_one(signal), *padding):
        joined = np.concatenate([tail, block[0]])
        first = position - n_fft
        while column < columns and centers[column] + n_fft // 2 <= first + len(joined):
            start = centers[column] - n_fft // 2 - first
            piece = joined[max(start, 0) : start + n_fft]
            piece = np.pad(piece, (n_fft - len(piece), 0))
            power = np.abs(np.fft.rfft(piece * window)) ** 2
            sums = np.concatenate([[0.0], np.cumsum(power)])
            cut = np.interp(edges, np.arange(len(sums)), sums)
            result[:, column] = 10 * np.log10(np.maximum(np.diff(cut), 1e-20))
            column += 1
        tail = joined[-n_fft:]
        position += block.shape[1]
    return result


def _one_by_one(source: BlockSource) -> Any:
    yield from source.blocks()


def piano_roll(
    tracks: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    duration: float,
    width: int = 900,
    height: int = 220,
    downbeats: Sequence[float] = (),
) -> bytes:
    """Draw notes of several tracks.

    Parameters
    ----------
    tracks : mapping of str to sequence of mapping
        Notes (`start`, `end` in seconds, `pitch`, `velocity` 0 to 127) by name of stem.
    duration : float
        Seconds to show.
    downbeats : sequence of float
        Times of bar lines.
    """
    figure, axes = _canvas(width, height)
    pitches = [note["pitch"] for notes in tracks.values() for note in notes]
    axes.vlines(list(downbeats), 0, 127, color=_PALE, linewidth=0.5)
    for index, (name, notes) in enumerate(tracks.items()):
        color = STEM_COLORS.get(name, f"C{index}")
        alphas = [0.35 + 0.65 * min(1.0, note.get("velocity", 100) / 127) for note in notes]
        for note, alpha in zip(notes, alphas, strict=True):
            axes.barh(
                note["pitch"],
                max(note["end"] - note["start"], 0.02),
                left=note["start"],
                height=0.8,
                color=color,
                alpha=alpha,
            )
        axes.plot([], [], color=color, linewidth=4, label=name)
    axes.set_xlim(0, max(duration, 1e-3))
    axes.set_ylim(min(pitches, default=48) - 2, max(pitches, default=72) + 2)
    axes.set_ylabel("pitch", fontsize=8)
    if tracks:
        axes.legend(loc="upper right", fontsize=7, frameon=False, ncols=len(tracks))
    return _png(figure)


def bar_chart(values: Mapping[str, float], *, width: int = 450, height: int = 180, unit: str = "") -> bytes:
    """Draw named values as horizontal bars."""
    figure, axes = _canvas(width, height)
    names = list(values)[::-1]
    axes.barh(names, [values[name] for name in names], color="#30638e")
    axes.set_xlabel(unit, fontsize=8)
    return _png(figure)


def _canvas(width: int, height: int, *, axis: bool = True) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.tick_params(labelsize=7, colors=_INK, length=2)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    if not axis:
        axes.set_axis_off()
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # No date or version inside: the same sound gives the same bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()

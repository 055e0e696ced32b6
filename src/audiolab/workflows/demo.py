"""The demo: a song whose truth is known goes through everything, and what came out is compared with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audiolab.audio import Audio, write_audio
from audiolab.benchmarking.signals import si_sdr
from audiolab.library import Library, Sound
from audiolab.runs import Run, RunReport
from audiolab.synth import RenderedSong, demo_song
from audiolab.workflows.kit import KitResult, song_to_kit

__all__ = ["DemoResult", "compare_with_truth", "demo", "open_demo", "write_truth"]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The kit, and how it compares with the truth."""

    kit: KitResult
    folder: Path
    comparison: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Give what `audiolab demo --json` prints: the run's document and the comparison."""
        return {**self.kit.to_dict(), "folder": str(self.folder), "comparison": self.comparison}


def demo(to: str | Path, *, follow: Callable[[Run], RunReport] = Run.wait, client: Any = None) -> DemoResult:
    """Render the demo song, process it with the recipe `full`, export the kit, write the report.

    Running it again finds everything done and does it only where something is missing.

    Parameters
    ----------
    to : path-like
        Folder: gets `song/` (the song and its truth), `library/`, `kit/` and `report/`.
    follow, client
        See `song_to_kit`.
    """
    folder = Path(to)
    song = demo_song()
    path = write_truth(song, folder / "song")
    kit = song_to_kit(
        path,
        recipe="full",
        library=folder / "library",
        export_to=folder / "kit",
        report_to=folder / "report",
        overwrite=True,
        follow=follow,
        client=client,
    )
    comparison = compare_with_truth(song, kit.songs[0])
    (folder / "comparison.json").write_text(json.dumps(comparison, indent=2), encoding="utf-8")
    return DemoResult(kit, folder, comparison)


def write_truth(song: RenderedSong, folder: Path) -> Path:
    """Write the mix as FLAC and the truth (stems, JSON of onsets, notes, tempo, key) beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = folder / "truth"
    truth.mkdir(exist_ok=True)
    for name, stem in song.stems.items():
        write_audio(truth / f"{name}.flac", stem)
    document = {
        "sample_rate": song.sample_rate,
        "bpm": song.bpm,
        "key": list(song.key),
        "tempo_map": song.tempo_map.to_dict(),
        "hits": [{"frame": hit.frame, "label": hit.label, "velocity": round(hit.velocity, 4)} for hit in song.hits],
        "notes": {
            stem: [{"start": n.start, "stop": n.stop, "pitch": n.pitch} for n in notes]
            for stem, notes in song.notes.items()
        },
    }
    (truth / "truth.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    return write_audio(folder / f"{song.name}.flac", song.mix)


def compare_with_truth(song: RenderedSong, found: Sound) -> dict[str, Any]:
    """Measure what came out against what was rendered.

    Returns
    -------
    dict
        `bpm`, `key`: found and true; `null_db`: how well the stems add up to the song; `si_sdr_db`: per stem
        beside that of the mix itself; `drum_onsets`: recall of true onsets within 50 ms in the drum stem's samples.
    """
    analysis = found.library.effective(found.id, "analyze") or {}
    tempo, key = analysis.get("tempo", {}), analysis.get("key", {})
    stems = {name: sound.audio() for name, sound in found.stems.items()}
    comparison: dict[str, Any] = {
        "bpm": {"found": tempo.get("bpm"), "true": song.bpm},
        "key": {"found": [key.get("tonic"), key.get("mode")], "true": list(song.key)},
    }
    if stems:
        total = np.sum([stem.samples.astype(np.float64) for stem in stems.values()], axis=0)
        error = np.abs(total - song.mix.samples).max()
        comparison["null_db"] = round(float(20 * np.log10(max(error, 1e-12) / np.abs(song.mix.samples).max())), 1)
        comparison["si_sdr_db"] = {
            name: {"stem": _si_sdr(song.stems[name], audio), "mix": _si_sdr(song.stems[name], song.mix)}
            for name, audio in stems.items()
            if name in song.stems
        }
    if "drums" in found.stems and len(found.stems["drums"].samples):
        starts = np.array([sample.start for sample in found.stems["drums"].samples])
        true = song.onsets("drums")
        hit = [np.abs(starts - frame).min() <= 0.05 * song.sample_rate for frame in true]
        comparison["drum_onsets"] = {"true": len(true), "found": len(starts), "recall": round(float(np.mean(hit)), 3)}
    return comparison


def _si_sdr(reference: Audio, estimate: Audio) -> float:
    return round(si_sdr(reference.samples, estimate.samples), 2)


def open_demo(to: str | Path) -> tuple[Library, Sound]:
    """Open the demo's library and song (after `demo` has run)."""
    library = Library(Path(to) / "library")
    return library, library.songs[0]

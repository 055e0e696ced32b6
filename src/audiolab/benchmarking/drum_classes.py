"""Five classes of drums, as MDB Drums and most work on drum transcription score them."""

from __future__ import annotations

__all__ = ["CLASSES", "drum_class"]

CLASSES = ("KD", "SD", "HH", "TT", "CY")
"""Kick, snare (with rim and clap), hats, toms, cymbals."""

_NAMES = {
    "KD": ("kd", "bd", "kick", "bass drum", "35", "36"),
    "SD": ("sd", "snare", "rim", "rimshot", "side stick", "clap", "sdb", "sdd", "sdf", "sdg", "sdns", "sst", "37", "38",
           "39", "40"),
    "HH": ("hh", "hat", "hi-hat", "hihat", "closed_hat", "open_hat", "pedal_hat", "chh", "ohh", "phh", "42",
           "44", "46"),
    "TT": ("tt", "tom", "toms", "hit", "lit", "mht", "hft", "lft", "41", "43", "45", "47", "48", "50"),
    "CY": ("cy", "cymbal", "crash", "ride", "splash", "china", "rdc", "rdb", "crc", "chc", "spc", "49", "51", "52",
           "53", "55", "57", "59"),
}  # fmt: skip
_CLASS = {name: label for label, names in _NAMES.items() for name in names}


def drum_class(label: str | int) -> str | None:
    """Give the class of a label (MDB's, General MIDI's key, or the drum's name), or None."""
    return _CLASS.get(str(label).strip().lower())

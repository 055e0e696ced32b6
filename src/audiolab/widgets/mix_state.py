"""The state of a mixer: gain, balance, mute and solo of each stem; what of it is heard, and how it is said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from audiolab.audio import BlockSource, Mixed, MixTrack, db_to_amplitude
from audiolab.errors import ParameterError

__all__ = ["LOWEST_DB", "MixState", "checked_mix", "default_name", "heard", "mixed", "said"]

MixState: TypeAlias = dict[str, dict[str, Any]]
"""`gain_db`, `pan`, `muted` and `solo` by stem."""
LOWEST_DB, _HIGHEST_DB = -60.0, 12.0
_SETTINGS: Mapping[str, Any] = {"gain_db": 0.0, "pan": 0.0, "muted": False, "solo": False}


def checked_mix(given: Mapping[str, Mapping[str, Any]], stems: Sequence[str]) -> MixState:
    """Give a whole state: what is not given is at rest.

    Raises
    ------
    ParameterError
        If a stem or a setting is unknown, or a value lies outside its range; the message says what may be.
    """
    unknown = [name for name in given if name not in stems]
    if unknown:
        raise ParameterError(f"this mix has no stem {', '.join(map(repr, unknown))}; it has {', '.join(stems)}")
    return {name: _checked(name, given.get(name, {})) for name in stems}


def _checked(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    strange = [word for word in given if word not in _SETTINGS]
    if strange:
        raise ParameterError(f"{name}: a stem has {', '.join(_SETTINGS)}, not {', '.join(map(repr, strange))}")
    state = {**_SETTINGS, **given}
    limits = {"gain_db": (LOWEST_DB, _HIGHEST_DB), "pan": (-1.0, 1.0)}
    for word, (low, high) in limits.items():
        value = state[word]
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not low <= value <= high:
            raise ParameterError(f"{name}: {word} lies between {low:g} and {high:g}, not {value!r}")
        state[word] = float(value)
    for word in ("muted", "solo"):
        if not isinstance(state[word], bool):
            raise ParameterError(f"{name}: {word} is True or False, not {state[word]!r}")
    return state


def heard(state: MixState) -> list[str]:
    """Give the stems that sound: those not muted, and if some are soloed only these."""
    solo = any(each["solo"] for each in state.values())
    return [name for name, each in state.items() if not each["muted"] and (each["solo"] or not solo)]


def mixed(state: MixState, sources: Mapping[str, BlockSource], name: str) -> Mixed:
    """Give what is heard as a source.

    Raises
    ------
    ParameterError
        If nothing is heard.
    """
    sounding = heard(state)
    if not sounding:
        raise ParameterError(f"{name!r}: no stem is heard: all are muted; unmute one")
    tracks = [MixTrack(sources[stem], db_to_amplitude(state[stem]["gain_db"]), state[stem]["pan"]) for stem in sounding]
    return Mixed(tracks, name)


def said(state: MixState) -> str:
    """Say a mix in words: `drums -3.0 dB, bass 0.0 dB 20 % left; without vocals`."""
    sounding = heard(state)
    parts = [f"{name} {state[name]['gain_db']:+.1f} dB{_side(state[name]['pan'])}" for name in sounding]
    silent = [name for name in state if name not in sounding]
    return ", ".join(parts) + (f"; without {', '.join(silent)}" if silent else "")


def default_name(song: str, state: MixState) -> str:
    """Name a bounce by what is in it."""
    sounding = heard(state)
    silent = [name for name in state if name not in sounding]
    if not silent:
        return f"{song} mix"
    if len(silent) < len(sounding):
        return f"{song} without {' and '.join(silent)}"
    return f"{song} {' and '.join(sounding)}"


def _side(pan: float) -> str:
    return f" {abs(pan):.0%} {'left' if pan < 0 else 'right'}" if pan else ""

"""Labels by the words that sample packs use for them in folder names and keywords."""

from __future__ import annotations

import re

from audiolab.library.text import fold_text

__all__ = ["label_of", "tidy_label"]

_WORDS = {
    "bass": "bass basses bassline basslines 808 808s sub subs reese",
    "brass": "brass horn horns trumpet trumpets trombone",
    "clap": "clap claps handclap handclaps clp",
    "closed_hat": "closed_hat closed_hats closed_hi_hat closed_hi_hats closed_hihat closed_hihats closedhat closedhats "
    "hat_closed hats_closed hihat_closed ch chh hc hat hats hihat hihats hi_hat hi_hats",
    "cowbell": "cowbell cowbells",
    "crash": "crash crashes cymbal cymbals crash_cymbal crash_cymbals",
    "fx": "fx sfx effect effects impact impacts riser risers sweep sweeps downlifter uplifter",
    "guitar": "guitar guitars gtr",
    "keys": "keys piano pianos organ rhodes",
    "kick": "kick kicks kik bd bassdrum bassdrums bass_drum bass_drums kickdrum kick_drum",
    "open_hat": "open_hat open_hats open_hi_hat open_hi_hats open_hihat open_hihats openhat openhats "
    "hat_open hats_open hihat_open oh ohh",
    "percussion": "percussion perc percs conga congas bongo bongos shaker shakers tambourine",
    "ride": "ride rides ride_cymbal",
    "rim": "rim rims rimshot rimshots",
    "snare": "snare snares sd snr snaredrum snare_drum",
    "strings": "strings string violin violins cello",
    "synth": "synth synths synthesizer lead leads pad pads",
    "tom": "tom toms floor_tom",
    "vocal": "vocal vocals vox voice voices acapella acapellas",
}  # fmt: skip
_BY_WORD = {word: label for label, words in _WORDS.items() for word in words.split()}


def label_of(text: str) -> str | None:
    """Give the standard label that a text means as a whole, such as `Closed Hats`; None if it means none."""
    return _BY_WORD.get(_joined(text))


def tidy_label(text: str) -> str:
    """Give a label for a text: a standard one if it means one, else the text itself in lower case, words joined by _.

    Counting words in front and shop words around it do not matter: `03 - Kick Samples` is kick.
    """
    plain = _joined(text)
    core = re.sub(r"^\d+_|_(?:samples?|one_?shots?|hits?|sounds?|loops?|\d+)$", "", plain)
    return _BY_WORD.get(plain) or _BY_WORD.get(core) or (core or plain)[:255]


def _joined(text: str) -> str:
    return re.sub(r"[\W_]+", "_", fold_text(text)).strip("_")

"""The languages that Whisper knows, by code and English name; a test compares them with openai-whisper's.

Kept here so that asking for a language needs neither openai-whisper nor torch.
"""

from __future__ import annotations

from audiolab.errors import ParameterError

__all__ = ["LANGUAGES", "OTHER_NAMES", "language_code"]


def _table(text: str) -> dict[str, str]:
    rows = (row.split() for row in text.split(","))
    return {code: " ".join(name) for code, *name in rows}


LANGUAGES = _table(
    """
    en english, zh chinese, de german, es spanish, ru russian, ko korean, fr french, ja japanese, pt portuguese,
    tr turkish, pl polish, ca catalan, nl dutch, ar arabic, sv swedish, it italian, id indonesian, hi hindi, fi
    finnish, vi vietnamese, he hebrew, uk ukrainian, el greek, ms malay, cs czech, ro romanian, da danish, hu
    hungarian, ta tamil, no norwegian, th thai, ur urdu, hr croatian, bg bulgarian, lt lithuanian, la latin, mi
    maori, ml malayalam, cy welsh, sk slovak, te telugu, fa persian, lv latvian, bn bengali, sr serbian, az
    azerbaijani, sl slovenian, kn kannada, et estonian, mk macedonian, br breton, eu basque, is icelandic, hy
    armenian, ne nepali, mn mongolian, bs bosnian, kk kazakh, sq albanian, sw swahili, gl galician, mr marathi, pa
    punjabi, si sinhala, km khmer, sn shona, yo yoruba, so somali, af afrikaans, oc occitan, ka georgian, be
    belarusian, tg tajik, sd sindhi, gu gujarati, am amharic, yi yiddish, lo lao, uz uzbek, fo faroese, ht haitian
    creole, ps pashto, tk turkmen, nn nynorsk, mt maltese, sa sanskrit, lb luxembourgish, my myanmar, bo tibetan,
    tl tagalog, mg malagasy, as assamese, tt tatar, haw hawaiian, ln lingala, ha hausa, ba bashkir, jw javanese,
    su sundanese, yue cantonese
    """
)
"""Name by code, in the order of Whisper's tokens."""
OTHER_NAMES = {
    name: code
    for code, names in {
        "my": ("burmese",),
        "ca": ("valencian",),
        "nl": ("flemish",),
        "ht": ("haitian",),
        "lb": ("letzeburgesch",),
        "ps": ("pushto",),
        "pa": ("panjabi",),
        "ro": (
            "moldavian",
            "moldovan",
        ),
        "si": ("sinhalese",),
        "es": ("castilian",),
        "zh": ("mandarin",),
    }.items()
    for name in names
}
"""Codes of further names."""


def language_code(language: str | None) -> str | None:
    """Turn `en` or `English` into `en`; None and `auto` into None.

    Raises
    ------
    ParameterError
        If Whisper knows no such language.
    """
    if language is None or language.lower() == "auto":
        return None
    wanted = language.strip().lower()
    if wanted in LANGUAGES:
        return wanted
    code = {name: code for code, name in LANGUAGES.items()}.get(wanted, OTHER_NAMES.get(wanted))
    if code is None:
        raise ParameterError(f"Whisper knows no language {language!r}; give a code such as en, es, fr or de")
    return code

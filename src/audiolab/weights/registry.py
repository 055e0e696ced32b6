"""The official weights that audiolab knows: what they are called, where they come from, their hashes.

Sources: the file names, bags and URLs of demucs 4.1.0 (`demucs/remote`, `demucs/hf.py`) and the URLs of
openai-whisper 20250625 (`whisper._MODELS`; they carry the sha256). Demucs' `.th` names carry the first
eight digits of their sha256. A test compares these tables with the installed packages. Sizes are only
for display and for the progress bar; hashes decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

__all__ = ["ALIASES", "MODELS", "File", "Kind", "Member", "Model", "official_name"]

Kind: TypeAlias = Literal["demucs", "whisper", "ctranslate2", "custom"]

_HF = "https://huggingface.co/adefossez"
_AWS = "https://dl.fbaipublicfiles.com/demucs/hybrid_transformer"
_AZURE = "https://openaipublic.azureedge.net/main/whisper/models"


@dataclass(frozen=True, slots=True)
class File:
    """One file that can be fetched."""

    name: str
    url: str
    sha256: str
    """All 64 hexadecimal digits, or the leading ones that upstream publishes (eight for some of Demucs)."""
    size: int | None = None
    """In bytes, where known."""

    def matches(self, sha256: str) -> bool:
        """Say whether a file with this full hash is this file."""
        return sha256.startswith(self.sha256)


@dataclass(frozen=True, slots=True)
class Member:
    """One network of a model: the same weights in one or more formats, the preferred one first."""

    signature: str
    forms: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A name that engines ask for: one network, or a bag of several."""

    name: str
    kind: Kind
    members: tuple[Member, ...]
    licence: str
    about: str
    mixing: tuple[tuple[float, ...], ...] | None = None
    """For bags: weight of each member (rows) for each stem (columns); None for equal weights."""

    @property
    def size(self) -> int | None:
        """Bytes to fetch, where known."""
        sizes = [member.forms[0].size for member in self.members]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def _htdemucs(signature: str, prefix: str, size: int, *, repo: str, sha256: str, safe_size: int) -> Member:
    safe, pickled = f"{signature}.safetensors", f"{signature}-{prefix[:8]}.th"
    return Member(
        signature,
        (
            File(safe, f"{_HF}/{repo}/{safe}", sha256, safe_size),
            File(pickled, f"{_AWS}/{pickled}", prefix, size),
        ),
    )


_DEMUCS_LICENCE = "MIT (Demucs, Meta); trained on MUSDB18-HQ and 800 further songs"
_WHISPER_LICENCE = "MIT (Whisper, OpenAI)"

_BASE = _htdemucs(
    "955717e8",
    "8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4",
    84_141_911,
    repo="HTDemucs/resolve/cbc8a9b1a87023b7fd74e7b3412e6321c0eab003",
    sha256="d9fa14133cfcc034a6758923bb3a8ca9f8dfd0b582134643bbf83f72c17576dd",
    safe_size=84_025_440,
)
_SIX = _htdemucs(
    "5c90dfd2",
    "34c22ccb381c6f9fdbf324f04e1e2fe21aaaf293f5ded163a162697ff9a02ddd",
    54_996_327,
    repo="HTDemucs-6s/resolve/3c5ee475be622df764938de97e4281a7b07ffa58",
    sha256="d2a1745f0744721f6b8ca5bf469b67c651ea5ed1b52998cab033b2158609d411",
    safe_size=54_885_744,
)
_FT_REPO = "HTDemucs-ft/resolve/d74ac89c3a1e874fc78f152555cf4d8533f06cd4"
_FINE = tuple(
    _htdemucs(signature, prefix, 84_141_271, repo=_FT_REPO, sha256=sha256, safe_size=84_025_440)
    for signature, prefix, sha256 in (
        ("f7e0c4bc", "ba3fe64a", "2c85ab3c62dd6edd8e0b965e38b16fd1cdde357cc25de6b6bc9ce7c83f60925f"),
        ("d12395a8", "e57c48e6", "5b01a97567ae9a3178a6236fb520251045c03eb8834bc8c24a4eec11d6c8fb56"),
        ("92cfc3b6", "ef3bcb9c", "a241863551f30d01c42bd7b97da40839922ead3acb0f1fcab25682f55b4eeb59"),
        ("04573f0d", "f3cf25b2", "68854b0d7c2b3274723b5761f6fd9f5aec5f1bcd3f0de7c1669546fdb7871b7c"),
    )
)

_WHISPER: tuple[tuple[str, int, str], ...] = (
    ("tiny.en", 75_571_315, "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03"),
    ("tiny", 75_572_083, "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9"),
    ("base.en", 145_261_783, "25a8566e1d0c1e2231d1c762132cd20e0f96a85d16145c3a00adf5d1ac670ead"),
    ("base", 145_262_807, "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e"),
    ("small.en", 483_615_683, "f953ad0fd29cacd07d5a9eda5624af0f6bcf2258be67c92b79389873d91e0872"),
    ("small", 483_617_219, "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794"),
    ("medium.en", 1_528_006_491, "d7440d1dc186f76616474e0ff0b3b6b879abc9d1a4926b7adfa41db2d497ab4f"),
    ("medium", 1_528_008_539, "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1"),
    ("large-v1", 3_086_999_982, "e4b87e7e0bf463eb8e6956e646f1e277e901512310def2c24bf0e11bd3c28e9a"),
    ("large-v2", 3_086_999_982, "81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524"),
    ("large-v3", 3_087_371_615, "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb"),
    ("large-v3-turbo", 1_617_941_637, "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a"),
)


def _whisper(name: str, size: int, sha256: str) -> Model:
    file = File(f"{name}.pt", f"{_AZURE}/{sha256}/{name}.pt", sha256, size)
    what = "English only" if name.endswith(".en") else "many languages"
    return Model(name, "whisper", (Member(name, (file,)),), _WHISPER_LICENCE, f"lyrics, {what}")


_IDENTITY = tuple(tuple(float(row == column) for column in range(4)) for row in range(4))

MODELS = MappingProxyType(
    {
        model.name: model
        for model in (
            Model("htdemucs", "demucs", (_BASE,), _DEMUCS_LICENCE, "drums, bass, other, vocals"),
            Model(
                "htdemucs_ft", "demucs", _FINE, _DEMUCS_LICENCE, "drums, bass, other, vocals; four networks", _IDENTITY
            ),
            Model("htdemucs_6s", "demucs", (_SIX,), _DEMUCS_LICENCE, "drums, bass, other, vocals, guitar, piano"),
            *(_whisper(*row) for row in _WHISPER),
        )
    }
)
"""All official models by name."""

ALIASES = MappingProxyType({"large": "large-v3", "turbo": "large-v3-turbo"})
"""Upstream's other names of the same files."""


def official_name(name: str) -> str:
    """Give the name under which `MODELS` has it (or would have it)."""
    return ALIASES.get(name, name)

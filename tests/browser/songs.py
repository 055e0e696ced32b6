"""Cells that make a small library in the kernel, and the same samples for the test."""

from __future__ import annotations

import numpy as np

RATE = 22050
SECONDS = 6
HOSTILE = "<img src=x onerror=globalThis.__hacked=1>"

LIBRARY = f"""
import hashlib, pathlib, numpy as np, audiolab as al
from audiolab.audio import Audio, TempoMap, quantize, write_audio
from audiolab.library import Record
folder = pathlib.Path('stems') / 'test song'
folder.mkdir(parents=True, exist_ok=True)
for index, stem in enumerate(('drums', 'bass', 'vocals')):
    values = 0.2 * np.random.default_rng(index).uniform(-1, 1, (1 if stem == 'bass' else 2, {RATE * SECONDS}))
    write_audio(folder / f'{{stem}}.wav', Audio(quantize(values.astype(np.float32), 24), {RATE}))
lib = al.Library(f'library-{{np.random.default_rng().integers(1 << 40)}}', actor='tester')
song = lib.add(stems=folder)
def found(sound, stage, document):
    key = hashlib.blake2b(repr((stage, sound.id)).encode(), digest_size=32).hexdigest()
    record = Record(key=key, stage=stage, version=1, sound_id=sound.id, document=document)
    record.write(lib.record_path(key)); lib.fold(record)
beats = TempoMap.constant(120.0, first_downbeat=0.0)
found(song, 'analyze', {{'tempo': {{'bpm': 120.0}}, 'tempo_map': beats.to_dict()}})
"""


def stem(name: str) -> np.ndarray:
    """The samples of a stem, as two channels."""
    index = ("drums", "bass", "vocals").index(name)
    values = 0.2 * np.random.default_rng(index).uniform(-1, 1, (1 if name == "bass" else 2, RATE * SECONDS))
    scaled = np.rint(values.astype(np.float32).astype(np.float64) * (1 << 23)) / (1 << 23)
    return np.repeat(scaled, 2, axis=0) if name == "bass" else scaled

"""A library of any size, written in bulk: rows as adding, separating, slicing, tagging and singing leave them.

There are no media. Of 100 sounds one is a song, four are its stems, 75 were cut from these, 20 were added for
themselves; each has ten tags. The words, tempos, keys and measures are drawn at random from a fixed seed, words and
tags with a long tail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import insert

from audiolab.library import Library
from audiolab.library.cards import rebuild
from audiolab.library.ids import derived_id, hash_text, set_id, view_id
from audiolab.library.models import (
    DocumentRow,
    OpRow,
    ResultRow,
    SetItemRow,
    SetRow,
    SoundRow,
    TagRow,
)

__all__ = ["BLOCK", "Maker", "fill"]

BLOCK, TAGS = 100, 10
STEMS, CUTS, SINGLES = ("drums", "bass", "vocals", "other"), 75, 20
LABELS = ("kick", "snare", "closed_hat", "open_hat", "clap", "tom", "rim", "crash", "bass", "vocal", "synth", "keys")
KEYS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
GENRES = ("House", "Techno", "Drum and Bass", "Soul", "Jazz", "Hip Hop", "Ambient", "Rock")
SYLLABLES = ("ka", "lo", "mi", "ru", "ten", "sha", "vo", "bri", "an", "de", "fol", "gus", "hen", "jo", "pra", "wix")
RATE = 44_100
START = datetime(2023, 1, 1, tzinfo=UTC)
TABLES: tuple[Any, ...] = (
    SoundRow, ResultRow, SetRow, SetItemRow, TagRow, DocumentRow, OpRow
)  # fmt: skip


class Maker:
    """Makes the rows of one block of 100 sounds after the other."""

    def __init__(self, seed: int = 0) -> None:
        self.chance = np.random.default_rng(seed)
        words = self.chance.permutation([a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES])
        self.words = [str(word) for word in words[:3000]]
        self.free = ["dusty", "reject", "favourite loop", "big room"]
        self.free += [f"{a} {b}" for a, b in pairwise(words[:60])]
        self.free += [str(word) for word in words[3000:3400]]
        self._word_weights, self._tag_weights = _tail(len(self.words)), _tail(len(self.free))

    def block(self, number: int) -> dict[Any, list[dict[str, Any]]]:
        """Give the rows of a block by table."""
        rows: dict[Any, list[dict[str, Any]]] = {table: [] for table in TABLES}
        at = START + timedelta(minutes=17 * number)
        bpm, key = round(float(self.chance.uniform(70, 180)), 2), self._key()
        song = self._sound(rows, "song", f"{self._name(2)} {number}", at, 180 + 120 * float(self.chance.random()),
                           facts={"bpm": bpm, "key": key, "lufs": -9.5}, bpm=bpm, key=key)  # fmt: skip
        song["embedded"] = {
            "title": song["name"], "artist": self._name(2), "album": self._name(1),
            "genre": str(self.chance.choice(GENRES)), "date": str(int(self.chance.integers(1960, 2027))),
            "comment": self._name(4),
        }  # fmt: skip
        self._result(rows, "analyze", song, at, facts={"bpm": bpm, "key": key, "lufs": -9.5}, document=_beats(bpm))
        separated = self._result(rows, "separate", song, at)
        for stem in STEMS:
            made = self._sound(rows, "stem", stem, at, song["duration"], stem=stem, result_key=separated,
                               parent_id=song["id"], song_id=song["id"])  # fmt: skip
            if stem == "vocals":
                self._result(rows, "lyrics", made, at, document=self._lyrics())
            share = CUTS // len(STEMS) + (stem == "drums") * (CUTS % len(STEMS))
            self._cuts(rows, made, song["id"], share, at)
        for index in range(SINGLES):
            label = str(self.chance.choice(LABELS))
            name = f"{label} {self._name(1)} {number:04d}{index:02d}"
            self._sound(rows, "sample", name, at, float(self.chance.uniform(0.05, 4)), facts=self._measures(),
                        origin=f"packs/{self._name(1)}/{name}.wav", label=label)  # fmt: skip
        return rows

    def _sound(
        self,
        rows: dict[Any, list[dict[str, Any]]],
        kind: str,
        name: str,
        at: datetime,
        seconds: float,
        *,
        facts: dict[str, Any] | None = None,
        label: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        identity = more.pop("id", None) or hash_text(name, str(at), *more.values(), str(self.chance.integers(1 << 60)))
        added = more.get("parent_id") is None
        row: dict[str, Any] = {
            "id": identity, "kind": kind, "name": name, "stem": None, "content_id": identity, "media": identity,
            "suffix": ".wav" if added else ".flac", "size": int(seconds * RATE * 4), "format": "WAV",
            "subtype": "PCM_16", "sample_rate": RATE, "channels": 2, "frames": int(seconds * RATE), "parent_id": None,
            "song_id": None, "start": None, "stop": None, "set_id": None, "made_facts": facts or {},
            "facts": facts or {}, "render": None, "result_key": None, "added_at": at, "origin": None,
            "original_name": f"{name}.wav" if added else None, "embedded": None, "deleted_at": None, "current": True,
            "duration": seconds, "bpm": None, "key": None, "label": None, "label_confidence": None,
            "label_source": None, "rating": None, "favourite": None, "note": None, **more,
        }  # fmt: skip
        rows[SoundRow].append(row)
        self._tags(rows, row, label, at)
        if self.chance.random() < 0.05:
            row["rating"], row["favourite"], row["note"] = int(self.chance.integers(1, 6)), True, self._name(5)
            body = {"rating": row["rating"], "favourite": True, "note": row["note"]}
            rows[DocumentRow].append(
                {"sound_id": identity, "kind": "fields", "body": body, "source": "human", "updated_at": at}
            )
        if added:
            op = {"at": at, "actor": "somebody", "what": "add", "target": identity, "before": None, "undoes": None}
            rows[OpRow].append({**op, "after": {"kind": kind, "origin": row["origin"]}, "group": identity[:32]})
        return row

    def _cuts(self, rows: dict[Any, list[dict[str, Any]]], stem: dict[str, Any], song: str, count: int,
              at: datetime) -> None:  # fmt: skip
        key = self._result(rows, "slice", stem, at)
        identity = set_id(key)
        rows[SetRow].append({"id": identity, "parent_id": stem["id"], "result_key": key, "superseded_by": None,
                             "facts": {}, "used_at": at})  # fmt: skip
        self._result(rows, "classify", stem, at, set_id=identity)
        step = stem["frames"] // (count + 1)
        for index in range(count):
            start, stop = index * step, index * step + int(self.chance.integers(2000, 40_000))
            facts = {"onset_strength": round(float(self.chance.random()), 4), **self._measures()}
            if stem["stem"] == "vocals":
                facts["word"] = self._word()
            cut = self._sound(
                rows, "sample", f"{stem['stem']} {index + 1:03d}", at, (stop - start) / RATE, facts=facts,
                stem=stem["stem"], parent_id=stem["id"], song_id=song, start=start, stop=stop, set_id=identity,
                result_key=key, id=view_id(stem["id"], start, stop), label=str(self.chance.choice(LABELS)),
                media=None, content_id=None, size=None,
            )  # fmt: skip
            rows[SetItemRow].append({"set_id": identity, "position": index, "sound_id": cut["id"]})

    def _tags(
        self, rows: dict[Any, list[dict[str, Any]]], row: dict[str, Any], label: str | None, at: datetime
    ) -> None:
        base = {"sound_id": row["id"], "source": "human", "stage": "", "role": "tag", "denied": False,
                "confidence": 1.0, "model": None, "top": None, "result_key": None, "created_at": at}  # fmt: skip
        left = TAGS
        if label is not None:
            sure = round(float(self.chance.uniform(0.2, 1)), 4)
            top = [[label, sure], ["unknown", round((1 - sure) / 2, 4)], ["tom", round((1 - sure) / 3, 4)]]
            model = {"source": "model", "stage": "classify", "role": "label", "confidence": sure, "model": "m" * 16}
            rows[TagRow].append({**base, **model, "label": label, "top": top})
            row["label"], row["label_confidence"], row["label_source"] = label, sure, "model"
            left -= 1
            if self.chance.random() < 0.1:
                own = str(self.chance.choice(LABELS))
                rows[TagRow].append({**base, "role": "label", "label": own})
                row["label"], row["label_confidence"], row["label_source"] = own, 1.0, "human"
                left -= 1
        for chosen in self.chance.choice(len(self.free), left, replace=False, p=self._tag_weights):
            rows[TagRow].append({**base, "label": self.free[chosen]})

    def _result(self, rows: dict[Any, list[dict[str, Any]]], stage: str, sound: dict[str, Any], at: datetime,
                **more: Any) -> str:  # fmt: skip
        key = derived_id(sound["id"], stage)
        row = {"key": key, "stage": stage, "version": 1, "params": {"mode": "onsets", "snap": True},
               "engine": "builtin", "weights": None, "profile": {"device": "cpu", "threads": 1}, "notes": [],
               "sound_id": sound["id"], "set_id": None, "document": {}, "facts": {}, "needs": {}, "media": [],
               "seconds": 1.5, "made_at": at, "used_at": at, "run_id": None}  # fmt: skip
        rows[ResultRow].append({**row, **more})
        return key

    def _measures(self) -> dict[str, Any]:
        chance = self.chance
        return {
            "kind": "loop" if chance.random() < 0.2 else "one-shot", "root_note": int(chance.integers(28, 84)),
            "brightness_hz": round(float(chance.uniform(200, 9000)), 1), "noisiness": round(float(chance.random()), 4),
            "attack_s": round(float(chance.exponential(0.01)), 5), "decay_s": round(float(chance.exponential(0.4)), 4),
            "lufs": round(float(chance.uniform(-40, -6)), 2),
        }  # fmt: skip

    def _lyrics(self) -> dict[str, Any]:
        lines = [" ".join(self._word() for _ in range(6)) for _ in range(25)]
        return {"language": "en", "segments": [
            {"start": 7.0 * i, "end": 7.0 * i + 5, "text": line} for i, line in enumerate(lines)
        ]}  # fmt: skip

    def _word(self) -> str:
        return self.words[int(self.chance.choice(len(self.words), p=self._word_weights))]

    def _name(self, count: int) -> str:
        return " ".join(self._word() for _ in range(count)).title()

    def _key(self) -> str:
        return str(self.chance.choice(KEYS)) + ("m" if self.chance.random() < 0.5 else "")


def fill(lib: Library, count: int, *, seed: int = 0, progress: Callable[[float, float], None] | None = None) -> None:
    """Fill an empty library with `count` sounds (a multiple of 100), a collection and a saved search."""
    maker, blocks = Maker(seed), count // BLOCK
    kit: list[str] = []
    for first in range(0, blocks, 20):
        rows: dict[Any, list[dict[str, Any]]] = {table: [] for table in TABLES}
        for number in range(first, min(first + 20, blocks)):
            for table, made in maker.block(number).items():
                rows[table] += made
        kit += [row["id"] for row in rows[SoundRow][5::211]]
        with lib.store.transaction() as session:
            for table in TABLES:
                for part in _parts(rows[table]):
                    session.connection().execute(insert(table.__table__), part)
        if progress is not None:
            progress(first, blocks)
    with lib.store.transaction() as session:
        rebuild(session)
    lib.store.analyze()
    lib.collection("kit").add(kit[:200])
    lib.collection("sure kicks").save("label:kick confidence:0.9..")


def _parts(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for at in range(0, len(rows), 5000):
        yield rows[at : at + 5000]


def _tail(count: int) -> np.ndarray:
    weights = 1 / np.arange(1, count + 1) ** 0.7
    return weights / weights.sum()


def _beats(bpm: float) -> dict[str, Any]:
    return {"tempo": {"bpm": bpm, "confidence": 0.9}, "beats": [round(60 / bpm * n, 4) for n in range(300)]}

"""From a library's tags to a labelled set: what training and teaching learn from."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audiolab.audio import Audio, atomic_path, write_audio
from audiolab.errors import AudiolabError, ParameterError
from audiolab.library import Library
from audiolab.library.labels import GivenLabel, Place, free_words, given_labels, places_of
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.classification.preparing import listen

if TYPE_CHECKING:
    from audiolab.training.manifest import Reading

__all__ = ["LabelledSounds", "labelled", "labelled_sounds"]


@dataclass(frozen=True, slots=True)
class LabelledSounds:
    """Labelled sounds of a library, and what of its tags cannot be used."""

    places: tuple[Place, ...]
    labels: tuple[str, ...]
    confidences: tuple[float, ...]
    left_out: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.places)


def labelled_sounds(
    library: Library, query: str = "", *, human_only: bool = True, labels: Collection[str] = ()
) -> LabelledSounds:
    """Find the sounds that people said what they are; see `labelled`, which also makes them readable as files.

    Raises
    ------
    ParameterError
        If there are none; the message says how to tag.
    """
    chosen = set(library.query(query).ids) if query.strip() else None
    sources = ("human",) if human_only else ("human", "import")
    with library.store.transaction(write=False) as session:
        given = given_labels(session, words=labels, sources=sources)
        places = places_of(session, [item.sound_id for item in given])
        loose = free_words(session)
    kept: list[tuple[GivenLabel, Place]] = []
    left = Counter[str]()
    for item in given:
        place = places.get(item.sound_id)
        if place is None:
            left["superseded or in the trash"] += 1
        elif chosen is not None and item.sound_id not in chosen:
            left[f"outside the query {query!r}"] += 1
        elif place.kind != "sample":
            left[f"of kind {place.kind}: only samples are classified"] += 1
        elif item.rejected:
            left["tagged `reject`"] += 1
        else:
            kept.append((item, place))
    left_out = [f"{count} labelled sounds {why}" for why, count in sorted(left.items())]
    if not labels:
        left_out += [
            f"the free tag {word!r} of {count} sounds: to teach it as a label, name it (labels={word!r})"
            for word, count in loose.items()
            if count > 1 and word != "reject"
        ]
    if missing := sorted(set(labels) - {item.label for item, _ in kept}):
        left_out.append(f"no sound is tagged {', '.join(missing)}")
    if not kept:
        raise ParameterError(
            "; ".join(
                [
                    f"{str(library.path)!r} has no labels by people to learn from: tag some sounds first "
                    "(sound.tag('kick'); `al.uncertain(lib)` proposes which)",
                    *left_out,
                ]
            )
        )
    return LabelledSounds(
        tuple(place for _, place in kept),
        tuple(item.label for item, _ in kept),
        tuple(item.confidence for item, _ in kept),
        tuple(left_out),
    )


def labelled(
    library: Library, query: str = "", human_only: bool = True, *, labels: Collection[str] = (),
    progress: Progress = no_progress,
) -> Reading:  # fmt: skip
    """Give a library's labelled samples as files that training reads.

    A sample with a file of its own is that file. Of a view (a cut) what the classifier would hear is written, once,
    into the library's cache. The source of an entry is its song (or parent), which a split must not tear apart.

    Parameters
    ----------
    query : str
        Only what it finds.
    human_only : bool
        Only labels by people; else also those that came with the files.
    labels : collection of str
        Only these labels; words that hang on sounds as free tags count too.

    Returns
    -------
    Reading
        Entries, and what was left out and why: other kinds than samples, what is tagged `reject`, missing files.

    Raises
    ------
    ParameterError
        If nothing is labelled.
    """
    from audiolab.training.manifest import Entry, Reading

    found = labelled_sounds(library, query, human_only=human_only, labels=labels)
    names = library.names(sorted({place.origin for place in found.places}))
    entries: list[Entry] = []
    left_out = list(found.left_out)
    for done, (place, label) in enumerate(zip(found.places, found.labels, strict=True)):
        progress(done, len(found))
        try:
            path = _file_of(library, place.id)
        except (AudiolabError, OSError) as error:
            left_out.append(f"{place.name}: {error}")
            continue
        source = f"{names.get(place.origin, place.origin)} {place.origin[:8]}"
        entries.append(Entry(path, source, label))
    progress(len(found), len(found))
    if not entries:
        raise ParameterError(f"no labelled sound of {str(library.path)!r} can be read: {'; '.join(left_out[:5])}")
    return Reading(tuple(entries), tuple(left_out))


def _file_of(library: Library, sound_id: str) -> Path:
    """Give a file that sounds like the sample as it is shown: with its `render`, and only the part that is heard."""
    sound = library.sound(sound_id)
    if sound.media is not None and not sound.render:
        return sound.path
    told = json.dumps([sound.id, sound.render], sort_keys=True)
    path = library.path / "cache" / "labelled" / f"{hashlib.blake2b(told.encode(), digest_size=16).hexdigest()}.wav"
    if not path.is_file():
        heard = listen(sound.source())
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            write_audio(temporary, Audio(heard.mono[None, :], heard.sample_rate, sound.name))
    return path

"""`duplicates`: planted copies are found with their differences, other takes are not, and nothing is deleted."""

from __future__ import annotations

import alike_making as making
import numpy as np
import pytest
import soundfile as sf

import audiolab as al
from audiolab.audio import Audio
from audiolab.errors import Cancelled
from audiolab.library import Library


@pytest.fixture(scope="module")
def lib(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    with Library(folder / "lib") as lib:
        sounds = [(f"{what} {take}", making.hit(what, take)) for what in ("kick", "snare", "clap") for take in range(3)]
        snare = making.hit("snare", 1)
        sounds.append(("quiet snare", Audio(snare.samples * np.float32(0.25), snare.sample_rate)))
        sounds.append(("cut snare", Audio(snare.samples[:, : snare.frames * 2 // 3], snare.sample_rate)))
        added = making.add(lib, folder, sounds)
        kick = making.hit("kick", 2)
        sf.write(folder / "coded kick.ogg", kick.samples[0], kick.sample_rate, format="OGG", subtype="VORBIS")
        added.append(lib.add(folder / "coded kick.ogg", "sample"))
        making.embed(lib, added, "embed")
        yield lib


def test_planted_copies_are_found_and_other_takes_are_not(lib):
    found = al.duplicates(lib)
    groups = {frozenset(copy.sound.name for copy in group.copies) for group in found}
    assert groups == {frozenset({"snare 1", "quiet snare", "cut snare"}), frozenset({"kick 2", "coded kick"})}
    assert len(lib.query("kind:sample")) == 12
    assert len(lib.trash) == 0


def test_what_to_keep_is_lossless_and_whole_and_the_differences_are_named(lib):
    by_name = {copy.sound.name: copy for group in al.duplicates(lib) for copy in group.copies}
    assert [name for name, copy in by_name.items() if copy.keep] in (["snare 1", "kick 2"], ["kick 2", "snare 1"])
    assert any("12.0 dB quieter" in word for word in by_name["quiet snare"].differences)
    assert any("earlier" in word for word in by_name["cut snare"].differences)
    assert any("OGG" in word.upper() for word in by_name["coded kick"].differences)


def test_a_query_narrows_it_and_progress_can_stop_it(lib):
    assert len(al.duplicates(lib, "name:kick")) == 1
    assert al.duplicates(lib, "name:clap").groups == ()
    assert al.duplicates(lib, "name:nothing").looked_at == 0
    done = []
    al.duplicates(lib, progress=lambda d, t: done.append(d / t))
    assert done == sorted(done)
    assert done[-1] == 1

    def stop(_done, _total):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        al.duplicates(lib, progress=stop)


def test_it_shows_and_becomes_json(lib):
    found = al.duplicates(lib)
    assert "2 groups" in found._repr_html_()
    assert sum(copy["keep"] for group in found.to_dict()["groups"] for copy in group) == 2


def test_a_file_that_is_gone_is_named(lib, tmp_path):
    path = lib.media.local(lib.sound("quiet snare").media)
    kept = path.read_bytes()
    path.chmod(0o644)
    path.unlink()
    try:
        found = al.duplicates(lib)
    finally:
        path.write_bytes(kept)
    assert [name for name, _ in found.left_out] == [lib.sound("quiet snare").id]

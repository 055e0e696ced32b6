"""RIFF chunks: what is written is read back, samples stay, and hostile bytes do no harm."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiolab.audio import Audio, Cue, Loop, append_chunks, open_source, read_riff, read_tags, write_audio
from audiolab.audio.riff import Bext
from audiolab.audio.riff_writing import acid_chunk, bext_chunk, cue_chunks, info_chunk, smpl_chunk
from audiolab.errors import AudioError, ParameterError

FIXTURE = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def all_chunks() -> list[tuple[bytes, bytes]]:
    bext = Bext("made — here", "audiolab", "ref", "2026-11-22", "18:30:00", 1 << 33, "A=PCM")
    return [
        acid_chunk(bpm=127.5, beats=8, root_note=57, meter=(3, 4)),
        smpl_chunk(44100, root_note=57, cents=25.0, loops=[Loop(100, 4000), Loop(5, 6, "ping-pong")]),
        *cue_chunks([Cue(10, "first ♪"), Cue(4000, "second", 250), Cue(777)]),
        info_chunk({"INAM": "Ein Stück", "IART": "some body", "ICMT": "odd"}),
        bext_chunk(bext),
    ]


@pytest.mark.parametrize("suffix", [".wav", ".rf64"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("frames", [4999, 5000])
def test_chunks_come_back_and_samples_stay(tmp_path: Path, noise, suffix: str, subtype: str, frames: int) -> None:
    audio = noise(frames=frames, channels=1)
    path = write_audio(tmp_path / f"a{suffix}", audio, subtype=subtype)
    append_chunks(path, all_chunks())
    riff = read_riff(path)
    assert riff.acid is not None
    assert (riff.acid.bpm, riff.acid.beats, riff.acid.root_note, riff.acid.meter) == (127.5, 8, 57, (3, 4))
    assert not riff.acid.one_shot
    assert (riff.root_note, riff.root_cents) == (57, 25.0)
    assert riff.loops == (Loop(100, 4000), Loop(5, 6, "ping-pong"))
    assert riff.cues == (Cue(10, "first ♪"), Cue(777), Cue(4000, "second", 250))
    assert riff.info == {"INAM": "Ein Stück", "IART": "some body", "ICMT": "odd"}
    assert riff.bext == Bext("made — here", "audiolab", "ref", "2026-11-22", "18:30:00", 1 << 33, "A=PCM")
    np.testing.assert_array_equal(Audio.from_file(path).samples, audio.samples)
    raw, rate = sf.read(path, dtype="float32")
    np.testing.assert_array_equal(raw, audio.samples[0])
    assert rate == 44100
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".wav", ".rf64"])
@pytest.mark.parametrize("frames", [999, 1000])
def test_a_file_can_be_written_with_its_chunks(tmp_path: Path, noise, suffix: str, frames: int) -> None:
    audio = noise(frames=frames, channels=1, bits=24)
    one = write_audio(tmp_path / f"one{suffix}", audio, chunks=all_chunks())
    two = write_audio(tmp_path / f"two{suffix}", audio)
    append_chunks(two, all_chunks())
    assert read_riff(one) == read_riff(two)
    assert one.read_bytes() == two.read_bytes()
    np.testing.assert_array_equal(Audio.from_file(one).samples, audio.samples)
    with pytest.raises(ParameterError, match="WAV"):
        write_audio(tmp_path / "a.flac", audio, chunks=all_chunks())
    assert {path.name for path in tmp_path.iterdir()} == {one.name, two.name}


def test_sizes_in_the_header_are_right(tmp_path: Path, noise) -> None:
    for suffix in (".wav", ".rf64"):
        path = write_audio(tmp_path / f"a{suffix}", noise(frames=1001, channels=1))
        append_chunks(path, all_chunks())
        data = path.read_bytes()
        if suffix == ".wav":
            assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
        else:
            assert data[12:16] == b"ds64"
            assert struct.unpack_from("<Q", data, 20)[0] == len(data) - 8


def test_chunks_replace_older_ones_of_their_kind(tmp_path: Path, noise) -> None:
    path = write_audio(tmp_path / "a.wav", noise(frames=500))
    append_chunks(path, all_chunks())
    size = path.stat().st_size
    append_chunks(path, [info_chunk({"INAM": "new"}), acid_chunk(one_shot=True)])
    riff = read_riff(path)
    assert riff.info == {"INAM": "new"}
    assert riff.acid is not None
    assert riff.acid.one_shot
    assert riff.cues[0].label == "first ♪"  # the other LIST stayed
    assert len([one for one in riff.chunk_ids if one == "acid"]) == 1
    append_chunks(path, all_chunks())
    assert path.stat().st_size == size


def test_chunks_need_a_wav_file(tmp_path: Path, noise) -> None:
    path = write_audio(tmp_path / "a.flac", noise(frames=500))
    before = path.read_bytes()
    with pytest.raises(AudioError, match=r"a\.flac.*not a WAV"):
        append_chunks(path, [acid_chunk(bpm=120)])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("bad", [[(b"data", b"x")], [acid_chunk(), acid_chunk()], [(b"fmt ", b"x" * 16)]])
def test_chunks_that_would_break_the_file_are_refused(tmp_path: Path, noise, bad: list[tuple[bytes, bytes]]) -> None:
    path = write_audio(tmp_path / "a.wav", noise(frames=500))
    before = path.read_bytes()
    with pytest.raises(ParameterError):
        append_chunks(path, bad)
    assert path.read_bytes() == before


def test_senseless_values_are_refused() -> None:
    with pytest.raises(ParameterError):
        smpl_chunk(44100, root_note=128)
    with pytest.raises(ParameterError):
        smpl_chunk(44100, loops=[Loop(5, 5)])
    with pytest.raises(ParameterError):
        info_chunk({"toolong": "x"})


@given(
    note=st.integers(0, 127),
    loops=st.lists(st.tuples(st.integers(0, 1 << 31), st.integers(1, 1 << 30)), max_size=5),
    texts=st.dictionaries(
        st.sampled_from(["INAM", "IART", "ICMT"]), st.text(st.characters(codec="utf-8"), max_size=90)
    ),
    cues=st.lists(st.tuples(st.integers(0, (1 << 32) - 1), st.text(max_size=30)), max_size=9, unique_by=lambda c: c[0]),
)
@settings(FIXTURE, max_examples=40)
def test_any_values_survive(tmp_path: Path, note: int, loops: list, texts: dict, cues: list) -> None:
    path = tmp_path / "a.wav"
    sf.write(path, np.zeros(7, np.float32), 8000, subtype="PCM_24")
    wanted = [Loop(start, start + length) for start, length in loops]
    marks = [Cue(position, label) for position, label in cues]
    append_chunks(path, [smpl_chunk(8000, root_note=note, loops=wanted), *cue_chunks(marks), info_chunk(texts)])
    riff = read_riff(path)
    assert riff.root_note == note
    assert list(riff.loops) == wanted

    def clean(text: str) -> str:
        return text.encode("utf-8", "replace").decode().replace("\0", " ").strip()

    assert {cue.position: cue.label for cue in riff.cues} == {cue.position: clean(cue.label) for cue in marks}
    assert riff.info == {code: clean(text) for code, text in texts.items() if clean(text)}
    assert open_source(path).frames == 7


# ---- files that mean harm, or were only damaged ----------------------------------------------------


def wav_with(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


DATA = b"data" + struct.pack("<I", 20) + bytes(20)
HOSTILE = {
    "acid too short": DATA + b"acid\x04\0\0\0abcd",
    "acid NaN tempo": DATA + b"acid" + struct.pack("<IIHHfIHHf", 24, 0, 60, 0, 0.0, 1, 4, 4, float("nan")),
    "acid huge tempo": DATA + b"acid" + struct.pack("<IIHHfIHHf", 24, 2, 999, 0, 0.0, 1 << 31, 0, 0, 1e30),
    "smpl with four billion loops": DATA + b"smpl" + struct.pack("<I9I", 36, 0, 0, 0, 60, 0, 0, 0, 0xFFFFFFFF, 0),
    "smpl loop that ends before it starts": DATA
    + b"smpl"
    + struct.pack("<I9I6I", 60, 0, 0, 0, 200, 0, 0, 0, 1, 0, 0, 0, 9, 3, 0, 0),
    "cue with four billion points": DATA + b"cue " + struct.pack("<II", 4, 0xFFFFFFFF),
    "list within list within list": DATA + b"LIST\x20\0\0\0INFOLIST\x14\0\0\0INFOLIST\x08\0\0\0INFOLIST",
    "sub-chunk larger than its list": DATA + b"LIST\x0c\0\0\0INFOINAM\xff\xff\xff\xff",
    "chunk larger than the file": DATA + b"LIST\xff\xff\xff\x7fINFOINAM\x04\0\0\0abc\0",
    "chunk of all ones": DATA + b"junk\xff\xff\xff\xff",
    "ten thousand empty chunks": DATA + b"junk\0\0\0\0" * 10_000,
    "text that is no text": DATA + b"LIST\x14\0\0\0INFOINAM\x08\0\0\0\xff\xfe\x00\x81\x9d\xff\xff\xff",
    "label without a number": DATA + b"LIST\x0e\0\0\0adtllabl\x02\0\0\0ab",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_chunks_do_no_harm(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_with(HOSTILE[name]))
    tags = read_tags(path)
    assert tags.bpm is None
    assert open_source(path).frames == 10
    tags.to_dict()


@given(st.binary(max_size=400))
@FIXTURE
def test_any_bytes_after_the_samples_do_no_harm(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_with(DATA, junk))
    assert open_source(path).frames == 10
    read_tags(path).to_dict()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"acid", b"smpl", b"cue ", b"LIST", b"bext", b"inst", b"ds64", b"id3 "]),
            st.integers(0, (1 << 32) - 1) | st.integers(0, 700),
            st.binary(max_size=700),
        ),
        max_size=6,
    )
)
@FIXTURE
def test_known_chunks_with_any_content_do_no_harm(tmp_path: Path, chunks: list[tuple[bytes, int, bytes]]) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_with(DATA, *(name + struct.pack("<I", size) + body for name, size, body in chunks)))
    riff = read_riff(path)
    assert riff.root_note is None or 0 <= riff.root_note <= 127
    assert all(loop.stop > loop.start >= 0 for loop in riff.loops)
    read_tags(path).to_dict()


@given(st.binary(max_size=300))
@FIXTURE
def test_any_bytes_at_all_do_no_harm(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(junk)
    assert read_riff(path).acid is None or junk[:4] in {b"RIFF", b"RF64", b"BW64"}
    read_tags(path)


def test_a_chunk_of_a_gigabyte_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        file.write(wav_with(DATA) + b"LIST" + struct.pack("<I", 1 << 30) + b"INFOINAM\x04\0\0\0abc\0")
        file.seek(1 << 30, os.SEEK_CUR)
        file.write(b"\0")
    import tracemalloc

    tracemalloc.start()
    info = read_riff(path).info
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert info["INAM"] == "abc"
    assert peak < 8 << 20

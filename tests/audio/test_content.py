"""The same sound gives the same id; a retagged file is the same sound."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from audiolab.audio import Audio, append_chunks, content_id, content_id_of_audio, write_audio
from audiolab.audio.riff_writing import info_chunk
from audiolab.errors import AudioError


def test_the_same_16_bit_audio_has_one_id_in_every_lossless_form(tmp_path: Path, noise) -> None:
    audio = noise()
    files = [("a.wav", "PCM_16"), ("b.wav", "PCM_24"), ("c.wav", "FLOAT"), ("d.wav", "DOUBLE"), ("e.wav", "PCM_32")]
    files += [("a.flac", "PCM_16"), ("b.flac", "PCM_24"), ("a.aiff", "PCM_16"), ("a.rf64", "PCM_16")]
    ids = {content_id(write_audio(tmp_path / name, audio, subtype=subtype)) for name, subtype in files}
    assert ids == {content_id_of_audio(audio)}
    assert all(len(one) == 64 and int(one, 16) >= 0 for one in ids)


def test_what_differs_has_another_id(tmp_path: Path, noise) -> None:
    audio = noise()
    louder = audio.with_(audio.samples * np.float32(0.5))
    ids = [content_id_of_audio(a) for a in (audio, louder, audio.cut(0, 50_002), audio.mono())]
    ids.append(content_id_of_audio(Audio(audio.samples, 48000)))
    ids.append(content_id_of_audio(Audio(audio.samples.reshape(1, -1), 44100)))
    assert len(set(ids)) == len(ids)


def test_minus_zero_sounds_like_zero() -> None:
    zeros = np.zeros((1, 100), np.float32)
    assert content_id_of_audio(Audio(zeros, 8000)) == content_id_of_audio(Audio(-zeros, 8000))


def test_32_bit_integers_that_differ_in_their_last_bit_differ(tmp_path: Path) -> None:
    import soundfile as sf

    values = np.array([[1 << 30, 12345], [(1 << 30) + 1, 12345]], np.int32)
    for name, column in (("a", values[0]), ("b", values[1])):
        sf.write(tmp_path / f"{name}.wav", column, 8000, subtype="PCM_32")
    assert content_id(tmp_path / "a.wav") != content_id(tmp_path / "b.wav")


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".opus"])
def test_lossy_files_hash_their_packets(tmp_path: Path, suffix: str, noise) -> None:
    path = write_audio(tmp_path / f"a{suffix}", noise(rate=48000))
    renamed = tmp_path / "other name.bin"
    renamed.write_bytes(path.read_bytes())
    assert content_id(path) == content_id(renamed)
    other = write_audio(tmp_path / f"b{suffix}", noise(rate=48000, frames=60_000))
    assert content_id(path) != content_id(other)


def id3v2(size: int) -> bytes:
    sizes = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    # A body full of things that look like MPEG frames: pictures can hold any bytes.
    return b"ID3\x03\x00\x00" + sizes + (b"\xff\xfb\x90\x64" * size)[:size]


def id3v1() -> bytes:
    return b"TAG" + b"title".ljust(124, b"\0") + b"\x11"


def ape(items: int, *, header: bool) -> bytes:
    body = b"".join(struct.pack("<II", 400, 0) + b"Cover%d\0" % n + b"\xff\xfb\x90\x64" * 100 for n in range(items))
    flags = 0x80000000 if header else 0
    tail = b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, items, flags) + bytes(8)
    head = b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, items, flags | 0x20000000) + bytes(8)
    return (head if header else b"") + body + tail


def test_an_mp3_keeps_its_id_whatever_tags_it_wears(tmp_path: Path, noise) -> None:
    plain = write_audio(tmp_path / "plain.mp3", noise()).read_bytes()
    first = content_id(tmp_path / "plain.mp3")
    variants = [
        id3v2(5000) + plain,
        id3v2(300) + id3v2(900) + plain,
        plain + id3v1(),
        plain + ape(3, header=True),
        plain + ape(3, header=False),
        id3v2(2000) + plain + ape(2, header=True) + id3v1(),
        plain + b"LYRICSBEGINtext" + b"000015" + b"LYRICS200" + id3v1(),
    ]
    for number, data in enumerate(variants):
        path = tmp_path / f"{number}.mp3"
        path.write_bytes(data)
        assert content_id(path) == first, number


def test_a_rewritten_xing_header_is_no_part_of_the_id(tmp_path: Path, noise, encode) -> None:
    one = encode(tmp_path / "one.mp3", noise(), "libmp3lame")
    two = encode(tmp_path / "two.mp3", noise(), "libmp3lame", write_xing="0")
    assert b"Info" in one.read_bytes()[:4096] or b"Xing" in one.read_bytes()[:4096]
    assert b"Info" not in two.read_bytes()[:4096]
    assert content_id(one) == content_id(two)


def remux(source: Path, target: Path, **metadata: str) -> Path:
    import av

    with av.open(str(source)) as inside, av.open(str(target), "w") as outside:
        outside.metadata.update(metadata)
        old = inside.streams.audio[0]
        new = outside.add_stream_from_template(old)
        new.metadata.update(metadata)
        for packet in inside.demux(old):
            if packet.dts is not None:
                packet.stream = new
                outside.mux(packet)
    return target


@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
def test_vorbis_comments_are_no_part_of_the_id(tmp_path: Path, suffix: str, noise) -> None:
    path = write_audio(tmp_path / f"a{suffix}", noise(rate=48000, frames=96_000))
    tagged = remux(path, tmp_path / f"b{suffix}", title="x" * 70_000, artist="somebody")
    assert tagged.read_bytes() != path.read_bytes()
    assert content_id(tagged) == content_id(path)


def test_mp4_metadata_is_no_part_of_the_id(tmp_path: Path, noise, encode) -> None:
    path = encode(tmp_path / "a.m4a", noise())
    tagged = remux(path, tmp_path / "b.m4a", title="a title", artist="somebody", comment="c" * 5000)
    assert tagged.read_bytes() != path.read_bytes()
    assert content_id(tagged) == content_id(path)


def test_riff_chunks_are_no_part_of_the_id(tmp_path: Path, noise) -> None:
    path = write_audio(tmp_path / "a.wav", noise())
    before = content_id(path)
    append_chunks(path, [info_chunk({"INAM": "title"})])
    assert content_id(path) == before


def test_a_damaged_file_has_no_id(tmp_path: Path, noise) -> None:
    path = write_audio(tmp_path / "a.flac", noise(frames=200_000))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"a\.flac"):
        content_id(path)

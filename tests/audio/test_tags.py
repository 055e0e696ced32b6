"""Tags that files carry, in the ways that producers' tools write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiolab.audio import Audio, Cue, Loop, append_chunks, read_tags, write_audio
from audiolab.audio.riff import Bext
from audiolab.audio.riff_writing import acid_chunk, bext_chunk, cue_chunks, info_chunk, smpl_chunk
from audiolab.errors import AudioError


def id3(path: Path, frames: dict[str, str], *, picture: bool = False) -> Path:
    """Put an ID3v2.3 tag in front of a file."""
    body = b""
    for code, text in frames.items():
        raw = b"\x01" + text.encode("utf-16")
        body += code.encode() + len(raw).to_bytes(4, "big") + b"\0\0" + raw
    if picture:
        raw = b"\0image/png\0\x03\0" + b"\x89PNG\r\n\x1a\n" + bytes(40)
        body += b"APIC" + len(raw).to_bytes(4, "big") + b"\0\0" + raw
    size = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\0\0" + size + body + path.read_bytes())
    return path


def test_an_mp3_with_everything(tmp_path: Path, noise) -> None:
    path = write_audio(tmp_path / "a.mp3", noise())
    frames = {"TIT2": "Lied ♪", "TPE1": "Somebody", "TALB": "Album", "TYER": "1999", "TBPM": "127.5", "TKEY": "Am"}
    tags = read_tags(id3(path, {**frames, "TCON": "House"}, picture=True))
    assert (tags.title, tags.artist, tags.album, tags.date) == ("Lied ♪", "Somebody", "Album", "1999")
    assert (tags.bpm, tags.key, tags.genre, tags.artwork) == (127.5, "Am", "House", True)
    assert tags.loop is None
    assert tags.one_shot is None
    assert tags.to_dict()["raw"]["title"] == "Lied ♪"


@pytest.mark.parametrize(
    ("text", "bpm"),
    [("128", 128.0), ("127,5", 127.5), ("174 BPM", 174.0), ("0", None), ("", None), ("fast", None), ("99999", None)],
)
def test_tempos_as_people_write_them(tmp_path: Path, noise, text: str, bpm: float | None) -> None:
    path = write_audio(tmp_path / "a.mp3", noise(frames=5000))
    assert read_tags(id3(path, {"TBPM": text, "TIT2": "x"})).bpm == bpm


def test_vorbis_comments_and_mp4_atoms(tmp_path: Path, noise, encode) -> None:
    from test_content import remux

    ogg = write_audio(tmp_path / "a.ogg", noise())
    tagged = remux(ogg, tmp_path / "b.ogg", title="T", artist="A", BPM="98", INITIALKEY="F#m")
    tags = read_tags(tagged)
    assert (tags.title, tags.artist, tags.bpm, tags.key) == ("T", "A", 98.0, "F#m")
    m4a = remux(encode(tmp_path / "a.m4a", noise()), tmp_path / "b.m4a", title="T", artist="A", date="2020")
    tags = read_tags(m4a)
    assert (tags.title, tags.artist, tags.date, tags.artwork) == ("T", "A", "2020", False)


def test_a_loop_and_a_one_shot(tmp_path: Path, noise) -> None:
    loop = write_audio(tmp_path / "loop.wav", noise(frames=44100))
    append_chunks(loop, [acid_chunk(bpm=120, beats=2, root_note=48), smpl_chunk(44100, loops=[Loop(0, 44100)])])
    tags = read_tags(loop)
    assert (tags.loop, tags.one_shot, tags.bpm, tags.beats, tags.root_note) == (True, False, 120.0, 2, 48)
    assert (tags.loop_start, tags.loop_stop) == (0, 44100)
    shot = write_audio(tmp_path / "shot.wav", noise(frames=4410))
    append_chunks(shot, [acid_chunk(one_shot=True, root_note=36, bpm=120)])
    tags = read_tags(shot)
    assert (tags.loop, tags.one_shot, tags.root_note, tags.bpm, tags.beats) == (False, True, 36, None, None)


def test_a_broadcast_wave(tmp_path: Path, noise) -> None:
    path = write_audio(tmp_path / "a.wav", noise())
    bext = Bext(description="take 3", originator="deck", time_reference=48000 * 3600)
    append_chunks(
        path, [bext_chunk(bext), *cue_chunks([Cue(44, "verse")]), info_chunk({"INAM": "Name", "ICRD": "2001"})]
    )
    tags = read_tags(path)
    assert (tags.description, tags.originator, tags.time_reference) == ("take 3", "deck", 48000 * 3600)
    assert tags.cues == (Cue(44, "verse"),)
    assert (tags.title, tags.date) == ("Name", "2001")
    assert tags.to_dict()["cues"] == [{"position": 44, "label": "verse", "length": 0}]


def test_a_file_without_tags_says_nothing(tmp_path: Path, noise) -> None:
    for suffix in (".wav", ".flac", ".aiff"):
        tags = read_tags(write_audio(tmp_path / f"a{suffix}", noise()))
        assert (tags.title, tags.artist, tags.bpm, tags.loop, tags.artwork) == (None, None, None, None, False)
    text = tmp_path / "a.txt"
    text.write_text("not audio")
    assert read_tags(text).to_dict() == {}


def test_a_wrong_suffix_does_not_matter(tmp_path: Path, noise) -> None:
    path = write_audio(tmp_path / "a.mp3", noise())
    id3(path, {"TIT2": "Title"})
    wrong = path.rename(tmp_path / "a.wav")
    assert read_tags(wrong).title == "Title"


def test_a_missing_file_is_an_audio_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="nothing"):
        read_tags(tmp_path / "nothing.wav")


def test_audio_without_tags_reads_the_same_as_with(tmp_path: Path, noise) -> None:
    path = write_audio(tmp_path / "a.mp3", noise())
    before = Audio.from_file(path)
    after = Audio.from_file(id3(path, {"TIT2": "x" * 9000}, picture=True))
    assert (before.samples == after.samples).all()

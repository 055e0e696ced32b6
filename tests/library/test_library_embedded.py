"""What files say about themselves comes out in one typed shape, whatever the format."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from library_making import noise

from audiolab.audio import Cue, Loop, append_chunks, write_audio
from audiolab.audio.riff import Bext
from audiolab.audio.riff_writing import acid_chunk, bext_chunk, cue_chunks, info_chunk, smpl_chunk
from audiolab.library import Library
from audiolab.library.embedded import parse_bpm, parse_date, parse_key
from audiolab.library.keys import camelot, canonical_key

RATE = 44_100
WANTED = {
    "title": "Lied ♪",
    "artist": "Somebody & Söhne",
    "album": "The Pack",
    "genre": "House",
    "bpm": 127.5,
    "key": "F#m",
    "date": "2019-05-17",
    "year": 2019,
}


def plain(folder: Path, suffix: str) -> Path:
    return write_audio(
        folder / f"plain{suffix}", noise(5, 1.0, rate=48_000 if suffix == ".opus" else RATE), subtype=None
    )


def id3(frames: dict[str, str], version: int) -> bytes:
    """An ID3v2.3 (UTF-16) or ID3v2.4 (UTF-8) tag."""
    body = b""
    for code, text in frames.items():
        raw = b"\x03" + text.encode() if version == 4 else b"\x01" + text.encode("utf-16")
        size = safe(len(raw)) if version == 4 else len(raw).to_bytes(4, "big")
        body += code.encode() + size + b"\0\0" + raw
    return b"ID3" + bytes([version, 0, 0]) + safe(len(body)) + body


def safe(size: int) -> bytes:
    return bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))


FRAMES = {"TIT2": WANTED["title"], "TPE1": WANTED["artist"], "TALB": WANTED["album"], "TBPM": "127,5", "TKEY": "Gbm"}


def mp3_of_version_3(folder: Path) -> Path:
    path = plain(folder, ".mp3")
    # A genre by its number, the date in two frames.
    path.write_bytes(id3({**FRAMES, "TCON": "(35)", "TYER": "2019-05-17"}, 3) + path.read_bytes())
    return path


def mp3_of_version_4(folder: Path) -> Path:
    path = plain(folder, ".mp3")
    path.write_bytes(id3({**FRAMES, "TCON": "House", "TDRC": "2019-05-17T12:00:00"}, 4) + path.read_bytes())
    return path


def vorbis(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import av

        target = folder / f"tagged{suffix}"
        words = {name: str(WANTED[name]) for name in ("title", "artist", "album", "genre", "date")}
        words |= {"BPM": "127.50", "INITIALKEY": "11A"}
        with av.open(str(plain(folder, suffix))) as inside, av.open(str(target), "w") as outside:
            stream = outside.add_stream_from_template(inside.streams.audio[0])
            outside.metadata.update(words)
            stream.metadata.update(words)
            for packet in inside.demux(inside.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    outside.mux(packet)
        return target

    return make


def mp4(folder: Path) -> Path:
    """An M4A file whose list of tags is written by hand."""
    import av

    path = folder / "a.m4a"
    audio = noise(5, 1.0, rate=RATE)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        container.metadata["title"] = "to be replaced"
        frame = av.AudioFrame.from_ndarray(audio.samples, "fltp", "mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    def atom(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", 8 + len(body)) + name + body

    def data(kind: int, value: bytes) -> bytes:
        return atom(b"data", struct.pack(">II", kind, 0) + value)

    texts = {b"\xa9nam": "title", b"\xa9ART": "artist", b"\xa9alb": "album", b"\xa9gen": "genre", b"\xa9day": "date"}
    tags = b"".join(atom(code, data(1, str(WANTED[name]).encode())) for code, name in texts.items())
    free = {"initialkey": "F#m", "BPM": "127.5"}
    for name, text in free.items():
        mean = atom(b"mean", bytes(4) + b"com.apple.iTunes")
        tags += atom(b"----", mean + atom(b"name", bytes(4) + name.encode()) + data(1, text.encode()))
    raw = path.read_bytes()
    moov = raw.rindex(b"moov") - 4  # behind the sound: nothing in it has to be moved
    meta = atom(b"meta", bytes(4) + atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(9)) + atom(b"ilst", tags))
    udta = raw.index(b"udta", moov) - 4
    assert udta + int.from_bytes(raw[udta : udta + 4], "big") == len(raw)
    path.write_bytes(raw[:moov] + atom(b"moov", raw[moov + 8 : udta] + atom(b"udta", meta)))
    return path


def wave_with_info(folder: Path) -> Path:
    path = plain(folder, ".wav")
    texts = {"INAM": "title", "IART": "artist", "IPRD": "album", "IGNR": "genre", "ICRD": "date"}
    info = {code: str(WANTED[name]) for code, name in texts.items()} | {"IKEY": "F# minor", "IBPM": "127.5"}
    append_chunks(path, [info_chunk(info)])
    return path


def wave_with_id3(folder: Path) -> Path:
    path = plain(folder, ".wav")
    tag = id3({**FRAMES, "TCON": "House", "TDRC": "2019-05-17"}, 4)
    data = path.read_bytes() + b"id3 " + struct.pack("<I", len(tag)) + tag + b"\0" * (len(tag) & 1)
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path


def aiff(folder: Path) -> Path:
    path = plain(folder, ".aiff")
    tag = id3({**FRAMES, "TCON": "House", "TDRC": "2019-05-17"}, 4)
    data = path.read_bytes() + b"ID3 " + struct.pack(">I", len(tag)) + tag + b"\0" * (len(tag) & 1)
    path.write_bytes(data[:4] + struct.pack(">I", len(data) - 8) + data[8:])
    return path


FORMATS: dict[str, Callable[[Path], Path]] = {
    "ID3v2.3": mp3_of_version_3,
    "ID3v2.4": mp3_of_version_4,
    "FLAC": vorbis(".flac"),
    "Vorbis": vorbis(".ogg"),
    "Opus": vorbis(".opus"),
    "MP4": mp4,
    "INFO": wave_with_info,
    "WAV with ID3": wave_with_id3,
    "AIFF with ID3": aiff,
}


@pytest.mark.parametrize("name", FORMATS)
def test_one_shape_for_all_formats(lib: Library, tmp_path: Path, name: str) -> None:
    sound = lib.add(FORMATS[name](tmp_path))
    assert {word: sound.embedded.get(word) for word in WANTED} == WANTED
    assert (sound.bpm, sound.key) == (127.5, "F#m")
    artist, album = f'artist:"{WANTED["artist"]}"', f'album:"{WANTED["album"]}"'
    for query in (artist, album, "genre:house", "year:2019", "bpm:127.5", "key:11A", "lied"):
        assert lib.query(query).ids == [sound.id], query


def test_a_loop_with_everything_that_samplers_write(lib: Library, tmp_path: Path) -> None:
    path = plain(tmp_path, ".wav")
    append_chunks(
        path,
        [
            acid_chunk(bpm=120, beats=2, root_note=48),
            smpl_chunk(RATE, root_note=48, loops=[Loop(0, RATE)]),
            *cue_chunks([Cue(100, "hit"), Cue(22_050, "turn")]),
            bext_chunk(Bext(description="take  3", originator="deck", date="2020-02-30", time_reference=48_000)),
        ],
    )
    sound = lib.add(path)
    said = {name: value for name, value in sound.embedded.items() if name != "raw"}
    assert said == {
        "bpm": 120.0, "loop": True, "one_shot": False, "root_note": 48, "loop_start": 0, "loop_stop": RATE, "beats": 2,
        "cues": [{"position": 100, "label": "hit", "length": 0}, {"position": 22_050, "label": "turn", "length": 0}],
        "description": "take 3", "originator": "deck", "time_reference": 48_000, "date": "2020", "year": 2020,
    }  # fmt: skip
    assert {name: sound.facts[name] for name in ("loop", "one_shot", "root_note", "beats")} == {
        "loop": True,
        "one_shot": False,
        "root_note": 48,
        "beats": 2,
    }
    assert lib.query("root:C3").ids == lib.query("root:48").ids == [sound.id]


def test_a_one_shot(lib: Library, tmp_path: Path) -> None:
    path = plain(tmp_path, ".wav")
    append_chunks(path, [acid_chunk(one_shot=True, root_note=36, bpm=120)])
    sound = lib.add(path)
    assert (sound.facts["loop"], sound.facts["one_shot"], sound.facts["root_note"], sound.bpm) == (
        False,
        True,
        36,
        None,
    )


def test_keywords_say_what_a_sample_is(lib: Library, tmp_path: Path) -> None:
    path = plain(tmp_path, ".wav")
    append_chunks(path, [info_chunk({"IKEY": "Kicks; 909 ;dusty", "ISBJ": "BD"})])
    sound = lib.add(path)
    assert sound.embedded["keywords"] == ["Kicks", "909", "dusty", "BD"]
    assert sound.embedded.get("key") is None
    assert (sound.label, sound.label_source) == ("kick", "import")
    other = plain(tmp_path, ".wav")
    other.write_bytes(write_audio(tmp_path / "x.wav", noise(9), subtype=None).read_bytes())
    append_chunks(other, [info_chunk({"ISBJ": "kick, snare"})])  # that says nothing
    assert lib.add(other).label is None


def test_what_makes_no_sense_stays_as_text(lib: Library, tmp_path: Path) -> None:
    path = plain(tmp_path, ".mp3")
    path.write_bytes(id3({"TKEY": "o", "TBPM": "fast", "TDRC": "in summer", "TIT2": "a\nb  c"}, 4) + path.read_bytes())
    sound = lib.add(path)
    assert set(sound.embedded) == {"title", "raw"}
    assert sound.embedded["title"] == "a b c"
    assert sound.embedded["raw"]["year"] == "in summer"
    assert (sound.bpm, sound.key) == (None, None)


@pytest.mark.parametrize(
    ("text", "key"),
    [("Am", "Am"), ("a minor", "Am"), ("8A", "Am"), ("08a", "Am"), ("1m", "Am"), ("1d", "C"), ("6d", "B"),
     ("12m", "Dm"), ("Bb", "A#"), ("Des dur", "C#"), ("Fis moll", "F#m"), ("H-Moll", "Bm"),
     ("Es", "D#"), ("o", None), ("13A", None),
     ("", None), ("Banana", None)],
)  # fmt: skip
def test_keys_as_people_write_them(text: str, key: str | None) -> None:
    assert parse_key(text) == key


@given(st.integers(1, 12), st.sampled_from("md"))
def test_open_key_and_camelot_turn_together(number: int, side: str) -> None:
    found = parse_key(f"{number}{side}")
    assert found is not None
    assert camelot(found) == f"{(number + 6) % 12 + 1}{'A' if side == 'm' else 'B'}"
    assert canonical_key(found) == found


@pytest.mark.parametrize(
    ("text", "date"),
    [("2019", "2019"), ("2019-05", "2019-05"), ("2019-05-17T10:00", "2019-05-17"), ("2019/5/7", "2019-05-07"),
     ("17.05.2019", "2019-05-17"), ("20190517", "2019-05-17"), ("2019-02-31", "2019"), ("2019-13", "2019"),
     ("0000", None), ("", None), ("17", None), ("12345", None)],
)  # fmt: skip
def test_dates_as_people_write_them(text: str, date: str | None) -> None:
    assert parse_date(text) == date


@given(st.dates())
def test_every_date_is_read_as_it_is_written(day: object) -> None:
    year = int(str(day)[:4])
    assert parse_date(str(day)) == (str(day) if 1000 <= year <= 2999 else None)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = parse_bpm(text)
    assert found is None or 20 <= found <= 400
    assert parse_key(text) is None or canonical_key(parse_key(text)) == parse_key(text)
    assert parse_date(text) is None or parse_date(parse_date(text)) == parse_date(text)

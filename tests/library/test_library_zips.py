"""Zip files from anywhere."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from library_making import wav

from audiolab.errors import AudioError
from audiolab.library import Library
from audiolab.library.archives import ArchiveLimits, list_members


def pack(path: Path, members: dict[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return path


@pytest.fixture
def sounds(tmp_path: Path) -> list[bytes]:
    return [wav(tmp_path / f"{seed}.wav", seed).read_bytes() for seed in range(6)]


def test_members_are_added_in_order(lib: Library, tmp_path: Path, sounds: list[bytes]) -> None:
    path = pack(
        tmp_path / "pack.zip",
        {
            "b/kick.wav": sounds[0],
            "a/snare 🥁.wav": sounds[1],
            "readme.txt": b"hi",
            "__MACOSX/._kick.wav": b"junk",
            "inner.zip": b"PK\x03\x04",
            "same as kick.wav": sounds[0],
            "broken.wav": sounds[2][:50],
        },
    )
    report = lib.add(path)
    assert [s.origin for s in report.added] == ["pack.zip/a/snare 🥁.wav", "pack.zip/b/kick.wav"]
    assert [line.path for line in report.lines if line.status == "existing"] == ["pack.zip/same as kick.wav"]
    assert [item.path for item in report.failed] == ["pack.zip/broken.wav"]
    assert {item.path for item in report.skipped} == {
        "pack.zip/readme.txt",
        "pack.zip/__MACOSX/._kick.wav",
        "pack.zip/inner.zip",
    }
    assert list(lib.tmp_dir.iterdir()) == []


def test_a_zip_in_a_folder(lib: Library, tmp_path: Path, sounds: list[bytes]) -> None:
    (tmp_path / "in").mkdir()
    pack(tmp_path / "in" / "p.zip", {"x.wav": sounds[0]})
    assert lib.add(tmp_path / "in").sound.origin == "in/p.zip/x.wav"


ESCAPES = [
    "../evil.wav",
    "a/../../evil.wav",
    "/tmp/evil.wav",
    "C:\\evil.wav",
    "C:evil.wav",
    "..\\evil.wav",
    "\\\\host\\evil.wav",
]


@pytest.mark.parametrize("name", ESCAPES)
def test_escaping_paths_are_refused(lib: Library, tmp_path: Path, sounds: list[bytes], name: str) -> None:
    outside = {path for path in tmp_path.rglob("*") if lib.path not in path.parents}
    path = pack(tmp_path / "evil.zip", {name: sounds[0], "good.wav": sounds[1]})
    report = lib.add(path)
    assert [s.name for s in report.added] == ["good"]
    assert len(report.failed) == 1
    assert "out of the archive" in report.failed[0].why
    assert {p for p in tmp_path.rglob("*") if lib.path not in p.parents} == outside | {path}


def test_links_are_refused(lib: Library, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.wav")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    report = lib.add(pack(tmp_path / "l.zip", {link: b"/etc/passwd"}))
    assert "link" in report.failed[0].why
    assert report.added == []


def test_encrypted_members_are_refused(lib: Library, tmp_path: Path, sounds: list[bytes]) -> None:
    path = pack(tmp_path / "e.zip", {"secret.wav": sounds[0]})
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the local header's flag
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the central directory's
    path.write_bytes(bytes(data))
    assert "encrypted" in lib.add(path).failed[0].why


def test_bombs_do_not_go_off(lib: Library, tmp_path: Path) -> None:
    path = pack(tmp_path / "bomb.zip", {"zeros.wav": b"\0" * (300 << 20)})
    assert path.stat().st_size < 1 << 20
    report = lib.add(path)
    assert "bomb" in report.failed[0].why
    assert list(lib.media.files()) == []


def test_limits(tmp_path: Path, sounds: list[bytes]) -> None:
    path = pack(tmp_path / "p.zip", {f"{i}.wav": sounds[i] for i in range(4)})
    with zipfile.ZipFile(path) as archive:
        assert len(list_members(archive, name="p.zip")) == 4
        for limits in (
            ArchiveLimits(max_members=3),
            ArchiveLimits(max_bytes=100),
            ArchiveLimits(max_ratio=0.5, free_bytes=0),
        ):
            with pytest.raises(AudioError, match=r"p\.zip"):
                list_members(archive, name="p.zip", limits=limits)


def test_a_member_larger_than_it_says(lib: Library, tmp_path: Path, sounds: list[bytes]) -> None:
    path = pack(tmp_path / "lie.zip", {"a.wav": sounds[0]})
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 10)  # uncompressed size, as told
    data[22:26] = struct.pack("<I", 10)
    path.write_bytes(bytes(data))
    report = lib.add(path)
    assert len(report.failed) == 1
    assert report.added == []


@pytest.mark.parametrize("cut", [30, 200, -30])
def test_damaged_archives(lib: Library, tmp_path: Path, sounds: list[bytes], cut: int) -> None:
    path = pack(tmp_path / "d.zip", {"a.wav": sounds[0], "b.wav": sounds[1]})
    path.write_bytes(path.read_bytes()[:cut])
    (tmp_path / "in").mkdir()
    path.rename(tmp_path / "in" / "d.zip")
    report = lib.add(tmp_path / "in")
    assert report.added == []
    assert len(report.failed) + len(report.skipped) == 1


def test_flipped_bytes(lib: Library, tmp_path: Path, sounds: list[bytes]) -> None:
    path = pack(tmp_path / "f.zip", {"a.wav": sounds[0]})
    data = bytearray(path.read_bytes())
    for at in range(60, 160):
        data[at] ^= 0xFF
    path.write_bytes(bytes(data))
    report = lib.add(path)
    assert len(report.failed) == 1
    assert "unpacked" in report.failed[0].why


def test_an_empty_archive(lib: Library, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    (tmp_path / "none.zip").write_bytes(buffer.getvalue())
    assert lib.add(tmp_path / "none.zip").lines == []


def test_names_of_300_signs(lib: Library, tmp_path: Path, sounds: list[bytes]) -> None:
    long = "歌" * 300
    path = pack(tmp_path / "p.zip", {f"{long}/{'x' * 300}_120.wav": sounds[0]})
    sound = lib.add(path, rule="{pack}/{name}_{bpm}").sound
    assert (sound.name, sound.bpm, sound.facts["pack"]) == ("x" * 300, 120.0, long[:255])
    assert [tag.label for tag in sound.tags] == [long[:255]]
    assert sound.original_name == f"{'x' * 300}_120.wav"
    assert lib.query(f'tag:"{long[:255]}"').ids == [sound.id]
    assert lib.fsck(deep=True).clean

"""Uploads: pieces in order, hostile names, bad files that stop no other, cancel, nothing left behind."""

from __future__ import annotations

import io
import shutil
import threading
import zipfile
from types import SimpleNamespace

import pytest

from audiolab.errors import ParameterError
from audiolab.library import Library
from audiolab.library.uploading import Upload, names_within
from audiolab.widgets.uploader import PIECE, Uploader

HOSTILE = "<img src=x onerror=alert(1)>.wav"


def _send(page, files, *, end=True):
    """Send files as the page does: packs of at most a megabyte, each after the answer to the one before."""
    begun = page.ask("begin", files=[{"path": path, "size": len(data)} for path, data in files])
    for index, (_, data) in enumerate(files):
        for offset in range(0, len(data), PIECE) if index not in begun["refused"] else ():
            piece = data[offset : offset + PIECE]
            if index in page.ask("put", upload=begun["upload"], pieces=[[index, offset]], buffers=[piece])["failed"]:
                break
    if end:
        page.ask("end", upload=begun["upload"])
        page.widget.wait(30)
    return begun


def _scratch(library):
    return list(library.tmp_dir.iterdir())


def test_files_arrive_whole_under_their_names(library, page, wav_bytes):
    shown = page(Uploader(library))
    small, large = wav_bytes(seed=1), wav_bytes(180, seed=2)
    assert len(large) > 2 * PIECE
    _send(shown, [("kick.wav", small), ("long song.wav", large)])
    widget = shown.widget
    assert [line.status for line in widget.report.lines] == ["added", "added"]
    kick, song = (library.sound(sound_id) for sound_id in widget.uploaded)
    assert (kick.name, kick.kind) == ("kick", "sample")
    assert (song.name, song.kind) == ("long song", "song")
    assert song.path.read_bytes() == large
    assert not _scratch(library)
    assert library.fsck(deep=True).clean
    assert widget.progress["active"] is False
    assert widget.progress["received"] == len(small) + len(large)
    assert [line["status"] for event in shown.told("lines") for line in event["lines"]] == ["added", "added"]
    _send(shown, [("other name.wav", small)])
    assert widget.report.lines[-1].status == "existing"
    assert len(widget.uploaded) == 2


def test_one_drop_is_one_step_of_undo(library, page, wav_bytes):
    _send(page(Uploader(library)), [(f"{i}.wav", wav_bytes(seed=i)) for i in range(5)])
    assert len(library) == 5
    library.undo()
    assert len(library) == 0


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("../../etc/passwd.wav", ("etc", "passwd.wav")),
        ("C:\\Windows\\..\\evil.wav", ("C:", "Windows", "evil.wav")),
        ("/abs/olute.wav", ("abs", "olute.wav")),
        ("a/./b//c.wav", ("a", "b", "c.wav")),
        ("nul\0byte.wav", ("nul\ufffdbyte.wav",)),
        ("..", ("file",)),
        ("", ("file",)),
        ("x" * 300 + ".wav", ("x" * 251 + ".wav",)),
        ("/".join("d" * 50) + "/deep.wav", (*"d" * 31, "deep.wav")),
        ("\ud800lone.wav", ("?lone.wav",)),
    ],
)
def test_names_are_texts_and_never_paths(path, names):
    assert names_within(path) == names


def test_hostile_names_stay_text_and_in_the_library(library, page, wav_bytes, tmp_path):
    before = {path for path in tmp_path.rglob("*") if library.path not in path.parents}
    shown = page(Uploader(library))
    _send(shown, [("../../../escaped.wav", wav_bytes(seed=1)), (HOSTILE, wav_bytes(seed=2))])
    made = {path for path in tmp_path.rglob("*") if library.path not in path.parents} - before
    assert {path.name for path in made} == {"made-1.wav", "made-2.wav"}  # the test's own
    assert [line.status for line in shown.widget.report.lines] == ["added", "added"]
    html = shown.widget.static_html()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    assert all("<" not in path.name for path in library.path.rglob("*"))


def test_bad_files_say_why_and_stop_no_other(library, page, wav_bytes):
    good = wav_bytes(seed=3)
    files = [
        ("Pack/readme.txt", b"no audio"),
        ("Pack/.hidden.wav", good),
        ("Pack/empty.wav", b""),
        ("Pack/noise.wav", b"this is not audio" * 100),
        ("Pack/cut.flac", b"fLaC" + b"\0" * 200),
        ("Pack/good.wav", good),
    ]
    shown = page(Uploader(library))
    begun = _send(shown, files)
    assert begun["refused"] == [0, 1, 2]
    lines = {line.path: line for line in shown.widget.report.lines}
    assert {path: line.status for path, line in lines.items()} == {
        "Pack/readme.txt": "skipped",
        "Pack/.hidden.wav": "skipped",
        "Pack/empty.wav": "failed",
        "Pack/noise.wav": "failed",
        "Pack/cut.flac": "failed",
        "Pack/good.wav": "added",
    }
    assert "noise.wav" in lines["Pack/noise.wav"].why
    assert "is empty" in lines["Pack/empty.wav"].why
    assert not _scratch(library)


def test_folders_give_tags_by_the_rule(library, page, wav_bytes):
    shown = page(Uploader(library, rule="{pack}/{label}/{name}_{bpm}"))
    _send(shown, [("Acme/Closed Hats/tick_128.wav", wav_bytes(seed=4))])
    sound = library.sound(shown.widget.uploaded[0])
    assert (sound.name, sound.label, sound.bpm, sound.facts["pack"]) == ("tick", "closed_hat", 128.0, "Acme")


def test_zips_are_unpacked(library, page, wav_bytes):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Kicks/one.wav", wav_bytes(seed=5))
        archive.writestr("../out.wav", wav_bytes(seed=6))
        archive.writestr("notes.txt", b"text")
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    shown = page(Uploader(library))
    _send(shown, [("pack.zip", packed.getvalue()), ("none.zip", empty.getvalue())])
    found = {line.path: line.status for line in shown.widget.report.lines}
    assert found == {
        "pack.zip/Kicks/one.wav": "added",
        "pack.zip/../out.wav": "failed",
        "pack.zip/notes.txt": "skipped",
        "none.zip": "skipped",
    }
    assert not _scratch(library)


def test_cancel_keeps_what_is_there_and_removes_the_rest(library, page, wav_bytes):
    shown = page(Uploader(library))
    whole, half = wav_bytes(seed=7), wav_bytes(200, seed=8)
    begun = shown.ask(
        "begin", files=[{"path": "whole.wav", "size": len(whole)}, {"path": "half.wav", "size": len(half)}]
    )
    shown.ask("put", upload=begun["upload"], pieces=[[0, 0], [1, 0]], buffers=[whole, half[:1000]])
    for _ in range(200):
        if shown.widget.uploaded:
            break
        threading.Event().wait(0.05)
    shown.ask("cancel")
    shown.widget.wait(30)
    assert [(line.path, line.status, line.why) for line in shown.widget.report.lines] == [
        ("whole.wav", "added", ""),
        ("half.wav", "skipped", "cancelled"),
    ]
    assert not _scratch(library)
    with pytest.raises(RuntimeError, match="is over or was cancelled"):
        shown.ask("put", upload=begun["upload"], pieces=[[1, 1000]], buffers=[half[1000:2000]])


def test_pieces_out_of_order_or_too_many_are_refused(library, page, wav_bytes):
    shown = page(Uploader(library))
    data = wav_bytes(seed=9)
    begun = shown.ask("begin", files=[{"path": "a.wav", "size": len(data)}, {"path": "b.wav", "size": len(data)}])
    upload = begun["upload"]
    assert shown.ask("put", upload=upload, pieces=[[0, 100]], buffers=[data[100:]])["failed"] == [0]
    assert shown.ask("put", upload=upload, pieces=[[1, 0]], buffers=[data + b"more"])["failed"] == [1]
    for wrong, said in (
        ({"pieces": [[5, 0]], "buffers": [b"x"]}, "no file 5"),
        ({"pieces": [[0, 0], [1, 0]], "buffers": [b"x"]}, "2 pieces were announced, 1 came"),
        ({"pieces": [[0, 0]], "buffers": [bytes(3 * PIECE)]}, "larger than"),
    ):
        with pytest.raises(RuntimeError, match=said):
            shown.ask("put", upload=upload, **wrong)
    with pytest.raises(RuntimeError, match="another upload is under way"):
        shown.ask("begin", files=[{"path": "c.wav", "size": 1}])
    shown.ask("end", upload=upload)
    shown.widget.wait(30)
    assert [line.status for line in shown.widget.report.lines] == ["failed", "failed"]
    assert "does not fit" in shown.widget.report.lines[0].why
    assert not _scratch(library)


def test_a_file_that_the_browser_cannot_read(library, page, wav_bytes):
    shown = page(Uploader(library))
    data = wav_bytes(seed=10)
    begun = shown.ask("begin", files=[{"path": "gone.wav", "size": 5000}, {"path": "here.wav", "size": len(data)}])
    shown.ask("put", upload=begun["upload"], pieces=[[0, 0]], buffers=[b"x" * 100])
    shown.ask("drop", upload=begun["upload"], file=0, why="NotFoundError")
    shown.ask("put", upload=begun["upload"], pieces=[[1, 0]], buffers=[data])
    shown.ask("end", upload=begun["upload"])
    shown.widget.wait(30)
    assert sorted(line.status for line in shown.widget.report.lines) == ["added", "failed"]
    assert not _scratch(library)


def test_a_full_disk_is_said_before_anything_is_sent(library, page, monkeypatch):
    usage = SimpleNamespace(total=10**9, used=0, free=300 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(RuntimeError, match=r"have 0\.20 GB, but the library's disk has only 0\.31 GB free"):
        page(Uploader(library)).ask("begin", files=[{"path": "big.wav", "size": 200_000_000}])
    assert not _scratch(library)


def test_a_closed_widget_and_a_dead_kernel_leave_nothing(library, page, wav_bytes):
    shown = page(Uploader(library))
    begun = shown.ask("begin", files=[{"path": "a.wav", "size": 5000}])
    shown.ask("put", upload=begun["upload"], pieces=[[0, 0]], buffers=[b"x" * 100])
    assert _scratch(library)
    widget = shown.widget
    widget.close()
    widget.wait(30)
    assert not _scratch(library)
    upload = Upload(library, [("a.wav", 10)])
    folder = upload._folder
    dead = folder.with_name(folder.name.replace(f"-{__import__('os').getpid()}-", "-999999999-"))
    folder.rename(dead)
    library.close()
    with Library(library.path):
        assert not dead.exists()


def test_a_page_that_is_gone(library, page, monkeypatch):
    monkeypatch.setattr("audiolab.widgets.uploader._IDLE_SECONDS", 0.1)
    shown = page(Uploader(library))
    shown.ask("begin", files=[{"path": "a.wav", "size": 5000}])
    shown.widget.wait(30)
    assert "the page is gone" in shown.widget.error
    assert not _scratch(library)
    assert not shown.widget.progress["active"]


def test_wrong_use(library, page):
    with pytest.raises(TypeError):
        Uploader(library, speed=2)
    with pytest.raises(ParameterError, match="no place"):
        Uploader(library, rule="{nonsense}")
    shown = page(Uploader(library))
    with pytest.raises(RuntimeError, match="no files were chosen"):
        shown.ask("begin", files=[])
    shown.widget.rule = "{oops"
    with pytest.raises(RuntimeError, match="not closed"):
        shown.ask("begin", files=[{"path": "a.wav", "size": 10}])
    assert not _scratch(library)


def test_earlier_results_are_there_for_a_new_view(library, page, wav_bytes):
    shown = page(Uploader(library))
    _send(shown, [("a.wav", wav_bytes(seed=11)), ("b.txt", b"nope")])
    found = shown.ask("lines", first=0, count=10)
    assert found["total"] == 2
    assert [line["path"] for line in found["lines"]] == ["b.txt", "a.wav"] or found["lines"][0]["path"] == "a.wav"
    assert "2" in str(sum(shown.widget._counts.values()))
    assert len(shown.widget.static_html()) < 20_000

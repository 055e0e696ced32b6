"""Commands on plain files: their JSON is the contract, bad input gets a clear answer."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audiolab.audio import Audio, write_audio
from audiolab.synth import instruments, noise, render_song, silence, tone

COMMANDS = ("separate", "slice", "classify", "embed", "midi", "lyrics", "analyze", "describe")
WITH_WEIGHTS = ("lyrics",)
"""Commands that cannot do anything without weights that are not here."""


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    return write_audio(tmp_path_factory.mktemp("song") / "short song.wav", render_song(bars=3).mix)


# ---- the shapes ------------------------------------------------------------------------------------


def test_separate(cli, song, tmp_path):
    said = cli("separate", song, "--to", tmp_path / "out", "--json")
    assert said.code == 0, said.err
    document = said.json
    assert set(document) >= {"path", "engine", "weights", "profile", "sample_rate", "frames", "null_db", "stems"}
    assert document["engine"] == "spectral"
    assert document["null_db"] <= -120
    assert set(document["stems"]) == {"drums", "bass", "other", "vocals"}
    total = 0.0
    for stem in document["stems"].values():
        assert set(stem) >= {"path", "energy_share", "level_lufs", "silence_share"}
        samples, rate = sf.read(stem["path"])
        assert (rate, len(samples)) == (document["sample_rate"], document["frames"])
        total = total + samples
    assert np.abs(total - sf.read(song)[0]).max() < 1e-6
    assert "audiolab models pull htdemucs" in said.err, "the fallback must be said"


def test_slice(cli, song, tmp_path):
    said = cli("slice", song, "--to", tmp_path / "cuts", "--json")
    assert said.code == 0, said.err
    document = said.json
    assert set(document) >= {"path", "sample_rate", "samples"}
    samples = document["samples"]
    assert len(samples) > 5
    for cut in samples:
        assert set(cut) >= {"start", "stop", "start_s", "stop_s", "onset_strength"}
        assert cut["start_s"] == pytest.approx(cut["start"] / document["sample_rate"])
    assert len(list((tmp_path / "cuts").glob("*.wav"))) == len(samples)
    assert isinstance(cli("slice", song, song, "--json").json, list)


def test_slice_by_the_music(cli, song, tmp_path):
    said = cli("slice", song, "--mode", "loops", "--bars", "1", "--bpm", "112", "--to", tmp_path / "loops", "--json")
    assert said.code == 0, said.err
    samples = said.json["samples"]
    assert {cut["stop"] - cut["start"] for cut in samples} == {round(4 * 60 / 112 * said.json["sample_rate"])}
    assert all((cut["kind"], cut["beats"]) == ("loop", 4) for cut in samples)
    assert len(list((tmp_path / "loops").glob("*.wav"))) == len(samples) > 0
    faded = cli("slice", song, "--mode", "equal", "--parts", "3", "--fade-out", "0.01", "--snap", "--trim", "--json")
    assert [cut["render"] for cut in faded.json["samples"]] == [{"fade_out_s": 0.01}] * 3
    assert "bar 1" in cli("slice", song, "--mode", "grid", "--division", "1/8", "--bpm", "112").out
    assert cli("slice", song, "--mode", "grid", "--division", "x").code == 2
    assert cli("slice", song, "--mode", "sideways").code == 2


def test_describe(cli, tmp_path):
    path = write_audio(tmp_path / "a.wav", tone(220, 0.5))
    said = cli("describe", path, "--json")
    assert said.code == 0, said.err
    assert set(said.json) >= {
        "path", "duration", "kind", "root_note", "root_name", "root_hz", "root_cents", "pitch_confidence", "attack_s",
        "decay_s", "brightness_hz", "noisiness", "lufs", "true_peak_db", "bpm", "beats",
    }  # fmt: skip
    assert (said.json["root_note"], said.json["kind"]) == (57, "one-shot")
    assert "A3" in cli("describe", path).out
    missing = cli("describe", path, tmp_path / "none.wav", "--json")
    assert missing.code == 1
    assert "does not exist" in missing.json[1]["error"]


def test_classify(cli, tmp_path, rng):
    path = write_audio(tmp_path / "k.wav", Audio(instruments.kick(44100, rng).astype("f4"), 44100))
    said = cli("classify", path, "--json")
    assert said.code == 0, said.err
    (item,) = said.json
    assert set(item) >= {"path", "label", "family", "confidence", "top", "drums", "kind"}
    assert item["label"] == "kick"
    assert item["kind"] == "one-shot"
    assert item["drums"]["kick"] > 0.5
    assert item["top"][0][0] == "kick"


def test_embed(cli, tmp_path):
    path = write_audio(tmp_path / "n.wav", noise(0.3))
    document = cli("embed", path, "--json").json
    assert len(document["vector"]) >= 16
    assert len(document["encoder"]) == 64


def test_midi(cli, tmp_path):
    path = write_audio(tmp_path / "a.wav", tone(440, 1.0))
    said = cli("midi", path, "--to", tmp_path, "--bpm", 90, "--json")
    assert said.code == 0, said.err
    document = said.json
    assert set(document) >= {"path", "midi", "bpm", "notes"}
    assert document["bpm"] == pytest.approx(90)
    assert [note["pitch"] for note in document["notes"]] == [69]
    assert set(document["notes"][0]) >= {"start", "end", "pitch", "velocity"}
    assert Path(document["midi"]).read_bytes()[:4] == b"MThd"


def test_midi_multitrack(cli, tmp_path):
    song = render_song(bars=2)
    files = [write_audio(tmp_path / f"t_{stem}.wav", song.stems[stem]) for stem in ("drums", "bass")]
    said = cli("midi", *files, "--multitrack", tmp_path / "t.mid", "--bpm", 112, "--json")
    assert said.code == 0, said.err
    assert [document["track"] for document in said.json] == ["drums", "bass"]
    assert {document["midi"] for document in said.json} == {str(tmp_path / "t.mid")}
    assert (tmp_path / "t.mid").read_bytes()[:4] == b"MThd"


def test_analyze(cli, song):
    said = cli("analyze", song, "--json")
    assert said.code == 0, said.err
    document = said.json
    wanted = {"path", "duration", "tempo", "meter", "beats", "downbeats", "key", "lufs", "true_peak_db"}
    assert set(document) >= wanted
    assert set(document["tempo"]) >= {"bpm", "confidence", "candidates"}
    assert set(document["key"]) >= {"tonic", "mode", "camelot", "confidence"}
    assert document["tempo"]["bpm"] == pytest.approx(112, rel=0.02)


def test_lyrics_without_weights_says_the_two_ways_to_get_them(cli, song):
    for arguments in ((), ("--engine", "whisper")):
        said = cli("lyrics", song, *arguments)
        assert said.code == 1
        assert "audiolab models pull" in said.err
        assert "audiolab models import" in said.err


def test_people_get_text(cli, song, tmp_path):
    assert "bpm" in cli("analyze", song).out
    assert "samples" in cli("slice", song).out


# ---- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("slice", "x.wav", "--set", "sensitivty=1"), "sensitivty"),
        (("slice", "x.wav", "--sensitivity", "7"), "sensitivity"),
        (("separate", "x.wav", "--engine", "nonsense"), "nonsense"),
        (("nonsense",), "nonsense"),
        (("slice", "--nonsense"), "nonsense"),
    ],
)
def test_wrong_use_exits_2_and_names_it(cli, arguments, said, tmp_path):
    write_audio(tmp_path / "here" / "x.wav", noise(0.3))
    result = cli(*arguments)
    assert result.code == 2
    assert said in result.err


# ---- bad input -------------------------------------------------------------------------------------


def _bad_files(folder: Path) -> dict[str, Path]:
    def put(name: str, data: bytes) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    good = write_audio(folder / "good.wav", noise(1.0)).read_bytes()
    flac = write_audio(folder / "good.flac", noise(1.0)).read_bytes()
    nan = np.zeros(44100, np.float32)
    nan[1000] = np.nan
    inf = np.zeros(44100, np.float32)
    inf[7] = np.inf
    sf.write(folder / "nan.wav", nan, 44100, subtype="FLOAT")
    sf.write(folder / "inf.wav", inf, 44100, subtype="FLOAT")
    (folder / "folder.wav").mkdir()
    return {
        "empty": put("empty.wav", b""),
        "truncated wav": put("truncated.wav", good[: len(good) // 2]),
        "truncated flac": put("truncated.flac", flac[: len(flac) // 2]),
        "header only": put("header.wav", good[:44]),
        "text": put("notes.mp3", b"these are not the sounds you are looking for\n" * 20),
        "web page": put("page.flac", b"<!DOCTYPE html><html><body>404</body></html>"),
        "random bytes": put("random.ogg", np.random.default_rng(0).bytes(5000)),
        "absurd header": put("absurd.wav", b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WAVEfmt " + b"\xff" * 40),
        "directory": folder / "folder.wav",
        "missing": folder / "missing.wav",
        "nan": folder / "nan.wav",
        "inf": folder / "inf.wav",
    }


BAD = (
    "empty", "truncated wav", "truncated flac", "header only", "text", "web page", "random bytes", "absurd header",
    "directory", "missing", "nan", "inf",
)  # fmt: skip


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    return _bad_files(tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in WITH_WEIGHTS])
def test_bad_files_are_named_and_nothing_is_written(cli, bad_files, command, what, tmp_path):
    path = bad_files[what]
    said = cli(command, path, "--json")
    assert said.code == 1, said.out
    assert path.name in said.err
    assert "Traceback" not in said.err
    assert "error" in str(said.json)
    assert list((tmp_path / "here").iterdir()) == []


def _odd_sounds() -> dict[str, Audio]:
    return {
        "silence": silence(1.0),
        "one sample": Audio(np.array([0.5], "f4"), 44100),
        "two samples": Audio(np.array([0.5, -0.5], "f4"), 44100),
        "dc": Audio(np.full(44100, 0.3, "f4"), 44100),
        "8 kHz": noise(0.8, 8000),
        "192 kHz": noise(0.4, 192000),
        "stereo": Audio(np.stack([noise(0.5).samples[0], silence(0.5).samples[0]]), 44100),
    }


@pytest.mark.parametrize("what", list(_odd_sounds()))
@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in WITH_WEIGHTS])
def test_odd_sounds_get_a_right_result(cli, command, what, tmp_path):
    sound = _odd_sounds()[what]
    path = write_audio(tmp_path / "odd.wav", sound, subtype="FLOAT")
    said = cli(command, path, "--json")
    assert said.code == 0, said.err
    assert "NaN" not in said.out
    document = said.json
    if command == "separate":
        assert document["frames"] == sound.frames
        total = sum(sf.read(stem["path"], always_2d=True)[0] for stem in document["stems"].values())
        assert np.abs(total.T - sound.samples).max() < 1e-5
    if command == "slice":
        assert all(0 <= cut["start"] < cut["stop"] <= sound.frames for cut in document["samples"])
        if what in {"silence", "dc"}:
            assert document["samples"] == []
    if command == "analyze" and what == "silence":
        assert document["lufs"] is None
    if command == "midi" and what in {"silence", "one sample", "two samples", "dc"}:
        assert document["notes"] == []


HOSTILE = (
    "it's \"quoted\".wav", "new\nline.wav", "émoji 🥁 日本語.wav", "<script>alert(1)</script>.wav".replace("/", "∕"),
    "-rf.wav", "a" * 240 + ".wav", "%s %d {}.wav", "..wav",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("command", ["separate", "slice", "midi", "classify"])
def test_hostile_names_are_only_names(cli, command, name, tmp_path):
    path = write_audio(tmp_path / "plain.wav", noise(0.4))
    path = path.rename(tmp_path / name)
    arguments = ("--to", tmp_path / "out") if command != "classify" else ()
    said = cli(command, *arguments, "--json", "--", path)
    assert said.code == 0, said.err
    document = said.json[0] if command == "classify" else said.json
    assert document["path"] == str(path)
    assert {p.parent for p in tmp_path.rglob("*") if p.is_file()} <= {tmp_path, tmp_path / "out"}


@pytest.mark.parametrize("command", ["separate", "slice", "midi", "classify", "embed", "analyze"])
def test_more_than_two_channels_need_downmix(cli, command, tmp_path, rng):
    path = tmp_path / "surround.wav"
    sf.write(path, 0.1 * rng.standard_normal((22050, 6)), 44100)
    said = cli(command, path)
    assert said.code == 1
    assert "6 channels" in said.err
    assert "downmix" in said.err
    assert cli(command, path, "--set", "downmix=true").code == 0


def test_a_bad_file_among_good_ones_stops_nothing(cli, tmp_path, bad_files):
    good = write_audio(tmp_path / "good.wav", noise(0.5))
    said = cli("analyze", bad_files["text"], good, "--json")
    assert said.code == 1
    assert "error" in said.json[0]
    assert said.json[1]["duration"] == pytest.approx(0.5)

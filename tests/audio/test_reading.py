"""Every format: exact lengths, and any span in blocks of any size equals that slice of a whole read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audiolab.audio import Audio, BlockSource, Downmix, Mono, View, open_source
from audiolab.errors import ParameterError

FORMATS = [
    *("wav8", "wav16", "wav24", "wav32", "wavfloat", "wavdouble", "wav39063", "wavulaw", "wavadpcm", "rf64", "aiff"),
    *("flac16", "flac24six", "flac192", "mp3", "mp3low", "mp3lowest", "vorbis", "vorbis16k", "opus", "opus8k"),
    *("m4a", "m4amono", "mp4six", "adts", "alac", "wma", "mp3noxing", "webm", "caf", "w64", "au"),
]
# libsndfile's MPEG-2 decoder rounds the last bit by how many frames it has decoded since it was opened.
TOLERANCE = {"mp3low": 3e-7, "mp3lowest": 3e-7, "opus8k": 1e-6}
CODED_LENGTH = {"adts", "webm", "wavadpcm"}


def test_the_list_is_complete(every_format: dict[str, Path]) -> None:
    assert set(FORMATS) == set(every_format)


@pytest.mark.parametrize("name", FORMATS)
def test_length_rate_and_channels_are_kept(every_format: dict[str, Path], name: str) -> None:
    source = open_source(every_format[name])
    assert isinstance(source, BlockSource)
    whole = Audio.from_source(source)
    assert whole.frames == source.frames
    assert whole.channels == source.channels
    assert whole.sample_rate == source.sample_rate
    if name in {"m4a", "m4amono", "mp4six"}:  # FFmpeg writes the length in whole milliseconds
        assert -whole.sample_rate / 1000 <= whole.frames - 163_841 <= 0
    elif name in CODED_LENGTH:  # codecs without a trim fill up their last packet
        assert 0 <= whole.frames - 163_841 < 4096 + 1152
    elif name == "wma":
        assert abs(whole.frames - 163_841) <= 4096
    elif name == "mp3noxing":  # no header that names the encoder's delay
        assert 0 <= whole.frames - 163_841 < 3 * 1152
    else:
        assert whole.frames == 163_841


@pytest.mark.parametrize("name", FORMATS)
def test_any_span_equals_the_slice_of_a_whole_read(every_format: dict[str, Path], name: str) -> None:
    source = open_source(every_format[name])
    whole = Audio.from_source(source).samples
    n = source.frames
    rng = np.random.default_rng(3)
    starts = [
        0,
        1,
        575,
        1151,
        n - 1,
        n,
        n - 2,
        n - 254,
        n - 1000,
        *rng.integers(0, n, 12),
        *rng.integers(n - 9000, n, 8),
    ]
    for start in map(int, starts):
        stop = int(rng.integers(start, n + 1)) if start % 3 else n
        size = int(rng.choice([997, 4096, 65536, 1 << 20]))
        blocks = list(source.blocks(size, start=start, stop=stop))
        assert all(block.dtype == np.float32 and block.shape[0] == source.channels for block in blocks)
        assert all(block.shape[1] == size for block in blocks[:-1])
        assert all(0 < block.shape[1] <= size for block in blocks[-1:])
        got = np.concatenate(blocks, axis=1) if blocks else whole[:, :0]
        np.testing.assert_allclose(got, whole[:, start:stop], rtol=0, atol=TOLERANCE.get(name, 0))


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_spans_of_seekable_files(every_format: dict[str, Path], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["wav24", "flac16", "mp3", "vorbis", "opus", "aiff"]))
    source = open_source(every_format[name])
    start = data.draw(st.integers(0, source.frames))
    stop = data.draw(st.integers(start, min(source.frames, start + 20_000)))
    size = data.draw(st.integers(1, 30_000).filter(lambda size: (stop - start) / size < 200))
    got = [block.shape[1] for block in source.blocks(size, start=start, stop=stop)]
    assert sum(got) == stop - start
    joined = np.concatenate([np.zeros((2, 0), np.float32), *source.blocks(size, start=start, stop=stop)], axis=1)
    whole = Audio.from_source(View(source, start, stop)).samples
    np.testing.assert_array_equal(joined, whole)


@pytest.mark.parametrize("seconds", [1, 3, 7.3, 20])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_seeks_into_the_last_page_of_an_ogg_file(tmp_path: Path, seconds: float, rate: int) -> None:
    # libvorbis itself is wrong there wherever the last page was cut to length.
    rng = np.random.default_rng(rate)
    frames = int(seconds * rate) + 7
    path = Audio((0.2 * rng.standard_normal((1, frames))).astype(np.float32), rate).write(tmp_path / "a.ogg")
    source = open_source(path)
    whole = Audio.from_source(source).samples
    for start in np.linspace(0, frames - 1, 120).astype(int):
        got = np.concatenate(list(source.blocks(start=int(start), stop=min(frames, int(start) + 300))), axis=1)
        np.testing.assert_array_equal(got, whole[:, start : start + 300])


def test_a_chained_ogg_file_is_read_to_its_end(every_format: dict[str, Path], tmp_path: Path) -> None:
    first, second = every_format["vorbis"], tmp_path / "second.ogg"
    one, two = first.read_bytes(), Audio.from_file(first).write(second).read_bytes()
    path = tmp_path / "chained.ogg"
    for data in (one + one, one + two):  # the same stream number twice, and two different ones
        path.write_bytes(data)
        source = open_source(path)
        whole = Audio.from_source(source).samples
        assert abs(source.frames - 2 * 163_841) < 4096
        for start in (1, 100_000, 163_841, 250_000, source.frames - 10):
            got = np.concatenate(list(source.blocks(start=start)), axis=1)
            np.testing.assert_array_equal(got, whole[:, start:])


def test_joined_mp3_files_are_read_to_their_end(every_format: dict[str, Path], tmp_path: Path) -> None:
    data = every_format["mp3"].read_bytes()
    path = tmp_path / "joined.mp3"
    path.write_bytes(data + data)
    source = open_source(path)
    assert abs(source.frames - 2 * 163_841) < 4 * 1152
    assert Audio.from_source(source).frames == source.frames


def test_low_bit_rate_mp3_needs_a_long_run_up(tmp_path: Path, encode) -> None:
    # At 32 kbit/s a frame's data can begin in the ninth frame before it: more than the decoder itself goes back.
    rng = np.random.default_rng(0)
    audio = Audio((0.1 * rng.standard_normal((2, 44100 * 12))).astype(np.float32), 44100)
    path = encode(tmp_path / "low.mp3", audio, "libmp3lame", bit_rate=32_000)
    source = open_source(path)
    whole = Audio.from_source(source).samples
    for start in range(0, source.frames, 9973):
        got = np.concatenate(list(source.blocks(start=start, stop=min(source.frames, start + 3000))), axis=1)
        np.testing.assert_array_equal(got, whole[:, start : start + 3000])


def test_ffmpeg_and_libsndfile_agree_on_where_things_are(every_format: dict[str, Path]) -> None:
    from audiolab.audio._libav import AvSource

    for name in ("mp3", "vorbis", "opus", "flac16", "wav24", "aiff"):
        native, foreign = open_source(every_format[name]), AvSource.open(every_format[name])
        assert native.frames == foreign.frames, name
        difference = Audio.from_source(native).samples - Audio.from_source(foreign).samples
        # FFmpeg's own Opus decoder is no exact twin of the reference; a shift of one frame gives 0.01.
        assert np.sqrt(np.mean(difference**2)) < 1e-3, name


def test_lossy_files_keep_the_time_of_an_impulse(tmp_path: Path, encode) -> None:
    click = np.zeros((1, 48000), np.float32)
    click[0, 20_000] = 0.9
    audio = Audio(click, 48000)
    for suffix in (".mp3", ".ogg", ".opus", ".flac"):
        back = Audio.from_file(audio.write(tmp_path / f"a{suffix}"))
        assert abs(int(np.abs(back.samples[0]).argmax()) - 20_000) <= 1, suffix
    for suffix, codec in ((".m4a", "aac"), (".m4a", "alac"), (".webm", "libopus")):
        back = Audio.from_file(encode(tmp_path / f"{codec}{suffix}", audio, codec))
        assert abs(int(np.abs(back.samples[0]).argmax()) - 20_000) <= 1, codec


@example(span=(3, 2))
@example(span=(-1, 2))
@example(span=(0, 101))
@given(span=st.tuples(st.integers(-5, 110), st.integers(-5, 110)))
def test_spans_outside_are_refused(span: tuple[int, int]) -> None:
    audio = Audio(np.zeros((1, 100), np.float32), 8000)
    start, stop = span
    if 0 <= start <= stop <= 100:
        assert audio.cut(start, stop).frames == stop - start
        assert View(audio, start, stop).frames == stop - start
    else:
        with pytest.raises(ParameterError):
            audio.cut(start, stop)
        with pytest.raises(ParameterError):
            View(audio, start, stop)
        with pytest.raises(ParameterError):
            list(audio.blocks(start=start, stop=stop))


def test_mono_downmix_and_view_stream_like_they_collect(every_format: dict[str, Path]) -> None:
    six = open_source(every_format["flac24six"])
    whole = Audio.from_source(six)
    for source in (Mono(six), Downmix(six), View(six, 1000, 70_001), Mono(View(six, 5, 99_999))):
        assert isinstance(source, BlockSource)
        collected = Audio.from_source(source)
        assert (collected.frames, collected.channels) == (source.frames, source.channels)
        parts = np.concatenate(list(source.blocks(1013, start=77, stop=50_000)), axis=1)
        np.testing.assert_allclose(parts, collected.samples[:, 77:50_000], rtol=0, atol=1e-7)
    np.testing.assert_array_equal(Audio.from_source(View(six, 5, 50)).samples, whole.samples[:, 5:50])
    assert np.abs(Audio.from_source(Downmix(six)).samples).max() <= np.abs(whole.samples).max() + 1e-6


def test_the_first_of_several_audio_streams_is_used_and_said(tmp_path: Path) -> None:
    import av

    path = tmp_path / "stems.mp4"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("aac", rate=44100, layout="stereo") for _ in range(3)]
        for number, stream in enumerate(streams):
            tone = 0.1 * (number + 1) * np.ones((2, 44100), np.float32) * np.sin(np.arange(44100) / 10)
            frame = av.AudioFrame.from_ndarray(tone.astype(np.float32), "fltp", "stereo")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    source = open_source(path)
    assert source.notes == ("first of 3 audio streams used",)  # type: ignore[attr-defined]
    assert np.abs(Audio.from_source(source).samples[:, 8000:36000]).max() == pytest.approx(0.1, abs=0.02)


def test_24_bit_and_float_files_come_back_bit_for_bit(tmp_path: Path, noise) -> None:
    audio = noise(bits=24)
    for suffix, subtype in (
        (".wav", "PCM_24"),
        (".flac", "PCM_24"),
        (".aiff", "PCM_24"),
        (".rf64", "PCM_24"),
        (".wav", "FLOAT"),
    ):
        back = Audio.from_file(audio.write(tmp_path / f"a{suffix}", subtype=subtype))
        np.testing.assert_array_equal(back.samples, audio.samples)
        raw, _ = sf.read(tmp_path / f"a{suffix}", dtype="float32", always_2d=True)
        np.testing.assert_array_equal(raw.T, audio.samples)

import logging
import wave
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.media import audio_info, load_audio, sound, sound_seconds, stream_audio
from audio_motion.media.clock import read_clock


def write_sound(
    path: Path,
    rate: int = 16000,
    layout: str = "mono",
    seconds: float = 1.0,
    codec: str = "pcm_s16le",
    only_channel: int | None = None,
    start: float = 0.0,
) -> Path:
    """A 200 Hz sine of amplitude 0.5 in all channels, or in one."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        channels = stream.layout.nb_channels
        tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(int(seconds * rate)) / rate)
        data = np.tile(tone, (channels, 1))
        if only_channel is not None:
            data[[c for c in range(channels) if c != only_channel]] = 0.0
        for begin in range(0, data.shape[1], 1024):
            block = data[:, begin : begin + 1024]
            packed = (block.T.reshape(1, -1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
            frame.sample_rate = rate
            frame.pts = begin + round(start * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_video(path: Path, sound_start: float, picture_start: float = 0.0) -> Path:
    """One second of grey pictures, and 0.5 s of a constant 0.5 beginning at another time."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 32
        audio = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for i in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 128, np.uint8))
            frame.pts = i + round(picture_start * 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for begin in range(0, 8000, 1000):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1000), 16384, np.int16), format="s16", layout="mono")
            frame.sample_rate = 16000
            frame.pts = begin + round(sound_start * 16000)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000, 96000])
def test_every_rate_becomes_the_same_sine(tmp_path: Path, rate: int) -> None:
    samples = load_audio(write_sound(tmp_path / "a.wav", rate))
    assert samples.dtype == np.float32
    assert abs(len(samples) - 16000) <= 2
    expected = 0.5 * np.sin(2 * np.pi * 200 * np.arange(len(samples)) / 16000)
    assert np.abs(samples - expected)[200:-200].max() < 0.005
    assert audio_info(tmp_path / "a.wav").sample_rate == rate


@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6), ("7.1", 8)])
def test_channels_are_mixed_without_clipping(tmp_path: Path, layout: str, channels: int) -> None:
    path = write_sound(tmp_path / "a.wav", 48000, layout)
    info = audio_info(path)
    assert info.channels == channels
    assert sound_seconds(path) == pytest.approx(1.0, abs=1e-3)
    assert 0.3 < np.abs(load_audio(path)).max() <= 0.51


def test_speech_in_the_centre_of_7_1_is_heard(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", 48000, "7.1", only_channel=2)
    assert np.abs(load_audio(path)).max() > 0.05


@pytest.mark.parametrize(("name", "codec"), [("a.flac", "flac"), ("a.m4a", "aac"), ("Ton für Anna.mp3", "libmp3lame")])
def test_compressed_formats_and_awkward_names(tmp_path: Path, name: str, codec: str) -> None:
    samples = load_audio(write_sound(tmp_path / name, 44100, "stereo", 1.0, codec))
    assert abs(len(samples) - 16000) < 0.1 * 16000
    middle = samples[4000:12000]
    assert 0.45 < np.abs(middle).max() < 0.55


def test_streaming_gives_the_whole_in_chunks_of_the_asked_length(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", 44100, "stereo", 2.3)
    chunks = list(stream_audio(path, 16000, 0.5))
    assert [len(chunk) for chunk in chunks[:-1]] == [8000] * (len(chunks) - 1)
    assert 0 < len(chunks[-1]) <= 8000
    np.testing.assert_array_equal(np.concatenate(chunks), load_audio(path))


def test_sound_that_starts_after_the_first_picture_is_preceded_by_silence(tmp_path: Path) -> None:
    samples = load_audio(write_video(tmp_path / "a.mkv", sound_start=0.4))
    assert len(samples) == pytest.approx(0.9 * 16000, abs=20)
    assert np.abs(samples[:6380]).max() == 0.0
    assert np.abs(samples[6420:14000] - 0.5).max() < 0.02


def test_sound_from_before_the_first_picture_is_cut(tmp_path: Path) -> None:
    samples = load_audio(write_video(tmp_path / "a.mkv", sound_start=0.0, picture_start=0.2))
    assert len(samples) == pytest.approx(0.3 * 16000, abs=20)


def test_mistakes_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not sound at all, only some words in a file")
    with wave.open(str(tmp_path / "empty.wav"), "wb") as empty:
        empty.setparams((1, 2, 16000, 0, "NONE", ""))
    with av.open(str(tmp_path / "silent.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        container.mux(stream.encode(None))
    for name, problem in {
        "missing.wav": "no such file",
        ".": "is a folder",
        "text.wav": "not a sound or video file",
        "empty.wav": "empty or cannot be decoded",
        "silent.mp4": "no sound track",
    }.items():
        with pytest.raises(InputError, match=problem) as error:
            load_audio(tmp_path / name)
        assert "\n" not in str(error.value)


def test_a_truncated_file_gives_what_is_left_and_nothing_where_nothing_is(tmp_path: Path) -> None:
    whole = write_sound(tmp_path / "a.wav", seconds=2.0).read_bytes()
    (tmp_path / "half.wav").write_bytes(whole[: len(whole) // 2])
    assert len(load_audio(tmp_path / "half.wav")) == pytest.approx(16000, abs=100)
    (tmp_path / "head.wav").write_bytes(whole[:40])
    with pytest.raises(InputError):
        load_audio(tmp_path / "head.wav")


def test_damage_in_the_middle_keeps_the_time_of_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(write_sound(tmp_path / "a.m4a", 16000, "mono", 4.0, "aac").read_bytes())
    for i in range(len(data) // 3, len(data) // 3 + 60):
        data[i] ^= 0xA5
    (tmp_path / "damaged.m4a").write_bytes(bytes(data))
    with caplog.at_level(logging.WARNING):
        samples = load_audio(tmp_path / "damaged.m4a")
    assert abs(len(samples) - len(load_audio(tmp_path / "a.m4a"))) < 0.15 * 16000


@pytest.mark.parametrize("rate", [1, 50_000_000])
def test_a_rate_that_no_sound_has_is_refused(tmp_path: Path, rate: int) -> None:
    """As damage to four bytes makes it: a second would become hours, or fill the memory."""
    path = write_sound(tmp_path / "a.wav")
    whole = path.read_bytes()
    path.write_bytes(whole[:24] + rate.to_bytes(4, "little") + whole[28:])
    with pytest.raises(InputError, match=rf"a\.wav: its sound claims {rate} samples a second"):
        load_audio(path)


def test_a_file_that_lost_its_track_since_it_was_looked_at_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sound(tmp_path / "a.wav")
    clock = read_clock(path)
    monkeypatch.setattr(sound, "read_clock", lambda path, tracks: replace(clock, sound=1))
    with pytest.raises(InputError, match=r"a\.wav: has changed while it was read"):
        load_audio(path)

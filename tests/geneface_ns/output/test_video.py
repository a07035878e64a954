"""VideoWriter: lengths, colours, memory, and what it leaves behind when it fails."""

from __future__ import annotations

import subprocess
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.media import load_audio
from geneface_ns.output.soundtrack import encoding_rate
from geneface_ns.output.video import CONTAINERS, VideoWriter


def write_wav(path: Path, seconds: float, rate: int, channels: int = 1) -> Path:
    """A tone of 440 Hz."""
    time = np.arange(int(seconds * rate)) / rate
    tone = (np.sin(time * 2 * np.pi * 440) * 12000).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(tone[:, None], channels, axis=1).tobytes())
    return path


def write_video(
    path: Path, frames: int, fps: float, sound: Path | None, size: tuple[int, int] = (64, 48), start: float = 0
) -> None:
    picture = np.full((size[1], size[0], 3), (200, 30, 60), np.uint8)
    with VideoWriter(path, size, fps, sound, sound_start=start) as writer:
        for _ in range(frames):
            writer.write(picture)


def count(path: Path) -> tuple[int, np.ndarray]:
    """Number of frames, and the decoded sound [channels, samples]."""
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return frames, np.concatenate(blocks, axis=1)


def audio_rate(path: Path) -> int:
    with av.open(str(path)) as container:
        return container.streams.audio[0].rate


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 30.0])
@pytest.mark.parametrize(("seconds", "rate"), [(3.0, 16000), (1.0, 44100), (3.0, 22050)])
def test_sound_and_picture_are_equally_long(tmp_path: Path, fps: float, seconds: float, rate: int) -> None:
    # 62 frames are 2.48, 2.07 and 2.07 s: the 3 s sounds are cut, the 1 s sound is filled up with silence.
    path = tmp_path / "out.mp4"
    write_video(path, 62, fps, write_wav(tmp_path / "in.wav", seconds, rate))
    frames, sound = count(path)
    assert frames == 62
    assert sound.shape[1] / audio_rate(path) == pytest.approx(62 / fps, abs=1 / fps)
    with av.open(str(path)) as container:
        assert container.duration / 1e6 == pytest.approx(62 / fps, abs=0.002)
        assert float(container.streams.video[0].average_rate) == pytest.approx(fps, rel=1e-9)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_every_container_plays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    write_video(path, 25, 25.0, write_wav(tmp_path / "in.wav", 2.0, 44100, channels=2))
    frames, sound = count(path)
    assert frames == 25
    assert sound.shape[0] == 2
    assert sound.shape[1] / audio_rate(path) == pytest.approx(1.0, abs=0.04)
    middle = np.abs(np.fft.rfft(sound[0, : audio_rate(path) // 2]))  # half a second: 2 Hz a bin
    assert middle.argmax() * 2 == 440


def test_silence_follows_a_short_sound(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write_video(path, 50, 25.0, write_wav(tmp_path / "in.wav", 1.0, 48000))
    _, sound = count(path)
    assert np.abs(sound[0, 10000:40000]).max() > 0.3
    assert np.abs(sound[0, 52000:]).max() < 0.01


def test_sound_from_the_middle(tmp_path: Path) -> None:
    # One second of tone, taken from 0.6 s on: 0.4 s of it are left.
    path = tmp_path / "out.mp4"
    write_video(path, 50, 25.0, write_wav(tmp_path / "in.wav", 1.0, 48000), start=0.6)
    _, sound = count(path)
    assert np.flatnonzero(np.abs(sound[0]) > 0.1).max() / 48000 == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize("late", [0.4, -0.2])
def test_sound_of_a_video_keeps_its_place(tmp_path: Path, late: float) -> None:
    # A video whose click comes 0.5 s into a sound that starts `late` after the first picture, here at 1 s.
    source = tmp_path / "source.mkv"
    click = np.zeros((1, 48000), np.float32)
    click[0, 24000:24100] = 0.9
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("pcm_f32le", rate=48000, layout="mono")
        for i in range(25):
            picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            picture.pts, picture.time_base = 25 + i, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for start in range(0, 48000, 4800):
            block = av.AudioFrame.from_ndarray(click[:, start : start + 4800], format="flt", layout="mono")
            block.sample_rate, block.time_base = 48000, Fraction(1, 48000)
            block.pts = start + round((1 + late) * 48000)
            container.mux(audio.encode(block))
    path = tmp_path / "out.mp4"
    write_video(path, 50, 25.0, source)
    _, sound = count(path)
    assert np.abs(sound[0]).argmax() / 48000 == pytest.approx(0.5 + late, abs=0.01)


@dataclass(frozen=True)
class Clock:
    """What the timestamps of a file say: seconds of the first picture, and when each block of sound begins."""

    picture: float | None
    sound: Callable[[float], float]


BLOCK = 1152
"""Samples of an MP2 frame."""
CLOCKS = {
    "late first packet": Clock(0.0, lambda time: time + 0.37),
    "first packet before the picture": Clock(0.31, lambda time: time),
    "first packet a hundred seconds before the picture": Clock(100.0, lambda time: time),
    "hole": Clock(None, lambda time: time + (0.7 if time >= 1 else 0)),
    "two holes after a late start": Clock(
        0.0, lambda time: time + 0.2 + (0.3 if time >= 1 else 0) + (0.111 if time >= 1.6 else 0)
    ),
    "jump of a hundred seconds and back": Clock(None, lambda time: time + (100 if 0.8 <= time < 1.5 else 0)),
    "jump back, which a transport stream takes for a day": Clock(
        None, lambda time: time + 200 - (150 if time >= 1 else 0)
    ),
}


def write_broken(path: Path, clock: Clock, seconds: float = 2.4, rate: int = 44100) -> Path:
    """Stereo noise with a clock of its own, and pictures where it says so.

    No muxer takes a clock that goes backwards: such files are transport streams joined end to end.
    """
    rng = np.random.default_rng(0)
    times = np.arange(0, seconds, BLOCK / rate)
    said = np.array([clock.sound(time) for time in times])
    path.unlink(missing_ok=True)
    for part in np.split(said, np.flatnonzero(np.diff(said) < 0) + 1):
        piece = path.with_name(f"piece{path.suffix}")
        with av.open(str(piece), "w") as container:
            if clock.picture is not None:
                video = container.add_stream("mpeg4", rate=25)
                video.width, video.height = 32, 32
            audio = container.add_stream("mp2", rate=rate, layout="stereo", options={"b": "384000"})
            if clock.picture is not None:
                for i in range(10):
                    picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                    picture.pts, picture.time_base = i + round(clock.picture * 25), Fraction(1, 25)
                    container.mux(video.encode(picture))
                container.mux(video.encode(None))
            for time in part:
                noise = rng.uniform(-16000, 16000, (1, 2 * BLOCK)).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="stereo")
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = round(time * rate)
                container.mux(audio.encode(frame))
        with path.open("ab") as joined:
            joined.write(piece.read_bytes())
        piece.unlink()
    return path


@pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS)
@pytest.mark.parametrize("start", [0.0, 0.85])
def test_what_is_muxed_lies_where_motion_hears_it_whatever_the_clock(
    tmp_path: Path, clock: Clock, start: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_broken(tmp_path / "broken.ts", clock)
    encoded: list[np.ndarray] = []
    take = VideoWriter._take_sound

    def taken(writer: VideoWriter, count: int) -> np.ndarray:
        encoded.append(take(writer, count))
        return encoded[-1]

    monkeypatch.setattr(VideoWriter, "_take_sound", taken)
    heard = load_audio(source, 44100)  # the rate of the encoder
    frames = round((len(heard) / 44100 - start) * 25)
    write_video(tmp_path / "out.mp4", frames, 25.0, source, start=start)
    muxed = np.concatenate(encoded, axis=1)  # what lies before the start included
    length = min(len(heard), muxed.shape[1])
    assert length > 2.0 * 44100
    np.testing.assert_allclose(muxed[:, :length].mean(axis=0), heard[:length], atol=1e-6)


def test_the_muxed_sound_plays_where_motion_hears_it(tmp_path: Path) -> None:
    # Through the codec and its delay: clicks of a file with holes, by their place.
    source = write_broken(tmp_path / "broken.ts", CLOCKS["two holes after a late start"])
    write_video(tmp_path / "out.mp4", 70, 25.0, source)
    heard, played = load_audio(source), load_audio(tmp_path / "out.mp4")
    for begin in (4000, 22000, 36000):  # before, between and after the holes
        piece = heard[begin : begin + 4000]
        lags = range(-40, 41)
        likeness = [float(piece @ played[begin + lag : begin + lag + 4000]) for lag in lags]
        assert lags[int(np.argmax(likeness))] == 0


def test_colours_and_odd_sizes_survive(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write_video(path, 3, 25.0, None, size=(65, 47))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (66, 48)
    np.testing.assert_allclose(frame.to_ndarray(format="rgb24")[20, 20], (200, 30, 60), atol=4)


@pytest.mark.parametrize(
    ("source", "fps", "rate"),
    [
        (44100, 25, 44100),
        (16000, 25, 32000),
        (8000, 25, 32000),
        (22050, 30, 44100),
        (96000, 25, 96000),
        (47000, 25, 48000),
    ],
)
def test_encoding_rate(source: int, fps: float, rate: int) -> None:
    aac = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]
    assert encoding_rate(source, fps, aac) == rate


def test_interrupted_leaves_nothing(tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "in.wav", 1.0, 16000)

    def interrupted() -> None:
        with VideoWriter(tmp_path / "out.mp4", (64, 48), 25.0, sound) as writer:
            writer.write(np.zeros((48, 64, 3), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["in.wav"]


def test_user_mistakes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'\.avi'.*\.mp4, \.mov"):
        VideoWriter(tmp_path / "out.avi", (64, 48), 25.0)
    with pytest.raises(InputError, match="0 and 1000"):
        VideoWriter(tmp_path / "out.mp4", (64, 48), 0.0)
    with pytest.raises(InputError, match="no such file"):
        write_video(tmp_path / "out.mp4", 1, 25.0, tmp_path / "absent.wav")
    text = tmp_path / "text.wav"
    text.write_text("not sound")
    with pytest.raises(InputError, match="not a sound or video file"):
        write_video(tmp_path / "out.mp4", 1, 25.0, text)
    write_wav(tmp_path / "empty.wav", 0.0, 16000)
    with pytest.raises(InputError, match="empty or cannot be decoded"):
        write_video(tmp_path / "out.mp4", 1, 25.0, tmp_path / "empty.wav")
    write_video(tmp_path / "silent.mp4", 3, 25.0, None)
    with pytest.raises(InputError, match="no sound track"):
        write_video(tmp_path / "out.mp4", 1, 25.0, tmp_path / "silent.mp4")
    with pytest.raises(InputError, match="cannot write"):
        write_video(text / "out.mp4", 1, 25.0, None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty.wav", "silent.mp4", "text.wav"]


PEAK = """
import re, sys
import numpy as np
from pathlib import Path
from geneface_ns.output.video import VideoWriter

frame = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
with VideoWriter(Path(sys.argv[1]), (64, 48), 25.0, Path(sys.argv[2])) as writer:
    for i in range(int(sys.argv[3]) * 25):
        writer.write(np.roll(frame, i, axis=1))
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])  # ru_maxrss includes the parent's
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from Linux's /proc")
def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    peaks = []
    for seconds in (20, 200):
        sound = write_wav(tmp_path / "in.wav", seconds, 44100, channels=2)  # 200 s would be 70 MB as float32
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(tmp_path / "out.mp4"), str(sound), str(seconds)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] * 1.05

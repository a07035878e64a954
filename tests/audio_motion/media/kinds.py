"""Small videos of every kind that people bring: every frame carries its number, and the sound tells its moment."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt

from audio_motion.media import SAMPLE_RATE, Tracks, lazy_frames, load_audio, probe, read_frames

SIZE = (96, 64)
SQUARE = 8
BITS = 9
SECONDS = 8.0


@cache
def content(rate: int) -> np.ndarray:
    """float32 [S]: noise whose every quarter of a second is like no other, below 3 kHz so that codecs keep it."""
    noise = np.random.default_rng(5).standard_normal(round(SECONDS * SAMPLE_RATE))
    smooth = sosfiltfilt(butter(6, (150, 3000), "bandpass", fs=SAMPLE_RATE, output="sos"), noise)
    whole = resample_poly(smooth / np.abs(smooth).max() * 0.7, rate, SAMPLE_RATE)
    return whole.astype(np.float32)


def moment(samples: np.ndarray, time: float) -> float:
    """Which second of `content` is heard at a second of samples [S] at SAMPLE_RATE."""
    begin = round(time * SAMPLE_RATE)
    piece = samples[begin : begin + SAMPLE_RATE // 4]
    assert len(piece) == SAMPLE_RATE // 4, "no sound there"
    reference = content(SAMPLE_RATE)
    size = len(reference) + len(piece)
    match = np.fft.irfft(np.fft.rfft(reference, size) * np.conj(np.fft.rfft(piece, size)), size)[: len(reference)]
    best = int(match.argmax())
    own = reference[best : best + len(piece)]
    assert match[best] > 0.7 * np.linalg.norm(own) * np.linalg.norm(piece), "not the sound that was written"
    return best / SAMPLE_RATE


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """uint8 RGB [H, W, 3]: grey, with the number as squares along the top edge, bit 0 first."""
    rgb = np.full((size[1], size[0], 3), 90, np.uint8)
    side = SQUARE * size[0] // SIZE[0]
    rgb[:side] = 0
    for bit in range(BITS):
        rgb[:side, side * (1 + bit) : side * (2 + bit)] = 255 * (number >> bit & 1)
    rgb[side + 4 :, : size[0] // 3] = (200, 60, 50)
    return rgb


def number_of(rgb: np.ndarray) -> int:
    """The number that a picture carries."""
    side = SQUARE * rgb.shape[1] // SIZE[0]
    centres = [
        rgb[side // 4 : side - side // 4, round(side * (1.3 + bit)) : round(side * (1.7 + bit))] for bit in range(BITS)
    ]
    return sum(int(patch.mean() > 128) << bit for bit, patch in enumerate(centres))


@dataclass
class Sound:
    """A sound track to write: the part of `content` from `first` to `last`, its second c at c + `start` of the file."""

    codec: str = "aac"
    rate: int = 16000
    layout: str = "mono"
    start: float = 0.0
    first: float = 0.0
    last: float = 3.0
    stamp: Callable[[float], float | None] = lambda time: time
    """Moves the time of a block, or leaves it out."""
    default: bool | None = None
    block: int = 512


@dataclass
class Kind:
    """A video to write: picture `numbers[i]` at second `times[i]`."""

    name: str
    times: Sequence[float]
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = SIZE
    sounds: Sequence[Sound] = (Sound(),)
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)
    form: str | None = None
    base: Fraction = Fraction(1, 90000)
    numbers: Sequence[int] | None = None
    setup: Callable[[Any], None] = lambda stream: None
    frame: Callable[[int], av.VideoFrame] | None = None
    first: int = 0
    """Packet of the picture from which on the file is kept."""
    hold: float | None = None
    """Seconds that the last picture is shown."""


def write(folder: Path, kind: Kind) -> Path:
    """Make the file."""
    path = folder / kind.name
    with av.open(str(path) if ":" not in kind.name else f"file:{path}", "w", kind.form, options=kind.container) as file:
        rate = Fraction(1 / (kind.times[1] - kind.times[0])).limit_denominator(1001)
        quick = {"preset": "ultrafast", "threads": "1"} if kind.codec == "libx264" else {}
        video = file.add_stream(kind.codec, rate=rate, options={**quick, **kind.options})
        video.width, video.height, video.pix_fmt = *kind.size, kind.pix_fmt
        video.codec_context.time_base = kind.base
        kind.setup(video)
        audios = [add_sound(file, sound) for sound in kind.sounds]
        packets = encoded_pictures(video, kind)
        blocks = [encoded_sound(audio, sound) for audio, sound in zip(audios, kind.sounds, strict=True)]
        everything = [packet for stream in (packets, *blocks) for packet in stream]
        for packet in sorted(everything, key=lambda packet: float((packet.dts or 0) * packet.time_base)):
            file.mux(packet)
    return path


def add_sound(file: Any, sound: Sound) -> Any:
    audio = file.add_stream(sound.codec, rate=sound.rate, layout=sound.layout)
    audio.codec_context.time_base = Fraction(1, sound.rate)
    if sound.default is not None:
        audio.disposition = 1 if sound.default else 0
    return audio


def encoded_pictures(video: Any, kind: Kind) -> list[av.Packet]:
    packets = []
    for index, time in enumerate(kind.times):
        number = index if kind.numbers is None else kind.numbers[index]
        if kind.frame is not None:
            frame = kind.frame(number)
        else:
            frame = av.VideoFrame.from_ndarray(picture(number, kind.size), format="rgb24")
            frame = frame.reformat(format=kind.pix_fmt)
        frame.pts, frame.time_base = round(time / kind.base), kind.base
        packets += video.encode(frame)
    packets += video.encode(None)
    if kind.hold is not None:
        last = max(packets, key=lambda packet: packet.pts)
        last.duration = round(kind.hold / last.time_base)
    return packets[kind.first :]


def encoded_sound(audio: Any, sound: Sound) -> list[av.Packet]:
    packets = []
    samples = content(sound.rate)[round(sound.first * sound.rate) : round(sound.last * sound.rate)]
    channels = audio.layout.nb_channels
    for begin in range(0, len(samples), sound.block):
        time = sound.stamp(sound.first + begin / sound.rate)
        if time is None:
            continue
        piece = np.tile(samples[begin : begin + sound.block], (channels, 1))
        packed = (piece.T.reshape(1, -1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=sound.layout)
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
        frame.pts = round((time + sound.start) * sound.rate)
        packets += audio.encode(frame)
    return packets + audio.encode(None)


def assert_parts_are_the_whole_s(path: Path, tracks: Tracks = Tracks(), turn: int = 0) -> None:  # noqa: B008
    """Check that a part of a frame is to the bit what the whole frame shows there, and a shrunk frame what it shows."""
    for _, frame in itertools.islice(lazy_frames(path, tracks=tracks, turn=turn), 3):
        width, height = frame.size
        boxes = [(x * width // 8, y * height // 8, width // 3, height // 3) for x, y in ((0, 0), (3, 2), (5, 5))]
        boxes = [*boxes, (0, 0, width, height)]
        parts, shrunk = [frame.part(*box) for box in boxes], frame.shrunk(40)
        for (x, y, across, down), part in zip(boxes, parts, strict=True):
            np.testing.assert_array_equal(part, frame.rgb[y : y + down, x : x + across])
        scale = 40 / max(frame.size)
        assert max(shrunk.shape) == 40
        expected = cv2.resize(frame.rgb, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        assert np.abs(shrunk.astype(float) - expected).mean() < 12


def assert_in_place(
    path: Path,
    times: Sequence[float],
    numbers: Sequence[int] | None = None,
    zero: float | None = None,
    sound_start: float = 0.0,
    fps: float | None = None,
    heard: Sequence[float] = (0.3, 1.0, 1.6),
    tracks: Tracks = Tracks(),  # noqa: B008
) -> None:
    """Check that every frame read lies within half a frame of where it was written, and the sound within 5 ms.

    Args:
        times: when each picture was written to be shown.
        zero: of them the one that is time 0; the first by default.
        sound_start: when the first second of `content` was written to be heard.
        heard: seconds of the file at which the sound is looked at.
    """
    assert_parts_are_the_whole_s(path, tracks)
    numbers = list(range(len(times))) if numbers is None else list(numbers)
    zero = times[0] if zero is None else zero
    info = probe(path, tracks)
    rate = fps or info.fps
    read = [(time, number_of(rgb)) for time, rgb in read_frames(path, fps, tracks=tracks)] if fps is None else None
    grid = [(time, number_of(rgb)) for time, rgb in read_frames(path, rate, tracks=tracks)]
    until = [*times[1:], zero + info.duration + 1e-3]
    for time, number in grid:
        at = numbers.index(number)
        assert times[at] - zero - 0.5 / rate - 1e-3 <= time <= until[at] - zero + 0.5 / rate + 1e-3, (time, number)
    if read is not None:
        kept = [(at, number) for at, number in zip(times, numbers, strict=True) if at >= zero - 1e-6]
        assert [number for _, number in read] == [number for _, number in kept]
        np.testing.assert_allclose([time for time, _ in read], [at - zero for at, _ in kept], atol=2e-3)
    if heard:
        samples = load_audio(path, tracks=tracks)
        for time in heard:
            assert abs(moment(samples, time) - (time + zero - sound_start)) < 0.005, time


def boxes(data: bytes, name: bytes) -> list[int]:
    """Where the contents of the boxes of that name begin."""
    found, begin = [], 0
    while (begin := data.find(name, begin)) >= 0:
        begin += 4
        found.append(begin)
    return found

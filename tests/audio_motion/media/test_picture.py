"""Reading video: against files made here, whose frames, times and turns are known."""

from __future__ import annotations

import gc
import itertools
import platform
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.media import probe, read_frames

MILLISECOND = Fraction(1, 1000)


def write(path: Path, times_ms: list[int], size=(64, 48), codec="libx264", sound=False) -> Path:
    """A video whose frame at time t has the brightness of `shade(t)`, its upper left quarter red."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        voice = container.add_stream("aac", rate=16000) if sound else None
        for index, time in enumerate(times_ms):
            rgb = np.full((size[1], size[0], 3), shade(index), np.uint8)
            rgb[: size[1] // 2, : size[0] // 2] = (255, 0, 0)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = time, MILLISECOND
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None:
            block = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
            block.sample_rate = 16000
            container.mux(voice.encode(block))
            container.mux(voice.encode(None))
    return path


def shade(index: int) -> int:
    return 40 + 8 * (index % 25)


def seen_index(rgb: np.ndarray) -> int:
    return round((float(rgb[-8:, -8:].mean()) - 40) / 8)


def test_every_frame_at_its_time(tmp_path):
    path = write(tmp_path / "ein ümlaut & space.mp4", [40 * i for i in range(20)], sound=True)
    info = probe(path)
    assert (info.width, info.height, info.frames, info.has_audio, info.notes) == (64, 48, 20, True, ())
    assert info.fps == pytest.approx(25)
    assert info.duration == pytest.approx(0.8, abs=0.041)
    times, frames = zip(*read_frames(path), strict=True)
    np.testing.assert_allclose(times, np.arange(20) * 0.04, atol=1e-6)
    assert [seen_index(f) for f in frames] == list(range(20))
    assert frames[0].dtype == np.uint8
    assert frames[0].shape == (48, 64, 3)
    assert frames[0][4, 4, 0] > 200 > 60 > frames[0][4, 4, 2]  # RGB, not BGR


@pytest.mark.parametrize(("suffix", "codec"), [("mov", "libx264"), ("mkv", "libx264"), ("webm", "libvpx-vp9")])
def test_containers(tmp_path, suffix, codec):
    path = write(tmp_path / f"clip.{suffix}", [40 * i for i in range(10)], codec=codec)
    assert probe(path).frames == 10
    assert [seen_index(rgb) for _, rgb in read_frames(path)] == list(range(10))


def test_resampled_to_the_nearest_frame(tmp_path):
    path = write(tmp_path / "clip.mp4", [40 * i for i in range(10)])
    at_10 = list(read_frames(path, fps=10))
    np.testing.assert_allclose([t for t, _ in at_10], [0, 0.1, 0.2, 0.3])
    # 0.1 s lies halfway between frames 2 and 3: the earlier; 0.3 s between 7 and 8.
    assert [seen_index(rgb) for _, rgb in at_10] == [0, 2, 5, 7]
    at_50 = list(read_frames(path, fps=50))
    assert [seen_index(rgb) for _, rgb in at_50] == [i // 2 for i in range(20)]
    assert len(list(read_frames(path, fps=25))) == 10


def test_variable_rate_goes_by_timestamps(tmp_path):
    path = write(tmp_path / "vfr.mp4", [0, 40, 80, 280, 320, 360, 400, 600, 640])
    info = probe(path)
    assert info.fps == 25  # of the dense stretches
    shown = [seen_index(rgb) for _, rgb in read_frames(path, fps=25)]
    # Times 0 .. 0.64 s in steps of 0.04 s; frame 2 (0.08 s) is held until frame 3 (0.28 s) comes, as players do.
    assert shown == [0, 1, 2, 2, 2, 2, 2, 3, 4, 5, 6, 6, 6, 6, 6, 7, 8]


@pytest.mark.parametrize(
    ("matrix", "size", "red_corner"),
    [
        ((0, 1, -1, 0), (48, 64), (4, -5)),  # clockwise a quarter: the upper left goes to the upper right
        ((-1, 0, 0, -1), (64, 48), (-5, -5)),
        ((0, -1, 1, 0), (48, 64), (-5, 4)),
    ],
)
def test_rotation_flag(tmp_path, matrix, size, red_corner):
    path = write(tmp_path / "turned.mp4", [40 * i for i in range(3)])
    data = bytearray(path.read_bytes())
    # Track header box (ISO 14496-12, 8.3.2, version 0): the matrix stands 40 bytes after the version field, 16.16.
    at = data.index(b"tkhd") + 4 + 40
    for slot, value in zip((0, 1, 3, 4), matrix, strict=True):
        data[at + 4 * slot : at + 4 * slot + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    info = probe(path)
    assert (info.width, info.height) == size
    _, rgb = next(read_frames(path))
    assert rgb.shape == (size[1], size[0], 3)
    assert tuple(rgb[red_corner] > 128) == (True, False, False)


def test_wide_pixels_become_square(tmp_path):
    path = tmp_path / "wide.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 48, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    assert next(read_frames(path))[1].shape == (48, 64, 3)


def test_truncated_file_names_the_second(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "whole.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(100):
            rgb = rng.integers(0, 255, (64, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut\.mkv: .*(1|2)\.\d\d s") as caught:
        for _ in read_frames(cut):
            pass
    assert "\n" not in str(caught.value)


def test_not_usable(tmp_path):
    for name, contents in (("text.mp4", b"hello" * 1000), ("empty.mp4", b"")):
        (tmp_path / name).write_bytes(contents)
        with pytest.raises(InputError, match=name):
            probe(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        next(read_frames(tmp_path / "absent.mp4"))
    whole = write(tmp_path / "whole.mp4", [40 * i for i in range(20)])
    (tmp_path / "headless.mp4").write_bytes(whole.read_bytes()[:-800])  # the index stands at the end
    with pytest.raises(InputError, match="headless"):
        probe(tmp_path / "headless.mp4")


def test_sound_alone_is_not_a_video(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000)
        stream.layout = "mono"
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        block.sample_rate = 16000
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="no moving picture"):
        probe(path)


def test_frames_are_read_lazily(tmp_path):
    path = write(tmp_path / "clip.mp4", [40 * i for i in range(60)])
    reader = read_frames(path)
    assert len(list(itertools.islice(reader, 2))) == 2
    reader.close()


def test_pictures_that_were_read_are_let_go_at_once(tmp_path):
    """A hundred of them that wait for Python's search for cycles are 1 GB at 2160p."""
    path = write(tmp_path / "talk.mp4", [40 * i for i in range(40)])
    gc.collect()
    gc.disable()
    try:
        for _ in read_frames(path, 25.0):
            pass
        assert sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects()) < 10
    finally:
        gc.enable()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of other C libraries nothing is known")
def test_large_pictures_are_not_taken_from_the_heap(tmp_path):
    """Where small blocks keep their holes from being used again."""
    path = write(tmp_path / "a.mp4", [0, 40, 80])
    script = f"""
import numpy as np
from audio_motion.media import read_frames
for _ in read_frames({str(path)!r}): pass
del _
np.ones(25 << 20, np.uint8)  # freed at once
place = np.ones(25 << 20, np.uint8).ctypes.data
heap = next(line.split()[0] for line in open("/proc/self/maps") if line.endswith("[heap]\\n"))
low, high = (int(end, 16) for end in heap.split("-"))
print(low <= place < high)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

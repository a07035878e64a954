"""Videos that cannot become a capture: one clear line each, and nothing written."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import wave
from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from rich.console import Console

from audio_motion.errors import InputError
from geneface_ns.capture.options import CaptureOptions
from geneface_ns.capture.process import process
from geneface_ns.capture.scan import scan
from geneface_ns.capture.source import open_source
from geneface_ns.output.video import VideoWriter
from tests.geneface_ns.capture.conftest import FPS, SIZE, Clip

RATE = 16000


def video(path: Path, frames: Iterable[np.ndarray], sound: np.ndarray | None) -> Path:
    """Write frames and float [S] sound at RATE."""
    frames = list(frames)
    wav = None
    if sound is not None:
        wav = path.with_suffix(".wav")
        with wave.open(str(wav), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((sound * 32767).astype("<i2").tobytes())
    height, width = frames[0].shape[:2]
    with VideoWriter(path, (width, height), FPS, wav) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def murmur(seconds: float = 3.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * 150 * t) * (1 + np.sin(2 * np.pi * 4 * t)) / 2).astype(np.float32)


def refused(path: Path, output: Path, match: str, **options: object) -> None:
    with pytest.raises(InputError, match=match) as caught:
        process(CaptureOptions(path, output, **options), Console(file=io.StringIO()))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not output.exists()


def test_no_face(clip: Clip, tmp_path: Path) -> None:
    walls = [np.roll(clip.truth.background, i, axis=1) for i in range(len(clip.frames))]
    refused(video(tmp_path / "wall.mp4", walls, murmur()), tmp_path / "out", "no face found")


def test_two_faces(clip: Clip, tmp_path: Path) -> None:
    pairs = [np.concatenate([f, f[:, ::-1]], axis=1) for f in clip.frames]
    refused(video(tmp_path / "two.mp4", pairs, murmur()), tmp_path / "out", "several faces .* at 0.00 s")


def test_face_too_small(clip: Clip, tmp_path: Path) -> None:
    def far(frame: np.ndarray) -> np.ndarray:
        canvas = np.full((288, 288, 3), 128, np.uint8)
        canvas[90:218, 80:208] = cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA)
        return canvas

    refused(video(tmp_path / "far.mp4", map(far, clip.frames), murmur()), tmp_path / "out", r"only \d\d px wide")


def test_a_cut_is_named_by_its_second(clip: Clip, tmp_path: Path) -> None:
    def other(frame: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(255 - cv2.resize(frame[20:150, 30:160], (SIZE, SIZE))[:, ::-1])

    frames = [f if i < 20 else other(f) for i, f in enumerate(clip.frames)]
    refused(
        video(tmp_path / "cut.mp4", frames, murmur()),
        tmp_path / "out",
        r"1 cut, the first at 1.00 s; .* nowhere does it show one shot for 3 s",
    )


def test_what_a_refusal_proposes_works(clip: Clip, tmp_path: Path) -> None:
    # Of two cuts, the longest shot that shows a face is kept; the wall is longer still.
    there_and_back = [*clip.frames, *clip.frames[::-1][1:10]]
    wall = [np.roll(clip.truth.background, i, axis=1) for i in range(80)]
    other = [np.ascontiguousarray(255 - f[:, ::-1]) for f in clip.frames[:30]]
    path = video(tmp_path / "cut.mp4", [*wall, *there_and_back, *other], murmur(9.0))
    refused(path, tmp_path / "out", r"2 cuts, the first at 4.00 s; .* with --start 4.00 --end 7.45")
    source = open_source(CaptureOptions(path, tmp_path / "out", start=4.0, end=7.45))
    assert scan(source, lambda: None).frames == len(there_and_back)


def test_a_face_that_is_gone_for_long(clip: Clip, tmp_path: Path) -> None:
    frames = np.concatenate([clip.frames, clip.frames[::-1]])
    hidden = frames[:70].copy()
    for i, frame in enumerate(hidden):
        frame[max(15, 155 - 8 * i) : 155, 25:165] = 90  # slides up before the face
    path = video(tmp_path / "gone.mp4", [*frames[:80], *hidden], murmur(7.5))
    with pytest.raises(InputError, match=r"no face in \d\d% of the video, first at .* a face with --end") as caught:
        process(CaptureOptions(path, tmp_path / "out"), Console(file=io.StringIO()))
    end = re.search(r"--end (\d+\.\d+)", str(caught.value))
    assert end is not None
    assert scan(open_source(CaptureOptions(path, tmp_path / "out", end=float(end[1]))), lambda: None).frames >= 70


def test_no_sound_track(clip: Clip, tmp_path: Path) -> None:
    refused(video(tmp_path / "mute.mp4", clip.frames, None), tmp_path / "out", "no sound track")


def test_silence(clip: Clip, tmp_path: Path) -> None:
    path = video(tmp_path / "silent.mp4", clip.frames, np.zeros(round(3.0 * RATE), np.float32))
    refused(path, tmp_path / "out", "silent")


def test_sound_shorter_than_the_picture(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "short.mkv"
    with av.open(str(clip.path)) as source, av.open(str(path), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            late = packet.pts is not None and packet.pts * packet.time_base > 1.5
            if packet.dts is None or (packet.stream.type == "audio" and late):
                continue
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    refused(path, tmp_path / "out", r"sound ends at 1\.[56]\d s but the picture at 3.00 s; .*--end 1\.[56]\d")


def test_too_short(clip: Clip, tmp_path: Path) -> None:
    refused(video(tmp_path / "brief.mp4", clip.frames[:30], murmur(1.5)), tmp_path / "out", "only 1.50 s")
    refused(clip.path, tmp_path / "out", "only 2.00 s to learn from; give at least 3 s", start=1.0)
    refused(clip.path, tmp_path / "out", "only 2.90 s to learn from; give at least 3 s", end=2.9)
    refused(clip.path, tmp_path / "out", "nothing lies between", start=7.0)


def test_truncated(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "half.mp4"
    data = clip.path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    refused(path, tmp_path / "out", "half.mp4")


def test_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no moving pictures here")
    refused(path, tmp_path / "out", "not a sound or video")
    refused(tmp_path / "absent.mp4", tmp_path / "out", "no such file")


def test_target_that_cannot_be_written(clip: Clip, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write|is a file"):
        process(CaptureOptions(clip.path, tmp_path / "file" / "out"), Console(file=io.StringIO()))
    with pytest.raises(InputError, match="is a file"):
        process(CaptureOptions(clip.path, tmp_path / "file"), Console(file=io.StringIO()))


def test_a_folder_with_other_files_is_not_touched(clip: Clip, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="holds other files"):
        process(CaptureOptions(clip.path, tmp_path, overwrite=True), Console(file=io.StringIO()))
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_command_line_says_it_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "no video.mp4"
    path.write_text("text")
    code = "from geneface_ns.commands.cli import main; main()"
    command = [sys.executable, "-c", code, "process", str(path), str(tmp_path / "out")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "not a sound or video" in ran.stderr

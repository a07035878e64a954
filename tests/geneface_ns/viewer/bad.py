"""Uploads that nobody should send."""

from __future__ import annotations

import struct
import wave
import zipfile
import zlib
from pathlib import Path

import av
import cv2
import numpy as np

from geneface_ns.output.video import VideoWriter


def bad_files(folder: Path, longest: int) -> dict[str, tuple[Path, str]]:
    """Files that cannot be performed, by name, with words of what is said."""
    folder.mkdir()
    random = np.random.default_rng(0)
    files: dict[str, tuple[Path, str]] = {}

    def add(name: str, content: bytes, said: str) -> None:
        (folder / name).write_bytes(content)
        files[name] = folder / name, said

    add("noise.wav", random.bytes(50_000), "noise.wav")
    add("<img src=x onerror=alert(1)>{1+1}.wav", b"RIFF", "{1+1}.wav")
    add("picture.png", cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes(), "picture.png")
    claims = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 2**32 - 1, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 2**32 - 2
    )
    add("bomb.wav", claims + bytes(2_000_000), "lasts longer than")
    add("noise.npz", random.bytes(3000), "noise.npz")
    with zipfile.ZipFile(folder / "zip.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("landmarks.npy", bytes(400_000_000))
    files["zip.npz"] = folder / "zip.npz", "zip.npz"
    with wave.open(str(folder / "long.wav"), "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        sound.writeframes(bytes([128]) * 8000 * (longest + 1))
    files["long.wav"] = folder / "long.wav", f"lasts longer than {longest} s"
    with av.open(str(folder / "two hours.flac"), "w") as container:
        stream = container.add_stream("flac", rate=8000, layout="mono")
        for start in range(7200):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 8000, 8000 * start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    files["two hours.flac"] = folder / "two hours.flac", f"lasts longer than {longest} s"
    (folder / "large.wav").write_bytes(bytes(3_000_001))  # more than the browser's server takes
    return files


def bad_pictures(folder: Path) -> list[Path]:
    """Files that nobody can stand before."""
    folder.mkdir()
    (folder / "noise.png").write_bytes(np.random.default_rng(0).bytes(3000))
    (folder / "cut.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()[:100])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = 30_000  # of black and white: 0.1 MB that would be 2.7 GB
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + side // 8) * side), 1)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (folder / "bomb.png").write_bytes(bomb)
    with VideoWriter(folder / "video.mp4", (64, 64), 5.0) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    return sorted(folder.iterdir())

"""Uploads that nobody should send."""

from __future__ import annotations

import struct
import wave
import zipfile
from pathlib import Path

import cv2
import numpy as np


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
    (folder / "large.wav").write_bytes(bytes(3_000_001))  # more than the browser's server takes
    return files

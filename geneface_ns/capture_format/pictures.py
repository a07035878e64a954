"""PNG in and out, small compression: speed over size."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from audio_motion.errors import InputError
from audio_motion.files import need_file

FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
"""Run lengths alone are both quicker and smaller on camera pictures than zlib's default at that level."""


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    good, data = cv2.imencode(".png", picture, FAST)
    assert good
    temporary = path.with_name(f".{path.name}")
    try:
        temporary.write_bytes(data.tobytes())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise InputError(f"cannot write {path}: {error.strerror}; free some space or choose another folder") from error


def read_png(path: Path) -> np.ndarray:
    """uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA as `write_png` took it.

    Raises:
        InputError: no such file, or damaged.
    """
    need_file(path, "run `geneface process` again with --overwrite")
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run `geneface process` again with --overwrite") from error
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if picture is None:
        raise InputError(f"{path}: damaged; run `geneface process` again with --overwrite")
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB if picture.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return picture

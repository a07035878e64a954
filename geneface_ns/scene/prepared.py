"""What training draws from, prepared once: 8 bytes a pixel of every frame in one memory-mapped file.

Whatever depends on a frame alone (decoding, laying torso over background, continuing the neck) is done here, so that
drawing is one lookup a ray and costs the same at every size. The operating system keeps in memory what fits.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import Capture
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.scene.frames import Frame, FrameStore
from geneface_ns.scene.neck import neck_under_collar

VERSION = 1
"""Raised when the contents change."""
EDGE = 32
"""The head's outline is learnt from what lies beside it: rays reach this part of the width around the head."""
SOLID = 64
"""What lies farther than this part of the width inside the outline is certainly head."""

SEEN, COVER, SOLID_HEAD, NECK = 0, 1, 2, 3
"""Kinds of pixels. COVER: torso before the head, too far from it to hide any neck. SOLID_HEAD: head all around. NECK:
torso just before the neck, which is continued there with the nearest head pixel's colour."""


class Prepared(NamedTuple):
    """All F frames of a capture, as tensors: on the CPU backed by files, or wholly on a GPU."""

    pixels: Tensor
    """uint8 [F, H W, 8]: image RGB; RGB of what lies behind the head, or, under a collar, of the continued neck; how
    much of the pixel is torso before the head; and the head: its part of the pixel in steps of 63 in the lower six
    bits, the pixel's kind in the upper two."""
    run_start: Tensor
    """int32 [R] first pixel of each run of pixels in and around a frame's head, all frames' runs one after the
    other."""
    run_from: Tensor
    """int64 [R] pixels in all runs before this one, over all frames."""
    frame_from: Tensor
    """int64 [F + 1] pixels in all runs before each frame, and in all of them."""
    size: tuple[int, int]
    """Width and height."""

    def to(self, device: torch.device) -> Prepared:
        """All of it on a device."""
        return Prepared(
            self.pixels.to(device),
            self.run_start.to(device),
            self.run_from.to(device),
            self.frame_from.to(device),
            self.size,
        )


def unpack_head(code: Tensor) -> tuple[Tensor, Tensor]:
    """The last byte of a pixel -> its part of head in [0, 1] and its kind."""
    return (code & 63).float() / 63, code >> 6


def pack(frame: Frame, neck_reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One frame as `Prepared` holds it.

    Args:
        neck_reach: how far the neck is continued under the collar, image widths.

    Returns:
        uint8 [H W, 8]; int32 first pixels and lengths of the runs in and around the head (all over the picture where
        no head is seen).
    """
    height, width = frame.head.shape
    packed = np.empty((height, width, 8), np.uint8)
    packed[..., :3], packed[..., 3:7] = frame.image, frame.underlay
    under, colour = neck_under_collar(
        frame.image, frame.head, frame.underlay[..., 3], max(1, round(neck_reach * width))
    )
    solid = cv2.erode((frame.head == 255).astype(np.uint8), _square(width // SOLID), borderValue=(1,)) > 0
    cover = (frame.underlay[..., 3] == 255) & (frame.head == 0)
    kind = np.select([solid, cover], [np.uint8(SOLID_HEAD), np.uint8(COVER)], np.uint8(SEEN))
    kind[under] = NECK
    packed[under, 3:6] = colour[under]
    packed[..., 7] = np.round(frame.head * (63 / 255)).astype(np.uint8) | (kind << 6)
    around = cv2.dilate((frame.head > 0).astype(np.uint8), _square(width // EDGE)).reshape(-1)
    if not around.any():
        around[:] = 1
    edges = np.flatnonzero(np.diff(around, prepend=0, append=0))
    return packed.reshape(-1, 8), edges[::2].astype(np.int32), (edges[1::2] - edges[::2]).astype(np.int32)


def _square(reach: int) -> np.ndarray:
    return np.ones((2 * max(1, reach) + 1,) * 2, np.uint8)


def prepare(
    capture: Capture,
    downscale: int,
    neck_reach: float,
    progress: Callable[[], None] = lambda: None,
) -> Prepared:
    """Frames of a capture ready to draw from; made now, or found as an earlier training left them in the capture's
    directory (in a temporary one where that cannot be written to).

    Args:
        downscale: whole factor by which width and height are reduced.
        neck_reach: how far the neck is continued under the collar, image widths.
        progress: called after each frame, where frames must be made.

    Raises:
        InputError: a file of the capture cannot be read, or there is no room on the disk.
    """
    store = FrameStore(capture, downscale)
    stamp = capture.layout.transforms.stat().st_mtime_ns
    key = {"version": VERSION, "capture": fingerprint(capture), "written": stamp, "neck_reach": neck_reach}
    with _folder(capture, store.size) as folder:
        about = folder / "about.json"
        if not (about.is_file() and json.loads(about.read_text()) == key):
            about.unlink(missing_ok=True)
            _check_room(folder, len(capture) * store.size[0] * store.size[1] * 8)
            _write(store, folder, neck_reach, progress)
            about.write_text(json.dumps(key))
        return _load(folder, len(capture), store.size)


@contextmanager
def _folder(capture: Capture, size: tuple[int, int]) -> Iterator[Path]:
    """Where frames of this size are kept; one process at a time."""
    folder = capture.layout.prepared / f"{size[0]}x{size[1]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError:
        with tempfile.TemporaryDirectory(prefix="geneface-frames-") as temporary:
            yield Path(temporary)  # the maps stay valid after the names are gone
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted + (1 << 28):
        raise InputError(
            f"{folder}: the frames to train on take {wanted / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "free some space, or train on smaller pictures (geneface-data --downscale-factor 2)"
        )


def _write(store: FrameStore, folder: Path, neck_reach: float, progress: Callable[[], None]) -> None:
    count = len(store.capture)
    starts, lengths, ends = [], [], [0]
    store.frame(0)  # reads the background before threads ask for it
    with (folder / "pixels.u8").open("wb") as file, ThreadPoolExecutor(2) as pool:
        ahead = 8  # frames in the air: bounds the memory
        waiting = [pool.submit(lambda i: pack(store.frame(i), neck_reach), i) for i in range(min(ahead, count))]
        for done in range(count):
            pixels, start, length = waiting.pop(0).result()
            if done + ahead < count:
                waiting.append(pool.submit(lambda i: pack(store.frame(i), neck_reach), done + ahead))
            try:
                file.write(pixels.tobytes())
            except OSError as error:
                raise InputError(f"cannot write {file.name}: {error.strerror}; free some space") from error
            starts.append(start)
            lengths.append(length)
            ends.append(ends[-1] + int(length.sum()))
            progress()
    np.savez(
        folder / "runs.npz",
        start=np.concatenate(starts),
        before=np.cumsum(np.concatenate([[0], *lengths]), dtype=np.int64)[:-1],
        frame=np.array(ends, np.int64),
    )


def _load(folder: Path, count: int, size: tuple[int, int]) -> Prepared:
    # Copy on write: nobody writes, but torch wants to be allowed to.
    pixels = np.memmap(folder / "pixels.u8", np.uint8, "c", shape=(count, size[0] * size[1], 8))
    with np.load(folder / "runs.npz") as runs:
        start, before, frame = (torch.from_numpy(runs[name]) for name in ("start", "before", "frame"))
    return Prepared(torch.from_numpy(pixels), start, before, frame, size)

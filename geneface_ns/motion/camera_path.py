"""Camera paths whose cameras say when they look: a free camera around a person who moves as filmed.

The files are those of nerfstudio's viewer. Where every camera carries a `render_time`, as the viewer writes them for
what moves, head pose and body are those of that moment, and the camera stands where it stands: `ns-render camera-path`
shows the same frames.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_motion.errors import InputError
from audio_motion.files import written_whole
from geneface_ns.motion.trajectory import path_poses, pingpong_index, rate_of, read_path, resample_poses


@dataclass(frozen=True)
class CameraPath:
    """N cameras, one a frame, replayed forwards and backwards."""

    c2w: np.ndarray
    """float32 [N, 4, 4]: camera to head frame."""
    fov: np.ndarray
    """float64 [N]: from the upper edge to the lower, degrees."""
    times: np.ndarray
    """float32 [N]: whose pose and body are shown, 0 for the person's first frame and 1 for the last."""

    def __len__(self) -> int:
        return len(self.c2w)

    def at(self, frame: int) -> tuple[np.ndarray, float, float]:
        """Camera [4, 4], field of view and time of a frame of the video."""
        index = int(pingpong_index(frame, len(self)))
        return self.c2w[index], float(self.fov[index]), float(self.times[index])


def focal_length(fov: float, height: int) -> float:
    """Pixels: what nerfstudio makes of a camera path's field of view, rounding included."""
    return float(np.float32(height / 2.0 / np.tan(fov * (np.pi / 180.0) / 2.0)))


def field_of_view(focal: float, height: int) -> float:
    """Degrees, from the upper edge to the lower."""
    return float(np.degrees(2 * np.arctan(height / 2 / focal)))


def timed_path(path: Path, fps: float) -> CameraPath | None:
    """A camera path at `fps`; None where not every camera of it says when it looks (or the file is a capture's).

    Raises:
        InputError: no camera path, or one that no camera can follow.
    """
    path = Path(path)
    data = read_path(path)
    if "camera_path" not in data:
        return None
    poses = path_poses(path, data)
    cameras = data["camera_path"]
    if not all("render_time" in camera for camera in cameras):
        return None
    try:
        fov = np.array([camera["fov"] for camera in cameras], np.float64).reshape(len(poses))
        times = np.array([camera["render_time"] for camera in cameras], np.float32).reshape(len(poses))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{path}: a camera lacks its fov or render_time; save the path again") from error
    bad = ~((fov > 0) & (fov < 180) & np.isfinite(times))
    if bad.any():
        raise InputError(f"{path}: camera {int(bad.argmax())} has no field of view below 180 degrees; save it again")
    rate = rate_of(data, len(poses), fps)
    if rate != fps:
        old = np.arange(len(poses)) / rate
        poses = resample_poses(poses, rate, fps)
        new = np.arange(len(poses)) / fps
        fov, times = np.interp(new, old, fov), np.interp(new, old, times).astype(np.float32)
    return CameraPath(poses.astype(np.float32), fov, times)


def write_path(path: Path, cameras: CameraPath, size: tuple[int, int], fps: float) -> None:
    """Write a camera path in the format of nerfstudio's viewer.

    Args:
        size: width and height of the pictures, px.
        fps: cameras a second.
    """
    contents = {
        "camera_type": "perspective",
        "render_width": size[0],
        "render_height": size[1],
        "fps": fps,
        "seconds": len(cameras) / fps,
        "is_cycle": False,
        "crop": None,
        "camera_path": [
            {
                "camera_to_world": [float(value) for value in c2w.reshape(16)],
                "fov": float(fov),
                "aspect": size[0] / size[1],
                "render_time": float(time),
            }
            for c2w, fov, time in zip(cameras.c2w, cameras.fov, cameras.times, strict=True)
        ],
    }
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(contents))

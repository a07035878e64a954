"""What each stage of processing reads and writes in the capture directory.

What training looks at besides its own frames (collar, background, hidden torso, head box) is made of training frames
alone: the test frames are kept from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from audio_motion.files import written_whole
from audio_motion.tracking import Track
from audio_motion.tracking.bundle import fit_track_of
from audio_motion.tracking.detectors import landmark_points
from geneface_ns.capture import background, boxes, masks, torso
from geneface_ns.capture.body import as_indices, reference_frame, rough_torso, track_body
from geneface_ns.capture.collar import collar_curve
from geneface_ns.capture.defects import Defects, find_defects, look_at
from geneface_ns.capture.eachframe import each_frame, read_ahead
from geneface_ns.capture.extract import Meshes, found, small_size
from geneface_ns.capture.transforms import split_at
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.pictures import read_png, write_png

Advance = Callable[[], None]

COLLAR_FRAMES = 40
MEDIAN_FRAMES = 60
"""Frames that background and torso are made from, fewer where they are larger than MEDIAN_SIZE: bounds the memory."""
MEDIAN_SIZE = 1024
CANDIDATES = 600
"""Frames out of which those for the background are chosen."""
BOX_FRAMES = 100


def notice(layout: Layout, fps: float) -> Defects:
    """Look for frames to learn nothing from, in what was found of all frames."""
    meshes = Meshes(layout)
    look = look_at(grey for part in found(layout) for grey in part.grey)
    if meshes.valid.any():
        points = meshes.of_points(landmark_points(meshes.points))[..., :2]
    else:
        points = np.zeros((len(meshes.valid), 68, 2), np.float32)
    return find_defects(look, points, meshes.valid, fps)


def track(layout: Layout, useless: np.ndarray, size: tuple[int, int], fps: float, source: str) -> Track:
    """Fit head poses to the meshes; bool [T] frames count as if they showed no face.

    Raises:
        InputError: the face is not seen often enough.
    """
    meshes = Meshes(layout)
    return fit_track_of(meshes.in_frames, meshes.of_points, meshes.valid & ~useless, size, fps, source)


def save_track(layout: Layout, tracked: Track, name: str = "track") -> None:
    """What `load_track` reads."""
    save_arrays(layout.work / f"{name}.npz", asdict(tracked))


def load_track(layout: Layout, name: str = "track") -> Track:
    """The track that `save_track` saved."""
    arrays = load_arrays(layout.work / f"{name}.npz")
    kinds = {field.name: field.type for field in fields(Track)}
    values: dict[str, Any] = {k: v if kinds[k] == "np.ndarray" else v.item() for k, v in arrays.items()}
    return Track(**values)


def body(layout: Layout, points: np.ndarray, valid: np.ndarray, size: tuple[int, int], advance: Advance) -> None:
    """Track the torso; points [T, 68, 2] px."""
    scale = small_scale(size)
    usable = is_learnt(valid)
    reference = reference_frame(points, usable)
    grey, person = small_frames(layout, np.array([reference]))
    landmarks = points[reference] / scale
    rough = rough_torso(person[0], landmarks)
    film = ((g, p) for part in found(layout) for g, p in zip(part.grey, part.person, strict=True))
    motion = track_body(film, (grey[0], person[0]), rough, float(landmarks[8, 1]), scale, advance)
    save_arrays(
        layout.work / "body.npz",
        {"affine": motion.affine, "correlation": motion.correlation, "reference": np.array(reference)},
    )


def label_frames(
    layout: Layout, points: np.ndarray, valid: np.ndarray, size: tuple[int, int], advance: Advance
) -> None:
    """Find the collar and write `masks/`; points [T, 68, 2] px."""
    motion = load_arrays(layout.work / "body.npz")["affine"]
    scale = small_scale(size)
    chosen = spread(np.flatnonzero(is_learnt(valid)), COLLAR_FRAMES)
    small = small_size(*size)
    _, persons = small_frames(layout, chosen)
    pictures, mattes, moved = [], [], []
    for frame, person in zip(chosen, persons, strict=True):
        shrunk = cv2.resize(read_png(layout.image(frame)), small, interpolation=cv2.INTER_AREA)
        affine = motion[frame] * np.array([1, 1, 1 / scale[0]])
        affine[1, 2] = motion[frame, 1, 2] / scale[1]
        warp = as_indices(affine)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        pictures.append(cv2.warpAffine(shrunk, warp, small, flags=flags, borderMode=cv2.BORDER_REPLICATE))
        mattes.append(cv2.warpAffine(person, warp, small, flags=flags, borderMode=cv2.BORDER_REPLICATE))
        moved.append((points[frame] / scale - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T)
    collar = masks.Collar.of(collar_curve(np.stack(pictures), np.stack(mattes), np.stack(moved)), scale)
    save_arrays(layout.work / "collar.npz", {"line": collar.line})
    layout.mask(0).parent.mkdir(exist_ok=True)

    def work(frame: int) -> None:
        side = masks.head_side(collar, motion[frame], points[frame], (size[1], size[0]))
        write_png(layout.mask(frame), masks.label(read_png(layout.matte(frame)), side, points[frame]))

    each_frame(range(len(points)), work, advance)


def clean_background(layout: Layout, valid: np.ndarray, advance: Advance) -> float:
    """Write `background.png`; returns the part of it that no training frame showed."""
    candidates = spread(np.flatnonzero(is_learnt(valid)), CANDIDATES)
    _, person = small_frames(layout, candidates)
    height, width = read_png(layout.image(0)).shape[:2]
    chosen = candidates[background.choose_frames(person, background_frames(valid, (width, height)))]

    def read(frame: int) -> tuple[np.ndarray, np.ndarray]:
        advance()
        return read_png(layout.image(frame)), read_png(layout.matte(frame))

    picture, seen = background.clean_background(chosen, read)
    write_png(layout.background, picture)
    return float(1 - seen.mean())


def background_frames(valid: np.ndarray, size: tuple[int, int]) -> int:
    """How many frames the background is made from."""
    return min(median_frames(size), CANDIDATES, int(is_learnt(valid).sum()))


def torso_layers(
    layout: Layout, points: np.ndarray, valid: np.ndarray, size: tuple[int, int], advance: Advance
) -> None:
    """Build the canonical torso and write `torso/`; points [T, 68, 2] px."""
    saved = load_arrays(layout.work / "body.npz")
    motion, reference = saved["affine"], int(saved["reference"])
    collar = masks.Collar(load_arrays(layout.work / "collar.npz")["line"])
    chosen = spread(np.flatnonzero(is_learnt(valid)), median_frames(size))
    canonical = torso.canonical_torso(
        np.stack([read_png(layout.image(frame)) for frame in chosen]),
        np.stack([read_png(layout.mask(frame)) for frame in chosen]),
        motion[chosen],
        collar,
        points[reference],
    )
    scene = read_png(layout.background)
    layout.torso(0).parent.mkdir(exist_ok=True)

    def work(frame: int) -> None:
        side = masks.head_side(collar, motion[frame], points[frame], (size[1], size[0]))
        picture, matte, labels = (read_png(f(frame)) for f in (layout.image, layout.matte, layout.mask))
        hidden = canonical.at(motion[frame], size)
        write_png(layout.torso(frame), torso.layer(picture, matte, labels, scene, side, hidden))

    each_frame(range(len(points)), work, advance)


def head_box(layout: Layout, tracked: Track) -> list[list[float]]:
    """The head box out of masks and poses."""
    usable = np.flatnonzero(is_learnt(tracked.valid))
    chosen = spread(usable, BOX_FRAMES)
    centre = (tracked.cx, tracked.cy)
    outline = [
        boxes.outline_rays(read_png(layout.mask(f)), masks.HEAD, tracked.c2w[f], tracked.fl, centre) for f in chosen
    ]
    return boxes.head_box(np.concatenate(outline))


def pictures(layout: Layout, count: int) -> Iterator[np.ndarray]:
    """All frames, uint8 RGB."""
    return read_ahead(range(count), lambda frame: read_png(layout.image(frame)))


def head_masks(layout: Layout, count: int) -> Iterator[np.ndarray]:
    """Where the head is in all frames, bool [H, W]."""
    return read_ahead(range(count), lambda frame: read_png(layout.mask(frame)) == masks.HEAD)


def is_learnt(valid: np.ndarray) -> np.ndarray:
    """Which frames are learnt from, of those that are valid, bool [T]: bool [T]."""
    return valid & (np.arange(len(valid)) < split_at(valid))


def spread(frames: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the frames int [N], evenly spread, ascending."""
    return frames[np.unique(np.linspace(0, len(frames) - 1, most).round().astype(int))]


def median_frames(size: tuple[int, int]) -> int:
    """How many frames of (width, height) are held at once."""
    return int(np.clip(MEDIAN_FRAMES * MEDIAN_SIZE**2 / (size[0] * size[1]), 10, MEDIAN_FRAMES))


def small_scale(size: tuple[int, int]) -> tuple[float, float]:
    """Full-size pixels per pixel of the small film, across and down."""
    small = small_size(*size)
    return size[0] / small[0], size[1] / small[1]


def small_frames(layout: Layout, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey and person [N, h, w] of the small film at ascending frames [N]."""
    first, grey, person = 0, [], []
    for part in found(layout):
        inside = frames[(frames >= first) & (frames < first + len(part.grey))] - first
        grey.append(part.grey[inside])
        person.append(part.person[inside])
        first += len(part.grey)
    return np.concatenate(grey), np.concatenate(person)


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An npz, whole or not at all."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}

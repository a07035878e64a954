"""From a detector's points to a track: rigid shape, one pose a frame, one focal length, landmarks in the head frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from audio_motion.errors import InputError
from audio_motion.sequence import LandmarkSequence, Producer
from audio_motion.topology import TEMPLATE, eye_openness, fit_similarity
from audio_motion.tracking.detectors import landmark_points, landmarks_of
from audio_motion.tracking.geometry import Pinhole, fill_gaps, fill_linear, from_c2w, to_c2w
from audio_motion.tracking.poses import CHUNK, solve_poses
from audio_motion.tracking.shape import Rigid, bundle_adjust, initial_poses, mean_shape, weak_poses

SHAPE_FRAMES = 240
"""Frames, spread evenly over the clip, that shape and focal length are made from."""

RIGID_POINTS = 110
"""Points that poses are made from; more only cost time, a detector's points are far from independent."""

RIGID = 0.3
"""Points with at least this weight in the poses (the largest being 1) count as rigid in the reprojection error."""

DISTANCE_STARTS = (4.0, 7.0, 12.0)
"""Distances of the camera, in face widths, that the adjustment is started from."""

LANDMARK_SMOOTHING = 0.015
"""Deviation in seconds of the Gaussian along time over landmarks: holds back single-frame jitter at 25 fps, and leaves
a closing mouth (0.1 s) as it is."""

LONG_GAP = 1.0
"""Seconds without a face that are worth telling the user."""

MOST_MISSING = 0.5
"""Share of frames without a face above which a clip is refused."""


@dataclass(frozen=True)
class Track:
    """A person's head through a clip. Head frame, camera and unit: docs/conventions.md."""

    c2w: np.ndarray
    """float64 [T, 4, 4] camera to head."""
    fl: float
    """Focal length, pixels."""
    cx: float
    """Principal point, pixels."""
    cy: float
    landmarks: np.ndarray
    """float32 [T, 68, 3] head frame."""
    eye_openness: np.ndarray
    """float32 [T, 2]."""
    valid: np.ndarray
    """bool [T]; False where interpolated."""
    points2d: np.ndarray
    """float32 [T, 68, 2] as detected, pixels; interpolated where not valid."""
    error: float
    """Mean distance, pixels, between detected and projected rigid points (those that count; `RIGID`)."""
    mesh: np.ndarray
    """float32 [M, 3]: the rigid shape of all of the detector's points, head frame."""
    rigid: np.ndarray
    """float32 [M]: weight that each of those points had in the poses; 0 for the mouth and chin."""
    width: int
    """Of the pictures, pixels."""
    height: int
    fps: float

    def sequence(self, person: str, detector: str) -> LandmarkSequence:
        """The track without its poses."""
        producer = Producer("tracker", detector)
        return LandmarkSequence(self.landmarks, self.fps, self.eye_openness, self.valid, person, producer)


def gaps(valid: np.ndarray, fps: float, at_least: float = LONG_GAP) -> list[tuple[float, float]]:
    """Stretches without a face: (from, to) in seconds, those lasting `at_least` seconds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], valid, [True]]).astype(int)))
    spans = edges.reshape(-1, 2) / fps
    return [(float(a), float(b)) for a, b in spans if b - a >= at_least]


def fit_track(
    meshes: np.ndarray,
    valid: np.ndarray,
    size: tuple[int, int],
    fps: float,
    source: str = "the video",
) -> Track:
    """Track a head through a clip from a detector's points.

    Args:
        meshes: float [T, M, 3] as `Face.mesh`, M of 478 or 68; anything where not valid.
        valid: bool [T].
        size: (width, height) of the pictures, pixels; the principal point is their centre.
        fps: frames per second.
        source: the clip's name for messages.

    Raises:
        InputError: no face, or none in more than half of the frames.
    """
    valid = np.asarray(valid, bool) & np.isfinite(meshes).all(axis=(1, 2))
    return fit_track_of(lambda frames: meshes[frames], lambda points: meshes[:, points], valid, size, fps, source)


def fit_track_of(
    in_frames: Callable[[np.ndarray], np.ndarray],
    of_points: Callable[[np.ndarray], np.ndarray],
    valid: np.ndarray,
    size: tuple[int, int],
    fps: float,
    source: str,
) -> Track:
    """`fit_track` of meshes too many to hold: a shape needs all points of some frames, a pose some points of all.

    Args:
        in_frames: gives the meshes float [F, M, 3] of frames int [F], ascending.
        of_points: gives the points float [T, N, 3] that are numbered int [N], of all frames, to be kept by us; called
            once.
        valid: bool [T]; meshes are finite there.
    """
    _check_seen(valid, fps, source)
    known = np.flatnonzero(valid)
    sample = known[np.unique(np.linspace(0, len(known) - 1, min(SHAPE_FRAMES, len(known))).astype(int))]
    sampled = np.asarray(in_frames(sample), np.float64)
    weights = _stable_weights(sampled)
    picked = _spread(weights, RIGID_POINTS)

    centre = (size[0] / 2, size[1] / 2)
    flat = mean_shape(sampled, weights)
    face_width = float(np.linalg.norm(np.diff(landmarks_of(flat)[[0, 16]], axis=0)))
    noise = 0.004 * face_width
    results = []
    for distance in DISTANCE_STARTS:
        _, start = _perspective(sampled, flat, weights, picked, Pinhole(distance * face_width, *centre))
        results.append(bundle_adjust(sampled[:, picked, :2], start, weights[picked], noise, face_width, rounds=5))
    rigid, _ = min(results, key=lambda result: result[1])
    # Points that move against the rest (brows of one person, cheeks of another) are believed less in a second round.
    in_camera = rigid.shape @ np.swapaxes(rigid.rotation, 1, 2) + rigid.translation[:, None]
    spread = np.median(np.linalg.norm(sampled[:, picked, :2] - rigid.camera.project(in_camera), axis=-1), axis=0)
    noise = max(float(np.median(spread)), 1e-3 * face_width)
    picked_weights = weights[picked] / (1 + (spread / noise) ** 2)
    whole, start = _perspective(sampled, flat, weights, picked, rigid.camera)
    rigid, _ = bundle_adjust(sampled[:, picked, :2], start, picked_weights, noise, face_width, rounds=8)

    shape = _whole_shape(sampled, rigid.rotation, rigid.translation, rigid.camera, whole, face_width)
    shape[picked] = rigid.shape
    points = np.asarray(of_points(np.concatenate([picked, landmark_points(len(whole))])), np.float32)
    points[~valid] = points[valid.argmax()]  # any face: their poses are replaced
    seen, landmarks = points[:, : len(picked)], points[:, len(picked) :, :2]
    pose = _poses(seen, valid, shape[picked], picked_weights, rigid.camera, noise, face_width, fps)
    full_weights = np.zeros(len(whole), np.float32)
    full_weights[picked] = picked_weights / picked_weights.max()
    error = _rigid_error(seen, valid, shape[picked], full_weights[picked], *pose, rigid.camera)
    return _assemble(landmarks, valid, shape, full_weights, *pose, rigid.camera, error, size, fps)


def with_poses(track: Track, c2w: np.ndarray) -> Track:
    """The same clip with other poses: landmarks are made anew so that they still project onto the detected points.

    The head frame stays that of `track`.
    """
    rotation, translation = from_c2w(c2w)
    landmarks = _landmarks(track, rotation, translation)
    return replace(track, c2w=c2w, landmarks=landmarks, eye_openness=eye_openness(landmarks).astype(np.float32))


def reprojection_error(track: Track) -> np.ndarray:
    """Distance between the detected 68 points and the projected landmarks: float [T, 68], pixels."""
    rotation, translation = from_c2w(track.c2w)
    in_camera = track.landmarks @ np.swapaxes(rotation, 1, 2) + translation[:, None]
    projected = Pinhole(track.fl, track.cx, track.cy).project(in_camera)
    return np.linalg.norm(projected - track.points2d, axis=-1)


def _check_seen(valid: np.ndarray, fps: float, source: str) -> None:
    if not valid.any():
        raise InputError(f"{source}: no face found; give a video of one person who faces the camera")
    missing = 1 - valid.mean()
    if missing > MOST_MISSING:
        longest = max(gaps(valid, fps, 0), key=lambda span: span[1] - span[0])
        raise InputError(
            f"{source}: no face in {missing:.0%} of the frames, the longest stretch from {longest[0]:.1f} s to "
            f"{longest[1]:.1f} s; cut the video to where the face is seen"
        )


def _stable_weights(meshes: np.ndarray) -> np.ndarray:
    """Weight [M] of each point in the poses, by where it sits on the face: what speech moves gets none."""
    mean = np.median(meshes - meshes.mean(axis=1, keepdims=True), axis=0)
    scale, rotation, shift = fit_similarity(landmarks_of(mean), TEMPLATE)
    x, y, _ = (scale * mean @ rotation.T + shift).T
    # Below the nose everything moves in speech, except (little) the sides of the head.
    weights = np.where(y > -0.03, 1.0, np.where(np.abs(x) > 0.42, 0.2, 0.0))
    for side in (-1, 1):
        # Lids and brows.
        weights = np.where(np.hypot((x - side * 0.2) / 0.13, (y - 0.25) / 0.06) < 1, 0.15, weights)
        weights = np.where(np.hypot((x - side * 0.24) / 0.2, (y - 0.39) / 0.06) < 1, 0.3, weights)
    weights[468:] = 0.0  # irises
    return weights


def _spread(weights: np.ndarray, count: int) -> np.ndarray:
    """Indices of at most `count` points with weight, evenly thinned (mesh neighbours have near indices)."""
    usable = np.flatnonzero(weights > 0)
    return usable[np.unique(np.linspace(0, len(usable) - 1, min(count, len(usable))).astype(int))]


def _perspective(
    meshes: np.ndarray, flat: np.ndarray, weights: np.ndarray, picked: np.ndarray, camera: Pinhole
) -> tuple[np.ndarray, Rigid]:
    """Undo what perspective does to a mean shape made as if there were none.

    Returns:
        The mean shape [M, 3] in the unit of `flat`, and a start for adjusting its `picked` points.
    """
    scale, _, centre = weak_poses(meshes, flat, weights)
    depth = (camera.fl + meshes[..., 2] - centre[:, None, 2]) / scale[:, None]
    places = np.concatenate(
        [(meshes[..., :2] - (camera.cx, camera.cy)) * (depth / camera.fl)[..., None], depth[..., None]], axis=-1
    )
    whole = mean_shape(places, weights)
    _, rotation, translation = weak_poses(places, whole, weights)
    return whole, Rigid(whole[picked], rotation, translation, camera)


def _whole_shape(
    meshes: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    camera: Pinhole,
    prior: np.ndarray,
    face_width: float,
) -> np.ndarray:
    """Every point's mean place [M, 3] from its pictures under known poses; depth leans on the prior shape [M, 3]."""
    shape = prior.copy()
    # Expression moves the points in step with the head, which would pass for depth: hold it.
    noise = 0.02 * face_width
    precision = np.diag(1 / (np.array([0.1, 0.1, 0.005]) * face_width) ** 2)
    for _ in range(4):
        in_camera = shape @ np.swapaxes(rotation, 1, 2) + translation[:, None]
        residual = meshes[..., :2] - camera.project(in_camera)
        weight = 1 / (1 + (residual**2).sum(axis=-1) / (2 * noise) ** 2) / noise**2
        by_shape = camera.jacobian(in_camera) @ rotation[:, None]
        weighted = by_shape * weight[..., None, None]
        hessian = np.einsum("tnki,tnkj->nij", weighted, by_shape, optimize=True) + precision
        gradient = np.einsum("tnki,tnk->ni", weighted, residual, optimize=True) - (shape - prior) @ precision
        shape = shape + np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return shape


def _poses(
    points: np.ndarray,
    valid: np.ndarray,
    shape: np.ndarray,
    weights: np.ndarray,
    camera: Pinhole,
    noise: float,
    face_width: float,
    fps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Rotation [T, 3, 3] and translation [T, 3] of a shape [N, 3] seen at points [T, N, 3]."""
    offset = np.average(shape, axis=0, weights=weights)
    starts = [
        initial_poses(points[first : first + CHUNK].astype(np.float64), shape - offset, weights, camera)
        for first in range(0, len(points), CHUNK)
    ]
    rotation = np.concatenate([start.rotation for start in starts])
    translation = np.concatenate([start.translation for start in starts]) - rotation @ offset
    rotation, translation = fill_gaps(rotation, translation, valid)
    solved = solve_poses(points[..., :2], valid, shape, weights, camera, rotation, translation, noise, face_width, fps)
    return fill_gaps(*solved, valid)


def _assemble(
    landmarks: np.ndarray,
    valid: np.ndarray,
    shape: np.ndarray,
    weights: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    camera: Pinhole,
    error: float,
    size: tuple[int, int],
    fps: float,
) -> Track:
    """Place and scale the head frame, and make the landmarks in it out of those in the pictures, [T, 68, 2]."""
    count = len(valid)
    track = Track(
        to_c2w(rotation, translation),
        camera.fl,
        camera.cx,
        camera.cy,
        np.zeros((count, 68, 3), np.float32),
        np.zeros((count, 2), np.float32),
        valid,
        fill_linear(np.array(landmarks), valid),
        error,
        shape.astype(np.float32),
        weights,
        *size,
        fps,
    )
    mean = _landmarks(track, rotation, translation)[valid].mean(axis=0, dtype=np.float64)
    scale, turn, shift = fit_similarity(mean, TEMPLATE)
    rotation = rotation @ turn.T
    translation = scale * translation - rotation @ shift
    track = replace(track, mesh=(scale * shape @ turn.T + shift).astype(np.float32))
    return with_poses(track, to_c2w(rotation, translation))


def _landmarks(track: Track, rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """float32 [T, 68, 3]: the rigid shape's points, moved across the line of sight so that they project onto the
    detected points, and lightly smoothed along time."""
    camera = Pinhole(track.fl, track.cx, track.cy)
    points = landmarks_of(track.mesh)
    landmarks = np.empty((len(rotation), 68, 3), np.float32)
    for first in range(0, len(rotation), CHUNK):
        part = slice(first, first + CHUNK)
        depth = (points @ np.swapaxes(rotation[part], 1, 2) + translation[part, None])[..., 2:]
        sideways = (track.points2d[part] - (camera.cx, camera.cy)) / camera.fl * depth
        landmarks[part] = (np.concatenate([sideways, depth], axis=-1) - translation[part, None]) @ rotation[part]
    filled = fill_linear(landmarks, track.valid)
    return gaussian_filter1d(filled, LANDMARK_SMOOTHING * track.fps, axis=0, mode="nearest")


def _rigid_error(
    points: np.ndarray,
    valid: np.ndarray,
    shape: np.ndarray,
    weights: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    camera: Pinhole,
) -> float:
    """Mean distance in pixels between detected points [T, N, 3] and the projected shape [N, 3], where rigid."""
    rigid = np.flatnonzero(weights >= RIGID)
    total, count = 0.0, 0
    for first in range(0, len(valid), CHUNK):
        chunk = np.flatnonzero(valid[first : first + CHUNK]) + first
        in_camera = shape[rigid] @ np.swapaxes(rotation[chunk], 1, 2) + translation[chunk, None]
        distance = np.linalg.norm(points[chunk][:, rigid, :2] - camera.project(in_camera), axis=-1)
        total, count = total + float(distance.sum()), count + distance.size
    return total / max(count, 1)

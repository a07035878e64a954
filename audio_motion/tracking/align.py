"""Aligning poses to the picture: landmarks of the face say little about where the hair is, colours do.

Direct photometric alignment (Lucas and Kanade, IJCAI 1981; on a known surface as in Engel et al., DSO, PAMI 2018): the
brightness of points on a stand-in for the head's surface, averaged over the clip, is what every frame is moved to fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from audio_motion.tracking.bundle import Track, with_poses
from audio_motion.tracking.geometry import Pinhole, fill_gaps, from_c2w, to_c2w
from audio_motion.tracking.poses import smooth_step
from audio_motion.tracking.proxy import Proxy, head_proxy, reference_frame
from audio_motion.tracking.shape import moved, pose_jacobian

Frames = Callable[[], Iterator[np.ndarray]]

SIZE = 256
"""Pixels of the larger side that pictures are reduced to."""

SAMPLES = 120
"""Frames, spread evenly, that the mean brightness is made from."""

ROUNDS = 6
"""Alternations of mean brightness and poses."""

BLURS = (2.5, 1.0)
"""Deviations of the Gaussian blur, reduced pixels, coarse to fine."""

STEPS = 4
"""Gauss-Newton steps at each blur."""

NOISE_FLOOR = 3.0
"""Grey levels: what even a perfectly still point varies by."""

EFFECTIVE_POINTS = 200.0
"""Neighbouring points err together: all of them say as much about a pose as this many independent ones."""

PRIOR = np.repeat([np.radians(3.0), 0.06], 3)
"""How far (radians; face widths) the picture may plausibly lie from the landmarks' pose. Wide: a detector bends its
points to its idea of a face (on the procedural person it sees a third of a nod); only a slow drift is to be held."""

DEPTH_PRIOR = (0.03, 0.15)
"""How far (face widths) the surface may be off on the face and elsewhere."""

DEPTH_SMOOTHING = 0.08
"""Face widths over which corrections of the surface's depth are averaged."""


@dataclass(frozen=True)
class Model:
    """What the head looks like: brightness on its surface."""

    proxy: Proxy
    mean: np.ndarray
    """float64 [N], grey levels."""
    weight: np.ndarray
    """float64 [N]: inverse variance over frames; eyes and mouth get little by it."""


def align_to_picture(
    track: Track, frames: Frames, head_masks: Frames, advance: Callable[[], None] = lambda: None
) -> Track:
    """Refine every frame's pose until the head's brightness agrees with the rest of the clip.

    A frame whose fit does not improve keeps its pose, up to what smoothness along time asks. Landmarks are made anew so
    that they still project onto the detected points. Reads the clip twice; memory does not grow with its length.

    Args:
        frames: opens the clip: uint8 RGB [H, W, 3], one for each frame of the track.
        head_masks: opens the masks: bool or uint8 [H, W], nonzero on the head with its hair.
        advance: called after each frame.
    """
    known = np.flatnonzero(track.valid)
    sample = known[np.unique(np.linspace(0, len(known) - 1, min(SAMPLES, len(known))).astype(int))]
    reference = reference_frame(track)
    kept, reference_mask = _read_sample(frames, head_masks, sample, reference)
    rotation, translation = from_c2w(track.c2w)
    proxy = head_proxy(track, reference_mask, reference)
    camera = _reduced_camera(track)
    model = fit_model(kept, rotation[sample], translation[sample], proxy, camera)

    hessians = np.tile(np.eye(6), (len(rotation), 1, 1))
    turned, shifted = rotation.copy(), translation.copy()
    for index, (rgb, mask) in enumerate(zip(frames(), head_masks(), strict=True)):
        if track.valid[index]:
            picture = reduce_picture(rgb, mask)
            turned[index], shifted[index], hessians[index] = align_frame(
                picture, rotation[index], translation[index], model, camera
            )
        advance()
    step = smooth_step(hessians, np.zeros((len(rotation), 6)), turned, shifted, track.valid, 1.0, track.fps)
    turned, shifted = fill_gaps(*moved(turned, shifted, step), track.valid)
    return with_poses(track, to_c2w(turned, shifted))


def fit_model(
    pictures: list[np.ndarray], rotation: np.ndarray, translation: np.ndarray, proxy: Proxy, camera: Pinhole
) -> Model:
    """Mean brightness, weights and surface depth from some frames, alternating with their poses.

    Args:
        pictures: uint8 [h, w, 2] each: grey and head mask, from `reduce_picture`.
        rotation, translation: [F, 3, 3], [F, 3], their poses to begin with.
    """
    first = rotation, translation
    model = _average(pictures, rotation, translation, proxy, camera)
    for _ in range(ROUNDS):
        results = [
            align_frame(picture, r, t, model, camera, hold=(r0, t0))[:2]
            for picture, r, t, r0, t0 in zip(pictures, rotation, translation, *first, strict=True)
        ]
        rotation, translation = (np.stack(part) for part in zip(*results, strict=True))
        proxy = _correct_depth(pictures, rotation, translation, model, camera)
        model = _average(pictures, rotation, translation, proxy, camera)
    return model


def align_frame(
    picture: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    model: Model,
    camera: Pinhole,
    hold: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit one pose [3, 3], [3] to one picture uint8 [h, w, 2].

    Args:
        hold: the pose that the prior holds on to; the given one if None.

    Returns:
        rotation, translation and the information matrix [6, 6] about them. The given pose where no better was found.
    """
    first = (rotation, translation) if hold is None else hold
    best = rotation, translation
    information = np.diag(1 / PRIOR**2)
    for blur in BLURS:
        layers = _layers(picture, blur)
        current, damping = best, 1e-3
        best_cost = np.inf
        system: tuple[np.ndarray, np.ndarray] | None = None
        for _ in range(STEPS + 1):
            cost, hessian, gradient = _linearise(layers, *current, model, camera)
            off = _offset(*current, first)
            cost += float(((off / PRIOR) ** 2).sum())
            if cost < best_cost:
                improved = best_cost - cost
                best, best_cost, damping = current, cost, damping * 0.3
                information = hessian + np.diag(1 / PRIOR**2)
                system = information, gradient - off / PRIOR**2
                if improved < 1e-3 * cost:
                    break
            else:
                damping *= 30
            assert system is not None
            damped = system[0] + damping * np.diag(system[0].diagonal())
            step = np.linalg.solve(damped, system[1])
            current = tuple(part[0] for part in moved(best[0][None], best[1][None], step[None]))
    layers = _layers(picture, BLURS[-1])
    if photometric_error(layers, *best, model, camera) >= photometric_error(
        layers, rotation, translation, model, camera
    ):
        return rotation, translation, np.diag(1 / PRIOR**2)
    return *best, information


def photometric_error(
    layers: np.ndarray, rotation: np.ndarray, translation: np.ndarray, model: Model, camera: Pinhole
) -> float:
    """Weighted robust difference between a picture and the model, grey levels of a point of typical weight."""
    residual, weight, _, _ = _residual(layers, rotation, translation, model, camera)
    squared = np.log1p(residual**2 * model.weight / 9) * 9
    return float(np.sqrt((squared * weight).sum() / np.maximum((model.weight * weight).sum(), 1e-9)))


def reduce_picture(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 RGB [H, W, 3] and mask [H, W] -> uint8 [h, w, 2], larger side `SIZE`: grey, and 255 on the head."""
    height, width = rgb.shape[:2]
    scale = min(1.0, SIZE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    head = cv2.resize((np.asarray(mask) > 0).astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    return np.stack([grey, head], axis=-1)


def _reduced_camera(track: Track) -> Pinhole:
    scale = min(1.0, SIZE / max(track.width, track.height))
    return Pinhole(track.fl * scale, track.cx * scale, track.cy * scale)


def _read_sample(
    frames: Frames, head_masks: Frames, sample: np.ndarray, reference: int
) -> tuple[list[np.ndarray], np.ndarray]:
    wanted = set(sample.tolist())
    kept: list[np.ndarray] = []
    reference_mask = np.zeros((0, 0), bool)
    last = max(int(sample[-1]), reference)
    for index, (rgb, mask) in enumerate(zip(frames(), head_masks(), strict=False)):
        if index in wanted:
            kept.append(reduce_picture(rgb, mask))
        if index == reference:
            reference_mask = np.asarray(mask) > 0
        if index == last:
            break
    return kept, reference_mask


def _layers(picture: np.ndarray, blur: float) -> np.ndarray:
    """float32 [h, w, 4]: blurred grey, its derivatives by x and y, and the head mask in 0..1."""
    grey = cv2.GaussianBlur(picture[..., 0].astype(np.float32), (0, 0), blur)
    by_x = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    by_y = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    # Blur brings the outside in; so points must lie that far inside.
    reach = 2 * round(blur) + 1
    inside = cv2.erode(picture[..., 1], np.ones((reach, reach), np.uint8)).astype(np.float32) / 255
    return np.dstack([grey, by_x, by_y, inside])


def _residual(
    layers: np.ndarray, rotation: np.ndarray, translation: np.ndarray, model: Model, camera: Pinhole
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Model - picture [N] after the picture's best gain and offset; visibility [N]; gradient [N, 2]; places [N, 3]."""
    places = model.proxy.points @ rotation.T + translation
    at = (camera.project(places) - 0.5).astype(np.float32)
    seen = cv2.remap(layers, at[:, None, :1], at[:, None, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
    visible = seen[:, 3].astype(np.float64)
    grey = seen[:, 0].astype(np.float64)
    # Exposure may drift: one gain and one offset a frame.
    weight = model.weight * visible
    total = max(float(weight.sum()), 1e-9)
    mean_seen, mean_model = (weight @ grey) / total, (weight @ model.mean) / total
    covariance = weight @ ((grey - mean_seen) * (model.mean - mean_model))
    gain = float(np.clip(covariance / max(weight @ (grey - mean_seen) ** 2, 1e-9), 0.8, 1.25))
    residual = model.mean - mean_model - gain * (grey - mean_seen)
    return residual, visible, gain * seen[:, 1:3].astype(np.float64), places


def _linearise(
    layers: np.ndarray, rotation: np.ndarray, translation: np.ndarray, model: Model, camera: Pinhole
) -> tuple[float, np.ndarray, np.ndarray]:
    residual, visible, slope, places = _residual(layers, rotation, translation, model, camera)
    squared = residual**2 * model.weight / 9  # three deviations, then less and less (Cauchy)
    strength = EFFECTIVE_POINTS / max(float(visible.sum()), 1.0)
    cost = 9 * strength * float((visible * np.log1p(squared)).sum())
    by_place = np.einsum("nk,nki->ni", slope, camera.jacobian(places))
    by_pose = pose_jacobian(by_place[:, None], places - translation)[:, 0]
    weighted = by_pose * (strength * visible * model.weight / (1 + squared))[:, None]
    return cost, weighted.T @ by_pose, weighted.T @ residual


def _offset(rotation: np.ndarray, translation: np.ndarray, hold: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Pose minus the pose `hold` [6], for small differences."""
    turn = rotation @ hold[0].T
    vector = 0.5 * np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    return np.concatenate([vector, translation - hold[1]])


def _average(
    pictures: list[np.ndarray], rotation: np.ndarray, translation: np.ndarray, proxy: Proxy, camera: Pinhole
) -> Model:
    """Robust mean and inverse variance of every point's brightness."""
    count = len(proxy.points)
    values, visible = np.empty((len(pictures), count)), np.empty((len(pictures), count))
    for index, picture in enumerate(pictures):
        layers = _layers(picture, BLURS[-1])
        places = proxy.points @ rotation[index].T + translation[index]
        at = (camera.project(places) - 0.5).astype(np.float32)
        seen = cv2.remap(layers, at[:, None, :1], at[:, None, 1:], cv2.INTER_LINEAR)[:, 0]
        values[index], visible[index] = seen[:, 0], seen[:, 3]
    weight = visible + 1e-6
    mean = (values * weight).sum(axis=0) / weight.sum(axis=0)
    variance = np.full(count, NOISE_FLOOR**2)
    for _ in range(4):
        weight = (visible + 1e-6) / (1 + (values - mean) ** 2 / (4 * variance))
        mean = (values * weight).sum(axis=0) / weight.sum(axis=0)
        variance = NOISE_FLOOR**2 + ((values - mean) ** 2 * weight).sum(axis=0) / weight.sum(axis=0)
    often = visible.mean(axis=0) > 0.3
    return Model(proxy, mean, often / variance)


def _correct_depth(
    pictures: list[np.ndarray], rotation: np.ndarray, translation: np.ndarray, model: Model, camera: Pinhole
) -> Proxy:
    """Slide points along their lines of sight in the reference picture to where the frames agree better."""
    proxy = model.proxy
    hessian, gradient = np.zeros(len(proxy.points)), np.zeros(len(proxy.points))
    for index, picture in enumerate(pictures):
        residual, visible, slope, places = _residual(
            _layers(picture, BLURS[-1]), rotation[index], translation[index], model, camera
        )
        by_place = np.einsum("nk,nki->ni", slope, camera.jacobian(places))
        by_depth = (by_place * (proxy.rays @ rotation[index].T)).sum(axis=1)
        weight = visible * model.weight / (1 + residual**2 * model.weight / 9)
        hessian += weight * by_depth**2
        gradient += weight * by_depth * residual
    columns, rows = proxy.grid
    spread = np.zeros((rows, columns, 3), np.float32)
    spread[proxy.cells[:, 1], proxy.cells[:, 0]] = np.column_stack([hessian, gradient, np.ones(len(hessian))])
    near = cv2.GaussianBlur(spread, (0, 0), DEPTH_SMOOTHING / proxy.spacing)[proxy.cells[:, 1], proxy.cells[:, 0]]
    # Frames' errors repeat: all of them count as this share of independent ones.
    share = min(1.0, 20 / len(pictures)) / near[:, 2]
    prior = 1 / np.where(proxy.on_face, *DEPTH_PRIOR) ** 2
    step = near[:, 1] * share / (near[:, 0] * share + prior)
    return replace(proxy, points=proxy.points + np.clip(step, -0.1, 0.1)[:, None] * proxy.rays)

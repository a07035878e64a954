"""The rigid shape of a face and the focal length, from points seen in many frames: bundle adjustment.

Bundle adjustment after Triggs et al. (2000): Gauss-Newton on shape, one pose a frame and the focal length at once; the
poses are eliminated (Schur complement), so an iteration costs one system of three times the number of points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio_motion.tracking.geometry import Pinhole, cross_matrix, rotation_from_vector

EFFECTIVE_POINTS = 15.0
"""A detector's points err together: all of them say as much about a pose as this many independent points would."""

EFFECTIVE_FRAMES = 40.0
"""And its errors repeat between frames: all frames say as much about the shape as this many."""

SHAPE_PRIOR = np.array([0.02, 0.02, 0.05])
"""How far (x, y, depth) the detector's own mean shape may be off, as a share of the face's width."""

DISTANCE_PRIOR = (7.0, 0.2)
"""Distance of the camera in face widths: median and deviation of its logarithm; 3.5 is a webcam, 14 a studio. Few clips
turn enough to tell by themselves, and detectors place points as if every camera were near, so the prior is firm."""


@dataclass(frozen=True)
class Rigid:
    """A rigid face and where it stood."""

    shape: np.ndarray
    """float64 [N, 3], first frame's scale: pixels at unit weak perspective."""
    rotation: np.ndarray
    """[T, 3, 3] shape to camera."""
    translation: np.ndarray
    """[T, 3]."""
    camera: Pinhole


def mean_shape(meshes: np.ndarray, weights: np.ndarray, rounds: int = 4) -> np.ndarray:
    """Generalised Procrustes mean: [T, N, 3] (pixels, relative depth), weights [N] -> [N, 3].

    Zero weighted mean, axes of the picture for the frame nearest to the mean, scale of the frames' median.
    """
    shape = _centred(np.median(meshes - _centre(meshes, weights), axis=0)[None], weights)[0]
    for _ in range(rounds):
        scale, rotation, _ = weak_poses(meshes, shape, weights)
        # Bring every frame to the mean's pose; the median over frames ignores expressions and misdetections.
        back = (meshes - _centre(meshes, weights)) @ rotation / scale[:, None, None]
        size = np.sqrt((shape**2 * weights[:, None]).sum())
        shape = _centred(np.median(back, axis=0)[None], weights)[0]
        shape *= size / np.sqrt((shape**2 * weights[:, None]).sum())
    return shape


def weak_poses(meshes: np.ndarray, shape: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Similarity of `shape` onto each mesh (Umeyama 1991, weighted).

    Returns:
        scale [T], rotation [T, 3, 3], centre [T, 3]: mesh ~= scale * shape @ rotation.T + centre, for a shape whose
        weighted mean is zero.
    """
    centre = _centre(meshes, weights)
    weighted = (weights / weights.sum())[:, None] * shape
    covariance = np.swapaxes(meshes - centre, 1, 2) @ weighted
    u, singular, vt = np.linalg.svd(covariance)
    sign = np.ones((len(meshes), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None, :]) @ vt
    scale = (singular * sign).sum(axis=1) / (weighted * shape).sum()
    return scale, rotation, centre[:, 0]


def initial_poses(meshes: np.ndarray, shape: np.ndarray, weights: np.ndarray, camera: Pinhole) -> Rigid:
    """Perspective poses that start an adjustment: each mesh's similarity, its scale read as distance."""
    scale, rotation, centre = weak_poses(meshes, shape, weights)
    depth = camera.fl / scale
    translation = np.column_stack([(centre[:, 0] - camera.cx) / scale, (centre[:, 1] - camera.cy) / scale, depth])
    return Rigid(shape, rotation, translation, camera)


def bundle_adjust(
    points: np.ndarray, start: Rigid, weights: np.ndarray, noise: float, face_width: float, rounds: int = 10
) -> tuple[Rigid, float]:
    """Refine shape, poses and focal length to explain 2-D points.

    Args:
        points: [T, N, 2] pixels, all of them seen.
        start: where to begin; its shape is also the prior's mean.
        weights: [N] of each point.
        noise: expected deviation of a point, pixels; errors beyond about twice that count less and less (Cauchy).
        face_width: of the shape, in its unit; the prior's unit.

    Returns:
        The result, and its cost (for comparing starts).
    """
    frames, count = points.shape[:2]
    state, prior_mean = start, start.shape
    prior = np.tile(1 / (SHAPE_PRIOR * face_width) ** 2, count)
    deviation = DISTANCE_PRIOR[1]
    strength = weights / weights.sum() * EFFECTIVE_POINTS * min(1.0, EFFECTIVE_FRAMES / frames) / noise**2
    best, best_cost, damping = state, np.inf, 1e-3
    system = None
    for _ in range(rounds):
        in_camera = state.shape @ np.swapaxes(state.rotation, 1, 2) + state.translation[:, None]
        residual = points - state.camera.project(in_camera)
        squared = (residual**2).sum(axis=-1) / (2 * noise) ** 2
        cost = float((strength * 4 * noise**2 * np.log1p(squared)).sum())
        off_shape = (state.shape - prior_mean).ravel()
        # Distance and focal length go together (what is seen is their ratio), so the prior is one on the latter.
        off_focal = np.log(np.linalg.norm(state.translation, axis=1).mean() / face_width / DISTANCE_PRIOR[0])
        cost += float((prior * off_shape**2).sum()) + (off_focal / deviation) ** 2
        if cost < best_cost:
            converged = best_cost - cost < 1e-5 * cost
            best, best_cost, damping = state, cost, damping * 0.3
            if converged:
                break
            gradient_focal, prior_focal = -off_focal / deviation**2, 1 / deviation**2
            system = _schur(state, in_camera, residual, np.sqrt(strength / (1 + squared)))
            system.shape_hessian[np.diag_indices(3 * count + 1)] += np.append(prior, prior_focal)
            system.shape_gradient += np.append(-prior * off_shape, gradient_focal)
        else:
            damping *= 10
        assert system is not None
        state = _step(best, system, damping)
    return best, best_cost


@dataclass
class _System:
    """Normal equations of one linearisation; the last shape parameter is the logarithm of the focal length."""

    shape_hessian: np.ndarray
    shape_gradient: np.ndarray
    pose_hessian: np.ndarray
    pose_gradient: np.ndarray
    cross: np.ndarray


def _schur(state: Rigid, in_camera: np.ndarray, residual: np.ndarray, root_weight: np.ndarray) -> _System:
    frames, count = residual.shape[:2]
    by_point = state.camera.jacobian(in_camera) * root_weight[..., None, None]  # [T, N, 2, 3]
    by_pose = pose_jacobian(by_point, in_camera - state.translation[:, None])
    by_shape = by_point @ state.rotation[:, None]
    centred = (state.camera.project(in_camera) - (state.camera.cx, state.camera.cy)) * root_weight[..., None]
    target = residual * root_weight[..., None]

    flat_pose = by_pose.reshape(frames, count * 2, 6)
    flat_target, flat_focal = target.reshape(frames, -1), centred.reshape(frames, -1)
    pose_hessian = np.swapaxes(flat_pose, 1, 2) @ flat_pose
    pose_gradient = (np.swapaxes(flat_pose, 1, 2) @ flat_target[..., None])[..., 0]
    size = 3 * count + 1
    cross = np.empty((frames, size, 6))
    cross[:, :-1] = (np.swapaxes(by_shape, 2, 3) @ by_pose).reshape(frames, 3 * count, 6)
    cross[:, -1] = (flat_focal[:, None] @ flat_pose)[:, 0]
    hessian = np.zeros((size, size))
    blocks = np.einsum("tnki,tnkj->nij", by_shape, by_shape, optimize=True)
    for i in range(3):
        for j in range(3):
            hessian[i:-1:3, j:-1:3][np.diag_indices(count)] = blocks[:, i, j]
    with_focal = np.einsum("tnki,tnk->ni", by_shape, centred, optimize=True).ravel()
    hessian[-1, :-1] = hessian[:-1, -1] = with_focal
    hessian[-1, -1] = (centred**2).sum()
    gradient = np.append(np.einsum("tnki,tnk->ni", by_shape, target, optimize=True).ravel(), (centred * target).sum())
    return _System(hessian, gradient, pose_hessian, pose_gradient, cross)


def _step(state: Rigid, system: _System, damping: float) -> Rigid:
    damped = system.pose_hessian * (1 + damping * np.eye(6))
    # cross @ damped^-1 @ cross^T summed over frames, as one product of [3N+1, 6T] matrices.
    inverse = np.linalg.inv(damped)
    reduced_cross = system.cross @ inverse
    size = system.cross.shape[1]
    wide = np.moveaxis(system.cross, 0, 1).reshape(size, -1)
    reduced = system.shape_hessian - np.moveaxis(reduced_cross, 0, 1).reshape(size, -1) @ wide.T
    reduced[np.diag_indices(size)] += damping * system.shape_hessian.diagonal()
    gradient = system.shape_gradient - np.einsum("tij,tj->i", reduced_cross, system.pose_gradient, optimize=True)
    step = np.linalg.solve(reduced, gradient)
    pose_step = np.einsum("tij,tj->ti", inverse, system.pose_gradient - np.einsum("tij,i->tj", system.cross, step))
    camera = Pinhole(float(state.camera.fl * np.exp(np.clip(step[-1], -0.5, 0.5))), state.camera.cx, state.camera.cy)
    return Rigid(state.shape + step[:-1].reshape(-1, 3), *moved(state.rotation, state.translation, pose_step), camera)


def pose_jacobian(by_point: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Chain a derivative by camera coordinates [..., K, 3] to one by the pose [..., K, 6].

    A pose moves by (rotation vector applied from the left, translation); `turned` [..., 3] is rotation @ shape.
    """
    return np.concatenate([-by_point @ cross_matrix(turned), by_point], axis=-1)


def moved(rotation: np.ndarray, translation: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Apply pose steps [T, 6] of the parameterisation in `pose_jacobian`."""
    return rotation_from_vector(step[:, :3]) @ rotation, translation + step[:, 3:]


def _centre(meshes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (meshes * (weights / weights.sum())[:, None]).sum(axis=1, keepdims=True)


def _centred(meshes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return meshes - _centre(meshes, weights)

"""The 68 facial landmarks: groups, symmetry, template shape, and the measures read off them.

Order: iBUG 300-W (jaw 0:17, brows 17:27, nose 27:36, eyes 36:48, mouth 48:68), left to right in the image of a person
who faces the camera. Frame and unit: docs/conventions.md.
"""

from __future__ import annotations

import numpy as np

JAW = slice(0, 17)
BROWS = slice(17, 27)
NOSE = slice(27, 36)
EYES = slice(36, 48)
LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)
"""Each eye, the one on the image's left first."""
UPPER_LIDS, LOWER_LIDS = [37, 38, 43, 44], [41, 40, 47, 46]
"""Points of the lids, each upper one above its lower one."""
MOUTH = slice(48, 68)
OUTER_LIPS = slice(48, 60)
INNER_LIPS = slice(60, 68)
INNER_UPPER_LIP, INNER_LOWER_LIP = [61, 62, 63], [67, 66, 65]
"""Points of the inner lips between the corners, each upper one above its lower one."""
OUTER_UPPER_LIP, OUTER_LOWER_LIP = [50, 51, 52], [55, 56, 57, 58, 59]
"""Points of the outer lips that rise and fall with the mouth's opening."""
MOUTH_CORNERS = (48, 54)
"""The outer lips' corners, the one on the image's left first."""
CHIN = slice(6, 11)
"""The part of the jaw that goes down with the mouth."""
STILL = [*range(0, 4), *range(13, 17), *range(27, 36)]
"""The jaw's ends and the nose: what hardly moves in a face that speaks."""
OUTLINES = (
    *(range(0, 17), range(17, 22), range(22, 27), range(27, 31), range(31, 36)),
    *([*range(36, 42), 36], [*range(42, 48), 42], [*range(48, 60), 48], [*range(60, 68), 60]),
)
"""The lines that a drawing of the face consists of: jaw, brows, nose, eyes, lips."""

_MIRRORED_GROUPS = (
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31],  # jaw, brows, nose
    [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],  # eyes
    [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65],  # mouth
)
MIRROR = np.concatenate(_MIRRORED_GROUPS)
"""Index of each point's mirror image: `landmarks[MIRROR] * [-1, 1, 1]` is the face seen in a mirror."""

# The neutral points of MediaPipe's canonical face model (Apache-2.0), moved to our frame and scaled to face width 1.
TEMPLATE = np.array(
    [
        # jaw
        [-0.500, 0.235, 0.000],
        [-0.495, 0.125, -0.028],
        [-0.487, 0.014, -0.028],
        [-0.434, -0.227, 0.017],
        [-0.384, -0.320, 0.089],
        [-0.328, -0.382, 0.176],
        [-0.207, -0.469, 0.310],
        [-0.083, -0.518, 0.394],
        [0.000, -0.525, 0.405],
        [0.083, -0.518, 0.394],
        [0.207, -0.469, 0.310],
        [0.328, -0.382, 0.176],
        [0.384, -0.320, 0.089],
        [0.434, -0.227, 0.017],
        [0.487, 0.014, -0.028],
        [0.495, 0.125, -0.028],
        [0.500, 0.235, 0.000],
        # brows
        [-0.412, 0.391, 0.232],
        [-0.322, 0.392, 0.372],
        [-0.257, 0.412, 0.418],
        [-0.178, 0.411, 0.453],
        [-0.090, 0.406, 0.473],
        [0.090, 0.406, 0.473],
        [0.178, 0.411, 0.453],
        [0.257, 0.412, 0.418],
        [0.322, 0.392, 0.372],
        [0.412, 0.391, 0.232],
        # nose
        [0.000, 0.293, 0.468],
        [0.000, 0.194, 0.537],
        [0.000, 0.106, 0.597],
        [0.000, 0.052, 0.619],
        [-0.067, -0.013, 0.495],
        [-0.039, -0.048, 0.508],
        [0.000, -0.053, 0.521],
        [0.039, -0.048, 0.508],
        [0.067, -0.013, 0.495],
        # eyes
        [-0.287, 0.254, 0.334],
        [-0.237, 0.271, 0.370],
        [-0.176, 0.273, 0.379],
        [-0.120, 0.249, 0.372],
        [-0.176, 0.232, 0.373],
        [-0.237, 0.234, 0.364],
        [0.120, 0.249, 0.372],
        [0.176, 0.273, 0.379],
        [0.237, 0.271, 0.370],
        [0.287, 0.254, 0.334],
        [0.237, 0.234, 0.364],
        [0.176, 0.232, 0.373],
        # mouth
        [-0.159, -0.198, 0.406],
        [-0.092, -0.144, 0.484],
        [-0.046, -0.133, 0.509],
        [0.000, -0.138, 0.516],
        [0.046, -0.133, 0.509],
        [0.092, -0.144, 0.484],
        [0.159, -0.198, 0.406],
        [0.086, -0.248, 0.466],
        [0.045, -0.260, 0.481],
        [0.000, -0.264, 0.487],
        [-0.045, -0.260, 0.481],
        [-0.086, -0.248, 0.466],
        [-0.139, -0.194, 0.390],
        [-0.034, -0.176, 0.461],
        [0.000, -0.176, 0.467],
        [0.034, -0.176, 0.461],
        [0.139, -0.194, 0.390],
        [0.038, -0.210, 0.474],
        [0.000, -0.211, 0.478],
        [-0.038, -0.210, 0.474],
    ],
    dtype=np.float32,
)
"""float32 [68, 3]: a neutral face with a shut mouth. Origin between the ears at the height of the points' mean; one
unit is the face width (points 0 to 16)."""


def fit_similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The similarity that best moves `source` onto `target` in least squares (Umeyama, PAMI 1991).

    Args:
        source, target: [N, D] corresponding points, D of 2 or 3.

    Returns:
        scale, rotation [D, D] (determinant +1), translation [D], such that
        target ~= scale * source @ rotation.T + translation.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(b.T @ a / len(a))
    sign = np.ones(a.shape[1])
    sign[-1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign) @ vt
    scale = float((singular * sign).sum() / (a**2).sum(axis=1).mean())
    return scale, rotation, target_mean - scale * rotation @ source_mean


def mouth_opening(landmarks: np.ndarray) -> np.ndarray:
    """Height between the inner lips: [..., 68, D] -> [...], in the unit of the landmarks.

    The mean of the three inner pairs (61-67, 62-66, 63-65).
    """
    gaps = landmarks[..., INNER_UPPER_LIP, :] - landmarks[..., INNER_LOWER_LIP, :]
    return np.linalg.norm(gaps, axis=-1).mean(axis=-1)


def mouth_width(landmarks: np.ndarray) -> np.ndarray:
    """Distance between the mouth's outer corners: [..., 68, D] -> [...]."""
    left, right = MOUTH_CORNERS
    return np.linalg.norm(landmarks[..., right, :] - landmarks[..., left, :], axis=-1)


def face_width(landmarks: np.ndarray) -> np.ndarray:
    """Distance between the jaw's ends: [..., 68, D] -> [...]."""
    return np.linalg.norm(landmarks[..., 16, :] - landmarks[..., 0, :], axis=-1)


def eye_openness(landmarks: np.ndarray) -> np.ndarray:
    """Height over width of each eye: [..., 68, D] -> [..., 2], the eye on the image's left first.

    The eye aspect ratio of Soukupova and Cech (CVWW 2016).
    """
    ratios = []
    for corner in (36, 42):
        eye = landmarks[..., corner : corner + 6, :]
        height = np.linalg.norm(eye[..., [1, 2], :] - eye[..., [5, 4], :], axis=-1).mean(axis=-1)
        ratios.append(height / np.linalg.norm(eye[..., 3, :] - eye[..., 0, :], axis=-1))
    return np.stack(ratios, axis=-1)

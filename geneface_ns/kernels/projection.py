"""Gaussians in space as Gaussians in pictures (EWA splatting): the twin of `splat.reference.project`.

Cameras as gsplat's: x right, y down, z into the picture. A Gaussian that nothing could be seen of has radius zero, and
so has one that holds no numbers: whatever comes after makes addresses of them, and therefore nothing here is compiled
as if all were finite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geneface_ns.kernels.run import at_once, kernel

ZERO, HALF, ONE, TWO, THREE = (np.float32(x) for x in (0, 0.5, 1, 2, 3))
MARGIN = np.float32(0.3)
"""Beside the picture, in half pictures, up to which the perspective's slope is followed."""
LEAST_SPREAD, LEAST_DETERMINANT = np.float32(0.01), np.float32(1e-10)
BLOCK = 2048
"""Gaussians a thread works on at a time."""


class Project(torch.autograd.Function):
    """Means [N, 3], quats [N, 4], scales [N, 3] through cameras [C, 4, 4], [C, 3, 3] -> means2d [C, N, 2], conics
    [C, N, 3], depths [C, N], radii int32 [C, N]. The first two have gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        viewmats: Tensor,
        intrinsics: Tensor,
        width: int,
        height: int,
        eps2d: float,
        planes: tuple[float, float],
        threads: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        cameras, count = len(viewmats), len(means)
        given = tuple(x.detach().contiguous().numpy() for x in (means, quats, scales, viewmats, intrinsics))
        means2d, conics = torch.zeros(cameras, count, 2), torch.zeros(cameras, count, 3)
        depths, radii = torch.zeros(cameras, count), torch.zeros(cameras, count, dtype=torch.int32)
        results = tuple(x.numpy() for x in (means2d, conics, depths, radii))
        limits = np.array([width, height, eps2d, *planes], np.float32)

        def some(begin: int) -> None:
            _project(begin, min(begin + BLOCK, count), given, limits, results)

        at_once(some, range(0, count, BLOCK), threads)
        ctx.given, ctx.limits, ctx.threads, ctx.radii = given, limits, threads, results[3]
        ctx.mark_non_differentiable(depths, radii)
        return means2d, conics, depths, radii

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        count = len(ctx.given[0])
        to_means2d, to_conics = (x.contiguous().numpy() for x in gradients[:2])
        results = torch.zeros(count, 3), torch.zeros(count, 4), torch.zeros(count, 3)
        arrays = tuple(x.numpy() for x in results)

        def some(begin: int) -> None:
            end = min(begin + BLOCK, count)
            _project_backward(begin, end, ctx.given, ctx.limits, ctx.radii, to_means2d, to_conics, arrays)

        at_once(some, range(0, count, BLOCK), ctx.threads)
        return (*results, *[None] * 7)


@kernel
def _rotation(quat, result):  # type: ignore[no-untyped-def]
    """The rotation of a quaternion w, x, y, z of any length; returns that length."""
    length = np.float32(math.sqrt(quat[0] * quat[0] + quat[1] * quat[1] + quat[2] * quat[2] + quat[3] * quat[3]))
    if not length > ZERO:
        return ZERO
    w, x, y, z = quat[0] / length, quat[1] / length, quat[2] / length, quat[3] / length
    result[0, 0], result[0, 1], result[0, 2] = ONE - TWO * (y * y + z * z), TWO * (x * y - w * z), TWO * (x * z + w * y)
    result[1, 0], result[1, 1], result[1, 2] = TWO * (x * y + w * z), ONE - TWO * (x * x + z * z), TWO * (y * z - w * x)
    result[2, 0], result[2, 1], result[2, 2] = TWO * (x * z - w * y), TWO * (y * z + w * x), ONE - TWO * (x * x + y * y)
    return length


@kernel
def _held(along, depth, focal, centre, size):  # type: ignore[no-untyped-def]
    """A coordinate held near the picture, as the slope of the perspective is taken there; and whether it was far."""
    margin = MARGIN * HALF * size / focal
    low, high = -(centre / focal + margin), (size - centre) / focal + margin
    slope = along / depth
    if slope < low:
        return low * depth, True
    if slope > high:
        return high * depth, True
    return along, False


@kernel
def _flatten(place, view, lens, limits, rotation, scale, jacobian, flat, shape):  # type: ignore[no-untyped-def]
    """What a Gaussian at a place in front of a camera looks like: [2, 3] `flat` = jacobian of the camera, `shape` =
    flat rotation scale, whose product with itself is the covariance in pixels. Returns where the slope is held."""
    x, y, z = place
    held_x, far_x = _held(x, z, lens[0, 0], lens[0, 2], limits[0])
    held_y, far_y = _held(y, z, lens[1, 1], lens[1, 2], limits[1])
    jacobian[0, 0], jacobian[0, 1], jacobian[0, 2] = lens[0, 0] / z, ZERO, -lens[0, 0] * held_x / (z * z)
    jacobian[1, 0], jacobian[1, 1], jacobian[1, 2] = ZERO, lens[1, 1] / z, -lens[1, 1] * held_y / (z * z)
    for i in range(2):
        for j in range(3):
            flat[i, j] = jacobian[i, i] * view[i, j] + jacobian[i, 2] * view[2, j]
    for i in range(2):
        for k in range(3):
            shape[i, k] = scale[k] * (
                flat[i, 0] * rotation[0, k] + flat[i, 1] * rotation[1, k] + flat[i, 2] * rotation[2, k]
            )
    return far_x, far_y


@kernel
def _place(mean, view):  # type: ignore[no-untyped-def]
    """A point in a camera's frame."""
    x = view[0, 0] * mean[0] + view[0, 1] * mean[1] + view[0, 2] * mean[2] + view[0, 3]
    y = view[1, 0] * mean[0] + view[1, 1] * mean[1] + view[1, 2] * mean[2] + view[1, 3]
    z = view[2, 0] * mean[0] + view[2, 1] * mean[1] + view[2, 2] * mean[2] + view[2, 3]
    return x, y, z


@kernel
def _project(begin, end, scene, limits, results):  # type: ignore[no-untyped-def]
    means, quats, scales, viewmats, lenses = scene
    means2d, conics, depths, radii = results
    rotation, jacobian = np.empty((3, 3), np.float32), np.empty((2, 3), np.float32)
    flat, shape = np.empty((2, 3), np.float32), np.empty((2, 3), np.float32)
    width, height, eps2d, near, far = limits
    for camera in range(len(viewmats)):
        view, lens = viewmats[camera], lenses[camera]
        for n in range(begin, end):
            x, y, z = place = _place(means[n], view)
            if not (z > near and z < far) or not _rotation(quats[n], rotation) > ZERO:
                continue
            _flatten(place, view, lens, limits, rotation, scales[n], jacobian, flat, shape)
            a = shape[0, 0] * shape[0, 0] + shape[0, 1] * shape[0, 1] + shape[0, 2] * shape[0, 2] + eps2d
            b = shape[0, 0] * shape[1, 0] + shape[0, 1] * shape[1, 1] + shape[0, 2] * shape[1, 2]
            c = shape[1, 0] * shape[1, 0] + shape[1, 1] * shape[1, 1] + shape[1, 2] * shape[1, 2] + eps2d
            determinant = max(a * c - b * b, LEAST_DETERMINANT)
            middle = HALF * (a + c)
            widest = middle + np.float32(math.sqrt(max(middle * middle - determinant, LEAST_SPREAD)))
            radius = np.float32(math.ceil(THREE * math.sqrt(widest)))
            u, v = lens[0, 0] * x / z + lens[0, 2], lens[1, 1] * y / z + lens[1, 2]
            if not (u + radius > ZERO and u - radius < width and v + radius > ZERO and v - radius < height):
                continue
            if not radius < np.float32(1e6):
                continue
            means2d[camera, n, 0], means2d[camera, n, 1] = u, v
            conics[camera, n, 0], conics[camera, n, 1] = c / determinant, -b / determinant
            conics[camera, n, 2] = a / determinant
            depths[camera, n], radii[camera, n] = z, int(radius)


@kernel
def _project_backward(begin, end, scene, limits, radii, to_means2d, to_conics, results):  # type: ignore[no-untyped-def]
    means, quats, scales, viewmats, lenses = scene
    to_means, to_quats, to_scales = results
    rotation, jacobian = np.empty((3, 3), np.float32), np.empty((2, 3), np.float32)
    flat, shape = np.empty((2, 3), np.float32), np.empty((2, 3), np.float32)
    to_shape, to_flat = np.empty((2, 3), np.float32), np.empty((2, 3), np.float32)
    to_rotation = np.empty((3, 3), np.float32)
    for n in range(begin, end):
        to_rotation[:] = ZERO
        length = _rotation(quats[n], rotation)
        scale = scales[n]
        for camera in range(len(viewmats)):
            if radii[camera, n] <= 0:
                continue
            view, lens = viewmats[camera], lenses[camera]
            x, y, z = place = _place(means[n], view)
            far_x, far_y = _flatten(place, view, lens, limits, rotation, scale, jacobian, flat, shape)
            _to_covariance(shape, limits[2], to_conics[camera, n], to_shape)
            for i in range(2):
                for j in range(3):
                    to_flat[i, j] = ZERO
                    for k in range(3):
                        to_flat[i, j] += to_shape[i, k] * rotation[j, k] * scale[k]
            for k in range(3):
                turned = ZERO
                for j in range(3):
                    pulled = flat[0, j] * to_shape[0, k] + flat[1, j] * to_shape[1, k]
                    turned += rotation[j, k] * pulled
                    to_rotation[j, k] += scale[k] * pulled
                to_scales[n, k] += turned
            fx, fy, u, v = lens[0, 0], lens[1, 1], to_means2d[camera, n, 0], to_means2d[camera, n, 1]
            to_x, to_y = u * fx / z, v * fy / z
            to_z = -(to_x * x + to_y * y) / z
            # The camera's jacobian: its diagonal, then its last column, of a coordinate that may be held.
            for i in range(2):
                focal = fx if i == 0 else fy
                to_slope, to_held = ZERO, ZERO
                for j in range(3):
                    to_slope += to_flat[i, j] * view[i, j]
                    to_held += to_flat[i, j] * view[2, j]
                held = -jacobian[i, 2] * z * z / focal
                to_z += -to_slope * focal / (z * z) + TWO * to_held * focal * held / (z * z * z)
                to_held *= -focal / (z * z)
                if far_x if i == 0 else far_y:
                    to_z += to_held * held / z
                elif i == 0:
                    to_x += to_held
                else:
                    to_y += to_held
            for j in range(3):
                to_means[n, j] += view[0, j] * to_x + view[1, j] * to_y + view[2, j] * to_z
        if length > ZERO:
            _to_quat(quats[n], length, to_rotation, to_quats[n])


@kernel
def _to_covariance(shape, eps2d, given, result):  # type: ignore[no-untyped-def]
    """The gradient of the inverse of shape shape^T + eps2d as one of the shape."""
    a = shape[0, 0] * shape[0, 0] + shape[0, 1] * shape[0, 1] + shape[0, 2] * shape[0, 2] + eps2d
    b = shape[0, 0] * shape[1, 0] + shape[0, 1] * shape[1, 1] + shape[0, 2] * shape[1, 2]
    c = shape[1, 0] * shape[1, 0] + shape[1, 1] * shape[1, 1] + shape[1, 2] * shape[1, 2] + eps2d
    determinant = max(a * c - b * b, LEAST_DETERMINANT)
    a, b, c = c / determinant, -b / determinant, a / determinant  # now the inverse's
    p, q, r = given[0], HALF * given[1], given[2]
    left, right, low_left, low_right = a * p + b * q, a * q + b * r, b * p + c * q, b * q + c * r
    to_a = -(left * a + right * b)
    to_b = -(left * b + right * c)
    to_c = -(low_left * b + low_right * c)
    for k in range(3):
        result[0, k] = TWO * (to_a * shape[0, k] + to_b * shape[1, k])
        result[1, k] = TWO * (to_b * shape[0, k] + to_c * shape[1, k])


@kernel
def _to_quat(quat, length, given, result):  # type: ignore[no-untyped-def]
    """The gradient of a quaternion's rotation as one of the quaternion, which may have any length."""
    w, x, y, z = quat[0] / length, quat[1] / length, quat[2] / length, quat[3] / length
    to_w = TWO * (x * (given[2, 1] - given[1, 2]) + y * (given[0, 2] - given[2, 0]) + z * (given[1, 0] - given[0, 1]))
    to_x = TWO * (
        y * (given[0, 1] + given[1, 0])
        + z * (given[0, 2] + given[2, 0])
        + w * (given[2, 1] - given[1, 2])
        - TWO * x * (given[1, 1] + given[2, 2])
    )
    to_y = TWO * (
        x * (given[0, 1] + given[1, 0])
        + z * (given[1, 2] + given[2, 1])
        + w * (given[0, 2] - given[2, 0])
        - TWO * y * (given[0, 0] + given[2, 2])
    )
    to_z = TWO * (
        x * (given[0, 2] + given[2, 0])
        + y * (given[1, 2] + given[2, 1])
        + w * (given[1, 0] - given[0, 1])
        - TWO * z * (given[0, 0] + given[1, 1])
    )
    along = w * to_w + x * to_x + y * to_y + z * to_z  # longer or shorter, it turns as far
    result[0], result[1] = (to_w - along * w) / length, (to_x - along * x) / length
    result[2], result[3] = (to_y - along * y) / length, (to_z - along * z) / length

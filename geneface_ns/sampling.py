"""Where along the rays to look: pinhole rays, the head's box, an occupancy grid, and compaction to what is occupied."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geneface_ns.fields.grids import to_unit


def pinhole_directions(pixels: Tensor, focal: tuple[float, float], centre: tuple[float, float]) -> Tensor:
    """Unit ray directions in the camera's frame (OpenGL: looks along -z).

    Args:
        pixels: [N, 2] x, y; a pixel's centre is at +0.5.
        focal, centre: pixels.

    Returns:
        [N, 3].
    """
    x = (pixels[:, 0] - centre[0]) / focal[0]
    y = -(pixels[:, 1] - centre[1]) / focal[1]
    return F.normalize(torch.stack([x, y, -torch.ones_like(x)], dim=-1), dim=-1)


def box_span(origins: Tensor, directions: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave a box (slab test).

    Args:
        origins, directions: [N, 3].
        box: [2, 3].

    Returns:
        near, far [N]; far <= near where the ray misses.
    """
    inverse = 1 / torch.where(directions.abs() < 1e-9, torch.full_like(directions, 1e-9), directions)
    a, b = (box[0] - origins) * inverse, (box[1] - origins) * inverse
    near = torch.minimum(a, b).amax(dim=-1).clamp_min(0)
    return near, torch.maximum(a, b).amin(dim=-1)


class Samples(NamedTuple):
    """Occupied samples of R rays with S slots each, compacted to M."""

    points: Tensor
    """[M, 3], ordered by ray, then by depth."""
    ray: Tensor
    """int64 [M]."""
    depth: Tensor
    """[M] distance along the ray."""
    mask: Tensor
    """bool [R, S]: which slots the M samples fill, in row-major order."""
    step: float
    """Distance between slots."""


class Occupancy(nn.Module):
    """A dense grid over the head's box that says where samples are worth their while.

    It begins as the visual hull of the head masks. Training then notes how much each cell's samples weigh in their
    pixels, as a decaying maximum over frames and rays, and cells that weigh nothing are dropped: the air in front of
    the face and the inside of the head alike, whatever density the field has there.
    """

    weight: Tensor
    occupied: Tensor
    hull: Tensor
    box: Tensor

    def __init__(self, box: Tensor, resolution: int, step: float) -> None:
        """
        Args:
            box: [2, 3], head frame.
            resolution: cells along each axis.
            step: distance between samples, units.
        """
        super().__init__()
        self.resolution = resolution
        self.step = step
        cells = (resolution,) * 3
        self.register_buffer("box", box)
        self.register_buffer("hull", torch.ones(cells, dtype=torch.bool))
        self.register_buffer("weight", torch.zeros(cells))
        self.register_buffer("occupied", torch.ones(cells, dtype=torch.bool))

    def centres(self) -> Tensor:
        """[R, R, R, 3] positions of the cells' centres, indexed z, y, x."""
        steps = (torch.arange(self.resolution, device=self.box.device) + 0.5) / self.resolution
        z, y, x = torch.meshgrid(steps, steps, steps, indexing="ij")
        return torch.stack([x, y, z], dim=-1) * (self.box[1] - self.box[0]) + self.box[0]

    @torch.no_grad()
    def carve(
        self, masks: Tensor, c2w: Tensor, focal: tuple[float, float], centre: tuple[float, float], keep: float = 0.97
    ) -> None:
        """Start from the visual hull: cells seen inside the head in at least `keep` of the views.

        Args:
            masks: bool [V, H, W], already widened by the margin that tracking and motion need.
            c2w: [V, 4, 4].
            focal, centre: pixels.
        """
        points = self.centres().reshape(-1, 3)
        _, height, width = masks.shape
        seen = torch.zeros(len(points), device=points.device)
        for mask, pose in zip(masks, c2w, strict=True):
            local = (points - pose[:3, 3]) @ pose[:3, :3]
            x = local[:, 0] / -local[:, 2] * focal[0] + centre[0]
            y = -local[:, 1] / -local[:, 2] * focal[1] + centre[1]
            column = x.floor().long().clamp(0, width - 1)
            row = y.floor().long().clamp(0, height - 1)
            seen += mask[row, column]
        self.hull.copy_((seen >= keep * len(masks)).reshape(self.hull.shape))
        self.occupied.copy_(self.hull)

    def _cells(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Indices z, y, x of the cells that hold points [N, 3]; the last cell's far face belongs to it."""
        cell = to_unit(points, self.box).add(1).mul(0.5 * self.resolution).long().clamp_(0, self.resolution - 1)
        return cell[:, 2], cell[:, 1], cell[:, 0]

    @torch.no_grad()
    def note(self, points: Tensor, weight: Tensor) -> None:
        """Raise the cells of samples [M, 3] to the samples' weights [M]."""
        z, y, x = self._cells(points)
        self.weight.view(-1).scatter_reduce_(0, (z * self.resolution + y) * self.resolution + x, weight, "amax")

    @torch.no_grad()
    def prune(self, threshold: float, decay: float) -> None:
        """Keep the cells whose weight exceeds `threshold`, with one cell of margin so that surfaces can move back into
        cells dropped before; then let all weights decay."""
        visible = (self.weight > threshold).float()[None, None]
        self.occupied.copy_((F.max_pool3d(visible, 3, stride=1, padding=1)[0, 0] > 0) & self.hull)
        self.weight *= decay

    @torch.no_grad()
    def image_mask(
        self, c2w: Tensor, focal: tuple[float, float], centre: tuple[float, float], size: tuple[int, int]
    ) -> Tensor:
        """Pixels of a pinhole camera whose rays can meet an occupied cell.

        Args:
            c2w: [4, 4].
            focal, centre: pixels.
            size: width and height.

        Returns:
            bool [H, W].
        """
        width, height = size
        half_cell = float((self.box[1] - self.box[0]).norm()) / (2 * self.resolution)
        local = (self.centres()[self.occupied] - c2w[:3, 3]) @ c2w[:3, :3]
        local = local[local[:, 2] < -half_cell]  # in front of the camera
        seen = torch.zeros(height, width, dtype=torch.bool, device=c2w.device)
        if len(local) == 0:
            return seen
        x = local[:, 0] / -local[:, 2] * focal[0] + centre[0]
        y = -local[:, 1] / -local[:, 2] * focal[1] + centre[1]
        # A cell's sphere covers this many pixels around its centre; seen from very near, all.
        reach = int(min(half_cell * max(focal) / float((-local[:, 2]).amin()) + 1, max(size)))
        near = (x > -reach) & (x < width + reach) & (y > -reach) & (y < height + reach)
        seen[y[near].long().clamp(0, height - 1), x[near].long().clamp(0, width - 1)] = True
        return F.max_pool2d(seen[None, None].float(), 2 * reach + 1, stride=1, padding=reach)[0, 0] > 0

    def sample(self, origins: Tensor, directions: Tensor, jitter: bool, step: float | None = None) -> Samples:
        """Samples every `step` along the rays inside the box, those in occupied cells.

        Args:
            origins, directions: [N, 3].
            jitter: shift each ray's samples by a random part of a step (training); otherwise by half a step.
            step: another distance than the grid's own (coarser, at the start of training).
        """
        step = step or self.step
        near, far = box_span(origins, directions, self.box)
        longest = float((far - near).max()) if len(near) else 0.0
        slots = max(1, int(longest / step) + 1)
        shift = torch.rand_like(near) if jitter else torch.full_like(near, 0.5)
        depth = near[:, None] + (torch.arange(slots, device=near.device) + shift[:, None]) * step
        inside = depth < far[:, None]
        ray, slot = inside.nonzero(as_tuple=True)
        distance = depth[ray, slot]
        points = torch.addcmul(origins[ray], distance[:, None], directions[ray])
        occupied = self.occupied[self._cells(points)]
        mask = torch.zeros_like(inside).masked_scatter_(inside, occupied)
        return Samples(points[occupied], ray[occupied], distance[occupied], mask, step)


def render_weights(samples: Samples, density: Tensor) -> Tensor:
    """How much each sample weighs in its pixel (emission-absorption, Max, TVCG 1995).

    Args:
        density: [M] per unit length.

    Returns:
        [M]; differentiable in density.
    """
    optical = torch.zeros_like(samples.mask, dtype=density.dtype).masked_scatter(samples.mask, density * samples.step)
    before = optical.cumsum(dim=1) - optical
    return (torch.exp(-before) * -torch.expm1(-optical)).masked_select(samples.mask)


def accumulate(samples: Samples, weight: Tensor, colour: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sum weighted samples along their rays.

    Args:
        weight: [M]; colour: [M, 3].

    Returns:
        colour [R, 3] premultiplied by opacity, opacity [R], depth [R] premultiplied; differentiable in both.
    """
    rows = torch.cat([colour, torch.ones_like(weight)[:, None], samples.depth[:, None]], dim=1) * weight[:, None]
    sums = weight.new_zeros(len(samples.mask), 5).index_add(0, samples.ray, rows)
    return sums[:, :3], sums[:, 3], sums[:, 4]


def distortion(samples: Samples, weight: Tensor) -> Tensor:
    """How far each ray's weight is spread along it, mean over rays (Mip-NeRF 360, Barron et al., CVPR 2022, eq. 15).

    A talking head turns by a few degrees only, which leaves its depth loose: without this a face is a fog half a head
    deep, slow to render and swimming when it turns.

    Args:
        weight: [M].

    Returns:
        Scalar, face widths; differentiable in weight.
    """
    dense = torch.zeros_like(samples.mask, dtype=weight.dtype).masked_scatter(samples.mask, weight)
    place = torch.arange(dense.shape[1], device=weight.device) * samples.step
    moment = dense * place
    before, moment_before = dense.cumsum(dim=1) - dense, moment.cumsum(dim=1) - moment
    between = 2 * (moment * before - dense * moment_before).sum(dim=1)
    within = dense.square().sum(dim=1) * (samples.step / 3)
    return (between + within).mean()

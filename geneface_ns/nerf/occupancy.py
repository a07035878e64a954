"""Where samples are worth their while: a dense occupancy grid over the head's box."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from geneface_ns.kernels.run import usable
from geneface_ns.kernels.samples import occupied_samples
from geneface_ns.nerf.volume import Samples, box_span
from geneface_ns.scene.grids import to_unit

SMALLEST_PART = 0.02
"""Of the largest number of cells that hang together: fewer, apart from it, are no part of a head."""
WIDEST_REACH = 16
"""Pixels, or blocks of pixels, by which `Occupancy.image_mask` widens what it sees."""


class Occupancy(nn.Module):
    """A dense grid over the head's box that says where samples are worth their while.

    It begins as the visual hull of the head masks. Training then notes how much each cell's samples weigh in their
    pixels, as a decaying maximum over frames and rays, and cells that weigh nothing are dropped: the air in front of
    the face and the inside of the head alike, whatever density the field has there. What few frames show comes back:
    the margin grows beyond the hull where pictures ask for it, and some rays look through the whole box.
    """

    weight: Tensor
    occupied: Tensor
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
        self.register_buffer("weight", torch.zeros(cells))
        self.register_buffer("occupied", torch.ones(cells, dtype=torch.bool))
        self._known_centres: tuple[Tensor, int, Tensor] | None = None

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
        self.occupied.copy_((seen >= keep * len(masks)).reshape(self.occupied.shape))

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
        """Keep the cells whose weight exceeds `threshold`, and the six beside each so that surfaces can move back into
        cells dropped before; then let all weights decay. (With all 26 around each a quarter of the samples more are
        taken, and pictures come out alike.) What floats apart from the head is dropped whatever it weighs: specks of
        the background's colour, which cost nothing before that background and show before any other."""
        visible = _attached(self.weight > threshold)
        kept = visible.clone()
        for axis in range(3):
            along, kept_along = visible.transpose(0, axis), kept.transpose(0, axis)
            kept_along[1:] |= along[:-1]
            kept_along[:-1] |= along[1:]
        self.occupied.copy_(kept)
        self.weight *= decay

    @torch.no_grad()
    def image_mask(
        self, c2w: Tensor, focal: tuple[float, float], centre: tuple[float, float], size: tuple[int, int]
    ) -> Tensor:
        """Pixels of a pinhole camera whose rays can meet an occupied cell, and some beside them.

        Args:
            c2w: [4, 4].
            focal, centre: pixels.
            size: width and height.

        Returns:
            bool [H, W].
        """
        width, height = size
        half_cell = float((self.box[1] - self.box[0]).norm()) / (2 * self.resolution)
        local = (self._occupied_centres() - c2w[:3, 3]) @ c2w[:3, :3]
        local = local[local[:, 2] < -half_cell]  # in front of the camera
        if len(local) == 0:
            return torch.zeros(height, width, dtype=torch.bool, device=c2w.device)
        x = local[:, 0] / -local[:, 2] * focal[0] + centre[0]
        y = -local[:, 1] / -local[:, 2] * focal[1] + centre[1]
        # A cell's sphere covers this many pixels around its centre; seen from very near, all.
        reach = int(min(half_cell * max(focal) / float((-local[:, 2]).amin()) + 1, max(size)))
        near = (x > -reach) & (x < width + reach) & (y > -reach) & (y < height + reach)
        # In blocks of pixels where cells are large in the picture: widening costs its reach.
        block = -(-reach // WIDEST_REACH)
        seen = torch.zeros(1, -(-height // block), -(-width // block), device=c2w.device)
        seen[0, y[near].long().clamp(0, height - 1) // block, x[near].long().clamp(0, width - 1) // block] = 1
        widened = _widened(seen, -(-reach // block))[0] > 0
        return widened.repeat_interleave(block, dim=0)[:height].repeat_interleave(block, dim=1)[:, :width]

    def _occupied_centres(self) -> Tensor:
        """[N, 3] centres of the occupied cells, computed anew when `occupied` has been written or moved."""
        known = self._known_centres
        if known is None or known[0] is not self.occupied or known[1] != self.occupied._version:
            known = (self.occupied, self.occupied._version, self.centres()[self.occupied])
            self._known_centres = known
        return known[2]

    def sample(
        self,
        origins: Tensor,
        directions: Tensor,
        jitter: torch.Generator | None = None,
        step: float | None = None,
        open_every: int = 0,
    ) -> Samples:
        """Samples every `step` along the rays inside the box, those in occupied cells.

        Args:
            origins, directions: [N, 3].
            jitter: shifts each ray's samples by a random part of a step (training); otherwise by half a step.
            step: another distance than the grid's own (coarser, at the start of training).
            open_every: one ray in so many is sampled in empty cells as well; 0: none.
        """
        step = step or self.step
        near, far = box_span(origins, directions, self.box)
        shift = (
            torch.full_like(near, 0.5)
            if jitter is None
            else torch.rand(near.shape, generator=jitter, device=near.device, dtype=near.dtype)
        )
        if usable(origins, directions):
            lines = (origins, directions, (near, far), shift, step, self.box, self.occupied, open_every)
            return Samples(*occupied_samples(*lines), step)
        longest = float((far - near).max()) if len(near) else 0.0
        slots = max(1, int(longest / step) + 1)
        depth = near[:, None] + (torch.arange(slots, device=near.device) + shift[:, None]) * step
        ray, slot = (depth < far[:, None]).nonzero(as_tuple=True)
        distance = depth[ray, slot]
        points = torch.addcmul(origins[ray], distance[:, None], directions[ray])
        occupied = self.occupied[self._cells(points)]
        if open_every:
            occupied |= ray % open_every == 0
        ray = ray[occupied]
        first = torch.searchsorted(ray, torch.arange(len(near) + 1, device=near.device))
        return Samples(points[occupied], ray, distance[occupied], first, step)


def _attached(cells: Tensor) -> Tensor:
    """Those of some cells, bool [R, R, R], that hang together in large parts, corners included."""
    labels, count = ndimage.label(cells.cpu().numpy(), structure=np.ones((3, 3, 3)))
    if count < 2:
        return cells
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return torch.from_numpy((sizes >= max(1, SMALLEST_PART * sizes.max()))[labels]).to(cells.device)


def _widened(seen: Tensor, reach: int) -> Tensor:
    """Maximum over the square of `reach` pixels around each pixel, [1, H, W]: rows first, then columns."""
    rows = F.max_pool2d(seen, (1, 2 * reach + 1), stride=1, padding=(0, reach))
    return F.max_pool2d(rows, (2 * reach + 1, 1), stride=1, padding=(reach, 0))

"""The rasteriser in plain torch, every Gaussian in every pixel: what the kernels are compared with. Any precision."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from geneface_ns.kernels.projection import LEAST_DETERMINANT, MARGIN
from geneface_ns.kernels.shading import DARK, MOST


def project(
    means: Tensor, quats: Tensor, scales: Tensor, viewmats: Tensor, Ks: Tensor, size: tuple[int, int], eps2d: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Gaussians as they look in pictures (EWA splatting, Zwicker et al., 2001), none left out.

    Args:
        means: [N, 3]; quats: [N, 4] w, x, y, z; scales: [N, 3].
        viewmats: [C, 4, 4]; Ks: [C, 3, 3].
        size: width and height, px.

    Returns:
        means2d [C, N, 2], conics [C, N, 3], depths [C, N]; differentiable.
    """
    w, x, y, z = F.normalize(quats, dim=-1).unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    shape = torch.stack(rows, dim=-1).view(-1, 3, 3) * scales[:, None, :]
    rotation = viewmats[:, :3, :3]
    places = means @ rotation.transpose(1, 2) + viewmats[:, None, :3, 3]  # [C, N, 3]
    depths = places[..., 2]
    focal, centre = Ks[:, None, [0, 1], [0, 1]], Ks[:, None, :2, 2]
    extent = torch.tensor(size, dtype=means.dtype)
    margin = float(MARGIN) * 0.5 * extent / focal
    slope = places[..., :2] / depths[..., None]
    held = torch.minimum(torch.maximum(slope, -centre / focal - margin), (extent - centre) / focal + margin)
    jacobian = torch.cat(
        [torch.diag_embed(focal / depths[..., None]), (-focal * held / depths[..., None])[..., None]], dim=-1
    )
    flat = jacobian @ rotation[:, None] @ shape
    covariance = flat @ flat.transpose(-1, -2) + eps2d * torch.eye(2, dtype=means.dtype)
    a, b, c = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    determinant = (a * c - b * b).clamp_min(float(LEAST_DETERMINANT))
    conics = torch.stack([c, -b, a], dim=-1) / determinant[..., None]
    return focal * slope + centre, conics, depths


def blend(
    means2d: Tensor, conics: Tensor, opacities: Tensor, colours: Tensor, order: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """One picture of Gaussians over each other, over nothing.

    Args:
        means2d: [N, 2]; conics: [N, 3]; opacities: [N]; colours: [N, D].
        order: int64 [M] those that are seen, nearest first.
        size: width and height, px.

    Returns:
        colours [H, W, D] and alphas [H, W, 1]; differentiable.
    """
    width, height = size
    x, y = torch.arange(width, dtype=means2d.dtype) + 0.5, torch.arange(height, dtype=means2d.dtype) + 0.5
    pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    dx, dy = (pixels - means2d[order, None, None]).unbind(-1)  # [M, H, W]
    a, b, c = conics[order, :, None, None].unbind(1)
    alpha = (opacities[order, None, None] * torch.exp(-0.5 * (a * dx**2 + c * dy**2) - b * dx * dy)).clamp_max(MOST)
    alpha = torch.where(alpha >= 1 / 255, alpha, 0)
    after = torch.cumprod(1 - alpha, dim=0)
    before = torch.cat([torch.ones_like(after[:1]), after[:-1]])
    # A pixel is done at the first Gaussian that would leave too little light, and so it is for all behind.
    weight = torch.where(after > DARK, before * alpha, 0)
    return torch.einsum("nhw,nd->hwd", weight, colours[order]), weight.sum(dim=0)[..., None]

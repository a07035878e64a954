"""Gaussians to pictures on a CPU, with gsplat's signature, results and `info`, so that its densification works alike.

Against gsplat, footprints are as wide as can be seen (gsplat 1.4 cuts them off at three deviations, where a hundredth
may be left), and cameras have no gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from geneface_ns.kernels.blending import NUMBERS, blend, blend_backward, gather, pack
from geneface_ns.kernels.projection import Project
from geneface_ns.kernels.run import at_once
from geneface_ns.kernels.shading import SUMS
from geneface_ns.kernels.tiles import TILE, Tiles, deal_out

BLOCK = 4096
"""Gaussians a thread works on at a time."""
SHARES = 4
"""Of the tiles for each thread: where one has more to do, another takes its next."""


def rasterise(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    eps2d: float = 0.3,
    backgrounds: Tensor | None = None,
    absgrad: bool = False,
    threads: int = 2,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Rasterise N Gaussians through C pinhole cameras (Kerbl et al., SIGGRAPH 2023), as `gsplat.rasterization` with
    `packed=False`; differentiable in the first five.

    Args:
        means: [N, 3]; quats: [N, 4] w, x, y, z of any length; scales: [N, 3]; opacities: [N] in [0, 1].
        colors: [N, D], whatever they mean.
        viewmats: [C, 4, 4] world to camera: x right, y down, z into the picture.
        Ks: [C, 3, 3] intrinsics without skew, pixels.
        eps2d: added to the variances in the picture, px^2.
        backgrounds: [C, D]; nothing where it is left out.
        absgrad: sum up absolute gradients too, as `info["means2d"].absgrad`.
        threads: to use.

    Returns:
        colours [C, H, W, D], alphas [C, H, W, 1], and what gsplat's strategies ask for: among others `means2d`
        [C, N, 2], whose gradient may be retained, `radii` int32 [C, N], 0 where a Gaussian is not seen.

    Raises:
        ValueError: shapes that do not belong together, tensors that are not float32 on the CPU, or a gradient wanted
            by something else than the first five.
    """
    cameras, count, channels = len(viewmats), len(means), colors.shape[-1]
    backgrounds = torch.zeros(cameras, channels) if backgrounds is None else backgrounds
    for name, tensor, shape in (
        ("means", means, [count, 3]),
        ("quats", quats, [count, 4]),
        ("scales", scales, [count, 3]),
        ("opacities", opacities, [count]),
        ("colors", colors, [count, channels]),
        ("viewmats", viewmats, [cameras, 4, 4]),
        ("Ks", Ks, [cameras, 3, 3]),
        ("backgrounds", backgrounds, [cameras, channels]),
    ):
        if list(tensor.shape) != shape:
            raise ValueError(f"{name} is {list(tensor.shape)}, expected {shape}")
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            raise ValueError(f"{name} is {tensor.dtype} on {tensor.device}, expected torch.float32 on the CPU")
        if tensor.requires_grad and name in ("viewmats", "Ks", "backgrounds"):
            raise ValueError(f"{name} has no gradient here; detach it")
    planes = (near_plane, far_plane)
    projected = Project.apply(means, quats, scales, viewmats, Ks, width, height, eps2d, planes, threads)
    means2d, conics, depths, radii = projected
    across, down = -(-width // TILE), -(-height // TILE)
    flat = tuple(x.detach().contiguous().numpy() for x in (means2d, conics, opacities, depths, radii))
    tiles = deal_out(flat, across, down)
    colours, alphas = _Blend.apply(
        means2d, conics, opacities, colors, backgrounds, tiles, (width, height), absgrad, threads
    )
    info = {
        "camera_ids": None,
        "gaussian_ids": None,
        "radii": radii,
        "means2d": means2d,
        "depths": depths,
        "conics": conics,
        "opacities": opacities.expand(cameras, -1),
        "tile_width": across,
        "tile_height": down,
        "tiles_per_gauss": torch.from_numpy(np.diff(tiles.first_row)).view(cameras, count),
        "flatten_ids": torch.from_numpy(tiles.gaussian),
        "isect_offsets": torch.from_numpy(tiles.first[:-1]).view(cameras, down, across),
        "width": width,
        "height": height,
        "tile_size": TILE,
        "n_cameras": cameras,
    }
    return colours, alphas[..., None], info


class _Blend(torch.autograd.Function):
    """Means2d [C, N, 2], conics [C, N, 3], opacities [N], colours [N, D] -> pictures [C, H, W, D] and [C, H, W]."""

    @staticmethod
    def forward(
        ctx: Any,
        means2d: Tensor,
        conics: Tensor,
        opacities: Tensor,
        colours: Tensor,
        backgrounds: Tensor,
        tiles: Tiles,
        size: tuple[int, int],
        absgrad: bool,
        threads: int,
    ) -> tuple[Tensor, Tensor]:
        cameras, count, channels = *means2d.shape[:2], colours.shape[1]
        width, height = size
        across = -(-width // TILE)
        flat = [x.detach().contiguous() for x in (means2d.view(-1, 2), conics.view(-1, 3), opacities, colours)]
        arrays = tuple(x.numpy() for x in flat)
        numbers = np.empty((cameras * count, NUMBERS + channels + 1), np.float32)

        def some(begin: int) -> None:
            pack(begin, min(begin + BLOCK, cameras * count), *arrays, numbers)

        at_once(some, range(0, cameras * count, BLOCK), threads)
        picture, alphas = torch.empty(cameras, height, width, channels), torch.empty(cameras, height, width)
        behind = backgrounds.detach().contiguous().numpy()
        pictures = picture.numpy(), alphas.numpy()
        shares = SHARES * threads

        def some_tiles(begin: int) -> None:
            blend(begin, shares, tiles.first, tiles.gaussian, numbers, behind, across, *pictures)

        at_once(some_tiles, range(shares), threads)
        ctx.save_for_backward(means2d, picture, alphas)
        ctx.arrays, ctx.numbers, ctx.behind = arrays, numbers, behind
        ctx.tiles, ctx.across, ctx.absgrad, ctx.threads = tiles, across, absgrad, threads
        return picture, alphas

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        means2d, picture, alphas = ctx.saved_tensors
        pictures = picture.numpy(), alphas.numpy()
        cameras, count = means2d.shape[:2]
        tiles, channels, threads = ctx.tiles, ctx.numbers.shape[1] - NUMBERS - 1, ctx.threads
        given = tuple(x.contiguous().numpy() for x in gradients)
        rows = np.zeros((len(tiles.gaussian), SUMS + channels + 1), np.float32)
        shares = SHARES * threads

        def some_tiles(begin: int) -> None:
            pairs = tiles.first, tiles.gaussian, tiles.row
            blend_backward(begin, shares, *pairs, ctx.numbers, ctx.behind, ctx.across, pictures, given, rows)

        at_once(some_tiles, range(shares), threads)
        results = [torch.zeros(cameras, count, *size) for size in ((2,), (3,), (), (channels,), (2,))]
        arrays = tuple(x.view(cameras * count, *x.shape[2:]).numpy() for x in results)

        def some(begin: int) -> None:
            end = min(begin + BLOCK, cameras * count)
            gather(begin, end, tiles.first_row, rows, ctx.arrays[1], ctx.arrays[2], arrays)

        at_once(some, range(0, cameras * count, BLOCK), threads)
        to_means2d, to_conics, to_opacities, to_colours, absolute = results
        if ctx.absgrad:
            means2d.absgrad = absolute
        return to_means2d, to_conics, to_opacities.sum(dim=0), to_colours.sum(dim=0), *[None] * 5

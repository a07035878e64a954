"""The head as a .ply that any viewer of Gaussians opens: one still face, in the format of Kerbl et al. (SIGGRAPH
2023)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from audio_motion.files import written_whole
from geneface_ns.output.provenance import container_tags
from geneface_ns.scene.person_file import STATEMENT
from geneface_ns.splat.head import Gaussians, SplatHead

PROPERTIES = (
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"),
    *("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)
"""In their order; all float32."""
HARMONIC = 0.28209479177387814
"""The constant spherical harmonic: colours are 0.5 and so many times f_dc."""
SURE = 1e-6
"""Opacities are held so far from 0 and 1, whose logits no file can hold."""


def write_ply(path: Path, head: SplatHead) -> int:
    """Write the Gaussians of the mean face in the mean pose; returns how many there are.

    In the file y points down, as in the scenes that viewers expect: the head frame turned by half a turn about x.

    Args:
        path: .ply; written whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    rows = ply_rows(head.canonical())
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {container_tags()['comment']}",
        f"comment {STATEMENT}",
        f"element vertex {len(rows)}",
        *(f"property float {name}" for name in PROPERTIES),
        "end_header",
    ]
    with written_whole(path) as temporary:
        temporary.write_bytes("".join(f"{line}\n" for line in lines).encode("ascii") + rows.astype("<f4").tobytes())
    return len(rows)


def ply_rows(gaussians: Gaussians) -> np.ndarray:
    """The properties of N Gaussians in the head frame: float32 [N, 17]."""
    w, x, y, z = torch.nn.functional.normalize(gaussians.quats, dim=1).unbind(dim=1)
    rotations = torch.stack([-x, w, -z, y], dim=1)  # half a turn about x, after the Gaussian's own
    return torch.cat(
        [
            gaussians.means * torch.tensor([1.0, -1.0, -1.0]),
            torch.zeros_like(gaussians.means),
            (gaussians.colors - 0.5) / HARMONIC,
            torch.logit(gaussians.opacities, SURE)[:, None],
            gaussians.scales.log(),
            rotations,
        ],
        dim=1,
    ).numpy()

"""From a frame's landmarks and eye openness to the codes of mouth and upper face."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audio_motion.topology import BROWS, EYES, JAW, MOUTH

LOWER = [*range(JAW.start, JAW.stop), *range(MOUTH.start, MOUTH.stop)]
UPPER = [*range(BROWS.start, BROWS.stop), *range(EYES.start, EYES.stop)]

ENDS = 0.005
"""Part of the training frames that may lie beyond each end of a code: a frame that was mistracked must not widen it."""


def principal_components(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Whitening by principal components.

    Args:
        rows: [N, D], mean already subtracted.
        count: components wanted.

    Returns:
        basis [D, K] and scale [K] with K <= count, such that rows @ basis / scale has unit deviation. Components under
        5 % of the largest are the tracker's noise: their scale is held at that, so they are not blown up.
    """
    _, singular, vt = torch.linalg.svd(rows, full_matrices=False)
    deviation = singular / max(len(rows), 1) ** 0.5
    keep = min(count, len(deviation))
    scale = deviation[:keep].clamp_min(0.05 * float(deviation[0]) + 1e-6)
    return vt[:keep].T.contiguous(), scale


class ConditionEncoder(nn.Module):
    """Codes by region: the mouth's from jaw and mouth landmarks, the upper face's from brows, eyes and eye openness.

    A code beyond what the training frames held is held at their end. Whitening blows up what hardly varies: lids
    that a drawn blink moves in a way the person's never did came out at four times the greatest code ever seen, and the
    field, which cannot know what that looks like, painted the face brown.
    """

    mean: Tensor
    lower_basis: Tensor
    upper_basis: Tensor
    eye_mean: Tensor
    eye_scale: Tensor
    lower_ends: Tensor
    upper_ends: Tensor

    def __init__(
        self, landmarks: Tensor, eye_openness: Tensor, lower: int = 12, upper: int = 6, whitening: float = 1.0
    ) -> None:
        """
        Args:
            landmarks: [F, 68, 3] the training frames', from which mean and components are taken.
            eye_openness: [F, 2] of the same frames.
            lower, upper: principal components kept of each region.
            whitening: of the mouth's code. 1: what hardly varies counts as much as the opening; 0: components count as
                they vary.
        """
        super().__init__()
        self.register_buffer("mean", landmarks.mean(dim=0))
        offsets = landmarks - landmarks.mean(dim=0)
        for name, points, count in (("lower", LOWER, lower), ("upper", UPPER, upper)):
            basis, scale = principal_components(offsets[:, points].flatten(1), count)
            if name == "lower":
                part = (scale / scale[0]) ** (1 - whitening)
                scale = scale / (part / part.square().mean().sqrt())
            self.register_buffer(f"{name}_basis", basis / scale)
        self.register_buffer("eye_mean", eye_openness.mean(dim=0))
        self.register_buffer("eye_scale", eye_openness.std(dim=0).clamp_min(0.01))
        self.widths = (self.lower_basis.shape[1], self.upper_basis.shape[1] + 2)
        """Widths of the two codes."""
        for name, codes in zip(("lower", "upper"), self._codes(landmarks, eye_openness), strict=True):
            self.register_buffer(f"{name}_ends", torch.quantile(codes, torch.tensor([ENDS, 1 - ENDS]), dim=0))

    def forward(self, landmarks: Tensor, eye_openness: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 68, 3], [B, 2] -> lower code [B, L], upper code [B, U], of about unit deviation over all of each, and
        within what the training frames held."""
        lower, upper = self._codes(landmarks, eye_openness)
        return lower.clamp(*self.lower_ends), upper.clamp(*self.upper_ends)

    def _codes(self, landmarks: Tensor, eye_openness: Tensor) -> tuple[Tensor, Tensor]:
        offsets = landmarks - self.mean
        lower = offsets[:, LOWER].flatten(1) @ self.lower_basis
        upper = offsets[:, UPPER].flatten(1) @ self.upper_basis
        return lower, torch.cat([upper, (eye_openness - self.eye_mean) / self.eye_scale], dim=1)

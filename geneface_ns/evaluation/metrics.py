"""The measures of an evaluation, as functions of pictures and of landmark tracks."""

from __future__ import annotations

import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from audio_motion.topology import MOUTH, face_width, mouth_opening


def psnr(rendered: np.ndarray, real: np.ndarray) -> float:
    """Peak signal to noise ratio of two uint8 pictures of one shape, dB; equal pictures count as 100."""
    error = np.mean((rendered.astype(np.float64) - real) ** 2) / 255**2
    return float(-10 * np.log10(max(error, 1e-10)))


def ssim(rendered: np.ndarray, real: np.ndarray) -> float:
    """Structural similarity (Wang et al., TIP 2004; Gaussian window of 11) of two uint8 pictures [H, W, 3]."""

    def tensor(image: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]

    similarity = structural_similarity_index_measure(tensor(rendered), tensor(real), data_range=1.0)
    assert isinstance(similarity, torch.Tensor)
    return float(similarity)


def crop(image: np.ndarray, box: np.ndarray, margin: float = 0.25) -> np.ndarray:
    """The part of a picture [H, W, 3] inside a box.

    Args:
        box: [4] x0, y0, x1, y1 in pixels of this picture.
        margin: share of the box's width and height that is added on each side; what lies outside the picture is cut.
    """
    x0, y0, x1, y1 = box
    dx, dy = margin * (x1 - x0), margin * (y1 - y0)
    height, width = image.shape[:2]
    left, right = int(np.clip(np.floor(x0 - dx), 0, width - 1)), int(np.clip(np.ceil(x1 + dx), 1, width))
    top, bottom = int(np.clip(np.floor(y0 - dy), 0, height - 1)), int(np.clip(np.ceil(y1 + dy), 1, height))
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]


def landmark_distance(rendered: np.ndarray, real: np.ndarray) -> float:
    """LMD as the talking-head field measures it, pixels.

    The mouth's points 48 to 67 [..., 68, 2] of both, each set's own mean subtracted, mean Euclidean distance (Chen et
    al., ECCV 2018, as in the LMDMeter of RAD-NeRF and its successors). It depends on resolution and crop.
    """
    a, b = rendered[..., MOUTH, :], real[..., MOUTH, :]
    return float(
        np.linalg.norm((a - a.mean(axis=-2, keepdims=True)) - (b - b.mean(axis=-2, keepdims=True)), axis=-1).mean()
    )


def opening_agreement(rendered: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """How the inner lips' opening in rendered frames follows the real one.

    Args:
        rendered, real: [T, 68, 2] tracked landmarks, the same frames of both.

    Returns:
        The correlation of the two openings over time, and the ratio of their deviations (1: the mouth opens as far as
        the real one; 0: it stays shut). The correlation of a mouth that never moves is nan.
    """
    a, b = mouth_opening(rendered), mouth_opening(real)
    a_spread, b_spread = a.std(), b.std()
    if b_spread == 0:
        return float("nan"), float("nan")
    if a_spread == 0:
        return float("nan"), 0.0
    return float(((a - a.mean()) * (b - b.mean())).mean() / (a_spread * b_spread)), float(a_spread / b_spread)


def obedience(shown: np.ndarray, asked: np.ndarray) -> float:
    """How much the mouth opens for each unit that it is asked to: the slope of the openings shown over those asked.

    Args:
        shown: [T, 68, 2] landmarks tracked in the frames, px; nan where no face was found.
        asked: [T] openings, face widths.

    Returns:
        nan where there is no face, or nothing was asked.
    """
    opening = mouth_opening(shown) / face_width(shown)
    seen = np.isfinite(opening)
    if not seen.any() or asked[seen].std() == 0:
        return float("nan")
    wanted = asked[seen] - asked[seen].mean()
    return float((wanted * opening[seen]).sum() / (wanted**2).sum())

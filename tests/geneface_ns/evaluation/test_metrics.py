"""Metrics against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from geneface_ns.evaluation.metrics import crop, landmark_distance, opening_agreement, psnr, ssim
from geneface_ns.evaluation.perceptual import make_perceptual


def grey(value: int, size: int = 16) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def test_psnr() -> None:
    # An error of 51 is 0.2 of 255: 0.04 squared, and -10 log10(0.04) is 13.979.
    assert psnr(grey(151), grey(100)) == pytest.approx(13.9794, abs=1e-3)
    assert psnr(grey(100), grey(151)) == pytest.approx(13.9794, abs=1e-3)
    assert psnr(grey(7), grey(7)) == 100
    half = grey(100)
    half[:8] = 151  # half of the pixels wrong: 3.01 dB more
    assert psnr(half, grey(100)) == pytest.approx(13.9794 + 3.0103, abs=1e-3)


def test_ssim() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    assert ssim(noise, noise) == pytest.approx(1, abs=1e-6)
    # Even pictures of brightness a and b: (2ab + c) / (a^2 + b^2 + c) with c = 0.01^2.
    a, b = 51 / 255, 102 / 255
    assert ssim(grey(51), grey(102)) == pytest.approx((2 * a * b + 1e-4) / (a * a + b * b + 1e-4), abs=1e-4)
    assert ssim(255 - noise, noise) < 0


def test_crop() -> None:
    image = np.arange(100).reshape(10, 10, 1)
    np.testing.assert_array_equal(crop(image, np.array([2, 4, 6, 8]), 0)[..., 0], image[4:8, 2:6, 0])
    np.testing.assert_array_equal(crop(image, np.array([2, 4, 6, 8]), 0.25)[..., 0], image[3:9, 1:7, 0])
    np.testing.assert_array_equal(crop(image, np.array([-5, 7, 2, 20]), 0)[..., 0], image[7:, :2, 0])
    assert crop(image, np.array([50, 50, 60, 60])).shape == (1, 1, 1)


def test_landmark_distance() -> None:
    real = np.random.default_rng(0).normal(size=(5, 68, 2))
    assert landmark_distance(real + 7, real) == pytest.approx(0, abs=1e-12)  # moved as a whole
    moved = real.copy()
    moved[:, 48:58, 0] += 3  # ten of the mouth's twenty points: 1.5 from the mean of their own set, as the others
    moved[:, :48] += 100  # outside the mouth: does not count
    assert landmark_distance(moved, real) == pytest.approx(1.5)


def test_opening_agreement() -> None:
    def mouths(openings: list[float]) -> np.ndarray:
        landmarks = np.zeros((len(openings), 68, 2))
        for below in (65, 66, 67):
            landmarks[:, below, 1] = openings
        return landmarks

    real = mouths([0, 1, 2, 1])
    assert opening_agreement(real, real) == pytest.approx((1, 1))
    assert opening_agreement(mouths([3, 3.5, 4, 3.5]), real) == pytest.approx((1, 0.5))
    assert opening_agreement(mouths([2, 1, 0, 1]), real) == pytest.approx((-1, 1))
    # Deviations (-1, 0, 1, 0) against (0, -1, 0, 1): nothing in common.
    assert opening_agreement(mouths([1, 0, 1, 2]), real) == pytest.approx((0, 1), abs=1e-12)
    shut, ratio = opening_agreement(mouths([5, 5, 5, 5]), real)
    assert np.isnan(shut)
    assert ratio == 0


def test_lpips_says_where_its_backbone_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    said = make_perceptual()
    assert isinstance(said, str)
    assert said.startswith(f"not measured: backbone not found at {tmp_path}")
    assert list(tmp_path.iterdir()) == []

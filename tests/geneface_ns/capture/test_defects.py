"""What a picture shows that is no use to learn from, noticed frame by frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from geneface_ns.capture.combs import combed
from geneface_ns.capture.defects import Defects, find_defects, look_at, summary
from geneface_ns.capture.spans import longest, runs, shots

FPS, FRAMES, FACE = 25.0, 100, 80.0


def film(shift: np.ndarray) -> list[np.ndarray]:
    """Small grey pictures of a textured thing, moved by so many pixels; at the same place with the same grain."""
    scene = np.random.default_rng(0).uniform(60, 200, (24, 24)).astype(np.float32)
    scene = cv2.resize(scene, (300, 192), interpolation=cv2.INTER_CUBIC)
    pictures = []
    for x in shift:
        moved = cv2.warpAffine(scene, np.array([[1, 0, -50 - x], [0, 1, 0]]), (192, 192))
        grain = np.random.default_rng(int(abs(x) * 1e6)).normal(0, 2, moved.shape)
        pictures.append((moved + grain).clip(0, 255).astype(np.uint8))
    return pictures


def points(shift: np.ndarray) -> np.ndarray:
    """Landmarks [T, 68, 2] of a face FACE px wide that moves along."""
    face = np.random.default_rng(1).uniform(0, 1, (68, 2)) * FACE
    face[0], face[16] = (0, 40), (FACE, 40)
    return face[None] + np.stack([shift, np.zeros_like(shift)], axis=1)[:, None]


def found(shift: np.ndarray, pictures: list[np.ndarray] | None = None) -> Defects:
    pictures = film(shift) if pictures is None else pictures
    return find_defects(look_at(pictures), points(shift), np.ones(len(shift), bool), FPS)


def lively() -> np.ndarray:
    """Nods and turns as fast as people's: up to 0.1 face widths a frame."""
    t = np.arange(FRAMES) / FPS
    return FACE * (0.5 * np.sin(2 * np.pi * 0.7 * t) + 0.12 * np.sin(2 * np.pi * 2.3 * t) ** 3)


def test_lively_motion_has_no_defects() -> None:
    assert np.abs(np.diff(lively())).max() > 0.08 * FACE
    assert not found(lively()).useless.any()


@pytest.mark.parametrize("part", [0.1, -0.1, 0.3])
def test_a_jump_of_a_tenth_of_a_face_is_noticed(part: float) -> None:
    shift = 0.15 * lively()
    shift[40:] += part * FACE - (shift[40] - shift[39])
    assert np.flatnonzero(found(shift).jumped).tolist() == [40]


def test_a_stutter_that_catches_up_is_held_and_no_jump() -> None:
    shift = lively()
    shift[30:42] = shift[30]
    defects = found(shift)
    assert runs(defects.held) == [(31, 42)]
    assert not defects.jumped.any()


def test_single_copies_are_a_lower_rate() -> None:
    shift = 0.3 * lively()
    shift[1::2] = shift[::2]
    defects = found(shift)
    assert not defects.useless.any()
    assert summary(defects, FPS)["real_fps"] == pytest.approx(FPS / 2, rel=0.03)
    assert summary(found(0.3 * lively()), FPS)["real_fps"] == pytest.approx(FPS, rel=0.03)


def test_fades_to_black_and_to_white_and_cards() -> None:
    shift = 0.3 * lively()
    pictures = [picture.astype(np.float32) for picture in film(shift)]
    for i in range(20):
        pictures[i] *= i / 20
        pictures[99 - i] = 255 - (255 - pictures[99 - i]) * i / 20
    pictures[50] = np.full_like(pictures[50], 120)
    defects = found(shift, [picture.astype(np.uint8) for picture in pictures])
    assert runs(defects.faded) == [(0, 15), (50, 51), (90, 100)]


def test_brighter_and_darker_light_is_no_fade() -> None:
    shift = 0.3 * lively()
    lit = [np.clip(p * (1 + 0.2 * np.sin(i / 9)), 0, 255).astype(np.uint8) for i, p in enumerate(film(shift))]
    assert not found(shift, lit).useless.any()


def test_combs_are_told_from_texture_and_from_motion() -> None:
    box = np.array([60.0, 40, 140, 150])
    first, second = (np.repeat(film(np.array([x]))[0][..., None], 3, axis=2) for x in (0.0, 4.0))
    woven = second.copy()
    woven[::2] = first[::2]
    share = combed(first, woven, box)
    assert share is not None
    assert share > 0.2
    progressive = combed(first, second, box)
    assert progressive is not None
    assert progressive < 0.02
    assert combed(first, first, box) is None
    rng = np.random.default_rng(2)
    noisy = [np.clip(p + rng.normal(0, 25, p.shape), 0, 255).astype(np.uint8) for p in (first, second)]
    grain = combed(*noisy, box)
    assert grain is not None
    assert abs(grain) < 0.05


def test_runs_and_shots() -> None:
    assert runs(np.array([1, 1, 0, 1, 0, 1, 1, 1], bool)) == [(0, 2), (3, 4), (5, 8)]
    assert runs(np.zeros(4, bool)) == []
    assert shots([3, 7], 9) == [(0, 3), (3, 7), (7, 9)]
    assert longest(shots([3, 7], 9)) == (3, 7)
    assert longest([]) == (0, 0)

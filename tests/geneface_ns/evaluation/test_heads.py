"""Figures of heads that move by known amounts, on a person who nods when they are loud."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.evaluation.heads import CHOSEN, FILMED, STILL, TO_AND_FRO, against, cut, head_of, heads, stretches
from tests.geneface_ns.fakes import make_capture
from tests.geneface_ns.motion.test_head_motion import nods, said

FPS = 25.0


def turned(yaw: np.ndarray, sideways: np.ndarray | float = 0.0) -> np.ndarray:
    """c2w [N, 4, 4] of a head that turns by so many degrees, and moves to the image's right by so many face widths."""
    c2w = np.tile(np.eye(4), (len(yaw), 1, 1))
    c2w[:, :3, :3] = Rotation.from_euler("y", -np.asarray(yaw)[:, None], degrees=True).as_matrix()
    seen = np.zeros((len(yaw), 3))
    seen[:, 0], seen[:, 2] = sideways, -4.0
    c2w[:, :3, 3] = -np.einsum("tij,tj->ti", c2w[:, :3, :3], seen)
    return c2w


def test_where_the_head_is() -> None:
    head = head_of(turned(np.array([0.0, 10.0, -20.0]), np.array([0.0, 0.1, -0.2])))
    np.testing.assert_allclose(np.abs(head[:, 0]), [0, 10, 20], atol=1e-6)
    np.testing.assert_allclose(head[:, 1:3], 0, atol=1e-6)
    np.testing.assert_allclose(head[:, 3:], [[0, 0], [10, 0], [-20, 0]], atol=1e-6)


def test_figures_by_hand() -> None:
    time = np.arange(250) / FPS
    real = turned(5 * np.sin(time), 0.05 * np.sin(time))
    same = against([[real]], cut(real, FPS), FPS)
    assert (same.score, same.variance, same.speed, same.wobble) == pytest.approx((1, 1, 1, 1))
    half = against([[turned(2.5 * np.sin(time), 0.025 * np.sin(time))]], cut(real, FPS), FPS)
    assert half.score == pytest.approx(0.5, abs=0.02)  # most of it is the place
    assert (half.variance, half.speed, half.wobble) == pytest.approx((0.25, 0.5, 0.5), abs=0.01)
    still = against([[turned(0 * time)]], cut(real, FPS), FPS)
    assert (still.score, still.variance, still.speed, still.wobble) == pytest.approx((0, 0, 0, 0), abs=1e-6)
    shaken = turned(5 * np.sin(time) + np.random.default_rng(0).normal(0, 0.2, len(time)), 0.05 * np.sin(time))
    found = against([[shaken]], cut(real, FPS), FPS)
    assert found.wobble > 5.0
    assert found.score == pytest.approx(1.0, abs=0.05)
    assert found.variance == pytest.approx(1.0, abs=0.05)


def test_seeds_differ_by_what_they_differ() -> None:
    time = np.arange(250) / FPS
    real = turned(5 * np.sin(time))
    assert against([[real, real]], cut(real, FPS), FPS).seeds == pytest.approx(0.0, abs=1e-9)
    shifted = [turned(5 * np.sin(time) + shift) for shift in (-1.0, 1.0)]
    spread = against([shifted], cut(real, FPS), FPS).seeds
    assert spread == pytest.approx(np.sqrt(2) / np.std(5 * np.sin(time)), rel=0.01)


@pytest.fixture(scope="module")
def nodding(tmp_path_factory: pytest.TempPathFactory) -> tuple[Capture, np.ndarray]:
    """A person of a minute who nods with each word, and the prosody of what they say."""
    dice = np.random.default_rng(3)
    words = list(np.cumsum(dice.uniform(0.5, 2.5, 38)))
    capture = load_capture(make_capture(tmp_path_factory.mktemp("people") / "anna", frames=1500))
    c2w, body = nods(words, 60.0, depth=2.0), np.tile(np.float32([[1, 0, 0], [0, 1, 0]]), (1500, 1, 1))
    return replace(capture, c2w=c2w, body=body), said(words, 60.0)


def test_stretches_hold_no_cut(nodding: tuple[Capture, np.ndarray]) -> None:
    capture, prosody = nodding
    c2w = capture.c2w.copy()
    c2w[700:, 0, 3] += 1.0
    capture = replace(capture, c2w=c2w)
    found = stretches(capture, prosody)
    assert [len(stretch) for stretch in found] == [125] * 10  # of 700 and 663 frames
    for stretch in found:
        assert np.ptp(stretch[5:-5, 0, 3]) < 0.1
    assert stretches(replace(capture, is_train=np.arange(1500) < 120), prosody) == []
    short = replace(capture, is_train=np.arange(1500) < 130)  # too little to choose from, enough to measure
    assert [len(stretch) for stretch in stretches(short, prosody)] == [125]


def test_every_way_to_move_a_head(nodding: tuple[Capture, np.ndarray]) -> None:
    capture, prosody = nodding
    speech = said(list(np.cumsum(np.random.default_rng(7).uniform(0.5, 2.5, 5))), 10.0)
    found = heads(capture, prosody, [speech])
    assert isinstance(found, dict)
    assert list(found) == [FILMED, CHOSEN, TO_AND_FRO, STILL]
    assert found[FILMED].score == 1.0
    assert 0.5 < found[FILMED].each < 1.0
    assert found[CHOSEN].each <= found[CHOSEN].score
    assert found[FILMED].variance == found[FILMED].speed == found[FILMED].wobble == pytest.approx(1.0)
    assert found[STILL].score == pytest.approx(0.0, abs=0.01)
    assert found[STILL].variance == pytest.approx(0.0, abs=1e-3)
    assert found[CHOSEN].score > 0.5
    assert found[CHOSEN].seeds > 0.2
    assert found[TO_AND_FRO].seeds == pytest.approx(0.0, abs=1e-6)


def test_too_little_is_a_sentence(nodding: tuple[Capture, np.ndarray]) -> None:
    capture, prosody = nodding
    assert heads(capture, prosody, [prosody[:124]]) == "not measured: no speech of 5 s"
    few = replace(capture, is_train=np.arange(1500) < 40)
    assert "without a cut" in str(heads(few, prosody, [prosody[:200]]))

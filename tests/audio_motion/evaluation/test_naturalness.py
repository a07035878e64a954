"""The five measures on faces whose every motion is known."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.evaluation.naturalness import (
    LEAST,
    Naturalness,
    brow_dynamics,
    head_motion,
    likeness,
    lip_dynamics,
    lip_sync,
    mean,
    naturalness,
    score,
    silences,
    speaks,
)
from audio_motion.topology import BROWS, EYES, INNER_LOWER_LIP, INNER_UPPER_LIP, TEMPLATE

FPS = 25.0
EYE = float(np.linalg.norm(TEMPLATE[45, :2] - TEMPLATE[36, :2]))
TIME = np.arange(500) / FPS
WORDS = np.sin(2 * np.pi * TIME / 4) > -0.4
"""Speech, and silences of about 1.5 s."""


def loudness() -> np.ndarray:
    """dB [500]: amplitude goes up and down by ten over the words, silence is 60 dB lower."""
    amplitude = 0.5 + 0.45 * np.sin(2 * np.pi * 2.3 * TIME)
    return np.where(WORDS, 20 * np.log10(amplitude), -60.0)


def face(opening: np.ndarray, brows: np.ndarray | float = 0.0) -> np.ndarray:
    """[500, 68, 3]: the inner lips so far apart and the brows so much higher, in eye distances."""
    landmarks = np.repeat(TEMPLATE[None].astype(np.float64), len(TIME), axis=0)
    landmarks[:, INNER_UPPER_LIP] = landmarks[:, INNER_LOWER_LIP]
    landmarks[:, INNER_UPPER_LIP, 1] += EYE * opening[:, None]
    landmarks[:, BROWS, 1] += EYE * np.reshape(brows, (-1, 1))
    return landmarks


def spoken() -> np.ndarray:
    """Lips that open exactly as loud as it is."""
    return np.where(WORDS, 0.2 * 10 ** (loudness() / 20), 0.0)


def trembling(size: float) -> np.ndarray:
    """Lips that also tremble all the time."""
    return face(spoken() + size * np.random.default_rng(0).uniform(0, 1, len(TIME)), 0.05 * np.sin(TIME))


def moving_head(size: float = 1.0) -> np.ndarray:
    """[500, 5]"""
    waves = np.sin(TIME[:, None] * [1.0, 1.7, 0.6, 1.2, 0.8] + np.arange(5.0))
    return size * waves * [6.0, 4.0, 2.0, 5.0, 3.0]


@pytest.fixture(scope="module")
def real() -> Naturalness:
    return naturalness(trembling(0.004), loudness(), FPS, moving_head())


def test_a_performance_is_like_itself(real: Naturalness) -> None:
    assert all(np.isfinite(astuple(real)))
    assert astuple(score(real, real)) == (1.0,) * 5


def test_turned_and_larger_is_the_same_in_a_picture(real: Naturalness) -> None:
    turned = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    picture = 180 * trembling(0.004)[..., :2] @ turned.T + [300, 200]
    seen = naturalness(picture * [1, -1], loudness(), FPS, moving_head())
    assert astuple(seen) == pytest.approx(astuple(real))


def test_half_the_motion_is_half_the_score(real: Naturalness) -> None:
    landmarks = trembling(0.004)
    half = landmarks.mean(axis=0) + 0.5 * (landmarks - landmarks.mean(axis=0))
    found = score(naturalness(half, loudness(), FPS, moving_head()), real)
    assert found.brow_dynamics == pytest.approx(0.5)
    assert found.lip_dynamics == pytest.approx(0.5, abs=0.03)  # distances of points that do not move along a line
    assert found.silent_lips == pytest.approx(0.5)
    assert found.lip_sync == pytest.approx(1.0)  # as far as they open, each is brought to 0 .. 1
    assert found.head_motion == 1.0


def test_twice_is_nothing_and_three_times_less_than_nothing() -> None:
    assert [likeness(made, 2.0) for made in (0.0, 1.0, 2.0, 4.0, 6.0)] == [0.0, 0.5, 1.0, 0.0, -1.0]
    assert np.isnan(likeness(1.0, 0.0))
    assert np.isnan(likeness(float("nan"), 1.0))
    assert np.isnan(likeness(1.0, float("nan")))


def test_head_motion_by_hand(real: Naturalness) -> None:
    assert head_motion(np.zeros((50, 5))) == 0.0
    assert score(naturalness(trembling(0.004), loudness(), FPS, 0 * moving_head()), real).head_motion == 0.0
    head = np.zeros((4, 5))
    head[:, 0] = [0, 3, 0, 3]  # deviation 1.5, changes 3 -3 3: variance 8
    head[:, 3] = [0, 4, 0, 4]  # variance 4
    assert head_motion(head) == pytest.approx(np.sqrt((1.5 / 3) * (8 / 3) + 4 / 2))
    assert np.isnan(naturalness(trembling(0.0), loudness(), FPS).head_motion)  # nobody has said


def test_lip_and_brow_dynamics_by_hand() -> None:
    landmarks = np.repeat(TEMPLATE[None].astype(np.float64), 2, axis=0)
    landmarks[1, 48, 0] = landmarks[0, 48, 0] - EYE  # one point of twenty, away from the others
    moved = np.linalg.norm(landmarks[:, 48:49, :2] - landmarks[:, 49:68, :2], axis=-1) / EYE
    assert lip_dynamics(landmarks) == pytest.approx(np.abs(moved[1] - moved[0]).sum() / np.sqrt(2) / 190)
    landmarks = np.repeat(TEMPLATE[None].astype(np.float64), 2, axis=0)
    landmarks[1, BROWS, 1] += 0.1 * EYE
    assert brow_dynamics(landmarks) == pytest.approx(0.1 / np.sqrt(2))
    landmarks[1, [37, 38, 40, 41, 43, 44, 46, 47], 1] -= 0.05  # lids move no brows
    landmarks[1, BROWS, 0] += 0.05  # nor does what goes sideways
    assert brow_dynamics(landmarks) == pytest.approx(0.1 / np.sqrt(2))
    assert lip_dynamics(landmarks) == 0.0
    assert EYES.start == 36


def test_silent_lips_that_tremble_score_less(real: Naturalness) -> None:
    found = [score(naturalness(trembling(0.004 * k), loudness(), FPS), real).silent_lips for k in (1.0, 1.5, 2.0, 4.0)]
    assert found == pytest.approx([1.0, 0.5, 0.0, -2.0])
    # Lips that tremble only while they speak are no less stable.
    landmarks = trembling(0.004)
    landmarks[WORDS] = trembling(0.05)[WORDS]
    assert naturalness(landmarks, loudness(), FPS).silent_lips == pytest.approx(real.silent_lips)


def test_lips_that_come_late_follow_the_sound_less(real: Naturalness) -> None:
    exact = face(spoken())
    perfect = lip_sync(exact, loudness(), speaks(loudness()))
    assert perfect < 0.03
    values = [lip_sync(np.roll(exact, late, axis=0), loudness(), speaks(loudness())) for late in (0, 1, 2, 4)]
    assert values == sorted(values)
    assert values[-1] > 0.25
    late = naturalness(np.roll(trembling(0.004), 4, axis=0), loudness(), FPS)
    assert score(late, real).lip_sync < 0.0 < score(real, real).lip_sync


def test_lips_that_stay_follow_nothing() -> None:
    assert np.isnan(lip_sync(face(np.full(len(TIME), 0.1)), loudness(), WORDS))
    assert np.isnan(lip_sync(face(spoken()), np.full(len(TIME), -20.0), WORDS))
    still = naturalness(face(np.zeros(len(TIME))), loudness(), FPS)
    assert [still.lip_dynamics, still.brow_dynamics, still.silent_lips] == pytest.approx([0.0] * 3, abs=1e-12)
    assert all(np.isnan(astuple(score(still, still))))  # nothing is no part of nothing


def test_silences_are_long_enough_and_heard_at_any_level_and_in_noise() -> None:
    level = np.zeros(100)
    level[80:] = -10.0  # soft speech
    for floor in (-90.0, -40.0, -20.0):  # digital silence, a studio, a street
        level[10:16] = level[40:60] = floor
        for gain in (0.0, -30.0):
            assert (np.flatnonzero(silences(level + gain, FPS)) == np.arange(40, 60)).all()
            assert speaks(level + gain).sum() == 74
    without_a_pause = np.linspace(0.0, -14.0, 100)
    assert speaks(without_a_pause).mean() > 0.9
    few = np.where(np.arange(500) < 9, -60.0, 0.0)
    assert np.isnan(naturalness(trembling(0.0), few, FPS).silent_lips)  # 9 frames say nothing


def test_frames_without_a_face_do_not_count(real: Naturalness) -> None:
    landmarks = trembling(0.004)
    landmarks[100:120] = np.nan
    landmarks[300, 5, 1] = np.inf
    found = score(naturalness(landmarks, loudness(), FPS, moving_head()), real)
    assert min(astuple(found)) > 0.95


def test_what_cannot_be_measured_is_one_line() -> None:
    landmarks = trembling(0.004)
    bad = np.where(TIME == 1.0, np.nan, loudness())
    hidden = np.where((TIME < LEAST - 0.05)[:, None, None], landmarks, np.nan)
    for given, heard, head, words in (
        (landmarks[:, :20], loudness(), None, "shape"),
        (landmarks[0], loudness(), None, "shape"),
        (landmarks, loudness()[:-1], None, "499 levels of sound for 500 frames"),
        (landmarks, bad, None, "not finite"),
        (landmarks, loudness(), moving_head()[1:], "499 poses"),
        (landmarks, loudness(), np.where(TIME[:, None] == 1.0, np.nan, moving_head()), "not finite"),
        (hidden, loudness(), None, "a face in 24 of 500"),
        (np.full_like(landmarks, np.nan), loudness(), None, "a face in 0 of 500"),
        (landmarks[:20], loudness()[:20], None, "1 s"),
    ):
        with pytest.raises(InputError, match=words) as raised:
            naturalness(given, heard, FPS, head)
        assert "\n" not in str(raised.value)


def test_the_mean_leaves_out_what_is_unknown() -> None:
    nan = float("nan")
    found = mean([Naturalness(1, nan, 2, nan, 4), Naturalness(3, 5, 6, nan, 8)], [3, 1])
    assert astuple(found)[:3] == (1.5, 5.0, 3.0)
    assert np.isnan(found.silent_lips)
    assert found.lip_sync == 5.0

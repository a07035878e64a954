import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_motion.errors import InputError
from audio_motion.models.examples import choose_examples
from audio_motion.postprocess import (
    PostProcess,
    blink_closure,
    blink_times,
    clamp,
    ease_to_rest,
    part_lips,
    project_locally,
    scale_opening,
    set_eyes,
    smooth,
    speaking_from_loudness,
)
from audio_motion.topology import EYES, MOUTH, NOSE, TEMPLATE, eye_openness, mouth_opening


def test_clamp_allows_a_quarter_more_than_the_person_showed() -> None:
    low, high = np.full((68, 3), -1.0), np.full((68, 3), 3.0)
    result = clamp(np.array([-9.0, -1.5, 0.0, 3.5, 9.0])[:, None, None] * np.ones((68, 3)), low, high)
    np.testing.assert_array_equal(result[:, 0, 0], [-2.0, -1.5, 0.0, 3.5, 4.0])


def test_smoothing_is_along_time_alone() -> None:
    motion = np.zeros((21, 2, 3), np.float32)
    motion[10, 1, 2] = 1.0
    result = smooth(motion, 1.0)
    assert result.shape == motion.shape
    assert result[:, 1, 2].sum() == pytest.approx(1.0, abs=1e-6)
    assert result[10, 1, 2] == pytest.approx(1 / np.exp(-0.5 * np.arange(-3, 4) ** 2).sum(), rel=1e-5)
    result[:, 1, 2] = 0
    assert np.abs(result).max() == 0
    np.testing.assert_array_equal(smooth(motion, 0.0), motion)


def test_opening_is_enlarged_about_the_mean_and_nothing_else() -> None:
    offsets = np.zeros((2, 68, 3), np.float32)
    offsets[1, 65:68, 1] = -0.04  # lower inner lip
    offsets[1, 48, 0] = 0.01  # a corner moves in
    offsets[1, NOSE, 1] = 0.01
    opened = scale_opening(offsets, 1.5)
    # The gap of 0.04 becomes 0.06: of the 0.02 more, 70 % below and 30 % above; 60 and 20 % outside, 25 % at the chin.
    np.testing.assert_allclose(opened[:, 66, 1], [0.0, -0.054], rtol=1e-6)
    np.testing.assert_allclose(opened[:, 62, 1], [0.0, 0.006], rtol=1e-6)
    np.testing.assert_allclose(opened[:, 57, 1] - offsets[:, 57, 1], [0.0, -0.012], atol=1e-8)
    np.testing.assert_allclose(opened[:, 51, 1] - offsets[:, 51, 1], [0.0, 0.004], atol=1e-8)
    np.testing.assert_allclose(opened[:, 8, 1], [0.0, -0.005], rtol=1e-6)
    np.testing.assert_array_equal(opened[:, NOSE], offsets[:, NOSE])
    np.testing.assert_array_equal(opened[:, 48], offsets[:, 48])
    np.testing.assert_array_equal(scale_opening(offsets, 1.0), offsets)


def test_lips_that_have_crossed_meet_half_way() -> None:
    crossed = np.repeat(TEMPLATE[None], 2, axis=0)
    crossed[1, 66, 1] = crossed[1, 62, 1] + 0.02
    result = part_lips(crossed)
    np.testing.assert_array_equal(result[0], crossed[0])
    assert result[1, 66, 1] == result[1, 62, 1] == pytest.approx(crossed[1, 62, 1] + 0.01, abs=1e-6)
    assert mouth_opening(result)[1] < mouth_opening(result)[0]


def test_silence_eases_mouth_to_rest() -> None:
    rest = np.full((68, 3), 0.1, np.float32)
    offsets = np.ones((3, 68, 3), np.float32)
    result = ease_to_rest(offsets, rest, np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(result[:, 60, 0], [0.1, 0.55, 1.0], rtol=1e-6)
    np.testing.assert_array_equal(result[:, EYES], offsets[:, EYES])


def test_speaking_follows_loudness_with_a_little_lead() -> None:
    loud = np.full(200, -80.0)
    loud[100:150] = -20.0  # 2.0 s to 3.0 s
    speaking = speaking_from_loudness(loud, quiet=-55.0)
    assert len(speaking) == 100
    assert speaking[:40].max() == 0.0
    assert speaking[55:70].min() == pytest.approx(1.0)
    assert 0.0 < speaking[48] < 1.0  # opens before the sound
    assert speaking[90:].max() == 0.0


def test_a_click_is_as_long_before_as_after() -> None:
    """Motion frame 20 stands for 0.8 s, between the features 39 and 40."""
    loud = np.full(80, -90.0)
    loud[39:41] = -20.0
    speaking = speaking_from_loudness(loud, quiet=-60.0)
    np.testing.assert_allclose(speaking[10:20], speaking[30:20:-1], atol=1e-12)


def test_how_much_is_speech_by_hand() -> None:
    for above, share in ((-3.0, 0.0), (2.5, 0.25**2 * 2.5), (5.0, 0.5), (10.0, 1.0), (30.0, 1.0)):
        np.testing.assert_allclose(speaking_from_loudness(np.full(40, -60.0 + above), -60.0), share, atol=1e-12)


def test_phases_of_a_blink_by_hand() -> None:
    start = blink_times(0.0, 8.0, 3)[0]
    since = [-0.01, 0.0, 0.02, 0.04, 0.08, 0.11, 0.19, 0.23, 0.27, 0.3]
    expected = [0.0, 0.0, 0.25**2 * 2.5, 0.5, 1.0, 1.0, 0.5, 0.25**2 * 2.5, 0.0, 0.0]
    np.testing.assert_allclose(blink_closure(start + np.array(since), 3), expected, atol=1e-9)


@given(st.integers(0, 2**31))
def test_blinks_come_every_two_to_six_seconds(seed: int) -> None:
    intervals = np.diff(blink_times(0.0, 120.0, seed))
    assert 29 <= len(intervals) <= 30
    assert intervals.min() >= 2.0
    assert intervals.max() <= 6.0


@given(st.integers(0, 1000), st.floats(0.0, 30.0), st.floats(0.5, 20.0))
def test_blinks_do_not_depend_on_the_span_looked_at(seed: int, start: float, length: float) -> None:
    times = np.arange(0, 60, 0.04)
    part = (times >= start) & (times < start + length)
    np.testing.assert_array_equal(blink_closure(times[part], seed), blink_closure(times, seed)[part])


def test_a_blink_shuts_wholly_and_lasts_about_a_quarter_second() -> None:
    times = np.arange(0, 20, 0.001)
    closure = blink_closure(times, 3)
    blinks = len(blink_times(0.0, 19.7, 3))
    assert closure.max() == 1.0
    assert closure.min() == 0.0
    assert (closure > 0).sum() / 1000 == pytest.approx(0.27 * blinks, abs=0.01 * blinks + 0.27)
    assert len(blink_closure(np.zeros(0), 3)) == 0


def test_lids_agree_with_openness_and_nothing_else_moves() -> None:
    landmarks = np.repeat(TEMPLATE[None], 3, axis=0)
    wanted = np.array([[0.0, 0.3], [0.1, 0.1], [0.25, 0.0]], np.float32)
    result = set_eyes(landmarks, wanted)
    np.testing.assert_allclose(eye_openness(result), wanted, atol=1e-5)
    moved = np.abs(result - landmarks).max(axis=(0, 2)) > 0
    assert set(np.flatnonzero(moved)) == {37, 38, 43, 44}
    np.testing.assert_array_equal(result[:, MOUTH], landmarks[:, MOUTH])


def mouths(*points: tuple[float, float]) -> np.ndarray:
    """Offsets [T, 68, 3] whose one mouth point is at (x, y)."""
    offsets = np.zeros((len(points), 68, 3))
    offsets[:, 50, :2] = points
    return offsets


def test_a_mouth_becomes_the_combination_of_its_nearest_shapes() -> None:
    known = mouths((0, 0), (2, 0), (0, 50))[:, 48:]
    asked = mouths((1, 1))
    asked[:, 8] = 0.3
    np.testing.assert_allclose(project_locally(asked, known, 2, 1.0)[0, 50], [1.0, 0.0, 0.0], atol=1e-12)
    half = project_locally(asked, known, 2, 0.5)
    np.testing.assert_allclose(half[0, 50], [1.0, 0.5, 0.0], atol=1e-12)
    np.testing.assert_array_equal(half[0, 8], asked[0, 8])  # the chin stays
    # Beyond its neighbours, coefficients of sum 1 lead on along their line: 3 = -0.5 * 0 + 1.5 * 2.
    np.testing.assert_allclose(project_locally(mouths((3, 1)), known, 2, 1.0)[0, 50, :2], [3.0, 0.0], atol=0.02)
    # The ridge of 1e-3 by hand: at an example itself, the other (squared distance 4) has 0.002 / (0.002 + 4 + 0.002).
    by_hand = 2 * 0.002 / 4.004
    assert project_locally(mouths((0, 0)), known, 2, 1.0)[0, 50, 0] == pytest.approx(by_hand, rel=1e-2)
    np.testing.assert_allclose(project_locally(asked, known[:1], 10, 1.0)[0, 50], 0.0, atol=1e-12)  # one is all


def test_a_mouth_that_moves_smoothly_stays_smooth_when_its_neighbours_change() -> None:
    known = np.random.default_rng(0).normal(size=(200, 2))
    path = np.linspace(-1, 1, 4001)
    moved = project_locally(mouths(*zip(path, 0.3 * path, strict=True)), mouths(*known)[:, 48:], 5, 1.0)
    assert np.linalg.norm(np.diff(moved[:, 50], axis=0), axis=1).max() < 20 * (path[1] - path[0])


def test_examples_stand_for_all_shapes() -> None:
    shapes = np.repeat([0.0, 0.1, 7.0, 7.1, 7.2], 3)[:, None, None] * np.ones((20, 3))
    np.testing.assert_allclose(np.sort(choose_examples(shapes, 2)[:, 0, 0]), [0.05, 7.1], rtol=1e-5)
    assert len(choose_examples(shapes, 99)) == 15


def test_too_much_of_a_step_is_refused() -> None:
    with pytest.raises(InputError, match="smoothing"):
        PostProcess(smoothing=0.2)
    with pytest.raises(InputError, match="local"):
        PostProcess(local=1.5)

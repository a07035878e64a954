from dataclasses import replace

import numpy as np
import pytest
import torch

from audio_motion.data.recording import Recording, align
from audio_motion.evaluation.measures import average, closure, correlation, measure, opening_deviation
from audio_motion.evaluation.predictors import mean_face, nearest_neighbour, ridge
from audio_motion.features.acoustic import MEL
from audio_motion.topology import TEMPLATE
from tests.audio_motion.synthetic_speech import talk


@pytest.fixture(scope="module")
def recording() -> Recording:
    sound, motion = talk(12.0, seed=3)
    return align(motion, sound, MEL)


def test_the_truth_is_perfect_and_the_mean_face_is_the_measure_of_error(recording: Recording) -> None:
    perfect = measure(recording, recording.offsets.numpy())
    assert perfect.opening_correlation == pytest.approx(1.0)
    assert perfect.opening_amplitude == pytest.approx(1.0)
    assert perfect.mouth_error == perfect.mouth_distance == perfect.face_distance == 0.0
    assert perfect.jitter == pytest.approx(1.0)
    assert np.isnan(perfect.sync_accuracy)  # nobody was asked
    still = measure(recording, mean_face()(recording))
    assert (still.mouth_error, still.mouth_distance, still.face_distance) == pytest.approx((1.0, 1.0, 1.0))
    assert abs(still.opening_correlation) < 1e-5
    assert still.jitter == 0.0
    assert still.opening_amplitude < 1e-5


def test_half_the_motion_by_hand(recording: Recording) -> None:
    half = measure(recording, 0.5 * recording.offsets.numpy())
    assert half.opening_correlation == pytest.approx(1.0, abs=1e-3)
    assert half.opening_amplitude == pytest.approx(0.5, abs=0.01)
    assert half.mouth_error == pytest.approx(0.25, abs=1e-4)
    assert half.mouth_distance == half.face_distance == pytest.approx(0.5, abs=1e-4)
    assert half.jitter == pytest.approx(0.5, abs=1e-3)


def test_invalid_frames_do_not_count(recording: Recording) -> None:
    offsets = recording.offsets.numpy().copy()
    offsets[40:60] += 9.0
    valid = recording.valid.clone()
    valid[40:60] = False
    assert measure(replace(recording, valid=valid), offsets).mouth_error == 0.0


def test_averages_weigh_frames_and_leave_out_what_is_unknown(recording: Recording) -> None:
    known = measure(recording, recording.offsets.numpy())
    a, b = replace(known, opening_correlation=1.0, sync_accuracy=0.8), replace(known, opening_correlation=0.0)
    mean = average([a, b], [300, 100])
    assert mean.opening_correlation == pytest.approx(0.75)
    assert mean.sync_accuracy == pytest.approx(0.8)
    assert np.isnan(mean.sync_offset)


def test_correlation_of_what_does_not_move_is_none() -> None:
    assert correlation(np.ones(5), np.arange(5.0)) == 0.0
    assert correlation(np.array([1.0, 2, 3]), np.array([6.0, 4, 2])) == pytest.approx(-1.0)


def test_closure_by_hand() -> None:
    opening = np.full(100, 1.0)
    opening[:30] = 0.5  # the quarter of the time that counts as shut
    opening[60] = 0.0
    # One bilabial at 2.4 s (frame 60) where it shuts, one at 3.2 s where it does not.
    assert closure(opening, 25.0, [(2.38, 2.42), (3.2, 3.24)]) == 0.5
    assert np.isnan(closure(opening, 25.0, []))
    opening[78:83] = np.nan  # nobody saw the second one
    assert closure(opening, 25.0, [(2.38, 2.42), (3.2, 3.24), (90.0, 91.0)]) == 1.0


def test_liveliness_by_hand() -> None:
    landmarks = np.repeat(TEMPLATE[None], 2, axis=0)
    landmarks[1, [65, 66, 67], 1] -= 0.04
    assert opening_deviation(landmarks) == pytest.approx(0.02, abs=1e-3)


@pytest.mark.parametrize("learn", [ridge, nearest_neighbour])
def test_baselines_hear_the_loudness(recording: Recording, learn) -> None:  # type: ignore[no-untyped-def]
    others = [align(motion, sound, MEL) for sound, motion in (talk(20.0, seed=5), talk(20.0, seed=6))]
    found = measure(recording, learn(others, others[0].face.scale)(recording))
    assert found.opening_correlation > 0.8
    assert 0.6 < found.opening_amplitude < 1.3


def test_the_nearest_neighbour_of_itself_is_itself(recording: Recording) -> None:
    made = nearest_neighbour([recording], recording.face.scale)(recording)
    assert torch.allclose(torch.from_numpy(made), recording.offsets, atol=1e-5)


def test_the_baselines_hear_when_the_generator_hears(recording: Recording) -> None:
    """Motion frame k stands for k / 25 s, between the features 2k - 1 and 2k."""
    heard = torch.cat([recording.silence[None], recording.features])[: len(recording.features)]
    energy = heard[:, -1].unflatten(0, (-1, 2)).mean(dim=1)
    offsets = torch.zeros_like(recording.offsets)
    offsets[:, 66, 1] = energy - energy.mean()
    follows = replace(recording, offsets=offsets)
    made = ridge([follows], recording.face.scale, strength=1e-3)(follows)[:, 66, 1]
    assert np.abs(made - offsets[:, 66, 1].numpy()).max() < 0.01 * offsets[:, 66, 1].abs().max()

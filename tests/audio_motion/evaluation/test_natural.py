"""Liveliness over recordings of a talker whose mouth follows the sound exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from audio_motion.data.recording import Recording, align
from audio_motion.evaluation.measures import across_seeds, variance_ratio
from audio_motion.evaluation.natural import FILMED, loudness_at_frames, natural
from audio_motion.evaluation.predictors import Predictor, mean_face
from audio_motion.features.acoustic import MEL
from audio_motion.topology import INNER_LOWER_LIP, mouth_opening
from tests.audio_motion.synthetic_speech import talk


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    """Two people; the first is silent for a second, and their lips are not quite still."""
    sound, motion = talk(12.0, seed=3)
    sound[80000:96000] = 0.0
    landmarks = motion.landmarks.copy()
    landmarks[125:150, INNER_LOWER_LIP, 1] -= 0.01 * np.random.default_rng(0).uniform(0, 1, (25, 1)).astype(np.float32)
    return [align(replace(motion, landmarks=landmarks), sound, MEL), align(*talk(8.0, seed=4)[::-1], MEL)]


def scaled(times: float) -> Predictor:
    return lambda recording: times * recording.offsets.numpy()


def test_the_truth_scores_one_and_half_of_it_half(recordings: list[Recording]) -> None:
    rows = natural(recordings, {"half": scaled(0.5), "nobody": mean_face()}, {"truth": lambda seed: scaled(1.0)})
    assert list(rows) == [FILMED, "half", "nobody", "truth"]
    for name in ("lip_dynamics", "silent_lips", "lip_sync"):
        assert rows["truth"][name] == pytest.approx(1.0)
    assert rows["truth"]["expression_variance"] == pytest.approx(1.0)
    assert rows["truth"]["seeds"] == pytest.approx(0.0, abs=1e-6)
    assert rows["half"]["lip_dynamics"] == pytest.approx(0.5, abs=0.03)
    assert rows["half"]["silent_lips"] == pytest.approx(0.5, abs=0.05)
    assert rows["half"]["lip_sync"] == pytest.approx(1.0, abs=0.01)
    assert rows["half"]["expression_variance"] == pytest.approx(0.25)
    assert rows["nobody"]["lip_dynamics"] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(rows["nobody"]["lip_sync"])


def test_only_valid_frames_of_long_recordings_count(recordings: list[Recording]) -> None:
    first, second = recordings
    offsets = first.offsets.clone()
    offsets[40:60] += 9.0
    valid = torch.arange(len(offsets)).sub(49.5).abs() > 10
    kept = replace(first, offsets=offsets, valid=valid)
    short = replace(second, valid=torch.arange(len(second.valid)) < 24)
    rows = natural([kept, short], {}, {})
    for name, value in natural([kept], {}, {})[FILMED].items():
        assert rows[FILMED][name] == pytest.approx(value, nan_ok=True)
    assert rows[FILMED]["lip_dynamics"] == pytest.approx(natural([first], {}, {})[FILMED]["lip_dynamics"], rel=0.1)
    assert natural([short], {}, {}) == {}


def test_loudness_belongs_to_the_frames_at_which_the_mouth_opens(recordings: list[Recording]) -> None:
    amplitude = 10 ** (loudness_at_frames(recordings[0]) / 20)
    opening = mouth_opening(recordings[0].face.mean + recordings[0].offsets.numpy())
    found = [np.corrcoef(np.roll(amplitude, late)[5:-5], opening[5:-5])[0, 1] for late in (-1, 0, 1)]
    assert found[1] == max(found) > 0.7


def test_spread_across_seeds_by_hand() -> None:
    wave = np.sin(np.linspace(0, 20, 500))
    assert across_seeds(np.stack([wave, wave, wave])) == pytest.approx(0.0, abs=1e-12)
    assert across_seeds(np.stack([wave - 0.1, wave + 0.1])) == pytest.approx(np.sqrt(0.02) / wave.std())
    assert across_seeds(np.random.default_rng(0).normal(size=(200, 400))) == pytest.approx(1.0, abs=0.02)
    assert np.isnan(across_seeds(np.ones((3, 50))))


def test_variance_ratio_by_hand() -> None:
    wave = np.sin(np.linspace(0, 20, 500))[:, None, None] * np.ones((2, 3))
    assert variance_ratio([2 * wave + 5], [wave, wave - 3]) == pytest.approx(4.0)
    assert np.isnan(variance_ratio([wave], [np.ones((10, 2, 3))]))

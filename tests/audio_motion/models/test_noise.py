"""The noise of a performance."""

import numpy as np

from audio_motion.models.noise import SLOW, performance_noise


def test_it_is_standard_normal_and_slow() -> None:
    drawn = performance_noise(16, np.arange(0, 200_000, 4), seed=3).numpy()
    assert abs(drawn.mean()) < 0.05
    assert abs(drawn.std() - 1.0) < 0.05
    lag = SLOW // 4
    together = [np.corrcoef(row[:-step], row[step:])[0, 1] for row in drawn for step in (lag, 6 * lag)]
    assert abs(np.mean(together[::2]) - np.exp(-0.25)) < 0.05
    assert abs(np.mean(together[1::2])) < 0.05


def test_it_depends_on_seed_and_time_alone() -> None:
    places = np.arange(-400, 4000, 4)
    whole = performance_noise(16, places, seed=1)
    np.testing.assert_allclose(performance_noise(16, places[300:310], seed=1), whole[:, 300:310], atol=1e-6)
    np.testing.assert_allclose(performance_noise(16, places[:5], seed=1), whole[:, :5], atol=1e-6)
    assert np.abs(performance_noise(16, places, seed=2) - whole).max() > 1.0

"""The generator and the sync expert that come with the package, on the drawn person's speech, whose truth is exact.

Two synthetic voices say three sentences, and are near enough to speech: between the pauses the generator's opening
correlates with the drawn mouth's at 0.71. (With filmed speakers whom it never heard: 0.68, docs/benchmarks.md.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch

from audio_motion.evaluation.measures import correlation
from audio_motion.lag import Lag
from audio_motion.models.checkpoint import load_generator, load_syncnet
from audio_motion.models.pretrained import PRETRAINED_EXPERT, PRETRAINED_GENERATOR
from audio_motion.postprocess import PostProcess
from audio_motion.predict import Generator
from audio_motion.sequence import LandmarkSequence
from audio_motion.sync import estimate_lag
from audio_motion.topology import mouth_opening
from geneface_ns.capture.sync import CONFIDENT, UNRELATED
from geneface_ns.synthetic import make_truth, speech_track

FPS = 25
EARLIER = 1
"""Frames by which filmed mouths are ahead of the drawn one: generator and expert agree on it."""
SAMPLES = 16_000
"""A second."""


class Said(NamedTuple):
    sound: np.ndarray
    motion: LandmarkSequence
    opening: np.ndarray
    """[T] as a filmed mouth would have it."""
    speech: np.ndarray
    """bool [T]."""
    pause: np.ndarray
    """bool [T]: 0.12 s and more from any speech."""


@pytest.fixture(scope="module")
def said() -> Said:
    track = speech_track(["unseen_03", "second_voice", "train_05"], seed=1)
    frames = int(track.duration * FPS)
    motion = make_truth(1, track, (64, 64), FPS, frames).sequence()
    times = np.arange(frames) / FPS
    pauses = [(start, end) for phone, start, end in track.phones if phone == "pau"]

    def inside(margin: float) -> np.ndarray:
        return np.any([(times > start + margin) & (times < end - margin) for start, end in pauses], axis=0)

    return Said(track.sound, motion, np.roll(mouth_opening(motion.landmarks), -EARLIER), ~inside(-0.02), inside(0.12))


def late(sound: np.ndarray, seconds: float) -> np.ndarray:
    return np.roll(sound, round(seconds * SAMPLES))


def shuffle(model: torch.nn.Module, seed: int) -> None:
    """The same weights in each tensor, in another order."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            order = torch.randperm(weights.numel(), generator=generator)
            weights.copy_(weights.flatten()[order].reshape(weights.shape))


def opening(generator: Generator, sound: np.ndarray, seed: int = 0) -> np.ndarray:
    return mouth_opening(np.concatenate([part.landmarks for part in generator.stream([sound], seed=seed)]))


def follows(generator: Generator, sound: np.ndarray, said: Said) -> float:
    """Correlation of the opening with the true one while somebody speaks: that a mouth is shut in pauses, and open
    between them, is not enough."""
    made = opening(generator, sound)[: len(said.opening)]
    return correlation(made[said.speech], said.opening[said.speech])


def test_the_generator_opens_the_mouth_as_the_words_do(said: Said) -> None:
    """It reaches 0.71; with its weights shuffled, or the sound moved by 0.3 s, 0.16 at most."""
    by_itself = PostProcess(silence=False, lips=False)  # both follow the speech by themselves
    trained = load_generator(PRETRAINED_GENERATOR)
    shipped = Generator(trained, by_itself)
    assert follows(shipped, said.sound, said) > 0.6
    broken = [follows(shipped, late(said.sound, seconds), said) for seconds in (-0.3, 0.3)]
    for seed in range(3):
        other = load_generator(PRETRAINED_GENERATOR)
        shuffle(other.model, seed)
        broken.append(follows(Generator(other, by_itself), said.sound, said))
    assert max(broken) < 0.3, broken


def test_the_mouth_is_shut_in_pauses_and_about_the_same_with_another_seed(said: Said) -> None:
    shipped = Generator.load(PRETRAINED_GENERATOR)
    shut = opening(shipped, np.zeros(SAMPLES, np.float32)).mean()
    made = opening(shipped, said.sound)[: len(said.opening)]
    assert said.pause.sum() >= 20
    assert made[said.pause].max() < 1.25 * shut
    assert made[said.speech].mean() > 3 * shut
    assert 0.6 < made[said.speech].std() / said.opening[said.speech].std() < 1.4
    again = opening(shipped, said.sound, seed=7)[: len(said.opening)]
    assert not np.array_equal(again, made)
    assert correlation(again, made) > 0.98
    moved = opening(shipped, late(said.sound, 0.3))[: len(said.opening)]
    assert moved[said.pause].max() > 2 * shut


@pytest.mark.parametrize("seconds", [0.0, 0.12, -0.2])
def test_the_expert_finds_a_delay(said: Said, seconds: float) -> None:
    found = estimate_lag(late(said.sound, seconds), said.motion)
    assert found.seconds + EARLIER / FPS == pytest.approx(seconds, abs=0.02)
    assert found.confidence > CONFIDENT


def test_the_expert_knows_foreign_sound(said: Said) -> None:
    def judged(sound: np.ndarray) -> Lag:
        return estimate_lag(np.resize(sound, len(said.sound)), said.motion)

    foreign = [judged(speech_track([name, "train_01"], seed=3).sound) for name in ("german", "train_08")]
    assert max(lag.confidence for lag in foreign) < UNRELATED
    expert = load_syncnet(PRETRAINED_EXPERT)
    shuffle(expert.model, 0)
    assert estimate_lag(said.sound, said.motion, expert).confidence < UNRELATED

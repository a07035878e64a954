"""Lips that shut, with synthetic voices whose phonemes are known."""

import numpy as np
import pytest
import torch

from audio_motion.features.acoustic import MEL
from audio_motion.features.interface import open_features
from audio_motion.features.level import levelled
from audio_motion.models.closure import detector_for
from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.postprocess import PostProcess, shut_lips
from audio_motion.predict import Generator
from audio_motion.topology import mouth_opening
from geneface_ns.synthetic import load_speech

SAID = ("unseen_01", "unseen_02", "unseen_03", "second_voice", "german")


def bilabials(name: str) -> list[tuple[float, float]]:
    return [(start, end) for phone, start, end in load_speech(name).phones if phone in ("p", "b", "m")]


def test_bilabials_are_heard_and_little_else() -> None:
    features = open_features("whisper")
    detector = detector_for(features)
    assert detector is not None
    hits, others = [], []
    for name in SAID:
        found = features.extract(levelled(load_speech(name).sound))
        closed = detector.closed(found[: len(found) // 2 * 2])
        times = np.arange(len(closed)) / 25
        beside = np.zeros(len(closed), bool)
        for start, end in bilabials(name):
            hits.append(closed[(times > start - 0.04) & (times < end + 0.04)].max() > 0.5)
            beside |= (times > start - 0.1) & (times < end + 0.1)
        others += list(closed[~beside] > 0.5)
    assert np.mean(hits) > 0.85
    assert np.mean(others) < 0.03
    assert detector_for(MEL) is None


@pytest.mark.parametrize("block", [128, 16])
def test_the_mouth_shuts_where_it_nearly_did(block: int) -> None:
    figures = []
    for lips in (True, False):
        generator = Generator.load(PRETRAINED_GENERATOR, post=PostProcess(lips=lips))
        generator = Generator(generator.trained, generator.post, block)
        rest = mouth_opening(generator.face.mean + generator.face.rest)
        shut = []
        for name in SAID:
            parts = generator.stream([levelled(load_speech(name).sound)], temperature=0.0)
            above = mouth_opening(np.concatenate([part.landmarks for part in parts])) - rest
            for start, end in bilabials(name):
                shut.append(above[int((start - 0.04) * 25) : int((end + 0.04) * 25) + 2].min() <= 0.005)
        figures.append(np.mean(shut))
    with_lips, without = figures
    assert with_lips > 0.85
    assert with_lips > without + 0.15


def test_only_the_opening_changes_and_only_where_lips_are_shut() -> None:
    rng = np.random.default_rng(0)
    offsets = 0.02 * rng.standard_normal((40, 68, 3)).astype(np.float32)
    rest = np.zeros((68, 3), np.float32)
    closed = np.zeros(40)
    closed[20:22] = 1.0
    made = shut_lips(offsets, rest, closed)
    np.testing.assert_array_equal(made[..., [0, 2]], offsets[..., [0, 2]])
    np.testing.assert_array_equal(np.r_[made[:15], made[27:]], np.r_[offsets[:15], offsets[27:]])
    still = torch.zeros(68, 3).numpy()
    opened = np.repeat(still[None], 40, axis=0)
    opened[:, [61, 62, 63], 1], opened[:, [67, 66, 65], 1] = 0.02, -0.02
    height = lambda x: (x[:, [61, 62, 63], 1] - x[:, [67, 66, 65], 1]).mean(axis=1)  # noqa: E731
    made = shut_lips(opened, rest, closed)
    assert height(made)[20:22].max() < 0.004
    assert height(made)[[0, -1]] == pytest.approx(0.04)
    shut = shut_lips(-opened, rest, closed)  # further than at rest: as it was
    np.testing.assert_array_equal(shut, -opened)

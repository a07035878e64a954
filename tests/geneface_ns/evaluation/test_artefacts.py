"""Artefacts that are put into true pictures, and mouths that obey by a known part."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audio_motion.topology import INNER_LOWER_LIP, TEMPLATE
from geneface_ns.evaluation.artefacts import Artefacts, silhouette_of
from geneface_ns.evaluation.foreign import mean_of, over_own
from geneface_ns.evaluation.metrics import obedience
from geneface_ns.synthetic.clip import Truth, make_truth
from geneface_ns.synthetic.speech import speech_names, speech_track

SIDE, COUNT, FPS = 160, 8, 12.5


@pytest.fixture(scope="module")
def truth() -> Truth:
    return make_truth(1, speech_track(speech_names("train"), 1, seconds=COUNT / FPS), (SIDE, SIDE), FPS, COUNT)


def measured(truth: Truth, spoil, count: int = COUNT) -> Artefacts:  # type: ignore[no-untyped-def]
    """The figures of the true pictures after something was done to them and to the head's coverage."""
    found = Artefacts()
    for index in range(count):
        drawn = truth.frame(index)
        head = (drawn.labels == 1).astype(np.uint8) * 255
        picture, head = spoil(index, drawn.rgb.copy(), head)
        found.add(picture, head, truth.points2d[index])
    return found


def test_specks_creases_and_flicker_are_told_apart(truth: Truth) -> None:
    dice = np.random.default_rng(0)
    own = measured(truth, lambda index, picture, head: (picture, head))

    def torn(index, picture, head):  # type: ignore[no-untyped-def]
        specks = silhouette_of(head, 2) & (dice.random(head.shape) < 0.2)
        picture[specks] = 255 - picture[specks]
        return picture, head

    def creased(index, picture, head):  # type: ignore[no-untyped-def]
        centre = truth.points2d[index][29].astype(int)
        picture[centre[1] - 6 : centre[1] + 2 : 2, centre[0] - 20 : centre[0] + 20] //= 2
        return picture, head

    def flickering(index, picture, head):  # type: ignore[no-untyped-def]
        return (picture.astype(int) + (4 if index % 2 else -4)).clip(0, 255).astype(np.uint8), head

    torn_over = over_own(measured(truth, torn), own)
    assert torn_over["silhouette"] > 1.3
    assert torn_over["face"] < 1.1
    creased_over = over_own(measured(truth, creased), own)
    assert creased_over["face"] > 1.3
    assert creased_over["silhouette"] == pytest.approx(1, abs=0.02)
    flicker = measured(truth, flickering).summary()["flicker"] - own.summary()["flicker"]
    assert 4 < flicker <= 16 + 1e-3  # 8 up and down is 16 of the second difference, less what motion takes away
    once = measured(truth, lambda index, *given: torn(index, *given) if index == 5 else given)
    once_over = over_own(once, own)
    assert once_over["silhouette_worst"] > once_over["silhouette"] + 0.1  # rare, so the mean hardly tells
    assert mean_of([once_over, {name: 3 * value for name, value in once_over.items()}])["face"] == pytest.approx(
        2 * once_over["face"]
    )
    # A shorter speech is compared with as much of the own one.
    shorter = over_own(measured(truth, lambda index, *given: given, 5), own)
    for name in ("silhouette", "face", "flicker_worst"):
        assert shorter[name] == pytest.approx(1)


def test_obedience_is_the_part_of_the_opening_that_is_shown() -> None:
    asked = 0.05 + 0.04 * np.sin(np.arange(60))
    closed = TEMPLATE[:, :2].copy()
    closed[[67, 66, 65]] = closed[[61, 62, 63]]

    def opened(by: np.ndarray) -> np.ndarray:
        faces = np.tile(closed, (len(by), 1, 1))
        faces[:, INNER_LOWER_LIP, 1] -= by[:, None]
        return 200 * faces

    assert obedience(opened(asked), asked) == pytest.approx(1, abs=1e-6)
    assert obedience(opened(0.6 * asked + 0.01), asked) == pytest.approx(0.6, abs=1e-6)
    assert obedience(opened(0 * asked), asked) == pytest.approx(0, abs=1e-6)
    lost = opened(0.6 * asked)
    lost[::3] = np.nan
    assert obedience(lost, asked) == pytest.approx(0.6, abs=1e-6)
    assert math.isnan(obedience(lost, 0 * asked))

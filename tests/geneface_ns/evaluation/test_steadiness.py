"""Steadiness of videos that shake, swim and flicker by known amounts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audio_motion.topology import TEMPLATE, face_width
from geneface_ns.evaluation.steadiness import REGIONS, Steadiness, head_jitter, regions_of
from geneface_ns.synthetic.clip import make_truth
from geneface_ns.synthetic.speech import speech_names, speech_track


def flat_face(width: float = 100.0) -> np.ndarray:
    """[68, 2] px."""
    return TEMPLATE[:, :2] * (width, -width) + 128


def test_a_head_that_shakes_has_its_shaking_and_a_slow_one_none() -> None:
    time = np.arange(400)[:, None, None]
    slow = flat_face() + 20 * np.sin(time / 40)
    assert head_jitter(slow) < 1e-4
    for pixels in (0.5, 2.0):
        shaken = slow + np.random.default_rng(0).normal(0, pixels, (400, 1, 2))
        assert head_jitter(shaken) == pytest.approx(pixels / 100, rel=0.1)
        shaken[100] = np.nan  # a face that was not found
        assert head_jitter(shaken) == pytest.approx(pixels / 100, rel=0.1)
    lips = slow.copy()
    lips[:, 48:] += np.random.default_rng(1).normal(0, 5, (400, 20, 2))
    assert head_jitter(lips) == head_jitter(slow)
    assert math.isnan(head_jitter(slow[:2]))


def test_a_person_who_is_shaken_is_seen_to_shake() -> None:
    """The whole way: true pictures, as they are and moved by known whole pixels, through the tracker."""
    size, count, fps = 192, 24, 25.0
    truth = make_truth(1, speech_track(speech_names("train"), 1, seconds=count / fps), (size, size), fps, count)
    pictures = [truth.frame(index).rgb for index in range(count)]
    moves = np.random.default_rng(0).choice([-3, 3], count)
    jitter, width = [], 0.0
    for shaken in (0, 1):
        seen = Steadiness()
        everywhere = {name: np.ones((size, size), bool) for name in REGIONS}
        for picture, move in zip(pictures, moves, strict=True):
            seen.add(np.roll(picture, shaken * move, axis=1), everywhere, flat_face())
        jitter.append(seen.summary()["head_jitter"] / 1000)
        width = float(np.nanmean(face_width(np.stack(seen.mouth.landmarks))))
    bend = np.diff(moves, n=2)
    known = math.sqrt((bend**2).mean() / 6 / 2) / width  # of x alone; y has none
    assert math.sqrt(jitter[1] ** 2 - jitter[0] ** 2) == pytest.approx(known, rel=0.2)
    assert jitter[0] < 0.3 * jitter[1]


def test_change_is_told_by_region() -> None:
    head, torso = np.zeros((256, 256), np.uint8), np.zeros((256, 256), np.uint8)
    head[40:180, 70:190] = 255
    torso[180:] = 255
    regions = regions_of(head, torso, flat_face())
    assert not (regions["background"] & regions["shoulders"]).any()
    brows = flat_face()[17:27, 1].min()
    assert not regions["hair"][int(brows) :].any()
    assert regions["hair"][50, 128]
    assert not regions["background"][100, 68]  # too near to the head
    assert regions["background"][0, 0]  # the picture's own edge is none
    dice = np.random.default_rng(0)
    noise = {"background": 6.0, "shoulders": 0.0, "hair": 3.0}
    seen = Steadiness()
    for index in range(12):
        picture = np.full((256, 256, 3), 128.0)
        for name, deviation in noise.items():
            picture[regions[name]] += dice.normal(0, deviation, (int(regions[name].sum()), 3))
        if index >= 6:
            picture += 40  # what follows a gap is not compared with what was before
        if index == 6:
            seen.gap()
        seen.add((picture + 0.5).astype(np.uint8), regions, flat_face())
    figures = seen.summary()
    for name, deviation in noise.items():
        # Two independent values differ by 2 deviations / sqrt(pi) on the average; rounding adds a little.
        assert figures[f"{name}_change"] == pytest.approx(2 * deviation / math.sqrt(math.pi), abs=0.08)

"""Motion onto the person to be shown: whose it is, and whose eyes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_motion.sequence import LandmarkSequence, Producer, identity_of
from audio_motion.topology import LOWER_LIDS, TEMPLATE, UPPER_LIDS, eye_openness
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.motion.sequence import motion_of_sequence
from tests.geneface_ns.fakes import make_capture

FRAMES = 100


def eyes(wide: float, shut: float, frames: int = FRAMES) -> np.ndarray:
    """Openness [T, 2] with a blink in frames 40 to 44, at its bottom in frames 41 to 43."""
    openness = np.full((frames, 2), wide, np.float32)
    openness[[40, 44]] = (wide + shut) / 2
    openness[41:44] = shut
    return openness


def sequence(openness: np.ndarray, face: np.ndarray = TEMPLATE, **changes: object) -> LandmarkSequence:
    """A face that nods its chin, by 0.1 at most, about its mean."""
    landmarks = np.tile(face, (len(openness), 1, 1)).astype(np.float32)
    landmarks[:, 8, 1] += 0.1 * np.sin(np.arange(len(openness)) * 2 * np.pi / 10)
    values: dict = {
        "landmarks": landmarks,
        "fps": 25.0,
        "eye_openness": openness,
        "valid": np.ones(len(openness), bool),
        "person": "video",
        "producer": Producer("tracker", "made up"),
    }
    return LandmarkSequence(**values | changes)


def captured(folder: Path, tracked: LandmarkSequence) -> Capture:
    """A capture with this tracking; its name is that of all videos called video.mp4."""
    make_capture(folder, frames=len(tracked), person="video")
    tracked.save(folder / "landmarks.npz")
    return load_capture(folder)


def shown(motion: LandmarkSequence, capture: Capture) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks [T, 68, 3] and eye openness [T, 2] that reach the renderer."""
    landmarks, openness = zip(*motion_of_sequence(motion, capture), strict=True)
    return np.stack(landmarks), np.stack(openness)


@pytest.fixture
def anna(tmp_path: Path) -> Capture:
    """Narrow eyes: 0.24 open, 0.06 at a blink's bottom."""
    tracked = sequence(eyes(0.24, 0.06))
    return captured(tmp_path / "anna", replace(tracked, identity=identity_of(tracked.landmarks, tracked.eye_openness)))


def test_ones_own_tracking_stays_as_it_is(anna: Capture) -> None:
    landmarks, openness = shown(anna.landmarks, anna)
    np.testing.assert_array_equal(landmarks, anna.landmarks.landmarks)
    np.testing.assert_array_equal(openness, anna.landmarks.eye_openness)
    part = anna.landmarks.slice(1.0, 2.0)  # and a part of it, whose mean and range are others
    landmarks, openness = shown(part, anna)
    np.testing.assert_array_equal(landmarks, part.landmarks)
    np.testing.assert_array_equal(openness, part.eye_openness)


@pytest.mark.parametrize("identified", [True, False])
def test_another_person_of_the_same_name_gets_ones_own_face(anna: Capture, identified: bool) -> None:
    bert = sequence(eyes(0.24, 0.06), face=TEMPLATE * np.array([1.2, 0.9, 1], np.float32))
    if identified:
        bert = replace(bert, identity=identity_of(bert.landmarks, bert.eye_openness))
    landmarks, _ = shown(bert, anna)
    mouth = slice(48, 68)
    np.testing.assert_allclose(landmarks[:, mouth].mean(axis=0), anna.mean_landmarks[mouth], atol=1e-5)
    np.testing.assert_allclose(np.ptp(landmarks[:, 8, 1]), np.ptp(bert.landmarks[:, 8, 1]), atol=1e-5)


def test_a_capture_of_an_older_release_knows_its_own(tmp_path: Path) -> None:
    old = captured(tmp_path / "old", sequence(eyes(0.24, 0.06)))
    assert old.landmarks.identity is None
    np.testing.assert_array_equal(shown(old.landmarks, old)[0], old.landmarks.landmarks)


def test_what_is_not_seen_counts_in_no_mean(anna: Capture) -> None:
    lost = sequence(eyes(0.24, 0.06))
    lost.landmarks[60:] *= 9
    lost.eye_openness[60:] = 0
    lost = replace(lost, valid=np.arange(FRAMES) < 60)
    seen = sequence(eyes(0.24, 0.06)[:60])
    for found, wanted in zip(shown(lost, anna), shown(seen, anna), strict=True):
        np.testing.assert_allclose(found[:60], wanted, atol=1e-5)


def test_offsets_are_laid_on_ones_own_mean(anna: Capture) -> None:
    offsets = sequence(eyes(0.24, 0.06)).landmarks - TEMPLATE
    landmarks, _ = shown(sequence(eyes(0.24, 0.06), landmarks=offsets, space="offset"), anna)
    np.testing.assert_allclose(landmarks[:, :36], (anna.mean_landmarks + offsets)[:, :36], atol=1e-6)


def test_a_generators_silence_is_a_shut_mouth(anna: Capture) -> None:
    # Two seconds of a shut mouth are not the mean of a face that speaks.
    mean = TEMPLATE.copy()
    mean[60:68, 1] += np.array([0, 0.05, 0.05, 0.05, 0, -0.05, -0.05, -0.05])  # half open, on average
    silent = sequence(eyes(0.3, 0.0), producer=Producer("generator", "made up"), mean=mean)
    landmarks, _ = shown(silent, anna)
    np.testing.assert_allclose(landmarks[0, 60:68] - anna.mean_landmarks[60:68], (TEMPLATE - mean)[60:68], atol=1e-6)


@pytest.mark.parametrize("wide", [0.14, 0.45])
@pytest.mark.parametrize("kind", ["tracker", "avatar", "generator"])
def test_a_blink_is_a_blink_and_open_is_open(anna: Capture, kind: str, wide: float) -> None:
    drawn = kind == "generator"  # its lids meet; tracked ones are seen to at a quarter of the way
    other = sequence(eyes(wide, 0.0 if drawn else wide / 4), producer=Producer(kind, "made up"))  # type: ignore[arg-type]
    landmarks, openness = shown(other, anna)
    np.testing.assert_allclose(openness[:30], 0.24, atol=1e-4)
    np.testing.assert_allclose(openness[41:44], 0.06, atol=1e-3)
    np.testing.assert_allclose(openness[40], 0.15, atol=1e-3)
    # The lids are where the openness says, on the right side of each other.
    np.testing.assert_allclose(eye_openness(landmarks), openness, atol=1e-4)
    assert (landmarks[:, UPPER_LIDS, 1] > landmarks[:, LOWER_LIDS, 1]).all()


def test_who_never_blinks_has_open_eyes(anna: Capture) -> None:
    steady = np.random.default_rng(0).normal(0.4, 0.01, (FRAMES, 2)).astype(np.float32)
    _, openness = shown(sequence(steady), anna)
    assert np.abs(openness - 0.24).max() < 0.04  # the tracker's noise is no blink


def test_a_tracker_that_slips_once_has_not_seen_the_eyes_shut(anna: Capture) -> None:
    slipped = np.concatenate([eyes(0.4, 0.1)] * 4)
    slipped[200] = 0.0  # one of 400 frames
    _, openness = shown(sequence(slipped), anna)
    np.testing.assert_allclose(openness[41:44], 0.06, atol=0.002)


def test_a_blink_survives_another_frame_rate(anna: Capture) -> None:
    _, openness = shown(sequence(eyes(0.45, 0.1), fps=30.0), anna)
    assert openness.min() == pytest.approx(0.06, abs=0.01)
    assert np.median(openness) == pytest.approx(0.24, abs=1e-4)

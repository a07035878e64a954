"""Head motion: on a person who nods when they are loud, whose every frame is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from audio_motion.topology import BROWS, EYES
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.motion.head_motion import head_motion, moderated, with_own_upper_face
from geneface_ns.motion.prosody import at_rate, fitted
from geneface_ns.motion.selection import APART, BLEND, footage_of, select
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.motion.trajectory import own_trajectory
from tests.geneface_ns.fakes import make_capture

FPS = 25.0


def said(words: list[float], seconds: float) -> np.ndarray:
    """Prosody of words of 0.4 s that begin at these times, with silence between: float32 [N, 3]."""
    time = (np.arange(round(seconds * FPS)) + 0.5) / FPS
    loud = np.zeros(len(time), bool)
    for word in words:
        loud |= (time >= word) & (time < word + 0.4)
    energy = np.where(loud, 1.0, -2.0) + 0.1 * np.sin(7 * time)
    return np.stack([0.3 * loud, loud, energy], axis=1).astype(np.float32)


def nods(words: list[float], seconds: float, depth: float = 8.0) -> np.ndarray:
    """c2w [N, 4, 4] of a head that nods through each word, and drifts slowly sideways."""
    time = (np.arange(round(seconds * FPS)) + 0.5) / FPS
    pitch = sum(depth * np.sin(np.pi * np.clip((time - word) / 0.4, 0, 1)) ** 2 for word in words)
    yaw = 4.0 * np.sin(0.5 * time)
    poses = np.tile(np.eye(4, dtype=np.float32), (len(time), 1, 1))
    poses[:, :3, :3] = Rotation.from_euler("yx", np.stack([yaw, pitch], axis=1), degrees=True).as_matrix()
    poses[:, 2, 3] = 4.0
    return poses


@pytest.fixture(scope="module")
def nodding(tmp_path_factory: pytest.TempPathFactory) -> tuple[Capture, np.ndarray]:
    """A person of a minute who nods with each word, and the prosody of what they say."""
    dice = np.random.default_rng(3)
    words = list(np.cumsum(dice.uniform(0.5, 2.5, 38)))
    capture = load_capture(make_capture(tmp_path_factory.mktemp("people") / "anna", frames=1500))
    landmarks = replace(capture.landmarks, eye_openness=np.linspace(0.2, 0.4, 3000, dtype=np.float32).reshape(1500, 2))
    c2w, body = nods(words, 60.0), np.tile(np.float32([[1, 0, 0], [0, 1, 0]]), (1500, 1, 1))
    body[:, 0, 2] = 10 * c2w[:, 0, 2]  # the shoulders follow sideways
    return replace(capture, c2w=c2w, body=body, landmarks=landmarks), said(words, 60.0)


def speed(c2w: np.ndarray) -> np.ndarray:
    """Degrees a frame."""
    turns = Rotation.from_matrix(c2w[:, :3, :3])
    return np.degrees((turns[:-1].inv() * turns[1:]).magnitude())


def test_the_head_nods_when_the_speech_is_loud(nodding: tuple[Capture, np.ndarray]) -> None:
    person, own = nodding
    words = [0.6, 1.9, 2.7, 4.6, 5.9, 7.4, 8.0, 9.5, 11.1, 12.3, 13.9, 15.0, 16.1, 17.7, 18.6]
    prosody = said(words, 20.0)

    def follows(c2w: np.ndarray) -> float:
        return float(np.corrcoef(speed(c2w), prosody[1:, 1])[0, 1])

    chosen = head_motion(person, own, prosody, 0, 1.0).trajectory.c2w
    assert len(chosen) == len(prosody)
    assert follows(own_trajectory(person).c2w[: len(prosody)]) < 0.3  # the walk to and fro hears nothing
    assert follows(chosen) > 0.45
    assert follows(nods(words, 20.0)) > 0.75  # as it would be filmed


def test_no_kick_where_pieces_join(nodding: tuple[Capture, np.ndarray]) -> None:
    person, own = nodding
    chosen = head_motion(person, own, said([1.0, 3.0, 4.0, 8.0, 8.5, 9.0], 30.0), 1, 1.0).trajectory
    filmed = own_trajectory(person)
    assert speed(chosen.c2w).max() < 1.3 * speed(filmed.c2w).max()
    # A join takes all of its time.
    assert np.abs(np.diff(chosen.body, axis=0)).max() < 1.6 * np.ptp(filmed.body[:, 0, 2]) / (2 * BLEND * FPS)


def test_what_is_shown(nodding: tuple[Capture, np.ndarray]) -> None:
    """Only training frames with a face, none across a gap, none again too soon; the same seed gives the same."""
    person, own = nodding
    valid = person.valid.copy()
    valid[400:410] = False
    person = replace(person, valid=valid)
    footage = footage_of(person, own)
    assert footage is not None
    prosody = said(list(np.arange(0.5, 60.0, 1.3)), 60.0)
    chosen = select(footage, prosody, 5)
    usable = person.is_train & person.valid
    assert usable[chosen.first].all()
    assert usable[chosen.second].all()
    sure = np.where(chosen.weight == 1, chosen.second, -1)
    for frame in np.unique(sure[sure >= 0]):
        times = np.flatnonzero(sure == frame) / FPS
        assert np.diff(times).min(initial=np.inf) > APART - 2 * BLEND
    for again, seed in ((True, 5), (False, 6)):
        other = select(footage, prosody, seed)
        assert all(np.array_equal(a, b) for a, b in zip(chosen, other, strict=True)) == again


def test_longer_than_the_video(nodding: tuple[Capture, np.ndarray]) -> None:
    person, own = nodding
    short = replace(person, valid=person.valid & (np.arange(1500) < 10 * FPS))
    moves = head_motion(short, own, said([1.0, 30.0, 100.0], 150.0), 0, 1.0)
    assert moves.selection is not None
    assert moves.selection.second.max() < 10 * FPS
    assert len(np.unique(moves.selection.second)) > 80  # of 250; it is silent most of the time


def test_too_short_a_video_is_walked_to_and_fro(nodding: tuple[Capture, np.ndarray]) -> None:
    person, own = nodding
    short = replace(person, valid=person.valid & (np.arange(1500) < 7 * FPS))
    moves = head_motion(short, own, said([1.0], 5.0), 0, 1.0)
    assert moves.selection is None
    np.testing.assert_array_equal(moves.trajectory.c2w, own_trajectory(short).c2w)
    frames = [MotionFrame(np.zeros((68, 3), np.float32), np.zeros(2, np.float32))]
    assert list(with_own_upper_face(frames, person, None)) == frames


def test_amount(nodding: tuple[Capture, np.ndarray]) -> None:
    person, own = nodding
    prosody = said([1.0, 2.0, 3.5], 12.0)
    filmed = own_trajectory(person)
    still, half, whole, more = (head_motion(person, own, prosody, 0, a).trajectory for a in (0.0, 0.5, 1.0, 1.5))
    np.testing.assert_allclose(still.c2w, np.tile(still.c2w[0], (300, 1, 1)), atol=1e-9)
    assert speed(half.c2w).sum() == pytest.approx(0.5 * speed(whole.c2w).sum(), rel=0.02)
    assert speed(more.c2w).sum() > 1.2 * speed(whole.c2w).sum()
    # Not beyond where the head was filmed.
    reference = still.c2w[0, :3, :3].T

    def turns(c2w: np.ndarray) -> np.ndarray:
        return Rotation.from_matrix(reference @ c2w[:, :3, :3]).as_rotvec()

    assert (turns(more.c2w).max(axis=0) <= turns(filmed.c2w).max(axis=0) + 1e-9).all()
    assert moderated(whole, filmed, 1.0) is whole


def test_brows_and_eyes_are_the_persons_own(nodding: tuple[Capture, np.ndarray]) -> None:
    person, own = nodding
    selection = head_motion(person, own, said([1.0, 2.0], 4.0), 0, 1.0).selection
    assert selection is not None
    face = MotionFrame(person.mean_landmarks + np.float32(0.01), np.float32([0.3, 0.3]))
    shown = list(with_own_upper_face([face] * 120, person, selection))
    assert len(shown) == 120
    sure = int(np.flatnonzero(selection.weight == 1)[10])
    filmed = selection.second[sure]
    for part in (BROWS, EYES):  # lids as they were tracked: drawn ones are none that the head has learnt
        np.testing.assert_allclose(shown[sure].landmarks[part], person.landmarks.landmarks[filmed, part], atol=1e-6)
    np.testing.assert_allclose(shown[sure].eye_openness, person.landmarks.eye_openness[filmed], atol=1e-6)
    mouth = slice(48, 68)
    np.testing.assert_array_equal(shown[sure].landmarks[mouth], face.landmarks[mouth])
    np.testing.assert_array_equal(shown[119].landmarks, shown[100].landmarks)  # rests beyond the end


def test_prosody_at_another_rate() -> None:
    ramp = np.arange(100, dtype=np.float32)[:, None].repeat(3, axis=1)
    at_25 = at_rate(ramp, 25.0)
    assert at_25.shape == (50, 3)
    np.testing.assert_allclose(at_25[5:45, 0], np.arange(50)[5:45] * 2 + 0.5, atol=0.05)
    assert len(at_rate(ramp[:1], 25.0)) == 1
    np.testing.assert_array_equal(fitted(at_25, 52)[-3:], at_25[[-1, -1, -1]])
    assert len(fitted(at_25, 10)) == 10

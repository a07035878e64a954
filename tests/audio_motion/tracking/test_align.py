"""Aligning poses to the picture, against the procedural person's exact poses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from audio_motion.topology import mouth_opening
from audio_motion.tracking import Track, collect_meshes, fit_track, make_detector, reprojection_error
from audio_motion.tracking.align import align_to_picture
from audio_motion.tracking.bundle import with_poses
from audio_motion.tracking.geometry import from_c2w, rotation_from_vector, to_c2w

from .synthetic import angle_between

SIZE, FRAMES = 192, 30


@pytest.fixture(scope="module")
def clip():
    """Pictures, head masks and true track of an avatar; every other frame, so that the head moves enough."""
    from geneface_ns.synthetic import load_speech, make_truth, speech_names

    truth = make_truth(1, load_speech(speech_names("train")[0]), (SIZE, SIZE), 25.0, 2 * FRAMES)
    drawn = [truth.frame(i) for i in range(0, 2 * FRAMES, 2)]
    track = Track(
        c2w=truth.c2w[::2],
        fl=truth.fl,
        cx=truth.cx,
        cy=truth.cy,
        landmarks=truth.landmarks[::2],
        eye_openness=truth.eye_openness[::2],
        valid=np.ones(FRAMES, bool),
        points2d=truth.points2d[::2].astype(np.float32),
        error=0.0,
        mesh=truth.landmarks.mean(axis=0),
        rigid=np.ones(68, np.float32),
        width=SIZE,
        height=SIZE,
        fps=12.5,
    )
    return track, [frame.rgb for frame in drawn], [frame.labels == 1 for frame in drawn]


def wobbly(track: Track) -> Track:
    """Poses with jitter (0.3 degrees) and a slow drift (0.8 degrees), the head turning about its middle."""
    rng = np.random.default_rng(0)
    drift = gaussian_filter1d(rng.normal(size=(FRAMES, 3)), 5, axis=0)
    vectors = np.radians(0.3) * rng.normal(size=(FRAMES, 3)) + np.radians(0.8) * drift / drift.std()
    rotation, translation = from_c2w(track.c2w)
    return with_poses(track, to_c2w(rotation_from_vector(vectors) @ rotation, translation))


def without_mean(found: Track, true: Track) -> np.ndarray:
    """Degrees [T] by which poses differ, beyond a turn that is the same in all frames (brightness cannot see it)."""
    off = found.c2w[:, :3, :3] @ np.swapaxes(true.c2w[:, :3, :3], 1, 2)
    u, _, vt = np.linalg.svd(off.mean(axis=0))
    return angle_between(u @ vt, off)


def test_wobbling_poses_come_closer_to_the_truth(clip):
    true, pictures, masks = clip
    start = wobbly(true)
    found = align_to_picture(start, lambda: iter(pictures), lambda: iter(masks))
    before, after = without_mean(start, true), without_mean(found, true)
    assert before.mean() > 0.8
    assert after.mean() < 0.5 * before.mean()
    assert after.mean() < 0.5
    # Jitter all but goes: the second difference of the error along time.
    shake = [np.abs(np.diff(x.c2w[:, :3, :3] - true.c2w[:, :3, :3], n=2, axis=0)).mean() for x in (start, found)]
    assert shake[1] < 0.3 * shake[0]
    assert reprojection_error(found).mean() < reprojection_error(start).mean() + 0.02


def test_true_poses_stay(clip):
    """Within what the guessed surface (68 points, an ellipsoid for hair) allows at 192 pixels."""
    true, pictures, masks = clip
    found = align_to_picture(true, lambda: iter(pictures), lambda: iter(masks))
    assert without_mean(found, true).mean() < 0.4


def test_a_frame_that_cannot_fit_keeps_its_pose(clip):
    """Frame 15 shows noise, frame 22 nothing was seen of: neither disturbs its neighbours."""
    true, pictures, masks = clip
    spoiled = list(pictures)
    spoiled[15] = np.random.default_rng(1).integers(0, 255, pictures[15].shape, np.uint8)
    track = replace(wobbly(true), valid=np.arange(FRAMES) != 22)
    found = align_to_picture(track, lambda: iter(spoiled), lambda: iter(masks))
    assert np.isfinite(found.c2w).all()
    assert angle_between(found.c2w[15, :3, :3], true.c2w[15, :3, :3]) < 3
    assert without_mean(found, true)[[13, 14, 16, 17, 21, 23]].max() < 1.2
    np.testing.assert_array_equal(found.valid, track.valid)


def test_from_pictures_alone(clip):
    """Detector, bundle adjustment and alignment against the truth: the whole way of `geneface process`."""
    true, pictures, masks = clip
    meshes, valid = collect_meshes(
        ((i / true.fps, rgb) for i, rgb in enumerate(pictures)), make_detector("mediapipe"), ""
    )
    assert valid.all()
    tracked = fit_track(meshes, valid, (SIZE, SIZE), true.fps)
    found = align_to_picture(tracked, lambda: iter(pictures), lambda: iter(masks))
    before, after = without_mean(tracked, true), without_mean(found, true)
    assert after.mean() < 0.5 < before.mean()
    # The detector has its own idea of where each point sits on a face; their motion is what must be right.
    here, there = (x.landmarks - x.landmarks.mean(axis=0) for x in (found, true))
    assert np.linalg.norm(here - there, axis=-1).mean() < 0.015
    assert np.linalg.norm(found.landmarks - true.landmarks, axis=-1).mean() < 0.03
    assert np.corrcoef(mouth_opening(found.landmarks), mouth_opening(true.landmarks))[0, 1] > 0.9


def test_a_detector_that_forgets_sees_as_a_new_one_does(clip) -> None:
    _, pictures, _ = clip
    other = np.roll(pictures[-1], 12, axis=1)
    new, old = make_detector("mediapipe"), make_detector("mediapipe")
    (alone,) = new(other)
    old(pictures[0])
    (followed,) = old(other)
    assert not np.array_equal(followed.mesh, alone.mesh)
    old.forget()
    (again,) = old(other)
    np.testing.assert_array_equal(again.mesh, alone.mesh)

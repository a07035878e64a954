"""The tracker's figures on real people; needs the clips named by GENEFACE_DATA."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from audio_motion.media import read_frames
from audio_motion.topology import mouth_opening
from audio_motion.tracking import collect_meshes, fit_track, make_detector, reprojection_error

DATA = os.environ.get("GENEFACE_DATA")


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="GENEFACE_DATA does not name the folder of real clips")
@pytest.mark.parametrize("name", ["anchor_512", "address_512"])
def test_reprojection_and_mouth(name):
    frames = itertools.islice(read_frames(Path(str(DATA)) / "targets" / f"{name}.mp4"), 250)
    meshes, valid = collect_meshes(frames, make_detector("mediapipe"), name)
    track = fit_track(meshes, valid, (512, 512), 25.0)
    assert track.error < 0.9  # pixels, rigid points under the rigid shape
    assert reprojection_error(track).mean() < 0.1  # the 68 points with the frame's own deformation
    raw, ours = mouth_opening(track.points2d), mouth_opening(track.landmarks)
    assert np.corrcoef(raw, ours)[0, 1] > 0.97

"""The sound's delay on real recordings whose delay is known."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from audio_motion.topology import face_width, mouth_opening
from audio_motion.tracking import landmarks_of, make_detector
from audio_motion.video import probe, read_frames
from geneface_ns.capture.sound import believed, estimate_offset, load_sound


@pytest.mark.data
@pytest.mark.parametrize(
    ("clip", "known"), [("corpus/styletalk_Obama_clip1.mp4", 0.13), ("targets/anchor_512.mp4", 0.0)]
)
def test_the_delay_is_the_known_one(clip: str, known: float) -> None:
    if not os.environ.get("GENEFACE_DATA"):
        pytest.skip("GENEFACE_DATA does not name a folder of real clips")
    path = Path(os.environ["GENEFACE_DATA"]) / clip
    fps, detect, frames = probe(path).fps, make_detector("mediapipe"), 400
    points = [landmarks_of(detect(rgb)[0].mesh) for _, rgb in islice(read_frames(path), frames)]
    opening = np.array([mouth_opening(p) / face_width(p) for p in points])
    beside = path.with_suffix(".wav")  # the corpus keeps the sound of some clips apart
    sound, rate = load_sound(beside if beside.exists() else path, 0, frames / fps, 0)
    offset = estimate_offset(opening, np.ones(frames, bool), fps, sound, rate)
    assert believed(offset.evidence, frames / fps)
    assert offset.seconds == pytest.approx(known, abs=0.04)

"""From a talking video to landmarks, eye openness and head pose.

`audio_motion.tracking.align` is imported by itself: it needs OpenCV, whose absence only a detector may report.
"""

from __future__ import annotations

from audio_motion.tracking.bundle import Track, fit_track, gaps, reprojection_error
from audio_motion.tracking.detectors import Detector, Face, FaceChooser, choose_face, landmarks_of, make_detector
from audio_motion.tracking.video import collect_meshes, track_video

__all__ = [
    "Detector",
    "Face",
    "FaceChooser",
    "Track",
    "choose_face",
    "collect_meshes",
    "fit_track",
    "gaps",
    "landmarks_of",
    "make_detector",
    "reprojection_error",
    "track_video",
]

"""What the track tells about a video that cannot be learned from."""

from __future__ import annotations

import numpy as np

from audio_motion.errors import InputError
from audio_motion.tracking import Track
from audio_motion.tracking.head_motion import angles, first_jump

TURNED = 60.0
"""Degrees of yaw beyond which half the face is hidden."""
TURNED_ALLOWED = 0.15
"""Part of the frames that may be turned so far."""


def check_motion(track: Track, start: float, video: str) -> None:
    """Raises InputError on a jump from one frame to the next (another shot) and on a face turned away for long."""
    turned = (np.abs(angles(track.c2w)[:, 0]) > TURNED) & track.valid
    if turned.mean() > TURNED_ALLOWED:
        raise InputError(
            f"{video}: the face is turned away by more than {TURNED:.0f} degrees in {turned.mean():.0%} of the video, "
            f"first at {start + turned.argmax() / track.fps:.2f} s; choose a span that shows it with --start and --end"
        )
    jump = first_jump(track.points2d, track.valid, track.fps)
    if jump is not None:
        second = start + jump / track.fps
        raise InputError(
            f"{video}: the face jumps at {second:.2f} s, as at a cut; one shot is needed: "
            f"keep what lies before it with --end {second:.2f} or after it with --start {second:.2f}"
        )

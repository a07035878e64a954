"""What the track tells about a video that cannot be learned from."""

from __future__ import annotations

import numpy as np

from audio_motion.errors import InputError
from audio_motion.tracking import Track
from audio_motion.tracking.head_motion import angles, jumps
from geneface_ns.capture.defects import Defects
from geneface_ns.capture.source import Source
from geneface_ns.capture.spans import advised, runs, second, shots
from geneface_ns.capture.transforms import split_at

TURNED = 60.0
"""Degrees of yaw beyond which half the face is hidden."""
TURNED_ALLOWED = 0.15
"""Part of the frames that may be turned so far."""

LEARNT = 2.4
"""Seconds of the face before the test split that it takes to fit a voice to it; all of `SHORTEST` has them."""
UNSEEN_ALLOWED = 0.5
"""Part of the frames that may show no face to learn from: `audio_motion.tracking.bundle.MOST_MISSING`."""


def check_seen(found: Defects, source: Source) -> None:
    """Raises InputError where most frames show no face, or one that is no use."""
    missing = found.unseen | found.useless
    if missing.mean() > UNSEEN_ALLOWED:
        raise InputError(
            f"{source.path}: no face that could be learnt from in {missing.mean():.0%} of the frames, first at "
            f"{second(source, int(missing.argmax())):.2f} s; " + advised(source, runs(~missing), len(missing), "a face")
        )


def check_track(track: Track, source: Source) -> None:
    """Raises InputError on a jump from one frame to the next (another shot), on a face turned away for long, and where
    too little is left to learn from."""
    count = len(track.valid)
    turned = (np.abs(angles(track.c2w)[:, 0]) > TURNED) & track.valid
    if turned.mean() > TURNED_ALLOWED:
        raise InputError(
            f"{source.path}: the face is turned away by more than {TURNED:.0f} degrees in {turned.mean():.0%} of the "
            f"video, first at {second(source, int(turned.argmax())):.2f} s; "
            + advised(source, runs(~turned), count, "its front")
        )
    jumped = jumps(track.points2d, track.valid, track.fps)
    if len(jumped):
        raise InputError(
            f"{source.path}: the face jumps at {second(source, int(jumped[0])):.2f} s, as at a cut; one shot is "
            "needed: " + advised(source, shots(jumped.tolist(), count), count, "one shot")
        )
    learnt = float(track.valid[: split_at(track.valid)].sum()) / track.fps
    if learnt < LEARNT:
        raise InputError(
            f"{source.path}: only {learnt:.1f} s of it can be learnt from, the rest is kept for test or shows no face, "
            f"or a dark or still one; give at least {LEARNT:g} s more of speech"
        )

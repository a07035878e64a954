"""Which capture something was made from."""

from __future__ import annotations

import hashlib
import json

from geneface_ns.capture_format.capture import Capture


def fingerprint(capture: Capture) -> str:
    """SHA-256 over the capture's camera, poses, split, boxes and landmarks: 64 hexadecimal digits.

    A copy in another folder, under another person's name or with another sound has the same one. The same video
    processed with options that move anything in the picture has another.

    Raises:
        InputError: the landmarks cannot be read.
    """
    scalars = [capture.fps, capture.width, capture.height, *capture.focal, *capture.centre]
    digest = hashlib.sha256(json.dumps(scalars).encode())
    tracked = capture.landmarks
    per_frame = (capture.c2w, capture.body, capture.lips_box, capture.is_train, capture.valid)
    for array in (capture.head_box, *per_frame, tracked.landmarks, tracked.eye_openness):
        digest.update(array.tobytes())
    return digest.hexdigest()

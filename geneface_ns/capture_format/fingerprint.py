"""Which capture something was made from."""

from __future__ import annotations

import hashlib

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import Capture


def fingerprint(capture: Capture) -> str:
    """SHA-256 over the capture's description and its landmarks: 64 hexadecimal digits.

    A copy of the capture in another folder has the same one; the same video processed with other options has another.

    Raises:
        InputError: its files cannot be read.
    """
    digest = hashlib.sha256()
    try:
        digest.update(capture.layout.transforms.read_bytes())
    except OSError as error:
        raise InputError(f"{capture.layout.transforms}: {error.strerror}; run `geneface process` again") from error
    for array in (capture.landmarks.landmarks, capture.landmarks.eye_openness):
        digest.update(array.tobytes())
    return digest.hexdigest()

"""What is heard of speech while it is said: the last two seconds by themselves, and nothing of what comes after."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from audio_motion.features.frames import HOP
from audio_motion.features.interface import SpeechFeatures
from audio_motion.models.generator import FEATURES_PER_MOTION

WINDOW = 48
"""Motion frames that are heard, a multiple of 4: 1.92 s."""
SHOWN = -3
"""Place among them of the frame that is shown."""
LOOK_AHEAD = 0.1
"""Seconds of sound that a frame waits for: two and a half motion frames, since the last feature is not yet known."""
HEARD = (WINDOW * FEATURES_PER_MOTION - 1) * HOP
"""Samples (16 kHz) up to the present."""


def hear(features: SpeechFeatures, samples: np.ndarray) -> Tensor:
    """Features of the present.

    Args:
        samples: float32 [HEARD], the last of which has just come.

    Returns:
        float32 [2 WINDOW, C]; entry 2 (WINDOW + SHOWN) is the first after the frame that is shown.
    """
    return features.of_moment(np.pad(samples, (0, HOP)))

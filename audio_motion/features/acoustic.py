"""The built-in speech features: log-mel, pitch, voicing and energy."""

from __future__ import annotations

import math

import numpy as np
import torch

from audio_motion.features.frames import empty
from audio_motion.features.mel import BINS, MEAN, SPREAD, log_mel
from audio_motion.features.prosody import loudness, pitch_and_voicing

NAME = "acoustic-1"
"""Written into checkpoints; changes whenever the numbers below do."""
CHANNELS = BINS + 3
"""80 log-mel bins, pitch, voicing, energy."""
CONTEXT = 2
"""Frames of sound on either side of a chunk that make its features equal to the whole's (to within 1e-4)."""


def extract(samples: np.ndarray) -> torch.Tensor:
    """Features of speech on the 50 Hz grid of `features.frames`; frame i is centred at (i + 0.5) / 50 s.

    Normalisation is by fixed numbers, never by the utterance: a chunk with `CONTEXT` frames of sound on either side
    gives what the whole gives.

    Args:
        samples: float32 [S] mono 16 kHz in [-1, 1].

    Returns:
        float32 [ceil(S / 320), 83], every channel about within [-2, 2].
    """
    sound = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    if len(sound) == 0:
        return empty(CHANNELS)
    energy = (loudness(sound) + 45.0) / 20.0
    return torch.cat([log_mel(sound), pitch_and_voicing(sound), energy[:, None]], dim=1)


def heard_otherwise(
    features: torch.Tensor, gain: torch.Tensor, tilt: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """What `extract` would roughly give for the same speech from another microphone.

    Pitch and voicing stay: they do not depend on level.

    Args:
        features: [B, T, 83].
        gain: [B] dB.
        tilt: [B] dB between the lowest and the highest mel bin.
        noise: [B] power of steady noise per mel bin, dB as the log-mel counts it (a quiet room is about -80).

    Returns:
        [B, T, 83].
    """
    natural = math.log(10.0) / 10.0
    ramp = torch.linspace(-0.5, 0.5, BINS)
    power = features[..., :BINS] * SPREAD + MEAN + natural * (gain[:, None, None] + tilt[:, None, None] * ramp)
    mel = (torch.logaddexp(power, natural * noise[:, None, None]) - MEAN) / SPREAD
    level = features[..., -1:] * 20.0 - 45.0 + gain[:, None, None]
    # Flat noise of that power in each band holds about 13 dB more in all of them together.
    energy = torch.logaddexp(natural * level, natural * (noise[:, None, None] + 13.0)) / natural
    return torch.cat([mel, features[..., BINS : BINS + 2], (energy + 45.0) / 20.0], dim=-1)

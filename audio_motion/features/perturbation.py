"""Log-mel features of the same speech, had another voice said it or another microphone heard it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from audio_motion.features.mel import BINS, HALF_RANGE, MEAN, centres
from audio_motion.features.prosody import energy_of, loudness_of

_NATURAL = math.log(10.0) / 10.0
"""Of a decibel."""
_ALL_BANDS = 13.0
"""dB that flat noise holds in all bands together more than in each."""


def perturb_voice(features: Tensor, formants: Tensor, pitch: Tensor) -> Tensor:
    """What `Acoustic.extract` would roughly give for a voice of another throat.

    Formants move by vocal tract length perturbation (Jaitly and Hinton, ICML-W 2013): the spectrum is stretched along
    frequency, and continued at its ends. Harmonics move with it, whatever the pitch does.

    Args:
        features: [B, T, 83].
        formants: [B] octaves by which the spectrum rises.
        pitch: [B] octaves by which the voice's pitch rises.

    Returns:
        [B, T, 83].
    """
    wanted = centres().log2() - formants[:, None]
    place = torch.searchsorted(centres().log2(), wanted).clamp(1, BINS - 1)
    low, high = centres().log2()[place - 1], centres().log2()[place]
    share = ((wanted - low) / (high - low)).clamp(0.0, 1.0)[:, None]
    mel = features[..., :BINS]
    below, above = (mel.gather(2, index[:, None].expand_as(mel)) for index in (place - 1, place))
    octaves = features[..., BINS] + pitch[:, None] * features[..., BINS + 1]
    return torch.cat([torch.lerp(below, above, share), octaves[..., None], features[..., BINS + 1 :]], dim=-1)


def perturb_channel(features: Tensor, gain: Tensor, colour: Tensor, noise: Tensor) -> Tensor:
    """What `Acoustic.extract` would roughly give for the same speech through another microphone in another room.

    Pitch and voicing stay: they do not depend on level.

    Args:
        features: [B, T, 83].
        gain: [B] dB.
        colour: [B, 80] dB, the microphone's frequency response at the mel bins.
        noise: [B, 80] power of steady noise per mel bin, dB as the log-mel counts it (a quiet room is about -80).

    Returns:
        [B, T, 83].
    """
    power = features[..., :BINS] * HALF_RANGE + MEAN + _NATURAL * (gain[:, None] + colour)[:, None]
    mel = (torch.logaddexp(power, _NATURAL * noise[:, None]) - MEAN) / HALF_RANGE
    level = loudness_of(features) + gain[:, None]
    hum = _NATURAL * _ALL_BANDS + torch.logsumexp(_NATURAL * noise, dim=1) - math.log(BINS)
    heard = torch.logaddexp(_NATURAL * level, hum[:, None]) / _NATURAL
    return torch.cat([mel, features[..., BINS : BINS + 2], energy_of(heard)[..., None]], dim=-1)

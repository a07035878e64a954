"""How late a capture's sound comes, by the sync expert, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from audio_motion.media import SAMPLE_RATE, stream_audio
from audio_motion.sequence import LandmarkSequence
from audio_motion.sync import Lag, estimate_lag

PIECE = 30.0
"""Seconds that are judged at once."""
CONFIDENT = 0.2
"""Confidence from which an estimate is believed; what clips of real people have, and what sound of other clips beside
them has, stands in docs/benchmarks.md."""
UNRELATED = 0.12
"""Confidence below which mouth and sound do not belong together."""
LONG_ENOUGH = 10.0
"""Seconds of valid motion that it takes to say so: in less, chance reaches higher."""


def sound_lag(audio: Path, sequence: LandmarkSequence) -> Lag:
    """The lag of a capture's sound.

    Args:
        audio: on the picture's clock.
        sequence: tracked from the picture.

    Returns:
        the median over those pieces that are sure of it, or over all where none is, and the mean confidence of all;
        pieces count by their length.
    """
    rows = []
    for samples, motion in _pieces(audio, sequence):
        lag = estimate_lag(samples, motion)
        rows.append((lag.seconds, lag.confidence, max(1e-6, motion.valid.sum() / motion.fps)))
    late, confidence, weight = np.array(rows).T
    sure = confidence >= CONFIDENT
    heard = np.where(sure, weight, 0.0) if sure.any() else weight
    order = late.argsort()
    middle = order[np.searchsorted(heard[order].cumsum(), heard.sum() / 2)]
    return Lag(float(late[middle]), float(np.average(confidence, weights=weight)))


def _pieces(audio: Path, sequence: LandmarkSequence) -> Iterator[tuple[np.ndarray, LandmarkSequence]]:
    """Sound float32 [S] at 16 kHz and the motion beside it, cut into equal pieces of about PIECE seconds."""
    fps = sequence.fps
    edges = np.linspace(0, len(sequence), max(1, round(sequence.duration / PIECE)) + 1).round().astype(int)
    chunks, held = stream_audio(audio, SAMPLE_RATE), np.zeros(0, np.float32)
    for first, stop in pairwise(edges.tolist()):
        wanted = round(stop / fps * SAMPLE_RATE) - round(first / fps * SAMPLE_RATE)
        while len(held) < wanted and (chunk := next(chunks, None)) is not None:
            held = np.concatenate([held, chunk])
        yield held[:wanted], sequence.slice((first - 0.5) / fps, (stop - 0.5) / fps)
        held = held[wanted:]

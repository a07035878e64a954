"""How late a capture's sound comes, by the sync expert, in constant memory.

The expert works in a process of its own: torch alone takes 0.7 GB, and nothing else here needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from audio_motion.errors import InputError
from audio_motion.lag import Lag
from audio_motion.media import SAMPLE_RATE, stream_audio
from audio_motion.parallel.child import how_it_ended, kill, start
from audio_motion.sequence import LandmarkSequence

PIECE = 30.0
"""Seconds that are judged at once."""
CONFIDENT = 0.2
"""Confidence from which an estimate is believed; what clips of real people have, and what sound of other clips beside
them has, stands in docs/benchmarks.md."""
UNRELATED = 0.15
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

    Raises:
        InputError: the expert's process dies.
    """
    rows = []
    with expert() as estimate:
        for samples, motion in _pieces(audio, sequence):
            lag = estimate(samples, motion)
            rows.append((lag.seconds, lag.confidence, max(1e-6, motion.valid.sum() / motion.fps)))
    late, confidence, weight = np.array(rows).T
    sure = confidence >= CONFIDENT
    heard = np.where(sure, weight, 0.0) if sure.any() else weight
    order = late.argsort()
    middle = order[np.searchsorted(heard[order].cumsum(), heard.sum() / 2)]
    return Lag(float(late[middle]), float(np.average(confidence, weights=weight)))


@contextmanager
def expert() -> Iterator[Callable[[np.ndarray, LandmarkSequence], Lag]]:
    """`audio_motion.sync.estimate_lag`, in a process that lasts as long as the block."""
    child = start(_serve, {})

    def estimate(samples: np.ndarray, sequence: LandmarkSequence) -> Lag:
        try:
            child.pipe.send((samples, sequence))
            return child.pipe.recv()
        except (EOFError, OSError) as error:
            reason = how_it_ended(child)
            raise InputError(
                f"measuring the delay of the sound ended with {reason}; free some memory, and go on"
            ) from error

    try:
        yield estimate
    finally:
        kill(child)


def _serve(pipe: Connection) -> None:
    """In the expert's process."""
    from audio_motion.sync import estimate_lag

    while True:
        try:
            samples, sequence = pipe.recv()
        except EOFError:
            return
        pipe.send(estimate_lag(samples, sequence))


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

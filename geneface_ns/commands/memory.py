"""What a command says when the CUDA device is too small for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from audio_motion.errors import InputError


@contextmanager
def explains_out_of_memory() -> Iterator[None]:
    """Turn CUDA's out-of-memory error raised inside into one line.

    Raises:
        InputError: the device's memory did not suffice.
    """
    import torch

    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise InputError(
            "the CUDA device has too little free memory for this head; use --device cpu, or train it at a smaller size "
            "(ns-train geneface ... geneface-data --downscale-factor 2)"
        ) from error

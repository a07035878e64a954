"""What every kind of speech features offers, and how one is opened by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
from torch import Tensor

from audio_motion.errors import InputError

BUILT_IN = ("whisper", "mel")
"""What `open_features` opens without reading anything but the package."""
DEFAULT = "whisper"
"""What trainings hear through where nothing else is said, and the models that come with the package."""
TOLERANCE = 1e-4
"""Most by which a streamed feature differs from the one extracted from the whole sound."""


class SpeechFeatures(Protocol):
    """Speech -> [T, C] at 50 Hz on the grid of `features.frames`; frame i is centred at (i + 0.5) / 50 s.

    Sound is float32 mono 16 kHz in [-1, 1]. The last three channels of every kind are pitch, voicing and energy, as
    `features.prosody` defines them; its `loudness_of` turns the last one back into dB.
    """

    @property
    def name(self) -> str:
        """What the numbers are: written into checkpoints and cache keys, changes whenever they do."""
        ...

    @property
    def spec(self) -> str:
        """What to give to `open_features` to have these again, as long as the weights stay where they are."""
        ...

    @property
    def channels(self) -> int:
        """C, prosody included."""
        ...

    @property
    def silence(self) -> Tensor:
        """float32 [C]: a frame of silence, which is what is heard before a sound and after it."""
        ...

    @property
    def normalised(self) -> bool:
        """Whether all channels are about within [-2, 2]; if not, networks take mean and deviation from the data."""
        ...

    @property
    def perturbable(self) -> bool:
        """Whether `features.perturbation` can say what the same speech of another voice would give."""
        ...

    @property
    def look_ahead(self) -> float:
        """Seconds of sound after a frame's centre that `stream` may wait for before it gives the frame."""
        ...

    def extract(self, samples: np.ndarray) -> Tensor:
        """Features of a whole sound: float32 [S] -> float32 [ceil(S / 320), C]."""
        ...

    def of_moment(self, samples: np.ndarray) -> Tensor:
        """Features of a short moment heard by itself, as of what is being said now: nothing before it counts, and what
        comes after it is not known.

        Args:
            samples: float32 [320 n], 4 s at most.

        Returns:
            float32 [n, C].
        """
        ...

    def stream(self, chunks: Iterable[np.ndarray]) -> Iterator[Tensor]:
        """What `extract` gives for the chunks joined, to within TOLERANCE, in constant memory.

        Args:
            chunks: float32 [s] of any lengths, zero too.

        Yields:
            float32 [n, C], n >= 1, in order and without gaps.
        """
        ...


def open_features(spec: str, device: str = "cpu") -> SpeechFeatures:
    """Speech features by the name a user gives.

    Args:
        spec: "whisper" (the layers that come with the package), "mel" (a spectrum, also built in),
            "whisper:WHERE[@LAYER]" (a directory with config.json and model.safetensors, or a repository of the Hugging
            Face hub such as openai/whisper-base) or "hubert:WHERE[@LAYER]" (a file of weights in torchaudio's layout,
            or a torchaudio pipeline such as HUBERT_BASE). Layers count from 1.
        device: where the encoder runs: cpu, cuda or mps.

    Raises:
        InputError: no such kind; or its weights cannot be had, are not what they should be, or have no such layer.
    """
    kind, _, where = spec.partition(":")
    if spec == "mel":
        from audio_motion.features.acoustic import MEL

        return MEL
    if spec == "whisper":
        from audio_motion.features.whisper import packaged_whisper

        return packaged_whisper(device)
    if kind in ("whisper", "hubert") and where:
        place, layer = _place_and_layer(spec, where)
        if kind == "whisper":
            from audio_motion.features.whisper import open_whisper

            return open_whisper(place, layer, device)
        from audio_motion.features.hubert import open_hubert

        return open_hubert(place, layer, device)
    raise InputError(
        f"{spec!r}: no such speech features; give whisper, mel, whisper:WHERE[@LAYER] or hubert:WHERE[@LAYER]"
    )


def _place_and_layer(spec: str, where: str) -> tuple[str, int | None]:
    place, at, layer = where.rpartition("@")
    if not at:
        return where, None
    if not layer.isdecimal() or int(layer) == 0 or not place:
        raise InputError(f"{spec!r}: {layer!r} is no layer; give a whole number from 1 on after the @")
    return place, int(layer)

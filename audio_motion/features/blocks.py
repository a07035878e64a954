"""Speech features from a pretrained encoder, which hears more than a frame: in blocks on an absolute grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from audio_motion.features.frames import HOP, RATE, empty, frame_count
from audio_motion.features.prosody import CONTEXT, PROSODY, prosody
from audio_motion.features.stream_buffer import StreamBuffer

EDGE = 200
"""Samples given to an encoder on either side of its frames' own: half a window of Whisper's mel spectrum."""


@dataclass(frozen=True)
class Grid:
    """How sound is cut for an encoder: block b is the frames from b * new to (b + 1) * new, heard within a window.

    Attention looks at a whole window, so that a frame's numbers depend on where its window lies. The grid is therefore
    part of what the features are, and the same whether the sound comes whole or in chunks.
    """

    before: int
    """Frames heard before a block."""
    new: int
    """Frames of a block."""
    after: int
    """Frames heard after it."""
    filled: bool
    """Whether every window has its whole length, silence standing in beyond the ends of the sound; otherwise windows
    end where the sound does."""


@dataclass(frozen=True)
class EncodedSpeech:
    """An encoder's output, then pitch, voicing and energy: a kind of `features.interface.SpeechFeatures`.

    Whole and streamed sound run the very same blocks: their features are equal.
    """

    name: str
    spec: str
    width: int
    """Channels of the encoder."""
    grid: Grid
    encode: Callable[[Tensor], Tensor]
    """float32 [EDGE + 320 n + EDGE] samples around n frames -> [n, width]."""
    normalised: bool = False
    perturbable: bool = False

    @property
    def channels(self) -> int:
        """The encoder's, pitch, voicing, energy."""
        return self.width + PROSODY

    @cached_property
    def silence(self) -> Tensor:
        """float32 [C]: the mean over a block without any sound."""
        return self.extract(np.zeros(self.grid.new * HOP, np.float32)).mean(dim=0)

    @property
    def look_ahead(self) -> float:
        """Seconds after a frame's centre: the first frame of a block waits for the block's whole window."""
        return (self.grid.new + self.grid.after) / RATE

    def extract(self, samples: np.ndarray) -> Tensor:
        """float32 [S] mono 16 kHz -> float32 [ceil(S / 320), C]."""
        parts = list(self.stream([samples]))
        return torch.cat(parts) if parts else empty(self.channels)

    @torch.no_grad()
    def of_moment(self, samples: np.ndarray) -> Tensor:
        """As `SpeechFeatures.of_moment`."""
        sound = torch.from_numpy(samples)
        encoded = self.encode(pad(sound, (EDGE, EDGE))).float().cpu()
        return torch.cat([encoded, prosody(sound)], dim=1)

    def stream(self, chunks: Iterable[np.ndarray]) -> Iterator[Tensor]:
        """As `SpeechFeatures.stream`, a block at a time."""
        grid, buffer, first = self.grid, StreamBuffer(np.zeros(0, np.float32)), 0
        reach = grid.new + max(grid.after, CONTEXT)
        for chunk in chunks:
            buffer.add(chunk)
            while buffer.end >= (first + reach) * HOP + EDGE:
                yield self._block(buffer, first, None)
                first += grid.new
                buffer.forget((first - max(grid.before, CONTEXT)) * HOP - EDGE)
        count = frame_count(buffer.end)
        while first < count:
            yield self._block(buffer, first, count)
            first += grid.new

    @torch.no_grad()
    def _block(self, buffer: StreamBuffer, first: int, count: int | None) -> Tensor:
        """Features [n, C] of the block that begins at frame `first`. `count`: frames of the sound, None while it goes
        on beyond the window."""
        grid = self.grid
        stop = first + grid.new if count is None else min(first + grid.new, count)
        begin, end = first - grid.before, first + grid.new + grid.after
        if not grid.filled:
            begin, end = max(0, begin), end if count is None else min(end, count)
        window = torch.from_numpy(buffer.rows(begin * HOP - EDGE, end * HOP + EDGE))
        near = torch.from_numpy(buffer.rows((first - CONTEXT) * HOP, (stop + CONTEXT) * HOP))
        encoded = self.encode(window)[first - begin : stop - begin].float().cpu()
        return torch.cat([encoded, prosody(near)[CONTEXT:-CONTEXT]], dim=1)

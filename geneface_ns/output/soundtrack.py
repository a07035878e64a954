"""The sound of a video, encoded beside its frames as they come; memory does not grow with length."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from audio_motion.media import AudioInfo, Tracks, stream_channels

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
_AAC_BLOCK = 1024  # samples


def encoding_rate(source: int, fps: float, known: list[int]) -> int:
    """The sample rate to encode sound of `source` Hz at, one of `known`.

    The source's own where possible. Audio codecs end on a whole block (1024 samples in AAC), so slow sound is taken
    to a multiple of its rate at which a block is no longer than a frame: sound and picture then end within one frame
    of each other, whoever counts. Beyond 48 kHz nothing is gained by that.
    """
    multiples = [source * k for k in range(1, 7) if source * k in known and (k == 1 or source * k <= 48000)]
    if not multiples:
        return min(known, key=lambda rate: (abs(rate - source), rate))
    return next((rate for rate in multiples if rate >= _AAC_BLOCK * fps), multiples[-1])


class SoundTrack:
    """As much of a sound as the frames last, in a container that is being written.

    After `write_until(n)` the container holds exactly n / fps seconds of it, silence where it has ended: sound and
    picture are equally long, and nothing is held in memory.
    """

    def __init__(
        self, container: Any, codec: str, fps: Fraction, sound: Path, heard: AudioInfo, tracks: Tracks, start: float
    ) -> None:
        """
        Args:
            container: opened by PyAV for writing.
            codec: of the sound.
            fps: of the picture.
            sound: any media file with a sound track; for its rate see `encoding_rate`; mono, stereo and 5.1 are kept,
                other channels mixed to stereo.
            heard: `audio_info` of it.
            tracks: of the file, where it has several.
            start: second of the sound that belongs to the first frame.

        Raises:
            InputError: there is no sound in it.
        """
        known = av.codec.Codec(codec, "w").audio_rates or [heard.sample_rate]
        self._fps = fps
        self._rate = encoding_rate(heard.sample_rate, float(fps), list(known))
        self._layout = _LAYOUTS.get(heard.channels, "stereo")
        self._container = container
        self._stream = container.add_stream(codec, rate=self._rate, layout=self._layout)
        self._stream.codec_context.time_base = Fraction(1, self._rate)
        self._blocks = stream_channels(sound, self._rate, self._layout, tracks)
        self._pending = next(self._blocks)  # there is some, or this says that there is none
        self._written = 0
        self._take(round(start * self._rate))

    def write_until(self, frames: int) -> None:
        """Append the sound up to the end of so many frames."""
        until = round(frames / self._fps * self._rate)
        piece = self._take(until - self._written)
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._written
        self._container.mux(self._stream.encode(frame))
        self._written = until

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))

    def close(self) -> None:
        """Close the file that the sound comes from."""
        self._blocks.close()

    def _take(self, count: int) -> np.ndarray:
        """The next samples, float32 [channels, count]; silence where the sound has ended."""
        blocks, have = [self._pending], self._pending.shape[1]
        while have < count and (block := next(self._blocks, None)) is not None:
            blocks.append(block)
            have += block.shape[1]
        samples = np.concatenate(blocks, axis=1)
        self._pending = samples[:, count:].copy()
        return np.ascontiguousarray(np.pad(samples[:, :count], ((0, 0), (0, max(0, count - have)))))

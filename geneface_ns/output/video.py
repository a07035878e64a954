"""Encoding a video with its sound, frame by frame, through PyAV; memory does not grow with length."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import av
import numpy as np

from audio_motion.errors import InputError
from audio_motion.files import written_whole
from audio_motion.media import AS_PLAYED, Tracks, audio_info
from geneface_ns.output.provenance import container_tags
from geneface_ns.output.soundtrack import SoundTrack


class Codecs(NamedTuple):
    """What a container is filled with."""

    video: str
    audio: str
    options: dict[str, str]
    pixels: str = "yuv420p"
    """FFmpeg's name of the pixel format."""


_H264 = Codecs("libx264", "aac", {"preset": "fast"})
CONTAINERS = {
    ".mp4": _H264,
    ".mov": _H264,
    ".mkv": _H264,
    ".webm": Codecs("libvpx-vp9", "libopus", {"b": "0", "deadline": "realtime", "cpu-used": "5", "row-mt": "1"}),
}
"""Known file suffixes; all four codecs are in PyAV's wheel."""
WITH_ALPHA = {
    ".mov": Codecs("prores_ks", "aac", {"profile": "4444"}, "yuva444p10le"),
    # Frames that are never shown, which the encoder makes otherwise, have no alpha.
    ".webm": CONTAINERS[".webm"]._replace(
        options={**CONTAINERS[".webm"].options, "auto-alt-ref": "0"}, pixels="yuva420p"
    ),
}
"""The same of those that carry transparency: straight alpha in both, which editors and browsers expect in them."""

_BT709 = 1  # AVCOL_SPC_BT709, AVCOL_PRI_BT709 and AVCOL_TRC_BT709 alike
_LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG


def codecs_for(path: Path, alpha: bool = False) -> Codecs:
    """The codecs for a file of this name.

    Args:
        alpha: whether the picture is partly transparent.

    Raises:
        InputError: the suffix names no container that we write, or none for alpha.
    """
    suffix = Path(path).suffix.lower()
    if alpha:
        if suffix not in WITH_ALPHA:
            raise InputError(
                f"{path}: {suffix or 'such a file'} carries no alpha; name it .mov (ProRes 4444) or .webm (VP9)"
            )
        return WITH_ALPHA[suffix]
    if suffix not in CONTAINERS:
        raise InputError(f"{path}: cannot write a video of type {suffix!r}; name it {', '.join(CONTAINERS)}")
    return CONTAINERS[suffix]


def frame_rate(fps: float) -> Fraction:
    """Frames per second as a fraction; 30000/1001 and its kin exact."""
    return Fraction(fps).limit_denominator(1001)


def container_flags(path: Path) -> dict[str, str]:
    """Options of the container for a file of this name: mp4 and mov play before they are loaded whole."""
    return {"movflags": "+faststart"} if Path(path).suffix.lower() in (".mp4", ".mov") else {}


class VideoWriter:
    """Writes frames, and as much of a sound as they last, to a video file.

    The sound is interleaved while frames come: after frame i the file holds exactly (i + 1) / fps seconds of it,
    silence where it has ended. So both are equally long, and nothing is held in memory. Colours are BT.709, tagged
    as such. The container says that the video is synthetic (`geneface_ns.output.provenance`).
    An odd width or height is padded to even by repeating the last column or row, which 4:2:0 chroma needs.
    The file appears at `path` when the block ends well; otherwise nothing is left.

    Example:
        with VideoWriter(Path("out.mp4"), (512, 512), 25.0, Path("speech.wav")) as writer:
            writer.write(frame)  # uint8 RGB [512, 512, 3]
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: float,
        sound: Path | None = None,
        crf: int = 18,
        sound_start: float = 0.0,
        tracks: Tracks = AS_PLAYED,
        alpha: bool = False,
    ) -> None:
        """Check the arguments; the file is opened on entering the block.

        Args:
            path: where to write; its suffix chooses the container (see `CONTAINERS`).
            size: width and height of the frames, px.
            fps: frames per second, fractional rates included.
            sound: any media file with a sound track; for its rate see `encoding_rate`; mono, stereo and 5.1 are kept,
                other channels mixed to stereo.
            crf: quality of the picture, 0 (lossless) to 51; 18 looks like the original.
            sound_start: second of the sound that belongs to the first frame.
            tracks: of the file with the sound, where it has several.
            alpha: frames are RGBA with straight alpha (.mov and .webm; see `WITH_ALPHA`); crf does not apply to .mov.

        Raises:
            InputError: unknown suffix, fps not positive, or (on entering) unwritable path or unusable sound.
        """
        self.path = Path(path)
        self._codecs = codecs_for(self.path, alpha)
        self._colours = "rgba" if alpha else "rgb24"
        if not (np.isfinite(fps) and 0 < fps <= 1000):
            raise InputError(f"{path}: {fps} frames per second cannot be written; choose one between 0 and 1000")
        self.size = size
        self.rate = frame_rate(fps)
        self.frames = 0
        """Frames written so far."""
        self._sound = sound
        self._sound_start = sound_start
        self._tracks = tracks
        self._crf = crf
        self._stack = ExitStack()

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            heard = audio_info(self._sound, self._tracks) if self._sound is not None else None
            temporary = stack.enter_context(written_whole(self.path))
            options = container_flags(self.path)
            self._container = stack.enter_context(av.open(str(temporary), "w", options=options))
            self._container.metadata.update(container_tags())
            self._open_video()
            self._track = None
            if self._sound is not None and heard is not None:
                self._track = SoundTrack(
                    self._container, self._codecs.audio, self.rate, self._sound, heard, self._tracks, self._sound_start
                )
                stack.callback(self._track.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if self.frames == 0:
                raise ValueError(f"{self.path}: no frame was written")
            self._container.mux(self._video.encode(None))
            if self._track is not None:
                self._track.finish()

    def _open_video(self) -> None:
        width, height = self.size
        options = {"crf": str(self._crf), **self._codecs.options}
        self._video = self._container.add_stream(self._codecs.video, rate=self.rate, options=options)
        self._video.width, self._video.height = width + width % 2, height + height % 2
        self._video.pix_fmt = self._codecs.pixels
        context = self._video.codec_context
        context.time_base = 1 / self.rate
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE

    def write(self, frame: np.ndarray) -> None:
        """Append one frame, uint8 RGB [H, W, 3] of the size given at the start; RGBA [H, W, 4] with alpha."""
        width, height = self.size
        expected = (height, width, len(self._colours.rstrip("24")))
        if frame.shape != expected or frame.dtype != np.uint8:
            raise ValueError(f"frame is {frame.dtype} {frame.shape}, expected uint8 {expected}")
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format=self._colours).reformat(
            format=self._codecs.pixels, dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        picture.pts = self.frames
        picture.time_base = 1 / self.rate
        self._container.mux(self._video.encode(picture))
        self.frames += 1
        if self._track is not None:
            self._track.write_until(self.frames)

"""Footage that is shown again: the filmed frames as they are, in which only mouth and jaw are drawn anew.

The head's pose is that of the filmed frame, so what is drawn lies where it was filmed; eyes, hair, body and background
are pixels of the footage, which is walked through to and fro.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from audio_motion.topology import BROWS, EYES, STILL, face_width
from geneface_ns.capture.crop import Crop
from geneface_ns.capture_format.capture import Capture
from geneface_ns.capture_format.pictures import read_png
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.motion.trajectory import Trajectory, pingpong_index
from geneface_ns.output.blending import blend, smooth_edge
from geneface_ns.output.drive import View
from geneface_ns.output.finish import Finish, as_rendered
from geneface_ns.output.mouth_region import inward_distance, outline_of
from geneface_ns.output.paste_back import filmed_trajectory, origin_of, original_frames
from geneface_ns.output.to_and_fro import to_and_fro
from geneface_ns.renderers.contract import Layers
from geneface_ns.scene.camera import Pinhole

FEATHER = 0.09
"""Width of the feathered edge, face widths."""


class Window(NamedTuple):
    """What is drawn of one frame."""

    place: tuple[slice, slice]
    """Rows and columns of the footage's picture."""
    weight: np.ndarray
    """float32 [h, w, 1]: how much of each pixel there is drawn; 0 along the border."""


@dataclass(frozen=True)
class Replay:
    """Consecutive frames of a capture as footage. Made by `replay_of`."""

    capture: Capture
    frames: np.ndarray
    """int [N]: numbers of the frames, which are walked through to and fro."""
    original: Path | None
    """The video that the capture was cut out of, to be shown whole; None: the capture's own pictures are shown."""
    crop: tuple[int, int, int, int]
    """x, y, width and height of the capture's picture in the footage's, px of the latter."""
    size: tuple[int, int]
    """Width and height of the footage's pictures."""
    outline: np.ndarray
    """float64 [P, 3]: what is drawn, see `mouth_region.outline_of`."""

    @property
    def trajectory(self) -> Trajectory:
        """Head and body exactly as tracked in the frames that are shown."""
        filmed = filmed_trajectory(self.capture)
        return Trajectory(filmed.c2w[self.frames], filmed.body[self.frames], filmed.fps)

    def spoken(self, motion: Iterable[MotionFrame]) -> Iterator[MotionFrame]:
        """The faces of `motion` in the place of the filmed ones, whose brows and eyes they have."""
        filmed = self.capture.landmarks
        for index, face in enumerate(motion):
            frame = self._shown(index)
            known = filmed.landmarks[frame]
            # Where the tracking slipped, all of the face did: what is drawn must end where the filmed rest begins.
            landmarks = face.landmarks + (known - face.landmarks)[STILL].mean(axis=0)
            landmarks[BROWS], landmarks[EYES] = known[BROWS], known[EYES]
            yield MotionFrame(landmarks, filmed.eye_openness[frame])

    def window(self, frame: int) -> Window:
        """What is drawn of a frame of the capture."""
        capture, (x, y, width, height) = self.capture, self.crop
        scale = width / capture.width, height / capture.height
        pose = capture.c2w[frame].astype(np.float64)
        outline = capture.project(self.outline, pose) * scale
        face = face_width(capture.project(capture.mean_landmarks, pose)) * scale[0]
        low = np.floor(outline.min(axis=0)).astype(int).clip(0, np.array([width, height]) - 1)
        high = np.ceil(outline.max(axis=0)).astype(int).clip(low + 1, (width, height))
        inward = inward_distance(outline - low, (high[0] - low[0], high[1] - low[1]))
        rows, columns = slice(y + low[1], y + high[1]), slice(x + low[0], x + high[0])
        return Window((rows, columns), smooth_edge(inward, FEATHER * float(face)))

    def view(self, index: int, own: Pinhole) -> View:
        """What is drawn of the frame that is shown at `index`.

        Args:
            own: the capture's, at the size that the head was trained at: what is larger in the footage is enlarged.
        """
        (rows, columns), weight = self.window(self._shown(index))
        x, y, width, height = self.crop
        across, up = own.size[0] / width, own.size[1] / height
        box = (columns.start - x) * across, (rows.start - y) * up, (columns.stop - x) * across, (rows.stop - y) * up
        size = max(1, round(box[2] - box[0])), max(1, round(box[3] - box[1]))
        # And what is mixed in where it is enlarged.
        wanted = cv2.dilate(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), np.ones((5, 5), np.uint8)) > 0
        return View(own.window(box, size), wanted)

    def finish_from(self, first: int, folder: Path) -> Finish:
        """Puts what was drawn into the footage; outside the window it stays bit for bit.

        Args:
            first: number of the first frame that will be finished.
            folder: where to keep frames of a video for the way back, see `to_and_fro`.
        """
        pictures, numbers = self._pictures(first, folder), count(first)

        def finish(layers: Layers) -> np.ndarray:
            whole, window = next(pictures), self.window(self._shown(next(numbers)))
            real, drawn = whole[window.place], as_rendered(layers)
            scaled = Crop(0, 0, drawn.shape[1], drawn.shape[0], real.shape[1], real.shape[0]).apply(drawn)
            whole[window.place] = blend(scaled, real, window.weight)
            return whole

        return finish

    def _shown(self, index: int) -> int:
        """The frame of the capture that is shown at `index`."""
        return int(self.frames[pingpong_index(index, len(self.frames))])

    def _pictures(self, first: int, folder: Path) -> Iterator[np.ndarray]:
        """The footage from frame `first` of the walk on, uint8 [H, W, 3], to be written into."""
        if self.original is None:
            return (read_png(self.capture.layout.image(self._shown(index))) for index in count(first))
        original, start, stop = self.original, int(self.frames[0]), int(self.frames[-1]) + 1
        frames = to_and_fro(
            lambda: islice(original_frames(original, self.capture), start, stop), len(self.frames), folder, first
        )
        return (rgb.copy() for rgb in frames)


def replay_of(capture: Capture, original: Path | None) -> Replay:
    """The longest part of a capture in which the face was always seen, as footage.

    Args:
        original: the video that the capture was made from, to show its whole pictures; see `paste_back.check_original`.
    """
    ends = np.flatnonzero(np.diff(np.concatenate([[0], capture.valid.astype(np.int8), [0]])))
    runs = ends.reshape(-1, 2)
    start, stop = runs[np.diff(runs, axis=1)[:, 0].argmax()]
    if original is None:
        crop, size = (0, 0, capture.width, capture.height), (capture.width, capture.height)
    else:
        origin = origin_of(capture)
        crop, size = origin.crop, (origin.width, origin.height)
    return Replay(capture, np.arange(start, stop), original, crop, size, outline_of(capture))

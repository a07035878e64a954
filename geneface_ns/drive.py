"""Motion of a face, from speech or from a file, into a stream of frames; memory does not grow with length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch

from audio_motion.errors import InputError
from audio_motion.sequence import LandmarkSequence
from geneface_ns.data.capture import Capture
from geneface_ns.trajectory import Trajectory


class MotionFrame(NamedTuple):
    """A face at one moment."""

    landmarks: np.ndarray
    """float32 [68, 3], head frame of the person to be shown."""
    eye_openness: np.ndarray
    """float32 [2]."""


class HeadRenderer(Protocol):
    """What is needed of a model: one frame from pose, face and body."""

    @property
    def device(self) -> torch.device: ...

    def render_frame(
        self,
        c2w: torch.Tensor,
        landmarks: torch.Tensor,
        eye_openness: torch.Tensor,
        body: torch.Tensor,
        size: tuple[int, int],
        underlay: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Pose [4, 4], landmarks [68, 3], eyes [2], body [2, 3], size (w, h) -> float [H, W, 3] in [0, 1].

        Where `underlay` ([H, W, 4] in [0, 1], `data.frames.Frame`) is given, the head is laid over it, else over the
        rendered torso.
        """
        ...


def own_landmarks(sequence: LandmarkSequence, person: str, mean_landmarks: np.ndarray) -> np.ndarray:
    """A sequence's motion as landmarks [T, 68, 3] of the person to be shown.

    Args:
        sequence: motion of anyone. Offsets are laid on this person's mean; another person's positions lose that
            person's mean (over valid frames) first.
        person: who is shown.
        mean_landmarks: [68, 3], that person's mean.
    """
    if sequence.space == "offset":
        return sequence.landmarks + mean_landmarks
    if sequence.person == person:
        return sequence.landmarks
    seen = sequence.landmarks[sequence.valid] if sequence.valid.any() else sequence.landmarks
    return sequence.landmarks - seen.mean(axis=0) + mean_landmarks


def motion_of_sequence(
    sequence: LandmarkSequence, capture: Capture, frames: int | None = None
) -> Iterator[MotionFrame]:
    """The frames of a sequence as motion of the captured person, at the capture's fps.

    Args:
        frames: how many are wanted; the last is held, or what is too much left out. Default: all there are.
    """
    sequence = sequence.resample(capture.fps)
    landmarks = own_landmarks(sequence, capture.person, capture.mean_landmarks).astype(np.float32)
    for index in np.arange(frames or len(sequence)).clip(max=len(sequence) - 1):
        yield MotionFrame(landmarks[index], sequence.eye_openness[index])


def held(motion: Iterable[MotionFrame]) -> Iterator[MotionFrame]:
    """The same motion without an end: its last frame stays.

    Raises:
        InputError: there is no motion at all.
    """
    frame = None
    for frame in motion:
        yield frame
    if frame is None:
        raise InputError("the sound is too short for a single frame; give a longer one")
    while True:
        yield frame


def render_one(
    model: HeadRenderer,
    c2w: np.ndarray,
    body: np.ndarray,
    motion: MotionFrame,
    size: tuple[int, int],
    underlay: np.ndarray | None = None,
) -> np.ndarray:
    """One frame, uint8 [H, W, 3]; the arguments are those of `HeadRenderer.render_frame`, `underlay` as uint8."""

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.asarray(array, np.float32), device=model.device)

    with torch.inference_mode():
        image = model.render_frame(
            tensor(c2w),
            tensor(motion.landmarks),
            tensor(motion.eye_openness),
            tensor(body),
            size,
            None if underlay is None else tensor(underlay) / 255,
        )
        return (image.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy()


def drive(
    model: HeadRenderer, trajectory: Trajectory, motion: Iterable[MotionFrame], fps: float, size: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Frames uint8 [H, W, 3] of a face that moves as `motion` says while head and body follow `trajectory`.

    Args:
        model: renders one frame.
        trajectory: head pose and body over time; replayed to and fro.
        motion: one face a frame, taken one at a time.
        fps: of `motion`, and so of the frames.
        size: width and height, px.
    """
    for index, face in enumerate(motion):
        c2w, body = trajectory.at(index / fps)
        yield render_one(model, c2w, body, face, size)

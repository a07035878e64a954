"""What is performed: a face's motion over time with its sound, of the person's own video, of a file or of speech."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from audio_motion.sequence import LandmarkSequence
from geneface_ns.capture_format.person import Person
from geneface_ns.motion.head_motion import HeadMotion, with_own_upper_face
from geneface_ns.motion.sequence import MotionFrame, is_own, motion_of_sequence
from geneface_ns.motion.trajectory import Trajectory, own_trajectory
from geneface_ns.viewer.sound import PlayedSound


@dataclass(eq=False)
class Performance:
    """A face's motion, frame by frame as it becomes known, and the sound that it belongs to.

    Frame i belongs to the sound from i / fps to (i + 1) / fps seconds.
    """

    title: str
    fps: float
    total: int
    """Frames in all."""
    sound: PlayedSound
    trajectory: Trajectory
    """Where the head is and how the body moves."""
    filmed: bool = False
    """Whether frame i is the capture's own frame i."""
    spoken: bool = False
    """Whether its motion is predicted from the sound."""
    chosen: np.ndarray | None = None
    """int [N]: which of the person's frames head and body are nearest to, where they were chosen."""
    frames: list[MotionFrame] = field(default_factory=list)
    """Those known so far; appended by one thread, read by others."""

    def fill(self, motion: Iterator[MotionFrame], stop: threading.Event, arrived: Callable[[], None]) -> None:
        """Take frames until all are there or `stop` is set; `arrived` is called after each."""
        for frame in islice(motion, self.total):
            if stop.is_set():
                return
            self.frames.append(frame)
            arrived()
        while self.frames and len(self.frames) < self.total:
            self.frames.append(self.frames[-1])
        arrived()

    def index_at(self, seconds: float) -> int:
        """The frame that belongs to a moment of the sound."""
        return max(0, min(self.total - 1, math.floor(seconds * self.fps + 1e-6)))

    def pose_at(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Camera to head float32 [4, 4] and body motion float32 [2, 3] of a frame."""
        return self.trajectory.at(index / self.fps)


def frames_in(seconds: float, fps: float) -> int:
    """How many frames a sound lasts, at least one."""
    return max(1, math.ceil(round(seconds * fps, 6)))


def own_performance(person: Person, sound: PlayedSound) -> Performance:
    """The person's own video: motion, poses and sound as they were."""
    trajectory = Trajectory(person.c2w.astype(np.float64), person.body.astype(np.float64), person.fps)
    landmarks = person.landmarks
    frames = list(map(MotionFrame, landmarks.landmarks, landmarks.eye_openness))
    return Performance("the person's own video", person.fps, len(frames), sound, trajectory, filmed=True, frames=frames)


def sequence_performance(title: str, sequence: LandmarkSequence, person: Person, sound: PlayedSound) -> Performance:
    """A landmark sequence on this person's face, with head and shoulders as the person's own video has them."""
    total = frames_in(sequence.duration, person.fps)
    frames = list(motion_of_sequence(sequence, person, total))
    whole = is_own(sequence, person) and len(sequence) == len(person)
    trajectory = own_performance(person, sound).trajectory if whole else own_trajectory(person)
    return Performance(title, person.fps, total, sound, trajectory, filmed=whole, frames=frames)


def speech_performance(
    title: str, person: Person, sound: PlayedSound, moves: HeadMotion, motion: Iterator[MotionFrame]
) -> tuple[Performance, Iterator[MotionFrame]]:
    """Speech whose motion is still to be predicted (`fill`), and that motion with the person's own brows and lids.

    Args:
        moves: what head and body do.
        motion: of the face, one frame at a time.
    """
    chosen = None if moves.selection is None else moves.selection.nearest
    total = frames_in(sound.seconds, person.fps)
    performance = Performance(title, person.fps, total, sound, moves.trajectory, spoken=True, chosen=chosen)
    return performance, with_own_upper_face(motion, person, moves.selection)


def capture_sound(person: Person) -> Path | None:
    """The sound of the person's own video, where its files are at hand."""
    layout = getattr(person, "layout", None)
    return layout.audio if layout is not None and layout.audio.is_file() else None

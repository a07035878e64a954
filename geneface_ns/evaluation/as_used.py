"""A trained head as its users get it, against the person who was filmed: post-net, post-processing, head, brows and
lids, rendered and tracked again. Nothing is compared frame by frame: heads and brows that move otherwise are not wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from audio_motion.errors import InputError
from audio_motion.evaluation.measures import across_seeds, closure, variance_ratio
from audio_motion.evaluation.naturalness import Naturalness, naturalness, score
from audio_motion.evaluation.phones import bilabials
from audio_motion.features.prosody import loudness_of
from audio_motion.postprocess import opened, part_lips
from audio_motion.progress import shown
from audio_motion.topology import face_width, mouth_opening
from geneface_ns.capture_format.capture import Capture
from geneface_ns.evaluation.heads import head_of, track
from geneface_ns.evaluation.mouth import MouthTracker
from geneface_ns.evaluation.steadiness import head_jitter
from geneface_ns.motion.head_motion import head_motion, with_own_upper_face
from geneface_ns.motion.prosody import prosody_of
from geneface_ns.motion.sequence import MotionFrame, held
from geneface_ns.motion.speech import motion_of_speech
from geneface_ns.motion.trajectory import Trajectory, own_trajectory
from geneface_ns.motion.voice import Voice
from geneface_ns.output.drive import render_one
from geneface_ns.renderers.contract import Renderer
from geneface_ns.scene.frames import FrameStore

MOST = 20.0
"""Seconds of each performance."""
STRETCHES = 4
"""Of the rest of the video, as long as the unseen one: what the same person scores who speaks at another time."""
SEEDS = 3
"""Performances of the unseen speech whose mouths are compared with each other; one of them is rendered."""
FILMED = "filmed"
OTHERS = "filmed at other times"
RENDERED = "filmed motion, rendered"
USED = "as a user gets it"
BY_LOUDNESS = "mouth by loudness"
MEAN = "mean of the speeches"


@dataclass(frozen=True)
class Performance:
    """Consecutive frames of somebody who speaks."""

    landmarks: np.ndarray
    """float32 [N, 68, 2] px, tracked in the pictures; nan where no face was found."""
    c2w: np.ndarray
    """[N, 4, 4]: how the head was held."""
    face: np.ndarray
    """float32 [N, 68, 3], head frame: as it was filmed, or as the head was told to look."""
    prosody: np.ndarray
    """float32 [N, 3] of the sound."""

    def figures(self, fps: float) -> Naturalness:
        """Raises InputError where hardly a frame has a face."""
        return naturalness(self.landmarks, levels(self.prosody), fps, head_of(self.c2w))


def measure(made: Performance, real: Performance, fps: float) -> dict[str, float]:
    """The five scores, and what is made over what is real of the variance of face and head and of the jitter of the
    head in the pictures."""
    return {
        **asdict(score(made.figures(fps), real.figures(fps))),
        "expression_variance": variance_ratio([made.face], [real.face]),
        "pose_variance": variance_ratio([head_of(made.c2w)[:, :3]], [head_of(real.c2w)[:, :3]]),
        "wobble": head_jitter(made.landmarks) / head_jitter(real.landmarks),
    }


class Stage:
    """What performances are made with, and the part of the video that nobody has learnt from."""

    def __init__(
        self, renderer: Renderer, capture: Capture, test: np.ndarray, own: np.ndarray, size: tuple[int, int]
    ) -> None:
        """
        Args:
            test: consecutive frame numbers.
            own: float32 [F, 3], prosody of the video.
            size: width and height to render at: the capture's over a whole factor.
        """
        self.renderer, self.capture, self.own, self.size = renderer, capture, own, size
        self.test = test[: round(MOST * capture.fps)]

    def filmed(self, frames: np.ndarray, what: str) -> Performance:
        """Frames of the video."""
        store = FrameStore(self.capture, round(self.capture.width / self.size[0]))
        return self._tracked((store.frame(int(frame)).image for frame in frames), frames, what)

    def others(self) -> list[np.ndarray]:
        """Frames of stretches of the rest that are as long as the unseen part, evenly apart."""
        rest, length = np.flatnonzero(self.capture.is_train & self.capture.valid), len(self.test)
        whole = len(rest) // length
        chosen = np.unique(np.linspace(0, whole - 1, min(STRETCHES, whole)).round().astype(int))
        return [rest[k * length : (k + 1) * length] for k in chosen]

    def rendered(self) -> Performance:
        """The unseen part as it was tracked, rendered: what a perfect motion would become."""
        capture, eyes = self.capture, self.capture.landmarks.eye_openness
        pictures = (
            render_one(
                *(self.renderer, capture.c2w[frame], capture.body[frame]),
                MotionFrame(capture.landmarks.landmarks[frame], eyes[frame]),
                self.size,
            )
            for frame in self.test
        )
        return self._tracked(pictures, self.test, RENDERED)

    def used(self, motion: Iterable[MotionFrame], prosody: np.ndarray, seed: int, what: str) -> Performance:
        """A face as `motion_of_speech` makes it, with the head, brows and lids that go with what is said."""
        moves = head_motion(self.capture, self.own, prosody, seed, 1.0)
        return self._made(with_own_upper_face(motion, self.capture, moves.selection), moves.trajectory, prosody, what)

    def by_loudness(self) -> Performance:
        """What needs no learning: the mean face, whose mouth opens as loud as it is, as often and as far as the
        person's own, and a head that walks through the video."""
        return self._made(loud_faces(self.capture, self.own), own_trajectory(self.capture), self.said, BY_LOUDNESS)

    def speech(
        self, sound: Path, voice: Voice, seed: int, temperature: float, start: float = 0.0
    ) -> Iterator[MotionFrame]:
        """What the voice makes of a sound from second `start` on, on this person's face."""
        return motion_of_speech(sound, voice, self.capture, seed, temperature, start=start)

    @property
    def said(self) -> np.ndarray:
        """float32 [N, 3], prosody of the unseen part."""
        return self.own[self.test]

    def _tracked(self, pictures: Iterable[np.ndarray], frames: np.ndarray, what: str) -> Performance:
        landmarks = _watched(pictures, len(frames), what)
        landmarks[~self.capture.valid[frames]] = np.nan
        return Performance(
            landmarks, self.capture.c2w[frames], self.capture.landmarks.landmarks[frames], self.own[frames]
        )

    def _made(
        self, motion: Iterable[MotionFrame], trajectory: Trajectory, prosody: np.ndarray, what: str
    ) -> Performance:
        faces = list(islice(held(motion), len(prosody)))
        places = [trajectory.at(index / trajectory.fps) for index in range(len(faces))]
        pictures = (
            render_one(self.renderer, *place, face, self.size) for place, face in zip(places, faces, strict=True)
        )
        return Performance(
            _watched(pictures, len(faces), what),
            track(trajectory, len(faces)),
            np.stack([face.landmarks for face in faces]),
            prosody,
        )


def levels(prosody: np.ndarray) -> np.ndarray:
    """Loudness in dB, float64 [N], of prosody [N, 3]."""
    return loudness_of(torch.from_numpy(prosody)).double().numpy()


def loud_faces(capture: Capture, prosody: np.ndarray) -> Iterator[MotionFrame]:
    """The mean face with a mouth that opens with the amplitude of the sound of the unseen part: mean and deviation are
    those of the person's own opening where it was learnt from.

    Args:
        prosody: float32 [F, 3] of the video.
    """
    train = capture.is_train & capture.valid
    amplitude = 10.0 ** (levels(prosody) / 20.0)
    own, heard = mouth_opening(capture.landmarks.landmarks[train]), amplitude[train]
    slope = own.std() / max(float(heard.std()), 1e-9)
    mean = capture.mean_landmarks
    openings = own.mean() + slope * (amplitude[~capture.is_train] - heard.mean())
    landmarks = part_lips(opened(np.repeat(mean[None], len(openings), axis=0), openings - mouth_opening(mean)))
    eyes = np.median(capture.landmarks.eye_openness[train], axis=0)
    yield from (MotionFrame(face, eyes) for face in landmarks)


def as_used(
    stage: Stage, voice: Voice, audio: Mapping[str, Path], seed: int, temperature: float
) -> dict[str, dict[str, float]] | str:
    """Everything beside the unseen part of the video, filmed.

    Args:
        audio: further speech, which has no filmed counterpart: it is measured against the same unseen part. Where a
            .json beside it lists its phones, also `bilabials_shut`: how often the mouth shuts for /p b m/ in the
            pictures, below the quarter of its own opening.

    Returns:
        for `FILMED` the figures themselves, for all others `measure`; and for `USED` also `seeds`: how far the mouth's
        opening differs from seed to seed over how far it moves. Or a sentence where too little of the video is unseen.

    Raises:
        InputError: a sound or the voice cannot be used.
    """
    fps = stage.capture.fps
    real = stage.filmed(stage.test, FILMED)
    try:
        rows = {FILMED: asdict(real.figures(fps))}
    except InputError as error:
        return f"not measured: {error}"
    start = float(stage.test[0] / fps)
    own = [
        list(
            islice(held(stage.speech(stage.capture.layout.audio, voice, seed + k, temperature, start)), len(stage.test))
        )
        for k in range(SEEDS)
    ]
    others = [stage.filmed(frames, OTHERS) for frames in stage.others()]
    if others:
        rows[OTHERS] = _mean([measure(other, real, fps) for other in others])

    def performances() -> Iterator[tuple[str, Performance]]:
        yield RENDERED, stage.rendered()
        yield USED, stage.used(own[0], stage.said, seed, USED)
        yield BY_LOUDNESS, stage.by_loudness()
        for name, path in audio.items():
            prosody = prosody_of(path, fps)[: round(MOST * fps)]
            yield name, stage.used(stage.speech(path, voice, seed, temperature), prosody, seed, name)

    for name, made in performances():
        try:
            rows[name] = measure(made, real, fps)
        except InputError as error:
            print(f"{name}: left out: {error}")
            continue
        if name in audio and (shut_at := bilabials(audio[name].with_suffix(".json"))):
            opening = mouth_opening(made.landmarks) / face_width(made.landmarks)
            rows[name]["bilabials_shut"] = closure(opening, fps, shut_at)
    strangers = [rows[name] for name in audio if name in rows]
    if strangers:
        rows[MEAN] = _mean(strangers)
    if USED in rows:
        openings = np.stack([mouth_opening(np.stack([frame.landmarks for frame in motion])) for motion in own])
        rows[USED]["seeds"] = across_seeds(openings)
    return rows


def _watched(pictures: Iterable[np.ndarray], count: int, what: str) -> np.ndarray:
    """Landmarks [count, 68, 2] tracked in so many pictures, with a progress bar."""
    tracker = MouthTracker()
    for picture in shown(pictures, count, what):
        tracker.add(picture)
    return np.stack(tracker.landmarks)


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over performances; what is not known is left out."""
    names = dict.fromkeys(name for row in rows for name in row)
    values = {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
    return {
        name: float(v[np.isfinite(v)].mean()) if np.isfinite(v).any() else float("nan") for name, v in values.items()
    }

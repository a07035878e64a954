"""Speech -> motion of a face, in blocks: constant memory, and the same motion whatever the length of the blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from audio_motion.errors import InputError
from audio_motion.features.frames import HOP
from audio_motion.features.level import stream_levelled
from audio_motion.features.prosody import loudness_of
from audio_motion.features.stream_buffer import StreamBuffer
from audio_motion.media import AS_PLAYED, SAMPLE_RATE, Tracks, audio_info
from audio_motion.models.checkpoint import TrainedGenerator, TrainedPostNet, load_generator, load_postnet
from audio_motion.models.closure import detector_for
from audio_motion.models.face_statistics import FaceStatistics
from audio_motion.models.generator import FEATURES_PER_MOTION, MOTION_RATE, STRIDE, TEMPERATURE
from audio_motion.models.noise import performance_noise
from audio_motion.models.store import Inside
from audio_motion.postprocess import (
    PostProcess,
    blink_closure,
    clamp,
    ease_to_rest,
    part_lips,
    project_locally,
    scale_opening,
    set_eyes,
    shut_lips,
    smooth,
    speaking_from_loudness,
)
from audio_motion.sequence import LandmarkSequence, Producer, Sound

_MARGIN = 12
"""Motion frames around a block that post-processing may look at; a multiple of 4."""
_NEIGHBOURS = 10
"""Mouth shapes of the person that `PostProcess.local` combines, as in GeneFace."""
_PER_MOTION = HOP * FEATURES_PER_MOTION


@dataclass(frozen=True)
class MotionChunk:
    """Some consecutive frames of motion."""

    first: int
    """Number of the first frame; frame i stands for i / fps seconds."""
    landmarks: np.ndarray
    """float32 [n, 68, 3] in the head frame of the person (`Generator.face`)."""
    eye_openness: np.ndarray
    """float32 [n, 2], the eye on the image's left first."""


@dataclass(frozen=True)
class Generator:
    """A trained generator, ready to speak.

    Look-ahead: a frame needs the sound up to `look_ahead` seconds after it (about 6.6 s with the package's models, of
    which its speech features take 4.5 s), and frames come in blocks of `block` motion frames.
    """

    trained: TrainedGenerator
    post: PostProcess = field(default_factory=PostProcess)
    block: int = 128
    """Motion frames (25 Hz) generated at a time, a multiple of 4. Changes memory and latency, never the motion."""
    refiner: TrainedPostNet | None = None
    """Moves the motion into one person's way of speaking, and onto that person's face."""

    def __post_init__(self) -> None:
        if self.post.local > 0 and len(self.face.examples) == 0:
            raise InputError(
                f"local is {self.post.local}, but the face ({self.face.person}) has no mouth shapes of its own; give "
                "0, or a post-net"
            )

    @staticmethod
    def load(
        path: Path,
        device: str = "cpu",
        post: PostProcess | None = None,
        features: str | None = None,
        postnet: Path | Inside | None = None,
    ) -> Generator:
        """Read checkpoints written by training.

        Args:
            features: where the speech features it was trained with are now; by default where they were then.
            postnet: checkpoint of a post-net that was trained for this generator.

        Raises:
            InputError: one cannot be used, or the post-net belongs to another generator.
        """
        trained = load_generator(path, device, features)
        refiner = load_postnet(postnet, device, features) if postnet else None
        if refiner and refiner.generator_sha256 != trained.sha256:
            raise InputError(
                f"{postnet}: made for another generator than {path}; give the one it was trained with, or train it "
                "again with `audio-motion train postnet`"
            )
        return Generator(trained, post or PostProcess(), refiner=refiner)

    @property
    def face(self) -> FaceStatistics:
        """The person whose face moves."""
        return self.refiner.face if self.refiner else self.trained.face

    @property
    def look_ahead(self) -> float:
        """Seconds of sound after a frame that it depends on."""
        return (self._around + 1) / MOTION_RATE + self.trained.features.look_ahead

    @property
    def _around(self) -> int:
        """Motion frames to either side of a block that it depends on, a multiple of 4."""
        reach = self.refiner.model.reach if self.refiner else 0
        return self.trained.model.context + STRIDE * math.ceil(reach / STRIDE) + _MARGIN

    def stream(
        self,
        sound: Path | str | Iterable[np.ndarray],
        fps: float = 25.0,
        seed: int = 0,
        temperature: float = TEMPERATURE,
    ) -> Iterator[MotionChunk]:
        """Motion for speech, in constant memory whatever its length.

        Noise belongs to absolute time and every block is generated with its whole receptive field around it: blocks
        and chunks of any size give the same motion to within 1e-5 of a face width.

        Args:
            sound: a file, whose speech is brought to an ordinary level first (`features.level`); or chunks of float32
                mono 16 kHz of any length, which are heard as they are.
            fps: frames per second of the result, any.
            seed: of noise and blinks.
            temperature: how far seeds differ: 0 is the likeliest motion, 1 a quarter of what the mouth moves.

        Yields:
            chunks without gaps; all together every frame i with i / fps less than the sound's duration.

        Raises:
            InputError: the file cannot be used, there is no sound in it, or fps or temperature make no sense.
        """
        self.check(fps, seed, temperature)
        chunks = stream_levelled(Path(sound)) if isinstance(sound, str | Path) else sound
        return self._frames(chunks, fps, seed, temperature)

    @staticmethod
    def check(fps: float, seed: int, temperature: float) -> None:
        """Raises InputError where they make no sense."""
        if not (np.isfinite(fps) and fps > 0):
            raise InputError(f"fps is {fps}; give a positive number of frames per second")
        if not (np.isfinite(temperature) and temperature >= 0):
            raise InputError(f"temperature is {temperature}; give 0 (likeliest motion) to about 1 (full variety)")
        if seed < 0:
            raise InputError(f"seed is {seed}; give 0 or a greater whole number")

    def predict(
        self,
        sound: Path,
        fps: float = 25.0,
        seed: int = 0,
        temperature: float = TEMPERATURE,
        tracks: Tracks = AS_PLAYED,
    ) -> LandmarkSequence:
        """The whole of `stream` on a file as one LandmarkSequence in space "head".

        Args:
            tracks: of the file, where it has several.

        Raises:
            InputError: as `stream`.
        """
        chunks = self.stream(stream_levelled(Path(sound), tracks), fps, seed, temperature)
        rate = audio_info(Path(sound), tracks).sample_rate
        return self.sequence(chunks, fps, seed, temperature, Sound.of(Path(sound), rate))

    def sequence(
        self, chunks: Iterable[MotionChunk], fps: float, seed: int, temperature: float, sound: Sound | None = None
    ) -> LandmarkSequence:
        """Chunks of motion, made with these, as one LandmarkSequence in space "head"."""
        parts = list(chunks)
        landmarks = np.concatenate([part.landmarks for part in parts])
        return LandmarkSequence(
            landmarks=landmarks,
            fps=float(fps),
            eye_openness=np.concatenate([part.eye_openness for part in parts]),
            valid=np.ones(len(landmarks), bool),
            person=self.face.person,
            producer=Producer(
                "generator",
                f"{self.trained.face.person}, heard through {self.trained.features.name}",
                self.trained.sha256,
                seed,
                float(temperature),
                self.refiner.sha256 if self.refiner else None,
            ),
            sound=sound,
            mean=self.face.mean.astype(np.float32),
        )

    def _frames(self, chunks: Iterable[np.ndarray], fps: float, seed: int, temperature: float) -> Iterator[MotionChunk]:
        done = 0
        for first, offsets, until in self._motion(chunks, seed, temperature):
            stop = math.ceil(until * Fraction(fps))
            if stop > done:
                yield self.shown(offsets, first, np.arange(done, stop), fps, seed)
                done = stop

    def shown(self, offsets: np.ndarray, first: int, numbers: np.ndarray, fps: float, seed: int) -> MotionChunk:
        """Some frames of the result, with eyes that blink.

        Args:
            offsets: [n, 68, 3] of consecutive motion frames at 25 Hz, the first of which has the number `first`.
            numbers: of the frames wanted, ascending without gaps; frame i stands for i / fps seconds.
        """
        face, times = self.face, numbers / fps
        position = times * MOTION_RATE - first
        low = np.clip(np.floor(position + 1e-9).astype(int), 0, len(offsets) - 1)
        high = np.minimum(low + 1, len(offsets) - 1)
        weight = np.clip(position - low, 0.0, 1.0).astype(np.float32)[:, None, None]
        landmarks = face.mean + offsets[low] * (1 - weight) + offsets[high] * weight
        openness = np.repeat(face.eyes[None], len(times), axis=0)
        if self.post.blink:
            openness = openness * (1.0 - blink_closure(times, seed))[:, None].astype(np.float32)
        return MotionChunk(int(numbers[0]), set_eyes(landmarks, openness), openness)

    def _motion(
        self, chunks: Iterable[np.ndarray], seed: int, temperature: float
    ) -> Iterator[tuple[int, np.ndarray, Fraction]]:
        """Motion at 25 Hz in blocks: first frame's number, offsets [block + 1, 68, 3], and the time in seconds up to
        which the block answers."""
        around = self._around
        heard = self.trained.features
        sound = _Counted(chunks)
        arriving = heard.stream(sound)
        buffer = StreamBuffer(np.zeros((0, heard.channels), np.float32), heard.silence.numpy())
        first, ended = 0, False
        while True:
            end = first + self.block
            while not ended and buffer.end < (end + around + STRIDE) * FEATURES_PER_MOTION:
                features = next(arriving, None)
                ended = features is None
                if features is not None:
                    buffer.add(features.numpy())
            if sound.samples == 0:
                raise InputError("the speech holds no samples; give a file or chunks with sound in them")
            final = ended and sound.samples <= end * _PER_MOTION
            offsets = self._block(buffer, first, seed, temperature)
            yield first, offsets, Fraction(sound.samples, SAMPLE_RATE) if final else Fraction(end, MOTION_RATE)
            if final:
                return
            first = end
            buffer.forget((first - around - STRIDE) * FEATURES_PER_MOTION)

    def _block(self, buffer: StreamBuffer, first: int, seed: int, temperature: float) -> np.ndarray:
        """Post-processed offsets [block + 1, 68, 3] of the motion frames from `first` to `first + block`, both
        included. `buffer`: speech features, and silence around them."""
        start, stop = first - self._around, first + self.block + self._around
        features = torch.from_numpy(buffer.rows(start * FEATURES_PER_MOTION, stop * FEATURES_PER_MOTION))
        noise = temperature * performance_noise(self.trained.model.config.latent, np.arange(start, stop, STRIDE), seed)
        return self.offsets(features, noise)[first - start : first - start + self.block + 1]

    def offsets(self, features: torch.Tensor, noise: torch.Tensor) -> np.ndarray:
        """Post-processed motion as offsets from the mean of `face`.

        Args:
            features: [2T, C] at 50 Hz, T a multiple of 4.
            noise: [latent, T / 4], standard normal times temperature.

        Returns:
            float32 [T, 68, 3] at 25 Hz.
        """
        if self.refiner:  # it has learnt from motion with the calibrated amplitude
            offsets = self.refiner.offsets(self.trained.motion(features, noise, self.trained.amplitude))
        else:
            offsets = self.trained.motion(features, noise).cpu().numpy() * np.float32(self.face.scale)
        return self._processed(offsets, features)

    def _processed(self, offsets: np.ndarray, features: torch.Tensor) -> np.ndarray:
        face, post = self.face, self.post
        usual = 1.0 if self.refiner else self.trained.amplitude
        times = usual if post.mouth_amplitude is None else post.mouth_amplitude
        if times != 1.0:
            offsets = scale_opening(offsets, times)
        if post.clamp:
            offsets = clamp(offsets, face.low, face.high)
        if post.local > 0:
            offsets = project_locally(offsets, face.examples, _NEIGHBOURS, post.local)
        detector = detector_for(self.trained.features) if post.lips else None
        if detector:
            offsets = shut_lips(offsets, face.rest, detector.closed(features))
        if post.silence:
            loud = loudness_of(features).numpy()
            offsets = ease_to_rest(offsets, face.rest, speaking_from_loudness(loud, post.quiet))
        # A mouth cannot be less than shut, whatever the steps above were told.
        return part_lips(smooth(offsets, post.smoothing * MOTION_RATE) + face.mean) - face.mean


class _Counted:
    """Chunks of sound, and how many samples they held so far."""

    def __init__(self, chunks: Iterable[np.ndarray]) -> None:
        self.samples = 0
        self._chunks = chunks

    def __iter__(self) -> Iterator[np.ndarray]:
        for chunk in self._chunks:
            self.samples += len(chunk)
            yield chunk

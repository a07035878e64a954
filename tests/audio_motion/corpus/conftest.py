"""A short clip of the procedural person, and ways to spoil it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from audio_motion.corpus.clip import ClipWork, LagEstimator
from audio_motion.corpus.config import Gate
from audio_motion.corpus.find import find_videos
from audio_motion.lag import Lag
from audio_motion.media import SAMPLE_RATE, load_audio, read_frames
from audio_motion.sequence import LandmarkSequence
from geneface_ns.output.video import VideoWriter
from geneface_ns.synthetic import Truth, speech_names, write_clip, write_sound

SIZE = 192
FPS = 20.0
SECONDS = 2.6


@dataclass(frozen=True)
class Talker:
    """The clip everything is made from."""

    path: Path
    frames: np.ndarray
    """uint8 [T, H, W, 3]."""
    samples: np.ndarray
    """float32 [S], 16 kHz."""
    truth: Truth


@pytest.fixture(scope="session")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Talker:
    path = tmp_path_factory.mktemp("talker") / "talker.mp4"
    truth = write_clip(path, seed=1, speech=speech_names("train")[:1], size=SIZE, fps=FPS, seconds=SECONDS)
    return Talker(path, np.stack([rgb for _, rgb in read_frames(path)]), load_audio(path), truth)


def write_video(path: Path, frames: np.ndarray, samples: np.ndarray | None) -> None:
    """Frames uint8 [T, H, W, 3] and sound, if any, as a video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = None
    if samples is not None:
        sound = path.with_suffix(".sound.wav")
        write_sound(sound, samples)
    with VideoWriter(path, (frames.shape[2], frames.shape[1]), FPS, sound, crf=16) as writer:
        for frame in frames:
            writer.write(frame)
    if sound is not None:
        sound.unlink()


def told(seconds: float, confidence: float) -> LagEstimator:
    """An estimator that always says the same."""

    def estimate(samples: np.ndarray, sequence: LandmarkSequence) -> Lag:
        assert samples.dtype == np.float32
        assert sequence.space == "head"
        return Lag(seconds, confidence)

    return estimate


def work_for(folder: Path, lag: LagEstimator | None = None, gate: Gate | None = None) -> ClipWork:
    """The work on the only video of a folder."""
    (source,) = find_videos(folder)
    return ClipWork(source, source.key({}), gate or Gate(), 0.5, lag or told(0.0, 0.0))


def noise(seconds: float = SECONDS, loud: float = 0.1) -> np.ndarray:
    """float32 [S] of steady white noise."""
    return np.random.default_rng(0).normal(0, loud, round(seconds * SAMPLE_RATE)).astype(np.float32)

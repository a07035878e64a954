"""What training learns from: speech features and motion of each recording, on one time line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from audio_motion.audio import SAMPLE_RATE, load_audio
from audio_motion.errors import InputError
from audio_motion.features.acoustic import MEL
from audio_motion.features.cache import cached
from audio_motion.features.interface import SpeechFeatures
from audio_motion.models.examples import choose_examples
from audio_motion.models.face import Face, measure_face
from audio_motion.models.generator import FEATURES_PER_MOTION, MOTION_RATE, STRIDE
from audio_motion.sequence import LandmarkSequence
from audio_motion.topology import MOUTH

SHORTEST = 2.0
"""Seconds of speech with motion that a recording must hold."""


@dataclass(frozen=True)
class Recording:
    """One person speaking, cut to whole latents."""

    face: Face
    features: torch.Tensor
    """float32 [2T, C] at 50 Hz."""
    offsets: torch.Tensor
    """float32 [T, 68, 3] from the recording's mean face, at 25 Hz, in template units."""
    valid: torch.Tensor
    """bool [T]: frames whose motion is known and may be learnt from."""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.offsets) / MOTION_RATE


def load_recordings(
    path: Path, features: SpeechFeatures, split: Literal["train", "held-out"] | None = None
) -> list[Recording]:
    """What lies at a path: a corpus, a capture, or a LandmarkSequence with its sound beside it.

    Args:
        path: a corpus of `audio-motion corpus`; or a capture directory (its train split is read); or an .npz whose
            `sound.file` (or else a .wav of its own name) lies in the same folder.
        split: of a corpus; both if None.

    Raises:
        InputError: something is missing, unreadable, or too short.
    """
    path = Path(path)
    if (path / "corpus.json").is_file():
        return load_corpus_recordings(path, features, split)
    if path.is_dir():
        sequence = LandmarkSequence.load(path / "landmarks.npz")
        sequence = sequence.slice(0.0, (_train_frames(path / "transforms.json", len(sequence)) - 0.5) / sequence.fps)
        sound = path / "audio.wav"
    else:
        sequence = LandmarkSequence.load(path)
        sound = path.parent / sequence.sound.file if sequence.sound else path.with_suffix(".wav")
    return [align(sequence, load_audio(sound), features, source=str(path))]


def learn_and_hold_out(sources: Sequence[Path], features: SpeechFeatures) -> tuple[list[Recording], list[Recording]]:
    """What a training learns from, and what it only looks at: the two splits of corpora, everything but the tails of
    other sources and those tails.

    Raises:
        InputError: no source is named, or one cannot be used.
    """
    if not sources:
        raise InputError("nothing to learn from: name corpora, captures or landmark sequences")
    trained, held = [], []
    for source in map(Path, sources):
        if (source / "corpus.json").is_file():
            trained += load_recordings(source, features, "train")
            held += load_recordings(source, features, "held-out")
        else:
            for early, late in map(hold_out_tail, load_recordings(source, features)):
                trained.append(early)
                held.append(late)
    return trained, held


def load_corpus_recordings(
    path: Path, features: SpeechFeatures, split: Literal["train", "held-out"] | None
) -> list[Recording]:
    """The clips of a corpus; too short ones are left out. The clips of one speaker share that speaker's spread: three
    seconds say little about how far somebody opens the mouth."""
    from audio_motion.corpus.shards import load_corpus

    found = []
    for clip in load_corpus(path, split or "all"):
        if clip.sequence.valid.sum() >= SHORTEST * clip.sequence.fps:
            try:
                found.append(align(clip.sequence, clip.samples, features, source=f"{path}: {clip.name}"))
            except InputError:
                continue  # a little too short after resampling
    if not found:
        raise InputError(f"{path}: no clip of {SHORTEST:.0f} s or more; make a corpus of longer videos")
    return share_spread(found)


def share_spread(recordings: Sequence[Recording]) -> list[Recording]:
    """Give all recordings of a person (by `face.person`) the spread of that person's frames taken together."""
    squares: dict[str, tuple[float, int]] = {}
    for recording in recordings:
        total, count = squares.get(recording.face.person, (0.0, 0))
        frames = int(recording.valid.sum())
        squares[recording.face.person] = (total + recording.face.spread**2 * frames, count + frames)
    return [
        replace(r, face=replace(r.face, spread=float(np.sqrt(total / count))))
        for r in recordings
        for total, count in [squares[r.face.person]]
    ]


def align(
    sequence: LandmarkSequence, samples: np.ndarray, features: SpeechFeatures, source: str = "in memory"
) -> Recording:
    """Put motion (any fps, space "head") and its sound (16 kHz, the same time 0) on the generator's time line.

    Raises:
        InputError: too little in common, or hardly a frame is valid.
    """
    if sequence.space != "head":
        raise InputError(f"{source}: holds offsets, not a face; train on tracked landmarks (space 'head')")
    motion = sequence.resample(MOTION_RATE)
    frames = min(len(motion), len(samples) * MOTION_RATE // SAMPLE_RATE) // STRIDE * STRIDE
    valid = motion.valid[:frames]
    if valid.sum() < SHORTEST * MOTION_RATE:
        raise InputError(
            f"{source}: {valid.sum() / MOTION_RATE:.1f} s of face with sound; training needs at least {SHORTEST:.0f} s"
        )
    landmarks = motion.landmarks[:frames]
    face = measure_face(sequence.person, landmarks[valid], motion.eye_openness[:frames][valid])
    # The built-in features are made faster than a cache is read.
    heard = (features.extract(samples) if features is MEL else cached(features, samples))[
        : frames * FEATURES_PER_MOTION
    ]
    return Recording(face, heard, torch.from_numpy(landmarks - face.mean), torch.from_numpy(valid))


def hold_out_tail(recording: Recording) -> tuple[Recording, Recording]:
    """Split off the last tenth (at least a second) of a recording.

    Returns:
        what comes before the tail, and the whole with only the tail valid: it is heard after the speech before it, as
        it will be in use.
    """
    frames = len(recording.offsets)
    split = (frames - max(MOTION_RATE, frames // 10)) // STRIDE * STRIDE
    early = replace(
        recording,
        features=recording.features[: split * FEATURES_PER_MOTION],
        offsets=recording.offsets[:split],
        valid=recording.valid[:split],
    )
    return early, replace(recording, valid=recording.valid & (torch.arange(frames) >= split))


def with_examples(face: Face, recordings: Sequence[Recording]) -> Face:
    """The face, with a dictionary of the mouth shapes in these recordings of the person."""
    shapes = torch.cat([recording.offsets[recording.valid][:, MOUTH] for recording in recordings])
    return replace(face, examples=choose_examples(shapes.numpy()))


def _train_frames(transforms: Path, frames: int) -> int:
    """How many frames lie before the first that is kept for test."""
    try:
        listed = json.loads(transforms.read_text())["frames"]
        splits = [frame["split"] for frame in sorted(listed, key=lambda frame: frame["time"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{transforms}: not a capture's transforms.json ({type(error).__name__}: {error}); run `geneface process`"
        ) from error
    if len(splits) != frames:
        raise InputError(
            f"{transforms}: {len(splits)} frames, landmarks.npz has {frames}; run `geneface process` again"
        )
    count = splits.index("test") if "test" in splits else frames
    if count == 0:
        raise InputError(f"{transforms}: no frame before the test split; run `geneface process` again")
    return count

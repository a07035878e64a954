"""Where recordings come from: corpora, captures, and landmark sequences with their sound beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from audio_motion.data.corpus import Clip, load_corpus
from audio_motion.data.json_kinds import as_kind
from audio_motion.data.recording import SHORTEST, Recording, TooShort, align, hold_out_tail, pool_speakers
from audio_motion.errors import InputError
from audio_motion.features.interface import SpeechFeatures
from audio_motion.json_file import read_json
from audio_motion.media import load_audio
from audio_motion.models.generator import MOTION_RATE
from audio_motion.sequence import LandmarkSequence

Split = Literal["train", "held-out", "all"]


def load_recordings(path: Path, features: SpeechFeatures, split: Split) -> list[Recording]:
    """What lies at a path: a corpus, a capture, or a LandmarkSequence with its sound beside it.

    Args:
        path: a corpus of `audio-motion corpus`; or a capture directory; or an .npz whose `sound.file` (or else a .wav
            of its own name) lies in the same folder.
        split: train: of a corpus the clips of that split, of a capture its train frames, of a sequence all but the
            tail that training holds out. held-out: the other speakers of a corpus; a capture or a sequence whole, with
            only its test frames or that tail valid, about the mean face of what comes before. all: everything.

    Raises:
        InputError: something is missing, unreadable, or too short.
    """
    path = Path(path)
    if (path / "corpus.json").is_file():
        return _corpus_recordings(path, features, split)
    if path.is_dir():
        return [_capture_recording(path, features, split)]
    sequence = LandmarkSequence.load(path)
    sound = path.parent / sequence.sound.file if sequence.sound else path.with_suffix(".wav")
    whole = align(sequence, load_audio(sound), features, source=str(path))
    early, late = hold_out_tail(whole)
    return [{"train": early, "held-out": late, "all": whole}[split]]


def load_training_split(sources: Sequence[Path], features: SpeechFeatures) -> tuple[list[Recording], list[Recording]]:
    """What a training learns from, and what it only looks at: the two splits of corpora and of sequences; of captures
    the train frames but their tail, and that tail.

    Raises:
        InputError: no source is named, or one cannot be used.
    """
    if not sources:
        raise InputError("nothing to learn from: name corpora, captures or landmark sequences")
    trained, held = [], []
    for source in map(Path, sources):
        if source.is_dir() and not (source / "corpus.json").is_file():
            early, late = hold_out_tail(_capture_recording(source, features, "train"))
            trained.append(early)
            held.append(late)
        else:
            trained += load_recordings(source, features, "train")
            held += load_recordings(source, features, "held-out")
    return trained, held


def sample_recordings(corpora: Sequence[Path], features: SpeechFeatures, minutes: float, seed: int) -> list[Recording]:
    """Clips drawn at random from the train splits of corpora until they are `minutes` long together; no other clip is
    read, so that memory and time do not grow with the corpora.

    Raises:
        InputError: one is not a corpus, or cannot be read.
    """
    listed = [
        (corpus, number) for corpus in (load_corpus(path, "train") for path in corpora) for number in range(len(corpus))
    ]
    found: list[Recording] = []
    for place in np.random.default_rng(seed).permutation(len(listed)):
        if sum(recording.seconds for recording in found) >= 60.0 * minutes:
            break
        corpus, number = listed[place]
        if corpus.entries[number].seconds >= SHORTEST:
            found += _aligned([corpus[number]], features, str(corpus.root))
    return pool_speakers(found)


def _corpus_recordings(path: Path, features: SpeechFeatures, split: Split) -> list[Recording]:
    corpus = load_corpus(path, split)
    if not len(corpus) and len(load_corpus(path)):
        raise InputError(
            f"{path}: no speaker is {'held out' if split == 'held-out' else 'left to learn from'}; run `audio-motion "
            f"corpus` again with a {'larger' if split == 'held-out' else 'smaller'} --held-out (finished clips are "
            "kept), or more speakers"
        )
    found = _aligned(corpus, features, str(path))
    if not found:
        raise InputError(f"{path}: no clip of {SHORTEST:.0f} s or more; make a corpus of longer videos")
    return pool_speakers(found)


def _aligned(clips: Iterable[Clip], features: SpeechFeatures, where: str) -> list[Recording]:
    """Clips as recordings; too short ones are left out."""
    found = []
    for clip in clips:
        if clip.sequence.valid.sum() >= SHORTEST * clip.sequence.fps:
            with suppress(TooShort):  # a little, after resampling
                found.append(align(clip.sequence, clip.samples, features, source=f"{where}: {clip.name}"))
    return found


def _capture_recording(path: Path, features: SpeechFeatures, split: Split) -> Recording:
    sequence, samples = LandmarkSequence.load(path / "landmarks.npz"), load_audio(path / "audio.wav")
    frames = _train_frames(path / "transforms.json", len(sequence))
    if split == "all":
        return align(sequence, samples, features, source=str(path))
    known = align(sequence.slice(0.0, (frames - 0.5) / sequence.fps), samples, features, source=str(path))
    if split == "train":
        return known
    whole = align(sequence, samples, features, source=str(path))
    test = whole.valid & (torch.arange(len(whole.valid)) >= frames / sequence.fps * MOTION_RATE)
    if not test.any():
        raise InputError(f"{path}: its test split shows no face; name another capture, or --split train")
    offsets = whole.offsets + torch.from_numpy(whole.face.mean - known.face.mean)
    return replace(whole, face=known.face, offsets=offsets, valid=test)


@dataclass(frozen=True)
class _Frame:
    """What of a frame in transforms.json is looked at here."""

    time: float
    split: str


def _train_frames(transforms: Path, frames: int) -> int:
    """How many frames lie before the first that is kept for test."""
    found = read_json(transforms, "run `geneface process`")
    try:
        listed = as_kind(found["frames"], list[_Frame])
    except (ValueError, KeyError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{transforms}: not a capture's transforms.json ({reason}); run `geneface process`") from error
    splits = [frame.split for frame in sorted(listed, key=lambda frame: frame.time)]
    if len(splits) != frames:
        raise InputError(
            f"{transforms}: {len(splits)} frames, landmarks.npz has {frames}; run `geneface process` again"
        )
    count = splits.index("test") if "test" in splits else frames
    if count == 0:
        raise InputError(f"{transforms}: no frame before the test split; run `geneface process` again")
    return count

"""LandmarkSequence: the one format in which motion is exchanged between speech, video, renderer and viewer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from audio_motion.arrays import read_arrays, write_arrays
from audio_motion.errors import InputError, one_line
from audio_motion.files import need_file
from audio_motion.json_file import parse

SCHEMA_VERSION = 1
SLOWEST, FASTEST = 0.1, 1000.0
"""Frames per second that can be meant."""

FARTHEST = 1000.0
"""Face widths from the origin, and eye openness, that can be meant: beyond it numbers are damage and overflow."""

Space = Literal["head", "offset"]


@dataclass(frozen=True)
class Sound:
    """The sound that a sequence belongs to."""

    file: str
    """File name (no folder)."""
    sample_rate: int
    """Sample rate of that file, Hz."""
    sha256: str
    """Of the file's bytes."""

    @staticmethod
    def of(path: Path, sample_rate: int) -> Sound:
        """Describe the file at `path`."""
        digest = hashlib.sha256()
        with Path(path).open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return Sound(Path(path).name, sample_rate, digest.hexdigest())


@dataclass(frozen=True)
class Producer:
    """What made a sequence: a tracker on a video, or a generator on speech."""

    kind: Literal["tracker", "generator", "avatar"]
    name: str
    """Detector or model name."""
    checkpoint_sha256: str | None = None
    """Of the generator's checkpoint."""
    seed: int | None = None
    temperature: float | None = None
    postnet_sha256: str | None = None
    """Of the post-net's checkpoint, where one refined the motion."""


_SOUND: dict[str, Any] = {"file": str, "sample_rate": int, "sha256": str}
_PRODUCER: dict[str, Any] = {
    **{"kind": str, "name": str, "checkpoint_sha256": str | None, "postnet_sha256": str | None},
    **{"seed": int | None, "temperature": float | int | None},
}
"""What the fields may be: files come from elsewhere."""


def identity_of(landmarks: np.ndarray, eye_openness: np.ndarray) -> str:
    """16 hexadecimal digits that tell one tracked video from all others: of landmarks [T, 68, 3], eyes [T, 2]."""
    content = (np.asarray(array, "<f4").tobytes() for array in (landmarks, eye_openness))
    return hashlib.sha256(b"".join(content)).hexdigest()[:16]


@dataclass(frozen=True)
class LandmarkSequence:
    """Landmarks over time, without head pose.

    Units are those of docs/conventions.md: the head frame (x to the image's right, y up, z out of the face), one unit
    being the template's face width.
    """

    landmarks: np.ndarray
    """float32 [T, 68, 3], iBUG order. Space "head": positions; space "offset": minus the person's mean shape."""
    fps: float
    """Frames per second; frame i stands for the time i / fps seconds."""
    eye_openness: np.ndarray
    """float32 [T, 2], the eye on the image's left first; 0 shut, about 0.3 open (height over width)."""
    valid: np.ndarray
    """bool [T]; False where the face was not seen and the frame is interpolated."""
    person: str
    """Whose motion it is."""
    producer: Producer
    space: Space = "head"
    sound: Sound | None = None
    identity: str | None = None
    """Which tracked video the landmarks are of (`identity_of`), where they are positions as they were tracked: two that
    have the same one share one face to a hair. Names say nothing: they come from files' names."""
    mean: np.ndarray | None = None
    """float32 [68, 3], or None: the mean face that the motion is about, where its maker knows it and these frames,
    which may be few or silent, do not tell it. Space "head" only."""
    source: str = field(default="in memory", compare=False)
    """Where it was loaded from, for error messages."""

    def __post_init__(self) -> None:
        self._validate()

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self) / self.fps

    def _validate(self) -> None:
        def check(good: bool, problem: str) -> None:
            if not good:
                raise InputError(f"{self.source}: {problem}; make the landmark sequence again")

        frames = len(self.landmarks)
        check(frames > 0, "holds no frames")
        for name, array, shape, kind in (
            ("landmarks", self.landmarks, (frames, 68, 3), np.float32),
            ("eye_openness", self.eye_openness, (frames, 2), np.float32),
            ("valid", self.valid, (frames,), np.bool_),
        ):
            check(array.shape == shape, f"{name} has shape {array.shape}, expected {shape}")
            check(array.dtype == kind, f"{name} is {array.dtype}, expected {np.dtype(kind)}")
        for name, array in (("landmarks", self.landmarks), ("eye_openness", self.eye_openness)):
            bad = ~np.isfinite(array.reshape(frames, -1)).all(axis=1)
            check(not bad.any(), f"{name} is not finite at frame {int(bad.argmax())}")
            far = np.abs(array.reshape(frames, -1)).max(axis=1)
            check(far.max() <= FARTHEST, f"{name} reaches {far.max():g} at frame {int(far.argmax())}")
        check(SLOWEST <= self.fps <= FASTEST, f"fps is {self.fps:g}")
        check(self.space in ("head", "offset"), f"unknown space {self.space!r}")
        check(isinstance(self.person, str), f"the person's name is {self.person!r}")
        check(self.identity is None or isinstance(self.identity, str), f"identity is {self.identity!r}")
        for record, fields in ((self.producer, _PRODUCER), (self.sound, _SOUND)):
            for name, expected in fields.items() if record is not None else ():
                value = getattr(record, name)
                check(isinstance(value, expected), f"{name} is {value!r}")
        if self.mean is not None:
            good = self.mean.shape == (68, 3) and self.mean.dtype == np.float32
            check(good and bool((np.abs(self.mean) <= FARTHEST).all()), "the mean face is no float32 [68, 3] of a face")
        if (sound := self.sound) is not None:
            # A name alone: what comes from elsewhere must not lead out of its own folder.
            check(sound.file == Path(sound.file).name not in ("", ".."), f"the sound's file name is {sound.file!r}")

    def slice(self, start: float, end: float) -> LandmarkSequence:
        """The frames whose time lies in [start, end) seconds.

        Raises:
            InputError: no frame lies in that span.
        """
        first, last = (int(np.ceil(round(t * self.fps, 6))) for t in (start, end))
        keep = slice(max(first, 0), max(last, 0))
        if len(self.landmarks[keep]) == 0:
            raise InputError(
                f"{self.source}: no frames between {start} s and {end} s; it is {self.duration:.2f} s long"
            )
        return replace(
            self,
            landmarks=self.landmarks[keep],
            eye_openness=self.eye_openness[keep],
            valid=self.valid[keep],
        )

    def resample(self, fps: float) -> LandmarkSequence:
        """The same motion at another frame rate: linear in time; valid only where both neighbours are valid."""
        if fps == self.fps:
            return self
        count = max(1, round(self.duration * fps))
        position = np.clip(np.arange(count) * (self.fps / fps), 0, len(self) - 1)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, len(self) - 1)
        weight = (position - low).astype(np.float32)

        def mix(array: np.ndarray) -> np.ndarray:
            w = weight.reshape(-1, *[1] * (array.ndim - 1))
            return (array[low] * (1 - w) + array[high] * w).astype(np.float32)

        valid = self.valid[low] & (self.valid[high] | (weight == 0))
        return replace(
            self, landmarks=mix(self.landmarks), eye_openness=mix(self.eye_openness), valid=valid, fps=float(fps)
        )

    def save(self, path: Path) -> None:
        """Write an .npz (no pickle), whole or not at all.

        Raises:
            InputError: the path cannot be written.
        """
        info = {
            "schema_version": SCHEMA_VERSION,
            "person": self.person,
            "space": self.space,
            "producer": asdict(self.producer),
            "sound": asdict(self.sound) if self.sound else None,
            "identity": self.identity,
        }
        known = {} if self.mean is None else {"mean": self.mean}
        arrays = {
            "landmarks": self.landmarks,
            "fps": np.array(self.fps, np.float64),
            "eye_openness": self.eye_openness,
            "valid": self.valid,
            "info": np.array(json.dumps(info)),
        }
        write_arrays(Path(path), arrays | known, compressed=True)

    @staticmethod
    def load(path: Path) -> LandmarkSequence:
        """Read and validate an .npz written by `save`.

        Raises:
            InputError: not such a file, another schema version, or contents of the wrong shape, type or range.
        """
        path = Path(path)
        need_file(path, "expected a landmark sequence (.npz)")
        try:
            arrays = read_arrays(path)
            info = parse(str(arrays["info"]))
            version = info["schema_version"]
            if version != SCHEMA_VERSION:
                raise InputError(f"{path}: schema version {version}, expected {SCHEMA_VERSION}; make it again")
            return LandmarkSequence(
                landmarks=arrays["landmarks"],
                fps=float(arrays["fps"]),
                eye_openness=arrays["eye_openness"],
                valid=arrays["valid"],
                person=info["person"],
                space=info["space"],
                producer=Producer(**info["producer"]),
                sound=Sound(**info["sound"]) if info["sound"] else None,
                identity=info.get("identity"),
                mean=arrays.get("mean"),
                source=str(path),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = one_line(error)
            raise InputError(
                f"{path}: damaged, or not a landmark sequence ({type(error).__name__}: {reason}); "
                "make one with `audio-motion predict` or `geneface process`"
            ) from error

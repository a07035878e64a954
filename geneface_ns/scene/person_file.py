"""The person file (.gface): a trained head that one can send, whole, without pictures of the video it learnt from. The
format: docs/conventions.md.

It may come from a stranger: nothing in it is run, and nothing is asked for that is larger than the file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audio_motion.data.json_kinds import as_kind
from audio_motion.errors import InputError, one_line
from audio_motion.features.interface import BUILT_IN
from audio_motion.files import need_file, written_whole
from audio_motion.models.checkpoint import load_postnet
from audio_motion.models.store import Inside
from audio_motion.sequence import LandmarkSequence, Producer, identity_of
from audio_motion.tensors import DAMAGED, check_finite, pack, unpack
from geneface_ns.capture_format.person import PERSON_FILE, Person, problem_of

KIND = "geneface person"
SCHEMA_VERSION = 2
LARGEST = 128 << 20
"""Bytes of a file that is read; a person at 512² has 13 MB."""
STATEMENT = "Synthetic: what this head is seen to say was never said by the person it shows."
_AGAIN = "copy it again, or ask for it again"
_POSTNET = "postnet"
_PERSON, _PORTRAIT = "person.", "portrait."
_PROSODY = f"{_PERSON}prosody"


@dataclass(frozen=True)
class SentPerson(Person):
    """A person out of a file: there are no pictures and no sound to learn more from."""

    postnet: Inside
    """For the generator that comes with the package."""
    prosody: np.ndarray
    """float32 [F, 3]: pitch, voicing and energy of what they said (`audio_motion.features.prosody`)."""


@dataclass(frozen=True)
class Card:
    """What a file says of itself, for people to read."""

    name: str
    """Who it is."""
    made_with: str
    """Program and version."""
    made_on: str
    """UTC, ISO 8601."""
    trained_steps: int
    size: tuple[int, int]
    """Width and height of its pictures."""
    consent: str | None
    """What whoever made it says of the person's consent."""
    statement: str = STATEMENT


@dataclass(frozen=True)
class PersonFile:
    """What a file holds."""

    person: SentPerson
    card: Card
    step: int
    """Of the training."""
    fingerprint: str
    """Of the capture that it learnt from."""
    renderer: str
    """Whose the rest is."""
    config: dict[str, Any]
    """The renderer's sizes, JSON."""
    tensors: dict[str, Tensor]
    """The renderer's own."""


@dataclass(frozen=True)
class _PersonInfo:
    """A person's part of the header."""

    name: str
    fps: float
    width: int
    height: int
    focal: tuple[float, float]
    centre: tuple[float, float]
    tracker: str
    """What found the landmarks."""
    identity: str
    """`LandmarkSequence.identity`."""


@dataclass(frozen=True)
class _Info:
    """The header."""

    renderer: str
    step: int
    fingerprint: str
    person: _PersonInfo
    config: dict[str, Any]
    card: Card


def write_person_file(path: Path, file: PersonFile) -> None:
    """Write it, whole or not at all, once it has been read again from memory.

    Raises:
        InputError: it cannot be written, or could not be read.
    """
    person, tracked = file.person, file.person.landmarks
    identity = tracked.identity or identity_of(tracked.landmarks, tracked.eye_openness)
    camera = (person.fps, person.width, person.height, person.focal, person.centre)
    described = _PersonInfo(person.name, *camera, tracked.producer.name, identity)
    info = _Info(file.renderer, file.step, file.fingerprint, described, file.config, file.card)
    kept = _tables(person) | {_PROSODY: person.prosody}
    tables = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in kept.items()}
    tables[_POSTNET] = torch.frombuffer(bytearray(person.postnet.contents), dtype=torch.uint8)
    tensors = tables | {_PORTRAIT + name: value for name, value in file.tensors.items()}
    contents = pack({"kind": KIND, "schema_version": SCHEMA_VERSION, **asdict(info)}, tensors)
    _parse(contents, path)
    with written_whole(path) as temporary:
        temporary.write_bytes(contents)


def read_person_file(path: Path) -> PersonFile:
    """Read and check a person file, but for what is the renderer's own.

    Raises:
        InputError: missing, damaged, none, of another version, too large, or with contents that cannot be meant.
    """
    path = Path(path)
    need_file(path, f"give a person file ({PERSON_FILE}) that `geneface export` wrote")
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise _too_large(path, size)
        with path.open("rb") as opened:
            contents = opened.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; {_AGAIN}") from error
    return _parse(contents, path)


def no_person(path: Path, error: Exception) -> InputError:
    """What to say of a file whose contents raised one of `DAMAGED`."""
    reason = f"{type(error).__name__}: {one_line(error)[:200]}"
    return InputError(f"{path}: damaged, or no person file ({reason}); {_AGAIN}")


def _parse(contents: bytes, path: Path) -> PersonFile:
    if len(contents) > LARGEST:
        raise _too_large(path, len(contents))
    try:
        found = unpack(contents)
        if found.info.get("kind") != KIND:
            raise InputError(f"{path}: not a person file; give one that `geneface export` wrote")
        if (version := found.info["schema_version"]) != SCHEMA_VERSION:
            raise InputError(
                f"{path}: person file of schema version {version}, this program reads {SCHEMA_VERSION}; use the "
                "release that wrote it, or have it exported again with this one"
            )
        if not found.is_whole():
            raise ValueError("its checksum does not match")
        info = as_kind(found.info, _Info)
        check_finite(found.tensors)
        for name, value in found.tensors.items():
            if value.numel() == 0:
                raise ValueError(f"{name} is empty")
        person = _person(info.person, found.tensors, path)
    except DAMAGED as error:
        raise no_person(path, error) from error
    own = {name[len(_PORTRAIT) :]: value for name, value in found.tensors.items() if name.startswith(_PORTRAIT)}
    return PersonFile(person, info.card, info.step, info.fingerprint, info.renderer, info.config, own)


def _too_large(path: Path, size: int) -> InputError:
    return InputError(
        f"{path}: {size >> 20} MiB, and a person file has at most {LARGEST >> 20}; train at a smaller size "
        "(geneface-data --downscale-factor)"
    )


def _tables(person: Person) -> dict[str, np.ndarray]:
    """The arrays of a person that a file holds, by their names there."""
    tracked = person.landmarks
    tables = {"landmarks": tracked.landmarks, "eye_openness": tracked.eye_openness, "tracked": tracked.valid}
    own = {name: getattr(person, name) for name in ("head_box", "c2w", "body", "is_train", "valid")}
    return {_PERSON + name: value for name, value in (tables | own).items()}


def _person(info: _PersonInfo, tensors: dict[str, Tensor], path: Path) -> SentPerson:
    """Raises ValueError, KeyError or InputError where it cannot be meant."""
    frames = len(tensors[f"{_PERSON}landmarks"])

    def table(name: str, *shape: int, kind: Any = np.float32) -> np.ndarray:
        array = tensors[_PERSON + name].numpy()
        if array.shape != shape or array.dtype != kind:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {np.dtype(kind)} {shape}")
        return array

    landmarks = LandmarkSequence(
        landmarks=table("landmarks", frames, 68, 3),
        fps=info.fps,
        eye_openness=table("eye_openness", frames, 2),
        valid=table("tracked", frames, kind=np.bool_),
        person=info.name,
        producer=Producer("tracker", info.tracker),
        identity=info.identity,
        source=str(path),
    )
    person = SentPerson(
        name=info.name,
        fps=info.fps,
        width=info.width,
        height=info.height,
        focal=info.focal,
        centre=info.centre,
        head_box=table("head_box", 2, 3),
        c2w=table("c2w", frames, 4, 4),
        body=table("body", frames, 2, 3),
        is_train=table("is_train", frames, kind=np.bool_),
        valid=table("valid", frames, kind=np.bool_),
        landmarks=landmarks,
        postnet=_postnet(tensors[_POSTNET], path),
        prosody=table("prosody", frames, 3),
    )
    if problem := problem_of(person):
        raise ValueError(problem)
    if not (person.is_train & person.valid).any():
        raise ValueError("no frame of it was learnt from")
    return person


def _postnet(tensor: Tensor, path: Path) -> Inside:
    """Raises what `DAMAGED` names, or InputError, where it is none."""
    if tensor.dtype != torch.uint8 or tensor.dim() != 1:
        raise ValueError("its post-net is none")
    postnet = Inside(path, tensor.numpy().tobytes())
    # Other speech features than the built-in ones name a folder, or a repository to fetch: that is not a stranger's to
    # choose.
    if (spec := unpack(postnet.contents).info["features_spec"]) not in BUILT_IN:
        raise ValueError(f"its post-net hears through {spec!r}")
    load_postnet(postnet)
    return postnet

"""One safetensors file for a trained model: tensors, and what they are as JSON. Written whole, checked when read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from audio_motion.device import need_device
from audio_motion.errors import InputError, one_line
from audio_motion.features.interface import SpeechFeatures, open_features
from audio_motion.files import need_file, written_whole
from audio_motion.json_file import parse

Built = TypeVar("Built")

_DAMAGED = (SafetensorError, OSError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RuntimeError)
"""What reading and building raise on files that are damaged, or none of ours."""


def save_model(
    path: Path, kind: str, schema_version: int, features: SpeechFeatures, info: dict, tensors: dict[str, torch.Tensor]
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        kind: what it is, such as "generator".
        info: JSON.

    Raises:
        InputError: the path cannot be written.
    """
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    info = info | {
        "kind": f"audio-motion {kind}",
        "schema_version": schema_version,
        "features": features.name,
        "features_spec": features.spec,
        "sha256": digest(kept),
    }
    said = json.dumps(info)
    header = {"info": said, "sha256": _digest_of_header(said, kept)}
    # Not save_file: its errors say nothing about the disk in a form that can be told from others.
    contents = save(kept, header)
    with written_whole(Path(path)) as temporary:
        temporary.write_bytes(contents)


def load_model(
    path: Path,
    kind: str,
    schema_version: int,
    build: Callable[[dict, dict[str, torch.Tensor], SpeechFeatures], Built],
    device: str = "cpu",
    features: str | None = None,
) -> Built:
    """Read a checkpoint, check it, and build what it holds.

    Args:
        build: makes the model from `info`, the tensors and the speech features that it was trained with.
        features: where those features are now, as `open_features` takes it; by default where they were in training.

    Raises:
        InputError: missing, damaged, another kind or schema version; its speech features cannot be opened, or the
            ones given are others; or there is no such device, or no room on it.
    """
    path = Path(path)
    command = f"`audio-motion train {kind}`"
    need_device(device)
    need_file(path, f"train one with {command}")
    again = f"train again with {command}"
    try:
        # Read, not mapped: where a file that is mapped becomes shorter, the process dies.
        contents = path.read_bytes()
        tensors, header = load(contents), _header(contents)
        info = parse(header.get("info", "{}"))
        if info.get("kind") != f"audio-motion {kind}":
            raise InputError(f"{path}: not a {kind} checkpoint; {again}")
        if info["schema_version"] != schema_version:
            raise InputError(f"{path}: schema version {info['schema_version']}, expected {schema_version}; {again}")
        # Files of older releases say nothing of their header's checksum.
        whole = header.keys() <= {"info", "sha256"}
        whole &= header.get("sha256") in (None, _digest_of_header(header["info"], tensors))
        if not whole or digest(tensors) != info["sha256"]:
            raise InputError(f"{path}: damaged (its checksum does not match); copy it again, or {again}")
        _check(info, tensors)
        heard = _features(path, info["features"], info["features_spec"], features, device)
        return build(info, tensors, heard)
    except torch.OutOfMemoryError as error:
        raise InputError(f"{path}: --device {device} has no room for it; end what else runs there") from error
    except _DAMAGED as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise InputError(f"{path}: not a whole {kind} checkpoint ({reason}); copy it again, or {again}") from error


def without_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their names."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _header(contents: bytes) -> dict[str, str]:
    """What is said in a safetensors file besides its tensors; one that could be read."""
    length = int.from_bytes(contents[:8], "little")
    return json.loads(contents[8 : 8 + length]).get("__metadata__") or {}


def _check(info: dict, tensors: Mapping[str, torch.Tensor]) -> None:
    """Raises ValueError where a checkpoint holds no numbers, or asks for a larger model than its tensors are."""
    for name, value in tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(f"{name} is not finite")
    # Every width is a side of some tensor, and every layer has some.
    largest = max((len(tensors), *(side for value in tensors.values() for side in value.shape)))
    for name, number in info["config"].items():
        if not isinstance(number, bool) and not (isinstance(number, int | float) and 0 <= number <= largest):
            raise ValueError(f"{name} is {number!r}")


def _features(path: Path, name: str, spec: str, given: str | None, device: str) -> SpeechFeatures:
    try:
        features = open_features(given or spec, device)
    except InputError as error:
        if given:
            raise
        raise InputError(f"{path}: hears through {spec!r}: {error}; name another place with --features") from error
    if features.name != name:
        raise InputError(
            f"{path}: made for the speech features {name} ({spec}), but {given or spec} are {features.name}; name the "
            "ones it was trained with by --features, or train again"
        )
    return features


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of tensors on the CPU and their names."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].numpy().tobytes())
    return found.hexdigest()


def _digest_of_header(info: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of what is said of the tensors, by us and by the format."""
    described = [[name, str(value.dtype), list(value.shape)] for name, value in sorted(tensors.items())]
    return hashlib.sha256(json.dumps([info, described]).encode()).hexdigest()

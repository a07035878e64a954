"""One safetensors file for a trained model: tensors, and what they are as JSON. Written whole, checked when read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from audio_motion.device import need_device
from audio_motion.errors import InputError, one_line
from audio_motion.features.interface import SpeechFeatures, open_features
from audio_motion.files import need_file, written_whole
from audio_motion.tensors import DAMAGED, check_finite, pack, unpack

Built = TypeVar("Built")


@dataclass(frozen=True)
class Inside:
    """A checkpoint that lies inside another file, which has been read."""

    file: Path
    contents: bytes

    def __str__(self) -> str:
        return str(self.file)


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
    said = {
        "kind": f"audio-motion {kind}",
        "schema_version": schema_version,
        "features": features.name,
        "features_spec": features.spec,
    }
    contents = pack(info | said, tensors)
    with written_whole(Path(path)) as temporary:
        temporary.write_bytes(contents)


def load_model(
    path: Path | Inside,
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
    command = f"`audio-motion train {kind}`"
    need_device(device)
    if isinstance(path, Inside):
        again = "have that file made again"
    else:
        path, again = Path(path), f"train again with {command}"
        need_file(path, f"train one with {command}")
    try:
        # Read, not mapped: where a file that is mapped becomes shorter, the process dies.
        found = unpack(path.contents if isinstance(path, Inside) else path.read_bytes())
        info, tensors = found.info, found.tensors
        if info.get("kind") != f"audio-motion {kind}":
            raise InputError(f"{path}: not a {kind} checkpoint; {again}")
        if info["schema_version"] != schema_version:
            raise InputError(f"{path}: schema version {info['schema_version']}, expected {schema_version}; {again}")
        if not found.is_whole():
            raise InputError(f"{path}: damaged (its checksum does not match); copy it again, or {again}")
        _check(info, tensors)
        heard = _features(path, info["features"], info["features_spec"], features, device)
        return build(info, tensors, heard)
    except torch.OutOfMemoryError as error:
        raise InputError(f"{path}: --device {device} has no room for it; end what else runs there") from error
    except DAMAGED as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise InputError(f"{path}: not a whole {kind} checkpoint ({reason}); copy it again, or {again}") from error


def without_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their names."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _check(info: dict, tensors: Mapping[str, torch.Tensor]) -> None:
    """Raises ValueError where a checkpoint holds no numbers, or asks for a larger model than its tensors are."""
    check_finite(tensors)
    # Every width is a side of some tensor, and every layer has some.
    largest = max((len(tensors), *(side for value in tensors.values() for side in value.shape)))
    for name, number in info["config"].items():
        if not isinstance(number, bool) and not (isinstance(number, int | float) and 0 <= number <= largest):
            raise ValueError(f"{name} is {number!r}")


def _features(path: Path | Inside, name: str, spec: str, given: str | None, device: str) -> SpeechFeatures:
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

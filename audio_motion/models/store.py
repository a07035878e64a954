"""One safetensors file for a trained model: tensors, and what they are as JSON. Written whole, checked when read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from audio_motion.errors import InputError
from audio_motion.features.interface import SpeechFeatures, open_features
from audio_motion.files import written_whole

Built = TypeVar("Built")


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
        "sha256": _digest(kept),
    }
    with written_whole(Path(path)) as temporary:
        save_file(kept, temporary, {"info": json.dumps(info)})


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
        InputError: missing, damaged, another kind or schema version; or its speech features cannot be opened, or the
            ones given are others.
    """
    path = Path(path)
    command = f"`audio-motion train {kind}`"
    if not path.is_file():
        raise InputError(f"{path}: no such file; train one with {command}")
    again = f"train again with {command}"
    try:
        with safe_open(path, "pt") as file:
            info = json.loads((file.metadata() or {}).get("info", "{}"))
            if info.get("kind") != f"audio-motion {kind}":
                raise InputError(f"{path}: not a {kind} checkpoint; {again}")
            if info["schema_version"] != schema_version:
                raise InputError(f"{path}: schema version {info['schema_version']}, expected {schema_version}; {again}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if _digest(tensors) != info["sha256"]:
            raise InputError(f"{path}: damaged (its checksum does not match); copy it again, or {again}")
        heard = _ears(path, info["features"], info["features_spec"], features, device)
        return build(info, tensors, heard)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a whole {kind} checkpoint ({reason}); copy it again, or {again}") from error


def part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _ears(path: Path, name: str, spec: str, given: str | None, device: str) -> SpeechFeatures:
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


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()

"""A trained generator in one safetensors file: weights, the person's face, and what it was trained on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from audio_motion.errors import InputError
from audio_motion.features import acoustic
from audio_motion.files import written_whole
from audio_motion.models.face import Face
from audio_motion.models.generator import GeneratorConfig, MotionGenerator

SCHEMA_VERSION = 1
KIND = "audio-motion generator"
_FACE = [field.name for field in fields(Face) if field.name != "person"]


@dataclass(frozen=True)
class TrainedGenerator:
    """What a generator checkpoint holds."""

    model: MotionGenerator
    face: Face
    scale: float
    """One unit of the model's motion in template units."""
    amplitude: float
    """How many times the mouth's motion must be enlarged to match the person's, found by validation."""
    training: dict
    """Figures of the training, for a person to read."""
    sha256: str
    """Of the tensors; "" before it was saved."""

    @torch.no_grad()
    def offsets(self, features: torch.Tensor, noise: torch.Tensor) -> np.ndarray:
        """Motion of the face, in template units.

        Args:
            features: [2T, C] at 50 Hz, T a multiple of 4.
            noise: [latent, T / 4], standard normal times temperature.

        Returns:
            float32 [T, 68, 3] offsets from the mean at 25 Hz.
        """
        device = next(self.model.parameters()).device
        motion = self.model.sample(features.T[None].to(device), noise[None].to(device))[0]
        return motion.T.reshape(-1, 68, 3).cpu().numpy() * self.scale


def save_generator(path: Path, trained: TrainedGenerator) -> None:
    """Write the checkpoint, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    tensors = {f"model.{name}": value.detach().cpu().contiguous() for name, value in trained.model.state_dict().items()}
    tensors |= {f"face.{name}": torch.from_numpy(np.ascontiguousarray(getattr(trained.face, name))) for name in _FACE}
    info = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "features": acoustic.NAME,
        "config": asdict(trained.model.config),
        "person": trained.face.person,
        "scale": trained.scale,
        "amplitude": trained.amplitude,
        "training": trained.training,
        "sha256": _digest(tensors),
    }
    with written_whole(Path(path)) as temporary:
        save_file(tensors, temporary, {"info": json.dumps(info)})


def load_generator(path: Path, device: str = "cpu") -> TrainedGenerator:
    """Read and check a checkpoint.

    Raises:
        InputError: missing, damaged, another kind or schema version, or made for other speech features.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; train a generator with `audio-motion train generator`")
    again = "train again with `audio-motion train generator`"
    try:
        with safe_open(path, "pt") as file:
            info = json.loads((file.metadata() or {}).get("info", "{}"))
            if info.get("kind") != KIND:
                raise InputError(f"{path}: not a generator checkpoint; {again}")
            if info["schema_version"] != SCHEMA_VERSION:
                raise InputError(f"{path}: schema version {info['schema_version']}, expected {SCHEMA_VERSION}; {again}")
            if info["features"] != acoustic.NAME:
                raise InputError(f"{path}: made for {info['features']!r} features, not {acoustic.NAME!r}; {again}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if _digest(tensors) != info["sha256"]:
            raise InputError(f"{path}: damaged (its checksum does not match); copy it again, or {again}")
        model = MotionGenerator(GeneratorConfig(**info["config"]))
        model.load_state_dict({n[6:]: value for n, value in tensors.items() if n.startswith("model.")})
        face = Face(info["person"], **{name: tensors[f"face.{name}"].numpy() for name in _FACE})
        return TrainedGenerator(
            model.to(device).eval(), face, info["scale"], info["amplitude"], info["training"], info["sha256"]
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a whole generator checkpoint ({reason}); copy it again, or {again}") from error


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()

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
from audio_motion.features.interface import SpeechFeatures, open_features
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
    features: SpeechFeatures
    """What it hears speech through."""
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
        "features": trained.features.name,
        "features_spec": trained.features.spec,
        "config": asdict(trained.model.config),
        "person": trained.face.person,
        "scale": trained.scale,
        "amplitude": trained.amplitude,
        "training": trained.training,
        "sha256": _digest(tensors),
    }
    with written_whole(Path(path)) as temporary:
        save_file(tensors, temporary, {"info": json.dumps(info)})


def load_generator(path: Path, device: str = "cpu", features: str | None = None) -> TrainedGenerator:
    """Read and check a checkpoint, and open the speech features that it was made for.

    Args:
        features: where those features are now, as `open_features` takes it; by default where they were in training.

    Raises:
        InputError: missing, damaged, another kind or schema version; or its speech features cannot be opened, or the
            ones given are others.
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
            # Checkpoints older than the choice of features were all made for the built-in ones.
            heard = _ears(path, info["features"], info.get("features_spec", "mel"), features, device)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if _digest(tensors) != info["sha256"]:
            raise InputError(f"{path}: damaged (its checksum does not match); copy it again, or {again}")
        model = MotionGenerator(GeneratorConfig(**info["config"]))
        model.load_state_dict({n[6:]: value for n, value in tensors.items() if n.startswith("model.")})
        face = Face(info["person"], **{name: tensors[f"face.{name}"].numpy() for name in _FACE})
        return TrainedGenerator(
            model.to(device).eval(), face, info["scale"], info["amplitude"], info["training"], heard, info["sha256"]
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a whole generator checkpoint ({reason}); copy it again, or {again}") from error


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

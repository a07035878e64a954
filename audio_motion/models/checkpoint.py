"""Checkpoints of the generator, of the post-net and of the sync expert."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch

from audio_motion.features.interface import SpeechFeatures
from audio_motion.models.face_statistics import FaceStatistics
from audio_motion.models.generator import GeneratorConfig, MotionGenerator
from audio_motion.models.postnet import PostNet, PostNetConfig
from audio_motion.models.pretrained import PRETRAINED_EXPERT
from audio_motion.models.store import Inside, load_model, save_model, without_prefix
from audio_motion.models.syncnet import SyncConfig, SyncExpert
from audio_motion.postprocess import scale_opening

GENERATOR_SCHEMA = 3
POSTNET_SCHEMA = 1
SYNCNET_SCHEMA = 1
LARGEST_FACTOR = 1000.0
"""Of a face's scale and a mouth's amplitude: more is damage."""
_FACE = [field.name for field in fields(FaceStatistics) if field.name not in ("person", "scale")]


@dataclass(frozen=True)
class TrainedGenerator:
    """What a generator checkpoint holds."""

    model: MotionGenerator
    face: FaceStatistics
    """Whose face it moves; the model's motion is in units of its scale."""
    amplitude: float
    """How many times as far the mouth must open to vary as real speakers' do, found by validation."""
    training: dict
    """Figures of the training, for a person to read."""
    features: SpeechFeatures
    """What it hears speech through."""
    sha256: str
    """Of the tensors; "" before it was saved."""
    variety: float = 1.0
    """What noise is multiplied by, so that temperature means the same whatever is heard through; found by
    validation."""

    @torch.no_grad()
    def motion(self, features: torch.Tensor, noise: torch.Tensor, times: float = 1.0) -> torch.Tensor:
        """Motion in units of the scale of the face.

        Args:
            features: [2T, C] at 50 Hz, T a multiple of 4.
            noise: [latent, T / 4], standard normal times temperature.
            times: how many times as far the mouth opens.

        Returns:
            float32 [T, 68, 3] at 25 Hz, on the model's device.
        """
        device = next(self.model.parameters()).device
        noise = self.variety * noise[None].to(device)
        return self._opened(self.model.sample(features.T[None].to(device), noise), times)

    @torch.no_grad()
    def motion_of_whole(self, features: torch.Tensor, noise: torch.Tensor, times: float = 1.0) -> torch.Tensor:
        """As `motion`, of a sound from its beginning to its end: silence is heard before and after it."""
        device = next(self.model.parameters()).device
        silence = self.features.silence.to(device)
        noise = self.variety * noise[None].to(device)
        return self._opened(self.model.sample_whole(features.T[None].to(device), noise, silence), times)

    @staticmethod
    def _opened(motion: torch.Tensor, times: float) -> torch.Tensor:
        points = motion[0].T.reshape(-1, 68, 3)
        if times == 1.0:
            return points
        return torch.from_numpy(scale_opening(points.cpu().numpy(), times)).to(points.device)


@dataclass(frozen=True)
class TrainedPostNet:
    """What a post-net checkpoint holds."""

    model: PostNet
    face: FaceStatistics
    """Whose motion it makes; in units of its scale."""
    generator_sha256: str
    """Of the generator whose motion it refines, enlarged by the generator's `amplitude`."""
    training: dict
    """Figures of the training, for a person to read."""
    features: SpeechFeatures
    """What the generator hears speech through."""
    sha256: str
    """Of the tensors; "" before it was saved."""

    @torch.no_grad()
    def offsets(self, motion: torch.Tensor) -> np.ndarray:
        """The generator's motion [T, 68, 3], in units of a scale -> float32 offsets from the face's mean, in template
        units."""
        refined = self.model(motion.flatten(1).T[None])[0].T.reshape(-1, 68, 3)
        return refined.cpu().numpy() * np.float32(self.face.scale)


@dataclass(frozen=True)
class TrainedSyncExpert:
    """What a sync expert's checkpoint holds."""

    model: SyncExpert
    training: dict
    """Figures of the training, for a person to read."""
    features: SpeechFeatures
    """What it hears speech through."""


def save_generator(path: Path, trained: TrainedGenerator) -> None:
    """Write the checkpoint, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    info = {
        "config": asdict(trained.model.config),
        "person": trained.face.person,
        "spread": trained.face.scale,
        "amplitude": trained.amplitude,
        "variety": trained.variety,
        "training": trained.training,
    }
    tensors = _with_face(trained.model.state_dict(), trained.face)
    save_model(path, "generator", GENERATOR_SCHEMA, trained.features, info, tensors)


def load_generator(path: Path, device: str = "cpu", features: str | None = None) -> TrainedGenerator:
    """Read and check a checkpoint, and open the speech features that it was made for.

    Args:
        features: where those features are now, as `open_features` takes it; by default where they were in training.

    Raises:
        InputError: missing, damaged, another kind or schema version; or its speech features cannot be opened, or the
            ones given are others.
    """

    def build(info: dict, tensors: dict[str, torch.Tensor], heard: SpeechFeatures) -> TrainedGenerator:
        model = MotionGenerator(GeneratorConfig(**info["config"]))
        model.load_state_dict(without_prefix(tensors, "model."))
        face = _face(info, tensors)
        amplitude, variety = _factor(info, "amplitude"), _factor({"variety": 1.0} | info, "variety")
        return TrainedGenerator(
            model.to(device).eval(), face, amplitude, _figures(info), heard, info["sha256"], variety
        )

    return load_model(path, "generator", GENERATOR_SCHEMA, build, device, features)


def save_postnet(path: Path, trained: TrainedPostNet) -> None:
    """Write the checkpoint, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    info = {
        "config": asdict(trained.model.config),
        "person": trained.face.person,
        "spread": trained.face.scale,
        "generator_sha256": trained.generator_sha256,
        "training": trained.training,
    }
    tensors = _with_face(trained.model.state_dict(), trained.face)
    save_model(path, "postnet", POSTNET_SCHEMA, trained.features, info, tensors)


def load_postnet(path: Path | Inside, device: str = "cpu", features: str | None = None) -> TrainedPostNet:
    """Read and check a checkpoint; arguments and errors as `load_generator`."""

    def build(info: dict, tensors: dict[str, torch.Tensor], heard: SpeechFeatures) -> TrainedPostNet:
        model = PostNet(PostNetConfig(**info["config"]))
        model.load_state_dict(without_prefix(tensors, "model."))
        face = _face(info, tensors)
        return TrainedPostNet(
            model.to(device).eval(), face, info["generator_sha256"], _figures(info), heard, info["sha256"]
        )

    return load_model(path, "postnet", POSTNET_SCHEMA, build, device, features)


def save_syncnet(path: Path, trained: TrainedSyncExpert) -> None:
    """Write the checkpoint, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    info = {"config": asdict(trained.model.config), "training": trained.training}
    save_model(path, "syncnet", SYNCNET_SCHEMA, trained.features, info, trained.model.state_dict())


def load_syncnet(path: Path, device: str = "cpu", features: str | None = None) -> TrainedSyncExpert:
    """Read and check a checkpoint; arguments and errors as `load_generator`."""

    def build(info: dict, tensors: dict[str, torch.Tensor], heard: SpeechFeatures) -> TrainedSyncExpert:
        model = SyncExpert(SyncConfig(**info["config"]))
        model.load_state_dict(tensors)
        return TrainedSyncExpert(model.to(device).eval(), _figures(info), heard)

    return load_model(path, "syncnet", SYNCNET_SCHEMA, build, device, features)


def expert_for(generator: Path, features: str | None = None) -> Path | None:
    """The package's sync expert, if it hears through what a generator hears through.

    Args:
        features: where the generator's speech features are now; by default where they were in its training.

    Raises:
        InputError: the generator cannot be used.
    """
    heard = load_generator(generator, features=features).features
    return PRETRAINED_EXPERT if load_syncnet(PRETRAINED_EXPERT).features.name == heard.name else None


def _with_face(weights: dict[str, torch.Tensor], face: FaceStatistics) -> dict[str, torch.Tensor]:
    tensors = {f"model.{name}": value for name, value in weights.items()}
    return tensors | {f"face.{name}": torch.from_numpy(np.ascontiguousarray(getattr(face, name))) for name in _FACE}


def _face(info: dict, tensors: dict[str, torch.Tensor]) -> FaceStatistics:
    """Raises ValueError where it is none."""
    statistics = {name: tensors[f"face.{name}"].numpy() for name in _FACE}
    for name, array in statistics.items():
        wanted = {"eyes": (2,), "examples": (len(array), 20, 3)}.get(name, (68, 3)) if array.ndim else None
        if array.shape != wanted or array.dtype != np.float32:
            raise ValueError(f"face.{name} is {array.dtype} {array.shape}")
    if not isinstance(info["person"], str):
        raise ValueError(f"person is {info['person']!r}")
    return FaceStatistics(person=info["person"], scale=_factor(info, "spread"), **statistics)


def _factor(info: dict, name: str) -> float:
    """A number above 0. Raises ValueError where it is none."""
    value = info[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LARGEST_FACTOR:
        raise ValueError(f"{name} is {value!r}")
    return float(value)


def _figures(info: dict) -> dict:
    """What is said of the training. Raises ValueError where it is no object."""
    if not isinstance(info["training"], dict):
        raise ValueError(f"training is {info['training']!r}")
    return info["training"]

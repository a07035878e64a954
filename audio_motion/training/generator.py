"""Training of the motion generator: on one person's capture, or on a corpus of many speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio_motion.data.augmentation import Augmentation
from audio_motion.data.crops import CropSampler
from audio_motion.data.recording import Recording, feature_statistics, with_examples
from audio_motion.data.sources import load_training_split
from audio_motion.features.interface import DEFAULT, SpeechFeatures, open_features
from audio_motion.models.checkpoint import TrainedGenerator, load_syncnet, save_generator
from audio_motion.models.face_statistics import FaceStatistics, average_face
from audio_motion.models.generator import STRIDE, TEMPERATURE, GeneratorConfig, MotionGenerator
from audio_motion.models.noise import performance_noise
from audio_motion.models.syncnet import SyncExpert
from audio_motion.topology import mouth_opening
from audio_motion.training.distributed import Distributed, require_finite
from audio_motion.training.loop import Ended, LoopConfig, Progress, fit, train
from audio_motion.training.losses import correlation_loss, point_weights, position_loss, sync_loss, velocity_loss
from audio_motion.training.state import fingerprint

SPREAD = 0.25
"""How far seeds differ at temperature 1: deviation of the opening across seeds over its deviation in time."""
_SEEDS = 4


@dataclass(frozen=True)
class GeneratorTraining:
    """How a generator is trained. The defaults suit one to three minutes of one person on two CPU cores."""

    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    """Size of the network."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600, batch_size=16, learning_rate=2e-3))
    """Steps, batch size and learning rate."""
    crop: int = 64
    """Motion frames (at 25 Hz) of a crop, a multiple of 4."""
    velocity: float = 1.0
    """Weight of the error of the change from frame to frame."""
    kl: float = 0.5
    """Weight of the Kullback-Leibler divergence of posterior and prior."""
    noise_free: float = 1.0
    """Weight of the errors of the motion at temperature 0, which no posterior has helped: it is what speech alone must
    explain."""
    correlation: float = 0.5
    """Weight of the correlation of that motion's opening and width with the true ones."""
    sync: float = 0.3
    """Weight of the sync expert's judgement of freely sampled motion, where an expert is given."""
    mouth: float = 4.0
    """Weight of the mouth's points against the others."""
    inner_lips: float = 8.0
    """Weight of the inner lips' points."""
    decay: float = 1e-2
    """AdamW's weight decay."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How far crops are moved from what was recorded."""
    features: str = DEFAULT
    """Speech features, as `features.interface.open_features` takes them."""
    expert: Path | None = None
    """Checkpoint of `audio-motion train syncnet`, made for the same features; frozen."""

    @staticmethod
    def corpus() -> GeneratorTraining:
        """For half an hour to some hours of many speakers on two CPU cores."""
        model = GeneratorConfig(hidden=96, condition=96, decoder_layers=5, dropout=0.3)
        loop = LoopConfig(steps=1200, batch_size=32, learning_rate=2e-3, validate_every=100, patience=4, ema_decay=0.99)
        return GeneratorTraining(model=model, loop=loop)

    @staticmethod
    def paper() -> GeneratorTraining:
        """GeneFace's own network and schedule, for hundreds of hours of speech on GPUs."""
        return GeneratorTraining(
            model=GeneratorConfig.paper(),
            loop=LoopConfig(
                steps=40_000,
                batch_size=512,
                learning_rate=5e-4,
                warm_up=1000,
                validate_every=2000,
                threads=torch.get_num_threads(),
            ),
            velocity=3.0,
            kl=0.4,
            sync=0.01,
            decay=0.0,
        )


def train_generator(
    sources: Sequence[Path],
    output: Path,
    config: GeneratorTraining | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train on captures or corpora and write one checkpoint; resumes as `loop.train` says.

    It carries the face of the one person trained on; of several, their average.

    Args:
        sources: what `data.sources.load_recordings` reads.
        output: .safetensors file.

    Returns:
        `output`.

    Raises:
        InputError: a source, the features or the expert cannot be used, or `output` cannot be written.
        NotFinite: a loss is no longer finite; names the step and the term.
    """
    config = config or GeneratorTraining()
    features = open_features(config.features, config.loop.device)
    trained, held = load_training_split(sources, features)
    expert = load_syncnet(config.expert, config.loop.device, config.features).model if config.expert else None
    task = partial(GeneratorTask, trained, held, features, config, expert)
    return train(task, config.loop, Path(output), save_generator, progress)


def fit_generator(
    trained: Sequence[Recording],
    held: Sequence[Recording],
    features: SpeechFeatures,
    config: GeneratorTraining,
    expert: SyncExpert | None = None,
    progress: Progress | None = None,
    state: Path | None = None,
) -> TrainedGenerator:
    """Train on recordings already loaded; see `train_generator`.

    Args:
        trained: what is learnt from.
        held: what is only looked at, for early stopping and amplitude; their valid frames count.
        features: what made their features.
        state: where to keep what a resumed run needs.
    """
    return fit(partial(GeneratorTask, trained, held, features, config, expert), config.loop, progress, state)


class GeneratorTask:
    """The generator's training as the loop sees it (`loop.Task`)."""

    def __init__(
        self,
        trained: Sequence[Recording],
        held: Sequence[Recording],
        features: SpeechFeatures,
        config: GeneratorTraining,
        expert: SyncExpert | None,
        distributed: Distributed,
    ) -> None:
        longest = max(len(recording.offsets) for recording in trained)
        crop = min(config.crop, longest) // STRIDE * STRIDE
        model = replace(config.model, features=features.channels)
        self.config = config = replace(config, crop=crop, model=model)
        self.trained, self.held, self.features, self.distributed = trained, held, features, distributed
        self.crops = CropSampler(trained, crop, features, config.augmentation)
        torch.manual_seed(config.loop.seed)
        self.module = MotionGenerator(model)
        if not features.normalised:
            self.module.feature_mean, self.module.feature_spread = feature_statistics(trained)
        self.module.to(distributed.device)
        self.expert = expert.to(distributed.device).eval().requires_grad_(False) if expert else None
        self.optimizers = [
            torch.optim.AdamW(self.module.parameters(), lr=config.loop.learning_rate, weight_decay=config.decay)
        ]
        self.weights = point_weights(config.mouth, config.inner_lips).to(distributed.device)

    def fingerprint(self) -> str:
        return fingerprint([asdict(self.config), self.features.name], (*self.trained, *self.held), [self.expert])

    def step(self, number: int) -> dict[str, float]:
        config, rows, device = self.config, self.distributed.rows, self.distributed.device
        batch = self.crops.draw(self.distributed.row_generators(config.loop.seed, number, config.loop.batch_size))
        noise = torch.randn(2, config.loop.batch_size, config.model.latent, config.crop // STRIDE)
        posterior, prior = rows(noise[0]), rows(noise[1])
        motion, features, valid = (x.to(device) for x in (batch.motion, batch.features, batch.valid))
        condition = self.module.listen(features)
        half = len(motion) // 2  # each half of the batch learns one of the two ways to a latent
        first, second = slice(None, half), slice(half, None)
        made, kl = self.module.reconstruct(motion[first], condition[first], posterior[first])
        noise_free = self.module.imagine(condition[second], torch.zeros_like(prior[second]))
        terms = {
            "error": self._error(made, motion[first], valid[first]),
            "kl": config.kl * kl.mean(),
            "noise_free": config.noise_free * self._error(noise_free, motion[second], valid[second]),
            "correlation": config.correlation * correlation_loss(noise_free, motion[second], valid[second]),
        }
        if self.expert is not None and config.sync > 0:
            free = self.module.imagine(condition[first], prior[first])
            terms["sync"] = config.sync * sync_loss(self.expert, free, features[first], valid[first])
        require_finite(terms.items(), number)
        loss = torch.stack(list(terms.values())).sum()
        self.distributed.optimizer_step(loss, self.module, self.optimizers[0])
        return {name: term.item() for name, term in terms.items()}

    def _error(self, made: Tensor, motion: Tensor, valid: Tensor) -> Tensor:
        position = position_loss(made, motion, self.weights, valid)
        return position + self.config.velocity * velocity_loss(made, motion, self.weights, valid)

    def validate(self) -> tuple[float, dict[str, float]]:
        """Error of the motion at temperature 0 of what is held out, as if nothing of the motion were known."""
        total = frames = 0.0
        for recording in self.held:
            made = self._generate(recording, 0.0, 0)
            truth = recording.motion.to(self.distributed.device)
            valid = recording.valid[None].to(self.distributed.device)
            total += float(self._error(made, truth, valid)) * valid.numel()
            frames += float(valid.sum())
        return total / max(1.0, frames), {}

    def pictures(self) -> np.ndarray | None:
        """Generated beside true motion of the first held-out recording's last four seconds."""
        from audio_motion.training.pictures import draw_motion

        recording = self.held[0]
        made = self._offsets(recording, recording.face.scale, 0.0, 0)
        mean = recording.face.mean
        return draw_motion(mean + made[-100:], mean + recording.offsets[-100:].numpy())

    def result(self, ended: Ended) -> TrainedGenerator:
        faces = [recording.face for recording in self.trained]
        face = with_examples(faces[0], self.trained) if len(faces) == 1 else average_face(faces)
        training = {
            "steps": ended.steps,
            "validation": ended.best,
            "speakers": len({face.person for face in faces}),
            "seconds": sum(r.seconds for r in self.trained),
            "seed": self.config.loop.seed,
        }
        module = self.module.cpu()
        variety = self._variety(face)
        amplitude = self._amplitude(face, variety)
        return TrainedGenerator(module, face, amplitude, training, self.features, "", variety)

    @torch.no_grad()
    def _variety(self, face: FaceStatistics) -> float:
        """What noise must be multiplied by so that seeds differ by SPREAD of what the mouth's opening varies in time,
        on what is held out, within 0.1 and 2."""
        ratios, frames = [], []
        for recording in self.held:
            valid, mean = recording.valid.numpy(), recording.face.mean
            made = [self._offsets(recording, face.scale, 1.0, seed) for seed in range(_SEEDS)]
            openings = np.stack([mouth_opening(mean + offsets[valid]) for offsets in made])
            ratios.append(openings.std(axis=0, ddof=1).mean() / max(1e-9, openings.std(axis=1).mean()))
            frames.append(valid.sum())
        return float(np.clip(SPREAD / max(1e-6, np.average(ratios, weights=frames)), 0.1, 2.0))

    @torch.no_grad()
    def _amplitude(self, face: FaceStatistics, variety: float) -> float:
        """What the mouth's motion must be multiplied by so that its opening varies as much as real speakers' do: the
        inverse of the mean ratio on what is held out, within 1 and 2.5.

        Args:
            face: the one that the generator will carry, not the held-out speaker's own: its scale cannot be heard.
        """
        ratios, frames = [], []
        for recording in self.held:
            valid, mean = recording.valid.numpy(), recording.face.mean
            made = self._offsets(recording, face.scale, variety * TEMPERATURE, self.config.loop.seed)
            pair = (made, recording.offsets.numpy())
            made, true = (mouth_opening(mean + offsets[valid]).std() for offsets in pair)
            ratios.append(made / max(true, 1e-6))
            frames.append(valid.sum())
        return float(np.clip(1.0 / max(1e-6, np.average(ratios, weights=frames)), 1.0, 2.5))

    def _offsets(self, recording: Recording, scale: float, temperature: float, seed: int) -> np.ndarray:
        """Motion as it is sampled in use, as offsets [T, 68, 3] of a face of that scale."""
        return self._generate(recording, temperature, seed)[0].T.reshape(-1, 68, 3).cpu().numpy() * scale

    @torch.no_grad()
    def _generate(self, recording: Recording, temperature: float, seed: int) -> Tensor:
        """Motion of a whole recording, [1, 204, T] in units of a scale."""
        device = next(self.module.parameters()).device
        places = np.arange(0, len(recording.offsets), STRIDE)
        noise = temperature * performance_noise(self.config.model.latent, places, seed)[None].to(device)
        return self.module.sample_whole(recording.speech.to(device), noise, recording.silence.to(device))

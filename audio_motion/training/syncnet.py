"""Training of the sync expert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, cross_entropy

from audio_motion.data.augmentation import Augmentation
from audio_motion.data.crops import CropSampler
from audio_motion.data.recording import Recording, feature_statistics
from audio_motion.data.sources import load_training_split
from audio_motion.features.interface import DEFAULT, SpeechFeatures, open_features
from audio_motion.models.checkpoint import TrainedSyncExpert, save_syncnet
from audio_motion.models.syncnet import SyncConfig, SyncExpert
from audio_motion.sync import lag_scores, sync_accuracy
from audio_motion.training.distributed import Distributed, require_finite
from audio_motion.training.loop import Ended, LoopConfig, Progress, fit, train
from audio_motion.training.state import fingerprint

WINDOW = 5
"""Motion frames that are compared together in training (0.2 s, as in SyncNet)."""
NEAREST = 2
"""Frames; a smaller shift is neither in sync nor out of it."""


@dataclass(frozen=True)
class SyncTraining:
    """How the sync expert is trained. The defaults suit half an hour of many speakers on two CPU cores."""

    model: SyncConfig = field(default_factory=SyncConfig)
    """Size of the network."""
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(steps=700, batch_size=32, learning_rate=2e-3, validate_every=100, patience=4)
    )
    """Steps, batch size and learning rate."""
    crop: int = 72
    """Motion frames (at 25 Hz) of a crop: other times within it are negatives."""
    scale_jitter: float = 0.2
    """Standard deviation of the logarithm of a factor on the motion, so that size alone tells nothing."""
    decay: float = 2e-2
    """AdamW's weight decay."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How far crops are moved from what was recorded."""
    features: str = DEFAULT
    """Speech features, as `features.interface.open_features` takes them."""


def train_syncnet(
    sources: Sequence[Path],
    output: Path,
    config: SyncTraining | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train on corpora (or captures) and write one checkpoint; resumes as `loop.train` says.

    Raises:
        InputError: a source or the features cannot be used, or `output` cannot be written.
        NotFinite: the loss is no longer finite.
    """
    config = config or SyncTraining()
    features = open_features(config.features, config.loop.device)
    trained, held = load_training_split(sources, features)
    task = partial(SyncTask, trained, held, features, config)
    return train(task, config.loop, Path(output), save_syncnet, progress)


def fit_syncnet(
    trained: Sequence[Recording],
    held: Sequence[Recording],
    features: SpeechFeatures,
    config: SyncTraining,
    progress: Progress | None = None,
    state: Path | None = None,
) -> TrainedSyncExpert:
    """Train on recordings already loaded; arguments as `fit_generator`."""
    return fit(partial(SyncTask, trained, held, features, config), config.loop, progress, state)


class SyncTask:
    """The sync expert's training as the loop sees it (`loop.Task`)."""

    def __init__(
        self,
        trained: Sequence[Recording],
        held: Sequence[Recording],
        features: SpeechFeatures,
        config: SyncTraining,
        distributed: Distributed,
    ) -> None:
        self.config = replace(config, model=replace(config.model, features=features.channels))
        self.trained, self.held, self.features, self.distributed = trained, held, features, distributed
        self.crops = CropSampler(trained, config.crop, features, config.augmentation)
        torch.manual_seed(config.loop.seed)
        self.module = SyncExpert(self.config.model)
        if not features.normalised:
            self.module.feature_mean, self.module.feature_spread = feature_statistics(trained)
        self.module.to(distributed.device)
        self.optimizers = [
            torch.optim.AdamW(self.module.parameters(), lr=config.loop.learning_rate, weight_decay=config.decay)
        ]

    def fingerprint(self) -> str:
        return fingerprint([asdict(self.config), self.features.name], (*self.trained, *self.held))

    def step(self, number: int) -> dict[str, float]:
        size = self.config.loop.batch_size
        batch = self.crops.draw(self.distributed.row_generators(self.config.loop.seed, number, size))
        times = self.distributed.rows(torch.exp(self.config.scale_jitter * torch.randn(size, 1, 1)))
        motion, features, valid = (x.to(self.distributed.device) for x in (batch.motion, batch.features, batch.valid))
        seen, heard = self.module.see(motion * times), self.module.hear(features)
        loss = contrastive_loss(seen, heard, valid, self.module.sharpness.exp())
        require_finite([("contrastive", loss)], number)
        self.distributed.optimizer_step(loss, self.module, self.optimizers[0])
        return {"contrastive": loss.item()}

    @torch.no_grad()
    def validate(self) -> tuple[float, dict[str, float]]:
        """Share of one-second windows of what is held out whose sound, shifted by 5 frames or more, fits better than
        the true one."""
        right = windows = 0.0
        for recording in self.held:
            share, count = sync_accuracy(lag_scores(self.module, recording))
            right, windows = right + share * count, windows + count
        accuracy = right / max(1.0, windows)
        return 1.0 - accuracy, {"accuracy": accuracy}

    def pictures(self) -> np.ndarray | None:
        """The mean score over lags of each held-out recording, drawn as one picture: a bright column at lag 0."""
        rows = [lag_scores(self.module, recording)[0].nanmean(dim=-1) for recording in self.held]
        image = torch.stack(rows).cpu().numpy()
        image = 255 * np.clip((image - np.nanmin(image)) / max(1e-6, np.nanmax(image) - np.nanmin(image)), 0, 1)
        large = np.kron(np.nan_to_num(image).astype(np.uint8), np.ones((4, 8), np.uint8))
        return np.repeat(large[None, ..., None], 3, axis=-1)

    def result(self, ended: Ended) -> TrainedSyncExpert:
        training = {
            "steps": ended.steps,
            "accuracy": 1.0 - ended.best,
            "speakers": len({r.face.person for r in self.trained}),
            "seconds": sum(r.seconds for r in self.trained),
            "seed": self.config.loop.seed,
        }
        return TrainedSyncExpert(self.module.cpu(), training, self.features)


def contrastive_loss(seen: Tensor, heard: Tensor, valid: Tensor, sharpness: Tensor) -> Tensor:
    """Every window of motion must find its own sound, and every window of sound its own motion, among the other times
    of the same crop (small shifts included) and the same time of the other crops (other speakers, mostly).

    Args:
        seen, heard: unit vectors [B, D, T].
        valid: bool [B, T].
        sharpness: factor on cosines.

    Returns:
        mean cross-entropy, a scalar.
    """
    count, _, frames = seen.shape
    seen = sharpness * seen
    own = torch.einsum("bdt,bds->bts", seen, heard)
    windows = frames - WINDOW + 1
    # [B, windows, windows]: mean cosine of the windows that begin at t (motion) and s (sound).
    own = torch.stack([own[:, i : i + windows, i : i + windows] for i in range(WINDOW)]).mean(dim=0)
    other = torch.einsum("bdt,cdt->bct", seen, heard)
    other = avg_pool1d(other.flatten(0, 1)[:, None], WINDOW, 1).view(count, count, windows).transpose(1, 2)
    other = other.masked_fill(torch.eye(count, dtype=torch.bool, device=seen.device)[:, None], -torch.inf)
    time = torch.arange(windows, device=seen.device)
    apart = (time[:, None] - time).abs()
    own = own.masked_fill((apart > 0) & (apart < NEAREST), -torch.inf)
    whole = avg_pool1d(valid[:, None].float(), WINDOW, 1)[:, 0] == 1.0
    target = time.repeat(count)
    find_sound = cross_entropy(torch.cat([own, other], dim=-1).flatten(0, 1), target, reduction="none")
    find_motion = cross_entropy(own.transpose(1, 2).flatten(0, 1), target, reduction="none")
    return ((find_sound + find_motion) * whole.flatten()).mean()

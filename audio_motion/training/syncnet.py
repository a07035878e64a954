"""Training of the sync expert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, cross_entropy

from audio_motion.features.interface import SpeechFeatures, open_features
from audio_motion.models.checkpoint import TrainedSyncExpert, save_syncnet
from audio_motion.models.syncnet import SyncConfig, SyncExpert
from audio_motion.sync import lag_scores, sync_accuracy
from audio_motion.training.crops import Crops, feature_statistics
from audio_motion.training.loop import LoopConfig, Progress, run
from audio_motion.training.recordings import Recording, learn_and_hold_out
from audio_motion.training.state import fingerprint
from audio_motion.training.team import Team, finite, gather_team, leads
from audio_motion.training.variety import Variety

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
        default_factory=lambda: LoopConfig(steps=700, batch=32, rate=2e-3, validate_every=100, patience=4)
    )
    """Steps, batch and learning rate."""
    crop: int = 72
    """Motion frames (at 25 Hz) of a crop: other times within it are negatives."""
    liveliness: float = 0.2
    """Standard deviation of the logarithm of a factor on the motion, so that size alone tells nothing."""
    decay: float = 2e-2
    """AdamW's weight decay."""
    variety: Variety = field(default_factory=Variety)
    """How far pieces are moved from what was recorded."""
    features: str = "mel"
    """Speech features, as `features.interface.open_features` takes them."""


def train_syncnet(
    sources: Sequence[Path],
    output: Path,
    config: SyncTraining | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train on corpora (or captures) and write one checkpoint; resumes as `train_generator` does.

    Raises:
        InputError: a source or the features cannot be used, or `output` cannot be written.
        FloatingPointError: the loss is no longer finite.
    """
    config = config or SyncTraining()
    output = Path(output)
    features = open_features(config.features, config.loop.device)
    trained, held = learn_and_hold_out(sources, features)
    state = output.with_name(f"{output.name}.state")
    logs = output.with_name(f"{output.name}.logs")
    made = fit_syncnet(trained, held, features, config, progress, state, logs)
    if leads():
        save_syncnet(output, made)
        state.unlink(missing_ok=True)
    return output


def fit_syncnet(
    trained: Sequence[Recording],
    held: Sequence[Recording],
    features: SpeechFeatures,
    config: SyncTraining,
    progress: Progress | None = None,
    state: Path | None = None,
    logs: Path | None = None,
) -> TrainedSyncExpert:
    """Train on recordings already loaded; arguments as `fit_generator`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(config.loop.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            team = gather_team(config.loop.device, config.loop.devices)
            task = _Task(trained, held, features, config, team)
            steps, lowest = run(task, config.loop, team, task.fingerprint(), state, logs, progress)
            training = {
                "steps": steps,
                "accuracy": 1.0 - lowest,
                "speakers": len({r.face.person for r in trained}),
                "seconds": sum(r.seconds for r in trained),
                "seed": config.loop.seed,
            }
            return TrainedSyncExpert(task.module.cpu(), training, features)
    finally:
        torch.set_num_threads(threads)


class _Task:
    """The sync expert's training as the loop sees it."""

    def __init__(
        self,
        trained: Sequence[Recording],
        held: Sequence[Recording],
        features: SpeechFeatures,
        config: SyncTraining,
        team: Team,
    ) -> None:
        self.config = replace(config, model=replace(config.model, features=features.channels))
        self.trained, self.held, self.team = trained, held, team
        self.features = features.name
        self.crops = Crops(trained, config.crop, features, config.variety)
        torch.manual_seed(config.loop.seed)
        self.module = SyncExpert(self.config.model)
        if not self.crops.built_in:
            self.module.feature_mean, self.module.feature_spread = feature_statistics(trained)
        self.module.to(team.device)
        self.optimizers = [torch.optim.AdamW(self.module.parameters(), lr=config.loop.rate, weight_decay=config.decay)]

    def fingerprint(self) -> str:
        """See `state.fingerprint`."""
        return fingerprint([asdict(self.config), self.features], (*self.trained, *self.held))

    def step(self, number: int) -> dict[str, float]:
        batch = self.crops.draw(self.config.loop.batch)
        times = torch.exp(self.config.liveliness * torch.randn(self.config.loop.batch, 1, 1))
        motion, features, valid = (self.team.rows(x) for x in (batch.motion * times, batch.features, batch.valid))
        seen, heard = self.module.see(motion), self.module.hear(features)
        loss = contrastive_loss(seen, heard, valid, self.module.sharpness.exp())
        finite([("contrastive", loss)], number)
        self.team.descend(loss, self.module, self.optimizers[0])
        return {"contrastive": loss.item()}

    @torch.no_grad()
    def validate(self) -> tuple[float, dict[str, float]]:
        """Share of one-second windows of what is held out whose sound, shifted by 5 frames or more, fits better than
        the true one."""
        right = windows = 0.0
        for recording in self.held:
            share, count = sync_accuracy(lag_scores(self.module, *self._one(recording)))
            right, windows = right + share * count, windows + count
        accuracy = right / max(1.0, windows)
        return 1.0 - accuracy, {"accuracy": accuracy}

    def _one(self, recording: Recording) -> tuple[Tensor, Tensor, Tensor]:
        motion = (recording.offsets / recording.face.spread).flatten(1).T[None]
        device = self.team.device
        return recording.features.T[None].to(device), motion.to(device), recording.valid[None].to(device)

    def pictures(self) -> np.ndarray | None:
        """The mean score over lags of each held-out recording, drawn as one picture: a bright column at lag 0."""
        rows = [lag_scores(self.module, *self._one(recording))[0].nanmean(dim=-1) for recording in self.held]
        image = torch.stack(rows).cpu().numpy()
        image = 255 * np.clip((image - np.nanmin(image)) / max(1e-6, np.nanmax(image) - np.nanmin(image)), 0, 1)
        large = np.kron(np.nan_to_num(image).astype(np.uint8), np.ones((4, 8), np.uint8))
        return np.repeat(large[None, ..., None], 3, axis=-1)


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

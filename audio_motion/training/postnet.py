"""Training of the post-net: a generator's motion is moved into one person's way of speaking."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from audio_motion.data.recording import Recording, pool_speakers, with_examples
from audio_motion.data.sources import load_training_split, sample_recordings
from audio_motion.models.checkpoint import (
    TrainedGenerator,
    TrainedPostNet,
    load_generator,
    load_syncnet,
    save_postnet,
)
from audio_motion.models.generator import TEMPERATURE
from audio_motion.models.postnet import Discriminator, DiscriminatorConfig, PostNet, PostNetConfig, mouth_and_jaw
from audio_motion.models.syncnet import SyncExpert
from audio_motion.training.distributed import Distributed, require_finite
from audio_motion.training.generated import PairedCropSampler, generate_motion
from audio_motion.training.loop import Ended, LoopConfig, Progress, fit, train
from audio_motion.training.losses import (
    lsgan_loss,
    moments_loss,
    point_weights,
    position_loss,
    sync_loss,
    velocity_loss,
)
from audio_motion.training.postnet_validation import MotionValidator
from audio_motion.training.state import fingerprint

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PostNetTraining:
    """How a post-net is trained. The defaults suit one to three minutes of a person on two CPU cores."""

    model: PostNetConfig = field(default_factory=PostNetConfig)
    """Size of the post-net."""
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """Size of the discriminator."""
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            steps=1000, batch_size=16, learning_rate=1e-3, warm_up=50, validate_every=50, patience=8
        )
    )
    """Steps, batch size (of the person's own speech, and as much other speech) and the post-net's learning rate."""
    crop: int = 64
    """Motion frames (at 25 Hz) of a crop; at least the discriminator's longest window."""
    samples: int = 4
    """How often the generator speaks every recording, each time with other noise."""
    temperature: float = TEMPERATURE
    """Of that noise: the one that the generator will be used with."""
    supervised: float = 2.0
    """Weight of the error against the person's own motion for the same speech."""
    velocity: float = 1.0
    """Weight of the change from frame to frame within that error."""
    adversarial: float = 0.1
    """Weight of what the discriminator says to motion for other speech."""
    moments: float = 10.0
    """Weight of the difference of the refined motion's mean and covariance from the person's."""
    sync: float = 1.0
    """Weight of the sync expert's judgement of that motion, where an expert is given."""
    mouth: float = 4.0
    """Weight of the mouth's points against the others."""
    inner_lips: float = 8.0
    """Weight of the inner lips' points."""
    discriminator_rate: float = 1e-3
    """The discriminator's learning rate."""
    speech: float = 30.0
    """Most minutes of other people's speech that are used."""
    sync_penalty: float = 5.0
    """What a sync score (mean cosine) below both the generator's and the person's own costs, in units of the
    distance."""
    collapse: float = 0.3
    """Training ends when motion varies less than this share of the person's, over time or between speeches."""


def train_postnet(
    captures: Sequence[Path],
    corpora: Sequence[Path],
    generator: Path,
    expert: Path | None,
    output: Path,
    config: PostNetTraining | None = None,
    progress: Progress | None = None,
    features: str | None = None,
) -> Path:
    """Fit a generator's motion to one person and write one checkpoint; resumes as `loop.train` says.

    Args:
        captures: captures or sequences of the one person; the first one's face is the checkpoint's.
        corpora: other speech, of anybody, of which a sample is used; without any, other moments of the person's own
            speech are.
        generator: checkpoint of `audio-motion train generator`; frozen.
        expert: checkpoint of `audio-motion train syncnet`, made for the same speech features; frozen.
        output: .safetensors file.
        features: where the generator's speech features are now; by default where they were in its training.

    Returns:
        `output`.

    Raises:
        InputError: a source or a checkpoint cannot be used, or `output` cannot be written.
        NotFinite: a loss is no longer finite; names the step and the term.
    """
    config = config or PostNetTraining()
    device = config.loop.device
    speaking = load_generator(generator, device, features)
    heard = speaking.features
    trained, held = load_training_split(captures, heard)
    face = pool_speakers([replace(r, face=replace(r.face, person=trained[0].face.person)) for r in trained])[0].face
    trained, held = (
        [replace(r, face=replace(r.face, person=face.person, scale=face.scale)) for r in part]
        for part in (trained, held)
    )
    others = sample_recordings(corpora, heard, config.speech, config.loop.seed)
    judge = load_syncnet(expert, device, heard.spec).model if expert else None
    task = partial(PostNetTask, trained, held, others, speaking, config, judge)
    return train(task, config.loop, Path(output), save_postnet, progress)


def fit_postnet(
    trained: Sequence[Recording],
    held: Sequence[Recording],
    others: Sequence[Recording],
    generator: TrainedGenerator,
    config: PostNetTraining,
    expert: SyncExpert | None = None,
    progress: Progress | None = None,
    state: Path | None = None,
) -> TrainedPostNet:
    """Train on recordings already loaded; see `train_postnet`.

    Args:
        trained: the person's, learnt from.
        held: the person's, only looked at, to choose the best state; their valid frames count.
        others: speech to be spoken as the person would; may be empty.
        state: where to keep what a resumed run needs.
    """
    task = partial(PostNetTask, trained, held, others, generator, config, expert)
    return fit(task, config.loop, progress, state)


class _Adversaries(nn.Module):
    """What is trained: the post-net and its discriminator."""

    def __init__(self, model: PostNetConfig, discriminator: DiscriminatorConfig) -> None:
        super().__init__()
        self.refine = PostNet(model)
        self.discriminator = Discriminator(discriminator)


class PostNetTask:
    """The post-net's training as the loop sees it (`loop.Task`)."""

    module: _Adversaries

    def __init__(
        self,
        trained: Sequence[Recording],
        held: Sequence[Recording],
        others: Sequence[Recording],
        generator: TrainedGenerator,
        config: PostNetTraining,
        expert: SyncExpert | None,
        distributed: Distributed,
    ) -> None:
        self.config, self.generator, self.distributed, device = config, generator, distributed, distributed.device
        self.expert = expert.to(device).eval().requires_grad_(False) if expert else None
        generator.model.eval().requires_grad_(False).to(device)
        own, self.held, free = (
            generate_motion(generator, recordings, config.samples, config.temperature, 3 * config.loop.seed + number)
            for number, recordings in enumerate((trained, held, others))
        )
        self.own = PairedCropSampler(own, config.crop)
        self.free = PairedCropSampler(free or own, config.crop)
        self.trained = trained
        self.recordings = (*trained, *held, *others)
        self.validator = MotionValidator(own, self.held, free, self.expert, device)
        self.before = self.validator.measure(nn.Identity())
        self.seen = mouth_and_jaw().to(device)
        self.basis = torch.from_numpy(self.validator.space.basis).float().to(device)
        truth = torch.cat([self._coordinates(r.motion.to(device), r.valid[None].to(device)) for r in trained])
        self.person = truth.mean(dim=0), truth.T.cov(correction=0)
        torch.manual_seed(config.loop.seed)
        self.module = _Adversaries(config.model, config.discriminator).to(device)
        self.optimizers = [
            torch.optim.Adam(self.module.refine.parameters(), lr=config.loop.learning_rate, betas=(0.5, 0.9)),
            torch.optim.Adam(self.module.discriminator.parameters(), lr=config.discriminator_rate, betas=(0.5, 0.9)),
        ]
        self.weights = point_weights(config.mouth, config.inner_lips).to(device)

    def fingerprint(self) -> str:
        described = [asdict(self.config), self.generator.features.name, self.generator.sha256]
        return fingerprint(described, self.recordings, [self.generator.model, self.expert])

    def step(self, number: int) -> dict[str, float]:
        config, refine, discriminator = self.config, self.module.refine, self.module.discriminator
        rngs = self.distributed.row_generators(config.loop.seed, number, config.loop.batch_size)
        drawn, device = (self.own.draw(rngs), self.free.draw(rngs)), self.distributed.device
        own, free = ({name: value.to(device) for name, value in vars(crops).items()} for crops in drawn)
        refined = refine(torch.cat([own["made"], free["made"]]))
        paired, unpaired = refined.chunk(2)

        discriminator.requires_grad_(True)
        true, false = discriminator(own["truth"], own["valid"]), discriminator(unpaired.detach(), free["inside"])
        told_apart = lsgan_loss(true, 1.0) + lsgan_loss(false, 0.0)
        require_finite([("discriminator", told_apart)], number)
        self.distributed.optimizer_step(told_apart, discriminator, self.optimizers[1])

        discriminator.requires_grad_(False)
        position = position_loss(paired, own["truth"], self.weights, own["valid"])
        velocity = velocity_loss(paired, own["truth"], self.weights, own["valid"])
        terms = {
            "supervised": config.supervised * (position + config.velocity * velocity),
            "adversarial": config.adversarial * lsgan_loss(discriminator(unpaired, free["inside"]), 1.0),
        }
        if config.moments > 0:  # of each process's own rows: moments of small batches are noisier
            inside = torch.cat([own["inside"], free["inside"]])
            terms["moments"] = config.moments * moments_loss(self._coordinates(refined, inside), *self.person)
        if self.expert is not None and config.sync > 0:
            terms["sync"] = config.sync * sync_loss(self.expert, unpaired, free["features"], free["inside"])
        require_finite(terms.items(), number)
        self.distributed.optimizer_step(torch.stack(list(terms.values())).sum(), refine, self.optimizers[0])
        return {name: term.item() for name, term in (*terms.items(), ("discriminator", told_apart))}

    def _coordinates(self, motion: Tensor, known: Tensor) -> Tensor:
        """`distance.coordinates` of [B, 204, T]: [N, 2K]."""
        place = torch.einsum("bct,ck->btk", motion[:, self.seen], self.basis)
        both = known[:, 1:] & known[:, :-1]
        return torch.cat([place[:, 1:], self.validator.space.tempo * place.diff(dim=1)], dim=-1)[both]

    def validate(self) -> tuple[float, dict[str, float]]:
        """The distance to the person's held-out motion, and a penalty where sync is worse than both the generator's
        and the person's own.

        Infinity once the motion has collapsed: the adversarial game does not recover from that.
        """
        found = self.validator.measure(self.module.refine)
        # A generator that was trained with the expert pleases it better than the person does: the person is enough.
        wanted = min(self.before.sync, self.validator.true_sync)
        value = found.distance + self.config.sync_penalty * max(0.0, wanted - found.sync)
        if self._dull(found.over_time, self.before.over_time) or self._dull(found.between, self.before.between):
            value = math.inf
            _log.warning(
                "motion collapses: it varies by %.2f of the person's over time and %.2f between speeches; training "
                "ends, and the best state before is kept",
                found.over_time,
                found.between,
            )
        return value, asdict(found)

    def _dull(self, share: float, before: float) -> bool:
        # A generator that is itself dull has not collapsed.
        return share < self.config.collapse * min(1.0, before)

    @torch.no_grad()
    def pictures(self) -> np.ndarray | None:
        """Generated, refined and true motion of the first held-out recording's last four seconds."""
        from audio_motion.training.pictures import draw_motion

        generated = self.held[0]
        made = generated.samples[:1].transpose(1, 2)
        refined = self.module.refine(made.to(self.distributed.device)).cpu()
        face = generated.recording.face
        motions = (made[0], refined[0], generated.recording.motion[0])
        shown = (motion.T.unflatten(1, (68, 3))[-100:] for motion in motions)
        return draw_motion(*(face.mean + face.scale * points.numpy() for points in shown))

    def result(self, ended: Ended) -> TrainedPostNet:
        if ended.best >= self.before.distance:
            _log.warning("no state was better than the generator's motion alone: the post-net changes nothing")
            self.module.refine.forget()
        training = {
            "steps": ended.steps,
            "seconds": sum(r.seconds for r in self.trained),
            "seed": self.config.loop.seed,
            "collapsed": ended.given_up,
            "before": asdict(self.before),
            "after": asdict(self.validator.measure(self.module.refine)),
        }
        face, generator = with_examples(self.trained[0].face, self.trained), self.generator
        refine = self.module.cpu().refine
        return TrainedPostNet(refine, face, generator.sha256, training, generator.features, sha256="")

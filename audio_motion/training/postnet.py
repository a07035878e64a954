"""Training of the post-net: a generator's motion is moved into one person's way of speaking."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

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
from audio_motion.training.loop import LoopConfig, Progress, run
from audio_motion.training.losses import judged, moments_loss, point_weights, position_loss, sync_loss, velocity_loss
from audio_motion.training.recordings import Recording, hold_out_tail, load_recordings, share_spread, with_examples
from audio_motion.training.state import fingerprint
from audio_motion.training.takes import TakeCrops, make_takes
from audio_motion.training.team import Team, finite, gather_team, leads
from audio_motion.training.yardstick import Yardstick

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PostNetTraining:
    """How a post-net is trained. The defaults suit one to three minutes of a person on two CPU cores."""

    model: PostNetConfig = field(default_factory=PostNetConfig)
    """Size of the post-net."""
    judge: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """Size of the discriminator."""
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(steps=1000, batch=16, rate=1e-3, warm_up=50, validate_every=50, patience=8)
    )
    """Steps, batch (of the person's own speech, and as much other speech) and the post-net's learning rate."""
    crop: int = 64
    """Motion frames (at 25 Hz) of a crop; at least the discriminator's longest window."""
    takes: int = 4
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
    judge_rate: float = 1e-3
    """The discriminator's learning rate."""
    speech: float = 30.0
    """Most minutes of other people's speech that are used."""
    sync_penalty: float = 5.0
    """What a sync score (mean cosine) below both the generator's and the person's own costs, in units of the
    distance."""
    collapse: float = 0.3
    """Training ends when motion is less lively than this share of the person's, over time or between speeches."""


def train_postnet(
    captures: Sequence[Path],
    corpora: Sequence[Path],
    generator: Path,
    expert: Path | None,
    output: Path,
    config: PostNetTraining | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fit a generator's motion to one person and write one checkpoint; resumes as `train_generator` does.

    Args:
        captures: what `load_recordings` reads, of the one person; the first one's face is the checkpoint's.
        corpora: other speech, of anybody; without any, other moments of the person's own speech are used.
        generator: checkpoint of `audio-motion train generator`; frozen.
        expert: checkpoint of `audio-motion train syncnet`, made for the same speech features; frozen.
        output: .safetensors file; TensorBoard logs go into the folder `<output>.logs`.

    Returns:
        `output`.

    Raises:
        InputError: a source or a checkpoint cannot be used, or `output` cannot be written.
        FloatingPointError: a loss is no longer finite; names the step and the term.
    """
    config = config or PostNetTraining()
    output, device = Path(output), config.loop.device
    spoken = load_generator(generator, device)
    heard = spoken.features
    own = [r for path in captures for r in load_recordings(path, heard)]
    person = own[0].face.person
    own = share_spread([replace(r, face=replace(r.face, person=person)) for r in own])
    tails = [hold_out_tail(r) for r in own]
    others = [r for path in corpora for r in load_recordings(path, heard)]
    judge = load_syncnet(expert, device, heard.spec).model if expert else None
    state = output.with_name(f"{output.name}.state")
    logs = output.with_name(f"{output.name}.logs")
    trained, held = [early for early, _ in tails], [late for _, late in tails]
    made = fit_postnet(trained, held, others, spoken, config, judge, progress, state, logs)
    if leads():
        save_postnet(output, made)
        state.unlink(missing_ok=True)
    return output


def fit_postnet(
    trained: Sequence[Recording],
    held: Sequence[Recording],
    others: Sequence[Recording],
    generator: TrainedGenerator,
    config: PostNetTraining,
    expert: SyncExpert | None = None,
    progress: Progress | None = None,
    state: Path | None = None,
    logs: Path | None = None,
) -> TrainedPostNet:
    """Train on recordings already loaded; see `train_postnet`.

    Args:
        trained: the person's, learnt from.
        held: the person's, only looked at, to choose the best state; their valid frames count.
        others: speech to be spoken as the person would; may be empty.
        state: where to keep what a resumed run needs.
        logs: folder for TensorBoard.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(config.loop.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            team = gather_team(config.loop.device, config.loop.devices)
            task = _Task(trained, held, others, generator, config, expert, team)
            steps, lowest = run(task, config.loop, team, task.fingerprint(), state, logs, progress)
            if lowest >= task.before.distance:
                _log.warning("no state was better than the generator's motion alone: the post-net changes nothing")
                task.module.refine.forget()
            task.module.eval()
            training = {
                "steps": steps,
                "seconds": sum(r.seconds for r in trained),
                "seed": config.loop.seed,
                "collapsed": task.collapsed,
                "before": asdict(task.before),
                "after": asdict(task.yardstick.measure(task.module.refine)),
            }
            task.module.cpu()
            face, heard = with_examples(trained[0].face, trained), generator.features
            return TrainedPostNet(task.module.refine, face, generator.sha256, training, heard, sha256="")
    finally:
        torch.set_num_threads(threads)


class _Both(nn.Module):
    """What is trained: the post-net and its judge."""

    def __init__(self, model: PostNetConfig, judge: DiscriminatorConfig) -> None:
        super().__init__()
        self.refine = PostNet(model)
        self.judge = Discriminator(judge)


class _Task:
    """The post-net's training as the loop sees it."""

    module: _Both

    def __init__(
        self,
        trained: Sequence[Recording],
        held: Sequence[Recording],
        others: Sequence[Recording],
        generator: TrainedGenerator,
        config: PostNetTraining,
        expert: SyncExpert | None,
        team: Team,
    ) -> None:
        self.config, self.generator, self.team = config, generator, team
        self.expert = expert.to(team.device).eval().requires_grad_(False) if expert else None
        generator.model.eval().requires_grad_(False).to(team.device)
        others = _limited(others, config.speech)
        own, self.held, free = (
            make_takes(generator, recordings, config.takes, config.temperature, 3 * config.loop.seed + number)
            for number, recordings in enumerate((trained, held, others))
        )
        self.own = TakeCrops(own, config.crop)
        self.free = TakeCrops(free or own, config.crop)
        self.recordings = (*trained, *held, *others)
        self.yardstick = Yardstick(own, self.held, free, self.expert, team.device)
        self.before = self.yardstick.measure(nn.Identity())
        self.seen = mouth_and_jaw().to(team.device)
        self.basis = torch.from_numpy(self.yardstick.space.basis).float().to(team.device)
        truth = [
            self._coordinates(t.truth().T[None].to(team.device), t.recording.valid[None].to(team.device)) for t in own
        ]
        self.person = torch.cat(truth).mean(dim=0), torch.cat(truth).T.cov(correction=0)
        self.collapsed = False
        torch.manual_seed(config.loop.seed)
        self.module = _Both(config.model, config.judge).to(team.device)
        self.optimizers = [
            torch.optim.Adam(self.module.refine.parameters(), lr=config.loop.rate, betas=(0.5, 0.9)),
            torch.optim.Adam(self.module.judge.parameters(), lr=config.judge_rate, betas=(0.5, 0.9)),
        ]
        self.weights = point_weights(config.mouth, config.inner_lips).to(team.device)

    def fingerprint(self) -> str:
        """See `state.fingerprint`."""
        described = [asdict(self.config), self.generator.features.name, self.generator.sha256]
        return fingerprint(described, self.recordings, [self.generator.model, self.expert])

    def step(self, number: int) -> dict[str, float]:
        config, refine, judge = self.config, self.module.refine, self.module.judge
        drawn = (self.own.draw(config.loop.batch), self.free.draw(config.loop.batch))
        own, free = ({name: self.team.rows(value) for name, value in vars(pieces).items()} for pieces in drawn)
        refined = refine(torch.cat([own["made"], free["made"]]))
        paired, unpaired = refined.chunk(2)

        judge.requires_grad_(True)
        verdict = judged(judge(own["truth"], own["valid"]), 1.0) + judged(judge(unpaired.detach(), free["inside"]), 0.0)
        finite([("judge", verdict)], number)
        self.team.descend(verdict, judge, self.optimizers[1])

        judge.requires_grad_(False)
        position = position_loss(paired, own["truth"], self.weights, own["valid"])
        velocity = velocity_loss(paired, own["truth"], self.weights, own["valid"])
        terms = {
            "supervised": config.supervised * (position + config.velocity * velocity),
            "adversarial": config.adversarial * judged(judge(unpaired, free["inside"]), 1.0),
        }
        if config.moments > 0:  # of each process's own rows: moments of small batches are noisier
            inside = torch.cat([own["inside"], free["inside"]])
            terms["moments"] = config.moments * moments_loss(self._coordinates(refined, inside), *self.person)
        if self.expert is not None and config.sync > 0:
            terms["sync"] = config.sync * sync_loss(self.expert, unpaired, free["features"], free["inside"])
        finite(terms.items(), number)
        self.team.descend(torch.stack(list(terms.values())).sum(), refine, self.optimizers[0])
        return {name: term.item() for name, term in (*terms.items(), ("judge", verdict))}

    def _coordinates(self, motion: Tensor, known: Tensor) -> Tensor:
        """`distance.coordinates` of [B, 204, T]: [N, 2K]."""
        place = torch.einsum("bct,ck->btk", motion[:, self.seen], self.basis)
        both = known[:, 1:] & known[:, :-1]
        return torch.cat([place[:, 1:], self.yardstick.space.tempo * place.diff(dim=1)], dim=-1)[both]

    def validate(self) -> tuple[float, dict[str, float]]:
        """The distance to the person's held-out motion, and a penalty where sync is worse than both the generator's
        and the person's own.

        Infinity once the motion has collapsed: the adversarial game does not recover from that.
        """
        found = self.yardstick.measure(self.module.refine)
        # A generator that was trained with the expert pleases it better than the person does: the person is enough.
        wanted = min(self.before.sync, self.yardstick.true_sync)
        value = found.distance + self.config.sync_penalty * max(0.0, wanted - found.sync)
        if self._dull(found.over_time, self.before.over_time) or self._dull(found.between, self.before.between):
            self.collapsed, value = True, math.inf
            _log.warning(
                "motion collapses: its spread is %.2f of the person's over time and %.2f between speeches; training "
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

        takes = self.held[0]
        made = takes.made[:1].transpose(1, 2)
        refined = self.module.refine(made.to(self.team.device)).cpu()
        face = takes.recording.face
        shown = (x.transpose(0, 1).unflatten(1, (68, 3))[-100:] for x in (made[0], refined[0], takes.truth().T))
        return draw_motion(*(face.mean + face.spread * x.numpy() for x in shown))


def _limited(recordings: Sequence[Recording], minutes: float) -> list[Recording]:
    """The first recordings until they are that long together."""
    found, seconds = [], 0.0
    for recording in recordings:
        if seconds >= 60.0 * minutes:
            break
        found.append(recording)
        seconds += recording.seconds
    return found

"""Training of the motion generator: on one person's capture, or on a corpus of many speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio_motion.features.interface import SpeechFeatures, open_features
from audio_motion.models.checkpoint import TrainedGenerator, load_syncnet, save_generator
from audio_motion.models.face import Face, average_face
from audio_motion.models.generator import STRIDE, TEMPERATURE, GeneratorConfig, MotionGenerator
from audio_motion.models.syncnet import SyncExpert
from audio_motion.topology import mouth_opening
from audio_motion.training.crops import Crops, feature_statistics
from audio_motion.training.loop import LoopConfig, Progress, run
from audio_motion.training.losses import course_loss, point_weights, position_loss, sync_loss, velocity_loss
from audio_motion.training.recordings import Recording, learn_and_hold_out, with_examples
from audio_motion.training.state import fingerprint
from audio_motion.training.team import Team, finite, gather_team, leads
from audio_motion.training.variety import Variety


@dataclass(frozen=True)
class GeneratorTraining:
    """How a generator is trained. The defaults suit one to three minutes of one person on two CPU cores."""

    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    """Size of the network."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600, batch=16, rate=2e-3))
    """Steps, batch and learning rate."""
    crop: int = 64
    """Motion frames (at 25 Hz) of a crop, a multiple of 4."""
    velocity: float = 1.0
    """Weight of the error of the change from frame to frame."""
    divergence: float = 0.5
    """Weight of the Kullback-Leibler divergence of posterior and prior."""
    likeliest: float = 1.0
    """Weight of the errors of the likeliest motion (noise 0), which no posterior has helped: it is what speech alone
    must explain."""
    course: float = 0.5
    """Weight of the correlation of the likeliest motion's opening and width with the true ones."""
    sync: float = 0.3
    """Weight of the sync expert's judgement of freely sampled motion, where an expert is given."""
    mouth: float = 4.0
    """Weight of the mouth's points against the others."""
    inner_lips: float = 8.0
    """Weight of the inner lips' points."""
    decay: float = 1e-2
    """AdamW's weight decay."""
    variety: Variety = field(default_factory=Variety)
    """How far pieces are moved from what was recorded."""
    features: str = "mel"
    """Speech features, as `features.interface.open_features` takes them."""
    expert: Path | None = None
    """Checkpoint of `audio-motion train syncnet`, made for the same features; frozen."""

    @staticmethod
    def corpus() -> GeneratorTraining:
        """For half an hour to some hours of many speakers on two CPU cores."""
        model = GeneratorConfig(hidden=96, condition=96, decoder_layers=5, dropout=0.3)
        loop = LoopConfig(steps=1200, batch=32, rate=2e-3, validate_every=100, patience=4, averaging=0.99)
        return GeneratorTraining(model=model, loop=loop)

    @staticmethod
    def paper() -> GeneratorTraining:
        """GeneFace's own network and schedule, for hundreds of hours of speech on GPUs."""
        return GeneratorTraining(
            model=GeneratorConfig.paper(),
            loop=LoopConfig(
                steps=40_000,
                batch=512,
                rate=5e-4,
                warm_up=1000,
                validate_every=2000,
                threads=torch.get_num_threads(),
            ),
            velocity=3.0,
            divergence=0.4,
            sync=0.01,
            decay=0.0,
        )


def train_generator(
    sources: Sequence[Path],
    output: Path,
    config: GeneratorTraining | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train on captures or corpora and write one checkpoint.

    It carries the face of the one person trained on; of several, their average. A run that was interrupted goes on
    from `<output>.state`, bit for bit, when called again with the same sources and config.

    Args:
        sources: what `load_recordings` reads.
        output: .safetensors file; TensorBoard logs go into the folder `<output>.logs`.

    Returns:
        `output`.

    Raises:
        InputError: a source, the features or the expert cannot be used, or `output` cannot be written.
        FloatingPointError: a loss is no longer finite; names the step and the term.
    """
    config = config or GeneratorTraining()
    output = Path(output)
    features = open_features(config.features, config.loop.device)
    trained, held = learn_and_hold_out(sources, features)
    expert = load_syncnet(config.expert, config.loop.device, config.features).model if config.expert else None
    state = output.with_name(f"{output.name}.state")
    logs = output.with_name(f"{output.name}.logs")
    made = fit_generator(trained, held, features, config, expert, progress, state, logs)
    if leads():
        save_generator(output, made)
        state.unlink(missing_ok=True)
    return output


def fit_generator(
    trained: Sequence[Recording],
    held: Sequence[Recording],
    features: SpeechFeatures,
    config: GeneratorTraining,
    expert: SyncExpert | None = None,
    progress: Progress | None = None,
    state: Path | None = None,
    logs: Path | None = None,
) -> TrainedGenerator:
    """Train on recordings already loaded; see `train_generator`.

    Args:
        trained: what is learnt from.
        held: what is only looked at, for early stopping and amplitude; their valid frames count.
        features: what made their features.
        state: where to keep what a resumed run needs.
        logs: folder for TensorBoard.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(config.loop.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            team = gather_team(config.loop.device, config.loop.devices)
            task = _Task(trained, held, features, config, expert, team)
            steps, lowest = run(task, config.loop, team, task.fingerprint(), state, logs, progress)
            training = {
                "steps": steps,
                "validation": lowest,
                "speakers": len({r.face.person for r in trained}),
                "seconds": sum(r.seconds for r in trained),
                "seed": config.loop.seed,
            }
            face = _face(trained)
            return TrainedGenerator(task.module.cpu(), face, task.amplitude(face.spread), training, features, sha256="")
    finally:
        torch.set_num_threads(threads)


def _face(recordings: Sequence[Recording]) -> Face:
    faces = [recording.face for recording in recordings]
    return with_examples(faces[0], recordings) if len(faces) == 1 else average_face(faces)


class _Task:
    """The generator's training as the loop sees it."""

    def __init__(
        self,
        trained: Sequence[Recording],
        held: Sequence[Recording],
        features: SpeechFeatures,
        config: GeneratorTraining,
        expert: SyncExpert | None,
        team: Team,
    ) -> None:
        longest = max(len(recording.offsets) for recording in trained)
        crop = min(config.crop, longest) // STRIDE * STRIDE
        model = replace(config.model, features=features.channels)
        self.config = config = replace(config, crop=crop, model=model)
        self.trained, self.held, self.team = trained, held, team
        self.features = features.name
        self.crops = Crops(trained, crop, features, config.variety)
        torch.manual_seed(config.loop.seed)
        self.module = MotionGenerator(model)
        if not self.crops.built_in:  # the built-in features are normalised by fixed numbers
            self.module.feature_mean, self.module.feature_spread = feature_statistics(trained)
        self.module.to(team.device)
        self.expert = expert.to(team.device).eval().requires_grad_(False) if expert else None
        self.optimizers = [torch.optim.AdamW(self.module.parameters(), lr=config.loop.rate, weight_decay=config.decay)]
        self.weights = point_weights(config.mouth, config.inner_lips).to(team.device)

    def fingerprint(self) -> str:
        """See `state.fingerprint`."""
        return fingerprint([asdict(self.config), self.features], (*self.trained, *self.held), [self.expert])

    def step(self, number: int) -> dict[str, float]:
        config = self.config
        batch = self.crops.draw(config.loop.batch)
        noise = torch.randn(2, config.loop.batch, config.model.latent, config.crop // STRIDE)
        posterior, prior = self.team.rows(noise[0]), self.team.rows(noise[1])
        motion, features, valid = (self.team.rows(x) for x in (batch.motion, batch.features, batch.valid))
        condition = self.module.listen(features)
        half = len(motion) // 2  # each half of the batch learns one of the two ways to a latent
        first, second = slice(None, half), slice(half, None)
        made, divergence = self.module.reconstruct(motion[first], condition[first], posterior[first])
        likeliest = self.module.imagine(condition[second], torch.zeros_like(prior[second]))
        terms = {
            "error": self._error(made, motion[first], valid[first]),
            "divergence": config.divergence * divergence.mean(),
            "likeliest": config.likeliest * self._error(likeliest, motion[second], valid[second]),
            "course": config.course * course_loss(likeliest, motion[second], valid[second]),
        }
        if self.expert is not None and config.sync > 0:
            free = self.module.imagine(condition[first], prior[first])
            terms["sync"] = config.sync * sync_loss(self.expert, free, features[first], valid[first])
        finite(terms.items(), number)
        self.team.descend(torch.stack(list(terms.values())).sum(), self.module, self.optimizers[0])
        return {name: term.item() for name, term in terms.items()}

    def _error(self, made: Tensor, motion: Tensor, valid: Tensor) -> Tensor:
        position = position_loss(made, motion, self.weights, valid)
        return position + self.config.velocity * velocity_loss(made, motion, self.weights, valid)

    def validate(self) -> tuple[float, dict[str, float]]:
        """Error of the likeliest motion of what is held out: noise 0, as if nothing of the motion were known."""
        total = frames = 0.0
        for recording in self.held:
            made = self._generate(recording, 0.0)
            truth = (recording.offsets / recording.face.spread).flatten(1).T[None].to(self.team.device)
            valid = recording.valid[None].to(self.team.device)
            count = float(valid.sum())
            total += float(self._error(made, truth, valid)) * valid.numel()
            frames += count
        return total / max(1.0, frames), {}

    def pictures(self) -> np.ndarray | None:
        """Generated beside true motion of the first held-out recording's last four seconds."""
        from audio_motion.training.pictures import draw_motion

        recording = self.held[0]
        made = self._generate(recording, TEMPERATURE)[0].T.reshape(-1, 68, 3).cpu().numpy() * recording.face.spread
        mean = recording.face.mean
        return draw_motion(mean + made[-100:], mean + recording.offsets[-100:].numpy())

    @torch.no_grad()
    def amplitude(self, spread: float) -> float:
        """What the mouth's motion must be multiplied by so that its opening varies as much as real speakers' do: the
        inverse of the mean ratio on what is held out, within 1 and 2.5.

        Args:
            spread: of the face that the generator will carry, not the held-out speaker's own: that cannot be heard.
        """
        ratios, frames = [], []
        for recording in self.held:
            valid, mean = recording.valid.numpy(), recording.face.mean
            offsets = self._generate(recording, TEMPERATURE)[0].T.reshape(-1, 68, 3).cpu().numpy() * spread
            made, true = (mouth_opening(mean + x[valid]).std() for x in (offsets, recording.offsets.numpy()))
            ratios.append(made / max(true, 1e-6))
            frames.append(valid.sum())
        return float(np.clip(1.0 / max(1e-6, np.average(ratios, weights=frames)), 1.0, 2.5))

    @torch.no_grad()
    def _generate(self, recording: Recording, temperature: float) -> Tensor:
        """Motion of a whole recording, [1, 204, T] in spreads; the same noise every time."""
        device = next(self.module.parameters()).device
        features = recording.features.T[None].to(device)
        shape = (1, self.config.model.latent, len(recording.offsets) // STRIDE)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(self.config.loop.seed)).to(device)
        return self.module.sample(features, noise * temperature)

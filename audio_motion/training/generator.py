"""Training of the motion generator on one speaker or several."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio_motion.features.acoustic import MEL, heard_otherwise
from audio_motion.features.interface import open_features
from audio_motion.models.checkpoint import TrainedGenerator, save_generator
from audio_motion.models.generator import FEATURES_PER_MOTION, STRIDE, TEMPERATURE, GeneratorConfig, MotionGenerator
from audio_motion.topology import MOUTH, mouth_opening
from audio_motion.training.losses import point_weights, position_loss, velocity_loss
from audio_motion.training.speakers import Speaker, load_speaker
from audio_motion.training.state import load_state, save_state

Progress = Callable[[int, int, dict[str, float]], None]
"""Called after each step with (steps done, steps planned, latest figures)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GeneratorTraining:
    """How a generator is trained. The defaults suit one to three minutes of one person on two CPU cores."""

    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    """Size of the network."""
    steps: int = 600
    """Most steps taken."""
    batch: int = 16
    """Crops a step."""
    crop: int = 64
    """Motion frames (at 25 Hz) of a crop, a multiple of 4."""
    rate: float = 2e-3
    """Adam's learning rate after the warm-up; it falls to a tenth by a cosine."""
    warm_up: int = 100
    """Steps over which the learning rate rises."""
    velocity: float = 1.0
    """Weight of the error of the change from frame to frame."""
    divergence: float = 0.5
    """Weight of the Kullback-Leibler divergence of posterior and prior."""
    mouth: float = 4.0
    """Weight of the mouth's points against the others."""
    inner_lips: float = 8.0
    """Weight of the inner lips' points."""
    decay: float = 1e-2
    """AdamW's weight decay."""
    validate_every: int = 100
    """Steps between two looks at the held-out tail (the last tenth of each speaker)."""
    patience: int = 3
    """Looks without a better figure before training ends."""
    features: str = "mel"
    """Speech features, as `features.interface.open_features` takes them."""
    seed: int = 0
    """Of everything random."""
    device: str = "cpu"
    """Where to train: cpu, cuda or mps."""
    threads: int = 1
    """CPU threads. The small network is too small to share: a second thread costs more than it brings."""

    @staticmethod
    def paper() -> GeneratorTraining:
        """GeneFace's own network and schedule, for hours of speech on a GPU."""
        return GeneratorTraining(
            model=GeneratorConfig.paper(),
            steps=40_000,
            batch=512,
            rate=5e-4,
            warm_up=1000,
            velocity=3.0,
            divergence=0.4,
            decay=0.0,
            validate_every=2000,
            threads=torch.get_num_threads(),
        )


def train_generator(
    captures: list[Path],
    output: Path,
    config: GeneratorTraining | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train on captures and write one checkpoint; the first capture's person is the one whose face it carries.

    A run that was interrupted goes on from `<output>.state`, bit for bit, when called again with the same captures
    and config.

    Args:
        captures: what `load_speaker` reads.
        output: .safetensors file.

    Returns:
        `output`.

    Raises:
        InputError: a capture or the speech features cannot be used, or `output` cannot be written.
        FloatingPointError: a loss is no longer finite; names the step and the term.
    """
    config = config or GeneratorTraining()
    heard = open_features(config.features, config.device)
    speakers = [load_speaker(Path(path), heard) for path in captures]
    output = Path(output)
    state = output.with_name(f"{output.name}.state")
    trained = fit_generator(speakers, config, progress, state)
    save_generator(output, trained)
    state.unlink(missing_ok=True)
    return output


def fit_generator(
    speakers: list[Speaker], config: GeneratorTraining, progress: Progress | None = None, state: Path | None = None
) -> TrainedGenerator:
    """Train on speakers already loaded; see `train_generator`. `state`: where to keep what a resumed run needs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            return _Run(speakers, config, state).train(progress)
    finally:
        torch.set_num_threads(threads)


class _Run:
    def __init__(self, speakers: list[Speaker], config: GeneratorTraining, state: Path | None) -> None:
        from lightning.fabric import Fabric

        shortest = min(_split(speaker) for speaker in speakers)
        self.heard = speakers[0].heard
        self.config = config = replace(
            config,
            crop=min(config.crop, shortest) // STRIDE * STRIDE,
            model=replace(config.model, features=self.heard.channels),
            features=self.heard.name,  # for the fingerprint: it changes with the weights
        )
        self.speakers = speakers
        self.state_path = state
        self.fingerprint = _fingerprint(speakers, config)
        self.fabric = Fabric(accelerator=config.device, devices=1)
        self.fabric.launch()
        torch.manual_seed(config.seed)
        self.model = MotionGenerator(config.model)
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=config.rate, weight_decay=config.decay)
        self.wrapped, self.optimizer = self.fabric.setup(self.model, optimizer)
        self.weights = point_weights(config.mouth, config.inner_lips).to(self.fabric.device)
        moving = torch.cat([s.offsets[: _split(s)][s.valid[: _split(s)]][:, MOUTH].flatten() for s in speakers])
        self.scale = float(moving.square().mean().sqrt().clamp(min=1e-4))
        self.starts = np.cumsum([0] + [_split(s) - config.crop + 1 for s in speakers])

    def train(self, progress: Progress | None) -> TrainedGenerator:
        config = self.config
        done, misses, lowest = 0, 0, float("inf")
        best = {name: value.clone() for name, value in self.model.state_dict().items()}
        if self.state_path and (found := load_state(self.state_path, self.fingerprint, self.model, self.optimizer)):
            best, info = found
            done, misses, lowest = info["step"], info["misses"], info["lowest"] or float("inf")
            _log.info("going on from step %d", done)
        figures: dict[str, float] = {}
        for step in range(done, config.steps):
            if misses >= config.patience:
                break
            figures |= self._step(step)
            if (step + 1) % config.validate_every == 0 or step + 1 == config.steps:
                figures["validation"] = value = self._validate()
                misses = 0 if value < lowest else misses + 1
                if value < lowest:
                    lowest = value
                    best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
                if self.state_path:
                    info = {"fingerprint": self.fingerprint, "step": step + 1, "misses": misses, "lowest": lowest}
                    save_state(self.state_path, self.model, self.optimizer, best, info)
            done = step + 1
            if progress:
                progress(done, config.steps, figures)
        self.model.load_state_dict(best)
        self.model.eval()
        seconds = sum(len(s.offsets) for s in self.speakers) / 25
        training = {
            "steps": done,
            "validation": lowest,
            "speakers": [s.face.person for s in self.speakers],
            "seconds": seconds,
            "seed": config.seed,
        }
        return TrainedGenerator(
            self.model.cpu(), self.speakers[0].face, self.scale, self._amplitude(), training, self.heard, sha256=""
        )

    def _step(self, step: int) -> dict[str, float]:
        """One optimizer step. All randomness comes from (seed, step), so that a resumed run needs no other state."""
        config = self.config
        torch.manual_seed(config.seed * 1_000_003 + step + 1)
        for group in self.optimizer.param_groups:
            group["lr"] = config.rate * _schedule(step, config)
        motion, features, valid = (part.to(self.fabric.device) for part in self._batch())
        noise = torch.randn(config.batch, config.model.latent, config.crop // STRIDE).to(self.fabric.device)
        self.model.train()
        predicted, divergence = self.wrapped(motion, features, noise)
        terms = {
            "position": position_loss(predicted, motion, self.weights, valid),
            "velocity": config.velocity * velocity_loss(predicted, motion, self.weights, valid),
            "divergence": config.divergence * divergence.mean(),
        }
        for name, term in terms.items():
            if not torch.isfinite(term):
                raise FloatingPointError(f"step {step}: the {name} loss is {term.item()}; lower the learning rate")
        self.optimizer.zero_grad()
        self.fabric.backward(sum(terms.values()))
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return {name: term.item() for name, term in terms.items()}

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Random crops of the training parts: motion [B, 204, T], features [B, C, 2T], valid [B, T]."""
        config = self.config
        picks = torch.randint(int(self.starts[-1]), (config.batch,)).numpy()
        which = np.searchsorted(self.starts, picks, side="right") - 1
        motion, features, valid = [], [], []
        for speaker, start in zip(which, picks - self.starts[which], strict=True):
            source, end = self.speakers[speaker], start + config.crop
            motion.append(source.offsets[start:end].flatten(1).T / self.scale)
            features.append(source.features[start * FEATURES_PER_MOTION : end * FEATURES_PER_MOTION])
            valid.append(source.valid[start:end])
        heard = torch.stack(features)
        if self.heard is not MEL:
            return torch.stack(motion), heard.transpose(1, 2), torch.stack(valid)
        gain, tilt = torch.rand(2, config.batch) * torch.tensor([[16.0], [8.0]]) - torch.tensor([[8.0], [4.0]])
        quiet = -90.0 + 30.0 * torch.rand(config.batch)
        heard = heard_otherwise(heard, gain, tilt, quiet)
        return torch.stack(motion), heard.transpose(1, 2), torch.stack(valid)

    @torch.no_grad()
    def _validate(self) -> float:
        """Position and velocity error on the held-out tails of the likeliest motion: noise 0, as if nothing of the
        motion were known."""
        self.model.eval()
        total = 0.0
        for speaker in self.speakers:
            truth, predicted, valid = self._tail(speaker, temperature=0.0)
            made, true = (x.flatten(1).T[None].to(self.fabric.device) / self.scale for x in (predicted, truth))
            seen = valid[None].to(self.fabric.device)
            total += float(position_loss(made, true, self.weights, seen))
            total += float(velocity_loss(made, true, self.weights, seen))
        return total / len(self.speakers)

    @torch.no_grad()
    def _amplitude(self) -> float:
        """The person's mouth opening spread over the generator's, on the held-out tails, within 1 and 2."""
        spreads = []
        for speaker in self.speakers:
            truth, predicted, valid = self._tail(speaker, temperature=TEMPERATURE)
            mean = torch.from_numpy(speaker.face.mean)
            spreads.append([mouth_opening((x + mean).cpu().numpy()[valid.numpy()]).std() for x in (truth, predicted)])
        true, made = np.mean(spreads, axis=0)
        return float(np.clip(true / max(made, 1e-6), 1.0, 2.0))

    def _tail(self, speaker: Speaker, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
        """Truth and generated offsets [T, 68, 3] and valid [T] of a speaker's held-out tail, which is generated with
        the speech before it for context."""
        device = next(self.model.parameters()).device
        split = _split(speaker)
        start = max(0, split - self.model.context)
        features = speaker.features[start * FEATURES_PER_MOTION :].T[None].to(device)
        shape = (1, self.config.model.latent, features.shape[-1] // FEATURES_PER_MOTION // STRIDE)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(self.config.seed)).to(device)
        made = self.model.sample(features, noise * temperature)[0].T.reshape(-1, 68, 3) * self.scale
        return speaker.offsets[split:], made[split - start :].cpu(), speaker.valid[split:]


def _split(speaker: Speaker) -> int:
    """Motion frames before the held-out tail: the last tenth, at least a second."""
    frames = len(speaker.offsets)
    return (frames - max(25, frames // 10)) // STRIDE * STRIDE


def _schedule(step: int, config: GeneratorTraining) -> float:
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    done = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return float(0.1 + 0.45 * (1.0 + np.cos(np.pi * done)))


def _fingerprint(speakers: list[Speaker], config: GeneratorTraining) -> str:
    """Changes with the config and with the data."""
    digest = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode())
    for speaker in speakers:
        for tensor in (speaker.features, speaker.offsets, speaker.valid):
            digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()

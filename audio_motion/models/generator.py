"""The variational motion generator: speech features -> landmark motion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from audio_motion.models.flow import FlowPrior
from audio_motion.models.wavenet import WaveNet

MOTION_RATE = 25
"""Motion frames per second inside the generator; frame k stands for k / 25 s."""
FEATURES_PER_MOTION = 2
"""50 Hz features per motion frame."""
STRIDE = 4
"""Motion frames per latent."""
POINTS = 68
TEMPERATURE = 1.0
"""Default standard deviation of the noise that motion is sampled from: 0 is the likeliest motion; at 1 seeds differ by
a quarter of what the mouth moves (`TrainedGenerator.variety`). What it costs of the agreement with the speech stands
in docs/benchmarks.md."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Size of the generator. The defaults are for a minute or a few of one person on two CPU cores."""

    features: int = 83
    """Channels of the speech features."""
    hidden: int = 64
    """Width of encoder and decoder."""
    condition: int = 40
    """Width of the encoded speech."""
    latent: int = 16
    """Width of a latent."""
    kernel: int = 5
    """Kernel of encoder and decoder, frames."""
    encoder_layers: int = 2
    """WaveNet layers of the posterior encoder (at 6.25 Hz)."""
    decoder_layers: int = 3
    """WaveNet layers of the decoder (at 25 Hz)."""
    flow_hidden: int = 32
    """Width inside the prior's couplings."""
    flow_layers: int = 2
    """WaveNet layers of a coupling."""
    flow_steps: int = 2
    """Couplings of the prior; 0: the prior is a standard normal distribution."""
    pitch: bool = True
    """Whether pitch and voicing are heard."""
    dropout: float = 0.4
    """Share of the values that dropout sets to 0 in training."""

    @staticmethod
    def paper() -> GeneratorConfig:
        """The size of GeneFace's generator (about 11 M parameters), for hours of speech on a GPU."""
        return GeneratorConfig(
            hidden=256,
            condition=64,
            encoder_layers=8,
            decoder_layers=4,
            flow_hidden=64,
            flow_layers=4,
            flow_steps=4,
            dropout=0.0,
        )


class MotionGenerator(nn.Module):
    """A VAE over motion, conditioned on speech, with a normalising-flow prior (GeneFace, Ye et al., ICLR 2023).

    Motion is [B, 68 * 3, T] at 25 Hz with T a multiple of 4, in units of the speaker's scale
    (`FaceStatistics.scale`); features are [B, C, 2T] at 50 Hz, whose last three channels are pitch, voicing and energy.
    All parts look at a bounded number of frames (`context`), so that chunks can be joined.
    """

    feature_mean: Tensor
    feature_spread: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        hidden, condition, kernel = config.hidden, config.condition, config.kernel
        out = 3 * POINTS
        self.register_buffer("feature_mean", torch.zeros(config.features, 1))
        self.register_buffer("feature_spread", torch.ones(config.features, 1))
        # Kernel 4, stride 2, padding 2 centres motion frame k on features 2k - 1 and 2k, whose middle is k / 25 s.
        self.hear = nn.Sequential(
            nn.Conv1d(config.features, 2 * condition, 1),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(2 * condition, condition, 4, stride=FEATURES_PER_MOTION, padding=2),
            nn.GELU(),
            nn.Conv1d(condition, condition, 3, padding=1),
        )
        self.slow = nn.Conv1d(condition, condition, 2 * STRIDE, stride=STRIDE, padding=STRIDE // 2)
        self.enter = nn.Conv1d(out, hidden, 2 * STRIDE, stride=STRIDE, padding=STRIDE // 2)
        self.encoder = WaveNet(hidden, kernel, config.encoder_layers, condition, config.dropout)
        self.posterior = nn.Conv1d(hidden, 2 * config.latent, 1)
        self.prior = FlowPrior(config.latent, config.flow_hidden, 3, config.flow_layers, config.flow_steps, condition)
        self.rise = nn.ConvTranspose1d(config.latent, hidden, STRIDE, stride=STRIDE)
        self.decoder = WaveNet(hidden, kernel, config.decoder_layers, condition, config.dropout)
        self.leave = nn.Conv1d(hidden, out, 1)

    @property
    def context(self) -> int:
        """Motion frames to either side that a sampled frame depends on, a multiple of 4."""
        hearing = 2 + 1  # the strided convolution and the one after it
        latent = STRIDE * (self.prior.reach + 2) + STRIDE // 2  # + the latent's own span and the slow condition's
        return STRIDE * math.ceil((self.decoder.reach + latent + hearing) / STRIDE)

    def listen(self, features: Tensor) -> Tensor:
        """Features [B, C, 2T] -> condition [B, condition, T]."""
        heard = (features - self.feature_mean) / self.feature_spread
        if not self.config.pitch:
            heard = torch.cat([heard[:, :-3], torch.zeros_like(heard[:, -3:-1]), heard[:, -1:]], dim=1)
        return self.hear(heard)[..., : features.shape[-1] // FEATURES_PER_MOTION]

    def encode(self, motion: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior of the latents: motion [B, 204, T], condition [B, ., T] -> mean, log sigma, [B, latent, T / 4]."""
        hidden = self.encoder(self.enter(motion), self.slow(condition))
        mean, log_sigma = self.posterior(hidden).chunk(2, dim=1)
        return mean, log_sigma.clamp(-8.0, 4.0)

    def decode(self, latent: Tensor, condition: Tensor) -> Tensor:
        """Latents [B, latent, T / 4], condition [B, ., T] -> motion [B, 204, T]."""
        return self.leave(self.decoder(self.rise(latent), condition))

    def reconstruct(self, motion: Tensor, condition: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Motion through the posterior and back.

        Args:
            motion: [B, 204, T].
            condition: of `listen`, [B, condition, T].
            noise: standard normal [B, latent, T / 4].

        Returns:
            reconstruction [B, 204, T], and the Kullback-Leibler divergence's one-sample estimate [B, latent, T / 4].
        """
        mean, log_sigma = self.encode(motion, condition)
        latent = mean + noise * log_sigma.exp()
        explained = self.prior(latent, self.slow(condition))
        return self.decode(latent, condition), kl_sample(log_sigma, noise, explained)

    def imagine(self, condition: Tensor, noise: Tensor) -> Tensor:
        """Motion for a condition [B, condition, T] and noise [B, latent, T / 4] (times temperature) -> [B, 204, T]."""
        return self.decode(self.prior.inverse(noise, self.slow(condition)), condition)

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """Motion for speech: features [B, C, 2T], noise [B, latent, T / 4] (times temperature) -> [B, 204, T]."""
        return self.imagine(self.listen(features), noise)

    def sample_whole(self, features: Tensor, noise: Tensor, silence: Tensor) -> Tensor:
        """As `sample`, of a sound from its beginning to its end: silence is heard before and after it. Without, the
        convolutions hear zeros there, which are speech of middle loudness.

        Args:
            silence: features of silence, [C].
        """
        context = self.context
        around = silence[None, :, None].expand(len(features), -1, context * FEATURES_PER_MOTION)
        heard = torch.cat([around, features, around], dim=2)
        return self.sample(heard, pad(noise, (context // STRIDE, context // STRIDE)))[..., context:-context]


def kl_sample(log_sigma: Tensor, noise: Tensor, explained: Tensor) -> Tensor:
    """log q(z | x, a) - log p(z | a) at one sample z, all of one shape.

    Args:
        log_sigma: of the posterior.
        noise: the standard normal number that z was drawn with: z = mean + noise * sigma.
        explained: z moved through the (volume preserving) prior flow into standard normal space.
    """
    return -log_sigma - 0.5 * noise.square() + 0.5 * explained.square()

"""What says when a post-net's training ends, and which of its states is kept. Nobody has to look at checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio_motion.models.syncnet import SyncExpert
from audio_motion.topology import JAW, MOUTH
from audio_motion.training.distance import coordinates, deviations, frechet_distance, motion_space
from audio_motion.training.generated import GeneratedMotion

Refine = Callable[[Tensor], Tensor]
"""[B, 204, T] -> the same shape."""
_PIECE = 25
"""Motion frames (1 s) of a piece whose deviations are measured."""
_OTHERS = 20
"""Recordings of other speech that are looked at."""


@dataclass(frozen=True)
class Figures:
    """A motion against the person's."""

    distance: float
    """Frechet distance (`distance.frechet_distance`) to the person's held-out motion, that moved to the mean of all the
    person's motion: 0 the same, 1 a still face."""
    sync: float
    """The sync expert's mean cosine on the person's held-out speech; 0 without an expert."""
    over_time: float
    """Standard deviation over time within pieces of a second, as a share of the person's."""
    between: float
    """Standard deviation between pieces of different speech, as a share of the person's."""


class MotionValidator:
    """Measures motion for held-out speech of the person, and for other speech, against how the person moves.

    Args:
        person: what may be learnt from; principal components and deviations are taken from it.
        held: what the distance is taken to; valid frames count.
        others: other speech.
        expert: judges sync, where there is one.
    """

    def __init__(
        self,
        person: Sequence[GeneratedMotion],
        held: Sequence[GeneratedMotion],
        others: Sequence[GeneratedMotion],
        expert: SyncExpert | None,
        device: torch.device,
    ) -> None:
        self.held, self.others, self.expert, self.device = held, others[:_OTHERS], expert, device
        whole = [(_points(t.truth), t.recording.valid.numpy()) for t in person]
        motion, valid = (np.concatenate(column) for column in zip(*whole, strict=True))
        self.space = motion_space(motion, valid)
        places = [coordinates(self.space, _points(t.truth), t.recording.valid.numpy()) for t in held]
        self.true = np.concatenate(places)
        # A posture lasts longer than the seconds held out: where their mean lies says nothing about the person.
        self.true += coordinates(self.space, motion, valid).mean(axis=0) - self.true.mean(axis=0)
        self.deviations = deviations(np.concatenate([_pieces(points[known]) for points, known in whole]))
        self.true_sync = self._sync([t.truth[None] for t in held])

    @torch.no_grad()
    def measure(self, refine: Refine) -> Figures:
        """Figures of the generator's motion after `refine`."""
        motions = [self._refined(generated.samples, refine) for generated in self.held]
        places, pieces = [], []
        for generated, motion in zip(self.held, motions, strict=True):
            for points in _points(motion):
                places.append(coordinates(self.space, points, generated.recording.valid.numpy()))
                pieces.append(_pieces(points))
        for generated in self.others:
            pieces.append(_pieces(_points(self._refined(generated.samples[:1], refine)[0])))
        shares = (_share(a, b) for a, b in zip(deviations(np.concatenate(pieces)), self.deviations, strict=True))
        return Figures(frechet_distance(np.concatenate(places), self.true), self._sync(motions), *shares)

    def _refined(self, made: Tensor, refine: Refine) -> Tensor:
        """[B, T, 204] -> the same shape."""
        return refine(made.transpose(1, 2).to(self.device)).transpose(1, 2).cpu()

    @torch.no_grad()
    def _sync(self, motions: Sequence[Tensor]) -> float:
        """Mean cosine of motion [B, T, 204] for each held-out recording, where that is valid."""
        if self.expert is None:
            return 0.0
        cosines = []
        for generated, motion in zip(self.held, motions, strict=True):
            recording = generated.recording
            silence = recording.silence.to(self.device)
            heard = self.expert.hear_whole(recording.speech.to(self.device), silence)
            seen = self.expert.see(motion.transpose(1, 2).to(self.device))
            cosines.append((seen * heard).sum(dim=1)[:, recording.valid].flatten())
        return float(torch.cat(cosines).mean())


def _points(motion: Tensor) -> np.ndarray:
    return motion.unflatten(-1, (-1, 3)).numpy()


def _pieces(motion: np.ndarray) -> np.ndarray:
    """Mouth and jaw of motion [T, 68, 3] in pieces of a second, [N, 25, 37, 3]."""
    count = len(motion) // _PIECE
    seen = np.concatenate([motion[:, JAW], motion[:, MOUTH]], axis=1)
    return seen[: count * _PIECE].reshape(count, _PIECE, *seen.shape[1:])


def _share(made: float, true: float) -> float:
    """1 where the person shows nothing to compare with: a recording of one piece does not differ between pieces."""
    return made / true if true > 1e-6 else 1.0

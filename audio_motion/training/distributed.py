"""Data-parallel training (DDP): one process on a laptop, one for each GPU of one or several machines, launched by
Lightning Fabric."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from audio_motion.errors import InputError, NotFinite

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True)
class Distributed:
    """This process's place among those that train together.

    Every process draws its own rows of a batch, each from (seed, step, row), and gradients are averaged. So the number
    of processes changes the speed of a training and, but for rounding and dropout, nothing else.
    """

    fabric: Fabric

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.fabric.device

    @property
    def world_size(self) -> int:
        """Processes."""
        return self.fabric.world_size

    @property
    def is_main(self) -> bool:
        """True for rank 0, which writes files and shows progress."""
        return self.fabric.is_global_zero

    def row_generators(self, seed: int, step: int, batch_size: int) -> list[np.random.Generator]:
        """Where this process's rows of a step's batch take their random numbers from, whoever draws them."""
        rows = range(self.fabric.global_rank, batch_size, self.world_size)
        return [np.random.default_rng([seed, step, row]) for row in rows]

    def rows(self, batch: Tensor) -> Tensor:
        """This process's rows of what all processes have drawn alike, on its device.

        Args:
            batch: [B, ...] with B a multiple of `world_size`.

        Returns:
            [B / world_size, ...]
        """
        assert len(batch) % self.world_size == 0, "the batch must be a multiple of the number of processes"
        return batch[self.fabric.global_rank :: self.world_size].to(self.device)

    def optimizer_step(
        self, loss: Tensor, module: nn.Module, optimizer: torch.optim.Optimizer, clip: float = 1.0
    ) -> None:
        """One step down the mean over the processes of `loss`'s gradient, whose norm is clipped."""
        optimizer.zero_grad()
        loss.backward()
        parameters = [p for p in module.parameters() if p.grad is not None]
        if self.world_size > 1:
            flat = self._mean(torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]))
            for parameter, gradient in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
                parameter.grad = gradient.view_as(parameter)
        torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Figures averaged over the processes."""
        if self.world_size == 1:
            return values
        means = self._mean(torch.tensor(list(values.values()), device=self.device))
        return dict(zip(values, means.tolist(), strict=True))

    def _mean(self, values: Tensor) -> Tensor:
        reduced = self.fabric.all_reduce(values, reduce_op="mean")
        assert isinstance(reduced, Tensor)
        return reduced


def launch(device: str, devices: int) -> Distributed:
    """Start this process's part; with more than one device, or under torchrun, the other processes are met here.

    Args:
        device: cpu, cuda or mps.
        devices: how many of them on this machine (torchrun: --nproc-per-node).

    Raises:
        InputError: this machine has no such devices.
    """
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.environments import TorchElasticEnvironment
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    together = TorchElasticEnvironment.detect()
    several = devices > 1 or together
    # Only torchrun's own variables tell: Fabric sets WORLD_SIZE too, in the processes that it starts.
    machines = int(os.environ["WORLD_SIZE"]) // int(os.environ["LOCAL_WORLD_SIZE"]) if together else 1
    strategy = "ddp" if several else "auto"
    try:
        fabric = Fabric(accelerator=device, devices=devices, strategy=strategy, num_nodes=machines)
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot train on {devices} of {device} ({reason}); give --device cpu, or fewer") from error
    fabric.launch()
    return Distributed(fabric)


def is_main_process() -> bool:
    """True for rank 0; before and after `launch`."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


def require_finite(losses: Iterable[tuple[str, Tensor]], step: int) -> None:
    """Stop before a loss that is no number spoils the weights.

    Raises:
        NotFinite: naming step and loss.
    """
    for name, loss in losses:
        if not torch.isfinite(loss):
            advice = "look at what is learnt from, or lower the learning rate"
            raise NotFinite(f"step {step}: the {name} loss is {loss.item()}; {advice}")

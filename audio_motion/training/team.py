"""The processes that train together: one on a laptop, several on several GPUs or machines, through Lightning Fabric."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True)
class Team:
    """This process's place among them.

    Every process draws the same batch from the same seed and keeps its own rows; gradients are averaged. So the number
    of processes changes the speed of a training and, but for rounding and dropout, nothing else.
    """

    fabric: Fabric

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.fabric.device

    @property
    def size(self) -> int:
        """Processes."""
        return self.fabric.world_size

    @property
    def leads(self) -> bool:
        """True for the one process that writes files and shows progress."""
        return self.fabric.is_global_zero

    def rows(self, batch: Tensor) -> Tensor:
        """This process's part of a batch that all processes have drawn alike, on its device.

        Args:
            batch: [B, ...] with B a multiple of `size`.

        Returns:
            [B / size, ...]
        """
        assert len(batch) % self.size == 0, "the batch must be a multiple of the number of processes"
        return batch[self.fabric.global_rank :: self.size].to(self.device)

    def descend(self, loss: Tensor, module: nn.Module, optimizer: torch.optim.Optimizer, longest: float = 1.0) -> None:
        """One optimizer step down the mean over the processes of `loss`'s gradient, whose norm is cut to `longest`."""
        optimizer.zero_grad()
        loss.backward()
        parameters = [p for p in module.parameters() if p.grad is not None]
        if self.size > 1:
            flat = self._mean(torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]))
            for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
                parameter.grad = part.view_as(parameter)
        torch.nn.utils.clip_grad_norm_(parameters, longest)
        optimizer.step()

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Figures averaged over the processes."""
        if self.size == 1:
            return values
        means = self._mean(torch.tensor(list(values.values()), device=self.device))
        return dict(zip(values, means.tolist(), strict=True))

    def _mean(self, values: Tensor) -> Tensor:
        reduced = self.fabric.all_reduce(values, reduce_op="mean")
        assert isinstance(reduced, Tensor)
        return reduced


def gather_team(device: str, devices: int) -> Team:
    """Start this process's part of the team; with more than one device, or under torchrun, the others are met here.

    Args:
        device: cpu, cuda or mps.
        devices: how many of them on this machine (torchrun: --nproc-per-node).
    """
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.environments import TorchElasticEnvironment

    together = TorchElasticEnvironment.detect()
    several = devices > 1 or together
    # Only torchrun's own variables tell: Fabric sets WORLD_SIZE too, in the processes that it starts.
    machines = int(os.environ["WORLD_SIZE"]) // int(os.environ["LOCAL_WORLD_SIZE"]) if together else 1
    fabric = Fabric(accelerator=device, devices=devices, strategy="ddp" if several else "auto", num_nodes=machines)
    fabric.launch()
    return Team(fabric)


def leads() -> bool:
    """True in the one process that writes files; before and after a team exists."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


def finite(losses: Iterable[tuple[str, Tensor]], step: int) -> None:
    """Stop before a loss that is no number spoils the weights.

    Raises:
        FloatingPointError: naming step and loss.
    """
    for name, loss in losses:
        if not torch.isfinite(loss):
            raise FloatingPointError(f"step {step}: the {name} loss is {loss.item()}; lower the learning rate")

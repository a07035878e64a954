"""A training run that goes on where it stopped: everything it needs in one safetensors file, no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from audio_motion.files import written_whole
from audio_motion.training.recordings import Recording


def fingerprint(described: object, recordings: Sequence[Recording], networks: Sequence[nn.Module | None] = ()) -> str:
    """Changes with what a run is made of, so that a state of another run is not taken for its own.

    Args:
        described: config and names, of what JSON can say (the rest as text).
        recordings: what is learnt from and looked at.
        networks: frozen ones that take part.
    """
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    for recording in recordings:
        for tensor in (recording.features, recording.offsets, recording.valid):
            digest.update(tensor.numpy().tobytes())
    for network in networks:
        for tensor in network.state_dict().values() if network else ():
            digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def save_state(
    path: Path,
    module: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    best: dict[str, Tensor],
    mean: dict[str, Tensor],
    info: dict,
) -> None:
    """Write weights, the best weights, the running mean of the weights and the optimizers' moments; `info` (JSON: step
    and so on) beside them."""
    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    tensors |= {f"mean.{name}": value for name, value in mean.items()}
    for number, optimizer in enumerate(optimizers):
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{index}.{name}": value for name, value in moments.items()}
    with written_whole(path) as temporary:
        save_file(
            {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()},
            temporary,
            {"info": json.dumps(info)},
        )


def load_state(
    path: Path, fingerprint: str, module: nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict] | None:
    """Restore what `save_state` wrote into `module` and `optimizers`.

    Returns:
        the best weights, the running mean and `info`; None where there is no such file, or it belongs to another run
        (another `info["fingerprint"]`) or is damaged: then nothing has been changed.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            info = json.loads(file.metadata()["info"])
            if info["fingerprint"] != fingerprint:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return None

    def part(prefix: str) -> dict[str, Tensor]:
        return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}

    module.load_state_dict(part("model."))
    for number, optimizer in enumerate(optimizers):
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part(f"optimizer.{number}.").items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return part("best."), part("mean."), info

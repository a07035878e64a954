"""A training run that goes on where it stopped: everything it needs in one safetensors file, no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from audio_motion.data.recording import Recording
from audio_motion.files import written_whole
from audio_motion.models.store import without_prefix
from audio_motion.tensors import digest


def fingerprint(described: object, recordings: Sequence[Recording], networks: Sequence[nn.Module | None] = ()) -> str:
    """Changes with what a run is made of, so that a state of another run is not taken for its own.

    Args:
        described: config and names, of what JSON can say (the rest as text).
        recordings: what is learnt from and looked at.
        networks: frozen ones that take part.
    """
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    for recording in recordings:
        digest.update(f"{recording.identity} {len(recording.offsets)} {recording.face.scale}".encode())
        digest.update(recording.valid.numpy().tobytes())
    for network in networks:
        for tensor in network.state_dict().values() if network else ():
            digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def save_state(
    path: Path,
    module: nn.Module,
    ema: AveragedModel,
    optimizers: Sequence[torch.optim.Optimizer],
    best: dict[str, Tensor],
    info: dict,
) -> None:
    """Write weights, their EMA, the best weights and the optimizers' moments; `info` (JSON: step and so on) beside
    them."""
    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in ema.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for number, optimizer in enumerate(optimizers):
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{index}.{name}": value for name, value in moments.items()}
    kept = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    info = {**info, "sha256": digest(kept)}
    # Not save_file: its errors on a full disk cannot be told from others.
    contents = save(kept, {"info": json.dumps(info)})
    with written_whole(path) as temporary:
        temporary.write_bytes(contents)


def load_state(path: Path, fingerprint: str) -> tuple[dict[str, Tensor], dict] | None:
    """What `save_state` wrote: tensors and `info`; None where there is no such file, or it belongs to another run
    (another `info["fingerprint"]`) or is damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            info = json.loads(file.metadata()["info"])
            if info["fingerprint"] != fingerprint:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return (tensors, info) if info["sha256"] == digest(tensors) else None
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def restore(
    found: tuple[dict[str, Tensor], dict],
    module: nn.Module,
    ema: AveragedModel,
    optimizers: Sequence[torch.optim.Optimizer],
) -> tuple[dict[str, Tensor], dict]:
    """Put what `load_state` found into `module`, `ema` and `optimizers`; the best weights and `info`."""
    tensors, info = found
    module.load_state_dict(without_prefix(tensors, "model."))
    ema.load_state_dict(without_prefix(tensors, "ema."))
    for number, optimizer in enumerate(optimizers):
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in without_prefix(tensors, f"optimizer.{number}.").items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return without_prefix(tensors, "best."), info

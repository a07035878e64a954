"""Where to compute, as a user names it."""

from __future__ import annotations

import torch

from audio_motion.errors import InputError


def need_device(name: str) -> torch.device:
    """The device of that name: cpu, cuda, cuda:1, mps.

    Raises:
        InputError: no such name, or this machine has none.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"--device {name}: no such device; give cpu, cuda or mps") from error
    count = {
        "cpu": lambda: 1,
        "cuda": torch.cuda.device_count,
        "mps": lambda: int(torch.backends.mps.is_available()),
    }.get(device.type)
    if count is None:
        raise InputError(f"--device {name}: no such device; give cpu, cuda or mps")
    if (device.index or 0) >= count():
        what = {"cuda": "CUDA device", "mps": "Apple GPU"}.get(device.type, device.type)
        which = f" of number {device.index}" if count() else ""
        raise InputError(f"--device {name}: torch sees no {what}{which} here; use --device cpu")
    return device


def need_devices(name: str, number: int) -> None:
    """Raises InputError unless this machine has so many devices of that name."""
    device = need_device(name)
    if number < 1:
        raise InputError(f"--devices {number}: at least one is needed")
    if device.type == "cuda" and number > torch.cuda.device_count():
        raise InputError(f"--devices {number}: torch sees {torch.cuda.device_count()} CUDA devices here; give so many")
    if device.type == "mps" and number > 1:
        raise InputError(f"--devices {number}: there is one Apple GPU; leave it out")

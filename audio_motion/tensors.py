"""Tensors in safetensors files, with what they are as JSON in the header. Both have a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from audio_motion.json_file import parse

DAMAGED = (SafetensorError, OSError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RuntimeError)
"""What reading such a file, and building what it holds, raise where it is damaged, or none of ours."""


class Packed(NamedTuple):
    """What a file holds."""

    info: Any
    """JSON: what the tensors are; nothing is known of it yet."""
    tensors: dict[str, torch.Tensor]
    header: dict[str, str]
    """As it stands there."""

    def is_whole(self) -> bool:
        """Whether tensors, their description and `info` are what was written. Raises what `DAMAGED` names."""
        # Files of older releases say nothing of their header's checksum.
        known = self.header.keys() <= {"info", "sha256"}
        described = self.header.get("sha256") in (None, digest_of_header(self.header["info"], self.tensors))
        return known and described and digest(self.tensors) == self.info["sha256"]


def pack(info: dict, tensors: Mapping[str, torch.Tensor]) -> bytes:
    """A file's contents.

    Args:
        info: what the tensors are, JSON; their checksum is added to it.
    """
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    said = json.dumps(info | {"sha256": digest(kept)})
    # Not save_file: its errors say nothing about the disk in a form that can be told from others.
    return save(kept, {"info": said, "sha256": digest_of_header(said, kept)})


def unpack(contents: bytes) -> Packed:
    """What a file's contents hold; in no more memory than they are large. Raises what `DAMAGED` names."""
    tensors = load(contents)
    length = int.from_bytes(contents[:8], "little")
    header = json.loads(contents[8 : 8 + length]).get("__metadata__") or {}
    return Packed(parse(header.get("info", "{}")), tensors, header)


def check_finite(tensors: Mapping[str, torch.Tensor]) -> None:
    """Raises ValueError where one holds no numbers."""
    for name, value in tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(f"{name} is not finite")


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of tensors on the CPU and their names."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].numpy().tobytes())
    return found.hexdigest()


def digest_of_header(info: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of what is said of the tensors, by us and by the format."""
    described = [[name, str(value.dtype), list(value.shape)] for name, value in sorted(tensors.items())]
    return hashlib.sha256(json.dumps([info, described]).encode()).hexdigest()

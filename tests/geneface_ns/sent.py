"""Person files as somebody who means harm would make them, and what is seen of a head that came out of one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audio_motion.tensors import pack, unpack
from geneface_ns.capture_format.capture import Capture
from geneface_ns.motion.sequence import motion_of_sequence
from geneface_ns.motion.trajectory import own_trajectory
from geneface_ns.output.drive import drive
from geneface_ns.renderers.choose import RendererName, choose_renderer
from geneface_ns.trained.load import Trained


def pictures(head: Trained, renderer_name: RendererName = "auto") -> np.ndarray:
    """Every other of the person's own frames, as `geneface render` makes them."""
    renderer, person = choose_renderer(head.portrait, renderer_name), head.person
    motion = motion_of_sequence(person.landmarks, person)
    frames = drive(renderer, own_trajectory(person), motion, person.fps, renderer.camera.size)
    return np.stack(list(itertools.islice(frames, 0, None, 2))).astype(int)


def enlarged(capture: Capture, frames: int, size: int) -> Capture:
    """A capture as if it had so many frames of so many pixels a side; no two have the same landmarks."""
    rows = np.arange(frames) % len(capture)
    rng = np.random.default_rng(0)
    moved = capture.landmarks.landmarks[rows] + rng.normal(0, 0.01, (frames, 68, 3)).astype(np.float32)
    tables = {name: getattr(capture, name)[rows] for name in ("c2w", "body", "is_train", "valid", "lips_box")}
    tracked = replace(
        capture.landmarks,
        landmarks=moved,
        eye_openness=capture.landmarks.eye_openness[rows],
        valid=capture.landmarks.valid[rows],
    )
    focal, middle = tuple(size / capture.width * f for f in capture.focal), size / 2
    lens = {"focal": focal, "centre": (middle, middle), "width": size, "height": size}
    return replace(capture, landmarks=tracked, **tables, **lens)


def changed(sent: Path, path: Path, change: Callable[[dict, dict[str, torch.Tensor]], None]) -> Path:
    """A file with other contents and the right checksums, as somebody who means harm would make it."""
    found = unpack(sent.read_bytes())
    info, tensors = found.info, found.tensors
    change(info, tensors)
    path.write_bytes(pack(info, tensors))
    return path


def set_in(*path: str | int, to: Any) -> Callable[[dict, dict], None]:
    def change(info: dict, tensors: dict) -> None:
        holder: Any = info
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = to

    return change


def put(name: str, make: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[dict, dict], None]:
    def change(info: dict, tensors: dict) -> None:
        tensors[name] = make(tensors[name]).contiguous()

    return change


def written(value: float, *index: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def make(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.clone()
        tensor[index] = value
        return tensor

    return make


def refitted(change: Callable[[dict, dict[str, torch.Tensor]], None]) -> Callable[[dict, dict], None]:
    """Another post-net, whose own checksums are right too."""

    def outer(info: dict, tensors: dict) -> None:
        found = unpack(tensors["postnet"].numpy().tobytes())
        change(found.info, found.tensors)
        tensors["postnet"] = torch.frombuffer(bytearray(pack(found.info, found.tensors)), dtype=torch.uint8)

    return outer

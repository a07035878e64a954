"""Checkpoints of `ns-train geneface`: written whole, tied to their capture, loaded anywhere without nerfstudio."""

from __future__ import annotations

import logging
import os
import pickle
import re
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.nerf.head import HeadFieldConfig
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.scene.torso import TorsoFieldConfig

METHOD = "geneface"
FORMAT = 2
"""Raised when the tensors or their meaning change."""
FOLDER = "nerfstudio_models"
"""nerfstudio's folder of checkpoints inside a run."""
PREFIX = "_model.portrait."
"""Of the portrait's tensors among nerfstudio's."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class About:
    """What a checkpoint says of itself, under the key `geneface`."""

    format: int
    capture: str
    """The capture's folder at the time of training."""
    fingerprint: str
    """Of that capture."""
    downscale: int
    """Whole factor by which its pictures were reduced."""
    portrait: dict[str, Any]
    """PortraitConfig as plain values."""

    @staticmethod
    def of(capture: Capture, downscale: int, config: PortraitConfig) -> About:
        # A subclass's further fields are no part of the portrait.
        sizes = {field.name: getattr(config, field.name) for field in fields(PortraitConfig)}
        plain = {name: asdict(value) if is_dataclass(value) else value for name, value in sizes.items()}
        return About(FORMAT, str(capture.folder.resolve()), fingerprint(capture), downscale, plain)

    @property
    def portrait_config(self) -> PortraitConfig:
        known = dict(self.portrait)
        head, torso = HeadFieldConfig(**known.pop("head")), TorsoFieldConfig(**known.pop("torso"))
        return replace(PortraitConfig(**known), head=head, torso=torso)


@dataclass(frozen=True)
class Trained:
    """A trained head and the person it shows."""

    portrait: Portrait
    capture: Capture
    step: int
    """Of the checkpoint."""


def write(path: Path, contents: dict[str, Any]) -> None:
    """Write a checkpoint beside its folder and rename it into place: a kill in the middle leaves the older ones alone.

    nerfstudio reads the step out of every name in the folder, so nothing half-written may lie there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.parent.glob(".step-*.partial"):  # of a run that was killed while it saved
        left.unlink(missing_ok=True)
    temporary = path.parent.parent / f".{path.stem}.{os.getpid()}.partial"
    try:
        torch.save(contents, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def checkpoints(run: Path) -> list[Path]:
    """A run's checkpoints, newest first."""
    return sorted((run / FOLDER).glob("step-*.ckpt"), reverse=True)


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's contents, on the CPU.

    Raises:
        InputError: it is damaged, of another method, or of another format.
    """
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, KeyError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: damaged checkpoint ({reason}); copy it again, or train again") from error
    if not isinstance(contents, dict) or "pipeline" not in contents:
        raise InputError(f"{path}: not a checkpoint of `ns-train {METHOD}`; give one")
    about = contents.get(METHOD)
    if about is None:
        raise InputError(f"{path}: of another method, or of an older release of {METHOD}; train again")
    if about["format"] != FORMAT:
        raise InputError(f"{path}: checkpoint format {about['format']}, this program reads {FORMAT}; train again")
    return contents


def newest(run: Path) -> tuple[Path, dict[str, Any]]:
    """A run's newest checkpoint that can be read, and its contents; says so if a newer one is damaged.

    Raises:
        InputError: there is none.
    """
    paths = checkpoints(run)
    if not paths:
        raise InputError(f"{run / FOLDER}: holds no checkpoint; train until the first one is saved")
    for path, is_last in zip(paths, _flags(len(paths)), strict=True):
        try:
            return path, read(path)
        except InputError as error:
            if is_last:
                raise
            _log.warning("%s; going on with the one before it", error)
    raise AssertionError("unreachable")


def _flags(count: int) -> Iterator[bool]:
    yield from (index == count - 1 for index in range(count))


def find_run(path: Path) -> Path:
    """The run's folder, from its config.yml or itself; nothing in the config is executed.

    Raises:
        InputError: no such file, not a nerfstudio config, of another method, or without a checkpoint beside it.
    """
    path = Path(path)
    if path.is_dir():
        run = path
    else:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read; give the config.yml that `ns-train {METHOD}` wrote") from error
        method = re.search(r"^method_name: (\S+)$", text, re.MULTILINE)
        if not text.startswith("!!python/object:") or method is None:
            raise InputError(f"{path}: not a nerfstudio config; give the config.yml that `ns-train {METHOD}` wrote")
        if method[1] != METHOD:
            raise InputError(f"{path}: is of method {method[1]!r}; give one that `ns-train {METHOD}` wrote")
        run = path.parent
    if not checkpoints(run):
        raise InputError(f"{run / FOLDER}: holds no checkpoint; train until the first one is saved")
    return run


def check_capture(about: About, capture: Capture, where: object) -> None:
    """Refuse a capture that a checkpoint was not trained on.

    Raises:
        InputError: its fingerprint differs.
    """
    if fingerprint(capture) != about.fingerprint:
        raise InputError(
            f"{where} was trained on another capture than {capture.folder} holds now (processed again since, or of "
            "another video); give the one it was trained on with --data, or train again"
        )


def load_trained(path: Path, data: Path | None = None, device: str = "auto") -> Trained:
    """Load a run's newest checkpoint, wherever its folder and its capture are.

    Args:
        path: config.yml of the run, or the run's folder.
        data: the capture, where it does not lie where it was trained from.
        device: "cpu", "cuda", or "auto" for CUDA where there is one.

    Raises:
        InputError: as `find_run`; or no checkpoint is whole; or the capture is gone or another one; or the device
            cannot hold it.
    """
    run = find_run(path)
    checkpoint, contents = newest(run)
    about = About(**contents[METHOD])
    folder = Path(data) if data is not None else Path(about.capture)
    if data is None and not folder.exists():
        raise InputError(f"{folder}: the capture that {run} was trained on is gone; say where it is with --data")
    capture = load_capture(folder)
    check_capture(about, capture, checkpoint)
    portrait = Portrait(capture, about.downscale, about.portrait_config)
    tensors = {k[len(PREFIX) :]: v for k, v in contents["pipeline"].items() if k.startswith(PREFIX)}
    portrait.load_state_dict(tensors)
    return Trained(portrait.to(choose_device(device)).eval(), capture, int(contents["step"]))


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one.

    Raises:
        InputError: CUDA is asked for where there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch sees no CUDA device here; use --device cpu")
    return torch.device(name)

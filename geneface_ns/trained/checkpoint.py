"""Checkpoints of `ns-train`: written whole, tied to their capture, loaded anywhere without nerfstudio."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from audio_motion.errors import InputError, one_line
from audio_motion.files import need_file, written_whole
from audio_motion.tensors import DAMAGED, check_finite
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.capture_format.person import is_person_file
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.trained.methods import ANY, METHOD, METHODS, Method, method_of

FOLDER = "nerfstudio_models"
"""nerfstudio's folder of checkpoints inside a run."""
PREFIX = "_model.portrait."
"""Of the portrait's tensors among nerfstudio's."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class About:
    """What a checkpoint says of itself, under its method's name."""

    format: int
    capture: str
    """The capture's folder at the time of training."""
    fingerprint: str
    """Of that capture."""
    downscale: int
    """Whole factor by which its pictures were reduced."""
    portrait: dict[str, Any]
    """Its sizes (`Method.config`) as plain values."""

    @staticmethod
    def of(capture: Capture, downscale: int, config: Any) -> About:
        """
        Args:
            config: the portrait's sizes, of either method.
        """
        method = method_of(config)
        # A subclass's further fields are no part of the portrait.
        own = method.config(**{field.name: getattr(config, field.name) for field in fields(method.config)})
        return About(method.format, str(capture.folder.resolve()), fingerprint(capture), downscale, asdict(own))

    @staticmethod
    def read(contents: dict[str, Any]) -> About:
        """What a checkpoint's contents say of it.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: no such thing, or sizes that are not its tensors'.
        """
        about = About(**contents[_method_in(contents).name])
        for field in fields(About):
            value = getattr(about, field.name)
            if type(value).__name__ != str(field.type).partition("[")[0]:
                raise TypeError(f"{field.name} is {value!r}")
        # Every size is a side of some tensor: a file asks for no more memory than its own size allows for.
        largest = max(side for value in _tensors(contents).values() for side in value.shape)
        for number in (about.downscale, *_numbers(about.portrait)):
            if not 0 <= number <= largest:
                raise ValueError(f"a size of {number}")
        return about


def described(capture: Capture, downscale: int, config: Any) -> dict[str, Any]:
    """The entry of a checkpoint that says what it is; see `About.of`."""
    return {method_of(config).name: asdict(About.of(capture, downscale, config))}


def write(path: Path, contents: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all: a kill in the middle leaves the older ones as they were.

    Raises:
        InputError: it cannot be written.
    """
    # nerfstudio reads a step out of every name in the folder, so nothing half-written may lie in it, but above it.
    with written_whole(path, beside=path.parent.parent / "checkpoint.partial") as temporary:
        try:
            torch.save(contents, temporary)
        except RuntimeError as error:  # what torch makes of a full disk
            raise InputError(f"cannot write {path} ({first_line(error)}); free some space and resume") from error


def step_of(path: Path) -> int:
    """The step that a checkpoint's name tells, or its contents where it has been given another name.

    Raises:
        InputError: neither does.
    """
    name = re.fullmatch(r"step-(\d+)", path.stem)
    return int(name[1]) if name else int(read(path)["step"])


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, which is `run / FOLDER` for a run; newest first."""
    return sorted(Path(folder).glob("step-*[0-9].ckpt"), key=step_of, reverse=True)


def read(path: Path, wanted: str | None = None) -> dict[str, Any]:
    """A checkpoint's contents, on the CPU.

    Args:
        wanted: the method that it is to be of; None: either.

    Raises:
        InputError: it is damaged, of another method, or of another format.
    """
    need_file(path, "copy it again, or remove it")
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle is a damaged program: it may raise anything
        raise InputError(f"{path}: damaged checkpoint ({first_line(error)}); copy it again, or remove it") from error
    if not isinstance(contents, dict) or "pipeline" not in contents:
        raise InputError(f"{path}: not a checkpoint of {ANY}; give one")
    try:
        method = _method_in(contents)
    except KeyError as error:
        raise InputError(f"{path}: of another method, or of an older release of {METHOD}; train again") from error
    if wanted is not None and method.name != wanted:
        raise InputError(f"{path}: of the method {method.name}, not of {wanted}; go on with `ns-train {method.name}`")
    about = contents[method.name]
    if not isinstance(about, dict) or "format" not in about or type(contents.get("step")) is not int:
        raise InputError(f"{path}: damaged checkpoint (it does not say what it is); copy it again, or remove it")
    if about["format"] != method.format:
        raise InputError(
            f"{path}: checkpoint format {about['format']}, this program reads {method.format}; train again"
        )
    return contents


def trained_on(path: Path, wanted: str | None = None) -> str | None:
    """The fingerprint of the capture that a checkpoint says it was trained on; None where it is none of ours, or not of
    the method that is wanted. Tensors are not read.
    """
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        method = _method_in(contents).name
        return str(contents[method]["fingerprint"]) if wanted in (None, method) else None
    except Exception:  # a damaged pickle is a damaged program: it may raise anything
        return None


def newest(paths: Iterable[Path], wanted: str | None = None) -> tuple[Path, dict[str, Any]]:
    """The furthest trained of some checkpoints that can be read, and its contents; says so if a further one cannot.

    Args:
        wanted: as for `read`.

    Raises:
        InputError: none can; the message is the furthest one's.
    """
    reasons: list[InputError] = []
    for path in sorted(paths, key=step_of, reverse=True):
        try:
            found = path, read(path, wanted)
        except InputError as error:
            reasons.append(error)
            continue
        for reason in reasons:
            _log.warning("%s; using %s", reason, path.name)
        return found
    raise reasons[0]


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def find_run(path: Path) -> Path:
    """The run's folder, from its config.yml or itself; nothing in the config is executed.

    Raises:
        InputError: no such file, not a nerfstudio config, of another method, without a checkpoint beside it, or a
            person file.
    """
    path = Path(path)
    if is_person_file(path):
        raise InputError(
            f"{path}: a person file holds neither pictures nor sound of the person, which this needs; give the run's "
            "folder or its config.yml"
        )
    if path.is_dir():
        run = path
    else:
        need_file(path, f"give the config.yml that {ANY} wrote")
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read; give the config.yml that {ANY} wrote") from error
        method = re.search(r"^method_name: (\S+)$", text, re.MULTILINE)
        if not text.startswith("!!python/object:") or method is None:
            raise InputError(f"{path}: not a nerfstudio config; give the config.yml that {ANY} wrote")
        if method[1] not in METHODS:
            raise InputError(f"{path}: is of method {method[1]!r}; give one that {ANY} wrote")
        run = path.parent
    if not checkpoints(run / FOLDER):
        raise InputError(f"{run / FOLDER}: holds no checkpoint; train until the first one is saved")
    return run


def check_capture(trained_on: str, capture: Capture, where: object) -> None:
    """Refuse a capture that a checkpoint was not trained on.

    Args:
        trained_on: the fingerprint of the capture that it was.
        capture: what lies there now.
        where: the checkpoint, for the message.

    Raises:
        InputError: its fingerprint differs.
    """
    if fingerprint(capture) != trained_on:
        raise InputError(
            f"{where} was trained on another capture than {capture.folder} holds now (processed again since, or of "
            "another video); give the one it was trained on with --data, or train again"
        )


def load_run(path: Path, data: Path | None = None, device: str = "auto") -> tuple[TalkingPortrait, Capture, int]:
    """A run's newest checkpoint, wherever its folder and its capture are.

    Args:
        path: config.yml of the run, or the run's folder.
        data: the capture, where it does not lie where it was trained from.
        device: "cpu", "cuda", or "auto" for CUDA where there is one.

    Returns:
        the portrait; the capture; the checkpoint's step.

    Raises:
        InputError: as `find_run`; or no checkpoint is whole; or the capture is gone or another one; or the device
            cannot hold it.
    """
    run = find_run(path)
    checkpoint, contents = newest(checkpoints(run / FOLDER))
    try:
        about = About.read(contents)
    except DAMAGED as error:
        raise _not_ours(checkpoint, error) from error
    folder = Path(data) if data is not None else Path(about.capture)
    if data is None and not folder.exists():
        raise InputError(f"{folder}: the capture that {run} was trained on is gone; say where it is with --data")
    capture = load_capture(folder)
    check_capture(about.fingerprint, capture, checkpoint)
    try:
        method = _method_in(contents)
        portrait = method.portrait(capture, about.downscale, method.config_of(about.portrait))
        portrait.load_state_dict(_tensors(contents))
    except DAMAGED as error:
        raise _not_ours(checkpoint, error) from error
    return portrait.to(choose_device(device, method)).eval(), capture, int(contents["step"])


def _method_in(contents: dict[str, Any]) -> Method:
    """The method that a checkpoint is of. Raises KeyError where it is of none."""
    for name, method in METHODS.items():
        if name in contents:
            return method
    raise KeyError("of no method that is known here")


def _tensors(contents: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The portrait's tensors. Raises ValueError where one holds no numbers."""
    tensors = {k[len(PREFIX) :]: v for k, v in contents["pipeline"].items() if k.startswith(PREFIX)}
    check_finite(tensors)
    return tensors


def _numbers(value: Any) -> Iterator[float]:
    """All numbers in nested containers."""
    if isinstance(value, dict | list | tuple):
        for inside in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inside)
    elif not isinstance(value, bool):
        yield float(value)


def _not_ours(path: Path, error: Exception) -> InputError:
    reason = f"{type(error).__name__}: {one_line(error)[:200]}"
    return InputError(f"{path}: no whole checkpoint of {ANY} ({reason}); copy it again, or train again")


def choose_device(name: str, method: Method = METHODS[METHOD]) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one and it can hold the method's portrait.

    Raises:
        InputError: CUDA is asked for where there is none, or where it cannot hold it.
    """
    if name == "auto":
        name = "cuda" if method.on_cuda and torch.cuda.is_available() else "cpu"
    if name == "cuda" and not method.on_cuda:
        raise InputError(f"--device cuda: {method.name} runs on the CPU; use --device cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch sees no CUDA device here; use --device cpu")
    return torch.device(name)

"""A trained head to render from, whether it is a run of `ns-train` or a person file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audio_motion.errors import InputError
from audio_motion.files import need_file
from audio_motion.tensors import DAMAGED
from geneface_ns.capture_format.person import Person, is_person_file
from geneface_ns.scene.person_file import no_person, read_person_file
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.trained.checkpoint import choose_device, find_run, load_run
from geneface_ns.trained.person_file import method_in, portrait_of


@dataclass(frozen=True)
class Trained:
    """A trained head and the person it shows."""

    portrait: TalkingPortrait
    person: Person
    """A `Capture` where it was trained on one that lies here; a `SentPerson` out of a person file."""
    step: int
    """Of the training."""


def find_trained(path: Path) -> None:
    """See that there is something to load, before other work is done.

    Raises:
        InputError: there is not, as `find_run`.
    """
    if is_person_file(path):
        need_file(path, "give a person file that `geneface export` wrote")
    else:
        find_run(path)


def load_trained(path: Path, data: Path | None = None, device: str = "auto") -> Trained:
    """Load a run's newest checkpoint, wherever its folder and its capture are; or a person file, which needs neither.

    Args:
        path: config.yml of the run, the run's folder, or a person file (.gface).
        data: the capture, where it does not lie where the run was trained from.
        device: "cpu", "cuda", or "auto" for CUDA where there is one.

    Raises:
        InputError: as `load_run` and `read_person_file`; or the device cannot hold it.
    """
    if not is_person_file(path):
        return Trained(*load_run(path, data, device))
    if data is not None:
        raise InputError(f"--data {data}: a person file needs no capture; leave it out")
    file = read_person_file(path)
    try:
        method, portrait = method_in(file), portrait_of(file)
    except DAMAGED as error:
        raise no_person(path, error) from error
    return Trained(portrait.to(choose_device(device, method)).eval(), file.person, file.step)

"""A trained head of either method as a person file, and back. The file: `geneface_ns.scene.person_file`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from audio_motion.data.json_kinds import as_kind
from audio_motion.errors import InputError
from audio_motion.models.store import Inside
from audio_motion.tensors import pack, unpack
from geneface_ns.capture_format.capture import Capture
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.capture_format.person import Person
from geneface_ns.scene.person_file import Card, PersonFile, SentPerson
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.trained.methods import METHODS, Method, method_of_portrait


@dataclass(frozen=True)
class _Sizes:
    """All that a portrait is built from besides the person."""

    downscale: int
    """Whole factor by which the training pictures were reduced."""
    portrait: dict[str, Any]
    """The method's own (`Method.config`)."""


def person_file(
    portrait: TalkingPortrait,
    capture: Capture,
    step: int,
    postnet: Path,
    prosody: np.ndarray,
    consent: str | None = None,
    name: str | None = None,
) -> PersonFile:
    """What a person file is to hold of a trained head.

    Args:
        capture: that it learnt from.
        step: of the training.
        postnet: checkpoint of the person's post-net for the generator that comes with the package.
        prosody: float32 [F, 3] of what the person says.
        consent: what is to be said of the person's consent.
        name: what the person is to be called; None for the capture's name, which is in no file under another.

    Raises:
        InputError: it could not be read again.
    """
    known = {field.name: getattr(capture, field.name) for field in fields(Person)} | {"name": name or capture.name}
    fitted = unpack(postnet.read_bytes())
    voice = Inside(postnet, pack(fitted.info | {"person": known["name"]}, fitted.tensors))
    method = method_of_portrait(portrait)
    card = Card(
        name=known["name"],
        made_with=f"geneface-ns {version('geneface-ns')}",
        made_on=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        trained_steps=step + 1,
        size=portrait.camera.size,
        consent=consent,
    )
    downscale = round(capture.focal[0] / portrait.camera.focal[0])
    made = PersonFile(
        person=SentPerson(**known, postnet=voice, prosody=prosody),
        card=card,
        step=step,
        fingerprint=fingerprint(capture),
        renderer=method.name,
        config=asdict(_Sizes(downscale, asdict(method.sizes_of(portrait)))),
        tensors=method.stored(portrait),
    )
    try:
        _restored(method, made)
    except ValueError as error:
        raise InputError(
            f"{capture.folder}: no person file holds such a head ({error}); train it in usual sizes"
        ) from error
    return made


def method_in(file: PersonFile) -> Method:
    """The method whose portrait a file holds.

    Raises:
        ValueError: of none that is known here.
    """
    if file.renderer not in METHODS:
        raise ValueError(f"made for the renderer {file.renderer!r}, which this program has not")
    return METHODS[file.renderer]


def portrait_of(file: PersonFile) -> TalkingPortrait:
    """Build the portrait that a file holds.

    Raises:
        ValueError, LookupError, TypeError, RuntimeError: its tensors are not those that its sizes ask for, or another
            renderer's; found out before anything is built that is larger than the file.
    """
    method = method_in(file)
    config, downscale, state = _restored(method, file)
    portrait: TalkingPortrait = method.portrait(file.person, downscale, config)
    expected = method.stored(portrait)
    for name in sorted(expected.keys() ^ file.tensors.keys()):
        raise ValueError(f"{name} is missing, or one too many")
    for name, value in file.tensors.items():
        if value.dtype != expected[name].dtype:
            raise ValueError(f"{name} is {value.dtype}, expected {expected[name].dtype}")
    portrait.load_state_dict(portrait.state_dict() | state)
    return portrait


def _restored(method: Method, file: PersonFile) -> tuple[Any, int, dict[str, Tensor]]:
    """A portrait's sizes, its downscale, and of its state what a file holds."""
    sizes = as_kind(file.config, _Sizes)
    config: Any = as_kind(sizes.portrait, method.config)
    for number in (sizes.downscale, *_whole_numbers(asdict(config))):
        if number < 1:
            raise ValueError(f"a size of {number}")
    return config, sizes.downscale, method.restored(file.tensors, config, file.person, sizes.downscale)


def _whole_numbers(value: Any) -> Iterator[int]:
    """All whole numbers in nested containers."""
    if isinstance(value, dict | list | tuple):
        for inside in value.values() if isinstance(value, dict) else value:
            yield from _whole_numbers(inside)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value

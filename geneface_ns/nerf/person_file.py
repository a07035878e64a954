"""A portrait's part of a person file: what rendering needs, large tensors in half precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audio_motion.data.json_kinds import as_kind
from audio_motion.errors import InputError
from audio_motion.models.store import Inside
from audio_motion.tensors import pack, unpack
from geneface_ns.capture_format.capture import Capture
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.capture_format.person import Person
from geneface_ns.nerf.portrait import SHORTEST_STEP, Portrait, PortraitConfig
from geneface_ns.scene.person_file import Card, PersonFile, SentPerson
from geneface_ns.scene.torso import REACH

RENDERER = "geneface"
HALF = (
    *("head.planes.", "head.lower_planes", "head.upper_planes"),
    *("torso.torso_picture", "torso.background_picture", "torso.latents."),
)
"""What is stored in half precision, by the beginnings of names: planes and pictures, which are nearly all of it."""
LEFT_OUT = ("table.", "head.box", "occupancy.box", "occupancy.weight")
"""What follows from the person, or is for training."""
OCCUPIED = "occupancy.occupied"
"""Stored as bits, eight a byte."""
MOST_SAMPLES = 512
"""Along the diagonal of the head's box: a hundred are usual, and memory and time follow from them."""
FINEST_WARP = 64
"""Nodes of the warp's volume along each axis, of which no tensor tells."""


@dataclass
class PortraitSizes:
    """All that a portrait is built from besides the person."""

    downscale: int
    """Whole factor by which the training pictures were reduced."""
    portrait: PortraitConfig


def person_file(
    portrait: Portrait,
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
    grid = portrait.occupancy
    config = PortraitConfig(portrait.head.config, portrait.torso.config, grid.step, grid.resolution)
    sizes = PortraitSizes(round(capture.focal[0] / portrait.camera.focal[0]), config)
    card = Card(
        name=known["name"],
        made_with=f"geneface-ns {version('geneface-ns')}",
        made_on=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        trained_steps=step + 1,
        size=portrait.camera.size,
        consent=consent,
    )
    made = PersonFile(
        person=SentPerson(**known, postnet=voice, prosody=prosody),
        card=card,
        step=step,
        fingerprint=fingerprint(capture),
        renderer=RENDERER,
        config=asdict(sizes),
        tensors=stored(portrait),
    )
    try:
        _check(sizes, made)
    except ValueError as error:
        raise InputError(
            f"{capture.folder}: no person file holds such a head ({error}); train it in usual sizes"
        ) from error
    return made


def stored(portrait: Portrait) -> dict[str, Tensor]:
    """The tensors that a person file holds of a portrait."""
    kept = {}
    for name, value in portrait.state_dict().items():
        if name == OCCUPIED:
            kept[name] = torch.from_numpy(np.packbits(value.cpu().numpy()))
        elif not name.startswith(LEFT_OUT):
            kept[name] = value.cpu().half() if name.startswith(HALF) else value.cpu()
    return kept


def portrait_of(file: PersonFile) -> Portrait:
    """Build the portrait that a file holds.

    Raises:
        ValueError, LookupError, RuntimeError: its tensors are not those that its sizes ask for, or another renderer's;
            found out before anything is built.
    """
    if file.renderer != RENDERER:
        raise ValueError(f"made for the renderer {file.renderer!r}, which this program has not")
    sizes, person = as_kind(file.config, PortraitSizes), file.person
    _check(sizes, file)
    portrait = Portrait(person, sizes.downscale, sizes.portrait)
    cells = portrait.occupancy.occupied
    bits = np.unpackbits(file.tensors[OCCUPIED].numpy(), count=cells.numel())
    occupied = torch.from_numpy(bits.astype(bool)).reshape(cells.shape)
    missing, unexpected = portrait.load_state_dict({**file.tensors, OCCUPIED: occupied}, strict=False)
    if odd := [*unexpected, *(name for name in missing if not name.startswith(LEFT_OUT))]:
        raise ValueError(f"{odd[0]} is missing, or one too many")
    return portrait


def _check(sizes: PortraitSizes, file: PersonFile) -> None:
    for name, value in file.tensors.items():
        kind = torch.uint8 if name == OCCUPIED else torch.float16 if name.startswith(HALF) else torch.float32
        if name.startswith(LEFT_OUT) or value.dtype != kind:
            raise ValueError(f"{name} is {value.dtype}, expected {kind} or nothing")
    for number in _whole_numbers(asdict(sizes)):
        if number < 1:
            raise ValueError(f"a size of {number}")
    for name, shape in _shapes(sizes, file.person).items():
        if tuple(file.tensors[name].shape) != shape:
            raise ValueError(f"{name} has shape {tuple(file.tensors[name].shape)}, its sizes ask for {shape}")
    config = sizes.portrait
    if config.head.warp_resolution > FINEST_WARP:
        raise ValueError(f"warp_resolution is {config.head.warp_resolution}")
    diagonal = float(np.linalg.norm(np.diff(file.person.head_box, axis=0)))
    if not (config.sample_step >= SHORTEST_STEP and diagonal / config.sample_step <= MOST_SAMPLES):
        raise ValueError(f"sample_step is {config.sample_step}, the head's box {diagonal:g} across")


def _shapes(sizes: PortraitSizes, person: Person) -> dict[str, tuple[int, ...]]:
    """Shapes that, all together, use every size that memory depends on."""
    head, torso = sizes.portrait.head, sizes.portrait.torso
    size = [round(side // sizes.downscale * REACH) for side in (person.height, person.width)]
    known = int((person.is_train & person.valid).sum())
    features, latents = (
        head.plane_channels * len(head.plane_resolutions) + head.basis_channels,
        2 * torso.latent_channels * len(torso.latent_resolutions),
    )
    blended = 3 * head.basis_channels * head.basis_resolution**2
    return {
        **{f"head.planes.{i}": (3, head.plane_channels, r, r) for i, r in enumerate(head.plane_resolutions)},
        # As many components as there are, up to those that `ConditionEncoder` asks for.
        "head.lower_planes": (min(12, known), blended),
        "head.upper_planes": (min(6, known) + 2, blended),
        "head.first.weight": (head.hidden, features),
        "head.rest.1.weight": (head.hidden, head.hidden),
        "torso.torso_picture": (4, *size),
        "torso.background_picture": (3, *size),
        **{f"torso.latents.{i}": (2 * torso.latent_channels, r, r) for i, r in enumerate(torso.latent_resolutions)},
        "torso.encoder.2.weight": (torso.code, 64),
        "torso.shift.0.weight": (torso.hidden, latents + torso.code),
        "torso.colour.0.weight": (torso.hidden, latents + 7 + torso.code + 8),
        "torso.colour.2.weight": (torso.hidden, torso.hidden),
        OCCUPIED: (-(-(sizes.portrait.occupancy_resolution**3) // 8),),
    }


def _whole_numbers(value: Any) -> Iterator[int]:
    """All whole numbers in nested containers."""
    if isinstance(value, dict | list | tuple):
        for inside in value.values() if isinstance(value, dict) else value:
            yield from _whole_numbers(inside)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value

"""The page: scripts, style, and all that they draw from and play, in one file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from string import Template
from typing import NamedTuple

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from audio_motion.files import written_whole
from audio_motion.media import AS_PLAYED, Tracks, audio_info
from geneface_ns.output.page.backdrop import Backdrop
from geneface_ns.output.page.numbers import Numbers
from geneface_ns.output.provenance import container_tags, maker
from geneface_ns.output.soundtrack import SoundTrack
from geneface_ns.output.video import frame_rate
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.person_file import STATEMENT
from geneface_ns.splat.head import FAINT, FLIP, Drive, SplatHead

SCRIPTS = ("head.js", "stage.js", "player.js")
QUALITY = 95
"""Of the pictures, as JPEG counts it."""


class Shown(NamedTuple):
    """Who is on a page."""

    name: str
    """As people read it."""
    head: SplatHead
    backdrop: Backdrop
    camera: Pinhole
    """At the size of the page's picture."""


def write_page(
    path: Path, shown: Shown, conditions: Iterable[Condition], fps: float, sound: Path, tracks: Tracks = AS_PLAYED
) -> int:
    """Write a page that plays a person saying something; returns how many frames it has.

    Args:
        path: .html; written whole or not at all.
        conditions: one frame each.
        fps: of the frames.
        sound: any media file with a sound track, of which as much is taken as the frames last.
        tracks: of that file, where it has several.

    Raises:
        InputError: the sound cannot be used, or the page cannot be written.
        ValueError: there is no frame.
    """
    numbers = Numbers()
    _put_head(numbers, shown.head)
    count = _put_frames(numbers, shown, conditions)
    tags = container_tags()
    about = {
        "numbers": numbers.about,
        "size": shown.camera.size,
        "lens": [*shown.camera.focal, *shown.camera.centre],
        "reach": shown.backdrop.reach,
        "fps": fps,
        "frames": count,
        "pictures": {name: _base64(contents) for name, contents in _pictures(shown.backdrop).items()},
    }
    page = files(__package__)
    style = page.joinpath("page.css").read_text("utf-8")
    script = "".join(page.joinpath(name).read_text("utf-8") for name in SCRIPTS)
    filled = Template(page.joinpath("page.html").read_text("utf-8")).substitute(
        allowed=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; media-src data:; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        maker=html.escape(maker()),
        provenance=html.escape(tags["comment"]),
        made=html.escape(tags["creation_time"]),
        name=html.escape(shown.name),
        statement=html.escape(STATEMENT),
        last=count - 1,
        sound=_base64(_sound(sound, count, fps, tracks, tags)),
        # Nothing in it may end the element that it stands in.
        about=json.dumps(about).replace("<", "\\u003c"),
        contents=_base64(numbers.contents),
        style=style,
        script=script,
    )
    with written_whole(path) as temporary:
        temporary.write_text(filled, "utf-8")
    return count


@torch.no_grad()
def _put_head(numbers: Numbers, head: SplatHead) -> None:
    """What is the same in all frames. A Gaussian's numbers have the order of `splat.head.UNITS`."""
    rest = [head.means, head.quats, head.scales, head.opacities[:, None], head.colors]
    numbers.add_rounded("rest", torch.cat(rest, dim=1).numpy())
    numbers.add_rounded("pose_colors", head.pose_colors.numpy())
    moving = head.weights > FAINT
    numbers.add("moving", moving.sum(dim=1).numpy().astype(np.uint8))
    numbers.add("landmark", moving.nonzero()[:, 1].numpy().astype(np.uint8))
    numbers.add_rounded("weight", head.weights[moving].numpy())
    for name in ("mouth", "eyes"):
        near, gate, basis = (getattr(head, part) for part in (f"near_{name}", f"gate_{name}", f"{name}_basis"))
        numbers.add(f"near_{name}", near.numpy().astype(np.int32))
        numbers.add_rounded(f"{name}_basis", (gate[:, :, None] * basis * head.units).numpy())


@torch.no_grad()
def _put_frames(numbers: Numbers, shown: Shown, conditions: Iterable[Condition]) -> int:
    """What each frame needs of the network, of the camera and of the body; returns how many there are."""
    rows: dict[str, list[Tensor]] = {name: [] for name in (*Drive._fields, "view", "body")}
    for condition in conditions:
        rotation = (condition.c2w[:, :3, :3] * FLIP[:3]).transpose(1, 2)
        view = torch.cat([rotation, -rotation @ condition.c2w[:, :3, 3:]], dim=2)
        frame = {**shown.head.drive(condition)._asdict(), "view": view}
        frame["body"] = shown.backdrop.looked_up(condition.body)
        for name, value in frame.items():
            rows[name].append(value.flatten(1))
    if not rows["view"]:
        raise ValueError("there is no frame to show")
    for name in Drive._fields:
        numbers.add_rounded(name, torch.cat(rows[name]).numpy())
    for name in ("view", "body"):  # at a picture's edge 16 bits would be seen
        numbers.add(name, torch.cat(rows[name]).numpy())
    return len(rows["view"])


def _pictures(backdrop: Backdrop) -> dict[str, bytes]:
    """Encoded, and all opaque: browsers change colours that have transparency."""
    masks = torch.cat([backdrop.torso[..., 3:], backdrop.before_head, torch.zeros_like(backdrop.before_head)], dim=2)
    kinds = {"torso": "JPEG", "background": "JPEG", "masks": "PNG"}
    layers = {"torso": backdrop.torso[..., :3], "background": backdrop.background, "masks": masks}
    encoded = {}
    for name, layer in layers.items():
        buffer = BytesIO()
        picture = Image.fromarray((layer.clamp(0, 1) * 255).round().byte().numpy())
        picture.save(buffer, kinds[name], quality=QUALITY, subsampling=0)
        encoded[name] = buffer.getvalue()
    return encoded


def _sound(path: Path, frames: int, fps: float, tracks: Tracks, tags: dict[str, str]) -> bytes:
    """As much of a sound as the frames last, as AAC in MP4, which all browsers play."""
    buffer, rate = BytesIO(), frame_rate(fps)
    with av.open(buffer, "w", format="mp4") as container:
        container.metadata.update(tags)
        track = SoundTrack(container, "aac", rate, path, audio_info(path, tracks), tracks, 0.0)
        try:
            track.write_until(frames)
            track.finish()
        finally:
            track.close()
    return buffer.getvalue()


def _base64(contents: bytes | bytearray) -> str:
    return base64.b64encode(contents).decode("ascii")


def _hash(text: str) -> str:
    """By which a browser is told to run this and nothing else."""
    return f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'"

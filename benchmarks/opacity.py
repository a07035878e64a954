"""How whole a trained head is: its opacity inside its mask, and holes and shreds along its outline.

    python benchmarks/opacity.py RUN
    python benchmarks/opacity.py RUN --speech german.wav french.wav --picture worst.png

*Opacity* is that of the head's layer alone, inside the capture's own head mask shrunk by a part of the width (1/64 for
the person's own motion; 1/32 for foreign motion, whose jaw stands elsewhere). *Holes* are pixels enclosed by the
head's outline (opacity over a half) that do not belong to it, *loose* ones belong to no part that hangs together with
the largest, and *notches* are those that a closing with a disc of 1.2 % of the width fills; all per 10,000 pixels of
the head. Foreign motion: pose i of the capture is shown with every tenth frame of all speech in turn, so that each pose
meets another face.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import torch
import tyro
from machine import describe

from audio_motion.progress import shown
from geneface_ns.capture_format.capture import Capture
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.motion.speech import motion_of_speech
from geneface_ns.motion.voice import voice_of
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.frames import FrameStore
from geneface_ns.trained.checkpoint import load_run


@dataclass
class Opacity:
    """What to look at."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run of `ns-train geneface`, or its config.yml."""
    speech: tuple[Path, ...] = ()
    """Sound of other people; left out: the person's own motion alone."""
    every: int = 1
    """Look at one frame of the capture in so many."""
    picture: Path | None = None
    """Where the worst frames are shown over green."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What renders."""


def head_opacity(portrait: Portrait, frame: int, face: MotionFrame) -> tuple[np.ndarray, np.ndarray]:
    """The head's layer of a frame with a given face: opacity [H, W] and premultiplied colour [H, W, 3]."""
    table = portrait.table

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, device=portrait.device)[None]

    condition = Condition(
        tensor(face.landmarks), tensor(face.eye_openness), table.c2w[frame][None], table.body[frame][None]
    )
    nothing = torch.zeros(portrait.camera.size[1], portrait.camera.size[0], 4)
    layers = ReferenceRenderer(portrait).render(condition, portrait.camera, underlay=nothing)
    return layers.opacity[..., 0].cpu().numpy(), layers.head.cpu().numpy()


def holes_loose_notches(opacity: np.ndarray) -> np.ndarray:
    """The three figures of the module's docstring, float [3]."""
    head = (opacity > 0.5).astype(np.uint8)
    if not head.any():
        return np.full(3, 1e4)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(head, connectivity=4)
    largest = (labels == 1 + stats[1:count, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    # What a flood from outside does not reach is enclosed.
    flooded = np.pad(1 - largest, 1, constant_values=1).astype(np.uint8)
    cv2.floodFill(flooded, None, (0, 0), 2)
    enclosed = (flooded[1:-1, 1:-1] == 1).sum()
    reach = max(1, round(0.012 * opacity.shape[1]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wide = cv2.copyMakeBorder(largest, *(3 * reach,) * 4, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, disc)[3 * reach : -3 * reach, 3 * reach : -3 * reach]
    figures = (enclosed, head.sum() - largest.sum(), (closed > largest).sum())
    return 1e4 * np.array(figures, float) / largest.sum()


def shrunk(head: np.ndarray, part: int) -> np.ndarray:
    """bool [H, W]: inside uint8 [H, W] by 1 / part of the width."""
    reach = max(1, head.shape[1] // part)
    square = np.ones((2 * reach + 1,) * 2, np.uint8)
    return cv2.erode((head == 255).astype(np.uint8), square, borderValue=(1,)) > 0


def look(title: str, portrait: Portrait, store: FrameStore, faces: dict[int, MotionFrame], part: int) -> np.ndarray:
    """Print the figures of some frames with given faces; returns the worst three over green, side by side."""
    inside, outline, worst = [], [], []
    for frame, face in shown(faces.items(), len(faces), title):
        opacity, colour = head_opacity(portrait, frame, face)
        mask = shrunk(store.frame(frame).head, part)
        inside.append(opacity[mask])
        outline.append(holes_loose_notches(opacity))
        green = (colour + (1 - opacity[..., None]) * np.array([0, 1, 0])) * 255 + 0.5
        worst.append((outline[-1].sum(), green.clip(0, 255).astype(np.uint8)))
        worst = sorted(worst, key=lambda item: -item[0])[:3]
    means = [values.mean() for values in inside if len(values)]
    every, figures = np.concatenate(inside), np.array(outline)
    print(
        f"| {title} | {len(faces)} | {every.mean():.4f} | {np.quantile(every, 0.05):.4f} | {min(means):.4f} | "
        f"{' | '.join(f'{m:.1f} / {w:.1f}' for m, w in zip(figures.mean(axis=0), figures.max(axis=0), strict=True))} |",
        flush=True,
    )
    return np.concatenate([picture for _, picture in worst], axis=1)


def own_faces(capture: Capture, every: int) -> dict[int, MotionFrame]:
    """The capture's own face in each valid frame."""
    sequence = capture.landmarks
    return {
        int(i): MotionFrame(sequence.landmarks[i], sequence.eye_openness[i])
        for i in np.flatnonzero(capture.valid)[::every]
    }


def main(config: Opacity) -> None:
    print(describe())
    portrait, capture, step = load_run(config.run, device=config.device)
    store = FrameStore(capture, round(capture.width / portrait.camera.size[0]))
    print(f"{capture.folder.name} at {portrait.camera.size[0]}², step {step}")
    print("| motion | frames | opacity | 5 % | worst frame | holes mean / worst | loose | notches |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    own = own_faces(capture, config.every)
    pictures = [look("own", portrait, store, own, 64)]
    if config.speech:
        voice = voice_of(capture, "prior")
        foreign = [
            face
            for sound in config.speech
            for face in islice(motion_of_speech(sound, voice, capture, 0, 0.1), 0, None, 10)
        ]
        pictures.append(look("foreign", portrait, store, dict(zip(own, cycle(foreign), strict=False)), 32))
    if config.picture is not None:
        cv2.imwrite(str(config.picture), np.concatenate(pictures)[..., ::-1])


if __name__ == "__main__":
    main(tyro.cli(Opacity))
